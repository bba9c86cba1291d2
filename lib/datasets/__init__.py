"""The data sets: what the workflow knows of each before any file of it is opened.

This module stays free of heavy imports, because parsing the DAG reads it.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from lib.datasets.index import SPLITS, Index, numbered
from lib.labels import Labels

__all__ = ["DATASETS", "SPLITS", "Dataset"]

LESION = Labels(("background", "lesion"))


@dataclass(frozen=True)
class Dataset:
    """One data set.

    ``adapter`` is the module that indexes and prepares its cases from the files of ``sources``; ``splits`` names its
    splits; ``channels`` names what the prepared image holds, ``labels`` says what its label means. ``parameters``
    decide what the adapter does, ``indexing`` only how it finds the cases and splits them. ``known_index`` stands for
    cases that are made rather than found. ``origin``: the data set whose cases these are, on another grid or
    within a region. ``folds``: splits that are all trained on, whichever a study names, for each time they are drawn.
    """

    name: str
    title: str
    adapter: str
    sources: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("holdout",)
    channels: tuple[str, ...] = ("CT",)
    labels: Labels = LESION
    dimensions: int = 3
    parameters: dict[str, Any] = field(default_factory=dict)
    indexing: dict[str, Any] = field(default_factory=dict)
    known_index: Index | None = None
    origin: str | None = None
    folds: tuple[tuple[str, ...], ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether they are the user's."""
        return not (self.known_index or self.sources)

    @property
    def kind(self) -> str:
        """What the cases are, as figures say it."""
        if self.known_index:
            return "phantoms, no evidence about patients"
        folds = f", cross-validation in {len(self.folds[0])} folds" if self.folds else ""
        folds += f" drawn {len(self.folds)} times" if len(self.folds) > 1 else ""
        return f"{self.title} (own data{folds})" if self.is_own else f"{self.title} (public data)"

    def folds_of(self, seed: int) -> tuple[str, ...]:
        """The splits that trainings with this seed have, where the data have folds."""
        return self.folds[seed % len(self.folds)] if self.folds else ()


def _official(name: str, title: str, adapter: str = "", **fields: Any) -> Dataset:
    return Dataset(name, title, f"lib.datasets.adapters.{adapter or name}", **{"sources": (name,), **fields})


def _sibling(original: Dataset, name: str, title: str, parameters: dict[str, Any], **fields: Any) -> Dataset:
    """The same files prepared in another way."""
    return replace(original, name=name, title=title, parameters=original.parameters | parameters, **fields)


_PHANTOMS = {"train": 20, "validation": 6, "test": 20}
_SLABS = {"train": 20, "validation": 4, "test": 12}
_BLOBS = {"train": 32, "validation": 0, "test": 20}
_LIVERS = {"train": 20, "validation": 4, "test": 10}
_SCENES = {"train": 32, "validation": 8, "test": 24}
_RGB = ("red", "green", "blue")
_LIVER = Labels(("background", "liver", "tumour"))
_WHOLE_LIVER = Labels(("background", "liver"))
_LUNG = Labels(("background", "lung"))
_POLYP = Labels(("background", "polyp"))
_PADDED_POLYP = replace(_POLYP, partly_annotated=True)
_SHAPES = ("field", "island", "blot", "spot")
_HEART = Labels(("background", "right ventricle", "myocardium", "left ventricle"))
_ORGANS = (
    *("background", "spleen", "right kidney", "left kidney", "gallbladder", "oesophagus", "liver", "stomach"),
    *("aorta", "inferior vena cava", "pancreas", "right adrenal gland", "left adrenal gland", "duodenum"),
    *("bladder", "prostate or uterus"),
)
_STREET_CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
_STREET = Labels(_STREET_CLASSES, background=False, partly_annotated=True)
_FUNDUS = ("microaneurysm", "haemorrhage", "hard exudate", "soft exudate", "optic disc")
_RETINAL = (
    *("microaneurysm", "intraretinal haemorrhage", "hard exudate", "cotton-wool spot", "vitreous haemorrhage"),
    *("preretinal haemorrhage", "neovascularization", "fibrous proliferation"),
)
_OPENCV_256 = {"size": [256, 256], "centred_nearest": False}
_TWO_SPLITS = ("published", "holdout")
_IDRID_SPLITS = ("official", "holdout")

