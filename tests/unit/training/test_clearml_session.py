"""Sessions of ClearML: what its own reader finds in them, and that nothing was sent, read or left elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock
from zipfile import ZipFile

import pytest
from unplugged import run_unplugged

from lib import ROOT
from lib.config.load import load
from lib.errors import SeglossError
from lib.training.clearml_session import NO_SESSION

SCRIPT = ROOT / "scripts/export_clearml.py"
RUN = "study/slabs/base/dice/seed-0"
HISTORY = """\
epoch,step,learning_rate,loss,patch_dice,validation_dice,selected
1,12,0.01,0.75,0.5,0.25,0
2,24,0.005,0.5,0.625,,1
"""
CURVES = {
    ("learning_rate", "learning_rate"): [(12, 0.01), (24, 0.005)],
    ("loss", "train"): [(12, 0.75), (24, 0.5)],
    ("dice", "train"): [(12, 0.5), (24, 0.625)],
    ("dice", "validation"): [(12, 0.25)],
}
SETTINGS = {
    "run": RUN,
    "seed": 3,
    "loss": {"name": "dice", "parameters": {"smooth_nr": 1e-5}},
    "training": {"epochs": 2, "optimizer": {"name": "adam", "betas": [0.9, 0.999]}},
    "measured": {"measures": ["overlap"]},
}
SECRET = "a-secret-of-the-user"
USERS = {
    "CLEARML_API_HOST": "https://clearml.invalid",
    "CLEARML_API_ACCESS_KEY": SECRET,
    "CLEARML_API_SECRET_KEY": SECRET,
    "TRAINS_PROC_MASTER_ID": "1:of-another-process",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a run, its session, the user's home, and the list of connections."""
    folder = tmp_path_factory.mktemp("clearml")
    (folder / "history.csv").write_text(HISTORY)
    record = {"settings": SETTINGS, "seconds": 21.5, "peak_memory_mb": 654, "packages": {"torch": "2"}}
    (folder / "provenance.json").write_text(json.dumps(record))
    (folder / "home").mkdir()
    (folder / "home/clearml.conf").write_text(f'api {{ credentials {{ access_key: "{SECRET}" }} }}\n')
    done = export(folder, folder / "clearml.zip")
    assert done.returncode == 0, done.stderr
    return folder


def export(folder: Path, output: Path, **environment: str) -> subprocess.CompletedProcess:
    arguments = ["--run", RUN, "--history", folder / "history.csv", "--provenance", folder / "provenance.json"]
    arguments += ["--project", "basemodel", "--output", output]
    of_user = {**os.environ, **USERS, "HOME": str(folder / "home"), "TMPDIR": str(folder), **environment}
    return run_unplugged(SCRIPT, *arguments, attempts=folder / "attempts.txt", environment=of_user)


def content(archive: Path) -> dict[str, str]:
    with ZipFile(archive) as opened:
        return {name: opened.read(name).decode() for name in opened.namelist()}


