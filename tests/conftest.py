"""Fixtures that several test modules use."""

import shutil
from collections.abc import Callable
from pathlib import Path

import adapters_ct
import numpy as np
import official_mr_2d
import pytest
import torch

from lib import ROOT
from lib.arrays import write_array
from lib.datasets.raw import RawFiles
from lib.labels import Labels
from lib.maps import connected_components
from lib.store import Case, StoredCase, write_case

torch.set_num_threads(1)  # more than one is many times slower for small networks on a busy machine
SHARED = ROOT.parent / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order whole workflows first: they take longest, and one of them at the end would leave a core idle."""
    items.sort(key=lambda item: "tests/workflow" not in item.path.as_posix())


@pytest.fixture(autouse=True)
def _same_draws_in_every_run() -> None:
    """A test that draws weights or inputs from torch's own generator draws the same ones each time."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with golden values and real data is not here")
    return SHARED


def classes(count: int) -> Labels:
    """A background and ``count`` - 1 structures."""
    return Labels(tuple(map(str, range(count))))


def store_case(folder: Path, name: str, image: np.ndarray, label: np.ndarray) -> StoredCase:
    """Write a prepared case with its components and open it."""
    components = connected_components(label)
    case = Case(image, label, (1.0,) * label.ndim, patient=name)
    write_case(folder / name, name, case)
    write_array(folder / name / "components.b2nd", components)
    return StoredCase(folder / name)


@pytest.fixture
def tiny_cases(tmp_path: Path) -> list[StoredCase]:
    """Three prepared cases of 24 voxels a side: two with bright cubes as lesions, one without any."""
    rng = np.random.default_rng(0)
    cases = []
    for number, corners in enumerate([[(2, 2, 2), (14, 14, 14)], [(6, 12, 4)], []]):
        label = np.zeros((24, 24, 24), np.uint8)
        for i, j, k in corners:
            label[i : i + 5, j : j + 5, k : k + 5] = 1
        image = (rng.normal(0, 0.3, label.shape) + 2 * label)[None]
        cases.append(store_case(tmp_path, f"case{number}", image, label))
    return cases


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a project with one study."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/inverse_weighting.yaml").write_text((ROOT / "studies/inverse_weighting.yaml").read_text())
    shutil.copytree(ROOT / "published", tmp_path / "published")
    return tmp_path


@pytest.fixture(scope="session")
def iw_target() -> Callable[[str], np.ndarray]:
    """The targets of the golden files of inverse weighting, by name."""

    def target(name: str) -> np.ndarray:
        values = np.zeros((2, 1, 12, 14, 16))
        if name == "multi":
            values[0, 0, 1:4, 1:4, 1:4] = values[0, 0, 6:8, 6:8, 6:8] = values[0, 0, 10, 12, 14] = 1
            values[1, 0, 4:8, 4:8, 4:8] = 1
        elif name == "one_empty":
            values[0, 0, 1:4, 1:4, 1:4] = 1
        elif name == "touch":
            values[0, 0, 2:4, 2:4, 2:4] = values[0, 0, 4:6, 4:6, 4:6] = values[0, 0, 0:2, 8:14, 8:16] = 1
            values[1, 0, 0:12, 0:13, 0:15] = 1
        return values

    return target


@pytest.fixture(scope="session")
def components_of() -> Callable[[np.ndarray], torch.Tensor]:
    """The component labels of every sample of a target (batch, 1, *spatial)."""

    def components(target: np.ndarray) -> torch.Tensor:
        labelled = [connected_components(sample[0])[None].astype(np.int64) for sample in target]
        return torch.from_numpy(np.stack(labelled))

    return components


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[..., RawFiles]:
    """Packs a tree of files, extracts the archive and looks at what it held."""
    return lambda tree, tar=False: official_mr_2d.unpacked(tmp_path, tree, tar)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a data set's archives with one of ``official_ct``'s functions and unpacks them, once a module."""
    folders: dict[tuple, Path] = {}

    def folder(write: Callable, *arguments: str) -> Path:
        key = (write, *arguments)
        if key not in folders:
            archives = tmp_path_factory.mktemp("archives")
            folders[key] = adapters_ct.unpack(write(archives, *arguments), archives / "unpacked")
        return folders[key]

    return folder
