"""Official files, fetched, continued after interruptions, and checked against all that is known of them."""

import email.utils
import logging
import os
import random
import re
import shutil
import stat
import string
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPResponse, InvalidURL
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, unquote
from urllib.request import Request

from lib.datasets import archives, connections
from lib.datasets.download_checks import Damage, Fault, head_of, page_or, recorded, verify
from lib.datasets.sources import Source, SourceFile
from lib.errors import SeglossError
from lib.files import atomic_path, read_json, write_json
from lib.suggest import shortened

ATTEMPTS = 8
"""Fruitless attempts in a row after which the network is given up."""
FIRST_PAUSE = 2.0
"""Seconds before the second attempt; doubled for each further one that brings nothing."""
LONGEST_PAUSE = 300.0
"""Seconds, also where a server asks for more."""
_CHUNK = 2**20
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_GZIP = (".gz", ".tgz")

log = logging.getLogger(__name__)


class _Interruption(Exception):
    """The network or the server failed for now; ``pause``: seconds that the server asks to wait."""

    def __init__(self, reason: object, pause: float = 0.0):
        super().__init__(reason)
        self.pause = pause


class _Mismatch(_Interruption):
    """What has come before is not continued by what the server sends."""


def download(
    file: SourceFile,
    source: Source,
    output: Path,
    mirror: str | None = None,
    manual: Path | None = None,
    record: Path | None = None,
) -> None:
    """Bring ``file`` to ``output``, which appears only when it is complete and right.

    What came before an interruption stays in a hidden file beside ``output``. The next call goes on from there where
    a checksum would show that the parts do not fit: of the source, of the first download, or within an archive.

    Args:
        mirror: a folder or an http(s) address that holds ``<source name>/<path>``; used in place of the
            official address. ``https://user:password@host`` is sent as basic authentication, and the password is
            neither logged nor recorded. Proxies are taken from the environment (``https_proxy``, ``no_proxy``).
        manual: a folder with files fetched by a person; ``<path>`` in it is used before anything else.
        record: a JSON file. Where the source publishes no SHA-256, the first download writes size and SHA-256
            to it, and every later one must agree.

    Raises:
        SeglossError: the file is not there, needs a person to fetch it, is wrong, the network was given up, or
            ``output`` cannot be written.
    """
    by_hand = manual / file.path if manual else None
    if file.sha256 and len(file.sha256) == 64:
        record = None
    place = f"{mirror.rstrip('/')}/{source.name}/{file.path}" if mirror else source.address(file)
    if by_hand and os.path.lexists(by_hand):
        place, advice = str(by_hand), "replace it by the right file or delete it"
    elif not source.is_public:
        advice = _request(source, file, by_hand or output)
        if not mirror:
            raise SeglossError(advice)
    elif mirror:
        advice = "put the right file there or leave the mirror out"
    else:
        advice = f"name a mirror that holds {source.name}/{file.path}, or put the file at {by_hand or output} by hand"
    try:
        if place.startswith(("http://", "https://")):
            _fetch(place, file, output, record)
        else:
            _copy(Path(place), file, output, record)
    except (Fault, _Interruption) as fault:
        raise SeglossError(f"{_shown(place)}: {fault}; {advice}") from fault


def _request(source: Source, file: SourceFile, place: Path) -> str:
    steps = " ".join(f"({number}) {step}" for number, step in enumerate(source.steps, 1))
    return f"{source.name}/{file.path} has to be fetched by a person: {steps} Then put it at {place} and run again"


def _shown(address: str) -> str:
    """The address with ``***`` in place of a password."""
    return re.sub(r"(://[^/@:\[]*):(?!\d+/).*@", r"\1:***@", address, count=1)


def _without_login(address: str) -> tuple[str, str | None]:
    """The address without user and password, and these as the header of basic authentication."""
    if not (parts := re.fullmatch(r"(https?://)([^/?#]*)@(.*)", address, re.DOTALL)):
        return address, None
    user, _, password = map(unquote, parts[2].partition(":"))
    return parts[1] + parts[3], f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _copy(original: Path, file: SourceFile, output: Path, record: Path | None) -> None:
    """A copy and no link: what happens to it later must not reach the original."""
    try:
        if not stat.S_ISREG(original.stat().st_mode):  # to open a pipe would wait for its writer
            raise Fault("not a regular file")
        original.open("rb").close()
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}") from error
    with atomic_path(output) as temporary:
        shutil.copyfile(original, temporary)
        verify(temporary, file, record, str(original))


