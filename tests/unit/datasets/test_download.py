"""Downloads over a real loopback server, and every way they fail."""

import gzip
import hashlib
import http.server
import io
import json
import logging
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import zipfile
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from projects import snakemake

import lib.datasets.connections
import lib.datasets.download
import lib.datasets.sources
from lib import ROOT
from lib.datasets.download import download
from lib.datasets.sources import Source, SourceFile, load_source
from lib.errors import SeglossError

REAL_FILES = ROOT.parent / "shared/data"
RECORDS = "inverse_weighting_records"
PATH = "folder/some file.json"
CONTENT = bytes(range(256)) * 40
SHA = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
OTHER = CONTENT[::-1]
PAGE = b"\n<!DOCTYPE html><html>Please sign in</html>"
ATTEMPTS = 4
POSITIONS = sorted({*range(0, len(CONTENT), 457), 1, len(CONTENT) - 1})


@dataclass
class Reply:
    """``length``: the announced one, "right", "none" or "chunked" (``body`` then has the chunks' lines).

    ``slow``: "body" or "headers", of which one byte comes after the other.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | str = "right"
    then: str = "close"
    slow: str = ""
    reason: str | None = None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.requests.append(self.path)
        server.asked.append(self.headers)
        reply = server.replies.pop(0)
        reply = reply(self.headers) if callable(reply) else reply
        server.served.append(len(reply.body))
        if reply.slow == "headers":
            return self.trickle(b"HTTP/1.1 200 OK\r\nSlow: " + bytes(10**4))
        self.send_response(reply.status, reply.reason)
        if reply.length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif reply.length != "none":
            self.send_header("Content-Length", len(reply.body) if reply.length == "right" else reply.length)
        for name, value in {**reply.headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if reply.slow:
                self.trickle(reply.body)
            else:
                self.wfile.write(reply.body)
                self.wfile.flush()
        except OSError:  # the client has seen enough
            return
        if reply.then == "stall":
            server.released.wait(5)
        if reply.then == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def trickle(self, content):
        for byte in content:
            self.wfile.write(bytes([byte]))
            if self.server.released.wait(0.01):
                return

    def finish(self):
        with suppress(OSError, ValueError):  # reset above
            super().finish()

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """Answers with ``replies`` in turn, and notes the ``requests`` and the headers ``asked`` with."""
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(lib.datasets.download, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(lib.datasets.download, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(lib.datasets.download, "ATTEMPTS", ATTEMPTS)
    monkeypatch.setattr(lib.datasets.connections, "LEAST", 1)
    monkeypatch.setattr(lib.datasets.connections, "TIMEOUT", 10.0)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.replies, server.requests, server.asked, server.served = [], [], [], []
        server.released = threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join(10)


FILE = SourceFile(path=PATH, size=len(CONTENT), sha256=SHA)
BARE = SourceFile(path=PATH)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "raw/records.json"


def _source(url, file, **changed):
    described = {"title": "An archive", "citation": "Someone, 2020", "licence": "CC0", "access": "public"}
    return Source(**{"name": "archive", "url": url, "layout": "flat", "files": (file,), **described, **changed})


def _stored(content=CONTENT, etag='"1"', stop=None, then="close", slow="") -> Callable[..., Reply]:
    """A server that knows ranges; it sends no more than ``stop`` bytes of what it announces."""

    def reply(asked):
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.get("Range", ""))
        if not wanted or asked.get("If-Range") != etag:
            return Reply(content[:stop], 200, {"ETag": etag}, len(content), then, slow)
        start = int(wanted[1])
        headers = {"ETag": etag, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return Reply(content[start:][:stop], 206, headers, len(content) - start, then, slow)

    return reply


def _fault(file, url, output, *places, left=(), **options):
    """The message of a failed download, which must be one line and leave nothing behind but ``left``."""
    source = options.pop("source", None) or _source(url, file)
    with pytest.raises(SeglossError) as fault:
        download(file, source, output, *places, **options)
    assert {path.name for path in output.parent.glob("*")} == set(left)
    assert "\n" not in str(fault.value)
    return str(fault.value)


KEPT = (".records.json.partial", ".records.json.partial.json")


def _ranges(server):
    return [headers.get("Range") for headers in server.asked]


# What comes whole


def test_the_file_arrives_whole(server, output):
    server.replies = [Reply(CONTENT)]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT
    assert server.requests == ["/folder/some%20file.json"]
    assert list(output.parent.iterdir()) == [output]


def test_a_file_may_have_an_address_of_its_own(server, output):
    file = FILE.model_copy(update={"url": f"{server.url}elsewhere?id=1"})
    server.replies = [Reply(CONTENT)]
    download(file, _source("", file), output)
    assert server.requests == ["/elsewhere?id=1"]


@pytest.mark.parametrize("length", ["right", "none"])
@pytest.mark.parametrize("known", [{"sha256": SHA}, {"sha256": SHA[:8]}, {"md5": MD5}, {"size": len(CONTENT)}])
def test_whatever_is_known_suffices(server, output, known, length):
    file = SourceFile(path=PATH, **known)
    server.replies = [Reply(CONTENT, length=length)]
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == CONTENT


# Wrong content


@pytest.mark.parametrize(
    "known",
    [{"sha256": SHA}, {"sha256": SHA[:8]}, {"md5": MD5}, {"size": len(CONTENT), "sha256": SHA}],
)
def test_a_wrong_checksum_is_reported_after_a_second_try(server, output, known):
    file = SourceFile(path=PATH, **known)
    server.replies = [Reply(OTHER), Reply(OTHER)]
    message = _fault(file, server.url, output)
    digest = MD5 if "md5" in known else known["sha256"]
    assert message.startswith(f"{server.url}{PATH}: ") and f"found, {digest} expected" in message
    assert f"name a mirror that holds archive/{PATH}, or put the file at {output} by hand" in message
    server.replies = [Reply(OTHER), Reply(CONTENT)]
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == CONTENT
    assert len(server.requests) == 4 and not server.replies


def test_another_announced_size_is_reported_at_once(server, output):
    server.replies = [Reply(CONTENT[:-1]), Reply(CONTENT * 1000, length=2**40)]
    assert "10239 bytes announced, 10240 expected" in _fault(FILE, server.url, output)
    assert f"{2**40} bytes announced, 10240 expected" in _fault(FILE, server.url, output)
    assert len(server.requests) == 2


def test_an_endless_file_is_not_read_to_its_end(server, output):
    server.replies = [Reply(CONTENT * 1000, length="none")]
    assert "more than the expected 10240 bytes" in _fault(FILE, server.url, output)


@pytest.mark.parametrize("length", ["right", "none"])
@pytest.mark.parametrize("page", [PAGE, PAGE * 1000, PAGE.ljust(len(CONTENT))])
@pytest.mark.parametrize("file", [FILE, BARE, SourceFile(path="a.zip"), SourceFile(path="a.csv", md5=MD5)])
def test_a_web_page_is_not_taken_for_the_file(server, output, file, page, length):
    server.replies = [Reply(page, length=length)] * ATTEMPTS
    assert "a web page instead of the file: the address needs a login or has moved" in (
        _fault(file, server.url, output)
    )


@pytest.mark.parametrize("path", ["a.zip", "a.tar", "a.tar.gz", "a.nii.gz", "a.png", "a.csv"])
def test_what_has_no_checksum_must_look_like_its_name(server, output, path):
    file = SourceFile(path=path)
    server.replies = [Reply(CONTENT if path != "a.csv" else b"")] * 2
    message = _fault(file, server.url, output)
    assert any(fault in message for fault in ("not a ", "empty", "cut off or damaged"))


def test_neither_length_nor_checksum_is_refused_unless_the_archive_marks_its_end(server, output):
    server.replies = [Reply(b"x,y\n1,2\n", length="none")]
    file = SourceFile(path="a.csv")
    assert "sent without a length and without a checksum" in _fault(file, server.url, output)
    file = SourceFile(path="a.zip")
    server.replies = [Reply(ARCHIVE, length="none")]
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == ARCHIVE


def _zip():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", CONTENT)
        archive.writestr("a/c.txt", b"c")
    return content.getvalue()


ARCHIVE = _zip()


@pytest.mark.parametrize("name, content", [("a.zip", ARCHIVE), ("a.nii.gz", gzip.compress(CONTENT, mtime=0))])
def test_a_cut_off_archive_without_any_length_is_never_accepted(server, output, name, content):
    file = SourceFile(path=name)
    source = _source(server.url, file)
    length = "none" if name == "a.zip" else "right"  # a lone .gz has no table of contents
    for position in range(0, len(content), 7):
        server.replies = [Reply(content[:position], length=length)] * 2
        _fault(file, server.url, output, source=source)


@pytest.mark.parametrize("header", ["Content-Encoding", "Transfer-Encoding"])
def test_what_is_sent_in_another_encoding_is_not_taken_for_the_file(server, output, header):
    packed = Reply(gzip.compress(CONTENT), headers={header: "GZip"})
    server.replies = [packed]
    assert "sent in the encoding 'gzip', which was not asked for" in _fault(BARE, server.url, output)
    server.replies = [packed, packed]
    assert "MD5" in _fault(SourceFile(path=PATH, md5=MD5), server.url, output)
    server.replies = [Reply(CONTENT, headers={"Content-Encoding": "identity"})]
    download(BARE, _source(server.url, BARE), output)
    assert output.read_bytes() == CONTENT


def test_a_server_may_call_the_compression_of_the_file_itself_an_encoding(server, output):
    file = SourceFile(path="a.nii.gz")
    server.replies = [Reply(gzip.compress(CONTENT), headers={"Content-Encoding": "x-gzip"})]
    download(file, _source(server.url, file), output)
    assert gzip.decompress(output.read_bytes()) == CONTENT


# Interruptions


@pytest.mark.parametrize("position", POSITIONS)
def test_a_cut_off_file_is_continued(server, output, position):
    server.replies = [_stored(stop=position), _stored()]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT
    assert _ranges(server) == [None, f"bytes={position}-" if position else None]
    assert server.served[1] == len(CONTENT) - position
    assert list(output.parent.iterdir()) == [output]


@pytest.mark.parametrize("known", [FILE, SourceFile(path=PATH, sha256=SHA), BARE])
def test_a_cut_off_file_is_fetched_anew_where_ranges_are_unknown(server, output, known):
    for position in POSITIONS:
        server.replies = [Reply(CONTENT[:position], length=len(CONTENT)), Reply(CONTENT)]
        download(known, _source(server.url, known), output)
        assert output.read_bytes() == CONTENT
        output.unlink()
    assert set(_ranges(server)) == {None}


@pytest.mark.parametrize("known", [FILE, SourceFile(path=PATH, sha256=SHA)])
def test_a_cut_off_file_without_length_is_fetched_anew(server, output, known):
    for position in POSITIONS:
        server.replies = [Reply(CONTENT[:position], length="none"), Reply(CONTENT, length="none")]
        download(known, _source(server.url, known), output)
        assert output.read_bytes() == CONTENT
        output.unlink()


def test_a_cut_off_chunk_is_reported(server, output):
    file = SourceFile(path=PATH, sha256=SHA)
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(CONTENT[at : at + 1000]), CONTENT[at : at + 1000]) for at in range(0, len(CONTENT), 1000)
    )
    whole = chunks + b"0\r\n\r\n"
    for position in [*range(0, len(chunks), 409), *range(995, 1020), len(chunks)]:
        cut = Reply(whole[:position], length="chunked", headers={"ETag": '"1"'})
        server.replies = [cut, Reply(whole, length="chunked")]
        download(file, _source(server.url, file), output)
        assert output.read_bytes() == CONTENT
        output.unlink()


def test_many_interruptions_with_progress_come_to_an_end(server, output):
    server.replies = [_stored(stop=1000)] * 11
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT
    assert _ranges(server)[1:] == [f"bytes={at}-" for at in range(1000, 11000, 1000)]
    assert sum(server.served) == len(CONTENT)


def test_interruptions_without_progress_are_given_up_and_the_next_call_goes_on(server, output):
    server.replies = [_stored(stop=300), *[_stored(stop=0)] * ATTEMPTS]
    message = _fault(FILE, server.url, output, left=KEPT)
    assert "the connection ended 9940 bytes too early, 4 times without progress" in message
    assert "300 bytes are kept, run again to go on" in message
    assert not server.replies
    server.replies = [_stored()]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT
    assert _ranges(server)[-1] == "bytes=300-" and server.served[-1] == 9940
    assert list(output.parent.iterdir()) == [output]


def test_a_server_that_always_cuts_at_the_same_byte_is_given_up(server, output):
    server.replies = [Reply(CONTENT[:300], length=len(CONTENT))] * (ATTEMPTS + 1)
    _fault(FILE, server.url, output, left=KEPT)
    assert not server.replies


def test_a_killed_download_is_continued(server, output):
    code = (
        "import sys; from pathlib import Path; from lib.datasets.sources import *;"
        "from lib.datasets.download import download;"
        "f = SourceFile(path='a.bin', md5=sys.argv[3]);"
        "s = Source(name='a', title='a', citation='a', licence='a', access='public', url=sys.argv[1], layout='a',"
        " files=(f,)); download(f, s, Path(sys.argv[2]))"
    )
    server.replies = [_stored(stop=5000, then="stall")]
    job = subprocess.Popen([sys.executable, "-c", code, server.url, str(output), MD5], cwd=ROOT)
    part = output.parent / KEPT[0]
    try:
        for _ in range(400):
            if part.exists() and part.stat().st_size == 5000:
                break
            server.released.wait(0.02)
    finally:
        job.kill()
        job.wait()
    assert part.stat().st_size == 5000
    server.replies = [_stored()]
    file = SourceFile(path="a.bin", md5=MD5)
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == CONTENT
    assert _ranges(server)[1] == "bytes=5000-" and server.served[1] == len(CONTENT) - 5000


def _begin(server, output, file=FILE, content=CONTENT, etag='"1"'):
    """Leave 4000 bytes of a version of ``file`` behind, which has a checksum."""
    server.replies = [_stored(content, etag, stop=4000), *[Reply(status=503)] * ATTEMPTS]
    _fault(file, server.url, output, left=KEPT)
    server.requests.clear(), server.asked.clear(), server.served.clear()


def test_a_changed_file_is_fetched_anew(server, output):
    _begin(server, output, content=OTHER, etag='"old"')
    server.replies = [_stored()]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT
    assert server.asked[0]["If-Range"] == '"old"' and server.served == [len(CONTENT)]


def _ignoring(headers: dict[str, str]):
    """A server that continues whatever was begun, without a look at If-Range."""
    return Reply(CONTENT[4000:], 206, {"Content-Range": "bytes 4000-10239/10240", "ETag": '"1"', **headers})


@pytest.mark.parametrize(
    "wrong",
    [
        {"ETag": '"2"'},
        {"Content-Range": "bytes 3999-10239/10240"},
        {"Content-Range": "bytes 4000-10239/10241"},
        {"Content-Range": "nonsense"},
        {"Content-Range": ""},
        {"Content-Range": "*"},
        {"Content-Range": "bytes \xb2-3/4"},
        {"Content-Range": "bytes -4000-10239/10240"},
        {"Content-Range": f"bytes {'4' * 5000}-10239/10240"},
        {"Content-Range": f"bytes 4000-10239/{'1' * 5000}"},
    ],
)
def test_a_continuation_of_something_else_is_not_appended(server, output, wrong):
    _begin(server, output, content=OTHER)
    server.replies = [_ignoring(wrong), _stored()]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT
    assert _ranges(server) == ["bytes=4000-", None]


def test_a_continuation_with_fewer_headers_is_appended(server, output):
    _begin(server, output)
    server.replies = [_ignoring({"ETag": 'W/"1"', "Content-Range": "bytes 4000-10239/*"})]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT


def test_a_mixed_file_is_seen_by_its_checksum(server, output):
    _begin(server, output, content=OTHER)
    server.replies = [_ignoring({}), _stored()]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT


def test_a_range_that_cannot_be_had_begins_anew(server, output):
    _begin(server, output)
    server.replies = [Reply(status=416), _stored()]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT


def test_a_part_of_another_address_or_without_description_begins_anew(server, output):
    _begin(server, output, content=OTHER)
    file = FILE.model_copy(update={"url": f"{server.url}other"})
    server.replies = [_stored()]
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == CONTENT and _ranges(server) == [None]
    output.unlink()
    _begin(server, output, content=OTHER)
    (output.parent / KEPT[1]).write_text("{")
    server.replies = [_stored()]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT and _ranges(server) == [None]


def test_a_whole_part_is_only_checked(server, output):
    _begin(server, output)
    (output.parent / KEPT[0]).write_bytes(CONTENT)
    server.replies = []
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT and not server.requests


def _leave(output, part, **described):
    """Put down what an earlier job may have left."""
    output.parent.mkdir()
    (output.parent / KEPT[0]).write_bytes(part)
    (output.parent / KEPT[1]).write_text(json.dumps(described))


@pytest.mark.parametrize("length", [4000, 10240])
def test_what_an_earlier_job_left_is_not_trusted_where_no_checksum_would_show_it(server, output, length):
    _leave(output, OTHER[:length], address=server.url + PATH, validator='"1"', total=10240)
    server.replies = [_stored(stop=5000), _stored()]
    download(BARE, _source(server.url, BARE), output)
    assert output.read_bytes() == CONTENT
    assert _ranges(server) == [None, "bytes=5000-"]
    assert list(output.parent.iterdir()) == [output]


def test_without_a_checksum_nothing_is_kept_for_the_next_call(server, output):
    server.replies = [_stored(stop=300), *[_stored(stop=0)] * ATTEMPTS]
    assert "4 times without progress; name a mirror" in _fault(BARE, server.url, output)


@pytest.mark.parametrize("length", [100, 300, len(ARCHIVE)])
def test_what_an_earlier_job_left_of_another_zip_is_seen_by_its_checksums(server, output, length):
    file, part = SourceFile(path="a.zip"), bytearray(ARCHIVE[:length])
    part[90] ^= 1  # within the first member
    _leave(output, part, address=f"{server.url}a.zip", validator='"1"', total=len(ARCHIVE))
    server.replies = [_stored(ARCHIVE)] * 2
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == ARCHIVE


@pytest.mark.parametrize(
    "wrong",
    [
        {"total": 4000},
        {"total": "10240"},
        {"total": -1},
        {"validator": ["1"]},
        {"validator": "1\n"},
        {"a": 1},
    ],
)
def test_a_wrong_description_of_what_an_earlier_job_left_does_no_harm(server, output, wrong):
    described = {"address": server.url + PATH, "validator": '"1"', "total": 10240} | wrong
    _leave(output, OTHER[:4000], **described)
    server.replies = [_stored()] * 2
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT


def test_a_stalled_line_is_continued(server, output, monkeypatch):
    monkeypatch.setattr(lib.datasets.connections, "TIMEOUT", 0.2)
    server.replies = [_stored(stop=5000, then="stall"), _stored()]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT and _ranges(server) == [None, "bytes=5000-"]


def test_a_reset_connection_is_continued(server, output):
    server.replies = [_stored(stop=0, then="reset"), _stored(stop=5000, then="reset"), *[_stored()] * 2]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT


def test_an_unreachable_server_is_reported(server, output):
    server.server_close()
    assert "Connection refused, 4 times without progress; name a mirror" in _fault(FILE, server.url, output)


def test_a_silent_server_is_given_up(server, output, monkeypatch):
    monkeypatch.setattr(lib.datasets.connections, "TIMEOUT", 0.1)
    server.shutdown()  # connections are accepted by the kernel, and never answered
    assert "timed out" in _fault(FILE, server.url, output)


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_server_that_sends_next_to_nothing_is_given_up(server, output, monkeypatch, part):
    monkeypatch.setattr(lib.datasets.connections, "TIMEOUT", 0.1)
    monkeypatch.setattr(lib.datasets.connections, "LEAST", 1000)
    server.replies = [_stored(slow=part)] * ATTEMPTS
    left = KEPT if part == "body" else ()
    assert "4 times without progress" in _fault(FILE, server.url, output, left=left)


def test_a_slow_line_is_waited_for(server, output, monkeypatch):
    monkeypatch.setattr(lib.datasets.connections, "TIMEOUT", 0.2)
    monkeypatch.setattr(lib.datasets.connections, "LEAST", 2)
    file = SourceFile(path="a", sha256=hashlib.sha256(CONTENT[:50]).hexdigest())
    server.replies = [_stored(CONTENT[:50], slow="body")] * 3
    download(file, _source(server.url, file), output)
    assert output.read_bytes() == CONTENT[:50]


# What servers say


@pytest.mark.parametrize("status", [429, 503, 500])
def test_an_overloaded_server_is_tried_again(server, output, caplog, status):
    server.replies = [Reply(status=status), Reply(CONTENT)]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT
    assert len(caplog.records) == 1 and f"HTTP status {status} " in caplog.text
    server.replies = [Reply(status=status)] * ATTEMPTS
    assert f"HTTP status {status} " in _fault(FILE, server.url, output.parent / "again/file")


@pytest.mark.parametrize(
    "retry_after, waited",
    [
        (" 7 ", 7.0),
        ("100000", 60.0),
        ("9" * 5000, 60.0),
        ("Wed, 21 Oct 2065 07:28:00 GMT", 60.0),
        *[(retry_after, 0.0) for retry_after in ("soon", "", "1e9", "-5", "\xb2", "inf", "nan", "1" * 5000 + "x")],
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 99999 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999999999", 0.0),
    ],
)
def test_a_server_that_asks_to_wait_is_obeyed_within_bounds(server, output, monkeypatch, retry_after, waited):
    pauses = []
    monkeypatch.setattr(lib.datasets.download, "LONGEST_PAUSE", 60.0)
    monkeypatch.setattr(lib.datasets.download.time, "sleep", pauses.append)
    server.replies = [Reply(status=429, headers={"Retry-After": retry_after}), Reply(CONTENT)]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT and pauses == [waited]


def test_pauses_grow(server, output, monkeypatch):
    pauses = []
    for name, value in {"FIRST_PAUSE": 2.0, "LONGEST_PAUSE": 10.0, "ATTEMPTS": 6}.items():
        monkeypatch.setattr(lib.datasets.download, name, value)
    monkeypatch.setattr(lib.datasets.download.time, "sleep", pauses.append)
    server.replies = [Reply(status=503)] * 6
    _fault(FILE, server.url, output)
    assert len(pauses) == 5
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, [2, 4, 8, 16, 32], strict=True) if most < 10)
    assert max(pauses) <= 10


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(server, output, status):
    server.replies = [Reply(status=status)]
    assert f"{PATH}: HTTP status {status} " in _fault(FILE, server.url, output)
    assert len(server.requests) == 1
    _begin(server, output)
    server.replies = [Reply(status=status)]
    _fault(FILE, server.url, output)


def test_a_long_reason_is_cut(server, output):
    server.replies = [Reply(status=404, reason="x" * 60_000)]
    message = _fault(FILE, server.url, output)
    assert "HTTP status 404 xxx" in message and len(message) < 1000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_followed_with_its_range(server, output, status):
    def moved(_):
        return Reply(status=status, headers={"Location": f"{server.url}moved/x?y=1"})

    server.replies = [moved, _stored(stop=4000), moved, _stored()]
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT
    assert server.requests == ["/folder/some%20file.json", "/moved/x?y=1"] * 2
    assert _ranges(server) == [None, None, "bytes=4000-", "bytes=4000-"]


def test_a_proxy_is_honoured(server, output, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    server.replies = [_stored(stop=4000), _stored()]
    download(FILE, _source("http://data.invalid/", FILE), output)
    assert server.requests == ["http://data.invalid/folder/some%20file.json"] * 2
    assert output.read_bytes() == CONTENT


@pytest.mark.parametrize("address", ["http://", "http://host:port/", "http://.x/", "http://[1/"])
def test_an_address_that_is_none_is_reported(server, output, address, monkeypatch):
    monkeypatch.setattr(lib.datasets.download, "ATTEMPTS", 1)
    assert f"{address.rstrip('/')}/archive/{PATH}: " in _fault(FILE, server.url, output, address)


@pytest.mark.parametrize(
    "address, shown",
    [
        ("http://a:b@host/c", "http://a:***@host/c"),
        ("https://a:b:c@d@[::1]:8/c", "https://a:***@[::1]:8/c"),
        ("https://a:b/c@host/", "https://a:***@host/"),  # a slash that should have been %2F
        ("ftp://a:b@host/", "ftp://a:***@host/"),
        ("http://a@host/", "http://a@host/"),
        ("http://host:80/c@d", "http://host:80/c@d"),
        ("/folder/a:b@c", "/folder/a:b@c"),
    ],
)
def test_a_password_is_not_shown(address, shown):
    assert lib.datasets.download._shown(address) == shown


def test_a_password_in_an_address_is_sent_and_nowhere_shown(server, output, tmp_path, caplog):
    file, record = SourceFile(path=PATH, md5=MD5), tmp_path / "record.json"
    mirror = server.url.replace("http://", "http://me:s3cret%40%3A@")
    moved = Reply(status=302, headers={"Location": f"{server.url}moved"})
    server.replies = [_stored(stop=4000), Reply(status=500), moved, *[Reply(status=503)] * ATTEMPTS]
    texts = _fault(file, "http://data.invalid/", output, mirror, left=KEPT)
    texts += caplog.text + (output.parent / KEPT[1]).read_text()
    server.replies = [_stored()]
    download(file, _source("http://data.invalid/", file), output, mirror, record=record)
    assert output.read_bytes() == CONTENT and server.served[-1] == len(CONTENT) - 4000
    expected = f"Basic {b64encode(b'me:s3cret@:').decode()}"
    by_path = {path: {asked["Authorization"]} for path, asked in zip(server.requests, server.asked, strict=True)}
    assert by_path == {"/archive/folder/some%20file.json": {expected}, "/moved": {None}}
    texts += record.read_text()
    assert texts.count("me:***@127.0.0.1") >= 4 and "s3cret" not in texts


def test_a_password_in_the_address_of_the_mirror_stands_on_no_command_line(tmp_path):
    file = load_source(RECORDS).files[0].path
    target = ("--directory", str(tmp_path), "--dry-run", "--printshellcmds", f"data/raw/{RECORDS}/{file}")
    done = snakemake(ROOT, *target, "--config", "mirror=http://me:s3cret@host/")
    assert "scripts/download.py" in done.stdout and "s3cret" not in done.stdout + done.stderr


# Other places


def test_a_mirror_folder_takes_the_place_of_the_address(output, tmp_path):
    mirror = tmp_path / "mirror"
    message = _fault(FILE, "http://data.invalid/", output, str(mirror))
    assert message == (
        f"{mirror}/archive/{PATH}: cannot be read: No such file or directory; "
        "put the right file there or leave the mirror out"
    )
    original = mirror / "archive" / PATH
    original.parent.mkdir(parents=True)
    original.write_bytes(CONTENT[:9])
    assert "9 bytes found, 10240 expected" in _fault(FILE, "http://data.invalid/", output, str(mirror))
    original.write_bytes(CONTENT)
    download(FILE, _source("http://data.invalid/", FILE), output, f"{mirror}/")
    assert output.read_bytes() == original.read_bytes() == CONTENT


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "loop"])
@pytest.mark.parametrize("folder", ["mirror", "manual"])
def test_what_is_not_a_regular_file_is_reported_at_once(server, output, tmp_path, folder, kind):
    place = tmp_path / {"mirror": "archive/x", "manual": "x"}[folder]
    place.parent.mkdir(exist_ok=True)
    make = {"pipe": os.mkfifo, "folder": Path.mkdir}
    targets = {"device": "/dev/null", "loop": "x"}
    make[kind](place) if kind in make else place.symlink_to(targets[kind])
    places = {"mirror": (str(tmp_path), None), "manual": (None, tmp_path)}
    message = _fault(SourceFile(path="x", sha256=SHA), server.url, output, *places[folder])
    reason = "cannot be read: Too many levels of symbolic links" if kind == "loop" else "not a regular file"
    assert message.startswith(f"{place}: {reason}; ") and not server.requests


def test_a_mirror_address_takes_the_place_of_the_address(server, output):
    server.replies = [Reply(status=404), Reply(CONTENT)]
    mirror = f"{server.url}copies/"
    assert "put the right file there" in _fault(FILE, "http://data.invalid/", output, mirror)
    download(FILE, _source("http://data.invalid/", FILE), output, mirror)
    assert server.requests == ["/copies/archive/folder/some%20file.json"] * 2
    assert output.read_bytes() == CONTENT


def test_a_file_fetched_by_hand_comes_first_and_nothing_reaches_it_later(server, output, tmp_path):
    by_hand = tmp_path / "manual" / PATH
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(OTHER)
    message = _fault(FILE, server.url, output, str(tmp_path), tmp_path / "manual")
    assert message.startswith(f"{by_hand}: SHA-256 ") and message.endswith("replace it by the right file or delete it")
    by_hand.write_bytes(CONTENT)
    download(FILE, _source(server.url, FILE), output, str(tmp_path), tmp_path / "manual")
    assert output.read_bytes() == by_hand.read_bytes() == CONTENT
    assert not server.requests
    output.write_bytes(OTHER)
    assert by_hand.read_bytes() == CONTENT


GATED = {"access": "registration", "url": "", "steps": ("Make an account.", "Download it.")}


def test_a_gated_source_names_its_steps(output, tmp_path):
    source = _source(file=FILE, **GATED)
    manual = tmp_path / "manual"
    message = _fault(FILE, None, output, None, manual, source=source)
    assert message == (
        f"archive/{PATH} has to be fetched by a person: (1) Make an account. (2) Download it. "
        f"Then put it at {manual / PATH} and run again"
    )
    assert "(2) Download it." in _fault(FILE, None, output, str(tmp_path), manual, source=source)
    for folder in (manual, tmp_path / "mirror/archive"):
        (folder / PATH).parent.mkdir(parents=True)
        (folder / PATH).write_bytes(CONTENT)
        download(FILE, source, output, str(tmp_path / "mirror"), manual)
        assert output.read_bytes() == CONTENT
        shutil.rmtree(folder)
        output.unlink()


# Records of first downloads


@pytest.mark.parametrize("known", [{}, {"size": len(CONTENT)}, {"md5": MD5}, {"sha256": SHA[:8]}])
def test_later_downloads_must_equal_the_first(server, output, tmp_path, known):
    file, record = SourceFile(path=PATH, **known), tmp_path / "checksums/archive.json"
    server.replies = [Reply(CONTENT), Reply(CONTENT)]
    download(file, _source(server.url, file), output, record=record)
    written = json.loads(record.read_text())
    assert written.pop("date").endswith("+00:00")
    assert written == {"size": len(CONTENT), "sha256": SHA, "address": server.url + PATH}
    download(file, _source(server.url, file), output, record=record)
    output.unlink()
    written["sha256"] = hashlib.sha256(OTHER).hexdigest()  # so that the server's file is the changed one
    record.write_text(json.dumps(written))
    server.replies = [Reply(CONTENT), Reply(CONTENT)]
    message = _fault(file, server.url, output, record=record)
    assert f"as {record} says" in message and "delete this record" in message


@pytest.mark.parametrize(
    "content", ["{", "[]", "1", "null", "{}", '{"size": 1}', '{"size": "1", "sha256": ""}', "1" * 5000]
)
def test_what_is_not_a_record_is_reported_before_anything_is_fetched(server, output, tmp_path, content):
    record = tmp_path / "record.json"
    record.write_text(content)
    with pytest.raises(SeglossError, match=r"record\.json: no.*; delete it and run again") as fault:
        download(BARE, _source(server.url, BARE), output, record=record)
    assert "\n" not in str(fault.value) and not server.requests and not output.exists()


def test_a_published_digest_needs_no_record(server, output, tmp_path):
    server.replies = [Reply(CONTENT)]
    download(FILE, _source(server.url, FILE), output, record=tmp_path / "record.json")
    assert not (tmp_path / "record.json").exists()


# The disk


def test_a_disk_that_is_too_small_is_reported_before_anything_is_written(server, output, monkeypatch):
    monkeypatch.setattr(
        lib.datasets.download.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 10239)
    )
    server.replies = [_stored(), _stored(stop=5000), _stored()]
    message = _fault(FILE, server.url, output)
    assert message == (f"{output.parent}: 10240 bytes are to come, 10239 are free; free space there and run again")
    monkeypatch.setattr(lib.datasets.download.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 0, 10240))
    download(FILE, _source(server.url, FILE), output)
    assert output.read_bytes() == CONTENT


def test_an_output_that_cannot_be_written_is_not_a_network_fault(server, tmp_path):
    server.replies = [Reply(CONTENT)] * 3
    (tmp_path / "occupied").touch()
    with pytest.raises(SeglossError, match="cannot be written"):
        download(FILE, _source(server.url, FILE), tmp_path / "occupied/file")
    assert len(server.requests) == 0


def test_progress_is_reported(server, output, monkeypatch, caplog):
    monkeypatch.setattr(lib.datasets.connections, "REPORT_EVERY", 0.0)
    monkeypatch.setattr(lib.datasets.download, "_CHUNK", 5120)
    caplog.set_level(logging.INFO, "lib.datasets.connections")
    server.replies = [Reply(CONTENT)]
    download(FILE, _source(server.url, FILE), output)
    found = re.fullmatch(r".*some file\.json: (\d+) % of 0 MB, 0 min left, \d+\.\d MB/s", caplog.messages[-1])
    assert found and found[1] == "100"


# The script


def _script(mirror="", **options):
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    command = [sys.executable, ROOT / "scripts/download.py", *arguments]
    environment = os.environ | {"SEGLOSS_MIRROR": str(mirror)}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/", env=environment)


def test_the_script_downloads(tmp_path):
    file = load_source(RECORDS).files[0]
    done = _script(source=RECORDS, path=file.path, output=tmp_path / "out.json", mirror=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {tmp_path}/{RECORDS}/{file.path}: cannot be read: No such file or directory; "
        "put the right file there or leave the mirror out"
    ]


def test_the_script_takes_files_fetched_by_hand(tmp_path):
    (tmp_path / "Training_Batch1.zip").write_bytes(ARCHIVE)
    places = {
        "output": tmp_path / "out.zip",
        "manual": tmp_path,
        "record": tmp_path / "record.json",
    }
    done = _script(source="lits", path="Training_Batch1.zip", **places)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.zip").read_bytes() == ARCHIVE
    assert json.loads((tmp_path / "record.json").read_text())["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
