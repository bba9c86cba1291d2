"""What is allowed, and what was probably meant: the second half of a message about an unknown word."""

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches


def shortened(value: object) -> str:
    """A value as Python writes it, cut where it is long."""
    return reprlib.repr(value) if len(repr(value)) > 200 else repr(value)


def suggestion(word: object, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'? allowed: x, y"`` for an unknown word."""
    allowed = list(allowed)
    close = get_close_matches(str(word), allowed, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{meant} allowed: {', '.join(allowed) or 'none'}"
