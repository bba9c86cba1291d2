"""Choices that are added from outside: networks, optimizers, schedulers, augmentation, data, measures, figures."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from projects import STUDY, copy_with_one_study, copy_with_tiny_study, edit, planned, snakemake

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


MEASURE = """
from lib.fields import Positive
from lib.measures.catalogue import MEASURES, Column, MeasureEntry, MeasureParameters
from lib.plotting.catalogue import FIGURES, FigureEntry, FigureParameters


class Touched(MeasureParameters):
    worth: Positive = 1.0


class Bars(FigureParameters):
    colour: str = "black"


MEASURES.add("touched", MeasureEntry(
    "their_measures:touched",
    Touched,
    columns=(Column("touched", "touched", "higher", monitored=True),),
    of_run=(Column("touched_share", "share of the cases that are touched", "higher", largest=1),),
    aggregation="their_measures:touched_share",
))
MEASURES.add("planes", MeasureEntry(
    "their_measures:planes",
    MeasureParameters,
    of_run=(Column("plane_error", "voxels that a plane lacks", "lower"),),
    aggregation="their_sums:plane_error",
    table="planes",
))
FIGURES.add("bars", FigureEntry(
    "their_figures:bars", Bars, measures=("touched",), of_runs=("planes.csv",), tables=("runs",)
))
"""
MEASURING = """
def touched(segmentation, worth):
    return {"touched": worth * float((segmentation.prediction & segmentation.target).any())}


def touched_share(rows, cases, worth):
    return {"touched_share": sum(row["touched"] == worth for row in rows) / len(cases)}


def planes(segmentation):
    there, found = segmentation.target.sum((0, 1)), segmentation.prediction.sum((0, 1))
    return [{"plane": z, "there": int(there[z]), "found": int(found[z])} for z in range(len(there))]
"""
SUMS = """
def plane_error(rows, cases):
    return {"plane_error": sum(abs(row["there"] - row["found"]) for row in rows) / len(rows)}
"""
DRAWING = """
from matplotlib.figure import Figure


def bars(results, colour):
    figure = Figure()
    runs = results.overall(results.table("runs"))
    figure.subplots().bar(runs["loss"], runs["touched_share"], color=colour)
    assert all(len(run.details("planes")) for run in results.runs)
    return [figure]
"""


def test_a_measure_and_a_figure_from_outside_reach_every_table_and_a_page(tmp_path: Path) -> None:
    project = copy_with_tiny_study(tmp_path)
    modules = {"plugin": MEASURE, "measures": MEASURING, "sums": SUMS, "figures": DRAWING}
    for name, text in modules.items():
        (project / f"their_{name}.py").write_text(text)
    edit(project / "workflow_config.yaml", "plugins: []", "plugins: [their_plugin]")
    study = yaml.safe_load((project / STUDY).read_text())
    study |= {"measures": ["overlap", "touched", "planes"], "cuts": ["tuned"], "primary": {"column": "touched_share"}}
    study |= {"figures": [{"name": "bars", "colour": "red"}], "top_figures": [], "published": None}
    study["demo"] |= {"losses": ["bce", "fl"], "evaluation": {"touched": {"worth": 5}}}
    study["demo"]["training"]["monitor"] = {"measure": "touched"}
    (project / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    tables, figure = "results/inverse_weighting", "plots/inverse_weighting/bars.pdf"
    done = snakemake(project, figure)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    of_run = {}
    for loss in ("bce", "fl"):
        run = project / RUN.replace("bce", loss)
        cases, planes = pd.read_csv(run / "cases.csv"), pd.read_csv(run / "planes.csv")
        assert cases["touched"].tolist() == (5.0 * (cases["both"] > 0)).tolist()
        assert planes.groupby("case")["there"].sum().to_dict() == cases.set_index("case")["present"].to_dict()
        error = (planes["there"] - planes["found"]).abs().mean()
        of_run[loss] = (cases["touched"].mean(), (cases["both"] > 0).mean(), error)
        assert "validation_touched" in pd.read_csv(run / "history.csv")
    assert max(touched for touched, *_ in of_run.values()) > 0
    columns = ["touched", "touched_share", "plane_error"]
    for row in pd.read_csv(project / tables / "runs.csv").to_dict("records"):
        assert [row[name] for name in columns] == pytest.approx(of_run[row["loss"]], abs=1e-6)
    compared = pd.read_csv(project / tables / "comparisons.csv").set_index("column")
    for name, fl, bce in zip(columns, of_run["fl"], of_run["bce"], strict=True):
        assert compared.loc[name, "difference"] == pytest.approx(fl - bce, abs=2e-6)
    assert (project / figure).read_bytes().startswith(b"%PDF")
    assert planned(project, figure) == {}
    edit(project / "their_figures.py", "assert all", "assert not not all")
    assert planned(project, figure) == {"plot": 1}
    edit(project / STUDY, "worth: 5", "worth: 4")
    assert planned(project, figure) == {"evaluate": 2, "summarize": 1, "plot": 1}
    edit(project / STUDY, "worth: 4", "worth: 5")
    edit(project / "their_sums.py", "sum(abs", "sum(+abs")
    assert planned(project, figure) == {"summarize": 1, "plot": 1}
    edit(project / "their_measures.py", "== worth", ">= worth")  # the training follows it
    assert planned(project, figure)["train"] == 2


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
    study["figures"] = ["examples", "distances", "boxplots"]
    del demo["variants"]
    (tmp_path / "studies/boundary.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    done = snakemake(tmp_path)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    run = tmp_path / "results/boundary/cells/base/gdl_boundary_rebalance/seed-0"
    measured = pd.read_csv(run / "cases.csv")
    assert measured["structure"].tolist() == ["cell", "nucleus", "vessel"] * 2
    assert measured["dice"].mean() > 0.5
    cases = pd.read_csv(tmp_path / "results/data/cells/cases.csv")
    assert (cases["voxels cell"] > cases["voxels nucleus"]).all() and (cases["voxels vessel"] > 0).all()
    for figure in ("boundary/examples", "boundary/distances", "boundary/boxplots", "data/cells"):
        assert (tmp_path / f"plots/{figure}.pdf").read_bytes().startswith(b"%PDF")
    agreement = pd.read_csv(tmp_path / "results/boundary/agreement.csv")
    assert not agreement[agreement["measure"] != "hd95"]["above_tolerance"].any()
    assert "their_cells declares no preparation" in (run / "model.json").read_text()
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
