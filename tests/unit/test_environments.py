"""The conda environment and the two container recipes name the versions of requirements.txt, which are complete."""

import re
import shutil
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from envs.pins import PYTHON, conda_environment, pins
from lib import ROOT

ENVS = ROOT / "envs"


def conda(envs: Path) -> tuple[str, list[str]]:
    """Python version and packages of segloss.yaml."""
    python, pip, packages = yaml.safe_load((envs / "segloss.yaml").read_text())["dependencies"]
    assert pip == "pip"
    return python.removeprefix("python="), packages["pip"]


def container(recipe: Path, image: str, copied: str, context: Path) -> tuple[str, list[str]]:
    """Python version and packages of a recipe; ``image`` and ``copied`` find its lines that state them."""
    text = recipe.read_text()
    (python,) = re.findall(rf"^{image} python:(\S+)-slim-bookworm$", text, re.MULTILINE)
    ((source, inside),) = re.findall(rf"^{copied}(\S+) (\S+)$", text, re.MULTILINE)
    (installed,) = re.findall("pip install (.+)", text)
    assert installed == f"--no-cache-dir --requirement {inside}"
    return python, pins((context / source).read_text())


def check(envs: Path) -> None:
    versions = {
        "conda": conda(envs),
        "docker": container(envs / "Dockerfile", "FROM", "COPY ", envs),
        "apptainer": container(envs / "segloss.def", "From:", "%files\n    ", envs.parent),
    }
    expected = PYTHON, pins((envs / "requirements.txt").read_text())
    assert versions == dict.fromkeys(versions, expected)


def test_all_name_the_same_versions() -> None:
    assert "torch" in {Requirement(pin).name for pin in pins((ENVS / "requirements.txt").read_text())}
    check(ENVS)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("requirements.txt", "torch==", "torch==1"),
        ("segloss.yaml", "numpy==", "numpy==1"),
        ("segloss.yaml", f"python={PYTHON}", "python=3.10"),
        ("Dockerfile", f"python:{PYTHON}", "python:3.10"),
        ("Dockerfile", "COPY requirements.txt", "COPY requirements.in"),
        ("Dockerfile", "pip install --no-cache-dir", "pip install torch"),
        ("segloss.def", f"python:{PYTHON}", "python:3.10"),
        ("segloss.def", "envs/requirements.txt", "envs/requirements.in"),
        ("segloss.def", "pip install --no-cache-dir", "pip install torch"),
    ],
)
def test_another_version_in_one_of_them_is_seen(tmp_path: Path, file: str, old: str, new: str) -> None:
    envs = shutil.copytree(ENVS, tmp_path / "envs", ignore=shutil.ignore_patterns(".venv*", "*.sif"))
    check(envs)
    text = (envs / file).read_text()
    assert old in text
    (envs / file).write_text(text.replace(old, new))
    with pytest.raises(AssertionError):
        check(envs)


def test_the_conda_environment_is_made_from_the_pins() -> None:
    made = conda_environment((ENVS / "requirements.txt").read_text())
    assert (ENVS / "segloss.yaml").read_text() == made, "run: envs/run python -m envs.pins"


def test_whatever_a_package_needs_is_pinned() -> None:
    pinned = [Requirement(pin) for pin in pins((ENVS / "requirements.txt").read_text())]
    names = {canonicalize_name(pin.name) for pin in pinned}
    missing = {
        f"{pin.name} needs {needed}"
        for pin in pinned
        for needed in map(Requirement, requires(pin.name) or [])
        if (needed.marker is None or needed.marker.evaluate({"extra": ""}))
        and "platform_system" not in str(needed.marker)  # CUDA libraries, which torch chooses
        and canonicalize_name(needed.name) not in names
    }
    assert not missing
