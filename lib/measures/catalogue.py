"""What the workflow knows of each measure without importing NumPy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lib.errors import SeglossError
from lib.fields import NonNegative, Positive, PositiveInt
from lib.registry import Entry, Parameters, Registry

DECIDED, PROBABILITY, TUNED, TRUE_REGION = "decided", "probability", "tuned", "true_region"
CUTS: dict[str, dict[str, tuple[str, ...]]] = {
    DECIDED: {"test": ("labels",)},
    PROBABILITY: {"test": ("probability",)},
    TUNED: {"validation": ("logit",), "test": ("logit",)},
    TRUE_REGION: {"test": ("labels_true_region",)},
}
"""How masks come from predictions -> what of them is read, by part of the split.

``decided``: the label that averaged logits stand for; ``probability``: the averaged probability above 0.5, which
differs where windows overlap; ``tuned``: the logit above the threshold with the best mean Dice on validation cases;
``true_region``: as ``decided`` where the first stage of a cascade is right, which runs without a cascade do not have.
"""


@dataclass(frozen=True)
class Column:
    """One number.

    Attributes:
        name: in tables.
        label: in figures, without the unit.
        better: whether ``higher`` or ``lower`` values are; empty where neither is.
        unit: empty for shares and counts.
        largest: a value cannot exceed it; the smallest is 0, or its negative where ``signed``.
        margin: differences below it do not matter; None where nobody can say.
        monitored: measured while a network is trained, where the study asks for it.
        context: what a reader should know with it: a text and the column whose value belongs there.
    """

    name: str
    label: str
    better: Literal["higher", "lower", ""] = ""
    unit: str = ""
    largest: float | None = None
    signed: bool = False
    margin: float | None = None
    monitored: bool = False
    context: tuple[str, str] | None = None

    @property
    def axis(self) -> str:
        """The label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class MeasureEntry(Entry):
    """One measure: numbers of each structure of a case, from which numbers of a run follow.

    Its function is called with a `lib.measures.segmentation.Segmentation` and the parameters, and returns a row of
    ``columns``, or, for another ``table`` than that of the cases, rows of it.

    Attributes:
        columns: of a case; those of a run are their means, without empty cells.
        of_run: other columns of a run.
        aggregation: ``module:function`` that makes ``of_run`` of the table's rows, the names of the cases and the
            parameters; rows are those of one cut, of one structure or of all.
        table: a file of each run, ``<table>.csv``.
        reads: of the predictions of test cases, ``probability`` or ``logit``, besides what the cuts read.
        absent: the aggregation also gets rows of structures that no test case has.
        separate: each structure must have values of its own: no more than one, or multi-label.
        by_cut: False where the cut changes nothing.
    """

    columns: tuple[Column, ...] = ()
    of_run: tuple[Column, ...] = ()
    aggregation: str = ""
    table: str = "cases"
    reads: tuple[str, ...] = ()
    absent: bool = False
    separate: bool = False
    by_cut: bool = True

    def __post_init__(self) -> None:
        for column in (*self.columns, *self.of_run):
            if column.monitored and (self.reads or self.table != "cases"):
                raise SeglossError(
                    f"{self.implementation}: {column.name} cannot be monitored; such a column is of labels alone and"
                    " stands in cases.csv"
                )

    @property
    def modules(self) -> set[str]:
        return {self.module, *filter(None, [self.aggregation.partition(":")[0]])}

    def of_rows(self, rows: Sequence[Mapping[str, Any]], cases: Sequence[str], **parameters: Any) -> dict[str, float]:
        """The numbers of a run but the means of ``columns``; none without an aggregation."""
        if not self.aggregation:
            return {}
        return Entry(self.aggregation, self.parameters).loaded(rows, cases, **parameters)


class MeasureParameters(Parameters):
    """What every measure takes."""

    @property
    def datasets(self) -> Iterable[str]:
        """Data sets that the parameters name."""
        return ()

    def for_dataset(self, dataset: str) -> dict[str, Any]:
        """Keyword arguments of the measure's functions for a data set."""
        return self.arguments()


class Surface(MeasureParameters):
    """``tolerance``: mm that a surface may be off."""

    tolerance: Positive = 1.0


