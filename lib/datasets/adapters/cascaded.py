"""The cases of another data set as the second stage of a cascade is trained on them: within the true region.

Parameters: ``stage``, as `lib.config.cascade.SecondStage` has it, and ``labels`` of the other data set.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lib.cascade import image_inside, label_inside, region_of, window_of
from lib.config.cascade import SecondStage
from lib.datasets.adapters.resampled import cases_of, stored_case
from lib.datasets.index import Index, IndexedCase
from lib.datasets.raw import RawFiles
from lib.datasets.reading import cropped_affine
from lib.errors import CaseExcluded
from lib.labels import Labels
from lib.store import Case


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """The cases and splits of the other data set; its folder holds the index."""
    return cases_of(Path(raw.one(r"index\.json")))


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Cut one prepared case to its region."""
    stored = stored_case(entry)
    chosen, labels = SecondStage(**parameters["stage"]), Labels(**parameters["labels"])
    label, spacing = stored.array("label")[...], stored.description["spacing"]
    region, affine = region_of(label, chosen, labels, spacing), stored.description["affine"]
    if not region.any():
        raise CaseExcluded(f"the region of {', '.join(chosen.region)} is empty")
    return Case(
        image_inside(stored.array("image")[...], region, chosen),
        label_inside(label, region, chosen, labels),
        tuple(spacing),
        entry.patient,
        cropped_affine(affine and np.array(affine), window_of(region, chosen)),
    )
