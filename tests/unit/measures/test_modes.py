"""However a network sees a volume, whole, in windows or slice by slice, its prediction is measured as one volume."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import store_case
from torch import nn

from lib.arrays import write_array
from lib.config.load import load
from lib.config.schema import Resampling
from lib.inference import predict_case, stored_kinds
from lib.labels import BINARY
from lib.measures.catalogue import MEASURES
from lib.measures.evaluation import case_rows, segmentations
from lib.store import StoredCase

SHAPE = (12, 10, 6)
MODES = {
    "a volume at once": ((12, 10, 6), (12, 10, 6)),
    "a sliding window": ((6, 4, 4), (3, 4, 2)),
    "slices": ((12, 10), (12, 10)),
    "a sliding window over slices": ((6, 4), (3, 2)),
}
"""Patch size and stride of inference."""


class Threshold(nn.Module):
    """The logit of a voxel is its value, in 2D and in 3D."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1]


@pytest.fixture
def case(tmp_path: Path) -> StoredCase:
    """A large part of the lesion is found on one slice, a small one on the next is missed; the others are empty."""
    label, found = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, bool)
    label[2:8, 2:7, 2], found[2:8, 2:7, 2] = 1, True
    label[2:4, 2:4, 3] = 1
    found[9, 9, 5] = True
    return store_case(tmp_path / "prepared", "case", np.where(found, 1.0, -1.0)[None], label)


def rows_of(case: StoredCase, folder: Path, mode: str) -> list[dict]:
    """Rows of the case as the rules `predict` and `evaluate` make them."""
    patch_size, stride = MODES[mode]
    window = SimpleNamespace(patch_size=patch_size, stride=stride)
    chosen = SimpleNamespace(inference=window, labels=BINARY, resampling=Resampling())
    image, spacing = case.array("image")[...], case.description["spacing"]
    outputs = predict_case(Threshold(), image, spacing, chosen, torch.device("cpu"))
    for kind, values in stored_kinds(*outputs, BINARY, ["labels"]).items():
        write_array(folder / f"case.{kind}.b2nd", values)
    cuts = {"decided": dict.fromkeys(BINARY.structures, np.nan)}
    measures = [MEASURES.parse(name) for name in ("overlap", "surface", "slices")]
    return case_rows(segmentations([case], folder, BINARY, cuts), measures, "")


@pytest.mark.parametrize("mode", MODES)
def test_a_case_is_measured_as_a_volume(case: StoredCase, tmp_path: Path, mode: str) -> None:
    (row,) = rows_of(case, tmp_path / "predictions", mode)
    assert (row["voxels"], row["present"], row["predicted"], row["both"]) == (12 * 10 * 6, 34, 31, 30)
    assert row["dice"] == pytest.approx(2 * 30 / (34 + 31))
    by_slice = [1, 1, 1, 0, 1, 0]  # those that are empty and stay so count as right
    assert row["dice_slices"] == pytest.approx(np.mean(by_slice)) and row["dice_slices"] < row["dice"] - 0.2
    to_lesion = np.sqrt((9 - 7) ** 2 + (9 - 6) ** 2 + 3**2)  # across slices, none of which holds both
    assert row["hd"] == pytest.approx(to_lesion)


def test_a_run_by_slices_is_evaluated_as_one_on_volumes_is() -> None:
    runs = load({"studies": ["liver_benchmark"], "scale": "paper"}).runs
    first = {run.variant: run for run in reversed(runs) if run.dataset == "lits_liver" and run.loss == "dice"}
    slices, volumes = first["base"], first["volumes"]
    assert slices.settings.slices and not volumes.settings.slices
    assert slices.evaluation_settings() == volumes.evaluation_settings()
    assert slices.dataset == volumes.dataset and {"overlap", "surface"} <= {m.name for m in slices.measures}
