"""What may become part of a path, of a command and of a line that is printed. Never imports torch."""

import re

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""A loss's label, a variant, a study, a data set: part of paths and of commands."""
FILLED = "{}<>"
"""Characters between which Snakemake looks for wildcards and path variables in every path."""
CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
"""Control characters, line breaks and bytes that are not UTF-8, within a character class of a regular expression."""


def unfit_for_path(path: str) -> str:
    """What a path holds that Snakemake or a terminal would misread; empty if nothing."""
    if marks := [mark for mark in FILLED if mark in path]:
        return f"{' and '.join(marks)}, which Snakemake reads as a wildcard or variable"
    return "a line break, a control character or a byte that is not UTF-8" if re.search(f"[{CONTROL}]", path) else ""


def printable(text: str) -> str:
    """The text in one line, with what no terminal shows as escapes."""
    return re.sub(f"[{CONTROL}]", lambda found: repr(found[0])[1:-1], text)
