"""What runs cost: hand-counted networks, the steps that are timed, and that nothing of a run is touched."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from training_runs import settings

from lib.cost import CASES, STEPS, WARM_UP, measure_cost, multiply_adds, time_cases, time_steps
from lib.files import write_json
from lib.networks import build_network
from lib.store import StoredCase
from lib.training.loop import Trainer
from lib.training.settings import InferenceSettings, TrainingSettings

CPU = torch.device("cpu")
COMPUTING = {"device": "cpu", "threads": 1, "gpu_percent": 0}


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 3, 3, padding=1)
        self.down = nn.Conv2d(3, 4, 2, stride=2)
        self.up = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.norm(self.up(torch.relu(self.down(self.convolution(image)))))


def test_multiply_adds_of_a_network_counted_by_hand() -> None:
    of_layers = (8 * 8 * 3 * (2 * 9), 4 * 4 * 4 * (3 * 4), 4 * 4 * 2 * 4 * 4)  # outputs (inputs, transposed) x weights
    network = Tiny()
    assert multiply_adds(network, (1, 2, 8, 8), CPU) == sum(of_layers)
    assert multiply_adds(network, (3, 2, 8, 8), CPU) == 3 * sum(of_layers)
    assert multiply_adds(nn.Linear(5, 7), (1, 5), CPU) == 5 * 7
    assert int(network.norm.num_batches_tracked) == 0  # in evaluation


def inference(chosen: TrainingSettings) -> InferenceSettings:
    return InferenceSettings(
        network=chosen.network,
        network_class="",
        inference={"patch_size": (16, 16, 16), "stride": (8, 8, 8)},
        labels={"names": ("background", "lesion")},
        reads={"test": ("labels",)},
    )


def data(cases: list[StoredCase]) -> dict[str, Any]:
    prepared = cases[0].folder.parent
    write_json(prepared / "train.json", {case.name: case.description for case in cases})
    return {"prepared": prepared, "cases": prepared / "train.json"}


def small(**changes: object) -> TrainingSettings:
    """One that needs no maps."""
    return settings(sampling={"cases": "passes", "foreground_fraction": 0}, maps=[], **changes)


def test_a_cost_has_all_numbers_and_their_conditions(tiny_cases: list[StoredCase]) -> None:
    chosen = small(training={"steps_per_epoch": 7})
    cost = measure_cost(chosen, inference(chosen), tiny_cases, computing=COMPUTING, **data(tiny_cases))
    network = build_network(chosen.network.network, 1)
    weights = {name: values for name, values in network.state_dict().items() if name.endswith(("weight", "bias"))}
    assert cost["parameters"] == sum(values.numel() for values in weights.values())
    assert cost["multiply_adds"] == multiply_adds(network, (1, 1, 8, 8, 8), CPU) > 0
    assert cost["seconds_per_step"] > 0 and cost["seconds_per_case"] > 0
    assert cost["seconds_per_epoch"] == pytest.approx(7 * cost["seconds_per_step"])
    assert cost["host_memory_mb"] >= 0 and cost["device_memory_mb"] is None
    conditions = {"steps_timed": STEPS, "cases_timed": CASES, "batch_size": 2, "patch_size": "8x8x8", "threads": 1}
    assert cost["conditions"].items() >= {**conditions, "precision": "float32", "torch": torch.__version__}.items()
    assert cost["conditions"]["device"]


def test_the_steps_that_are_timed_are_those_of_the_trainer(
    tiny_cases: list[StoredCase], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each second of the fake clock is a call of it: 1 second more passes in the fifth step."""
    seconds, steps = [0.0], []
    monkeypatch.setattr("lib.cost.time.process_time", lambda: seconds[0])
    whole = Trainer._step

    def step(trainer: Trainer, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        loss = whole(trainer, batch)
        steps.append(float(loss))
        seconds[0] += len(steps)  # after the loss: a step is counted with what follows
        return loss

    monkeypatch.setattr(Trainer, "_step", step)
    device, times = time_steps(small(), **COMPUTING, **data(tiny_cases))
    assert device == CPU and len(steps) == WARM_UP + STEPS + 1
    assert times == [WARM_UP + 1 + number for number in range(STEPS)]
    assert len(set(steps)) == len(steps)  # the weights change


def test_what_a_run_has_left_is_as_it_was(tiny_cases: list[StoredCase]) -> None:
    arguments = data(tiny_cases)
    prepared: Path = arguments["prepared"]
    before = {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    chosen = small()
    recorded = chosen.model_dump_json()
    time_steps(chosen, **COMPUTING, **arguments)
    assert {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()} == before
    assert chosen.model_dump_json() == recorded


@pytest.mark.parametrize("scheduler", ["plateau", "one_cycle"])
def test_a_training_that_follows_validation_cases_is_timed_without_them(
    tiny_cases: list[StoredCase], scheduler: str
) -> None:
    measured = {"measures": ["overlap"], "labels": {"names": ["background", "lesion"]}}
    measured |= {"inference": {"patch_size": [16, 16, 16], "stride": [16, 16, 16]}}
    training = {"scheduler": {"name": scheduler}, "monitor": {"part": "validation", "keep_best": True}}
    chosen = small(training=training, measured=measured)
    assert len(time_steps(chosen, **COMPUTING, **data(tiny_cases))[1]) == STEPS


def test_the_first_case_is_predicted_once_before(tiny_cases: list[StoredCase], monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, seen = [0.0], []

    def predict(network: object, image: object, *_: object) -> None:
        seen.append(image)
        seconds[0] += 10 if len(seen) == 1 else len(seen)

    monkeypatch.setattr("lib.cost.time.process_time", lambda: seconds[0])
    monkeypatch.setattr("lib.cost.predict_case", predict)
    assert time_cases(nn.Identity(), tiny_cases[:2], inference(small()), CPU) == [2, 3]
    assert (seen[0] == seen[1]).all() and (seen[1] != seen[2]).any()


def test_of_a_cascade_the_second_stage_is_timed(tiny_cases: list[StoredCase], monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = inference(small())
    cascade = {"first": "base", "region": ["lesion"], "inside": ["lesion"]}
    chosen = InferenceSettings.model_validate(chosen.model_dump() | {"cascade": cascade})
    labels = []
    monkeypatch.setattr("lib.cost.predict_inside", lambda *given: labels.append(given[3]))
    assert len(time_cases(nn.Identity(), tiny_cases[:1], chosen, CPU)) == 1
    assert (labels[0] == tiny_cases[0].array("label")[...]).all()
