"""HTTP connections that do not wait forever for one byte after the other, and lines on their progress."""

import io
import logging
import time
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request, build_opener

TIMEOUT = 60.0
"""Seconds without an answer or a further byte after which a connection counts as lost."""
LEAST = 2**16
"""Bytes: a connection that brings fewer in ``TIMEOUT`` seconds counts as lost, too, and an attempt as fruitless."""
REPORT_EVERY = 10.0
"""Seconds between two lines of progress."""

log = logging.getLogger(__name__)


def opener() -> OpenerDirector:
    """What opens addresses by such connections; proxies are taken from the environment."""
    return build_opener(_HTTPHandler, _HTTPSHandler)


class _Watched(io.RawIOBase):
    """What comes over a connection; ``TIMEOUT`` alone would wait forever for one byte after the other."""

    def __init__(self, raw: io.RawIOBase):
        self._raw = raw
        self._begun, self._come = time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self._raw.readinto(buffer)
        self._come += count or 0
        if (now := time.monotonic()) - self._begun > TIMEOUT:
            if self._come < LEAST:
                raise TimeoutError(f"fewer than {LEAST} bytes in {TIMEOUT:.0f} s")
            self._begun, self._come = now, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.fp = io.BufferedReader(_Watched(self.fp.detach()))


class _HTTPConnection(HTTPConnection):
    response_class = _Response


class _HTTPSConnection(HTTPSConnection):
    response_class = _Response


class _HTTPHandler(HTTPHandler):
    def http_open(self, request: Request) -> HTTPResponse:
        return self.do_open(_HTTPConnection, request)


class _HTTPSHandler(HTTPSHandler):
    def https_open(self, request: Request) -> HTTPResponse:
        return self.do_open(_HTTPSConnection, request)


class Progress:
    def __init__(self, name: str, start: int, total: int | None):
        self._name, self._start, self._total = name, start, total
        self._began = self._reported = time.monotonic()

    def report(self, size: int) -> None:
        now = time.monotonic()
        if now - self._reported < REPORT_EVERY:
            return
        self._reported = now
        speed = (size - self._start) / (now - self._began)
        if self._total:
            share, left = 100 * size / self._total, (self._total - size) / max(speed, 1)
            known = f"{share:.0f} % of {self._total / 1e6:.0f} MB, {left / 60:.0f} min left"
        else:
            known = f"{size / 1e6:.0f} MB"
        log.info("%s: %s, %.1f MB/s", self._name, known, speed / 1e6)
