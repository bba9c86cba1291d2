"""Pages of docs/ that are made from the code in part."""

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest

from lib import ROOT
from lib.errors import SeglossError
from lib.losses.catalogue import LOSSES
from lib.measures.catalogue import MEASURES
from lib.networks.catalogue import NETWORKS
from lib.pages import losses, measures, training
from lib.pages.__main__ import PAGES
from lib.pages.markdown import filled
from lib.plotting.catalogue import FIGURES
from lib.training.catalogue import AUGMENTATIONS, OPTIMIZERS, SCHEDULERS


@pytest.mark.parametrize("made", PAGES, ids=lambda made: made.PAGE.stem)
def test_pages_are_up_to_date(made: ModuleType) -> None:
    written = made.PAGE.read_text(encoding="utf-8")
    assert written == filled(made.PAGE, made.parts()), "stale: envs/run python -m lib.pages"


def test_every_entry_has_its_section() -> None:
    for made, registries in (
        (losses, [LOSSES]),
        (training, [NETWORKS, OPTIMIZERS, SCHEDULERS, AUGMENTATIONS]),
        (measures, [MEASURES, FIGURES]),
    ):
        for name in chain(*registries):
            assert re.search(f"^### {name}( |$)", made.PAGE.read_text(encoding="utf-8"), re.MULTILINE), name


def test_pages_are_made_without_importing_torch_or_numpy() -> None:
    code = "import sys; from lib.pages.__main__ import PAGES; [made.parts() for made in PAGES];"
    code += "sys.exit(bool({'torch', 'numpy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_part_without_a_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n<!-- made: a -->\nold\n<!-- end -->\nkept\n")
    assert filled(page, {"a": "new\n"}) == "# Title\n\n<!-- made: a -->\nnew\n<!-- end -->\nkept\n"
    with pytest.raises(SeglossError, match="no lines <!-- made: b -->"):
        filled(page, {"b": ""})
