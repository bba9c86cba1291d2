"""The schema of the configuration files."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from lib.fields import (
    ExistingFile,
    ExistingFolder,
    FilePattern,
    Folder,
    Int,
    Mirror,
    Modules,
    Name,
    NameList,
    Names,
    NonNegative,
    Number,
    Positive,
    PositiveInt,
    RegularExpression,
    Section,
    Seed,
    SeedList,
    Seeds,
    Share,
    Size,
    Text,
    unique,
    whole_number,
)
from lib.labels import NOISE_KINDS
from lib.networks.catalogue import NETWORKS
from lib.registry import chosen_from
from lib.suggest import shortened, suggestion
from lib.training.catalogue import AUGMENTATIONS, OPTIMIZERS, SCHEDULERS

CONFIG_NAME = "workflow_config.yaml (or --config)"


class Folders(Section):
    data: Folder = "data"
    results: Folder = "results"
    plots: Folder = "plots"
    logs: Folder = "logs"


def _names_first(labels: Any) -> Any:
    if isinstance(labels, dict) and labels and all(str(key).strip().isdecimal() for key in labels):
        raise ValueError(f"{shortened(labels)}: write names first, as in {{background: 0, lesion: 1}}")
    return labels


class OwnData(Section):
    """A user's own data set; what is left out is read from its ``dataset.json``, or from the names of its files."""

    folder: ExistingFolder
    title: Text | None = None
    dimensions: Annotated[Literal[2, 3] | None, BeforeValidator(whole_number)] = None
    channels: Annotated[list[Text], Field(min_length=1)] | None = None
    labels: Annotated[dict[str, Int | list[Int]] | None, BeforeValidator(_names_first)] = None
    images: Annotated[list[FilePattern], Field(min_length=1)] | None = None
    label: FilePattern | None = None
    region: FilePattern | None = None
    patients: RegularExpression | None = None
    splits: ExistingFile | None = None
    seed: Seed = 0
    validation_share: Share = 0.1
    test_share: Share = 0.2
    window: tuple[Number, Number] | None = None
    size: Size | None = None
    threshold: Number | None = None
    empty_masks: Literal["exclude", "keep"] = "exclude"

    @model_validator(mode="after")
    def _sensible(self) -> "OwnData":
        if self.window and self.window[0] >= self.window[1]:
            raise ValueError(f"window {self.window}: the lower end must come first")
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on")
        return self


NoiseKind = Literal[NOISE_KINDS]


class Noise(Section):
    """Faults put into the masks of a share ``alpha`` of the training cases, each of the strength ``beta``."""

    alpha: Share
    beta: NonNegative = 0.0
    form: Literal["released", "corrected"] = "corrected"
    kinds: Annotated[list[NoiseKind], Field(min_length=1), AfterValidator(unique)] = list(NOISE_KINDS)
    seed: Seed = 0

    @model_validator(mode="after")
    def _has_strength(self) -> "Noise":
        if self.alpha and not self.beta:
            raise ValueError("beta (strength, as a share of the foreground) is missing")
        if not self.alpha and self.model_dump(exclude_defaults=True).keys() != {"alpha"}:
            raise ValueError("alpha 0 stands for clean masks; leave the other keys out")
        return self

    @field_validator("kinds")
    @classmethod
    def _in_one_order(cls, kinds: list[str]) -> list[str]:
        """Draws go by place, and the name has no order."""
        return sorted(kinds, key=NOISE_KINDS.index)

    @property
    def extent(self) -> float:
        """What it changes of all masks together."""
        return self.alpha * self.beta

    @property
    def name(self) -> str:
        """What distinguishes it from every other noise, fit for a path."""
        if not self.alpha:
            return "clean"
        parts = [f"alpha{self.alpha:.12g}-beta{self.beta:.12g}"]
        parts += ["released"] if self.form == "released" else []
        parts += self.kinds if len(self.kinds) < len(NOISE_KINDS) else []
        parts += [f"seed{self.seed}"] if self.seed else []
        return "-".join(parts)


def _of_different_names(noises: list[Noise]) -> list[Noise]:
    unique([noise.name for noise in noises])
    return noises


Noises = Annotated[list[Noise], AfterValidator(_of_different_names)]


class Computing(Section):
    """How a training computes. Each of these moves the weights by rounding, so that other values are another run.

    ``precision``: of the network's passes in training, the loss is always float32; float16 scales its gradients.
    ``deterministic`` kernels give the same weights each time, and on a GPU are slower.
    """

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    channels_last: bool = False
    compile: bool = False
    deterministic: bool = True


