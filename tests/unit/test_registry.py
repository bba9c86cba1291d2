"""What is chosen by name: entries, their parameters and defaults, what is refused, what makes two trainings differ."""

import inspect
import json
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from pydantic import ValidationError

from lib.config.load import load
from lib.config.schema import Training
from lib.errors import SeglossError
from lib.losses.catalogue import LOSSES
from lib.losses.specification import names, resolved, shortest, without_defaults
from lib.measures.catalogue import MEASURES
from lib.networks import build_network
from lib.networks.catalogue import NETWORKS, NetworkEntry
from lib.plotting.catalogue import FIGURES
from lib.prediction.catalogue import POSTPROCESSING
from lib.registry import Entry, Parameters, Registry
from lib.training.catalogue import AUGMENTATIONS, OPTIMIZERS, SCHEDULERS
from lib.training.optimizers import build_optimizer
from lib.training.settings import TrainingSettings, identity
from lib.validation import validated

ADAM = {"name": "adam", "learning_rate": 0.01}
REGISTRIES = (NETWORKS, OPTIMIZERS, SCHEDULERS, AUGMENTATIONS, MEASURES, FIGURES, POSTPROCESSING)


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_entry_takes_its_parameters(registry: Registry) -> None:
    for name, entry in registry.items():
        needed = {
            "learning_rate": 0.1,
            **{"every": 1, "epochs": [1], "mm3": 1},
            "patch_size": getattr(entry, "dimensions", 3) * [64],
        }
        given = {key: needed[key] for key, field in entry.parameters.model_fields.items() if key in needed}
        parameters = registry.parse({"name": name, **given})
        assert registry.parse(parameters.model_dump()) == parameters
        assert callable(entry.loaded)


