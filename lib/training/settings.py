"""The settings of trainings and predictions, and whether two trainings have the same. Never imports torch."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lib.config.cascade import Cascade
from lib.config.schema import Computing, Inference, Noise, Postprocessing, Resampling, Sampling, Training
from lib.errors import SeglossError
from lib.fields import PositiveInt, Section, Seed
from lib.files import read_json
from lib.labels import Labels
from lib.losses.specification import without_defaults
from lib.measures.catalogue import MEASURES
from lib.networks.catalogue import NETWORKS
from lib.registry import Entry, chosen_from
from lib.training.catalogue import AUGMENTATIONS, OPTIMIZERS, SCHEDULERS


class NetworkSettings(Section):
    """A network.

    ``exclusive``: its channels are classes of which every voxel has one (`lib.labels.Labels`).
    """

    network: chosen_from(NETWORKS)
    out_channels: PositiveInt
    exclusive: bool = True


class InferenceSettings(Section):
    """All that decides the predictions of given weights.

    ``labels``: of the data set, which a ``cascade`` predicts with both stages. ``reads``: kinds of predictions to
    store, by part of the split.
    """

    network: NetworkSettings
    network_class: str
    inference: Inference
    labels: Labels
    resampling: Resampling = Resampling()
    postprocessing: Postprocessing = Postprocessing()
    cascade: Cascade | None = None
    reads: dict[str, tuple[str, ...]]


class Measured(Section):
    """How the parts of the split are measured while the network is trained; measures have their defaults."""

    measures: tuple[str, ...]
    labels: Labels
    inference: Inference
    resampling: Resampling = Resampling()


class TrainingSettings(Section):
    """All that decides the trained weights but data and code; ``loss`` is resolved, ``masks`` are the training's.

    ``background``: 0 in a label stands for no class, or for that of the background.
    """

    run: str
    seed: Seed
    loss: dict[str, Any]
    network: NetworkSettings
    sampling: Sampling
    resampling: Resampling = Resampling()
    training: Training
    computing: Computing = Computing()
    maps: tuple[str, ...] = ()
    masks: Noise = Noise(alpha=0)
    measured: Measured | None = None
    background: bool = True

    @property
    def entries(self) -> list[Entry]:
        """Of all that is chosen by name but the loss."""
        training, measured = self.training, self.measured.measures if self.measured else ()
        return [
            NETWORKS.entry_of(self.network.network),
            OPTIMIZERS.entry_of(training.optimizer),
            SCHEDULERS.entry_of(training.scheduler),
            *map(AUGMENTATIONS.entry_of, self.sampling.augmentation),
            *(MEASURES[name] for name in measured),
        ]

    def as_json(self) -> dict[str, Any]:
        """All of them, as JSON values, with the classes and functions that the names stand for."""
        return self.model_dump(mode="json") | {"classes": [entry.implementation for entry in self.entries]}

    def same_as(self, recorded: Any) -> bool:
        """Whether a training with the ``recorded`` settings, as JSON values, is the same.

        An option that was not there then must have its default now.
        """
        chosen = self.model_dump(mode="json", exclude_defaults=True) | {"loss": without_defaults(self.loss)}
        present = self.as_json()
        return _same(recorded, present, chosen | {"classes": present["classes"]})


def _same(recorded: Any, present: Any, chosen: Any) -> bool:
    """Whether ``present`` is as ``recorded`` but for keys that were not there and are not ``chosen`` (not default)."""
    if isinstance(present, dict) and isinstance(recorded, Mapping):
        chosen = chosen if isinstance(chosen, dict) else {}
        return recorded.keys() <= present.keys() and all(
            _same(recorded[key], value, chosen.get(key)) if key in recorded else key not in chosen
            for key, value in present.items()
        )
    if isinstance(present, list) and isinstance(recorded, list):
        chosen = chosen if isinstance(chosen, list) else [None] * len(present)
        return len(recorded) == len(present) and all(map(_same, recorded, present, chosen))
    return recorded == present


def asked(provenance: Mapping[str, Any]) -> Any:
    """The settings of a training as the configuration had them, before a search or the data decided some."""
    return provenance.get("asked", provenance.get("settings"))


def identity(settings: TrainingSettings, provenance: Path) -> str:
    """Digest of the settings, or the one that stands in the ``provenance`` of the same training."""
    with suppress(SeglossError):  # a damaged file is made again
        recorded = read_json(provenance) if provenance.is_file() else None
        if isinstance(recorded, dict) and settings.same_as(asked(recorded)):
            return str(recorded.get("identity"))
    return hashlib.sha256(json.dumps(settings.as_json()).encode()).hexdigest()
