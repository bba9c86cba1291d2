"""What the tests of CT adapters share: archives unpacked, indexed and prepared, and boxes."""

import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lib.datasets import DATASETS
from lib.datasets.index import Index
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded
from lib.store import Case


class Unpacked:
    """The archives of a data set, unpacked, with its cases as its adapter finds and prepares them."""

    def __init__(self, dataset: str, adapter: ModuleType, folder: Path) -> None:
        self.adapter, self.parameters = adapter, DATASETS[dataset].parameters
        self.index: Index = adapter.index(RawFiles([folder]), self.parameters).checked(dataset)
        assert DATASETS[dataset].adapter == adapter.__name__
        assert set(self.index.splits) == set(DATASETS[dataset].splits)

    def prepare(self, case: str, **parameters: object) -> Case:
        return self.adapter.prepare(case, self.index.cases[case], {**self.parameters, **parameters})

    def reason(self, case: str) -> str:
        with pytest.raises(CaseExcluded) as caught:
            self.prepare(case)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def parts(self, split: str = "holdout") -> dict[str, tuple[str, ...]]:
        return self.index.splits[split]


def unpack(paths: list[Path], folder: Path) -> Path:
    folder.mkdir()
    for path in paths:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder / path.stem)
        elif path.suffix == ".tar":
            with tarfile.open(path) as archive:
                archive.extractall(folder / path.stem, filter="data")
        else:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def same_place(case: Case, voxel: tuple[int, ...], start: tuple[int, ...], affine: np.ndarray) -> bool:
    """Whether the raw voxel lies in the cropped case where it lay before."""
    here = np.append(np.subtract(voxel, start), 1)
    return np.allclose(case.affine @ here, affine @ np.append(voxel, 1), atol=1e-5)


def box_mask(shape: tuple[int, ...], *spans: tuple[int, int]) -> np.ndarray:
    """True from the first to the last voxel of each span, both included."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(first, last + 1) for first, last in spans)] = True
    return mask
