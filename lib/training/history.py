"""What a training records."""

from dataclasses import dataclass, field
from itertools import chain

Row = dict[str, float | None]


@dataclass
class History:
    """One row per epoch; None, or no entry, where an epoch has not measured something."""

    rows: list[Row] = field(default_factory=list)

    def as_csv(self) -> str:
        columns = dict.fromkeys(chain.from_iterable(self.rows))

        def line(row: Row) -> str:
            return ",".join("" if row.get(column) is None else repr(row[column]) for column in columns)

        return "\n".join([",".join(columns), *map(line, self.rows)]) + "\n"
