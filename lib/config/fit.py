"""Whether the data sets of a study fit its settings."""

from itertools import chain

from lib.config.schema import Settings
from lib.config.study_schema import Study
from lib.datasets import Dataset
from lib.measures.catalogue import MEASURES, PROBABILITY, TUNED
from lib.networks.catalogue import NETWORKS
from lib.suggest import suggestion


def fits_none(name: str, dataset: Dataset) -> str:
    kind = f"{dataset.dimensions}D with {len(dataset.labels.names)} classes"
    return f"own_data.{name}: {kind} fits none of the studies chosen"


def unfit(dataset: Dataset, settings: Settings, study: Study) -> str | None:
    """Why the data set cannot be used with these settings."""
    if settings.network.pretrained and (len(dataset.channels) != 3 or dataset.parameters.get("standardised")):
        return "has not three channels of 0 to 1, which encoder_weights: imagenet is for; set it to null"
    if dataset.dimensions != (dimensions := dimensions_of(settings)):
        sees = f"sees slices of {dimensions}D volumes" if settings.slices else f"is {dimensions}D"
        return f"is {dataset.dimensions}D, network {settings.network.name!r} {sees}"
    if not dataset.labels.separate and (needs := _separate(study)):
        return f"has {len(dataset.labels.names)} classes; {needs} is of one structure, or of such as overlap"
    spacing = settings.resampling.spacing
    if isinstance(spacing, tuple) and len(spacing) != dataset.dimensions:
        return f"is {dataset.dimensions}D, resampling.spacing has {len(spacing)} lengths"
    if settings.noise.alpha and not dataset.labels.has_outside:
        return "has no background, which noise in masks needs"
    by_lesions = settings.sampling.cases == "by_lesions" or settings.sampling.foreground_fraction
    if by_lesions and not dataset.labels.has_outside:
        return "has no background: sampling: {cases: passes, foreground_fraction: 0} is needed"
    if settings.cascade and (reason := settings.cascade.unfit(dataset.labels)):
        return reason
    if settings.cascade and (needs := _of_values(study)):
        return f"is predicted by a cascade, which has labels alone; {needs} reads more"
    if settings.postprocessing.steps and not dataset.labels.has_outside:
        return "has no background, which post-processing needs"
    return _missing_part(dataset, settings)


def _missing_part(dataset: Dataset, settings: Settings) -> str | None:
    """The split that is missing, or what needs cases of a part of it that has none, where the cases are known."""
    if settings.split and not dataset.folds and settings.split not in dataset.splits:
        return f"has no split {settings.split!r}{suggestion(settings.split, dataset.splits)}"
    monitor = None if settings.weights_of else settings.training.monitor
    needed = {monitor.part: "training.monitor measures"} if monitor else {}
    needed |= {"validation": "postprocessing is chosen on"} if settings.postprocessing.steps else {}
    parts = dataset.known_index.splits[split_of(settings, dataset)] if dataset.known_index else needed
    return next((f"has no {part} cases, which {what}" for part, what in needed.items() if not parts[part]), None)


def _separate(study: Study) -> str | None:
    """What of the study needs a value of its own for each structure."""
    of_values = (f"measure {name}" for name in study.measures if MEASURES[name].separate)
    return next(chain(_cuts_of_values(study), of_values), None)


def _of_values(study: Study) -> str | None:
    """What of the study reads probabilities or logits."""
    measures = (f"measure {name}" for name in study.measures if MEASURES[name].reads)
    return next(chain(_cuts_of_values(study), measures), None)


def _cuts_of_values(study: Study) -> list[str]:
    return [f"cuts: {cut}" for cut in study.cuts if cut in (PROBABILITY, TUNED)]


def split_of(settings: Settings, dataset: Dataset) -> str:
    return settings.split or dataset.splits[0]


def dimensions_of(settings: Settings) -> int:
    """Of the images that a network is for, which may see them by slices."""
    return NETWORKS.entry_of(settings.network).dimensions + settings.slices
