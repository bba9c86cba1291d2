"""The finished workflow in one file: it conforms to its profile, holds everything, and no trace of the machine."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from projects import snakemake
from rocrate.rocrate import ROCrate
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.services import validate
from rocrate_validator.utils.http import HttpRequester

from lib import ROOT
from lib.config.load import load
from lib.errors import SeglossError
from lib.workflow.crate import PARTS, write_crate

VALUES = {"studies": "inverse_weighting,t_loss", "losses": "bce,t_loss", "seeds": "0"}
RUN = "results/inverse_weighting/phantom_lesions/base/bce/seed-0"
OUTCOME = ["plots/froc.pdf", "plots/t_loss/examples.pdf", "results/inverse_weighting/summary.csv"]
TRAINED = 1_700_000_000.0  # the end of every training, in seconds of the epoch

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
SCHEMA_ORG = """
    ComputerLanguage CreateAction CreativeWork Dataset Organization ScholarlyArticle SoftwareApplication
    SoftwareSourceCode about actionStatus additionalType agent author citation contentSize datePublished description
    encodingFormat endTime exampleOfWork hasPart identifier instrument license mainEntity mentions name object
    programmingLanguage result softwareVersion startTime url valueRequired version workExample
"""
TERMS = {name: f"http://schema.org/{name}" for name in SCHEMA_ORG.split()} | {
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
"""The terms of RO-Crate 1.1's context that a crate uses; the validator would fetch all of them from the network."""


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], list[Any]]:
    """Validates a crate without the network and returns what there is to find fault with."""

    def get(_: HttpRequester, address: str, **__: Any) -> requests.Response:
        assert address == CONTEXT
        response = requests.Response()
        response.status_code, response._content = 200, json.dumps({"@context": TERMS}).encode()
        response.headers["Content-Type"] = "application/ld+json"
        return response

    def faults(crate: Path, severity: str) -> list[Any]:
        settings = ValidationSettings(
            rocrate_uri=crate,
            profile_identifier="workflow-run-crate-0.5",
            requirement_severity=Severity[severity],
            offline=True,
            cache_path=tmp_path / "cache",
        )
        return list(validate(settings).get_issues())

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)
    return faults


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory in which the runs of ``VALUES`` have left what a crate takes; the current directory."""
    folder = tmp_path / "finished"
    for run in load(VALUES).runs:
        write(folder / f"results/{run.id}/provenance.json", json.dumps({"settings": {}, "seconds": 100.5}))
        write(folder / f"results/{run.id}/predictions.json", "{}")
    for name in OUTCOME:
        write(folder / name, f"an invented {name}")
    os.utime(folder / OUTCOME[0], (TRAINED + 60, TRAINED + 60))
    monkeypatch.chdir(folder)
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (TRAINED, TRAINED))


def crate_of(values: dict[str, Any], outcome: list[str], root: Path = ROOT) -> Path:
    write_crate(Path("results/crate.zip"), load(values, root), [Path(name) for name in outcome], root)
    return Path("results/crate.zip").absolute()


def content(crate: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(crate) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def test_it_conforms_to_workflow_run_crate(finished: Path, offline: Callable) -> None:
    assert offline(crate_of(VALUES, OUTCOME), "REQUIRED") == []


def test_it_follows_the_recommendations_but_for_what_is_not_known(finished: Path, offline: Callable) -> None:
    found = {fault.message for fault in offline(crate_of(VALUES, OUTCOME), "RECOMMENDED")}
    assert found == {
        "The Application SHOULD have a url",  # nor has CITATION.cff
        "The organization SHOULD have a URL.",
        "The SoftwareApplication id SHOULD be an absolute URI",  # the Snakefile lies in the crate
        "The Action SHOULD have an agent that is a Person or Organization",  # nobody asks who calls Snakemake
        "The `publisher` property of a `Root Data Entity` SHOULD be an `Organization`",
    }


def test_the_validator_would_find_faults(finished: Path, offline: Callable, tmp_path: Path) -> None:
    with zipfile.ZipFile(crate_of(VALUES, OUTCOME)) as archive:
        archive.extractall(tmp_path / "crate")
    (tmp_path / "crate" / OUTCOME[0]).unlink()
    metadata = tmp_path / "crate/ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"instrument"', '"agent"').replace('"url"', '"address"'))
    found = " ".join(fault.message for fault in offline(tmp_path / "crate", "REQUIRED"))
    for fault in (OUTCOME[0], "The Action MUST have an instrument", '"address"'):
        assert fault in found


def test_it_holds_workflow_configuration_and_every_result(finished: Path) -> None:
    crate = crate_of(VALUES, OUTCOME)
    held = content(crate)
    of_runs = {
        f"results/{run.id}/{name}" for run in load(VALUES).runs for name in ("provenance.json", "predictions.json")
    }
    assert len(of_runs) == 2 * 5  # T-Loss at four levels of noise
    for name in {*OUTCOME, *of_runs}:
        assert held[name] == (finished / name).read_bytes()
    for name in ("Snakefile", "rules/train.smk", "lib/workflow/crate.py", "scripts/train.py", "LICENSE", "envs/run"):
        assert held[name] == (ROOT / name).read_bytes()
    results = [name for name in held if name.startswith(("results/", "plots/"))]
    assert set(results) == {*OUTCOME, *of_runs}
    opened = ROCrate(crate)
    action = opened.get("#run")
    assert action["instrument"] is opened.mainEntity
    assert action["object"].id == "workflow_config.yaml"
    assert {part.id for folder in action["result"] for part in folder["hasPart"]} == set(results)
    assert {part.id.rstrip("/") for part in opened.root_dataset["hasPart"]} >= {"Snakefile", *PARTS}
    assert not any("__pycache__" in name or "/." in name for name in held)
    with zipfile.ZipFile(crate) as archive:
        assert archive.getinfo("envs/run").external_attr >> 16 == 0o755


def test_it_states_times_versions_publications_and_scale(finished: Path) -> None:
    opened = ROCrate(crate_of(VALUES, OUTCOME))
    action, root = opened.get("#run"), opened.root_dataset
    assert action["startTime"] == "2023-11-14T22:11:39+00:00"  # 100.5 seconds before the end of the training
    assert action["endTime"] == root["datePublished"] == "2023-11-14T22:14:20+00:00"
    assert opened.mainEntity["version"] == yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    pinned = (ROOT / "envs/requirements.txt").read_text().splitlines()
    assert f"snakemake=={opened.mainEntity['programmingLanguage']['version']}" in pinned
    assert [work.id for work in root["citation"]] == [
        "https://arxiv.org/abs/2007.10033",
        "https://arxiv.org/abs/2306.00753",
    ]
    for words in (
        "Inverse weighting of lesions",
        "no evidence about patients",
        "Weights, predictions and data",
    ):
        assert words in root["description"]


def test_its_configuration_asks_for_the_same_runs(finished: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(crate_of(VALUES, OUTCOME)) as archive:
        archive.extractall(tmp_path / "crate")
    values = yaml.safe_load((tmp_path / "crate/workflow_config.yaml").read_text())
    assert [run.id for run in load(values, tmp_path / "crate").runs] == [run.id for run in load(VALUES).runs]


def test_it_names_no_place_of_the_machine_and_is_the_same_elsewhere(finished: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(finished, elsewhere / "in", copy_function=shutil.copy2)
    (elsewhere / "in/plots").rename(elsewhere / "in/results/figures")
    values = VALUES | {"raw": {"luna16": str(tmp_path)}}
    moved = values | {
        "folders": {"results": str(elsewhere / "in/results"), "plots": str(elsewhere / "in/results/figures")},
        "device": "cpu",
        "mirror": str(tmp_path),
    }
    here = crate_of(values, OUTCOME).read_bytes()
    names = [str(elsewhere / "in" / name.replace("plots/", "results/figures/")) for name in OUTCOME]
    there = crate_of(moved, names)
    assert there.read_bytes() == here
    for name, held in content(there).items():
        assert not Path(name).is_absolute()
        for place in (tmp_path, ROOT, Path.home()):
            assert f"{place}/".encode() not in held, name
    assert yaml.safe_load(content(there)["workflow_config.yaml"])["raw"] == {"luna16": tmp_path.name}


def test_a_users_own_loss_comes_along_and_a_publication_may_be_any_text(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    for part in (*PARTS, "Snakefile"):
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / part, root / part)
    study = yaml.safe_load((root / "studies/inverse_weighting.yaml").read_text())
    study |= {"publication": "in preparation: ä, b & c"}
    study["losses"]["bce"] = {"name": "my_losses.Mine"}
    (root / "studies/inverse_weighting.yaml").write_text(yaml.safe_dump(study))
    (root / "my_losses.py").write_text("class Mine: ...\n")
    monkeypatch.syspath_prepend(root)
    crate = crate_of(VALUES, OUTCOME, root)
    assert content(crate)["my_losses.py"] == b"class Mine: ...\n"
    assert "in preparation: ä, b & c" in [work["name"] for work in ROCrate(crate).root_dataset["citation"]]


@pytest.mark.parametrize("missing", [OUTCOME[0], f"{RUN}/provenance.json"])
def test_a_missing_result_is_reported_in_one_line(finished: Path, missing: str) -> None:
    (finished / missing).unlink()
    command = [sys.executable, ROOT / "scripts/write_crate.py", "--configuration", json.dumps(VALUES)]
    done = subprocess.run(
        [*command, "--outcome", *OUTCOME, "--crate", "results/crate.zip"], capture_output=True, text=True
    )
    assert done.returncode == 1
    message = f"error: {missing}: missing, and a crate holds every result; run the workflow to its end\n"
    assert done.stderr == message
    assert not list(finished.rglob("*crate*"))


def test_other_faults_are_reported(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(SeglossError, match=r"elsewhere\.pdf: lies neither in results nor in plots"):
        crate_of(VALUES, [*OUTCOME, "elsewhere.pdf"])
    with pytest.raises(SeglossError, match="Snakefile: missing, and a crate holds the whole workflow"):
        write_crate(Path("crate.zip"), load(VALUES), [], tmp_path)
    (finished / RUN / "provenance.json").write_text("{")
    with pytest.raises(SeglossError, match=r"provenance\.json: not valid JSON .*; delete it and run again"):
        crate_of(VALUES, OUTCOME)


@pytest.mark.parametrize(
    "content", ["[]", "1", "null", "{}", '{"seconds": "1"}', '{"seconds": NaN}', '{"seconds": 1e99}']
)
def test_a_provenance_without_time_is_named(finished: Path, content: str) -> None:
    (finished / RUN / "provenance.json").write_text(content)
    with pytest.raises(SeglossError, match=r"provenance\.json: does not state the seconds .*; delete it and run"):
        crate_of(VALUES, OUTCOME)


def test_the_rule_takes_every_figure_and_table_that_a_job_makes(tmp_path: Path) -> None:
    config = ("--config", "seeds=0", "noise=[{alpha: 0.5, beta: 0.5}]", f"mirror={tmp_path}")
    done = snakemake(ROOT, "--directory", str(tmp_path), "--dry-run", "--printshellcmds", *config)
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [line for line in done.stdout.splitlines() if "/scripts/" in line]
    (crate,) = (command for command in commands if "write_crate.py" in command)
    commands.remove(crate)
    named = {file for command in commands for file in figures_and_tables(command) if "/seed-0/" not in file}
    assert len(named) > 40
    assert figures_and_tables(crate) == named


def figures_and_tables(command: str) -> set[str]:
    words = shlex.split(command)
    return {
        word for word in words if word.startswith(("plots/", "results/")) and word.endswith((".csv", ".pdf", ".html"))
    }
