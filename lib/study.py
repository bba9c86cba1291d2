"""A study file: read, validated, and held against the losses and published tables it names. Never imports torch."""

import csv
from pathlib import Path

from lib.errors import SeglossError
from lib.losses import specification as losses
from lib.schema import Study
from lib.strict_yaml import read_yaml
from lib.suggest import suggestion
from lib.validation import validated

PUBLISHED_METRICS = {
    "lesions": ("object_dice", "avg_recall", "luna_metric"),
    "overlap": ("test_dice",),
    "surface": ("dice_slices", "row_hausdorff"),
}
"""By the metrics of a study, what it can read of a table of `published/`."""


def load_study(path: Path, root: Path) -> Study:
    """Read the study file at ``path`` below ``root``, which holds `published/` too.

    Raises:
        SeglossError: any fault, named by file, key and value, with what is allowed.
    """
    where = str(path.relative_to(root))
    study = validated(Study, read_yaml(path, where), where)
    for label, specification in study.losses.items():
        try:
            losses.resolved(specification)
        except SeglossError as error:
            raise SeglossError(f"{where}: losses.{label}: {error}") from None
    if study.published:
        _check_published(study, root, where)
    return study


def _check_published(study: Study, root: Path, where: str) -> None:
    """Check that the table is there, has what the study's metrics read and knows the names it is asked for."""
    table = root / f"published/{study.published.table}.csv"
    if not table.is_file():
        raise SeglossError(f"{where}: published.table: there is no published/{table.name}")
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    read = PUBLISHED_METRICS[study.metrics]
    if not any(row["metric"] in read for row in rows):
        told = f"metrics: {study.metrics} read {', '.join(read)}, of which published/{table.name} has none"
        raise SeglossError(f"{where}: published.table: {told}")
    theirs = {row["loss"] for row in rows}
    for label, published in study.published.losses.items():
        if label not in study.losses:
            unknown = f"unknown loss {label!r}{suggestion(label, study.losses)}"
            raise SeglossError(f"{where}: published.losses: {unknown}")
        if published not in theirs:
            unknown = f"published/{table.name} has no loss {published!r}{suggestion(published, theirs)}"
            raise SeglossError(f"{where}: published.losses.{label}: {unknown}")
