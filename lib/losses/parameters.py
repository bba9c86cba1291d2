"""What a specification may say of each loss: parameters, defaults and ranges. Never imports torch.

What they do stands in the docstring of the loss's own class.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lib.fields import Fraction, Int, NonNegative, Number, Positive, Section, Share, unique

Channel = Annotated[Int, Field(ge=0)]
Channels = Annotated[list[Channel], Field(min_length=1), AfterValidator(unique)]


def _some_weight(weights: list[float]) -> list[float]:
    if not any(weights):
        raise ValueError(f"{weights} leaves nothing: at least one weight above 0 was expected")
    return weights


Weights = Annotated[list[NonNegative], Field(min_length=1), AfterValidator(_some_weight)]


class Options(Section):
    """What every loss takes."""

    sigmoid: bool = False
    to_onehot_y: bool | None = None
    ignore_index: Int | None = None
    reduction: Literal["mean", "sum", "none"] = "mean"


class Chosen(Options):
    """What losses with a choice of classes take besides."""

    include_background: bool = True
    classes: Channels | None = None

    @model_validator(mode="after")
    def _one_choice(self) -> "Chosen":
        if self.classes is not None and not self.include_background:
            raise ValueError("include_background: false and classes exclude each other; list the classes")
        return self


class Pixelwise(Chosen):
    class_weights: Weights | None = None


class CrossEntropy(Pixelwise):
    epsilon: NonNegative = 0.0


class Focal(Pixelwise):
    alpha: Share | None = None
    gamma: NonNegative = 2.0
    smooth: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    epsilon: NonNegative = 0.0
    sum_classes: bool = False


class TopK(Pixelwise):
    k: Annotated[Number, Field(gt=0, le=100)] = 10.0


class ReverseCrossEntropy(Pixelwise):
    floor: Annotated[Number, Field(gt=0, lt=1)] = 1e-4


class Power(Pixelwise):
    q: Fraction = 0.7


class Smoothed(Chosen):
    batch: bool = False
    smooth_nr: NonNegative = 1e-5
    smooth_dr: NonNegative = 1e-5


class Dice(Smoothed):
    squared_pred: bool = False
    absent_classes: Literal["counted", "zero"] = "counted"


class GeneralizedDice(Chosen):
    form: Literal["bounded", "monai", "kervadec", "shirokikh", "seglossbias"] = "bounded"


class Tversky(Smoothed):
    alpha: NonNegative = 0.3
    beta: NonNegative = 0.7


class FocalTversky(Tversky):
    gamma: Positive = 0.75


class AsymmetricSimilarity(Chosen):
    batch: bool = False
    beta: Positive = 1.5


class Proportion(Chosen):
    temperature: Positive = 1.0


class ProportionKL(Proportion):
    one_sided: bool = False


class TLoss(Chosen):
    nu: Number = 0.0
    epsilon: Positive = 1e-8
    log_precision: Number | None = None


class Distance(Chosen):
    distance: Annotated[str, Field(min_length=1)] = "published_distance"


class Boundary(Distance):
    zero_minimum: bool = False
    normalize: bool = False


class GeneralizedSurface(Distance):
    class_weights: Weights | None = None


class Hausdorff(Chosen):
    form: Literal["both_sides", "kervadec"] = "both_sides"
    alpha: Positive = 2.0


class Instance(Options):
    dice_weight: NonNegative = 1.0
    ce_weight: NonNegative = 1.0
    smooth: NonNegative = 0.0


class CalibrationError(Chosen):
    bins: Annotated[Int, Field(ge=2)] = 20
    binning: Literal["hard", "soft"] = "hard"


class NeighborAware(Options):
    alpha: NonNegative = 0.1
    kernel_size: Literal[3, 5, 7, 9] = 3
    distance: Literal["l1", "l2"] = "l1"


class InverseWeights(Section):
    """The modifier ``inverse_weights`` of weightable losses."""

    formula: Literal["published", "unclipped", "lesions_only"] = "published"
    clip: tuple[NonNegative, Positive] = (1.0, 2e5)

    @model_validator(mode="after")
    def _ordered(self) -> "InverseWeights":
        if self.clip[0] > self.clip[1]:
            raise ValueError(f"clip {list(self.clip)} is not [lowest, highest]")
        return self