_LUNA16 = _official(
    "luna16",
    "LUNA16 lung nodules, as published",
    sources=("luna16", "lidc_xml"),
    splits=("holdout", "validation"),
    parameters={"form": "published"},
)
_LITS = _official("lits", "LiTS liver tumours, as published", parameters={"target": "tumour", "box": "liver"})
_WMH = replace(LESION, partly_annotated=True)
_WMH2017 = _official(
    "wmh2017",
    "WMH 2017, as published",
    channels=("FLAIR", "T1"),
    splits=_TWO_SPLITS,
    parameters={"form": "published"},
)
_ACDC = _official(
    "acdc",
    "ACDC, as published",
    channels=("MR",),
    labels=_HEART,
    splits=_TWO_SPLITS,
    parameters={"form": "published"},
)
_SHENZHEN = _official(
    "shenzhen",
    "Shenzhen chest X-rays",
    sources=("shenzhen", "shenzhen_masks"),
    channels=("X-ray",),
    labels=_LUNG,
    splits=("published", "stratified", "holdout"),
    dimensions=2,
    parameters=_OPENCV_256,
)
_RETINAL_LESIONS = _official(
    "retinal_lesions",
    "Retinal Lesions, as published",
    channels=_RGB,
    splits=("official",),
    dimensions=2,
    parameters={"positive": [127, 255]},
)


_EIGHTH = {"size": [356, 536], "standardised": True}


def _overlapping(*names: str) -> Labels:
    return Labels(names, exclusive=False)


def _scenes(name: str, title: str, labels: Labels) -> Dataset:
    return Dataset(
        name=name,
        title=title,
        adapter="lib.datasets.phantoms.scenes",
        channels=_RGB,
        labels=replace(labels, partly_annotated=True),
        dimensions=2,
        parameters={"seed": 0, "cases": _SCENES, "overlapping": not labels.exclusive},
        known_index=numbered("scene_", **_SCENES),
    )


def _decathlon(name: str, title: str, task: str, labels: Labels, window: list[int] | None, **fields: Any) -> Dataset:
    parameters = {"task": task, "window": window}
    return _official(name, title, "decathlon", labels=labels, parameters=parameters, **fields)


def _pictures(name: str, title: str, channels: tuple[str, ...] = _RGB, **fields: Any) -> Dataset:
    return _official(name, title, channels=channels, dimensions=2, **fields)


