"""Every loss by name, without torch: implementation, parameters, required maps, behaviour, source.

`docs/losses.md` is made from this module.
"""

from dataclasses import dataclass

from lib.losses.parameters import (
    AsymmetricSimilarity,
    Boundary,
    CalibrationError,
    Chosen,
    CrossEntropy,
    Dice,
    Focal,
    FocalTversky,
    GeneralizedDice,
    GeneralizedSurface,
    Hausdorff,
    Instance,
    NeighborAware,
    Options,
    Pixelwise,
    Power,
    Proportion,
    ProportionKL,
    ReverseCrossEntropy,
    TLoss,
    TopK,
    Tversky,
)
from lib.registry import Entry

SHIROKIKH = "Shirokikh et al., MICCAI 2020, arXiv 2007.10033"
LIU = "Liu et al., arXiv 2104.08717; MedIA 2024"
KERVADEC = "Kervadec et al., MIDL 2019, MedIA 2021"


@dataclass(frozen=True, kw_only=True)
class LossEntry(Entry):
    """One loss.

    Attributes:
        formula: of one unit of ``per``, with p the probabilities, y the target (0 or 1), t a voxel's true class.
        per: what the reduction runs over.
        empty, full: whether a target without, or all of, foreground leaves a gradient (one channel).
        maps: names of required maps; ``{parameter}`` stands for the parameter's value.
        weightable: takes ``inverse_weights``.
        problems: binary (one channel, or two softmax channels), multi-class, multi-label.
        one_channel: whether it takes one channel of a binary problem.
        monai: the equal loss of MONAI and when, checked by a test.
    """

    family: str
    formula: str
    per: str
    empty: bool = True
    full: bool = True
    maps: tuple[str, ...] = ()
    weightable: bool = False
    problems: tuple[str, ...] = ("binary", "multi-class", "multi-label")
    one_channel: bool = True
    monai: str = ""

    @property
    def chooses_regions(self) -> bool:
        """Whether a sum's choice of classes is for this loss; pixel-wise terms see all voxels, as in MONAI."""
        return issubclass(self.parameters, Chosen) and not issubclass(self.parameters, Pixelwise)


def _pixelwise(class_name: str, parameters: type[Options], formula: str, source: str, **more) -> LossEntry:
    family = more.pop("family", "pixel-wise")
    implementation = f"lib.losses.pixelwise:{class_name}"
    more = {"weightable": True, "per": "voxel that counts", **more}
    return LossEntry(implementation, parameters, source, family=family, formula=formula, **more)


def _region(class_name: str, parameters: type[Options], formula: str, source: str, **more) -> LossEntry:
    implementation = f"lib.losses.region:{class_name}"
    more = {"weightable": True, "per": "sample and class", **more}
    return LossEntry(implementation, parameters, source, family="region", formula=formula, **more)


def _robust(class_name: str, parameters: type[Options], formula: str, source: str) -> LossEntry:
    return _pixelwise(class_name, parameters, formula, source, family="noise-robust")


