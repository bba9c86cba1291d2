"""What counts as a change of the code that a job uses."""

from pathlib import Path

import pytest

from lib import provenance

FILES = {
    "scripts/job.py": "from lib.cli import run\ndef main():\n    from lib.work import deep\n    deep.go()\n",
    "lib/__init__.py": "",
    "lib/cli.py": "def run(main): main()\n",
    "lib/work/__init__.py": '"""Work."""\n',
    "lib/work/deep.py": 'from lib.constants import A\ndef go():\n    """Go."""\n    return A\n',
    "lib/constants.py": "A = 1\n",
    "lib/other.py": "B = 1\n",
}


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)

    def write_and_hash(**changes: str) -> str:
        changed = {name.replace("__", "/") + ".py": text for name, text in changes.items()}
        for name, text in {**FILES, **changed}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for cached in (
            provenance._tree,
            provenance._code,
            provenance._project_imports,
            provenance.code_version,
        ):
            cached.cache_clear()
        return provenance.code_version("scripts.job")

    return write_and_hash


def test_comments_docstrings_and_layout_do_not_count(version) -> None:
    deep = 'from lib.constants import A  # one\n\n\ndef go():\n    """Go on."""\n\n    return (A)\n'
    assert version(lib__work__deep=deep) == version()


def test_code_anywhere_below_counts(version) -> None:
    before = version()
    assert version(lib__constants="A = 2\n") != before
    assert version(lib__work__deep=FILES["lib/work/deep.py"].replace("return A", "return -A")) != before
    assert version() == before


def test_code_that_the_job_does_not_import_does_not_count(version) -> None:
    assert version(lib__other="B = 2\n") == version()


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"lib\.nothing"):
        provenance.code_version("lib.nothing")


def test_a_loss_is_not_retrained_for_another_loss_module() -> None:
    region = provenance.code_version("scripts.train", "lib.losses.region")
    assert region != provenance.code_version("scripts.train", "lib.losses.pixelwise")
    assert "lib.losses.pixelwise" not in provenance._project_imports("lib.losses")
