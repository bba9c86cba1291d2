"""A copy of the project in which a module's study has run, for each test to change."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def workflow(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "w", copy_function=shutil.copy2, symlinks=True)
    return tmp_path / "w"
