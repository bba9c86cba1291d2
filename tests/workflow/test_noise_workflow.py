"""The noise stage and the study of T-Loss through Snakemake: what is made, what it is made from, what runs again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from projects import REGISTRY, copy_with_one_study, copy_with_tiny_study, edit, planned, snakemake

from lib.arrays import open_array
from lib.datasets.index import read_index
from lib.maps import connected_components
from lib.measures.overlap import pooled_dice
from lib.noise import assign
from lib.store import StoredCase

STUDY = "studies/t_loss.yaml"
NOISY = "alpha0.5-beta0.7-released"
SET = f"data/noisy/phantom_blobs/holdout/{NOISY}"
TABLE = f"results/noise/phantom_blobs/holdout/{NOISY}.csv"
RUNS = "results/t_loss/phantom_blobs"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which a tiny study has run: two losses, one of which reads a map, clean and noisy."""
    folder = copy_with_one_study(tmp_path_factory.mktemp("noise"), "t_loss")
    edit(
        folder / REGISTRY,
        '"train": 32, "validation": 0, "test": 20',
        '"train": 6, "validation": 0, "test": 2',
    )
    study = yaml.safe_load((folder / STUDY).read_text())
    study["losses"]["iwbce"] = {"name": "cross_entropy", "inverse_weights": {}}
    study["demo"] |= {"losses": ["t_loss", "iwbce"], "seeds": [0]}
    study["demo"]["factors"]["noise"] = [{"alpha": 0}, {"alpha": 0.5, "beta": 0.7, "form": "released"}]
    study["demo"]["network"]["channels"] = [4, 4]
    study["demo"]["training"] |= {
        "epochs": 3,
        "steps_per_epoch": 2,
        "scheduler": "constant",
        "test_epochs": 2,
    }
    del study["demo"]["variants"]
    (folder / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    done = snakemake(folder)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return folder


def test_every_figure_and_table_is_there(finished: Path) -> None:
    for name in ("dice_by_noise", "training_dice", "loss_parameters", "examples", "ledger"):
        assert (finished / f"plots/t_loss/{name}.pdf").read_bytes().startswith(b"%PDF")
    assert (finished / f"plots/noise/phantom_blobs/holdout/{NOISY}.pdf").read_bytes().startswith(b"%PDF")
    summary = pd.read_csv(finished / "results/t_loss/summary.csv")
    assert len(summary) == 2 * 2
    assert set(summary["masks_dice"]) == {1.0, pd.read_csv(finished / TABLE)["dice"].mean().round(6)}
    assert set(zip(summary["variant"], summary["noise"], strict=True)) == {("base", "clean"), ("base", NOISY)}
    ledger = pd.read_csv(finished / "results/t_loss/ledger.csv")
    assert set(ledger["verdict"]) == {"not run"}  # phantoms are in no publication


def test_the_noisy_set_is_the_drawn_one_and_the_table_states_its_change(finished: Path) -> None:
    index = read_index(finished / "data/prepared/phantom_blobs/index.json")
    train = index.splits["holdout"]["train"]
    draws = assign(train, {"alpha": 0.5, "beta": 0.7, "form": "released", "seed": 0}, 2)
    table = pd.read_csv(finished / TABLE).set_index("case")
    assert list(table.index) == list(train)
    assert len(draws) == 3
    for case, row in table.iterrows():
        clean = StoredCase(finished / "data/prepared/phantom_blobs" / case)
        noisy = StoredCase(finished / SET / "masks" / case)
        label, changed = clean.array("label")[...], noisy.array("label")[...]
        assert row["kind"] == noisy.description["noise"] == (draws[case].kind if case in draws else "clean")
        assert row["strength"] == pytest.approx((label != changed).sum() / label.sum(), abs=1e-5)
        assert (row["dice"] < 1) == (case in draws)
        assert noisy.description["sha256"]["label"] == row["sha256"]
        components = open_array(finished / SET / f"maps/components/{case}.b2nd")[...]
        np.testing.assert_array_equal(components, connected_components(changed))


def test_training_gets_its_masks_and_the_evaluation_takes_clean_ones(finished: Path) -> None:
    run = finished / RUNS / f"base_{NOISY}/t_loss/seed-0"
    masks, clean = (
        json.loads((folder / "provenance.json").read_text())["settings"]["masks"]
        for folder in (run, finished / RUNS / "base/t_loss/seed-0")
    )
    assert (masks["alpha"], masks["form"], clean["alpha"]) == (0.5, "released", 0)
    for row in pd.read_csv(run / "cases.csv").itertuples():
        label = StoredCase(finished / "data/prepared/phantom_blobs" / row.case).array("label")[...]
        assert row.present == label.sum()
    history = pd.read_csv(run / "history.csv")
    assert {"nu", "dice_dilate_masks", "dice_erode_clean", "test_dice_pooled"} <= set(history)
    assert history["test_dice"].notna().tolist() == [False, True, True]


def test_the_dice_measured_in_training_is_that_of_the_predictions(finished: Path) -> None:
    for run in (finished / RUNS).glob("*/*/seed-*"):
        cases, last = pd.read_csv(run / "cases.csv"), pd.read_csv(run / "history.csv").iloc[-1]
        assert last["test_dice_pooled"] == pytest.approx(pooled_dice(cases.to_dict("records")), abs=1e-9)
        assert last["test_dice"] == pytest.approx(cases["dice"].mean(), abs=1e-9)


def test_noise_changes_the_weights(finished: Path) -> None:
    weights = {
        name: (finished / RUNS / name / "t_loss/seed-0/weights.pt").read_bytes() for name in ("base", f"base_{NOISY}")
    }
    assert len(set(weights.values())) == 2


def test_a_second_call_has_nothing_to_do_and_touches_run_nothing(workflow: Path) -> None:
    for path in (workflow / "data").rglob("*"):
        path.touch()
    assert planned(workflow) == {}


def test_another_strength_makes_its_own_set_and_trains_only_on_it(workflow: Path) -> None:
    edit(workflow / STUDY, "beta: 0.7", "beta: 0.9")
    plan = planned(workflow)
    assert plan["make_noise"] == plan["plot_noise"] == 1
    assert plan["make_noisy_maps"] == 1
    assert plan["train"] == plan["predict"] == plan["evaluate"] == 2


def test_optimizers_that_are_crossed_with_noise_train_on_the_same_masks(workflow: Path) -> None:
    study = yaml.safe_load((workflow / STUDY).read_text())
    study["demo"]["factors"]["optimizer"] = ["adam", {"name": "sgd", "learning_rate": 0.1}]
    (workflow / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    plan = planned(workflow)
    assert plan["train"] == plan["predict"] == plan["evaluate"] == 2 * 2 * 2
    assert not {"prepare", "make_noise", "make_noisy_maps"} & set(plan)
    run = f"{RUNS}/base_{NOISY}_sgd/iwbce/seed-0/weights.pt"
    assert planned(workflow, run) == {"train": 1}


def test_lost_masks_are_made_again_with_what_rests_on_them(workflow: Path) -> None:
    shutil.rmtree(workflow / SET / "masks")
    plan = planned(workflow)
    assert plan["make_noise"] == 1
    assert plan["train"] == 2  # a plan cannot know that the masks will be the same


def test_noise_that_changes_nothing_is_reported(workflow: Path) -> None:
    edit(workflow / STUDY, "beta: 0.7", "beta: 0.0001")
    done = snakemake(workflow, "results/noise/phantom_blobs/holdout/alpha0.5-beta0.0001-released.csv")
    assert done.returncode == 1
    message = "none of its 6 training masks changes with alpha 0.5 and beta 0.0001; raise them"
    assert message in done.stderr + done.stdout


def test_a_deleted_figure_of_noise_is_one_job(workflow: Path) -> None:
    (workflow / f"plots/noise/phantom_blobs/holdout/{NOISY}.pdf").unlink()
    assert planned(workflow) == {"plot_noise": 1, "crate": 1}


def test_noise_code_makes_the_masks_again_and_trains_again_only_if_they_change(workflow: Path) -> None:
    run = f"t_loss/phantom_blobs/base_{NOISY}/t_loss/seed-0"
    before = (workflow / f"results/{run}/weights.pt").read_bytes()
    edit(workflow / "lib/noise.py", "LARGEST_ANGLE = 30.0", "LARGEST_ANGLE = 10 * 3.0")
    assert planned(workflow)["train"] == 2
    done = snakemake(workflow, f"results/{run}/weights.pt")
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "make_noise" in done.stdout + done.stderr
    assert "trained before, of the same data" in (workflow / f"logs/train/{run}.log").read_text()
    assert (workflow / f"results/{run}/weights.pt").read_bytes() == before


def test_any_study_takes_noise_on_request_in_3d_too(tmp_path: Path) -> None:
    folder = copy_with_tiny_study(tmp_path)
    noise = ("--config", "noise=[{alpha: 1, beta: 0.6}]", "losses=bce,iwbce")
    table = "results/noise/phantom_lesions/holdout/alpha1-beta0.6.csv"
    done = snakemake(folder, table, *noise)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert pd.read_csv(folder / table)["strength"].to_numpy() == pytest.approx(0.6, abs=0.01)
    plan = planned(folder, *noise)
    assert (plan["train"], plan["make_noisy_maps"], plan["plot"]) == (4, 1, 3 + 1)  # with dice_by_noise
