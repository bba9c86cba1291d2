"""The data sets: what the workflow knows of each before any file of it is opened.

This module stays free of heavy imports, because parsing the DAG reads it. An adapter module (named in
``Dataset.adapter``) offers ``prepare(case: str, parameters: dict) -> lib.store.Case``.
"""

from dataclasses import dataclass, field
from typing import Any

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Dataset:
    """One data set.

    ``splits`` maps a split's name (a protocol such as ``holdout``) to case ids by part (train, validation,
    test). ``adapter`` is the module that prepares its cases, None as long as the project has none.
    """

    name: str
    title: str
    adapter: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)


def _numbered(prefix: str, **sizes: int) -> dict[str, tuple[str, ...]]:
    parts, first = {}, 0
    for part in SPLITS:
        parts[part] = tuple(f"{prefix}{number:03d}" for number in range(first, first + sizes[part]))
        first += sizes[part]
    return parts


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="phantom_lesions",
            title="3D phantoms with many lesions",
            adapter="lib.datasets.phantom_lesions",
            parameters={"seed": 0, "lesion_free_fraction": 0.15},
            splits={"holdout": _numbered("phantom_", train=20, validation=6, test=20)},
        ),
        Dataset(name="luna16", title="LUNA16 lung nodules"),
        Dataset(
            name="lits",
            title="LiTS liver tumours",
            splits={  # of inverse weighting
                "holdout": {
                    "train": tuple(map(str, range(33, 131))),
                    "validation": tuple(map(str, range(28, 33))),
                    "test": tuple(map(str, range(28))),
                }
            },
        ),
    )
}