LOSSES: dict[str, LossEntry] = {
    "cross_entropy": _pixelwise(
        "CrossEntropy",
        CrossEntropy,
        "-w_t log(p_t + epsilon), divided by the sum of the class weights w_t",
        "softmax, or binary cross-entropy for one channel",
    ),
    "focal": _pixelwise(
        "Focal",
        Focal,
        "-alpha_t (1 - p_t)^gamma log p_t, alpha_t = alpha for the foreground, 1 - alpha for the background",
        f"Lin et al., ICCV 2017; alpha 0.75 in {SHIROKIKH}",
        monai="FocalLoss (with all classes; softmax: times the number of channels)",
    ),
    "top_k_cross_entropy": _pixelwise(
        "TopKCrossEntropy",
        TopK,
        "-log p_t over the k percent of the batch's voxels where it is largest",
        "Wu et al., arXiv 1605.06885; as in nnU-Net",
        per="chosen voxel",
    ),
    "adaptive_cross_entropy": _pixelwise(
        "AdaptiveCrossEntropy",
        Pixelwise,
        "-a y log p - (1 - y) log(1 - p), a = (M - sum p) / sum p over the M voxels of the batch, not detached",
        f"`wce` of {SHIROKIKH}",
        problems=("binary", "multi-label"),
    ),
    "balanced_cross_entropy": LossEntry(
        "lib.losses.pixelwise:BalancedCrossEntropy",
        Options,
        f"`WeightedBCE` in the code of {LIU}",
        family="pixel-wise",
        formula="-sum(y log p) / sum y - sum((1 - y) log(1 - p)) / sum(1 - y)",
        per="sample and channel",
        problems=("binary", "multi-label"),
    ),
    "dice": _region(
        "Dice",
        Dice,
        "1 - (2 sum(p y) + smooth_nr) / (sum p + sum y + smooth_dr); sum p^2 with squared_pred",
        f"Milletari et al., 3DV 2016; squared in {SHIROKIKH}; absent classes as zero in {LIU}",
        empty=False,
        monai="DiceLoss",
    ),
    "log_dice": _region(
        "LogDice",
        Dice,
        "-log of the Dice of `dice`, which counts as at least 1e-7",
        LIU,
        empty=False,
    ),
    "generalized_dice": _region(
        "GeneralizedDice",
        GeneralizedDice,
        "1 - 2 sum_c w_c sum(p y) / sum_c w_c (sum p + sum y); w_c by form",
        f"Sudre et al., DLMIA 2017; forms of MONAI (bounded), {KERVADEC}, {SHIROKIKH}, {LIU}",
        per="sample",
        monai="GeneralizedDiceLoss (form monai; two or more channels)",
    ),
    "tversky": _region(
        "Tversky",
        Tversky,
        "1 - (TP + smooth_nr) / (TP + alpha FP + beta FN + smooth_dr)",
        "Salehi et al., MLMI 2017",
        empty=False,
        monai="TverskyLoss",
    ),
    "focal_tversky": _region(
        "FocalTversky",
        FocalTversky,
        "the loss of `tversky` to the power gamma",
        "Abraham and Khan, ISBI 2019",
        empty=False,
    ),
    "asymmetric_similarity": _region(
        "AsymmetricSimilarity",
        AsymmetricSimilarity,
        "1 - (1 + beta^2) sum(p y) / (beta^2 sum y + sum p^2)",
        f"Hashemi et al., IEEE Access 2018; squared form of {SHIROKIKH}",
        empty=False,
    ),
    "proportion_l1": LossEntry(
        "lib.losses.proportion:ProportionL1",
        Proportion,
        LIU,
        family="region proportion",
        formula="|p_c - g_c| of the proportions of predicted probability and of target",
        per="image and class",
    ),
    "proportion_kl": LossEntry(
        "lib.losses.proportion:ProportionKL",
        ProportionKL,
        LIU,
        family="region proportion",
        formula="sum_c g_c log(g_c / p_c) of the proportions; a single channel has two classes, itself and the rest",
        per="image",
    ),
    "dice_bias": LossEntry(
        "lib.losses.proportion:DiceBias",
        Proportion,
        LIU,
        family="region proportion",
        formula="log(p_c + g_c) of the proportions: the size penalty hidden in -log Dice",
        per="image and class",
    ),
    "mae": _robust("MeanAbsoluteError", Pixelwise, "1 - p_t", "Ghosh et al., AAAI 2017"),
    "rce": _robust(
        "ReverseCrossEntropy",
        ReverseCrossEntropy,
        "-sum_k p_k ln y_k with ln 0 := ln floor, so -ln(floor) (1 - p_t)",
        "Wang et al., ICCV 2019",
    ),
    "gce": _robust("GeneralizedCrossEntropy", Power, "(1 - p_t^q) / q", "Zhang and Sabuncu, NeurIPS 2018"),
    "nce": _robust("NormalizedCrossEntropy", Pixelwise, "ln p_t / sum_k ln p_k", "Ma et al., ICML 2020"),
    "ngce": _robust(
        "NormalizedGeneralizedCrossEntropy",
        Power,
        "(1 - p_t^q) / (K - sum_k p_k^q) for K classes",
        "Ma et al., ICML 2020",
    ),
    "t_loss": LossEntry(
        "lib.losses.t_loss:TLoss",
        TLoss,
        "Gonzalez-Jimenez et al., MICCAI 2023, arXiv 2306.00753",
        family="noise-robust",
        formula="-lnG((s+D)/2) + lnG(s/2) + D/2 ln(pi s) + (s+D)/2 ln(1 + sum (p - y)^2 / s), s = exp(nu) + epsilon",
        per="sample and class",
    ),
    "boundary": LossEntry(
        "lib.losses.distance:Boundary",
        Boundary,
        KERVADEC,
        family="distance",
        formula="phi p, phi the signed distance to the border, negative inside",
        per="voxel that counts and class",
        empty=False,
        full=False,
        maps=("{distance}",),
        monai="BoundaryLoss (with its maps)",
    ),
    "generalized_surface": LossEntry(
        "lib.losses.distance:GeneralizedSurface",
        GeneralizedSurface,
        "Celaya et al., arXiv 2302.03868",
        family="distance",
        formula="1 - sum_c w_c sum (phi (1 - p - y))^2 / sum_c w_c sum phi^2, w_c = 1 / (1 + G_c^2) unless given",
        per="sample",
        empty=False,
        full=False,
        maps=("{distance}",),
    ),
    "hausdorff_dt": LossEntry(
        "lib.losses.distance:HausdorffDistanceTransform",
        Hausdorff,
        f"Karimi and Salcudean, TMI 2020; form of {KERVADEC}",
        family="distance",
        formula="(p - y)^2 (d_y^alpha + d_p^alpha), d the distance to the border of target and of prediction",
        per="voxel that counts and class",
        monai="HausdorffDTLoss (both_sides)",
    ),
    "blob": LossEntry(
        "lib.losses.instance:Blob",
        Instance,
        "Kofler et al., IPMI 2023, arXiv 2205.08209",
        family="instance-aware",
        formula="mean over lesions of dice_weight Dice loss + ce_weight cross-entropy, the other lesions masked out",
        per="sample with a lesion",
        empty=False,
        maps=("components",),
        problems=("binary", "multi-class"),
    ),
    "cc_dice_ce": LossEntry(
        "lib.losses.instance:ComponentDiceCrossEntropy",
        Instance,
        "Bouteille et al., arXiv 2511.17146",
        family="instance-aware",
        formula="mean over lesions of dice_weight Dice loss + ce_weight cross-entropy, each in its lesion's Voronoi"
        " cell",
        per="sample with a cell",
        empty=False,
        maps=("voronoi",),
        problems=("binary", "multi-class"),
    ),
    "ace": LossEntry(
        "lib.losses.calibration:AverageCalibrationError",
        CalibrationError,
        "Barfoot et al., arXiv 2506.03942",
        family="calibration",
        formula="mean over non-empty bins of p of |mean y - mean p|",
        per="image and class",
    ),
    "nacl": LossEntry(
        "lib.losses.calibration:NeighborAwareCalibration",
        NeighborAware,
        "Murugesan et al., MICCAI 2023, arXiv 2303.06268",
        family="calibration",
        formula="-log p_t + alpha mean_c |mean of y_c around - z_c|, z the logits",
        per="voxel that counts",
        problems=("binary", "multi-class"),
        one_channel=False,
        monai="NACLLoss (mean kernel)",
    ),
}
