"""The registry of sources: what it holds, and what is said about a faulty description."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import lib.datasets.sources
from lib import ROOT
from lib.datasets.sources import SourceFile, load_source, source_names
from lib.errors import SeglossError
from lib.files import sha256

REAL_FILES = ROOT.parent / "shared/data"
RECORDS = "inverse_weighting_records"


def test_every_source_is_well_described():
    assert RECORDS in source_names()
    for source in map(load_source, source_names()):
        assert not source.url or (source.url.startswith("https://") and source.url.endswith("/"))
        assert all((file.url or "https://").startswith("https://") for file in source.files)
        assert source.is_public != bool(source.steps)
        assert all(line.endswith((".", ")")) for line in source.steps)


def test_the_records_are_the_release_without_two_files():
    files = load_source(RECORDS).files
    tails = {Path(file.path).parts[1:3] for file in files}
    assert len(tails) == len(files) == 32
    assert not tails & {("luna", "iwfl"), ("met", "iwfl")}
    assert all(file.size and len(file.sha256) == 64 for file in files)


@pytest.mark.skipif(not (REAL_FILES / RECORDS).exists(), reason="the authors' record files are not on this machine")
def test_the_records_agree_with_the_real_files():
    source = load_source(RECORDS)
    real = sorted((REAL_FILES / RECORDS).rglob("*.json"))
    found = [
        SourceFile(path=str(path.relative_to(REAL_FILES / RECORDS)), size=path.stat().st_size, sha256=sha256(path))
        for path in real
    ]
    assert sorted(source.files, key=lambda file: file.path) == found


def test_an_unknown_source_or_file_is_reported():
    with pytest.raises(SeglossError, match=f"unknown source 'inverse_weighting_record'; did you mean '{RECORDS}'"):
        load_source("inverse_weighting_record")
    with pytest.raises(SeglossError, match=f"source {RECORDS}: no file 'froc_data'; .*/{RECORDS}.yaml"):
        load_source(RECORDS).file("froc_data")


RIGHT = {
    "title": "a",
    "citation": "b",
    "licence": "c",
    "access": "public",
    "url": "https://d/",
    "layout": "e",
    "files": [{"path": "f"}],
}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"licence": None}, "licence: None is not allowed"),
        ({"titel": "a"}, "titel: unknown key; did you mean 'title'?"),
        (
            {"access": "private"},
            "access: 'private' is not allowed; expected 'public', 'registration' or 'request'",
        ),
        ({"access": "request"}, "steps: are missing, though access is 'request'"),
        ({"steps": ["Ask."]}, "steps: a public source needs none"),
        ({"url": ""}, "url: is missing, and so has f no address"),
        ({"url": "ftp://d/"}, "'ftp://d/' is not an http(s) address"),
        ({"files": []}, "files: at least one is expected"),
        ({"files": [1]}, "files.0: "),
        ({"files": "f"}, "files.0: "),
        ({"files": [{"path": "f"}, {"path": "f"}]}, "duplicate value 'f'"),
        ({"files": [{"path": "/f"}]}, "files.0: path: '/f' is not a relative path without '..'"),
        ({"files": [{"path": "a/../../f"}]}, "is not a relative path without '..'"),
        ({"files": [{"path": "f", "sha265": "0"}]}, "files.0: sha265: unknown key; did you mean 'sha256'?"),
        ({"files": [{"path": "f", "sha256": "0123"}]}, "'0123' is not 8 to 64 lower-case hexadecimal digits"),
        ({"files": [{"path": "f", "md5": "0" * 31}]}, "is not 32 to 32 lower-case hexadecimal digits"),
        ({"files": [{"path": "f", "size": 0}]}, "files.0: size: 0 is not allowed"),
    ],
)
def test_a_faulty_description_is_reported(tmp_path, monkeypatch, change, message):
    with pytest.raises(SeglossError) as fault:
        _load({**RIGHT, **change}, tmp_path, monkeypatch)
    assert str(fault.value).startswith(f"{tmp_path}/faulty.yaml: ") and message in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("text", ["", "title: [", "- a"])
def test_what_is_not_a_description_is_reported(tmp_path, monkeypatch, text):
    with pytest.raises(SeglossError, match=r"faulty\.yaml: not ") as fault:
        _load(text, tmp_path, monkeypatch)
    assert "\n" not in str(fault.value)


def _load(description, folder, monkeypatch):
    monkeypatch.setattr(lib.datasets.sources, "_FOLDER", folder)
    text = description if isinstance(description, str) else json.dumps(description)
    (folder / "faulty.yaml").write_text(text)
    load_source.cache_clear()
    return load_source("faulty")


def test_the_right_description_is_read(tmp_path, monkeypatch):
    source = _load(RIGHT, tmp_path, monkeypatch)
    assert source.address(source.files[0]) == "https://d/f"


def test_the_registry_is_light():
    imports = "import sys, lib.datasets.sources as s; s.load_source(s.source_names()[0]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not {"numpy", "torch", "pandas", "urllib.request"} & set(done.stdout.split())
