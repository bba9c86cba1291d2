"""The launcher, with an empty requirements file in place of the real one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lib import ROOT

LAUNCHER = ROOT / "envs" / "run"


@pytest.fixture
def envs(tmp_path: Path) -> Path:
    (tmp_path / "envs").mkdir()
    shutil.copy2(LAUNCHER, tmp_path / "envs" / "run")
    (tmp_path / "envs" / "requirements.txt").write_text("# nothing\n")
    return tmp_path / "envs"


def start(envs: Path, *command: str) -> subprocess.Popen:
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    return subprocess.Popen(
        [envs / "run", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finish(job: subprocess.Popen) -> tuple[int, str, str]:
    output, errors = job.communicate(timeout=120)
    return job.returncode, output, errors


PREFIX = ("python", "-c", "import sys; print(sys.prefix)")


def test_two_at_once_make_one_environment_and_a_change_makes_another(envs: Path) -> None:
    both = [finish(job) for job in [start(envs, *PREFIX), start(envs, *PREFIX)]]
    assert [code for code, *_ in both] == [0, 0]
    assert both[0][1] == both[1][1]
    assert Path(both[0][1].strip()).parent == envs
    assert sum("making" in errors for *_, errors in both) == 1

    code, _, errors = finish(start(envs, *PREFIX))
    assert (code, errors) == (0, "")  # nothing is made twice

    (envs / "requirements.txt").write_text("# something else\n")
    code, output, errors = finish(start(envs, *PREFIX))
    assert code == 0
    assert output != both[0][1]
    assert "no longer used" in errors

    half_made = Path(output.strip())
    (half_made / "complete").unlink()
    assert "making" in finish(start(envs, *PREFIX))[2]


def test_what_cannot_be_installed_or_run_is_reported(envs: Path) -> None:
    (envs / "requirements.txt").write_text("no-such-package-at-all==1.0\n")
    code, _, errors = finish(start(envs, *PREFIX))
    assert code != 0
    assert "the environment could not be made" in errors
    assert "Traceback" not in errors
    (envs / "requirements.txt").write_text("")
    code, _, errors = finish(start(envs, "no-such-command"))
    assert code == 1
    assert errors.splitlines()[-1] == "envs/run: no-such-command: No such file or directory"
    assert finish(start(envs))[0] == 2


def test_the_requirements_are_pinned_and_torch_names_no_build() -> None:
    lines = (LAUNCHER.parent / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in pin for pin in pins)
    assert "torch==2.13.0" in pins
    wanted = (LAUNCHER.parent / "requirements.in").read_text().splitlines()
    names = {pin.partition("==")[0].lower() for pin in pins}
    for line in wanted:
        if line and not line.startswith("#"):
            assert line.partition("==")[0].lower() in names
