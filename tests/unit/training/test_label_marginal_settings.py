"""Every setting of the label-marginal study at paper scale trains on official files, resumes and predicts."""

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import adapters_mr_2d
import official_ct
import pytest
import torch
from adapters_ct import unpack
from training_runs import changed, stop_after

from lib.config.load import load
from lib.config.run import Run
from lib.datasets import DATASETS
from lib.datasets.index import Index
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded
from lib.inference import predict_volume, stored_kinds
from lib.losses import build_resolved
from lib.maps import MAPS
from lib.networks import build_network
from lib.store import StoredCase, write_case, write_map
from lib.training.loop import Trainer
from lib.training.sampling import PatchSampler

CPU = torch.device("cpu")
PATCH = [64, 64, 32]
VOLUMES = {
    "lits_liver_and_tumour": official_ct.write_lits,
    "msd_pancreas": partial(official_ct.write_decathlon, task="Task07_Pancreas"),
    "amos22": official_ct.write_amos22,
}
RUNS = {
    (run.variant, run.dataset): run
    for run in load({"scale": "paper", "studies": ["label_marginal"], "seeds": [0]}).runs
    if run.loss in ("ce_l1", "ce_l1_alpha_5", "ce_l1_temperature_20")
}


@pytest.fixture(scope="module")
def cases_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[StoredCase]]:
    """Two prepared cases of each data set, with the map of their components."""
    return {name: prepared(name, tmp_path_factory.mktemp(name)) for name in {dataset for _, dataset in RUNS}}


def prepared(name: str, folder: Path) -> list[StoredCase]:
    dataset, adapter = DATASETS[name], adapters_mr_2d.adapter(name)
    index = adapter.index(RawFiles([unpacked(name, folder)]), dataset.parameters)
    return [*itertools.islice(stored_cases(name, index, folder), 2)]


def stored_cases(name: str, index: Index, folder: Path) -> Iterator[StoredCase]:
    dataset, adapter = DATASETS[name], adapters_mr_2d.adapter(name)
    for case, entry in index.cases.items():
        try:
            made = adapter.prepare(case, entry, dataset.parameters)
        except CaseExcluded:
            continue
        write_case(folder / case, case, made, background=dataset.labels.has_outside)
        stored = StoredCase(folder / case)
        if stored.shows_something:
            path = folder / case / "components.b2nd"
            maps = {"components": write_map(path, stored, MAPS["components"], dataset.labels)}
            yield StoredCase(folder / case, maps=maps if dataset.labels.has_outside else None)


def unpacked(name: str, folder: Path) -> Path:
    if name in VOLUMES:
        archives = folder / "archives"
        archives.mkdir()
        return unpack(VOLUMES[name](archives), folder / "raw")
    for path, content in adapters_mr_2d.TREES[name].items():
        file = folder / "raw" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder / "raw"


def trainer_of(run: Run, cases: list[StoredCase], checkpoint: Path, save_every: float = 300) -> Trainer:
    """Two epochs of a step, of small patches, by narrow networks whose weights are all drawn."""
    pretrained = run.settings.network.pretrained
    narrow = {"encoder": "resnet18", "encoder_weights": None} if pretrained else {"channels": [4, 6, 8, 8, 8, 8]}
    chosen = changed(
        run.training_settings,
        network={"network": narrow},
        sampling={"patch_size": PATCH[: len(cases[0].shape)], "batch_size": 2},
        training={"epochs": 2, "steps_per_epoch": 1},
    )
    torch.manual_seed(0)
    network = build_network(chosen.network.network, cases[0].description["channels"], chosen.network.out_channels)
    sampler = PatchSampler(cases, chosen.sampling, chosen.maps, 0, 2, chosen.background)
    measures = dict.fromkeys(chosen.training.measured, lambda network: {"dice": 0.5})
    return Trainer(
        network,
        build_resolved(chosen.loss),
        sampler,
        chosen,
        CPU,
        checkpoint,
        "k",
        measures=measures,
        save_every=save_every,
    )


@pytest.mark.parametrize(("variant", "dataset"), RUNS)
def test_a_setting_trains_goes_on_and_predicts(
    variant: str, dataset: str, cases_of: dict[str, list[StoredCase]], tmp_path: Path
) -> None:
    run, cases = RUNS[variant, dataset], cases_of[dataset]
    whole = trainer_of(run, cases, tmp_path / "whole.pt")
    history = whole.train()
    assert [row["epoch"] for row in history.rows] == [1, 2]
    assert all(row["loss"] > 0 and row["loss.proportion_l1"] >= 0 for row in history.rows)

    killed = trainer_of(run, cases, tmp_path / "killed.pt", save_every=0)
    stop_after(1, killed)
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    resumed = trainer_of(run, cases, tmp_path / "killed.pt")
    assert resumed.train().rows == history.rows
    for name, values in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], values), name

    patch = resumed.settings.sampling.patch_size
    corner = (..., *(slice(length) for length in patch))
    image, label = (cases[1].array(name)[...][corner] for name in ("image", "label"))
    outputs = predict_volume(resumed.network, image, patch, patch, CPU, run.labels.exclusive)
    assert stored_kinds(*outputs, run.labels, ["labels"])["labels"].shape == label.shape
