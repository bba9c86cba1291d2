"""Fixtures that several test modules use."""

from pathlib import Path

import numpy as np
import pytest

from lib.maps import connected_components
from lib.store import Case, StoredCase, write_array, write_case

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with golden values and real data is not here")
    return SHARED


def store_case(folder: Path, name: str, image: np.ndarray, label: np.ndarray) -> StoredCase:
    """Write a prepared case with its components and open it."""
    components = connected_components(label)
    case = Case(image, label, (1.0,) * label.ndim, patient=name, n_lesions=int(components.max()))
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