class SurfaceElements(Surface):
    """``published_spacing``: of `nsd_published`, along each axis of a picture."""

    published_spacing: tuple[Positive, Positive] = (2.0, 1.0)


class Froc(MeasureParameters):
    """``small_diameter``: by data set, lesions below it (voxels) are small, below the median where it is not given;
    ``size_bins``: edges of diameters (voxels)."""

    small_diameter: dict[str, Positive] = {}
    size_bins: Annotated[list[NonNegative], Field(min_length=1)] = [0, 5, 8, 12, 20]

    @property
    def datasets(self) -> Iterable[str]:
        return self.small_diameter

    def for_dataset(self, dataset: str) -> dict[str, Any]:
        return self.arguments() | {"small_diameter": self.small_diameter.get(dataset)}

    @model_validator(mode="after")
    def _ascending(self) -> "Froc":
        if any(b <= a for a, b in pairwise(self.size_bins)):
            raise ValueError(f"size_bins {self.size_bins} must ascend")
        return self


class Calibration(MeasureParameters):
    """``bins``: of the probability."""

    bins: PositiveInt = 15


def _share(name: str, label: str, **options: Any) -> Column:
    """A share that should be high, of which differences below 0.01 do not matter."""
    return Column(name, label, "higher", largest=1, margin=0.01, **options)


def _distance(name: str, label: str, **options: Any) -> Column:
    return Column(name, label, "lower", "mm", **options)


