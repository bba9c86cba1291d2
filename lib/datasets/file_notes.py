"""Notes on files: how what a file says against itself was settled, collected while a case is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)


@contextmanager
def collected_notes() -> Iterator[list[str]]:
    """What readers note about the files that they read inside the block."""
    notes: list[str] = []
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


def note(text: str) -> None:
    """Put down how a contradiction in a file was settled, for the report of the data set."""
    notes = _notes.get()
    if notes is not None and text not in notes:
        notes.append(text)
