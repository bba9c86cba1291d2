"""After a failure in a call that repeats a part of the workflow, the next call leaves what a clean run leaves."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from projects import edit, flip_bits, planned, snakemake
from whole_workflow import EVERYTHING, ROOT, SPLITS, levels_of_rules, outputs_by_rule, save_case, write_project

from lib.files import held_alone
from lib.workflow.products import record_of

UNRECORDED = {"download", "extract", "recompute", "published"}
"""Rules without a job in the project: the first two make no record, the others need the authors' files."""

TRAINED = "results/inverse_weighting/mine/base/iwbce/seed-0/weights.pt"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = write_project(tmp_path_factory.mktemp("whole") / "project")
    done = snakemake(project, *EVERYTHING)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert planned(project, *EVERYTHING) == {}
    return project


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "p", copy_function=shutil.copy2, symlinks=True)


def rules_of_the_workflow() -> set[str]:
    texts = [path.read_text() for path in (ROOT / "rules").glob("*.smk")]
    return {name for text in texts for name in re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE)}


def test_every_rule_has_a_job_here(finished: Path) -> None:
    elsewhere = {"budget"}  # of own data with a plan: test_own_data_workflow.py
    assert outputs_by_rule(finished).keys() == rules_of_the_workflow() - UNRECORDED - elsewhere


def test_the_clusters_profile_names_rules_that_are_there() -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
    assert profile["set-resources"].keys() <= rules_of_the_workflow()


def delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def a_file_of(path: Path) -> Path:
    return min(file for file in path.rglob("*.*") if file.is_file()) if path.is_dir() else path


SPOIL: tuple[Callable[[Path], object], ...] = (
    delete,
    lambda path: os.truncate(a_file_of(path), a_file_of(path).stat().st_size // 2 or 1),  # or longer, if it is empty
    lambda path: a_file_of(path).write_bytes(b"another"),
)


def test_every_rule_runs_again_where_its_product_is_lost_or_spoilt(finished: Path) -> None:
    """As Snakemake leaves it when the rule's job has failed in a call that repeated it, and all made of it stands.

    At once of rules that do not depend on each other, each in another way.
    """
    products = {rule: outputs_of_jobs[-1][-1] for rule, outputs_of_jobs in outputs_by_rule(finished).items()}
    for rules in levels_of_rules(finished):
        for number, rule in enumerate(rules):
            copy_of(finished / products[rule], finished / f"{products[rule]}.kept")
            SPOIL[number % len(SPOIL)](finished / products[rule])
        again = planned(finished, *EVERYTHING)
        assert [rule for rule in rules if rule not in again] == []
        for rule in rules:
            delete(finished / products[rule])
            (finished / f"{products[rule]}.kept").rename(finished / products[rule])
    assert planned(finished, *EVERYTHING) == {}


def copy_of(path: Path, copy: Path) -> None:
    shutil.copytree(path, copy) if path.is_dir() else shutil.copy2(path, copy)


def test_a_call_for_one_figure_looks_at_all_that_it_rests_on(project: Path) -> None:
    (project / "data/splits/mine/holdout/maps/components.json").unlink()
    expected = {"list_maps": 1, "train": 2, "predict": 2, "evaluate": 4, "summarize": 1, "plot": 1}
    of_search = {"trial": 3, "promote": 1, "search_outcome": 1}
    assert planned(project, "plots/froc.pdf") == expected | of_search
    assert planned(project, "plots/boundary/boxplots.pdf") == {}


def test_a_figure_of_searches_is_made_of_their_tables(project: Path) -> None:
    figure = "plots/inverse_weighting/search.pdf"
    assert planned(project, figure) == {"plot": 1}
    done = snakemake(project, figure)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / figure).read_bytes().startswith(b"%PDF")
    (table,) = (project / "results/inverse_weighting/mine").glob("tuned.*/trials.csv")
    table.unlink()
    assert planned(project, figure)["search_outcome"] == 1


def test_tables_that_are_made_of_other_inputs_than_are_there_run_again(project: Path) -> None:
    """As where a folder was copied without its times."""
    runs = project / "results/boundary/mine/base/gdl_boundary_rebalance/seed-0"
    edit(runs / "cases.csv", "0.", "1.")
    record = json.loads((runs / ".cases.csv.made").read_text())
    state = (runs / "cases.csv").stat()
    made = subprocess.run(["sha256sum", runs / "cases.csv"], capture_output=True, text=True).stdout.split()[0]
    record["files"]["cases.csv"] = {"size": state.st_size, "time": state.st_mtime_ns, "sha256": made}
    (runs / ".cases.csv.made").write_text(json.dumps(record))
    for path in (path for top in ("data", "results", "plots") for path in (project / top).rglob("*")):
        os.utime(path)
    again = planned(project)
    assert again == {
        "crosscheck": 1,
        "summarize": 1,
        "ledger": 1,
        "plot": 2,
        "report": 1,
        "crate": 1,
    }  # boxplots and ledger


