"""Choices that are added from outside: a network without widths, an optimizer, a scheduler, a step of augmentation."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from test_workflow import STUDY, copy_with_one_study, copy_with_tiny_study, edit, planned, snakemake

from lib.config.load import load
from lib.errors import SeglossError
from lib.registry import Entry, Parameters, Registry, load_plugins

PLUGIN = """
from lib.fields import PositiveInt
from lib.networks.catalogue import NETWORKS, NetworkEntry, NetworkParameters
from lib.registry import Entry
from lib.training.catalogue import (
    AUGMENTATIONS, OPTIMIZERS, SCHEDULERS, AugmentationParameters, OptimizerParameters, SchedulerEntry,
    SchedulerParameters,
)


class Convolution(NetworkParameters):
    kernel: PositiveInt = 3


class HalfLife(SchedulerParameters):
    steps: PositiveInt


class Negative(AugmentationParameters):
    probability: float = 0.5


NETWORKS.add("convolution", NetworkEntry("their_modules:Convolution", Convolution))
OPTIMIZERS.add("nadam", Entry("torch.optim:NAdam", OptimizerParameters))
SCHEDULERS.add("half_life", SchedulerEntry("their_schedules:HalfLife", HalfLife))
AUGMENTATIONS.add("negative", Entry("their_schedules:negative", Negative))
"""
MODULES = """
from torch import nn


class Convolution(nn.Conv3d):
    def __init__(self, in_channels, out_channels, kernel):
        super().__init__(in_channels, out_channels, kernel, padding="same")
"""
SCHEDULES = """
from lib.training.schedulers import Scheduler


class HalfLife(Scheduler):
    def factor(self, step):
        return 0.5 ** (step / self.parameters.steps)


def negative(sample, rng, *, probability):
    return {**sample, "image": -sample["image"]} if rng.random() < probability else sample
"""
RUN = "results/inverse_weighting/phantom_lesions/base/bce/seed-0"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    copy_with_tiny_study(tmp_path)
    for name, text in (("their_plugin", PLUGIN), ("their_modules", MODULES), ("their_schedules", SCHEDULES)):
        (tmp_path / f"{name}.py").write_text(text)
    edit(tmp_path / "workflow_config.yaml", "plugins: []", "plugins: [their_plugin]")
    study = yaml.safe_load((tmp_path / STUDY).read_text())
    demo = study["demo"]
    demo |= {"losses": ["bce"], "network": {"name": "convolution", "kernel": 5}}
    demo["sampling"] |= {"patch_size": [15, 15, 15], "augmentation": ["negative"]}
    demo["training"]["optimizer"] = {"name": "nadam", "learning_rate": 0.01}
    demo["training"]["scheduler"] = {"name": "half_life", "steps": 3}
    (tmp_path / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    return tmp_path


def test_choices_from_outside_train_and_their_code_counts(project: Path) -> None:
    done = snakemake(project, f"{RUN}/predictions.json")
    assert done.returncode == 0, done.stdout + done.stderr
    settings = json.loads((project / RUN / "provenance.json").read_text())["settings"]
    assert settings["network"]["network"] == {
        "name": "convolution",
        "kernel": 5,
        "background_channel": False,
    }
    assert settings["training"]["optimizer"]["name"] == "nadam"
    header, *rows = (line.split(",") for line in (project / RUN / "history.csv").read_text().splitlines())
    rates = [float(row[header.index("learning_rate")]) for row in rows]
    assert rates == pytest.approx([0.01 * 0.5 ** (2 / 3), 0.01 * 0.5 ** (5 / 3)])
    target = f"{RUN}/predictions.json"
    assert planned(project, target) == {}
    edit(project / "their_plugin.py", "kernel: PositiveInt = 3", "kernel: PositiveInt = 7\n    new: int = 1")
    assert planned(project, target) == {}
    edit(project / "their_schedules.py", "0.5 **", "0.25 **")
    assert planned(project, target) == {"train": 1, "predict": 1}


DATA = """
import numpy as np

from lib.datasets import DATASETS, Dataset
from lib.datasets.index import numbered
from lib.labels import Labels

CASES = {"train": 3, "validation": 1, "test": 2}
DATASETS["cells"] = Dataset(
    name="cells",
    title="Cells that overlap",
    adapter="their_cells",
    channels=("stain",),
    labels=Labels(("cell", "nucleus", "vessel"), exclusive=False),
    dimensions=2,
    known_index=numbered("cell_", **CASES),
)


def index(raw, parameters):
    return numbered("cell_", **CASES)


