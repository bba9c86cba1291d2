"""Made-up results of studies, and what the figures drawn of them show."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lib.arrays import write_array
from lib.comparison.results import ALL, EvaluatedRun, StudyResults
from lib.config.study_schema import Look
from lib.files import write_json
from lib.labels import Labels
from lib.measures.catalogue import DECIDED, MEASURES
from lib.store import Case, StoredCase, write_case

NOTE = "Note on the scale."
LABELS = {
    **{"ce": "CE", "gdl": "GDL", "dice": "Dice Loss", "boundary": "Boundary Loss"},
    **{"gdl_hausdorff": "GDL + Hausdorff", "t_loss": "T-Loss", "t_loss_nu5": "T-Loss, ν̃ from 5", "gce": "GCE"},
}


def made_run(folder: Path, loss: str = "gdl", seed: int = 0, **options: object) -> EvaluatedRun:
    """A run below ``folder`` and its tables.

    Options: its keys ``dataset``, ``variant``, ``noise``, ``network`` and ``title``; ``tables``, by name;
    ``measures``, as a study file names them; and those of `EvaluatedRun`.
    """
    given = {"dataset": "slabs", "variant": "base", "noise": "clean", "network": "unet"} | options
    keys = {name: given.pop(name) for name in ("dataset", "variant", "noise", "network")}
    of_training = {"resampling": "native", "optimizer": "adam", "scheduler": "constant", "loss": loss, "seed": seed}
    run = "/".join([*keys.values(), loss, f"seed-{seed}"])
    for name, table in given.pop("tables", {}).items():
        write_table(folder / run, name, table)
    measures = [MEASURES.parse(measure) for measure in given.pop("measures", ["overlap"])]
    return EvaluatedRun(
        **{"title": "Slabs", "cuts": (DECIDED,), "id": run, **given},
        keys={"scale": "demo", **keys, **of_training},
        folder=folder / run,
        measures=measures,
    )


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False)


def study(runs: Iterable[EvaluatedRun], **options: object) -> StudyResults:
    """A study of some runs, the first cut of which decides."""
    runs = list(runs)
    common = {
        "note": NOTE,
        "losses": {run.keys["loss"]: {} for run in runs},
        "looks": {loss: Look(label=label) for loss, label in LABELS.items()},
        "titles": {run.keys["dataset"]: run.title for run in runs},
        "examples": runs,
        "primary_cut": runs[0].cuts[0] if runs else "",
    }
    return StudyResults(runs, **{**common, **options})


def rows_of_all(run: EvaluatedRun, **numbers: object) -> dict[str, object]:
    """A run's row of all structures, in the table of runs."""
    return {**run.keys, "cut": run.cuts[0], "structure": ALL, "status": "learnt", "test_cases": 7, **numbers}


def predicted_runs(
    folder: Path,
    labels: Sequence[np.ndarray],
    predictions: Mapping[str, np.ndarray],
    meaning: Labels,
    spacing: Sequence[float] = (),
    **options: object,
) -> list[EvaluatedRun]:
    """Stores test cases, and for each loss a run that predicts the same label for all of them."""
    names = [f"case{number}" for number in range(len(labels))]
    described = {}
    for name, label in zip(names, labels, strict=True):
        shape = label.shape if meaning.exclusive else label.shape[1:]
        lengths = tuple(spacing) or (1.0,) * len(shape)
        image = np.random.default_rng(0).normal(size=(3 if len(shape) == 2 else 1, *shape))
        write_case(folder / "prepared" / name, name, Case(image, label, lengths, patient=name))
        described[name] = StoredCase(folder / "prepared" / name).description
    write_json(folder / "test.json", described)
    stored = {"labels": meaning, "prepared": folder / "prepared", "part": folder / "test.json"}
    runs = [made_run(folder, loss, **stored, **options) for loss in predictions]
    for run, predicted in zip(runs, predictions.values(), strict=True):
        for name in names:
            write_array(run.folder / "predictions" / f"{name}.labels.b2nd", predicted.astype(np.uint8))
    return runs


def words(figure: Figure) -> str:
    """All text of a figure but its panels'."""
    legends = [text for legend in figure.legends for text in legend.get_texts()]
    return " ".join(text.get_text() for text in [*figure.texts, *legends]).replace("\n", " ")


def texts(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


def line(axis: Axes, label: str) -> np.ndarray:
    """The points (n, 2) of the line or error bars with a label."""
    handle = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))[label]
    return (handle if hasattr(handle, "get_xydata") else handle.lines[0]).get_xydata()


def tinted(axis: Axes, colour: str) -> int:
    """Pixels of a panel with a tint."""
    tint = axis.images[1].get_array()
    return int((np.isclose(tint[..., :3], to_rgb(colour)).all(axis=-1) & (tint[..., 3] > 0)).sum())
