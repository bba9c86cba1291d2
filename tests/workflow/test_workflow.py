"""The whole workflow on a copy with a tiny study: what runs, what runs again, what is reported when it cannot."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from projects import RUN, STUDY, assert_fails_with, copy_with_tiny_study, edit, flip_bits, jobs, planned, snakemake
from whole_workflow import PARTS, ROOT

AFTER_TRAINING = {"list_code_changes": 1, "report": 1, "crate": 1}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which the main job has run; tests copy it before they change anything."""
    folder = copy_with_tiny_study(tmp_path_factory.mktemp("finished"))
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_main_job_makes_figures_tables_and_provenance(finished: Path) -> None:
    for name in ("plots/froc.pdf", "plots/froc_small.pdf", "plots/froc_tuned.pdf"):
        assert (finished / name).read_bytes().startswith(b"%PDF")
    for name, rows in (("summary", 3 * 2), ("runs", 3 * 2), ("claims", 8), ("ledger", 60)):  # 2 cuts
        table = (finished / f"results/inverse_weighting/{name}.csv").read_text().splitlines()
        assert len(table) == 1 + rows, name
    for name in ("weights.pt", "history.csv", "provenance.json", "cases.csv", "lesions.csv"):
        assert (finished / RUN / "iwbce/seed-0" / name).is_file()
    assert not list(finished.rglob("*.unfinished"))
    assert len(list(finished.rglob("checkpoint.pt"))) == 3


def test_predictions_hold_what_is_read(finished: Path) -> None:
    splits = json.loads((finished / "data/prepared/phantom_lesions/index.json").read_text())["splits"]["holdout"]
    expected = {f"{case}.logit.b2nd" for case in (*splits["validation"], *splits["test"])}
    expected |= {f"{case}.probability.b2nd" for case in splits["test"]}
    assert len(expected) == 5
    for loss in ("bce", "fl", "iwbce"):
        predictions = finished / RUN / loss / "seed-0/predictions"
        assert {path.name for path in predictions.glob("*.b2nd")} == expected
        assert json.loads((predictions.parent / "predictions.json").read_text()).keys() == expected


def test_a_second_call_has_nothing_to_do(finished: Path) -> None:
    done = snakemake(finished)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_touches_and_fresh_checkouts_run_nothing(workflow: Path) -> None:
    now = time.time()
    for part in PARTS:
        for path in [workflow / part, *(workflow / part).rglob("*")]:
            os.utime(path, (now, now))
    for part in ("data", "results"):
        for path in (workflow / part).rglob("*"):
            os.utime(path, (now, now))
    assert planned(workflow) == {}


def test_comments_and_docstrings_run_nothing(workflow: Path) -> None:
    for name in ("lib/losses/pixelwise.py", "scripts/train.py", "lib/training/loop.py"):
        edit(workflow / name, '"""', '"""Some other words. ')
        (workflow / name).write_text((workflow / name).read_text() + "\n# a comment\n")
    edit(workflow / "workflow_config.yaml", "scale: demo", "# a comment\nscale: demo")
    edit(workflow / STUDY, "title:", "# a comment\ntitle:")
    assert planned(workflow) == {}


def test_a_loss_parameter_runs_only_what_depends_on_it(workflow: Path) -> None:
    edit(workflow / STUDY, "gamma: 2", "gamma: 3")
    of_one = {"train": 1, "predict": 1, "evaluate": 2}
    assert planned(workflow) == {**of_one, "summarize": 1, "ledger": 1, "plot": 3, **AFTER_TRAINING}


def study_of(project: Path, **changes: object) -> None:
    """Give the study other keys, and its demo section another ``evaluation``."""
    study = yaml.safe_load((project / STUDY).read_text())
    if "evaluation" in changes:
        study["demo"]["evaluation"] = changes.pop("evaluation")
    (project / STUDY).write_text(yaml.safe_dump(study | changes, sort_keys=False))