def imported(archive: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The task and the events that ClearML would send to a server."""
    monkeypatch.setenv("CLEARML_CONFIG_FILE", os.devnull)
    import clearml  # reads its configuration

    server, tasks = MagicMock(), []

    def created(exported: dict[str, Any], **_: object) -> MagicMock:
        tasks.append(exported)
        return MagicMock(id="new", session=server, data=SimpleNamespace(execution=SimpleNamespace(artifacts=[])))

    monkeypatch.setattr(clearml.Task, "import_task", created)
    assert clearml.Task.import_offline_session(str(archive)) == "new"
    sent = [call.args[0].requests for call in server.send.call_args_list]
    (task,) = tasks
    return task, [event if isinstance(event, dict) else event.to_dict() for events in sent for event in events]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of ClearML's
def test_clearmls_own_reader_finds_curves_and_hyper_parameters(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, events = imported(folder / "clearml.zip", monkeypatch)
    assert (task["project_name"], task["name"]) == ("basemodel", RUN)
    found = {name: {key: one["value"] for key, one in of.items()} for name, of in task["hyperparams"].items()}
    assert found == {
        "General": {"seed": "3"},
        "loss": {"name": "dice", "parameters/smooth_nr": "1e-05"},
        "training": {"epochs": "2", "optimizer/name": "adam", "optimizer/betas": "[0.9, 0.999]"},
    }
    curves: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for event in events:
        if event["type"] == "training_stats_scalar":
            curves.setdefault((event["metric"], event["variant"]), []).append((event["iter"], event["value"]))
    single = {variant: values[0][1] for (metric, variant), values in curves.items() if metric == "Summary"}
    assert single == {"seconds": 21.5, "peak_memory_mb": 654}
    assert {name: values for name, values in curves.items() if name[0] != "Summary"} == CURVES
    assert {event["task"] for event in events} == {"new"}


def test_no_connection_is_tried_and_nothing_of_the_user_is_read_or_left(folder: Path) -> None:
    assert (folder / "attempts.txt").read_text() == ""
    assert [path.name for path in (folder / "home").rglob("*")] == ["clearml.conf"]
    assert not [path for path in folder.iterdir() if path.name.startswith("tmp")]
    files = content(folder / "clearml.zip")
    assert files.keys() == {"task.json", "metrics.jsonl", "log.jsonl"}
    for words in (SECRET, "clearml.invalid", str(ROOT), "torch"):
        assert not any(words in text for text in files.values())


def test_a_connection_would_have_been_seen(tmp_path: Path) -> None:
    script = tmp_path / "asks.py"
    script.write_text(
        "from clearml.backend_api.session.session import Session\n"
        "from clearml.utilities.check_updates import CheckPackageUpdates\n"
        "assert CheckPackageUpdates.check_new_package_available(only_once=True) is None\n"
    )
    done = run_unplugged(script, attempts=tmp_path / "attempts.txt", environment=os.environ)
    assert done.returncode == 0, done.stderr
    assert "updates.clear.ml" in (tmp_path / "attempts.txt").read_text()


def test_without_any_network_interface_it_is_the_same(folder: Path, tmp_path: Path) -> None:
    unshare = [shutil.which("unshare") or "unshare", "--map-root-user", "--net"]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no network namespace can be made here")
    command = [*unshare, sys.executable, SCRIPT, "--run", RUN, "--history", folder / "history.csv", "--provenance"]
    command += [folder / "provenance.json", "--project", "basemodel", "--output", tmp_path / "clearml.zip"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    archives = tmp_path / "clearml.zip", folder / "clearml.zip"
    both = [content(path)["metrics.jsonl"].count("training_stats_scalar") for path in archives]
    assert both == [9, 9]


def test_a_run_of_given_weights_has_a_session_without_curves(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "history.csv").write_text("epoch,step,learning_rate,loss\n0,0,,\n")
    (tmp_path / "provenance.json").write_text('{"settings": {}, "weights": {"file": "w.pt"}}')
    assert export(tmp_path, tmp_path / "clearml.zip").returncode == 0
    files = content(tmp_path / "clearml.zip")
    assert "training_stats_scalar" not in files.get("metrics.jsonl", "")
    assert json.loads(files["task.json"])["hyperparams"] == {}


def test_a_tracker_that_fails_never_fails_a_run(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "clearml.py").write_text("raise ImportError('broken here')\n")
    done = export(folder, tmp_path / "clearml.zip", PYTHONPATH=str(broken))
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if "ClearML" in line]
    assert f"ClearML: {RUN}: ImportError: broken here; {tmp_path / 'clearml.zip'} holds no session" in line
    assert content(tmp_path / "clearml.zip") == {NO_SESSION: f"ClearML: {RUN}: ImportError: broken here\n"}


def test_the_configuration_asks_for_it() -> None:
    assert load({}).workflow.trackers == []
    asked = load({"trackers": "clearml", "studies": "boundary"})
    assert asked.workflow.trackers == ["clearml"]
    usual = load({"studies": "boundary"})
    assert [run.training_settings for run in asked.runs] == [run.training_settings for run in usual.runs]
    with pytest.raises(SeglossError, match=r"trackers\.0: 'wandb' is not allowed; expected 'clearml'"):
        load({"trackers": ["wandb"]})
