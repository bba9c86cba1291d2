"""The numbers of Shirokikh et al. (MICCAI 2020), recomputed from the authors' published record files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lib.errors import SeglossError
from lib.measures.froc import DRAWS, froc_numbers, small_objects
from lib.measures.records import Records, read_records
from lib.tables import PUBLISHED_COLUMNS, read_published

STUDY = "inverse_weighting"
LOSSES = ("iwdl", "dl", "iwbce", "bce", "iwasl", "asl", "iwfl", "fl", "gdl", "wce")
SMALL_LIMITS = {"luna": 8, "lits": 12, "met": 5}
"""Diameter in voxels below which the publication calls an object small, by data set."""
FOCAL_SEARCH = "luna_val"
FOCAL_RUNS = ("luna_fl_25", "luna_fl_50", "luna_fl_75", "luna_fl_83")
PAIRS = (
    *((dataset, loss) for dataset in SMALL_LIMITS for loss in LOSSES),
    *((FOCAL_SEARCH, run) for run in FOCAL_RUNS),
)

DatasetLoss = tuple[str, str]
_FOLDER_OF_SEARCH = "val_focal_loss"
_PATH_TAIL = ("experiment_0", "test_metrics", "prc_records.json")
PRINTED_METRICS = {
    "object_dice": "object_dice",
    "avg_recall_published": "avg_recall",
    "luna_metric_published": "luna_metric",
}
"""Metric of the published table -> as :func:`lib.measures.froc.froc_numbers` names its mean and sd."""


def read_published_records(paths: Sequence[Path]) -> dict[DatasetLoss, Records | None]:
    """Every (data set, loss) of the publication in the order of :data:`PAIRS`; None where no file is given.

    Args:
        paths: ``.../<set>/<loss>/experiment_0/test_metrics/prc_records.json`` as released.

    Raises:
        SeglossError: a path of another shape, an unknown or repeated pair, or a broken file.
    """
    path_of: dict[DatasetLoss, Path] = {}
    for path in map(Path, paths):
        pair = _pair(path)
        if pair in path_of:
            raise SeglossError(f"{path}: {'/'.join(pair)} is given twice, first as {path_of[pair]}; keep one")
        path_of[pair] = path
    return {pair: read_records(path_of[pair]) if pair in path_of else None for pair in PAIRS}


def published_table(
    records: Mapping[DatasetLoss, Records | None], printed: pd.DataFrame, draws: int = DRAWS
) -> pd.DataFrame:
    """One row per (data set, loss, all or small objects): recomputed numbers next to the printed ones.

    Args:
        records: as :func:`read_published_records` returns them.
        printed: as :func:`read_printed` returns them.

    Returns:
        ``dataset``, ``loss``, ``objects``, ``status`` (``recomputed`` or ``records missing``), the numbers of
        :func:`lib.measures.froc.froc_numbers`, ``printed_<metric>`` as "mean ± sd", and
        ``agrees_with_print``: yes or no, to every printed digit; empty where nothing is printed or nothing
        can be recomputed.
    """
    printed_of = {
        (row.dataset, row.loss, row.metric): (row.value, row.spread) for row in printed.itertuples(index=False)
    }
    rows = []
    for (dataset, loss), whole in records.items():
        for objects in ("all", "small") if dataset in SMALL_LIMITS else ("all",):
            row = {"dataset": dataset, "loss": loss, "objects": objects}
            row["status"] = "records missing" if whole is None else "recomputed"
            if whole is not None:
                part = whole if objects == "all" else small_objects(whole, SMALL_LIMITS[dataset])
                row |= froc_numbers(part, draws)
            prints = {
                name: printed_of[dataset, loss, metric]
                for metric, name in PRINTED_METRICS.items()
                if objects == "all" and (dataset, loss, metric) in printed_of
            }
            row |= {f"printed_{metric}": f"{mean} ± {std}" for metric, (mean, std) in prints.items()}
            if prints and whole is not None:
                row["agrees_with_print"] = "yes" if _agree(row, prints) else "no"
            rows.append(row)
    return _ordered(pd.DataFrame(rows)).convert_dtypes()


def read_printed(path: Path) -> pd.DataFrame:
    """The published numbers of this study as text, so that their digits are kept.

    Raises:
        SeglossError: as of :func:`lib.tables.read_published`.
    """
    table = pd.DataFrame(read_published(path), columns=PUBLISHED_COLUMNS)
    return table[table["study"] == STUDY]


def _pair(path: Path) -> DatasetLoss:
    folder, loss = path.parts[-5:-3] if len(path.parts) >= 5 else ("", "")
    pair = (FOCAL_SEARCH if folder == _FOLDER_OF_SEARCH else folder, loss)
    if path.parts[-3:] != _PATH_TAIL or pair not in PAIRS:
        raise SeglossError(
            f"{path}: expected <set>/<loss>/{'/'.join(_PATH_TAIL)} with a set of "
            f"{', '.join(SMALL_LIMITS)} and a loss of {', '.join(LOSSES)}, "
            f"or {_FOLDER_OF_SEARCH} and {', '.join(FOCAL_RUNS)}"
        )
    return pair


def _agree(row: Mapping[str, float], prints: Mapping[str, tuple[str, str]]) -> bool:
    return all(
        _rounded_like(text, row[f"{metric}_{part}"]) == text
        for metric, texts in prints.items()
        for part, text in zip(("mean", "std"), texts, strict=True)
    )


def _rounded_like(text: str, value: float) -> str:
    return f"{value:.{len(text.partition('.')[2])}f}"


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Printed numbers last, whatever row came first."""
    last = [*(f"printed_{name}" for name in PRINTED_METRICS.values()), "agrees_with_print"]
    return table.reindex(columns=[*(column for column in table if column not in last), *last])
