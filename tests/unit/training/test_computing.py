"""How a training computes: mixed precision, memory format, compiled, deterministic; on which device."""

import shutil
from pathlib import Path

import pytest
import torch
from training_runs import make_trainer, train

from lib.config.load import load
from lib.config.schema import Computing
from lib.errors import SeglossError
from lib.store import StoredCase
from lib.training.devices import prepare_device

CHOICES = {
    "bfloat16": {"precision": "bfloat16"},
    "float16": {"precision": "float16"},
    "channels_last": {"channels_last": True},
    "compile": {"compile": True},
}


@pytest.fixture(params=CHOICES)
def chosen(request: pytest.FixtureRequest) -> dict:
    if request.param == "compile" and not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler on a CPU, and there is none")
    return {"computing": CHOICES[request.param]}


def test_a_run_trains_as_well_and_resumes_exactly(tiny_cases: list[StoredCase], tmp_path: Path, chosen: dict) -> None:
    plain_history, plain = train(tiny_cases, tmp_path / "plain.pt")
    history, weights = train(tiny_cases, tmp_path / "whole.pt", **chosen)
    assert float(history.split()[-1].split(",")[3]) == pytest.approx(
        float(plain_history.split()[-1].split(",")[3]), rel=0.05
    )
    assert all(values.dtype == plain[name].dtype for name, values in weights.items())
    trainer = make_trainer(tiny_cases, tmp_path / "cut.pt", **chosen)
    step = trainer._step
    trainer._step = lambda batch: step(batch) if trainer.step < 7 else [][0]
    with pytest.raises(IndexError):
        trainer.train()
    again_history, again = train(tiny_cases, tmp_path / "cut.pt", **chosen)
    assert again_history == history
    assert all(torch.equal(weights[name], again[name]) for name in weights)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_the_network_computes_in_the_precision_and_the_loss_in_float32(
    tiny_cases: list[StoredCase], tmp_path: Path, precision: str
) -> None:
    trainer = make_trainer(tiny_cases, tmp_path / "c.pt", computing={"precision": precision})
    seen, taken = set(), set()
    head = next(module for module in trainer.network.modules() if isinstance(module, torch.nn.Conv3d))
    head.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    loss = trainer.loss.forward
    trainer.loss.forward = lambda logits, *others: taken.add(logits.dtype) or loss(logits, *others)
    trainer.train()
    assert seen == {getattr(torch, precision)} and taken == {torch.float32}
    assert trainer.scaler.is_enabled() == (precision == "float16")


def test_channels_last_holds_for_weights_and_images(tiny_cases: list[StoredCase], tmp_path: Path) -> None:
    trainer = make_trainer(tiny_cases, tmp_path / "c.pt", computing={"channels_last": True})
    kernels = [values for values in trainer.network.parameters() if values.dim() == 5]
    assert kernels and all(k.is_contiguous(memory_format=torch.channels_last_3d) for k in kernels)


def test_the_configuration_changes_what_every_run_computes_with() -> None:
    assert load({}).runs[0].training_settings.computing == Computing()
    changed = load({"computing": {"precision": "bfloat16"}}).runs
    assert {run.training_settings.computing for run in changed} == {Computing(precision="bfloat16")}
    with pytest.raises(SeglossError, match=r"computing.precision.*'half'"):
        load({"computing": {"precision": "half"}})


def test_the_device_is_what_the_job_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert prepare_device("allocated", 1).type == "cpu"
    with pytest.raises(SeglossError, match="none is visible"):
        prepare_device("cuda", 1)
    with pytest.raises(SeglossError, match="cpu, cuda, allocated are known"):
        prepare_device("gpu", 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    assert prepare_device("allocated", 1) == torch.device("cuda", 0)
    monkeypatch.delenv("SLURM_JOB_ID")
    assert prepare_device("allocated", 1).type == "cpu"  # one machine: the CPU, as the demo says


def test_devices_by_scale() -> None:
    assert load({}).device == "allocated"
    assert load({"scale": "paper"}).device == "cuda"
    assert load({"device": "cpu"}).device == "cpu"
