"""What is allowed, and what was probably meant: the second half of a message about an unknown word."""

import reprlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import chain, islice

LENGTH = 200
"""Characters that a message shows of a value."""


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write numbers of thousands of digits, unless as hexadecimal ones
        return super().repr_int(x, level) if x.bit_length() < 10_000 else f"{hex(x)[:20]}..."


def shortened(value: object) -> str:
    """A value as Python writes it, cut where it is long, in bounded time whatever its size and depth."""
    text = repr(value) if _is_small(value) else ""
    return text if 0 < len(text) <= LENGTH else _Short().repr(value)[:LENGTH]


def _is_small(value: object) -> bool:
    pending = [value]
    for _ in range(LENGTH):
        if not pending:
            return True
        inner = pending.pop()
        if isinstance(inner, str | bytes) and len(inner) > LENGTH:
            return False
        if isinstance(inner, int) and inner.bit_length() > 4 * LENGTH:
            return False
        if isinstance(inner, Mapping):
            pending += islice(chain(inner, inner.values()), LENGTH)
        elif isinstance(inner, list | tuple | set | frozenset):
            pending += islice(inner, LENGTH)
    return False


def suggestion(word: object, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'? allowed: x, y"`` for an unknown word."""
    allowed = list(allowed)
    close = get_close_matches(str(word)[:LENGTH], allowed, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{meant} allowed: {', '.join(allowed) or 'none'}"