def test_another_learning_rate_is_not_overlooked_where_a_test_case_changes_too(project: Path) -> None:
    save_case(project / "my data", "d", seed=92)
    targets = ("results/inverse_weighting/summary.csv",)
    plan = planned(project, *targets)
    assert plan["predict"] == 2 and "train" not in plan  # of the base and of what its search has found
    other_settings(project)
    assert planned(project, *targets)["train"] == 2


def test_the_crate_is_that_of_the_present_citation(project: Path) -> None:
    edit(project / "CITATION.cff", "title:", "# of another title\ntitle:")
    assert planned(project) == {"crate": 1}


def test_a_record_that_is_lost_is_no_product_that_is_right(project: Path) -> None:
    (project / "plots/.froc.pdf.made").unlink()
    assert planned(project) == {"plot": 1, "crate": 1}


def weights(project: Path) -> dict[str, bytes]:
    return {str(path.relative_to(project)): path.read_bytes() for path in project.glob("results/*/*/*/*/*/weights.pt")}


def test_lost_data_are_made_again_and_nothing_is_trained_again(project: Path) -> None:
    before = weights(project)
    shutil.rmtree(project / "data/prepared/mine/a")
    again = snakemake(project, TRAINED)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "note: rule prepare runs again: data/prepared/mine/a/" in again.stderr
    log = (project / "logs/train/inverse_weighting/mine/base/iwbce/seed-0.log").read_text()
    assert "trained before, of the same data" in log and "epoch" not in log
    assert weights(project) == before


