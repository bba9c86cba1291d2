"""What the tables of every study share: the evaluated run, and the gathering of runs by loss."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import pandas as pd

from lib.config import Run, load
from lib.errors import SeglossError
from lib.paths import Paths

KEYS = ["scale", "dataset", "variant", "noise", "loss"]


@dataclass(frozen=True)
class EvaluatedRun:
    """One run's keys (scale, data set, variant, noise, loss, seed), its data set's title and folder of results.

    ``noise_table`` tells what was done to its training masks, None where they are clean.
    """

    keys: Mapping[str, Any]
    title: str
    noise_table: Path | None
    folder: Path

    @classmethod
    def of_study(cls, values: Mapping[str, Any], study: str) -> list[Self]:
        """The runs of a study, from the values of the workflow's configuration."""
        configuration = load(values)
        paths = Paths(configuration.workflow.folders)
        return [cls._of(run, paths) for run in configuration.runs_of(study)]

    @classmethod
    def _of(cls, run: Run, paths: Paths) -> Self:
        told = run.evaluation_settings() | {"folder": Path(paths.run(run.id)), "noise_table": None}
        if run.noise.alpha:
            told["noise_table"] = Path(paths.noise_table(run.dataset, run.split, run.noise.name))
        return cls(**{field.name: told[field.name] for field in fields(cls)})

    @property
    def part(self) -> str:
        """The data set and variant, as `dataset/variant`."""
        return f"{self.keys['dataset']}/{self.keys['variant']}"

    def history(self) -> pd.DataFrame:
        return read_table(self.folder / "history.csv", ["epoch"])

    def masks_dice(self) -> float:
        """Mean Dice of the training masks, all of them, with the clean ones: the dose of the noise; 1 without any."""
        return float(pd.read_csv(self.noise_table)["dice"].mean()) if self.noise_table else 1.0


def read_table(path: Path, columns: Collection[str]) -> pd.DataFrame:
    """A table that a job of the workflow wrote.

    Raises:
        SeglossError: it is damaged: no row, a column is missing, or its last line was cut off.
    """
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise SeglossError(f"{path}: damaged ({error}); delete it and run again") from error
    if table.empty or not set(columns) <= set(table) or not path.read_text().endswith("\n"):
        told = f"expected rows with columns {', '.join(columns)}"
        raise SeglossError(f"{path}: damaged: {told}; delete it and run again")
    return table


def by_part(runs: Sequence[EvaluatedRun]) -> list[list[EvaluatedRun]]:
    """The runs of each data set and variant."""
    parts: dict[str, list[EvaluatedRun]] = {}
    for run in runs:
        parts.setdefault(run.part, []).append(run)
    return list(parts.values())


def by_loss(runs: pd.DataFrame, same_for_all: Collection[str]) -> pd.DataFrame:
    """One row per data set, variant and loss: means over seeds, and ``<metric>_sd`` (empty for one seed).

    Args:
        same_for_all: columns that seeds do not change; the first row's value is kept.
    """
    rows = []
    for keys, group in runs.groupby(KEYS, sort=False):
        row = dict(zip(KEYS, keys, strict=True)) | {"seeds": len(group)}
        row |= {name: group[name].iloc[0] for name in same_for_all}
        row["status"] = ", ".join(f"{status} {n}" for status, n in group["status"].value_counts().items())
        for name in group.columns.drop([*row.keys() & group.columns, "seed"]):
            row[name] = group[name].mean()
            if not name.endswith("_sd"):
                row[f"{name}_sd"] = group[name].std(ddof=1)
        rows.append(row)
    return pd.DataFrame(rows)
