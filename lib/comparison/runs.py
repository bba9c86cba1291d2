"""What the tables of every study share: the evaluated run, and the gathering of runs by loss."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import pandas as pd

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
    def of(cls, settings: Mapping[str, Any], folder: Path) -> Self:
        """The run of a folder, from the settings that the configuration tells of it."""
        told = {field.name: settings[field.name] for field in fields(cls) if field.name != "folder"}
        return cls(folder=folder, **told)

    @property
    def part(self) -> str:
        """The data set and variant, as `dataset/variant`."""
        return f"{self.keys['dataset']}/{self.keys['variant']}"

    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "history.csv")

    def masks_dice(self) -> float:
        """Mean Dice of the training masks, all of them, with the clean ones: the dose of the noise; 1 without any."""
        return float(pd.read_csv(self.noise_table)["dice"].mean()) if self.noise_table else 1.0


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
            row[name], row[f"{name}_sd"] = group[name].mean(), group[name].std(ddof=1)
        rows.append(row)
    return pd.DataFrame(rows)
