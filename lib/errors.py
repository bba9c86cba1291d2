"""The one exception that stands for bad input and failed conditions."""

import re

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