class WorkflowConfig(Section):
    """`workflow_config.yaml`: what to run, at which scale, where."""

    scale: Name = "demo"
    studies: Names = "all"
    datasets: Names = "all"
    variants: Names = "all"
    losses: Names = "all"
    seeds: Seeds = "all"
    plugins: Modules = []
    noise: Noises = []
    computing: Computing = Computing()
    cases_per_job: PositiveInt = 16
    checkpoint_every: PositiveInt = 300
    device: Literal["auto", "cpu", "cuda"] = "auto"
    mirror: Mirror | None = None
    raw: dict[str, ExistingFolder] = {}
    own_data: dict[Name, OwnData] = {}
    folders: Folders = Folders()


class Sampling(Section):
    """How training patches are drawn.

    ``cases``: by their number of lesions, or in shuffled ``passes`` through all of them. ``foreground_fraction`` of
    the patches centre on a lesion voxel; the others lie anywhere in the image (in the middle of axes that are
    shorter), in its ``centre``, or, ``anywhere_or_centre``, in its centre if any axis is shorter: so does the code of
    inverse weighting.
    """

    patch_size: Size
    batch_size: PositiveInt
    cases: Literal["by_lesions", "passes"] = "by_lesions"
    foreground_fraction: Share = 0.5
    place: Literal["anywhere", "centre", "anywhere_or_centre"] = "anywhere"
    augmentation: list[chosen_from(AUGMENTATIONS)] = []


class Monitor(Section):
    """Dice of the cases of ``part``, measured after every epoch.

    ``keep_best``: the network of the best epoch is the outcome.
    """

    part: Literal["validation", "test"] = "validation"
    measure: Literal["dice", "dice_slices"] = "dice"
    keep_best: bool = False

    @model_validator(mode="after")
    def _selects_on_validation(self) -> "Monitor":
        if self.keep_best and self.part == "test":
            raise ValueError(
                "keep_best with part: test would choose the network on the cases it is reported on"
            )
        return self


class Training(Section):
    """Length, optimizer and learning rate; gradients of a larger norm than ``gradient_clipping`` are scaled to it.

    After each of the last ``test_epochs`` the test cases are predicted and measured; these numbers are recorded, and
    used only where ``monitor`` says so.
    """

    epochs: PositiveInt
    steps_per_epoch: PositiveInt
    optimizer: chosen_from(OPTIMIZERS)
    scheduler: chosen_from(SCHEDULERS) = SCHEDULERS.parse("constant")
    gradient_clipping: Positive | None = None
    test_epochs: Annotated[Int, Field(ge=0)] = 0
    monitor: Monitor | None = None

    @model_validator(mode="after")
    def _sensible(self) -> "Training":
        if self.test_epochs > self.epochs:
            raise ValueError(f"test_epochs {self.test_epochs} exceed the {self.epochs} epochs")
        if self.scheduler.warmup_steps >= self.epochs * self.steps_per_epoch:
            raise ValueError(
                f"scheduler: warmup_steps {self.scheduler.warmup_steps} leave no step of the training"
            )
        if SCHEDULERS.entry_of(self.scheduler).monitored and not self.monitor:
            raise ValueError(
                f"scheduler {self.scheduler.name!r} follows a measure: name it in monitor, as {{part: validation}}"
            )
        return self

    @property
    def measured(self) -> dict[str, int]:
        """Parts of the split whose cases are measured while training -> after how many of the last epochs."""
        epochs = {"test": self.test_epochs, **({self.monitor.part: self.epochs} if self.monitor else {})}
        return {part: number for part, number in epochs.items() if number}


class Inference(Section):
    patch_size: Size
    stride: Size

    @model_validator(mode="after")
    def _covers(self) -> "Inference":
        if len(self.stride) != len(self.patch_size) or any(
            s > p for s, p in zip(self.stride, self.patch_size, strict=True)
        ):
            raise ValueError(f"stride {self.stride} must not exceed patch_size {self.patch_size} on any axis")
        return self


class Evaluation(Section):
    """``small_diameter``: per data set, lesions below it (voxels) count as small, below the median where it is
    not given; ``size_bins``: diameter edges; ``surface_tolerance``: mm that a surface may be off."""

    surface_tolerance: Positive = 1.0
    small_diameter: dict[str, Positive] = {}
    size_bins: Annotated[list[NonNegative], Field(min_length=1)] = [0, 5, 8, 12, 20]

    @model_validator(mode="after")
    def _ascending(self) -> "Evaluation":
        if any(b <= a for a, b in pairwise(self.size_bins)):
            raise ValueError(f"size_bins {self.size_bins} must ascend")
        return self


