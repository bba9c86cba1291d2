"""The schema of the configuration files."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from lib.config.cascade import Cascade
from lib.config.own_data import OwnData
from lib.config.planning import OVERLAP, Planning
from lib.fields import (
    ExistingFile,
    ExistingFolder,
    ExistingPlace,
    Folder,
    Int,
    Mirror,
    Modules,
    Name,
    NameList,
    Names,
    NonNegative,
    Number,
    Planned,
    Positive,
    PositiveInt,
    Section,
    Seed,
    SeedList,
    Seeds,
    Share,
    Size,
    Text,
    Trackers,
    unique,
)
from lib.labels import NOISE_KINDS, Labels
from lib.networks.catalogue import NETWORKS, size_refusal
from lib.prediction.catalogue import POSTPROCESSING
from lib.registry import chosen_from
from lib.suggest import shortened
from lib.training.catalogue import AUGMENTATIONS, OPTIMIZERS, SCHEDULERS

CONFIG_NAME = "workflow_config.yaml (or --config)"


class Folders(Section):
    data: Folder = "data"
    results: Folder = "results"
    plots: Folder = "plots"
    logs: Folder = "logs"


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


class Resampling(Section):
    """The grid that a network is trained on and sees; its predictions return to that of the image.

    ``spacing``: in mm by axis, ``median`` as nnU-Net takes it from the training cases, ``planned``, or each image's
    own. Voxels are then ``factor`` times as long, but across slices that a 2D network sees one by one.
    """

    spacing: (
        Literal["median", "planned"] | Annotated[tuple[Positive, ...], Field(min_length=2, max_length=3)] | None
    ) = None
    factor: Annotated[Number, Field(ge=1)] = 1.0

    @property
    def is_native(self) -> bool:
        return self.spacing is None and self.factor == 1

    @property
    def name(self) -> str:
        """What distinguishes it from every other grid, fit for a path."""
        of_cases = isinstance(self.spacing, str)
        spacing = f"-{self.spacing}" if of_cases else "x".join(f"{length:.12g}" for length in self.spacing or ())
        parts = [f"spacing{spacing}"] if self.spacing else []
        parts += [f"factor{self.factor:.12g}"] if self.factor != 1 else []
        return "-".join(parts) or "native"

    def shape_of(self, shape: Sequence[int], spacing: Sequence[float], by_slice: bool = False) -> tuple[int, ...]:
        """The shape of an image on this grid, once ``median`` or ``planned`` is resolved."""
        factors = [self.factor] * len(shape)
        if by_slice:
            factors[-1] = 1.0
        lengths = zip(shape, spacing, self.spacing or spacing, factors, strict=True)
        return tuple(max(1, round(length * own / (new * factor))) for length, own, new, factor in lengths)


FACTORS = {
    "noise": ("noise",),
    "resampling": ("resampling",),
    "network": ("network",),
    "optimizer": ("training", "optimizer"),
    "scheduler": ("training", "scheduler"),
}
"""What a study may cross -> where it stands among the settings."""


def _named_levels(levels: Any) -> Any:
    """The levels of a factor by name: their own `name`, noise by its strength."""
    if not isinstance(levels, list):
        return levels
    names = [_level_name(level) for level in levels]
    for name, level in zip(names, levels, strict=True):
        if not isinstance(name, str):
            raise ValueError(f"{shortened(level)} has no name; name it, as in {{first: ..., second: ...}}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two levels are called {twice!r}; name them, as in {{first: ..., second: ...}}")
    return dict(zip(names, levels, strict=True))


def _level_name(level: Any) -> Any:
    if not isinstance(level, dict) or "name" in level:
        return level["name"] if isinstance(level, dict) else level
    kind = next((kind for key, kind in _NAMED_BY_VALUES.items() if key in level), None)
    return kind.model_validate(level).name if kind else None


_NAMED_BY_VALUES = {"alpha": Noise, "spacing": Resampling, "factor": Resampling}
"""Sections that have a name of their values, by keys that show them."""
Levels = Annotated[dict[Name, Any], Field(min_length=1), BeforeValidator(_named_levels)]


class Factors(Section):
    """What is crossed: each level of each factor with those of the others, in the place of the single setting.

    Levels are a list of noises, of grids, or of names (with parameters) of networks, optimizers or schedulers, or a
    mapping that gives them names of their own.
    """

    noise: Levels | None = None
    resampling: Levels | None = None
    network: Levels | None = None
    optimizer: Levels | None = None
    scheduler: Levels | None = None

    @property
    def given(self) -> dict[str, dict[str, Any]]:
        """Factor -> name of a level -> its setting."""
        return {name: levels for name, levels in self if levels}


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
    """`workflow_config.yaml`: what to run, at which scale, where.

    ``settings``: replace those of all variants of the studies, key by key. ``name``: of the experiment in TensorBoard
    and in the ``trackers`` that runs are exported for besides. ``plan_memory``: of the GPU, in GB, that plans from the
    data may use. ``minutes``: that all trainings of planned variants and their predictions may take together.
    ``cases``: per-case tables that `reanalyze` takes.
    """

    scale: Name = "demo"
    name: Name = "basemodel"
    trackers: Trackers = []
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
    plan_memory: Positive = 8
    device: Literal["auto", "cpu", "cuda"] = "auto"
    mirror: Mirror | None = None
    raw: dict[str, ExistingFolder] = {}
    own_data: dict[Name, OwnData] = {}
    own_losses: dict[Name, str | dict[str, Any]] = {}
    settings: dict[str, Any] = {}
    weights: dict[str, ExistingFile] = {}
    cases: ExistingPlace | None = None
    minutes: Positive | None = None
    folders: Folders = Folders()


class Sampling(Section):
    """How training patches are drawn.

    ``cases``: by their number of lesions, or in shuffled ``passes`` through all of them. ``foreground_fraction`` of
    the patches centre on a lesion voxel; the others lie anywhere in the image (in the middle of axes that are
    shorter), in its ``centre``, or, ``anywhere_or_centre``, in its centre if any axis is shorter: so does the code of
    inverse weighting.
    """

    patch_size: Size | Planned
    batch_size: PositiveInt | Planned
    cases: Literal["by_lesions", "passes"] = "by_lesions"
    foreground_fraction: Share = 0.5
    place: Literal["anywhere", "centre", "anywhere_or_centre"] = "anywhere"
    augmentation: list[chosen_from(AUGMENTATIONS)] = []


class Monitor(Section):
    """A measure of the cases of ``part``, taken after every epoch; one of which high values are good.

    ``keep_best``: the network of the best epoch is the outcome.
    """

    part: Literal["validation", "test"] = "validation"
    measure: Text = "dice"
    keep_best: bool = False

    @model_validator(mode="after")
    def _selects_on_validation(self) -> "Monitor":
        if self.keep_best and self.part == "test":
            raise ValueError("keep_best with part: test would choose the network on the cases it is reported on")
        return self


class Training(Section):
    """Length, optimizer and learning rate; gradients of a larger norm than ``gradient_clipping`` are scaled to it.

    After each of the last ``test_epochs``, all if they are fewer, the test cases are predicted and measured; these
    numbers are recorded, and used only where ``monitor`` says so.
    """

    epochs: PositiveInt
    steps_per_epoch: PositiveInt | Planned
    optimizer: chosen_from(OPTIMIZERS)
    scheduler: chosen_from(SCHEDULERS) = SCHEDULERS.parse("constant")
    gradient_clipping: Positive | None = None
    test_epochs: Annotated[Int, Field(ge=0)] = 0
    monitor: Monitor | None = None

    @model_validator(mode="after")
    def _sensible(self) -> "Training":
        is_known = self.steps_per_epoch != "planned"
        if is_known and self.scheduler.warmup_steps >= self.epochs * self.steps_per_epoch:
            raise ValueError(f"scheduler: warmup_steps {self.scheduler.warmup_steps} leave no step of the training")
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
    patch_size: Size | Planned
    stride: Size | Planned

    @model_validator(mode="after")
    def _covers(self) -> "Inference":
        if "planned" in (self.patch_size, self.stride):
            return self
        if len(self.stride) != len(self.patch_size) or any(
            s > p for s, p in zip(self.stride, self.patch_size, strict=True)
        ):
            raise ValueError(f"stride {self.stride} must not exceed patch_size {self.patch_size} on any axis")
        return self


class WeightsOf(Section):
    """The variant of the study whose weights are taken, and the data set if those of another one are."""

    variant: Name
    dataset: Text | None = None


class Postprocessing(Section):
    """``steps`` that may change predicted labels: each is kept, one after the other and by structure, where it raises
    the mean Dice of the validation cases."""

    steps: list[chosen_from(POSTPROCESSING)] = []


class Settings(Section):
    """Everything of a run but its loss and seed; ``split`` None is the data set's first.

    With ``slices`` a 2D network sees volumes slice by slice (last axis). ``evaluation``: parameters by measure.
    ``weights_of``: the run is not trained, it takes the weights of another one of its loss and seed. ``plan``: what is
    ``planned`` comes from the training cases.
    """

    datasets: Annotated[list[str], AfterValidator(unique)]
    losses: NameList
    seeds: SeedList
    split: Text | None = None
    noise: Noise = Noise(alpha=0)
    resampling: Resampling = Resampling()
    slices: bool = False
    network: chosen_from(NETWORKS)
    sampling: Sampling
    training: Training
    computing: Computing = Computing()
    inference: Inference
    postprocessing: Postprocessing = Postprocessing()
    cascade: Cascade | None = None
    evaluation: dict[str, dict[str, Any]] = {}
    weights_of: WeightsOf | None = None
    plan: Planning | None = None

    @model_validator(mode="after")
    def _noise_is_native(self) -> "Settings":
        if self.noise.alpha and not self.resampling.is_native:
            raise ValueError("noise is made in masks on their own grid: leave out noise or resampling")
        return self

    @model_validator(mode="after")
    def _cascade_is_clean(self) -> "Settings":
        if self.cascade and self.noise.alpha:
            raise ValueError("noise is made in masks of whole images: leave out noise or cascade")
        if self.cascade and "test" in self.training.measured:
            raise ValueError(
                "cascade: its training sees true regions, in which test cases are not measured: leave out"
                " training.test_epochs, and training.monitor of test cases"
            )
        return self

    @property
    def plan_name(self) -> str:
        """What distinguishes the plan from every other one of the same cases, fit for a path."""
        kind, precision = "plan_slices" if self.slices else "plan", self.computing.precision
        parts = [kind, f"features{self.network.base_features}-{self.network.max_features}"]
        parts += [f"memory{self.plan.memory:.12g}"] if self.plan.memory else []
        parts += [f"coverage{self.plan.coverage:.12g}"] if self.plan.coverage else []
        parts += [f"overlap{self.plan.overlap:.12g}"] if self.plan.overlap != OVERLAP else []
        parts += [precision] if precision != "float32" else []
        return "-".join(parts)

    def labels_of_network(self, labels: Labels) -> Labels:
        """What the network segments of a data set's labels."""
        return self.cascade.labels_inside(labels) if self.cascade else labels

    @model_validator(mode="after")
    def _plan_has_a_network(self) -> "Settings":
        is_planned = getattr(self.network, "patch_size", None) == "planned"
        if is_planned != bool(self.plan):
            raise ValueError("plan: patches and networks such as dyn_unet are planned together: in variants with plan")
        return self

    @model_validator(mode="after")
    def _sizes_fit_the_network(self) -> "Settings":
        for key, section in (("sampling", self.sampling), ("inference", self.inference)):
            if "planned" in (section.patch_size, getattr(self.network, "patch_size", None)):
                continue
            if reason := size_refusal(self.network, section.patch_size):
                raise ValueError(f"{key}.patch_size {section.patch_size} {reason} for network {self.network.name!r}")
        return self
