"""Downloads over a real loopback server, every way they fail, and the registry of sources."""

import http.server
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

import lib.datasets.sources
import lib.download
from lib.datasets.sources import Source, SourceFile, load_source, source_names
from lib.download import download
from lib.errors import SeglossError
from lib.files import sha256

ROOT = Path(__file__).parents[1]
REAL_FILES = ROOT.parent / "shared/data"
RECORDS = "inverse_weighting_records"
PATH = "folder/some file.json"
CONTENT = bytes(range(256)) * 40
PAGE = b"\n<!DOCTYPE html><html>Please sign in</html>"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        status, announced, body = self.server.replies.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """Answers with ``replies`` in turn, and notes the ``requests``."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    urllib.request.install_opener(None)  # forget the proxies of earlier calls
    monkeypatch.setattr(lib.download, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(lib.download, "TIMEOUT", 10.0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.replies, server.requests = [], []
        server.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)
    urllib.request.install_opener(None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "original"
    path.write_bytes(CONTENT)
    return SourceFile(PATH, len(CONTENT), sha256(path))


@pytest.fixture
def output(tmp_path):
    return tmp_path / "raw/records.json"


def _source(url, file):
    return Source("archive", "An archive", "Someone, 2020", "CC0", url, (file,))


def _reply(body, status=200, announced=None):
    return status, len(body) if announced is None else announced, body


def _fault(file, url, output, mirror=None):
    """The message of a failed download, which must be one line and leave nothing behind."""
    with pytest.raises(SeglossError) as fault:
        download(file, _source(url, file), output, mirror)
    assert not list(output.parent.glob("*"))
    assert "\n" not in str(fault.value)
    return str(fault.value)


def test_the_file_arrives_whole(server, file, output):
    server.replies = [_reply(CONTENT)]
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == CONTENT
    assert server.requests == ["/folder/some%20file.json"]
    assert list(output.parent.iterdir()) == [output]


def test_a_wrong_digest_is_told_and_not_tried_again(server, file, output):
    wrong = CONTENT[::-1]
    server.replies = [_reply(wrong)]
    message = _fault(file, server.url, output)
    assert message.startswith(f"{server.url}{PATH}: SHA-256 ") and f"{file.sha256} expected" in message
    assert f"name a mirror that holds archive/{PATH}, or put the file at {output} by hand" in message
    assert len(server.requests) == 1


def test_a_shorter_file_is_told_and_not_tried_again(server, file, output):
    server.replies = [_reply(CONTENT[:-1])]
    assert "10239 bytes found, 10240 expected" in _fault(file, server.url, output)
    assert len(server.requests) == 1


def test_an_endless_file_is_not_read_to_its_end(server, file, output):
    server.replies = [_reply(CONTENT * 1000, announced=2**40)]
    assert "more than the expected 10240 bytes" in _fault(file, server.url, output)


def test_a_lost_connection_is_tried_again(server, file, output):
    cut_off = _reply(CONTENT[:300], announced=len(CONTENT))
    server.replies = [cut_off, cut_off, _reply(CONTENT)]
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == CONTENT
    server.replies = [cut_off] * 3
    assert "the connection ended 9940 bytes too early" in _fault(
        file, server.url, output.parent / "again/file"
    )
    assert len(server.requests) == 6


def test_an_overloaded_server_is_tried_again(server, file, output, caplog):
    server.replies = [_reply(b"", 503), _reply(b"", 429), _reply(CONTENT)]
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == CONTENT
    assert len(caplog.records) == 2 and "HTTP status 503 Service Unavailable; trying again" in caplog.text
    server.replies = [_reply(b"", 503)] * 3
    assert "HTTP status 503" in _fault(file, server.url, output.parent / "again/file")


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_is_final(server, file, output, status):
    server.replies = [_reply(b"", status)]
    assert f"{PATH}: HTTP status {status} " in _fault(file, server.url, output)
    assert len(server.requests) == 1


@pytest.mark.parametrize("page", [PAGE, PAGE * 1000, PAGE.ljust(len(CONTENT))])
def test_a_web_page_is_not_taken_for_the_file(server, file, output, page):
    server.replies = [_reply(page)]
    assert "a web page instead of the file" in _fault(file, server.url, output)


def test_an_unreachable_server_is_told(server, file, output):
    server.server_close()
    assert "Connection refused; name a mirror" in _fault(file, server.url, output)


def test_a_silent_server_is_given_up(server, file, output, monkeypatch):
    monkeypatch.setattr(lib.download, "TIMEOUT", 0.2)
    server.shutdown()  # connections are accepted by the kernel, and never answered
    assert "timed out" in _fault(file, server.url, output)


@pytest.mark.parametrize("address", ["http://", "http://host:port/", "http://.x/", "http://[1/"])
def test_an_address_that_is_none_is_told(server, file, output, address):
    assert f"{address}{PATH}: " in _fault(file, address, output)


def test_a_proxy_is_honoured(server, file, output, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    server.replies = [_reply(CONTENT)]
    download(file, _source("http://data.invalid/", file), output)
    assert server.requests == ["http://data.invalid/folder/some%20file.json"]


def test_a_mirror_folder_takes_the_place_of_the_address(file, output, tmp_path):
    mirror = tmp_path / "mirror"
    message = _fault(file, "http://data.invalid/", output, str(mirror))
    assert message == (
        f"{mirror}/archive/{PATH}: cannot be read: No such file or directory; "
        "put the right file there or leave the mirror out"
    )
    original = mirror / "archive" / PATH
    original.parent.mkdir(parents=True)
    original.write_bytes(CONTENT[:9])
    assert "9 bytes found, 10240 expected" in _fault(file, "http://data.invalid/", output, str(mirror))
    original.write_bytes(CONTENT)
    download(file, _source("http://data.invalid/", file), output, f"{mirror}/")
    assert output.read_bytes() == original.read_bytes() == CONTENT


def test_a_mirror_address_takes_the_place_of_the_address(server, file, output):
    server.replies = [_reply(b"", 404), _reply(CONTENT)]
    mirror = f"{server.url}copies/"
    assert "put the right file there" in _fault(file, "http://data.invalid/", output, mirror)
    download(file, _source("http://data.invalid/", file), output, mirror)
    assert server.requests == ["/copies/archive/folder/some%20file.json"] * 2
    assert output.read_bytes() == CONTENT


def test_an_output_that_cannot_be_written_is_not_a_network_fault(server, file, tmp_path):
    server.replies = [_reply(CONTENT)] * 3
    (tmp_path / "occupied").touch()
    with pytest.raises(SeglossError, match="cannot be written"):
        download(file, _source(server.url, file), tmp_path / "occupied/file")
    assert len(server.requests) == 0


def test_every_source_is_well_described():
    assert RECORDS in source_names()
    for source in map(load_source, source_names()):
        assert source.title and source.citation and source.licence
        assert source.url.startswith("https://") and source.url.endswith("/")
        paths = [file.path for file in source.files]
        assert len(set(paths)) == len(paths) > 0
        assert not any(Path(path).is_absolute() or ".." in Path(path).parts for path in paths)
        assert all(isinstance(file.size, int) and file.size > 0 for file in source.files)
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in source.files)


def test_the_records_are_the_release_without_two_files():
    tails = {Path(file.path).parts[1:3] for file in load_source(RECORDS).files}
    assert len(tails) == len(load_source(RECORDS).files) == 32
    assert not tails & {("luna", "iwfl"), ("met", "iwfl")}


@pytest.mark.skipif(
    not (REAL_FILES / RECORDS).exists(), reason="the authors' record files are not on this machine"
)
def test_the_records_agree_with_the_real_files():
    source = load_source(RECORDS)
    real = sorted((REAL_FILES / RECORDS).rglob("*.json"))
    found = [
        SourceFile(str(path.relative_to(REAL_FILES / RECORDS)), path.stat().st_size, sha256(path))
        for path in real
    ]
    assert sorted(source.files, key=lambda file: file.path) == found


def test_an_unknown_source_or_file_is_told():
    with pytest.raises(
        SeglossError, match=f"unknown source 'inverse_weighting_record'; did you mean '{RECORDS}'"
    ):
        load_source("inverse_weighting_record")
    with pytest.raises(SeglossError, match=f"source {RECORDS}: no file 'froc_data'; .*/{RECORDS}.yaml"):
        load_source(RECORDS).file("froc_data")


@pytest.mark.parametrize(
    "text", ["", "title: [", "title: x", "{title: a, citation: b, licence: c, url: d, files: [1]}"]
)
def test_a_faulty_description_is_told(tmp_path, monkeypatch, text):
    monkeypatch.setattr(lib.datasets.sources, "_FOLDER", tmp_path)
    (tmp_path / "faulty.yaml").write_text(text)
    with pytest.raises(SeglossError, match=r"faulty\.yaml: not a description of a source"):
        load_source("faulty")


def test_the_registry_is_light():
    imports = "import sys, lib.datasets.sources as s; s.load_source(s.source_names()[0]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", imports], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert not {"numpy", "torch", "pandas", "urllib.request"} & set(done.stdout.split())


def test_the_script_downloads(tmp_path):
    file = load_source(RECORDS).files[0]
    arguments = [
        "--source",
        RECORDS,
        "--path",
        file.path,
        "--output",
        tmp_path / "out.json",
        "--mirror",
        tmp_path,
    ]
    command = [sys.executable, ROOT / "scripts/download.py", *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/{RECORDS}/{file.path}: cannot be read: No such file or directory; "
        "put the right file there or leave the mirror out"
    ]