_KERVADEC = "Kervadec et al., MIDL 2019 and Medical Image Analysis 2021, with its code's rules"
MEASURES: Registry[MeasureEntry] = Registry(
    "measure",
    {
        "overlap": MeasureEntry(
            "lib.measures.overlap:overlap",
            MeasureParameters,
            "Dice 1945, Sørensen 1948",
            columns=(
                Column("voxels", "annotated voxels"),
                Column("present", "voxels of the structure"),
                Column("predicted", "predicted voxels"),
                Column("both", "voxels of both"),
                _share("dice", "Dice", monitored=True),
                _share("dice_present", "Dice of the cases that have the structure"),
            ),
            of_run=(
                _share("dice_pooled", "Dice of all voxels together", monitored=True),
                Column("dice_if_empty", "Dice of marking nothing", largest=1),
                Column("dice_if_full", "Dice of marking everything", largest=1),
                Column("empty_predictions", "structures that are there and not predicted"),
            ),
            aggregation="lib.measures.overlap:of_run",
        ),
        "iou": MeasureEntry(
            "lib.measures.iou:iou",
            MeasureParameters,
            "Jaccard 1901; pooled as in Cityscapes (Cordts et al., CVPR 2016) and in SegLossBias",
            columns=(_share("iou", "IoU"),),
            of_run=(
                _share("miou", "mIoU of all voxels together"),
                _share("macc", "mean accuracy by class"),
                _share("miou_published", "mIoU, absent classes as 0"),
                _share("macc_published", "mean accuracy, absent classes as 0"),
                _share("iou_pooled", "IoU of all classes together"),
            ),
            aggregation="lib.measures.iou:of_run",
            absent=True,
        ),
        "slices": MeasureEntry(
            "lib.measures.slices:slices",
            MeasureParameters,
            _KERVADEC,
            columns=(
                _share(
                    "dice_slices",
                    "Dice per slice",
                    monitored=True,
                    context=("predicting nothing", "dice_slices_if_empty"),
                ),
                Column("dice_slices_if_empty", "Dice per slice of marking nothing", largest=1),
                Column(
                    "row_hausdorff",
                    "HD as printed: rows as points",
                    "lower",
                    context=("true HD95 in mm", "hd95"),
                ),
            ),
        ),
        "surface": MeasureEntry(
            "lib.measures.surface:surface_measures",
            Surface,
            "MedPy 0.5.2 (HD95), MONAI and Metrics Reloaded (directed HD95, NSD)",
            columns=(
                _distance("hd", "HD"),
                _distance("hd95", "HD95", monitored=True),
                _distance("hd95_directed", "HD95, larger of both directions"),
                _distance("assd", "ASSD"),
                _share("nsd", "NSD"),
            ),
        ),
        "surface_elements": MeasureEntry(
            "lib.measures.surface_elements:surface_elements",
            SurfaceElements,
            "Nikolov et al., JMIR 2021, by its authors' package",
            columns=(
                _share("nsd_elements", "NSD of surface elements"),
                _share("nsd_published", "NSD with the published spacing"),
            ),
        ),
        "lesions": MeasureEntry(
            "lib.measures.lesions:lesions",
            MeasureParameters,
            "connected components, any shared voxel counts as found",
            columns=(
                Column("lesions", "lesions"),
                Column("lesions_found", "lesions found"),
                Column("components", "predicted components"),
                Column("components_wrong", "predicted components that touch no lesion", "lower"),
                _share("lesion_f1", "lesion F1"),
            ),
            of_run=(
                _share("lesion_recall", "share of lesions found"),
                Column("wrong_components", "wrong components per case", "lower"),
            ),
            aggregation="lib.measures.lesions:of_run",
        ),
        "volume": MeasureEntry(
            "lib.measures.volume:volume",
            MeasureParameters,
            "relative volume difference, as in LiTS (Bilic et al. 2023)",
            columns=(
                Column("volume_difference", "predicted minus true size", unit="mm³, mm² in 2D", signed=True),
                Column("volume_error", "relative volume error", signed=True),
                Column("volume_error_abs", "absolute relative volume error", "lower"),
            ),
        ),
        "proportion": MeasureEntry(
            "lib.measures.proportion:proportion",
            MeasureParameters,
            "label-marginal bias, after Liu et al., arXiv 2104.08717",
            columns=(
                Column("proportion", "true share of the voxels", largest=1),
                Column("proportion_predicted", "predicted share of the voxels", largest=1),
                Column("proportion_bias", "predicted minus true share", largest=1, signed=True),
                Column("proportion_bias_abs", "bias of the share", "lower", largest=1),
                Column("proportion_kl", "KL divergence of the share", "lower"),
            ),
        ),
        "calibration": MeasureEntry(
            "lib.measures.calibration:calibration",
            Calibration,
            "Guo et al., ICML 2017 (ECE); Nixon et al., CVPRW 2019 (ACE); Brier 1950",
            columns=(
                Column("ece", "ECE", "lower", largest=1),
                Column("ace", "ACE", "lower", largest=1),
                Column("brier", "Brier score", "lower", largest=1),
            ),
            reads=("probability",),
            by_cut=False,
        ),
        "reliability": MeasureEntry(
            "lib.measures.calibration:reliability",
            Calibration,
            "DeGroot and Fienberg 1983",
            of_run=(Column("ece_pooled", "ECE of all voxels together", "lower", largest=1),),
            aggregation="lib.measures.calibration:of_run",
            table="reliability",
            reads=("probability",),
            by_cut=False,
        ),
        "froc": MeasureEntry(
            "lib.measures.froc:lesion_rows",
            Froc,
            "Shirokikh et al., MICCAI 2020, with corrected denominators",
            of_run=(
                _share("avg_recall", "average recall"),
                Column("avg_recall_case_sd", "its sd over subsamples of cases"),
                _share("avg_recall_published", "average recall, published denominators"),
                _share("luna_metric", "LUNA metric"),
                _share("luna_metric_published", "LUNA metric, published denominators"),
                _share("object_dice", "object Dice"),
                _share("avg_recall_small", "average recall of small lesions"),
                _share("recall_small", "share of small lesions found"),
            ),
            aggregation="lib.measures.froc:of_run",
            table="lesions",
            reads=("logit",),
            separate=True,
        ),
    },
    MeasureEntry,
    MeasureParameters,
)
TABLES = ("cases", "lesions", "reliability")
"""What an evaluation of a run may leave, as `<table>.csv`."""


def columns_of(measures: Iterable[MeasureParameters]) -> dict[str, Column]:
    """All columns of a run, by name."""
    entries = [MEASURES.entry_of(measure) for measure in measures]
    return {column.name: column for entry in entries for column in (*entry.columns, *entry.of_run)}


def monitored(measures: Iterable[MeasureParameters]) -> tuple[str, ...]:
    """The columns that are measured while a network is trained."""
    return tuple(name for name, column in columns_of(measures).items() if column.monitored)
