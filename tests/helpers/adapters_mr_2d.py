"""What the tests of MR and picture adapters share: imitated trees, and the steps of preparation by hand."""

import io
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import nibabel
import numpy as np
import official_mr_2d as official
from official_mr_2d import Tree
from PIL import Image

from lib.datasets import DATASETS
from lib.datasets.index import Index
from lib.datasets.raw import RawFiles
from lib.store import Case

Unpack = Callable[..., RawFiles]
WMH = {"Utrecht": [0, 2], "Singapore": [50, 51], "GE3T": [100, 102]}
RETINAL = {"train": ["10_left", "10_right", "13_left"], "val": ["15_left"], "test": ["16_left", "17_left"]}
CITIES = {
    "bochum": "train",
    "aachen": "train",
    "ulm": "train",
    "jena": "train",
    "bremen": "train",
    "lindau": "val",
}
CXR = [f"CHNCXR_{number:04d}_{number % 2}" for number in range(1, 11)]
TREES: dict[str, Tree] = {
    "wmh2017": official.wmh2017(WMH),
    "isles2018": official.isles2018([1, 2, 3, 10]),
    "acdc": official.acdc([1, 2, 3, 4, 101]),
    "isic2017": official.isic2017(Training=[0, 3], Validation=[1], Test_v2=[2]),
    "shenzhen": official.shenzhen(CXR, ["CHNCXR_0662_1"]),
    "montgomery": official.montgomery([f"MCUCXR_{number:04d}_0" for number in range(1, 6)]),
    "retinal_lesions": official.retinal_lesions(RETINAL),
    "cityscapes": official.cityscapes(CITIES | {"berlin": "test"}),
    "cvc_clinicdb": official.cvc_clinicdb([1, 25, 26, 51, 205, 206, 591, 592, 612]),
    "kvasir_seg": official.kvasir_seg([f"cju0qkwl35piu0993l0dewei{number}" for number in range(6)]),
    "idrid": official.idrid(range(1, 12), [55, 56]),
}
FORMS = {
    "wmh2017": ("wmh2017_corrected",),
    "acdc": ("acdc_corrected",),
    "retinal_lesions": (
        *("retinal_lesions_512", "retinal_lesions_corrected", "retinal_hard_exudates", "retinal_lesions_multilabel"),
    ),
    "cvc_clinicdb": ("cvc_clinicdb_512",),
    "kvasir_seg": ("kvasir_seg_512",),
    "idrid": ("idrid_hard_exudates", "idrid_multilabel"),
}
TREES |= {form: TREES[name] for name, forms in FORMS.items() for form in forms}


def adapter(name: str) -> ModuleType:
    return import_module(DATASETS[name].adapter)


def indexed(name: str, raw: RawFiles) -> Index:
    return adapter(name).index(raw, DATASETS[name].parameters).checked(name)


def prepared(name: str, raw: RawFiles, case: str, **parameters: Any) -> Case:
    entry = indexed(name, raw).cases[case]
    return adapter(name).prepare(case, entry, DATASETS[name].parameters | parameters)


def stored(tree: Tree, ending: str) -> np.ndarray:
    """What a file of the tree holds, read by its own library: the only one whose path ends so."""
    (path,) = [path for path in tree if path.endswith(ending)]
    if ".nii" in ending:
        content = tree[path] if ending.endswith(".nii") else official.gzip.decompress(tree[path])
        return np.asarray(nibabel.Nifti1Image.from_bytes(content).dataobj)
    return np.asarray(Image.open(io.BytesIO(tree[path])))


def linear(old: int, new: int, outside: str) -> np.ndarray:
    """Weights (new, old) of linear interpolation between centres, by its definition."""
    at = (np.arange(new)[:, None] + 0.5) * old / new - 0.5
    at = np.clip(at, 0, old - 1) if outside == "edge" else at
    return np.maximum(0, 1 - abs(at - np.arange(old)))


def resized(array: np.ndarray, size: tuple[int, int], outside: str) -> np.ndarray:
    """The first two axes resized linearly."""
    rows, columns = (linear(old, new, outside) for old, new in zip(array.shape, size, strict=False))
    return np.einsum("ai,bj,ij...->ab...", rows, columns, array.astype(float))


def nearest(mask: np.ndarray, size: tuple[int, int], centred: bool) -> np.ndarray:
    rows, columns = (
        [((2 * i + 1) * old) // (2 * new) if centred else (i * old) // new for i in range(new)]
        for old, new in zip(mask.shape, size, strict=False)
    )
    return mask[rows][:, columns]


def unit(array: np.ndarray) -> np.ndarray:
    return (array - array.min()) / (array.max() - array.min())