def prepare(case, entry, parameters):
    from lib.store import Case

    rng = np.random.default_rng(int(case.split("_")[1]))
    rows, columns = np.indices((48, 64))
    cell, vessel = rng.uniform(16, 32, 2), rng.uniform(16, 48)
    distance = np.hypot(rows - cell[0], columns - cell[1])
    label = np.stack([distance < 14, distance < 6, abs(columns - vessel) < 4]).astype(np.uint8)
    image = label.sum(0) + rng.normal(0, 0.1, label.shape[1:])
    return Case(image[None], label, (1.0, 1.0), case)
"""


def test_a_multi_label_data_set_from_outside_takes_part_in_a_study(tmp_path: Path) -> None:
    copy_with_one_study(tmp_path, "boundary")
    (tmp_path / "their_cells.py").write_text(DATA)
    edit(tmp_path / "workflow_config.yaml", "plugins: []", "plugins: [their_cells]")
    study = yaml.safe_load((tmp_path / "studies/boundary.yaml").read_text())
    demo = study["demo"]
    demo |= {"datasets": ["cells"], "seeds": [0], "network": {"name": "space_to_depth_unet_2d"}}
    demo |= {
        "losses": ["gdl_boundary_rebalance"],
        "sampling": {"patch_size": [32, 32], "batch_size": 4},
    }
    demo |= {"inference": {"patch_size": [48, 64], "stride": [48, 64]}}
    demo["training"] |= {"epochs": 4, "steps_per_epoch": 30, "scheduler": "constant", "test_epochs": 1}
    demo["training"]["optimizer"]["learning_rate"] = 0.02
    demo["training"] |= {"monitor": {"keep_best": True}}
    study["figures"] = ["examples.pdf", "distances.pdf", "boxplots.pdf"]
    del demo["variants"]
    (tmp_path / "studies/boundary.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    done = snakemake(tmp_path)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    run = tmp_path / "results/boundary/cells/base/gdl_boundary_rebalance/seed-0"
    surface = pd.read_csv(run / "surface.csv")
    assert surface["structure"].tolist() == ["cell", "nucleus", "vessel"] * 2
    assert surface["dice"].mean() > 0.5
    cases = pd.read_csv(tmp_path / "results/data/cells/cases.csv")
    assert (cases["voxels cell"] > cases["voxels nucleus"]).all() and (cases["voxels vessel"] > 0).all()
    for figure in ("boundary/examples", "boundary/distances", "boundary/boxplots", "data/cells"):
        assert (tmp_path / f"plots/{figure}.pdf").read_bytes().startswith(b"%PDF")
    agreement = pd.read_csv(tmp_path / "results/boundary/agreement.csv")
    assert not agreement[agreement["measure"] != "hd95"]["above_tolerance"].any()
    assert planned(tmp_path) == {}


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        (["no_such_plugin"], "plugins: no_such_plugin cannot be imported (ModuleNotFoundError: "),
        (["a b"], "plugins.0: 'a b' is not the name of a module, such as my_networks"),
        (
            ["faulty_plugin"],
            "plugins: faulty_plugin cannot be imported (ZeroDivisionError: division by zero)",
        ),
        (["twice_plugin"], "network 'residual_unet' is there already; choose another name"),
        (["named_plugin"], "network 'a/b': letters, digits"),
        (["json", "json"], "plugins: duplicate value 'json'"),
    ],
)
def test_plugins_that_cannot_be_used_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins: list[str], message: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    add = "from lib.networks.catalogue import NETWORKS\nNETWORKS.add({!r}, NETWORKS['enet_2d'])"
    (tmp_path / "faulty_plugin.py").write_text("1 / 0")
    (tmp_path / "twice_plugin.py").write_text(add.format("residual_unet"))
    (tmp_path / "named_plugin.py").write_text(add.format("a/b"))
    with pytest.raises(SeglossError) as error:
        load({"plugins": plugins})
    assert message in str(error.value)


def test_a_plugin_is_imported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "counted_plugin.py").write_text("import sys\nsys.counted = getattr(sys, 'counted', 0) + 1")
    load_plugins(["counted_plugin"])
    load_plugins(["counted_plugin"])
    assert sys.counted == 1


def test_a_name_is_added_once() -> None:
    registry = Registry("colour", {})
    registry.add("red", Entry("math:prod", Parameters))
    assert registry.parse("red").name == "red"
    with pytest.raises(SeglossError, match="colour 'red' is there already"):
        registry.add("red", Entry("math:prod", Parameters))