_MSD_LIVER = _decathlon("msd_liver", "MSD Task03 liver and tumours", "Task03_Liver", _LIVER, [-300, 300])
_ABDOMENCT1K = _official(
    "abdomenct1k",
    "AbdomenCT-1K",
    labels=Labels(("background", "liver", "kidney", "spleen", "pancreas")),
    parameters={"window": [-300, 300]},
)
_SQUARE = {"square": 512}
_CVC_CLINICDB = _pictures("cvc_clinicdb", "CVC-ClinicDB polyps", labels=_POLYP)
_KVASIR_SEG = _pictures("kvasir_seg", "Kvasir-SEG polyps", labels=_POLYP)
_IDRID = _pictures("idrid", "IDRiD retinal lesions", labels=Labels(("background", *_FUNDUS)), splits=_IDRID_SPLITS)
DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="phantom_lesions",
            title="3D phantoms with many lesions",
            adapter="lib.datasets.phantoms.lesions",
            channels=("MR",),
            parameters={
                **{"seed": 0, "cases": _PHANTOMS, "lesion_free_fraction": 0.15, "lesions_per_case": 9.0},
                "volumes": [1.0, 3000.0],
                "spacings": [[1.0, 1.0, 1.0], [0.9, 0.9, 1.2], [1.0, 1.0, 1.5], [1.1, 1.1, 2.0]],
            },
            known_index=numbered("phantom_", **_PHANTOMS),
        ),
        Dataset(
            name="phantom_slabs",
            title="3D phantoms of thick slices with few lesions",
            adapter="lib.datasets.phantoms.lesions",
            channels=("MR",),
            parameters={
                **{"seed": 0, "cases": _SLABS, "lesion_free_fraction": 0.1, "lesions_per_case": 3.0},
                "volumes": [150.0, 3000.0],
                "spacings": [[1.0, 1.0, 5.0], [0.9, 0.9, 4.0], [1.1, 1.1, 6.0]],
            },
            known_index=numbered("phantom_", **_SLABS),
        ),
        Dataset(
            name="phantom_blobs",
            title="2D phantoms with one lesion",
            adapter="lib.datasets.phantoms.blobs",
            channels=("photograph",),
            dimensions=2,
            parameters={"seed": 0, "cases": _BLOBS},
            known_index=numbered("blob_", **_BLOBS),
        ),
        Dataset(
            name="phantom_livers",
            title="3D phantoms of livers with tumours",
            adapter="lib.datasets.phantoms.livers",
            labels=_LIVER,
            parameters={
                **{"seed": 0, "cases": _LIVERS, "tumour_free_fraction": 0.15, "tumours_per_case": 3.0},
                "volumes": [2000.0, 60000.0],
                "spacings": [[6.0, 6.0, 6.0], [6.0, 6.0, 7.5], [6.5, 6.5, 6.5]],
            },
            known_index=numbered("abdomen_", **_LIVERS),
        ),
        _scenes("phantom_scenes", "2D colour phantoms of four classes", Labels(("background", *_SHAPES))),
        _scenes("phantom_findings", "2D colour phantoms of four findings that overlap", _overlapping(*_SHAPES)),
        # inverse weighting
        _LUNA16,
        _sibling(_LUNA16, "luna16_corrected", "LUNA16 lung nodules", {"form": "corrected"}),
        _LITS,
        _sibling(_LITS, "lits_corrected", "LiTS liver tumours", {"box": "liver_and_tumour"}),
        # label-marginal biases in 3D, liver benchmark
        _sibling(
            _LITS,
            "lits_liver_and_tumour",
            "LiTS liver and tumours",
            {"target": "both", "box": "none"},
            labels=_LIVER,
        ),
        _sibling(_LITS, "lits_liver", "LiTS liver", {"target": "liver", "box": "none"}, labels=_WHOLE_LIVER),
        _MSD_LIVER,
        _sibling(_MSD_LIVER, "msd_liver_whole", "MSD Task03 liver", {"classes": [1, 2]}, labels=_WHOLE_LIVER),
        _decathlon(
            "msd_pancreas",
            "MSD Task07 pancreas and tumours",
            "Task07_Pancreas",
            Labels(("background", "pancreas", "tumour")),
            [-100, 240],
        ),
        _decathlon(
            "msd_hippocampus",
            "MSD Task04 hippocampus",
            "Task04_Hippocampus",
            Labels(("background", "anterior", "posterior")),
            None,
            channels=("MR",),
        ),
        _ABDOMENCT1K,
        _sibling(_ABDOMENCT1K, "abdomenct1k_liver", "AbdomenCT-1K liver", {"classes": [1]}, labels=_WHOLE_LIVER),
        _official(
            "amos22",
            "AMOS22 abdominal organs on CT",
            splits=("official",),
            labels=Labels(_ORGANS),
            parameters={"modality": "CT", "window": [-300, 300]},
        ),
        # boundary loss
        _WMH2017,
        _sibling(_WMH2017, "wmh2017_corrected", "WMH 2017", {"form": "corrected"}, labels=_WMH),
        _official("isles2018", "ISLES 2018", channels=("CT", "CBF", "CBV", "MTT", "Tmax"), splits=_TWO_SPLITS),
        _ACDC,
        _sibling(_ACDC, "acdc_corrected", "ACDC", {"form": "corrected"}),
        # T-Loss
        _pictures("isic2017", "ISIC 2017 skin lesions", splits=("official",), parameters=_OPENCV_256),
        _SHENZHEN,
        _sibling(_SHENZHEN, "shenzhen_128", "Shenzhen chest X-rays at 128 pixels", {"size": [128, 128]}),
        _pictures(
            "montgomery",
            "Montgomery chest X-rays",
            ("X-ray",),
            labels=_LUNG,
            parameters={"size": [256, 256]},
        ),
        # label-marginal biases in 2D
        _RETINAL_LESIONS,
        _sibling(_RETINAL_LESIONS, "retinal_lesions_512", "Retinal Lesions at 512, as published", {"size": [512, 512]}),
        _sibling(_RETINAL_LESIONS, "retinal_lesions_corrected", "Retinal Lesions", {"positive": [255]}),
        _sibling(
            _RETINAL_LESIONS,
            "retinal_hard_exudates",
            "Retinal Lesions: hard exudates",
            {"positive": [255], "classes": ["hard_exudate"]},
            labels=Labels(("background", "hard exudate")),
        ),
        _sibling(
            _RETINAL_LESIONS,
            "retinal_lesions_multilabel",
            "Retinal Lesions, each class by itself",
            {"positive": [255], "overlapping": True},
            labels=_overlapping(*_RETINAL),
        ),
        _pictures(
            "cityscapes",
            "Cityscapes",
            labels=_STREET,
            splits=_TWO_SPLITS,
        ),
        _CVC_CLINICDB,
        _sibling(_CVC_CLINICDB, "cvc_clinicdb_512", f"{_CVC_CLINICDB.title} at 512", _SQUARE, labels=_PADDED_POLYP),
        _KVASIR_SEG,
        _sibling(_KVASIR_SEG, "kvasir_seg_512", f"{_KVASIR_SEG.title} at 512", _SQUARE, labels=_PADDED_POLYP),
        _IDRID,
        _sibling(
            _IDRID,
            "idrid_hard_exudates",
            "IDRiD hard exudates at an eighth of the size",
            {"classes": ["EX"], **_EIGHTH},
            labels=Labels(("background", "hard exudate")),
        ),
        _sibling(
            _IDRID,
            "idrid_multilabel",
            "IDRiD findings, each by itself, at an eighth of the size",
            {"overlapping": True, **_EIGHTH},
            labels=_overlapping(*_FUNDUS),
        ),
    )
}
