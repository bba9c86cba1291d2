"""What became of a data set's files, in a few words: for the terminal and for the report. Never imports numpy."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from lib.datasets.index import Index, read_index
from lib.errors import SeglossError
from lib.files import read_json
from lib.paths import Paths

Description = Mapping[str, Any]
"""Content of a `case.json`."""
MIXED_SPACING = 1.01
"""Ratio of the largest to the smallest spacing along an axis above which it is noted."""


def usage_line(name: str, paths: Paths, cases_per_job: int) -> str | None:
    """What of a data set is used, in a line; None where its cases have not been prepared.

    Raises:
        SeglossError: a file of the workflow is damaged.
    """
    if not Path(paths.index(name)).is_file():
        return None
    index = read_index(Path(paths.index(name)))
    bundles = [Path(paths.bundle(name, bundle)) for bundle in index.bundles(cases_per_job)]
    if not all(bundle.is_file() for bundle in bundles):
        return None
    try:
        found = dict(chain.from_iterable(read_json(bundle)["cases"].items() for bundle in bundles))
        cases = {case: found[case] for case in index.cases}
        counts, *notes = usage(index, cases)
    except (KeyError, TypeError, AttributeError) as error:
        folder = bundles[0].parent
        raise SeglossError(f"{folder}: damaged ({error!r}); delete it and run again") from error
    if excluded_cases(index, cases):
        listed = paths.result(f"data/{name}/excluded.csv")
        by_report = "" if Path(listed).is_file() else f", made with {paths.plot(f'data/{name}.pdf')}"
        counts += f" (all reasons: {listed}{by_report})"
    return f"data {name}: {'; '.join([counts, *notes])}"


def excluded_cases(index: Index, cases: Mapping[str, Description]) -> dict[str, str]:
    """Why each case that is left out is."""
    return index.excluded | {name: of_case["excluded"] for name, of_case in cases.items() if "excluded" in of_case}


def usage(index: Index, cases: Mapping[str, Description]) -> list[str]:
    """How many cases are used and left out, the commonest reason, and what a reader must know of the others."""
    excluded = excluded_cases(index, cases)
    used = {name: of_case for name, of_case in cases.items() if "excluded" not in of_case}
    counts = f"{_cases(len(used))} used, {len(excluded) or 'none'} left out{_commonest(excluded)}"
    return [counts, *_spacing_note(used.values()), *_case_notes(used), *index.notes]


def _cases(count: int) -> str:
    return f"{count} case{'' if count == 1 else 's'}"


def _commonest(excluded: Mapping[str, str]) -> str:
    if not excluded:
        return ""
    kinds = {case: _kind(case, reason) for case, reason in excluded.items()}
    kind, count = Counter(kinds.values()).most_common(1)[0]
    example = next(case for case in excluded if kinds[case] == kind)
    of_all = f"most often ({count}) " if len(excluded) > 1 else ""
    return f", {of_all}as {example}: {excluded[example]}"


def _kind(case: str, reason: str) -> str:
    """A reason without what differs between cases: their names, and numbers."""
    return re.sub(r"\d+", "0", re.sub(rf"(?<!\w){re.escape(case)}(?![^\W_])", "", reason))


def _spacing_note(used: Iterable[Description]) -> Iterator[str]:
    spacings = [of_case["spacing"] for of_case in used if len(of_case["shape"]) == 3]
    axes = [(min(axis), max(axis)) for axis in zip(*spacings, strict=True)]
    if any(high > MIXED_SPACING * low for low, high in axes):
        ranges = " x ".join(f"{low:.4g} to {high:.4g}" for low, high in axes)
        yield f"the spacing differs between cases, {ranges} mm, and nothing is resampled"


def _case_notes(used: Mapping[str, Description]) -> Iterator[str]:
    noted = {name: of_case["notes"] for name, of_case in used.items() if of_case.get("notes")}
    if noted:
        first = next(iter(noted))
        yield f"{_cases(len(noted))} with a note in cases.csv, such as {first}: {noted[first][0]}"
