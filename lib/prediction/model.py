"""A trained network as its weights and the `model.json` next to them describe it."""

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import nn

from lib.config.cascade import Cascade
from lib.config.schema import Inference, Resampling
from lib.datasets.preparation import Preparation
from lib.errors import SeglossError
from lib.fields import Section, Text
from lib.files import read_json
from lib.labels import Labels
from lib.networks import build_network
from lib.networks.catalogue import NETWORKS, size_refusal
from lib.prediction.postprocessing import Choice
from lib.suggest import suggestion
from lib.training import checkpoints
from lib.training.settings import NetworkSettings
from lib.validation import validated

DESCRIPTION = "model.json"
_REMEDY = "get both files of the run again, or let the workflow make them again"


class Model(Section):
    """What `scripts/predict.py` writes of a run.

    ``channels``: their names. ``regions``: images of the data set are blanked outside masks. ``preparation``: as
    :meth:`Preparation.as_json` gives it. ``first``: the run of a ``cascade``'s first stage.
    """

    format: Literal[1]
    run: Text
    dataset: Text
    dimensions: Literal[2, 3]
    channels: Annotated[tuple[Text, ...], Field(min_length=1)]
    regions: bool
    labels: Labels
    network: NetworkSettings
    inference: Inference
    resampling: Resampling = Resampling()
    postprocessing: tuple[Choice, ...] = ()
    cascade: Cascade | None = None
    first: Text | None = None
    preparation: Annotated[Preparation, BeforeValidator(Preparation.of_json)]

    @model_validator(mode="after")
    def _fits(self) -> "Model":
        chosen, patch = self.network.network, self.inference.patch_size
        dimensions = NETWORKS.entry_of(chosen).dimensions
        if reason := size_refusal(chosen, patch):
            raise ValueError(f"inference.patch_size {patch} {reason} for network {chosen.name!r}")
        if self.dimensions - dimensions not in (0, 1):  # 1: by slices
            raise ValueError(f"dimensions {self.dimensions} do not fit the network {chosen.name!r}")
        if bool(self.cascade) != bool(self.first):
            raise ValueError("cascade and first, the run of its first stage, were expected together")
        if self.cascade and (reason := self.cascade.unfit(self.labels)):
            raise ValueError(f"labels {', '.join(self.labels.names)}: {reason}")
        labels = self.network_labels
        expected = labels.out_channels(chosen.background_channel), labels.exclusive
        of_network = self.network.out_channels, self.network.exclusive
        if of_network != expected or len(labels.names) <= labels.exclusive:
            raise ValueError(f"labels {', '.join(labels.names)} do not fit the network's output")
        if any(name == "resize" and len(size) != self.dimensions for name, *size in self.preparation.steps):
            raise ValueError(f"preparation: resize: {self.dimensions} lengths were expected")
        if unknown := {choice.structure for choice in self.postprocessing} - {*self.labels.structures}:
            raise ValueError(f"postprocessing: unknown structure {min(unknown)!r}")
        return self

    @property
    def network_labels(self) -> Labels:
        """What the network segments of the labels."""
        return self.cascade.labels_inside(self.labels) if self.cascade else self.labels

    def load_network(self, weights: Path, device: torch.device) -> nn.Module:
        """Build the network with its weights on a device.

        Raises:
            SeglossError: the weights are damaged or of another network.
        """
        network = build_network(self.network.network, len(self.channels), self.network.out_channels)
        checkpoints.load_weights(weights, network, _REMEDY)
        return network.to(device)

    @property
    def takes(self) -> str:
        """What the network takes, for messages."""
        names = ", ".join(self.channels)
        return f"{self.dimensions}D images of {len(self.channels)} channel(s) ({names})"


def find_weights(run: str, results: Path) -> Path:
    """The weights of a run by its id, its folder, or their file.

    Raises:
        SeglossError: there are none.
    """
    places = [Path(run), Path(run) / "weights.pt", results / run / "weights.pt"]
    if found := next((place for place in places if place.is_file()), None):
        return found
    runs = [path.parent.relative_to(results).as_posix() for path in sorted(results.glob("*/*/*/*/*/weights.pt"))]
    raise SeglossError(f"{run}: neither a file of weights nor a finished run in {results}{suggestion(run, runs)}")


def read_stages(weights: Path) -> list[tuple[Path, Model]]:
    """The model of a run with its weights; of a cascade those of the first stage before it.

    Raises:
        SeglossError: as :func:`read_model`, or the first stage does not lie beside the run as it does in the results.
    """
    model = read_model(weights)
    if not model.first:
        return [(weights, model)]
    to_results = [".."] * len(Path(model.run).parts)
    first = weights.absolute().parent.joinpath(*to_results, model.first, weights.name).resolve()
    if not first.is_file():
        raise SeglossError(
            f"{first}: missing, and is the first stage of the cascade {weights}; copy both folders, as they lie in the"
            " results"
        )
    return [(first, read_model(first)), (weights, model)]


def read_model(weights: Path) -> Model:
    """Read the description next to a file of weights.

    Raises:
        SeglossError: it is missing, damaged, of a later version, or its data set's images cannot be imitated.
    """
    path = weights.with_name(DESCRIPTION)
    if not path.is_file():
        raise SeglossError(
            f"{path}: missing, and says which network and preparation {weights.name} is for; copy it from the run's"
            " folder, or make it there: envs/run snakemake --cores 1 <that folder>/model.json"
        )
    values: Any = read_json(path, _REMEDY)
    if not isinstance(values, dict):
        raise SeglossError(f"{path}: not the description of a model; {_REMEDY}")
    try:
        model: Model = validated(Model, values, str(path))
    except SeglossError as error:
        raise SeglossError(f"{error}; {_REMEDY}; networks of your own are named by --plugins") from None
    if model.preparation.refusal:
        raise SeglossError(
            f"{weights}: {model.dataset}: other images cannot be prepared as those of this data set:"
            f" {model.preparation.refusal}; predict its own cases by the workflow"
        )
    return model
