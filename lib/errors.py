"""The one exception that stands for bad input and failed conditions."""


class SeglossError(Exception):
    """A fault told in one line: what, where, what was expected, what to do."""


class CaseExcluded(SeglossError):
    """This case cannot be used; the others can. The message is the reason that the data set's report tells."""
