"""The optimizers, the schedulers of learning rates and the steps of augmentation by name. Never imports torch.

The parameters are explained where the classes and functions are; those of the optimizers are `torch.optim`'s.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lib.fields import Fraction, Int, NonNegative, Number, Positive, PositiveInt, Share
from lib.registry import Entry, Parameters, Registry

Momentum = Annotated[Number, Field(ge=0, lt=1)]


class OptimizerParameters(Parameters):
    """``loss_learning_rate`` is that of the loss's own parameters, which no scheduler changes; None: the network's."""

    learning_rate: Positive
    loss_learning_rate: Positive | None = None
    weight_decay: NonNegative = 0.0


class Adam(OptimizerParameters):
    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    eps: Positive = 1e-8


class AdamW(Adam):
    weight_decay: NonNegative = 0.01


class SGD(OptimizerParameters):
    momentum: Momentum = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> "SGD":
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: true needs a momentum above 0")
        return self


class RMSprop(OptimizerParameters):
    alpha: Momentum = 0.99
    eps: Positive = 1e-8
    momentum: Momentum = 0.0


OPTIMIZERS = Registry(
    "optimizer",
    {
        "adam": Entry("torch.optim:Adam", Adam, "Kingma and Ba, ICLR 2015"),
        "adamw": Entry("torch.optim:AdamW", AdamW, "Loshchilov and Hutter, ICLR 2019"),
        "sgd": Entry("torch.optim:SGD", SGD),
        "rmsprop": Entry("torch.optim:RMSprop", RMSprop, "Tieleman and Hinton, 2012"),
    },
    parameters=OptimizerParameters,
)


class SchedulerParameters(Parameters):
    """In the first ``warmup_steps`` the learning rate rises linearly from ``warmup_start`` times itself."""

    warmup_steps: Annotated[Int, Field(ge=0)] = 0
    warmup_start: Share = 0.0


class Step(SchedulerParameters):
    every: PositiveInt
    factor: Fraction = 0.1


class Milestones(SchedulerParameters):
    epochs: Annotated[list[PositiveInt], Field(min_length=1)]
    factor: Fraction = 0.1


class Poly(SchedulerParameters):
    power: Positive = 0.9
    minimum: Share = 0.0


class Cosine(SchedulerParameters):
    minimum: Share = 0.0


class OneCycle(SchedulerParameters):
    rise: Annotated[Number, Field(gt=0, lt=1)] = 0.3
    initial: Share = 0.04
    final: Share = 4e-6


class Cyclic(SchedulerParameters):
    rise_steps: PositiveInt = 2000
    fall_steps: PositiveInt | None = None
    lowest: Share = 0.1
    shrink: Fraction = 1.0


class Plateau(SchedulerParameters):
    factor: Annotated[Number, Field(gt=0, lt=1)] = 0.1
    patience: Annotated[Int, Field(ge=0)] = 10
    threshold: NonNegative = 1e-4
    cooldown: Annotated[Int, Field(ge=0)] = 0
    minimum: Share = 0.0


class Halving(SchedulerParameters):
    form: Literal["paper", "released"] = "paper"
    patience: PositiveInt = 20


class NuPlateau(SchedulerParameters):
    every: PositiveInt = 50
    patience: Annotated[Int, Field(ge=6)] = 10
    threshold: NonNegative = 1e-4
    factor: Fraction = 0.1
    minimum: Positive = 1e-4
    form: Literal["released", "corrected"] = "corrected"


@dataclass(frozen=True)
class SchedulerEntry(Entry):
    """One scheduler; ``monitored``: it needs ``training.monitor``."""

    monitored: bool = False


def _scheduler(name: str, parameters: type[Parameters], source: str = "", **needs: bool) -> SchedulerEntry:
    return SchedulerEntry(f"lib.training.schedulers:{name}", parameters, source, **needs)


SCHEDULERS: Registry[SchedulerEntry] = Registry(
    "scheduler",
    {
        "constant": _scheduler("Scheduler", SchedulerParameters),
        "step": _scheduler("Step", Step),
        "milestones": _scheduler("Milestones", Milestones),
        "poly": _scheduler("Poly", Poly, "Chen et al., DeepLab, TPAMI 2018; nnU-Net steps it by epoch"),
        "cosine": _scheduler("Cosine", Cosine, "Loshchilov and Hutter, ICLR 2017, without restarts"),
        "one_cycle": _scheduler("OneCycle", OneCycle, "Smith and Topin, 2018, arXiv 1708.07120"),
        "cyclic": _scheduler("Cyclic", Cyclic, "Smith, WACV 2017, arXiv 1506.01186"),
        "plateau": _scheduler("Plateau", Plateau, monitored=True),
        "halving": _scheduler(
            "Halving", Halving, "Kervadec et al., MIDL 2019, as written and as released", monitored=True
        ),
        "nu_plateau": _scheduler("NuPlateau", NuPlateau, "Gonzalez-Jimenez et al., MICCAI 2023, the released code"),
    },
    SchedulerEntry,
    SchedulerParameters,
)


class AugmentationParameters(Parameters):
    probability: Share


class Mirror(AugmentationParameters):
    probability: Share = 0.5


class Turn(AugmentationParameters):
    probability: Share = 0.2
    angles: Annotated[list[Literal[90, 180, 270]], Field(min_length=1)] = [90, 180, 270]


class Ranged(AugmentationParameters):
    """Of the steps that draw a number from a range."""

    range: tuple[NonNegative, NonNegative]

    @model_validator(mode="after")
    def _ascending(self) -> "Ranged":
        if self.range[0] > self.range[1]:
            raise ValueError(f"range {self.range} must ascend")
        return self


class Factor(Ranged):
    """Of the steps that draw a factor."""

    range: tuple[Positive, Positive]


class Zoom(Factor):
    probability: Share = 0.2
    range: tuple[Positive, Positive] = (0.85, 1.25)


class Rotate(Ranged):
    probability: Share = 0.2
    range: tuple[Number, Number] = (-15, 15)


class Elastic(Ranged):
    probability: Share = 0.2
    range: tuple[NonNegative, NonNegative] = (0, 2)
    smoothness: Positive = 10


class GaussianNoise(Ranged):
    probability: Share = 0.1
    range: tuple[NonNegative, NonNegative] = (0, 0.1)


class Blur(Ranged):
    probability: Share = 0.2
    per_channel: Share = 0.5
    range: tuple[NonNegative, NonNegative] = (0.5, 1)


class Brightness(Factor):
    probability: Share = 0.15
    range: tuple[Positive, Positive] = (0.75, 1.25)


class Contrast(Brightness):
    pass


class LowResolution(Factor):
    probability: Share = 0.25
    per_channel: Share = 0.5
    range: tuple[Positive, Positive] = (0.5, 1)


class Gamma(Factor):
    probability: Share = 0.3
    range: tuple[Positive, Positive] = (0.7, 1.5)
    invert: bool = False


BATCHGENERATORS = "nnU-Net's pipeline, batchgenerators 0.21, the numbers that T-Loss took"


def _augmentation(name: str, parameters: type[Parameters], source: str = BATCHGENERATORS) -> Entry:
    return Entry(f"lib.training.augmentation:{name}", parameters, source)


AUGMENTATIONS = Registry(
    "augmentation",
    {
        "mirror": _augmentation("mirror", Mirror),
        "turn": _augmentation("turn", Turn),
        "zoom": _augmentation("zoom", Zoom),
        "rotate": _augmentation("rotate", Rotate, "ours"),
        "elastic": _augmentation("elastic", Elastic, "ours"),
        "noise": _augmentation("noise", GaussianNoise),
        "blur": _augmentation("blur", Blur),
        "brightness": _augmentation("brightness", Brightness),
        "contrast": _augmentation("contrast", Contrast),
        "low_resolution": _augmentation("low_resolution", LowResolution),
        "gamma": _augmentation("gamma", Gamma),
    },
    parameters=AugmentationParameters,
)
