"""What a training records."""

from dataclasses import dataclass, field

Row = dict[str, float | None]


@dataclass
class History:
    """One row per epoch; None where an epoch has not measured something."""

    rows: list[Row] = field(default_factory=list)

    def as_csv(self) -> str:
        def line(row: Row) -> str:
            return ",".join("" if value is None else repr(value) for value in row.values())

        return "\n".join([",".join(self.rows[0]), *map(line, self.rows)]) + "\n"
