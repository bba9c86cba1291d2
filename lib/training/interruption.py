"""An end that is asked for from outside: time limit, preemption, scancel, Ctrl-C."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):
    """The process has been asked to end; the message is the signal's name."""


class Interruption(AbstractContextManager):
    """Within it SIGTERM and SIGINT are noted, so that a training can end between two steps.

    ``check`` raises :class:`Interrupted` if one has come, and within ``at_once`` so does the signal itself, wherever
    the process is. Signals can be noted by the main thread of a process only.
    """

    def __init__(self) -> None:
        self._noted: str | None = None
        self._at_once = False

    def __enter__(self) -> "Interruption":
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._noted = signal.Signals(number).name
        if self._at_once:
            self.check()

    def check(self) -> None:
        """Raise :class:`Interrupted` if a signal has come."""
        if self._noted:
            raise Interrupted(self._noted)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """For work of any length that changes nothing, so that it may be left anywhere."""
        self._at_once = True
        try:
            self.check()
            yield
        finally:
            self._at_once = False


def ignore_signals(_: int = 0) -> None:
    """For the processes that load data: the one they serve decides when they end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