def _fetch(address: str, file: SourceFile, output: Path, record: Path | None) -> None:
    part = _Part(output, _shown(address), _has_checksum(file, record))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        try:
            _receive_all(address, file, part)
            verify(part.path, file, record, part.address)
        except Damage as damage:
            log.warning("%s: %s; trying once more from the beginning", part.address, damage)
            part.discard()
            _receive_all(address, file, part)
            verify(part.path, file, record, part.address)
        part.path.replace(output)
        part.discard()
    except Fault:
        part.discard()
        raise
    except OSError as error:
        reason = error.strerror or error
        raise SeglossError(f"{output}: cannot be written: {reason}; free space or check permissions") from error


def _has_checksum(file: SourceFile, record: Path | None) -> bool:
    """Whether a checksum shows parts that do not belong together: a known one, or one within an archive."""
    has_own = file.path.lower().endswith((".zip", *_GZIP))
    return bool(recorded(record) or file.sha256 or file.md5 or has_own)


@dataclass(frozen=True)
class _Version:
    """Which bytes a server sends: ``validator`` is its ETag or date, ``total`` the size of the whole file.

    ``address`` is where they were asked for, without the password.
    """

    address: str
    validator: str | None
    total: int | None

    def continued_by(self, reply: HTTPResponse, start: int) -> bool:
        content_range = reply.headers.get("Content-Range", "")
        return (
            reply.status == 206
            and re.fullmatch(rf"bytes {start}-[0-9]+/(\*|{self.total})", content_range) is not None
            and _validator(reply) in (None, self.validator)
        )


def _validator(reply: HTTPResponse) -> str | None:
    etag = reply.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else reply.headers.get("Last-Modified")


