"""What is checked of a configuration before anything is made."""

import re
from pathlib import Path

import pytest

from lib import ROOT
from lib.config.checks import CODE, check_apart, check_writable
from lib.config.schema import Folders, WorkflowConfig
from lib.errors import SeglossError


def test_output_folders_must_be_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SeglossError, match=r"folders.results: .*file.results cannot be written"):
        check_writable(Folders(results="file/results"), tmp_path)
    check_writable(Folders(), tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["abc"] * 1200), "loop", "loop/x", "gone"])
def test_output_folders_that_cannot_be_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nothing")
    with pytest.raises(SeglossError, match=r"^workflow_config\.yaml \(or --config\): folders\.data: ") as error:
        check_writable(Folders(data=name), tmp_path)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (
            {"results": "data"},
            "folders.data ({0}/data) and folders.results ({0}/data) are one folder, or one lies in",
        ),
        (
            {"plots": "results/plots"},
            "folders.results ({0}/results) and folders.plots ({0}/results/plots) are one",
        ),
        ({"logs": "link"}, "folders.data ({0}/data) and folders.logs ({0}/link) are one folder"),
        (
            {"data": ".snakemake/x"},
            "folders.data: {0}/.snakemake/x lies in, or holds, {0}/.snakemake, a folder of",
        ),
        (
            {"results": str(ROOT / "rules/x")},
            "folders.results: {1}/rules/x lies in, or holds, {1}/rules, ",
        ),
        ({"results": str(ROOT)}, "folders.results: {1} lies in, or holds, {1}/"),
        (
            {"logs": "mine/logs"},
            "own_data.mine.folder: mine holds folders.logs ({0}/mine/logs), so that what",
        ),
        ({"logs": "scans"}, "raw.lits: {0}/scans holds folders.logs ({0}/scans), so that what is made there"),
    ],
)
def test_output_folders_lie_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data", "mine", "scans"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("data")
    values = {"own_data": {"mine": {"folder": "mine"}}, "raw": {"lits": str(tmp_path / "scans")}}
    check_apart(WorkflowConfig(**values), tmp_path)
    with pytest.raises(SeglossError) as error:
        check_apart(WorkflowConfig(folders=folders, **values), tmp_path)
    assert message.format(tmp_path, ROOT) in str(error.value)


def test_the_code_is_all_that_the_project_holds_beside_its_outputs() -> None:
    outputs = re.findall(r"^/(\w+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
    assert folders - set(outputs) <= set(CODE)
