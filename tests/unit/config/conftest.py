"""A project with one study."""

import shutil
from pathlib import Path

import pytest

from lib import ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/inverse_weighting.yaml").write_text((ROOT / "studies/inverse_weighting.yaml").read_text())
    shutil.copytree(ROOT / "published", tmp_path / "published")
    return tmp_path
