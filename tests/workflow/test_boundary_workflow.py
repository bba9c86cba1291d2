"""The study of the boundary loss through Snakemake: slices and volumes, phantoms and a user's own structures."""

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from projects import REGISTRY, copy_with_one_study, edit, planned, snakemake

from lib.arrays import open_array
from lib.datasets.index import read_index
from lib.labels import Labels
from lib.maps import signed_distance
from lib.store import StoredCase

STUDY = "studies/boundary.yaml"
LOSSES = ["gdl", "gdl_boundary_rebalance"]
FIGURES = ("over_epochs", "boxplots", "loss_weights", "distances", "ledger", "examples")
VARIANTS = ("slices", "volumes")
PHANTOMS = "phantom_slabs"
MINE = ("--config", "datasets=mine", "variants=volumes", "losses=gdl_boundary_rebalance")


def shrink_study(path: Path) -> None:
    """Two losses by slices and on volumes; volumes keep the best network of their validation case."""
    study = yaml.safe_load(path.read_text())
    demo = study["demo"]
    demo["seeds"] = [0]
    demo["training"] |= {"epochs": 2, "steps_per_epoch": 15, "scheduler": "constant", "test_epochs": 2}
    demo["training"]["optimizer"]["learning_rate"] = 0.02
    demo["sampling"] |= {"patch_size": [64, 64], "batch_size": 2}
    for variant in demo["variants"].values():
        variant["losses"] = LOSSES
        variant["network"]["channels"] = [4, 4]
    volumes = demo["variants"]["volumes"]
    volumes["sampling"] |= {"patch_size": [16, 16, 8], "batch_size": 2}
    volumes["training"] = {
        "scheduler": {"name": "halving", "form": "released"},
        "monitor": {"keep_best": True},
    }
    path.write_text(yaml.safe_dump(study, sort_keys=False))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which a tiny study has run."""
    folder = copy_with_one_study(tmp_path_factory.mktemp("boundary"), "boundary")
    sizes = '"train": 20, "validation": 4, "test": 12'
    edit(folder / REGISTRY, sizes, '"train": 2, "validation": 1, "test": 1')
    shrink_study(folder / STUDY)
    done = snakemake(folder)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return folder


def run_of(project: Path, variant: str, loss: str, dataset: str = PHANTOMS) -> Path:
    return project / f"results/boundary/{dataset}/{variant}/{loss}/seed-0"


def test_every_figure_and_table_is_there(finished: Path) -> None:
    for name in FIGURES:
        assert (finished / f"plots/boundary/{name}.pdf").read_bytes().startswith(b"%PDF")
    for name in ("summary", "runs"):
        table = pd.read_csv(finished / f"results/boundary/{name}.csv")
        assert list(zip(table["variant"], table["loss"], strict=True)) == [
            (variant, loss) for variant in VARIANTS for loss in LOSSES
        ]
    ledger = pd.read_csv(finished / "results/boundary/ledger.csv")
    assert len(ledger) == 10 and set(ledger["verdict"]) == {"not run"}  # phantoms are in no publication
    assert set(pd.read_csv(finished / "results/boundary/claims.csv")["verdict"]) == {"not run"}
    compared = pd.read_csv(finished / "results/boundary/comparisons.csv")
    assert set(compared["reference"]) == {"gdl"} and set(compared["loss"]) == {"gdl_boundary_rebalance"}
    assert set(compared["variant"]) == set(VARIANTS) and {"dice", "hd95", "dice_slices_epochs"} <= set(
        compared["column"]
    )
    assert set(compared["verdict"]) == {"not shown"}  # of one seed


def test_measures_agree_with_another_implementations_but_for_one_definition(finished: Path) -> None:
    agreement = pd.read_csv(finished / "results/boundary/agreement.csv")
    assert set(agreement["run"]) >= {f"boundary/{PHANTOMS}/{variant}/gdl/seed-0" for variant in VARIANTS}
    assert set(agreement[agreement["above_tolerance"]]["measure"]) <= {"hd95"}


def test_distances_are_made_of_whole_training_volumes_alone(finished: Path) -> None:
    index = read_index(finished / f"data/prepared/{PHANTOMS}/index.json")
    for part, cases in index.splits["holdout"].items():
        for name in cases:
            case = StoredCase(finished / f"data/prepared/{PHANTOMS}/{name}")
            maps = {path.stem for path in case.folder.glob("*.b2nd")} - {"image", "label"}
            assert maps == ({"components", "signed_distance"} if part == "train" else set())
            if part == "train":
                expected = signed_distance(case.array("label")[...], case.description["spacing"])
                np.testing.assert_array_equal(case.array("signed_distance")[...], expected)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_training_measured_of_its_outcome_is_what_the_predictions_reach(
    finished: Path, variant: str, loss: str
) -> None:
    folder = run_of(finished, variant, loss)
    history, cases = pd.read_csv(folder / "history.csv"), pd.read_csv(folder / "cases.csv")
    outcome = history.iloc[-1]
    if variant == "volumes":
        assert history["selected"].sum() == 1
        assert history["validation_dice"].notna().all()
        outcome = history.loc[history["selected"].idxmax()]
        assert outcome["validation_dice"] == history["validation_dice"].max()
    for name in ("dice", "dice_slices", "hd95"):
        assert outcome[f"test_{name}"] == pytest.approx(cases[name].mean(), abs=1e-9)
    pooled = 2 * cases["both"].sum() / (cases["present"] + cases["predicted"]).sum()
    assert outcome["test_dice_pooled"] == pytest.approx(pooled, abs=1e-9)


def test_a_network_of_each_kind_marks_something(finished: Path) -> None:
    for variant in VARIANTS:
        assert pd.read_csv(run_of(finished, variant, "gdl") / "cases.csv")["predicted"].all()


def test_a_second_call_has_nothing_to_do(finished: Path) -> None:
    done = snakemake(finished)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_training_that_failed_is_missed_though_its_figures_stand(workflow: Path) -> None:
    (run_of(workflow, "slices", "gdl") / "weights.pt").unlink()
    done = snakemake(workflow, "-n")
    assert "train boundary/phantom_slabs/slices/gdl/seed-0" in done.stdout + done.stderr


def test_another_tolerance_evaluates_again_and_trains_nothing(workflow: Path) -> None:
    study = yaml.safe_load((workflow / STUDY).read_text())
    study["demo"]["evaluation"] = {"surface": {"tolerance": 2.0}}
    (workflow / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    plan = planned(workflow)
    assert plan == {
        "evaluate": 4,
        "summarize": 1,
        "ledger": 1,
        "crosscheck": 1,
        "plot": len(FIGURES),
        "report": 1,
        "crate": 1,
    }


# A user's own structures


def save_case(folder: Path, name: str, seed: int) -> None:
    """A volume of thick slices with two bright structures."""
    rng = np.random.default_rng(seed)
    label = np.zeros((32, 28, 8), np.uint8)
    i, j = rng.integers(3, 8, 2)
    label[i : i + 10, j : j + 12, 2:6], label[20:28, j : j + 8, 1:7] = 1, 2
    image = label + rng.normal(0, 0.2, label.shape)
    for part, array in ((f"imagesTr/{name}_0000", image), (f"labelsTr/{name}", label)):
        path = folder / f"{part}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), np.diag([1, 1, 3, 1])), path)


@pytest.fixture(scope="module")
def own(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which one loss has run on volumes of a user's own with two structures."""
    folder = tmp_path_factory.mktemp("own") / "w"
    shutil.copytree(finished, folder, copy_function=shutil.copy2, symlinks=True)
    for number in range(4):
        save_case(folder / "hearts", f"case{number}", number)
    labels = {"background": 0, "ventricle": 1, "muscle": 2}
    description = {"name": "Hearts", "channel_names": {"0": "MR"}, "labels": labels, "file_ending": ".nii.gz"}
    (folder / "hearts/dataset.json").write_text(json.dumps(description))
    parts = {"train": ["case0", "case1"], "validation": ["case2"], "test": ["case3"]}
    (folder / "splits.json").write_text(json.dumps(parts))
    entry = "own_data: {mine: {folder: hearts, splits: splits.json}}"
    edit(folder / "workflow_config.yaml", "own_data: {} ", entry)
    done = snakemake(folder, *MINE)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return folder


