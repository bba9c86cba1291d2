"""The catalogue: torch-free, complete, in step with the classes and with the page made from it."""

import inspect
import subprocess
import sys

import pytest

from lib import ROOT
from lib.losses.base import SegmentationLoss
from lib.losses.catalogue import LOSSES, LossEntry
from lib.losses.inputs import LossInputs
from lib.losses.parameters import Chosen
from lib.losses.specification import required_maps, resolved
from lib.maps import MAPS
from lib.pages import losses as pages

entries = pytest.mark.parametrize(
    ("name", "entry"), LOSSES.items(), ids=lambda value: value if isinstance(value, str) else ""
)


def test_the_catalogue_does_not_import_torch() -> None:
    code = (
        "import sys; from lib.losses import build_loss; from lib.losses.specification import resolved;"
        "resolved('gdl_boundary_rebalance'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@entries
def test_the_class_takes_exactly_the_parameters_of_the_catalogue(name: str, entry: LossEntry) -> None:
    accepted: set[str] = set()
    for base in entry.loaded.__mro__:
        if not issubclass(base, SegmentationLoss) or "__init__" not in vars(base):
            continue
        arguments = inspect.signature(base.__init__).parameters.values()
        accepted |= {argument.name for argument in arguments if argument.kind is argument.POSITIONAL_OR_KEYWORD}
    fixed = {"self", "squared"} | ({"batch"} if name == "generalized_dice" else set())
    if not issubclass(entry.parameters, Chosen):
        fixed |= {"include_background", "classes"}
    assert accepted - fixed == set(entry.parameters.model_fields)
    own = inspect.signature(vars(entry.loaded).get("__init__", len)).parameters.values()
    assert all(a.default is a.empty for a in own), "defaults stand in the catalogue alone"


@entries
def test_weightable_is_who_takes_a_weight(name: str, entry: LossEntry) -> None:
    assert ("weight" in inspect.signature(entry.loaded.compute).parameters) == entry.weightable


@entries
def test_required_maps_can_be_made(name: str, entry: LossEntry) -> None:
    assert set(required_maps(name)) <= set(MAPS)
    assert bool(required_maps(name)) == bool(entry.maps)
    if entry.weightable:
        assert required_maps({"name": name, "inverse_weights": {}}) == ("components",)


@entries
def test_every_loss_and_its_class_say_what_they_are(name: str, entry: LossEntry) -> None:
    assert all((entry.formula, entry.source, entry.per, entry.family, entry.problems))
    assert entry.loaded.__doc__ and entry.loaded.__doc__ != SegmentationLoss.__doc__


def test_options_are_those_of_the_batch_and_of_the_loss() -> None:
    options = set(resolved("mae")["parameters"]) - {"class_weights"}
    assert set(inspect.signature(SegmentationLoss.__init__).parameters) - {"self"} == options
    assert set(pages.OPTIONS) == options
    assert {"sigmoid", "to_onehot_y", "ignore_index"} <= set(inspect.signature(LossInputs.__init__).parameters)
