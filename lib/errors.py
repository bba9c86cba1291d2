"""The one exception that stands for bad input and failed conditions."""

import re


class SeglossError(Exception):
    """A fault in one line: what, where, what was expected, what to do."""

    def __str__(self) -> str:
        """The message, in one line also where it quotes something of several."""
        return re.sub(r"\s*[\r\n]+\s*", " ", super().__str__()).strip()


class CaseExcluded(SeglossError):
    """This case cannot be used; the others can. The message is the reason that the data set's report tells."""