def test_the_optimizers_are_given_every_option_and_the_loss_a_group_of_its_own() -> None:
    network, loss = torch.nn.Linear(2, 1), torch.nn.Linear(1, 1)
    for name, entry in OPTIMIZERS.items():
        chosen = OPTIMIZERS.parse({"name": name, "learning_rate": 0.1, "loss_learning_rate": 0.5, "weight_decay": 0.25})
        optimizer = build_optimizer(chosen, network, loss)
        assert type(optimizer) is entry.loaded
        assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.25, 0.25]
        known = inspect.signature(entry.loaded).parameters
        own = chosen.model_dump(exclude={"name", "learning_rate", "loss_learning_rate"})
        for option, value in own.items():
            assert optimizer.defaults[option] == value
            if option != "betas":
                assert entry.parameters.model_fields[option].default == known[option].default


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"optimizer": "adam"}, "optimizer.learning_rate: is missing"),
        ({"optimizer": {"name": "adma"}}, "optimizer: unknown optimizer 'adma'; did you mean 'adam'?"),
        (
            {"optimizer": ADAM | {"momentum": 0.9}},
            "optimizer: adam has no 'momentum'; allowed: learning_rate",
        ),
        ({"optimizer": ADAM | {"name": "sgd", "betas": [0, 0]}}, "optimizer: sgd has no 'betas'"),
        (
            {"optimizer": ADAM | {"name": "sgd", "nesterov": True}},
            "optimizer: nesterov: true needs a momentum",
        ),
        (
            {"optimizer": ADAM | {"betas": [0.9, 1]}},
            "optimizer.betas.1: 1 is not allowed; expected less than 1",
        ),
        ({"scheduler": "poli"}, "scheduler: unknown scheduler 'poli'; did you mean 'poly'?"),
        ({"scheduler": 3}, "scheduler: unknown scheduler 3"),
        ({"scheduler": {}}, "scheduler: name: is missing; allowed: constant, step"),
        ({"scheduler": {"name": "poly", "warmup_steps": 6}}, "warmup_steps 6 leave no step of the training"),
        ({"scheduler": {"name": "cosine", "power": 2}}, "scheduler: cosine has no 'power'"),
        ({"scheduler": "plateau"}, "scheduler 'plateau' follows a measure: name it in monitor"),
        ({"gradient_clipping": 0}, "gradient_clipping: 0 is not allowed; expected greater than 0"),
    ],
)
def test_unknown_and_unused_options_are_refused(section: dict, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        validated(Training, {"epochs": 2, "steps_per_epoch": 3, "optimizer": ADAM} | section, "here")
    assert message in str(error.value)


def test_an_empty_option_has_its_default() -> None:
    assert OPTIMIZERS.parse(ADAM | {"weight_decay": None}).weight_decay == 0


def test_a_new_entry_needs_no_more_than_itself() -> None:
    class Doubled(Parameters):
        by: float = 2.0

    registry = Registry("colour", {"double": Entry("math:prod", Doubled)})
    assert registry.parse("double").arguments() == {"by": 2.0}
    assert registry["double"].loaded([3, 2]) == 6
    with pytest.raises(ValueError, match=r"unknown colour 'duble'; did you mean 'double'\?"):
        registry.parse("duble")


# Which trainings are the same


@pytest.fixture(scope="module")
def settings() -> TrainingSettings:
    return load({"losses": "iwfl", "studies": "inverse_weighting"}).runs[0].training_settings


def without(record: dict, *keys: str) -> dict:
    *folders, last = keys
    inner = record
    for key in folders:
        inner = inner[key]
    del inner[last]
    return record


def test_every_run_is_itself_after_a_way_through_json() -> None:
    for scale in ("demo", "paper"):
        for run in load({"scale": scale}).runs:
            again = TrainingSettings.model_validate_json(run.training_settings.model_dump_json())
            assert again == run.training_settings
            assert again.same_as(json.loads(json.dumps(run.training_settings.as_json())))


@pytest.mark.parametrize(
    "keys",
    [
        ("training", "optimizer", "weight_decay"),
        ("training", "gradient_clipping"),
        ("training", "scheduler", "warmup_steps"),
        ("network", "network", "channels"),
        ("loss", "parameters", "smooth"),
        ("loss", "inverse_weights", "clip"),
        ("computing",),
        ("sampling", "augmentation"),
    ],
)
def test_an_option_that_a_record_does_not_know_must_have_its_default(
    settings: TrainingSettings, keys: tuple[str, ...]
) -> None:
    record = without(settings.as_json(), *keys)
    assert settings.same_as(record)


@pytest.mark.parametrize(
    "keys",
    [
        ("training", "optimizer", "learning_rate"),
        ("training", "scheduler", "epochs"),
        ("loss", "parameters", "gamma"),
        ("seed",),
    ],
)
def test_what_is_chosen_must_be_known(settings: TrainingSettings, keys: tuple[str, ...]) -> None:
    gamma = settings.model_copy(update={"loss": resolved({"name": "focal", "gamma": 3, "inverse_weights": {}})})
    assert not gamma.same_as(without(gamma.as_json(), *keys))


def test_a_changed_default_is_another_training(settings: TrainingSettings) -> None:
    record = settings.as_json()
    record["training"]["optimizer"]["eps"] = 1e-7  # as it was before
    assert not settings.same_as(record)
    assert not settings.same_as(settings.as_json() | {"an option that is gone": 1})
    for nothing in (None, [], {}, "settings", 3):
        assert not settings.same_as(nothing)


def test_another_class_of_the_same_name_is_another_training(
    settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = settings.as_json()
    assert record["classes"][1] == "torch.optim:Adam"
    monkeypatch.setitem(OPTIMIZERS, "adam", Entry("torch.optim:NAdam", OPTIMIZERS["adam"].parameters))
    assert not settings.same_as(record)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "network 'x': NetworkEntry('module:name', ...) was expected"),
        (Entry("a:b", NETWORKS["enet_2d"].parameters), "NetworkEntry('module:name', ...) was expected"),
        (NetworkEntry("no_colon", NETWORKS["enet_2d"].parameters), "NetworkEntry('module:name', ...)"),
        (NetworkEntry("a:b", Parameters), "its parameters must be a NetworkParameters"),
    ],
)
def test_entries_of_another_kind_are_refused(entry: object, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        NETWORKS.add("x", entry)
    assert message in str(error.value)


@pytest.mark.parametrize("implementation", ["no_such_module:A", "lib.networks.enet:Nope", "math:prod"])
def test_what_cannot_be_built_ends_in_a_line(monkeypatch: pytest.MonkeyPatch, implementation: str) -> None:
    monkeypatch.setitem(NETWORKS, "enet_2d", NetworkEntry(implementation, NETWORKS["enet_2d"].parameters, dimensions=2))
    with pytest.raises(SeglossError, match=f"^{implementation}"):
        build_network("enet_2d", 1)


def test_options_without_their_defaults_make_the_same_loss() -> None:
    chosen = {"name": "focal", "gamma": 3.0, "inverse_weights": {"clip": [1, 2]}}
    of_sum = {"sum": ["dice", {**chosen, "weight": 0.5}], "deep_supervision": {}}
    for specification in (chosen, of_sum, "gdl_boundary", "cross_entropy"):
        brief = without_defaults(MappingProxyType(resolved(specification)))
        text = json.dumps(brief)
        assert "ignore_index" not in text
        assert ("3.0" in text) == (specification in (chosen, of_sum))
    for name, entry in LOSSES.items():
        assert without_defaults(resolved(name))["parameters"] == {}, entry


def test_the_shortest_specification_is_that_of_the_same_loss() -> None:
    weighted = {"name": "focal", "gamma": 3.0, "inverse_weights": {"clip": [1, 2]}}
    deep = {"sum": ["dice", {**weighted, "weight": 0.5}], "sigmoid": True, "deep_supervision": {"weights": [1, 0.5]}}
    own = {"name": "collections.Counter", "rate": 3, "maps": ["components"]}
    for specification in (*names(), weighted, deep, own):
        whole = resolved(specification)
        assert resolved(shortest(whole)) == whole, specification
    assert shortest(resolved("focal")) == {"name": "focal"} and shortest(resolved(weighted)) == weighted


def test_the_identity_of_a_training_outlives_a_new_option(settings: TrainingSettings, tmp_path: Path) -> None:
    path = tmp_path / "provenance.json"
    own = identity(settings, path)
    assert own == identity(settings, path)
    record = without(settings.as_json(), "training", "gradient_clipping")
    path.write_text(json.dumps({"settings": record, "identity": "of before"}))
    assert identity(settings, path) == "of before"
    other = settings.model_copy(update={"seed": 9})
    assert identity(other, path) not in ("of before", own)
    for damaged in ("", "[]", "{}", '{"settings": 3}'):
        path.write_text(damaged)
        assert identity(settings, path) == own


def test_values_of_entries_are_checked_in_lists_too() -> None:
    from lib.config.schema import Sampling

    with pytest.raises(ValidationError) as error:
        Sampling(patch_size=(8, 8), batch_size=1, augmentation=["mirror", {"name": "zoom", "range": [0, 1]}])
    assert error.value.errors()[0]["loc"] == ("augmentation", 1, "range", 0)