FAILING = """
import os, signal
if {output!r} in __import__("sys").argv and not os.path.exists("failed.once"):
    open("failed.once", "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_job_that_is_killed_in_a_repeated_call_costs_nothing_but_time(project: Path, tmp_path: Path) -> None:
    """All rules and other faults: benchmarks/failures.py."""
    save_case(project / "my data", "a", seed=91)
    clean = shutil.copytree(
        project, tmp_path / "clean", ignore=shutil.ignore_patterns("data", "results", "plots", ".snakemake")
    )
    assert snakemake(clean, TRAINED).returncode == 0
    bundles = (project / "data/bundles/mine").glob("*.json")
    (changed,) = [path for path in bundles if "a" in json.loads(path.read_text())["cases"]]
    failing = FAILING.format(output=f"data/bundles/mine/components/{changed.name}")
    (project / "scripts/_root.py").write_text((project / "scripts/_root.py").read_text() + failing)
    first = snakemake(project, TRAINED)
    assert first.returncode != 0 and (project / "failed.once").exists()
    second = snakemake(project, TRAINED)
    assert second.returncode == 0, second.stdout + second.stderr
    assert (project / TRAINED).read_bytes() == (clean / TRAINED).read_bytes()
    assert planned(project, TRAINED) == {}


def test_a_prediction_whose_bytes_change_on_a_disk_is_not_evaluated_and_is_made_again(project: Path) -> None:
    run = project / "results/inverse_weighting/mine/base/iwbce/seed-0"
    expected = (run / "cases.csv").read_bytes()
    flip_bits(run / "predictions/d.logit.b2nd")
    (run / "cases.csv").unlink()
    target = str((run / "cases.csv").relative_to(project))
    first = snakemake(project, target)
    message = "predictions/d.logit.b2nd: damaged (its checksum is not that of predictions.json) and removed; run again"
    assert first.returncode == 1 and message in first.stderr
    second = snakemake(project, target)
    assert second.returncode == 0, second.stdout + second.stderr
    assert (run / "cases.csv").read_bytes() == expected


def test_two_processes_on_one_product_do_not_mix(project: Path) -> None:
    run = project / "results/inverse_weighting/mine/base/iwbce/seed-0"
    before = {path.name: path.read_bytes() for path in (run / "predictions").glob("*.b2nd")}
    shutil.rmtree(run / "predictions")
    command = snakemake(project, "-n", "-p", str((run / "predictions.json").relative_to(project)))
    (line,) = re.findall(r"python \S*scripts/predict\.py .*(?= &>)", command.stdout)
    two = [subprocess.Popen(["bash", "-c", line], cwd=project, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    logs = [process.communicate()[1] for process in two]
    assert {path.name: path.read_bytes() for path in (run / "predictions").glob("*.b2nd")} == before
    for process, words in zip(two, logs, strict=True):
        assert process.returncode == 0 or "another process is at work there" in words


def other_settings(project: Path) -> None:
    edit(project / "studies/inverse_weighting.yaml", "learning_rate: 0.004", "learning_rate: 0.005")


def test_no_job_begins_with_the_cases_that_were_there_before_a_checkpoint(project: Path) -> None:
    (project / "splits.json").write_text(json.dumps({"train": ["a", "d"], "validation": ["c"], "test": ["b", "e"]}))
    other_settings(project)
    done = snakemake(project, TRAINED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert planned(project, TRAINED) == {}


def test_a_training_that_outlives_its_call_is_not_taken_for_one_with_the_settings_of_the_next(
    project: Path,
) -> None:
    command = snakemake(project, "-n", "-p", "--forcerun", "train", "--", TRAINED)
    (orphan,) = re.findall(r"python \S*scripts/train\.py .*(?= &>)", command.stdout)
    other_settings(project)
    with held_alone(record_of(project / TRAINED).with_suffix(".lock")):
        refused = snakemake(project, TRAINED)
    assert refused.returncode == 1 and "another process is at work there" in refused.stderr
    subprocess.run(["bash", "-c", orphan], cwd=project, capture_output=True, check=True)
    assert record_of(project / TRAINED).exists()
    assert planned(project, TRAINED) == {"train": 1}


def test_what_a_job_was_made_of_is_known_without_the_memory_of_snakemake(project: Path) -> None:
    shutil.rmtree(project / ".snakemake")
    assert planned(project) == {}
    other_settings(project)
    assert planned(project, TRAINED) == {"train": 1}


def test_runs_of_another_scale_are_not_replaced(project: Path) -> None:
    path = project / "studies/inverse_weighting.yaml"
    study = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(study | {"paper": study["demo"]}, sort_keys=False))
    done = snakemake(project, "-n", "--config", "scale=paper", "device=cpu", "studies=inverse_weighting")
    assert done.returncode == 1
    assert "error: results/inverse_weighting/mine/base/iwbce/seed-0: trained at demo scale" in done.stderr


@pytest.mark.parametrize("name", ["data", "results"])
def test_a_folder_behind_a_link_is_as_good(project: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "a/deep/place"
    elsewhere.mkdir(parents=True)
    (project / name).rename(elsewhere / name)
    (project / name).symlink_to(elsewhere / name)
    assert planned(project) == {}


def test_another_order_of_cases_is_another_training(project: Path) -> None:
    (project / "splits.json").write_text(json.dumps(SPLITS | {"train": ["b", "a"]}))
    cases = "data/splits/mine/holdout/train.json"
    assert snakemake(project, cases).returncode == 0
    assert list(json.loads((project / cases).read_text())) == ["b", "a"]
    assert planned(project, TRAINED)["train"] == 1


@pytest.mark.parametrize("name", ["$(touch gone)", "a\n'b\"", "{x}"])
def test_a_hostile_name_of_a_study_runs_nothing(finished: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(
        finished,
        tmp_path / "h",
        ignore=shutil.ignore_patterns("data", "results", "plots", "logs", ".snakemake", "my data"),
    )
    shutil.copytree(finished / "my data", folder / "my data")
    (folder / "studies/t_loss.yaml").rename(folder / f"studies/{name}.yaml")
    edit(folder / "workflow_config.yaml", "- t_loss", f"- {json.dumps(name)}")
    done = snakemake(folder)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) <= 2 and "Traceback" not in done.stderr, done.stderr
    assert "error: studies/" in done.stderr
    assert not (folder / "gone").exists()


def test_every_value_in_a_shell_line_is_quoted() -> None:
    """But options that are quoted where they are put together, and what the workflow itself names."""
    quoted_before = {"params.bundles", "params.data", "params.found", "params.options", "params.results"}
    own = {"threads", "resources.gpu_percent", "CONFIG.device", "CONFIG.workflow.checkpoint_every"}
    own |= {"SCRIPTS", "STUDY", "PRODUCTS", "DEVICE", "PLUGINS", "TRACKING"}
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    blocks = re.findall(r"^    shell:\n((?: {8}.*\n)+)", text, re.MULTILINE)
    blocks += re.findall(r"^(?:SCRIPTS|STUDY|PRODUCTS|DEVICE|PLUGINS|TRACKING) = (.*\n)", text, re.MULTILINE)
    values = {value for block in blocks for value in re.findall(r"\{+([^{}]+)\}", block)}
    assert len(values) > 40
    assert {value for value in values if not value.endswith(":q")} == quoted_before | own


def test_two_studies_of_lesions_have_their_own_curves(project: Path) -> None:
    study = yaml.safe_load((project / "studies/inverse_weighting.yaml").read_text())
    study["demo"]["losses"] = ["bce"]
    del study["demo"]["searches"]
    (project / "studies/second.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    edit(project / "workflow_config.yaml", "- t_loss", "- second")
    again = planned(project, "plots/froc.pdf", "plots/second/froc.pdf")
    assert again == {"train": 1, "predict": 1, "evaluate": 2, "summarize": 1, "plot": 1}
    done = snakemake(project, "-n", "-p")
    for name in ("froc", "froc_small", "froc_tuned"):
        assert f'--study second --figure \'{{"name":"{name}"' in done.stdout
        assert f"draw plots/second/{name}.pdf" in done.stdout and f"draw plots/{name}.pdf" not in done.stdout
