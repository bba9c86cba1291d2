"""Official files, fetched and checked against the size and the digest that the project knows."""

import logging
import string
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from lib.datasets.sources import Source, SourceFile
from lib.errors import SeglossError
from lib.files import atomic_path, sha256

TIMEOUT = 60.0
"""Seconds without an answer or a further byte after which a connection counts as lost."""
PAUSES = (2.0, 10.0)
"""Seconds before the second and before the third attempt."""
_CHUNK = 2**20


class _Fault(Exception):
    """The file cannot be had, or another one came: trying again would not help."""


class _Interruption(_Fault):
    """The network or the server failed for now."""


def download(file: SourceFile, source: Source, output: Path, mirror: str | None = None) -> None:
    """Fetch ``file`` to ``output``, which appears only when its size and its SHA-256 are right.

    Args:
        mirror: a folder or an http(s) address that holds ``<source name>/<path>``; used in place of the
            official address. Proxies are taken from the environment (``https_proxy``, ``no_proxy``).

    Raises:
        SeglossError: the file is not there, another one came, the network failed on every attempt, or
            ``output`` cannot be written.
    """
    address = f"{mirror.rstrip('/')}/{source.name}/{file.path}" if mirror else source.url + file.path
    for pause in (*PAUSES, None):
        try:
            with atomic_path(output) as beside:
                _write(_chunks(address), beside, file.size)
                _check(beside, file)
            return
        except _Fault as fault:
            if pause is None or not isinstance(fault, _Interruption):
                elsewhere = (
                    f"name a mirror that holds {source.name}/{file.path}, or put the file at {output} by hand"
                )
                advice = "put the right file there or leave the mirror out" if mirror else elsewhere
                raise SeglossError(f"{address}: {fault}; {advice}") from fault
            logging.warning("%s: %s; trying again in %g s", address, fault, pause)
            time.sleep(pause)


def _chunks(address: str) -> Iterator[bytes]:
    return _remote_chunks(address) if address.startswith(("http://", "https://")) else _local_chunks(address)


def _remote_chunks(url: str) -> Iterator[bytes]:
    try:
        request = Request(quote(url, safe=string.punctuation), headers={"User-Agent": "segloss"})
        with urlopen(request, timeout=TIMEOUT) as reply:
            while chunk := reply.read(_CHUNK):
                yield chunk
            if reply.length:  # what of the announced Content-Length has not come
                raise _Interruption(f"the connection ended {reply.length} bytes too early")
    except HTTPError as error:
        kind = _Interruption if error.code >= 500 or error.code in (408, 429) else _Fault
        raise kind(f"HTTP status {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _Interruption(getattr(error, "reason", None) or error) from error
    except ValueError as error:
        raise _Fault(f"not a valid address: {error}") from error


def _local_chunks(path: str) -> Iterator[bytes]:
    try:
        with Path(path).open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise _Fault(f"cannot be read: {error.strerror}") from error


def _write(chunks: Iterator[bytes], path: Path, expected_size: int) -> None:
    """Write the chunks, but stop soon after ``expected_size``: a wrong file must not fill the disk."""
    with path.open("wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
            if stream.tell() > expected_size:
                return


def _check(path: Path, file: SourceFile) -> None:
    size = path.stat().st_size
    if size > file.size:
        difference = f"more than the expected {file.size} bytes found"
    elif size < file.size:
        difference = f"{size} bytes found, {file.size} expected"
    elif (found := sha256(path)) != file.sha256:
        difference = f"SHA-256 {found} found, {file.sha256} expected"
    else:
        return
    with path.open("rb") as stream:
        is_page = stream.read(512).lstrip().lower().startswith((b"<!doctype html", b"<html"))
    raise _Fault(f"a web page instead of the file ({difference})" if is_page else difference)