def test_own_structures_have_a_row_each(own: Path) -> None:
    folder = run_of(own, "volumes", "gdl_boundary_rebalance", "mine")
    cases = pd.read_csv(folder / "cases.csv")
    assert cases[["case", "structure"]].to_numpy().tolist() == [
        ["case3", "ventricle"],
        ["case3", "muscle"],
    ]
    case = StoredCase(own / "data/prepared/mine/case3")
    label = case.array("label")[...]
    assert [path.name for path in (folder / "predictions").glob("*.b2nd")] == ["case3.labels.b2nd"]
    predicted = open_array(folder / "predictions/case3.labels.b2nd")[...]
    assert predicted.shape == label.shape
    for number, row in enumerate(cases.itertuples(), start=1):
        assert row.present == np.count_nonzero(label == number)
        assert row.predicted == np.count_nonzero(predicted == number)
    assert cases["predicted"].any()
    summary = pd.read_csv(own / "results/boundary/summary.csv")
    assert set(zip(summary["dataset"], summary["variant"], strict=True)) == {("mine", "volumes")}
    assert dict(zip(summary["structure"], summary["structures"], strict=True)) == {
        "all": 2,
        "ventricle": 1,
        "muscle": 1,
    }
    assert summary["dice"].tolist() == pytest.approx([cases["dice"].mean(), *cases["dice"]], abs=1e-6)


def test_own_structures_have_a_distance_each_the_background_too(own: Path) -> None:
    for name in ("case0", "case1"):
        case = StoredCase(own / f"data/prepared/mine/{name}")
        expected = signed_distance(case.array("label")[...], (1.0, 1.0, 3.0), Labels(tuple("abc")))
        np.testing.assert_array_equal(case.array("signed_distance")[...], expected)


def test_own_structures_are_in_every_figure_and_held_against_another_implementation(own: Path) -> None:
    for name in FIGURES:
        assert (own / f"plots/boundary/{name}.pdf").read_bytes().startswith(b"%PDF")
    agreement = pd.read_csv(own / "results/boundary/agreement.csv")
    assert set(agreement["run"]) == {"boundary/mine/volumes/gdl_boundary_rebalance/seed-0"}
    assert planned(own, *MINE) == {}
