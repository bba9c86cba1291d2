"""What the tables of every study share: the evaluated run, and the gathering of runs by loss."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import pandas as pd

from lib.config.load import load
from lib.config.run import Run
from lib.errors import SeglossError
from lib.paths import Paths

KEYS = ["scale", "dataset", "variant", "noise", "loss"]
# A bar for reading, no result: below it no one would look at the masks any further, whatever a network has learnt.
POOR_DICE = 0.3  # mean over cases
POOR_COMPONENTS = 10  # wrong ones for each true one


@dataclass(frozen=True)
class EvaluatedRun:
    """One run's keys (scale, data set, variant, noise, loss, seed), its data set's title and folder of results.

    ``noise_table`` states what was done to its training masks, None where they are clean.
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
        values = run.evaluation_settings() | {"folder": Path(paths.run(run.id)), "noise_table": None}
        if run.noise.alpha:
            values["noise_table"] = Path(paths.noise_table(run.dataset, run.split, run.noise.name))
        return cls(**{field.name: values[field.name] for field in fields(cls)})

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
        SeglossError: it is damaged: no row, a column is missing, surplus cells, or its last line was cut off.
    """
    try:
        table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise SeglossError(f"{path}: damaged ({error}); delete it and run again") from error
    has_surplus = not isinstance(table.index, pd.RangeIndex)  # pandas takes the first cells for an index then
    if table.empty or has_surplus or not set(columns) <= set(table) or not path.read_text().endswith("\n"):
        expected = f"expected rows with columns {', '.join(columns)}"
        raise SeglossError(f"{path}: damaged: {expected}; delete it and run again")
    return table


def run_status(
    dice: float,
    *,
    collapsed: bool,
    below_reference: bool = False,
    wrong_components: float = 0,
    true_components: float = 0,
) -> str:
    """What a run has come to, in one word or two.

    ``collapsed``: no better than a prediction made without learning; ``below reference``: worse than what needs no
    network; ``poor``: the mean Dice of its cases is below ``POOR_DICE``, or it has more than ``POOR_COMPONENTS`` wrong
    components for each true one; ``learnt``: none of these. The first that applies.
    """
    if collapsed:
        return "collapsed"
    if below_reference:
        return "below reference"
    if dice < POOR_DICE or wrong_components > POOR_COMPONENTS * true_components:
        return "poor"
    return "learnt"


def unusable(status: pd.Series) -> str:
    """How many runs have collapsed or are poor, such as ``1 of 6 collapsed, 2 of 6 poor``; empty for none."""
    counts = {name: (status == name).sum() for name in ("collapsed", "poor")}
    return ", ".join(f"{count} of {len(status)} {name}" for name, count in counts.items() if count)


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
