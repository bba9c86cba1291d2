"""The one exception that stands for bad input and failed conditions."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lib.names import printable

LENGTH = 2000
"""Characters of a message that are shown, as it may quote any value."""


class SeglossError(Exception):
    """A fault in one line: what, where, what was expected, what to do."""

    def __str__(self) -> str:
        """The message, in one line also where it quotes something of several."""
        text = printable(re.sub(r"\s*[\r\n]+\s*", " ", super().__str__()).strip())
        return text if len(text) <= LENGTH else f"{text[: LENGTH // 2]} ... {text[-LENGTH // 2 :]}"


class CaseExcluded(SeglossError):
    """This case cannot be used; the others can. The message is the reason, which the data set's report gives."""


class Diverged(SeglossError):
    """The loss of a training has run away."""


@contextmanager
def faults_in_one_line() -> Iterator[None]:
    """End the process with a line and status 1 where a fault is raised within."""
    try:
        yield
    except SeglossError as error:
        sys.exit(f"error: {error}")