class Settings(Section):
    """Everything of a run but its loss, noise and seed; ``split`` None is the data set's first.

    With ``slices`` a 2D network sees volumes slice by slice (last axis).
    """

    datasets: NameList
    losses: NameList
    seeds: SeedList
    split: Text | None = None
    noise: Annotated[Noises, Field(min_length=1)] = [Noise(alpha=0)]
    slices: bool = False
    network: chosen_from(NETWORKS)
    sampling: Sampling
    training: Training
    computing: Computing = Computing()
    inference: Inference
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _sizes_fit_the_network(self) -> "Settings":
        dimensions, divisor = NETWORKS.entry_of(self.network).dimensions, self.network.divisor
        for key, size in (
            ("sampling.patch_size", self.sampling.patch_size),
            ("inference.patch_size", self.inference.patch_size),
        ):
            if len(size) != dimensions or any(length % divisor for length in size):
                raise ValueError(
                    f"{key} {size} must have {dimensions} lengths that divide by {divisor}"
                    f" for network {self.network.name!r}"
                )
        return self


LESION_FIGURES = ("froc.pdf", "froc_small.pdf", "froc_tuned.pdf")
TAKEN = frozenset({"data", "noise", "published", "reference", "crate.zip", *LESION_FIGURES})
"""What no study can be called, in small letters: what else lies in results/ and plots/."""
DOSE_RESPONSE = "dice_by_noise.pdf"
SURFACE_FIGURES = ("over_epochs.pdf", "boxplots.pdf", "beside_published.pdf")
FIGURES = (
    *LESION_FIGURES,
    *SURFACE_FIGURES,
    DOSE_RESPONSE,
    *("training_dice.pdf", "loss_parameters.pdf", "loss_weights.pdf", "examples.pdf", "distances.pdf"),
)
METRICS = ("lesions", "overlap", "surface")


class Published(Section):
    """The table of `published/` that the study's outcome is held against, and its names for what has others here."""

    table: Name
    datasets: dict[str, str] = {}
    losses: dict[str, str] = {}

    @property
    def names(self) -> dict[str, dict[str, str]]:
        """By column of the tables, our names -> the published ones."""
        return {"dataset": self.datasets, "loss": self.losses}


class Scale(Section):
    """One scale of a study: common ``settings``, the ``variants`` that change them, and what figures say about it."""

    note: Text | None = None
    variants: Annotated[dict[Name, dict[str, Any] | None], Field(min_length=1)] = {"base": {}}
    settings: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, section: Any) -> Any:
        own = {key: section[key] for key in ("note", "variants") if key in section}
        return own | {"settings": {key: value for key, value in section.items() if key not in own}}


class Study(Section):
    """One study file: its losses, and a section for each scale, of any name.

    ``metrics``: lesion-wise (FROC), voxel overlap (Dice), or distances of surfaces too. A study that lacks a scale
    takes no part in it.
    """

    model_config = ConfigDict(extra="allow")

    title: Text
    publication: Text
    metrics: Literal[METRICS]
    figures: list[Literal[FIGURES]]
    published: Published | None = None
    losses: dict[Name, str | dict[str, Any]]

    @property
    def scales(self) -> dict[str, dict[str, Any]]:
        """The sections that are scales, as the file has them."""
        return {name: section for name, section in self.model_extra.items() if section is not None}

    @model_validator(mode="after")
    def _sensible(self) -> "Study":
        for metrics, figures in (("lesions", LESION_FIGURES), ("surface", SURFACE_FIGURES)):
            for figure in self.figures if self.metrics != metrics else ():
                if figure in figures:
                    raise ValueError(f"figures: {figure!r} needs metrics: {metrics}")
        for name, section in self.scales.items():
            if not isinstance(section, dict) or not section.keys() & Settings.model_fields.keys():
                scales = ("demo", "reduced", "paper")
                unknown = f"unknown key{suggestion(name, [*type(self).model_fields, *scales])}"
                what = "" if name in scales else f"{unknown}; "
                raise ValueError(f"{name}: {what}a scale has settings such as datasets and losses")
        if not self.scales:
            raise ValueError("a section demo or paper is missing")
        return self