class _Part:
    """What has come of a file, and of which version: beside the output, so that a killed job can go on.

    ``is_kept``: what an earlier job left is continued. Otherwise it is not, as nothing would show that it is of
    another file.
    """

    def __init__(self, output: Path, address: str, is_kept: bool):
        self.path = output.with_name(f".{output.name}.partial")
        self.address = address
        self.is_kept = is_kept
        self._is_ours = False
        self._description = output.with_name(f".{output.name}.partial.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> _Version | None:
        """The version of the bytes that are here, if more of it can be asked for."""
        try:
            version = _Version(**read_json(self._description))
        except (SeglossError, TypeError):
            return None
        is_known = (
            version.address == self.address
            and isinstance(version.validator, str)
            and re.fullmatch(r"[ -~\x80-\xff]+", version.validator)  # what may stand in a header
            and isinstance(version.total, int | None)
        )
        return version if is_known and self.size and (self.is_kept or self._is_ours) else None

    def begin(self, version: _Version) -> None:
        self.discard()
        self._is_ours = True
        write_json(self._description, asdict(version))

    def discard(self) -> None:
        for path in (self.path, self._description):
            path.unlink(missing_ok=True)


def _receive_all(address: str, file: SourceFile, part: _Part) -> None:
    most, fruitless = part.size, 0
    while True:
        try:
            return _receive(address, file, part)
        except _Interruption as interruption:
            if isinstance(interruption, _Mismatch):
                part.discard()
            most, fruitless = (part.size, 0) if part.size >= most + connections.LEAST else (most, fruitless + 1)
            if fruitless == ATTEMPTS:
                raise _Interruption(_given_up(interruption, part)) from interruption
            backoff = FIRST_PAUSE * 2 ** max(fruitless - 1, 0) * random.uniform(0.5, 1)
            pause = min(max(backoff, interruption.pause), LONGEST_PAUSE)
            log.warning("%s: %s; trying again in %.0f s", part.address, interruption, pause)
            time.sleep(pause)


def _given_up(interruption: _Interruption, part: _Part) -> str:
    message = f"{interruption}, {ATTEMPTS} times without progress"
    if part.size and part.is_kept:
        return f"{message}; {part.size} bytes are kept, run again to go on"
    part.discard()
    return message


def _receive(address: str, file: SourceFile, part: _Part) -> None:
    """One request, for all or for what is missing."""
    version = part.version()
    start = part.size if version else 0
    if version and start == version.total:
        return
    with _asked(address, version, start) as reply:
        _refuse_encoded(reply, file)
        if version is None or not version.continued_by(reply, start):
            if reply.status != 200:
                raise _Mismatch(f"the answer does not fit the question (HTTP status {reply.status})")
            _refuse_wrong(reply, file)
            part.discard()
            start, version = 0, _Version(part.address, _validator(reply), reply.length)
        _require_space(part.path.parent, (version.total or file.size or start) - start)
        if not start:
            part.begin(version)
        _write(reply, part, start, version.total, file)


@contextmanager
def _asked(address: str, version: _Version | None, start: int) -> Iterator[HTTPResponse]:
    headers = {"User-Agent": "segloss"}
    if version:
        headers |= {"Range": f"bytes={start}-", "If-Range": str(version.validator)}
    with _network_faults():
        address, login = _without_login(address)
        request = Request(quote(address, safe=string.punctuation), headers=headers)
        if login:  # not for the address that a redirection leads to
            request.add_unredirected_header("Authorization", login)
        reply = connections.opener().open(request, timeout=connections.TIMEOUT)
    with reply:
        yield reply


@contextmanager
def _network_faults() -> Iterator[None]:
    try:
        yield
    except HTTPError as error:
        error.close()
        message = _cut(f"HTTP status {error.code} {error.reason}")
        if error.code == 416:
            raise _Mismatch(message) from error
        if error.code not in _PASSING:
            raise Fault(message) from error
        raise _Interruption(message, _seconds(error.headers.get("Retry-After"))) from error
    except (ValueError, InvalidURL) as error:
        raise Fault(f"not a valid address: {_cut(error)}") from error
    except (OSError, HTTPException) as error:
        raise _Interruption(_cut(getattr(error, "reason", None) or error)) from error


def _cut(message: object) -> str:
    """What others say, in a length that fits in one line."""
    text = str(message)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _seconds(retry_after: str | None) -> float:
    """What a server asks to wait, given in seconds or as a date; 0 for what is neither."""
    if re.fullmatch(r"\s*[0-9]+\s*", retry_after or ""):
        return float(retry_after)
    with suppress(TypeError, ValueError, OverflowError):
        return email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
    return 0.0


def _refuse_encoded(reply: HTTPResponse, file: SourceFile) -> None:
    """Refuse what is not the file itself, though this was asked for. A checksum would show it by itself."""
    names = ("Content-Encoding", "Transfer-Encoding")
    encodings = {value.strip().lower() for name in names for value in reply.headers.get_all(name, [])}
    encodings -= {"", "identity", "chunked"}
    if file.path.lower().endswith(_GZIP):
        encodings -= {"gzip", "x-gzip"}  # so Apache names what the file itself is
    if encodings and not file.sha256 and not file.md5:
        raise Fault(f"sent in the encoding {shortened(min(encodings))}, which was not asked for")


def _refuse_wrong(reply: HTTPResponse, file: SourceFile) -> None:
    """Refuse by what is announced: a wrong file need not be read to its end."""
    total = reply.length
    if total is None:
        if file.size or file.sha256 or file.md5 or archives.is_archive(file.path):
            return
        fault = "sent without a length and without a checksum: whether it is whole cannot be known"
    elif file.size in (None, total):
        return
    else:
        fault = f"{total} bytes announced, {file.size} expected"
    with _network_faults():
        raise Fault(page_or(reply.read(512), fault))


def _require_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise SeglossError(
            f"{folder}: {shortened(size)} bytes are to come, {free} are free; free space there and run again"
        )


def _write(reply: HTTPResponse, part: _Part, start: int, announced: int | None, file: SourceFile) -> None:
    expected = announced or file.size
    progress = connections.Progress(file.path, start, expected)
    with part.path.open("ab") as stream:
        for chunk in _chunks(reply):
            stream.write(chunk)
            stream.flush()  # a killed job loses nothing
            size = stream.tell()
            progress.report(size)
            if size == announced:  # a server may keep the connection open
                return
            if expected and size > expected:
                raise Fault(page_or(head_of(part.path), f"more than the expected {expected} bytes"))
    if expected and part.size < expected:
        if message := page_or(head_of(part.path), ""):
            raise Fault(message)
        raise _Interruption(f"the connection ended {expected - part.size} bytes too early")


def _chunks(reply: HTTPResponse) -> Iterator[bytes]:
    while True:
        with _network_faults():
            chunk = reply.read1(_CHUNK)
        if not chunk:
            return
        yield chunk