def test_measures_are_taken_again_where_they_are_others_and_nothing_is_trained(workflow: Path) -> None:
    study = yaml.safe_load((workflow / STUDY).read_text())
    again = {"evaluate": 3, "summarize": 1, "ledger": 1, "plot": 3, "report": 1, "crate": 1}  # one table of each run
    study_of(workflow, evaluation={"froc": {"size_bins": [0, 3]}})
    assert planned(workflow) == again
    (workflow / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    study_of(workflow, measures=[*study["measures"], "volume", "calibration"])
    assert planned(workflow) == again
    study_of(workflow, measures=[*study["measures"], "reliability"])
    assert planned(workflow) == again
    study_of(workflow, measures=[*study["measures"], "surface"])
    assert planned(workflow) == again | {"crosscheck": 1}
    study_of(workflow, measures=study["measures"], figures=[*study["figures"], "examples"])  # reads other predictions
    assert planned(workflow) == again | {"predict": 3, "evaluate": 6, "plot": 4}


def test_figures_and_what_is_compared_are_made_again_alone(workflow: Path) -> None:
    study_of(workflow, reference="fl")
    assert planned(workflow) == {"summarize": 1, "ledger": 1, "plot": 3, "report": 1, "crate": 1}
    study_of(workflow, baseline=False, reference="bce")
    assert planned(workflow) == {"summarize": 1, "ledger": 1, "plot": 3, "report": 1, "crate": 1}


def test_code_runs_only_what_uses_it(workflow: Path) -> None:
    edit(workflow / "lib/losses/inverse_weighting.py", "formula: str, clip", "formula: str , clip")
    assert planned(workflow) == {}
    edit(workflow / "lib/losses/inverse_weighting.py", "(1.0, 2e5)", "(1.0, 3e5)")
    assert planned(workflow)["train"] == 1
    edit(workflow / "lib/measures/froc.py", "np.linspace(0, 5, 501)", "np.linspace(0, 4, 401)")
    assert planned(workflow)["train"] == 1
    edit(workflow / "lib/measures/lesions.py", "> 0", "> 1")
    assert planned(workflow)["evaluate"] == 2 + 4  # those of the loss that is trained again, and of the others


def test_another_catalogue_entry_runs_nothing_and_a_default_only_who_takes_it(workflow: Path) -> None:
    catalogue, parameters = (workflow / f"lib/losses/{name}.py" for name in ("catalogue", "parameters"))
    edit(
        catalogue,
        '    "cross_entropy": _pixelwise(',
        '    "other": _pixelwise("Other", Options, "", ""),\n    "cross_entropy": _pixelwise(',
    )
    edit(parameters, "gamma: NonNegative = 2.0", "gamma: NonNegative = 3.0")  # the study says 2
    assert planned(workflow) == {}
    edit(parameters, "= (1.0, 2e5)", "= (1.0, 3e5)")
    assert planned(workflow)["train"] == 1
    edit(workflow / "lib/networks/parameters.py", "(8, 16, 32)", "(8, 16, 24)")
    assert planned(workflow)["train"] == 3


def test_another_measure_or_figure_in_the_catalogues_runs_nothing(workflow: Path) -> None:
    measures, figures = (workflow / f"lib/{name}/catalogue.py" for name in ("measures", "plotting"))
    edit(
        measures,
        '        "overlap": ',
        '        "other": MeasureEntry("lib.x:other", MeasureParameters),\n        "overlap": ',
    )
    edit(measures, "tolerance: Positive = 1.0", "tolerance: Positive = 2.0")  # the study does not measure surfaces
    edit(figures, '        "froc": ', '        "other": FigureEntry("lib.x:other", Parameters),\n        "froc": ')
    assert planned(workflow) == {}
    edit(measures, '"share of lesions found"', '"lesions found, as a share"')
    assert planned(workflow) == {"summarize": 1, "ledger": 1, "plot": 3, "report": 1, "crate": 1}
    edit(measures, "lib.measures.froc:lesion_rows", "lib.measures.froc:other_rows")
    assert planned(workflow)["evaluate"] == 3
    edit(figures, "lib.plotting.froc:froc_figures", "lib.plotting.froc:other_figures")
    assert "train" not in planned(workflow)


def test_an_option_more_runs_nothing_and_another_default_who_takes_it(workflow: Path) -> None:
    training, losses = workflow / "lib/training/catalogue.py", workflow / "lib/losses/parameters.py"
    edit(
        training,
        "    eps: Positive = 1e-8\n\n\nclass AdamW",
        "    eps: Positive = 1e-8\n    amsgrad: bool = False\n\n\nclass AdamW",
    )
    edit(training, "    momentum: Momentum = 0.0\n    nesterov", "    momentum: Momentum = 0.5\n    nesterov")
    edit(losses, "class Focal(Pixelwise):\n", "class Focal(Pixelwise):\n    shift: NonNegative = 0.0\n")
    edit(
        workflow / "lib/config/schema.py",
        "    gradient_clipping:",
        "    accumulate: PositiveInt = 1\n    gradient_clipping:",
    )
    assert planned(workflow) == {"report": 1, "crate": 1}  # the page names the numbers of losses
    edit(losses, "shift: NonNegative = 0.0", "shift: NonNegative = 0.0\n    other: NonNegative = 1.0")
    edit(training, "(0.9, 0.999)", "(0.9, 0.99)")
    assert planned(workflow)["train"] == 3


USER_LOSS = """
from torch import nn

class Mine(nn.Module):
    def forward(self, logits, target, maps):
        return ((logits - target) ** 2 * (maps["voronoi"] > 0)).mean()
"""


def test_composed_losses_and_a_user_loss_get_their_maps_and_train(workflow: Path) -> None:
    (workflow / "my_losses.py").write_text(USER_LOSS)
    study = yaml.safe_load((workflow / STUDY).read_text())
    study["losses"] |= {
        "rebalanced": "gdl_boundary_rebalance",
        "cells": {"sum": ["dice_ce", {"name": "cc_dice_ce", "weight": 0.5}]},
        "noisy": {"sum": ["t_loss", {"name": "dice", "inverse_weights": {}}]},
        "mine": {"name": "my_losses.Mine", "maps": ["voronoi"]},
    }
    study["demo"]["losses"] = ["rebalanced", "cells", "noisy", "mine"]
    (workflow / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))
    targets = [f"{RUN}/{loss}/seed-0/weights.pt" for loss in study["demo"]["losses"]]
    assert planned(workflow, "--", *targets) == {"make_maps": 2, "list_maps": 2, "train": 4}
    done = snakemake(workflow, "--", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    edit(workflow / "my_losses.py", "** 2", "** 4")
    assert planned(workflow, "--", *targets) == {"train": 1}


def test_a_deleted_figure_is_one_job(workflow: Path) -> None:
    (workflow / "plots/froc.pdf").unlink()
    before = (workflow / "plots/froc_small.pdf").stat().st_mtime_ns
    done = snakemake(workflow, "plots/froc.pdf")
    assert jobs(done) == {"plot": 1}
    assert (workflow / "plots/froc.pdf").is_file()
    assert (workflow / "plots/froc_small.pdf").stat().st_mtime_ns == before


def test_a_moved_checkout_another_device_and_another_mirror_run_nothing(workflow: Path) -> None:
    moved = workflow.rename(workflow.with_name("moved"))
    assert planned(moved, "--config", "device=cuda", f"mirror={moved}", "--", "plots/froc.pdf") == {}


def test_narrowing_keeps_the_other_trainings(workflow: Path) -> None:
    assert planned(workflow, "--config", "losses=bce,fl") == {"summarize": 1, "ledger": 1, "plot": 3, **AFTER_TRAINING}


def test_another_working_directory(workflow: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    snakefile = ("--snakefile", str(workflow / "Snakefile"))
    assert planned(tmp_path / "elsewhere", *snakefile)["train"] == 3
    done = snakemake(
        workflow,
        "--directory",
        str(tmp_path / "elsewhere"),
        "--config",
        "losses=bce",
        "--",
        f"{RUN}/bce/seed-0/cases.csv",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "elsewhere" / RUN / "bce/seed-0/cases.csv").is_file()
    assert "train" not in planned(workflow)


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "scripts").glob("[a-z]*.py")))
def test_every_script_finds_lib_from_anywhere_and_explains_itself(script: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 5


def test_an_unknown_data_set_is_reported_before_anything_runs(workflow: Path) -> None:
    edit(workflow / STUDY, "- phantom_lesions", "- phantom_lesion")
    assert_fails_with(snakemake(workflow), STUDY, "unknown data set 'phantom_lesion'; did you mean 'phantom_lesions'?")


def test_a_typing_mistake_on_the_command_line_is_reported(workflow: Path) -> None:
    assert_fails_with(snakemake(workflow, "--config", "lossses=bce"), "lossses: unknown key; did you mean 'losses'?")


def test_a_run_that_is_not_configured_is_reported(workflow: Path) -> None:
    done = snakemake(workflow, f"{RUN}/bec/seed-0/cases.csv")
    assert done.returncode != 0
    assert "no run 'inverse_weighting/phantom_lesions/base/bec/seed-0'" in done.stdout + done.stderr


def test_a_mirror_that_is_not_there_is_reported_once(workflow: Path) -> None:
    assert_fails_with(
        snakemake(workflow, "published", "--config", "mirror=/no/such/folder"),
        "'/no/such/folder' is neither a folder",
    )


def test_a_folder_that_cannot_be_written_is_reported(workflow: Path) -> None:
    edit(workflow / "workflow_config.yaml", "results: results", "results: Snakefile/results")
    assert_fails_with(snakemake(workflow), "folders.results", "cannot be written")


def test_a_damaged_case_fails_its_jobs_in_one_line_and_leaves_the_rest(workflow: Path) -> None:
    array = workflow / "data/prepared/phantom_lesions/phantom_003/image.b2nd"
    flip_bits(array)
    weights = workflow / RUN / "fl/seed-0/weights.pt"
    trained = weights.read_bytes()
    weights.write_bytes(b"")  # as a plan can see, which the change in the array leaves no trace of
    failed = snakemake(workflow, f"{RUN}/fl/seed-0/cases.csv")
    assert_fails_with(failed, "note: rule train runs again", "error: ", "image.b2nd: damaged")
    _, summary = failed.stderr.split("\n1 of the runs were begun and have not ended")
    last_words = summary.splitlines()[1]
    assert last_words.startswith("  logs/predict/inverse_weighting/")
    assert last_words.endswith(" and removed; run again: the next call makes it anew")
    assert not (workflow / RUN / "fl/seed-0/predictions").exists()
    assert (workflow / RUN / "bce/seed-0/predictions").is_dir()
    done = snakemake(workflow, f"{RUN}/fl/seed-0/cases.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "note: rule prepare runs again: data/prepared/phantom_lesions/phantom_003/image.b2nd" in done.stderr
    assert weights.read_bytes() == trained


def test_published_records_come_from_a_mirror(workflow: Path, shared: Path) -> None:
    mirror = ("--config", f"mirror={shared / 'data'}")
    assert planned(workflow, *mirror) == {
        "download": 32,
        "recompute": 1,
        "ledger": 1,
        "report": 1,
        "crate": 1,
    }
    done = snakemake(workflow, *mirror)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = (workflow / "results/published/inverse_weighting.csv").read_text().splitlines()
    assert len(rows) == 1 + 64
    assert sum("records missing" in row for row in rows) == 4
    for figure in ("froc.pdf", "froc_camera_ready.pdf", "focal_alpha.pdf"):
        assert (workflow / "plots/published" / figure).stat().st_size > 10_000
    assert planned(workflow, *mirror) == {}
    record = (
        workflow / "data/raw/inverse_weighting_records/froc_data/lits/dl/experiment_0/test_metrics/prc_records.json"
    )
    record.write_text(record.read_text()[:5000])
    (workflow / "results/published/inverse_weighting.csv").unlink()
    assert_fails_with(
        snakemake(workflow, "results/published/inverse_weighting.csv"), "prc_records.json: not valid JSON"
    )
    assert not (workflow / "results/published/inverse_weighting.csv").exists()


def test_without_a_mirror_the_default_targets_need_no_network(workflow: Path) -> None:
    assert planned(workflow) == {}
    assert planned(workflow, "published") == {"download": 32, "recompute": 1}


def test_a_dry_run_imports_no_torch(workflow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported while the DAG was parsed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert planned(workflow) == {}


def test_the_rules_are_formatted_and_linted() -> None:
    tools = Path(sys.executable).parent
    formatted = subprocess.run([tools / "snakefmt", "--check", "Snakefile", "rules"], cwd=ROOT, capture_output=True)
    assert formatted.returncode == 0, formatted.stderr.decode()
    linted = subprocess.run([tools / "snakemake", "--lint"], cwd=ROOT, capture_output=True, text=True)
    complaints = {line.strip() for line in (linted.stdout + linted.stderr).splitlines() if line.startswith("    * ")}
    # Why these stay: CONTRIBUTING.md, "What the linter says".
    answered = {
        "* Mixed rules and functions in same snakefile.:",
        "* Shell command directly uses variable workflow from outside of the rule:",
        "* Shell command directly uses variable CONFIG from outside of the rule:",
    }
    assert complaints <= answered


def test_the_code_is_formatted_and_linted() -> None:
    ruff = Path(sys.executable).parent / "ruff"
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([ruff, *command, "."], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_a_set_that_a_person_has_to_fetch_states_what_to_do(tmp_path: Path) -> None:
    folder = copy_with_tiny_study(tmp_path)
    done = snakemake(folder, "plots/data/lits.pdf")
    assert done.returncode != 0
    message = (folder / "logs/download/lits/Training_Batch1.zip.log").read_text().splitlines()[-1]
    assert message in done.stdout + done.stderr
    assert re.match(r"error: lits/Training_Batch1\.zip has to be fetched by a person: \(1\) Make an account", message)
    assert message.endswith("Then put it at data/manual/lits/Training_Batch1.zip and run again")
