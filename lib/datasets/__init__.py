"""The data sets: what the workflow knows of each before any file of it is opened.

This module stays free of heavy imports, because parsing the DAG reads it.
"""

from dataclasses import dataclass, field
from typing import Any

from lib.datasets.index import SPLITS, Index, numbered

__all__ = ["DATASETS", "IGNORED", "SPLITS", "Dataset"]

IGNORED = 255
"""Label of voxels that are not annotated."""


@dataclass(frozen=True)
class Dataset:
    """One data set.

    ``adapter`` is the module that indexes and prepares its cases from the files of ``sources``; ``splits``
    names its splits; ``channels`` and ``classes`` name what the prepared image and label hold, background
    first. Where it is ``partly_annotated``, some voxels have the label 255. ``parameters`` decide what the adapter
    does, ``indexing`` only how it finds the cases and splits them. ``known_index`` stands for cases that are made
    rather than found.
    """

    name: str
    title: str
    adapter: str
    sources: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("holdout",)
    channels: tuple[str, ...] = ("CT",)
    classes: tuple[str, ...] = ("background", "lesion")
    dimensions: int = 3
    partly_annotated: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    indexing: dict[str, Any] = field(default_factory=dict)
    known_index: Index | None = None


def _official(name: str, title: str, adapter: str = "", **fields: Any) -> Dataset:
    return Dataset(name, title, f"lib.datasets.adapters.{adapter or name}", **{"sources": (name,), **fields})


_PHANTOMS = {"train": 20, "validation": 6, "test": 20}
_RGB = ("red", "green", "blue")
_ORGANS_AMOS = (
    *("background", "spleen", "right kidney", "left kidney", "gallbladder", "oesophagus", "liver", "stomach"),
    *("aorta", "inferior vena cava", "pancreas", "right adrenal gland", "left adrenal gland", "duodenum"),
    *("bladder", "prostate or uterus"),
)
_CITYSCAPES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
_IDRID = ("background", "microaneurysm", "haemorrhage", "hard exudate", "soft exudate", "optic disc")

DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="phantom_lesions",
            title="3D phantoms with many lesions",
            adapter="lib.datasets.phantom_lesions",
            channels=("MR",),
            parameters={"seed": 0, "lesion_free_fraction": 0.15, "cases": _PHANTOMS},
            known_index=numbered("phantom_", **_PHANTOMS),
        ),
        # inverse weighting
        _official(
            "luna16",
            "LUNA16 lung nodules, as published",
            sources=("luna16", "lidc_xml"),
            splits=("holdout", "validation"),
            parameters={"form": "published"},
        ),
        _official(
            "luna16_corrected",
            "LUNA16 lung nodules",
            adapter="luna16",
            sources=("luna16", "lidc_xml"),
            splits=("holdout", "validation"),
            parameters={"form": "corrected"},
        ),
        _official(
            "lits", "LiTS liver tumours, as published", parameters={"target": "tumour", "box": "liver"}
        ),
        _official(
            "lits_corrected",
            "LiTS liver tumours",
            adapter="lits",
            sources=("lits",),
            parameters={"target": "tumour", "box": "liver_and_tumour"},
        ),
        # label-marginal biases, liver benchmark
        _official(
            "lits_liver_and_tumour",
            "LiTS liver and tumours",
            adapter="lits",
            sources=("lits",),
            classes=("background", "liver", "tumour"),
            parameters={"target": "both", "box": "none"},
        ),
        _official(
            "msd_liver",
            "MSD Task03 liver and tumours",
            adapter="decathlon",
            classes=("background", "liver", "tumour"),
            parameters={"task": "Task03_Liver", "window": [-300, 300]},
        ),
        _official(
            "msd_pancreas",
            "MSD Task07 pancreas and tumours",
            adapter="decathlon",
            classes=("background", "pancreas", "tumour"),
            parameters={"task": "Task07_Pancreas", "window": [-100, 240]},
        ),
        _official(
            "msd_hippocampus",
            "MSD Task04 hippocampus",
            adapter="decathlon",
            channels=("MR",),
            classes=("background", "anterior", "posterior"),
            parameters={"task": "Task04_Hippocampus", "window": None},
        ),
        _official(
            "abdomenct1k",
            "AbdomenCT-1K",
            classes=("background", "liver", "kidney", "spleen", "pancreas"),
            parameters={"window": [-300, 300]},
        ),
        _official(
            "amos22",
            "AMOS22 abdominal organs on CT",
            splits=("official",),
            classes=_ORGANS_AMOS,
            parameters={"modality": "CT", "window": [-300, 300]},
        ),
        # boundary loss
        _official(
            "wmh2017",
            "WMH 2017, as published",
            channels=("FLAIR", "T1"),
            splits=("published", "holdout"),
            parameters={"form": "published"},
        ),
        _official(
            "wmh2017_corrected",
            "WMH 2017",
            adapter="wmh2017",
            partly_annotated=True,
            sources=("wmh2017",),
            channels=("FLAIR", "T1"),
            splits=("published", "holdout"),
            parameters={"form": "corrected"},
        ),
        _official(
            "isles2018",
            "ISLES 2018",
            channels=("CT", "CBF", "CBV", "MTT", "Tmax"),
            splits=("published", "holdout"),
        ),
        _official(
            "acdc",
            "ACDC, as published",
            channels=("MR",),
            classes=("background", "right ventricle", "myocardium", "left ventricle"),
            splits=("published", "holdout"),
            parameters={"form": "published"},
        ),
        _official(
            "acdc_corrected",
            "ACDC",
            adapter="acdc",
            sources=("acdc",),
            channels=("MR",),
            classes=("background", "right ventricle", "myocardium", "left ventricle"),
            splits=("published", "holdout"),
            parameters={"form": "corrected"},
        ),
        # T-Loss
        _official(
            "isic2017",
            "ISIC 2017 skin lesions",
            splits=("official",),
            channels=_RGB,
            dimensions=2,
            parameters={"size": [256, 256], "centred_nearest": False},
        ),
        _official(
            "shenzhen",
            "Shenzhen chest X-rays",
            sources=("shenzhen", "shenzhen_masks"),
            channels=("X-ray",),
            classes=("background", "lung"),
            splits=("published", "stratified"),
            dimensions=2,
            parameters={"size": [256, 256], "centred_nearest": False},
        ),
        _official(
            "montgomery",
            "Montgomery chest X-rays",
            channels=("X-ray",),
            classes=("background", "lung"),
            dimensions=2,
            parameters={"size": [256, 256]},
        ),
        # label-marginal biases
        _official(
            "retinal_lesions",
            "Retinal Lesions, as published",
            channels=_RGB,
            splits=("official",),
            dimensions=2,
            parameters={"positive": [127, 255]},
        ),
        _official(
            "retinal_lesions_corrected",
            "Retinal Lesions",
            adapter="retinal_lesions",
            sources=("retinal_lesions",),
            channels=_RGB,
            splits=("official",),
            dimensions=2,
            parameters={"positive": [255]},
        ),
        _official(
            "cityscapes",
            "Cityscapes",
            channels=_RGB,
            classes=_CITYSCAPES,
            partly_annotated=True,
            dimensions=2,
            splits=("published", "holdout"),
        ),
        _official(
            "cvc_clinicdb",
            "CVC-ClinicDB polyps",
            channels=_RGB,
            classes=("background", "polyp"),
            dimensions=2,
        ),
        _official(
            "kvasir_seg", "Kvasir-SEG polyps", channels=_RGB, classes=("background", "polyp"), dimensions=2
        ),
        _official(
            "idrid",
            "IDRiD retinal lesions",
            channels=_RGB,
            classes=_IDRID,
            dimensions=2,
            splits=("official",),
        ),
    )
}
