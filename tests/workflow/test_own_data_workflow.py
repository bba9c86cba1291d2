"""A user's own data through a whole study, and what runs again when they change."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from projects import STUDY, copy_with_tiny_study, edit, planned, snakemake
from whole_workflow import save_case

from lib.config.own_data import OwnData

MINE = ("--config", "datasets=mine", "losses=bce,iwbce", "minutes=0.4")
PATTERNS = 'images: ["imagesTr/{case}.nii.gz"], label: "labelsTr/{case}.nii.gz"'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose tiny study has run by a plan on six own cases, one of which has no mask."""
    folder = copy_with_tiny_study(tmp_path_factory.mktemp("own"))
    study = yaml.safe_load((folder / STUDY).read_text())
    network = {"name": "dyn_unet", "base_features": 4, "max_features": 8}
    study["demo"]["variants"] = {
        "base": None,
        "own": {"datasets": [], "plan": {"memory": 0.005, "coverage": 0.8}, "network": network},
    }
    (folder / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    data = folder / "my data"
    for number in range(6):
        save_case(data, f"case {number}", number)
    (data / "labelsTr/case 5.nii.gz").unlink()
    description = {
        "name": "My lesions",
        "channel_names": {"0": "FLAIR"},
        "labels": {"background": 0, "lesion": 1},
    }
    (data / "dataset.json").write_text(json.dumps(description))
    (folder / "splits.json").write_text(
        json.dumps({"train": ["case 0", "case 1"], "validation": ["case 2"], "test": ["case 3", "case 4"]})
    )
    configuration = folder / "workflow_config.yaml"
    (data / "imagesTr/Thumbs.db").touch()
    own = f"own_data: {{mine: {{folder: my data, splits: splits.json, {PATTERNS}}}}}"
    configuration.write_text(configuration.read_text().replace("own_data: {} ", own))
    done = snakemake(folder, *MINE)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert LINE in done.stderr
    estimate = (
        r"budget of inverse_weighting/mine/own: about 1 minute for 2 trainings and 0 trials .*, epochs of \d+ steps"
    )
    assert re.search(estimate, done.stdout + done.stderr)
    return folder


LINE = (
    "data mine: 5 cases used, 1 left out, as case 5: no label among the raw files (all reasons:"
    " results/data/mine/excluded.csv); files or folders without a known ending, ignored: 1 (Thumbs.db)\n"
)


def test_every_call_ends_with_a_line_for_each_data_set(project: Path) -> None:
    done = snakemake(project, *MINE)
    assert "Nothing to be done" in done.stderr and LINE in done.stderr
    elsewhere = snakemake(
        project, "-s", str(project / "Snakefile"), "-d", str(project), "-n", *MINE, cwd=project.parent
    )
    assert LINE in elsewhere.stderr


def test_own_data_end_in_the_figures_and_tables_of_the_study(project: Path) -> None:
    rows = (project / "results/inverse_weighting/summary.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == ["mine"] * 4  # two losses, two cuts
    assert (project / "plots/froc_tuned.pdf").read_bytes().startswith(b"%PDF")
    cases = (project / "results/data/mine/cases.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in cases[1:]] == [f"case {number}" for number in range(5)]
    excluded = (project / "results/data/mine/excluded.csv").read_text().splitlines()
    assert excluded[1:] == ["case 5,no label among the raw files"]


def test_training_and_prediction_follow_the_plan_and_the_budget(project: Path) -> None:
    (file,) = (project / "results/data/mine/holdout").glob("plan-*.yaml")
    plan = yaml.safe_load(file.read_text())["settings"]
    budget = json.loads((project / "results/inverse_weighting/mine/own/budget.json").read_text())
    for loss in ("bce", "iwbce"):
        run = project / f"results/inverse_weighting/mine/own/{loss}/seed-0"
        trained = json.loads((run / "provenance.json").read_text())["settings"]
        assert trained["sampling"]["patch_size"] == plan["sampling"]["patch_size"]
        assert trained["resampling"]["spacing"] == plan["resampling"]["spacing"] > [1.0, 1.0, 1.5]
        assert trained["training"]["steps_per_epoch"] == budget["steps_per_epoch"] >= 10
        predicted = json.loads((run / "model.json").read_text())
        assert predicted["resampling"]["spacing"] == plan["resampling"]["spacing"]
        assert predicted["inference"]["stride"] == plan["inference"]["stride"]


def test_a_planned_network_takes_given_weights(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    shutil.copytree(project, folder)
    of_bce, of_iwbce = (f"inverse_weighting/mine/own/{loss}/seed-0" for loss in ("bce", "iwbce"))
    shutil.copy(folder / f"results/{of_bce}/weights.pt", tmp_path / "given.pt")
    target, given = f"results/{of_iwbce}/weights.pt", f"weights={{{of_iwbce}: {tmp_path / 'given.pt'}}}"
    done = snakemake(folder, target, *MINE, given)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    assert json.loads((folder / f"results/{of_iwbce}/provenance.json").read_text())["settings"] == {}


def test_what_changes_runs_again_and_nothing_else(project: Path) -> None:
    assert planned(project, *MINE) == {}
    save_case(project / "my data", "case 3", seed=77)
    for path in (project / "my data").glob("*/case 3.nii.gz"):
        os.utime(path, (1e9, 1e9))  # as `cp -p` leaves a corrected file: older than what was made of it
    assert planned(project, "plots/data/mine.pdf", *MINE) == {"prepare": 1, "data_report": 1}
    assert snakemake(project, "plots/data/mine.pdf", *MINE).returncode == 0
    assert planned(project, "plots/data/mine.pdf", *MINE) == {}
    parts = json.loads((project / "splits.json").read_text())
    (project / "splits.json").write_text(json.dumps({**parts, "train": ["case 0"], "test": [*parts["test"], "case 1"]}))
    assert planned(project, "plots/data/mine.pdf", *MINE) == {"index": 1, "data_report": 1}
    save_case(project / "my data", "case 5", seed=78)
    done = snakemake(project, "plots/data/mine.pdf", *MINE)
    assert done.returncode == 0
    assert "case 5" not in json.loads((project / "data/prepared/mine/index.json").read_text())["cases"]
    assert "case 5,in no part of the splits file" in (project / "results/data/mine/excluded.csv").read_text()


def test_a_plan_from_the_data_is_a_configuration(project: Path) -> None:
    plan = "results/data/mine/holdout/plan.yaml"
    done = snakemake(project, plan, *MINE)
    assert done.returncode == 0, done.stderr
    assert "patch_size: [28, 24, 20]" in (project / plan).read_text()
    assert planned(project, "--configfile", plan, *MINE)["index"] == 1  # of cases at the spacing of the plan
    assert planned(project, plan, *MINE, "plan_memory=1") == {"plan": 1}
    unknown = snakemake(project, plan.replace("holdout", "default"), *MINE)
    assert "data set mine has no split 'default'; its splits: holdout" in unknown.stderr + unknown.stdout


OPTIONS = {
    "plain": {},
    "patterns": {
        **{"images": ["{case}_a.nii.gz", "imagesTr/{case}_b.nii.gz"], "label": "{case}_lesions.nii.gz"},
        **{
            "region": "{case}_brain.nii.gz",
            "channels": ["FLAIR", "T1"],
            "title": "Titles may have {braces}, $(x)",
        },
    },
    "drawn": {"patients": "^[^_]{2,}", "folds": 2, "repeats": 2, "seed": 3, "validation_share": 0.2, "test_share": 0.4},
    "from_file": {"splits": "splits.json"},
    "scaled": {"window": [-100, 300], "size": [16, 16, 16], "dimensions": 3, "empty_masks": "keep"},
    "soft": {"threshold": 0.5},
}


def test_every_option_passes_through_the_dry_run_of_the_main_job(project: Path) -> None:
    assert {"folder", "labels"}.union(*OPTIONS.values()) == set(OwnData.model_fields)
    common = {"folder": "my data", "labels": {"background": 0, "lesion": 1}}
    own = {name: common | options for name, options in OPTIONS.items()}
    configuration = project / "all.yaml"
    configuration.write_text(json.dumps({"own_data": own}))
    done = snakemake(project, "--dry-run", "--configfile", "all.yaml", "--config", "losses=bce")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in OPTIONS:
        assert f"plots/data/{name}.pdf" in done.stdout + done.stderr


def test_a_part_without_lesions_ends_the_call_before_any_training(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("results", "plots", "logs"))
    for number in range(5):
        save_case(folder / "my data", f"case {number}", number, empty=number == 2)
    edit(folder / "workflow_config.yaml", "folder: my data", "folder: my data, empty_masks: keep")
    done = snakemake(folder, *MINE)
    assert done.returncode == 1
    message = "error: data set mine, split holdout, validation: the masks of all its usable cases (1) are empty"
    assert done.stderr.count(message) == 1
    assert not [*folder.glob("logs/train/**/*.log")]


def test_where_no_case_can_be_used_the_call_says_so(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("results", "plots", "logs", "data"))
    edit(
        folder / "workflow_config.yaml",
        "folder: my data",
        "folder: my data, labels: {background: 0, lesion: 7}",
    )
    done = snakemake(folder, "plots/data/mine.pdf", *MINE)
    assert done.returncode == 0
    line = "data mine: 0 cases used, 6 left out, most often (5) as case 0: the mask holds label 1; known are 0, 7"
    assert line in done.stderr
    done = snakemake(folder, *MINE)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    message = r"train: none of its cases \(\d\) can be used; case 0: the mask holds label 1; known are 0, 7"
    assert len(re.findall(message, done.stderr)) == 1
