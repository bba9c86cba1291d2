"""What a data set holds: its cases with their raw files, what was left out and why, and the splits.

This module stays free of heavy imports, because parsing the DAG reads it.
"""

import math
import random
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from lib.errors import SeglossError
from lib.files import read_json, write_json
from lib.names import CONTROL, FILLED, printable, unfit_for_path

SPLITS = ("train", "validation", "test")
Parts = dict[str, tuple[str, ...]]
_FOLDER_NAME = re.compile(rf"(?!index\.json$)[^-.\s/{FILLED}{CONTROL}][^/{FILLED}{CONTROL}]*")
_LENGTH = 128
_NO_FOLDER_NAME = (
    f"its id cannot name a folder (no {' '.join(FILLED)} /, control characters or bytes that are no UTF-8; no -, . or"
    f" space in front; {_LENGTH} bytes at most)"
)


@dataclass(frozen=True)
class IndexedCase:
    """One case before any file of it is read.

    ``files`` maps a role (image, label, ...) to raw files; ``details`` holds what else its preparation needs,
    as JSON values.
    """

    patient: str
    files: dict[str, list[str]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Index:
    """``cases`` by id, ``splits``: name -> part -> ids, ``excluded``: id -> reason, ``notes`` on all files."""

    cases: dict[str, IndexedCase]
    splits: dict[str, Parts]
    excluded: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def checked(self, dataset: str) -> "Index":
        """This index, its splits cut down to cases that are here; what a split names beyond them is excluded.

        Raises:
            SeglossError: there is no case, a part names a case twice, or a patient is on two sides of a split.
        """
        unfit = {case: reason for case, entry in self.cases.items() if (reason := _unfit(case, entry))}
        cases = {case: entry for case, entry in self.cases.items() if case not in unfit}
        excluded = unfit | self.excluded
        if not cases:
            raise SeglossError(f"data set {dataset}: no usable case among {len(excluded)}{_why(excluded)}")
        splits = {}
        for name, parts in self.splits.items():
            where = f"data set {dataset}, split {name!r}"
            _check_disjoint(parts, cases, where)
            named = [case for part in parts.values() for case in part]
            if named and not set(named) & cases.keys():
                raise SeglossError(
                    f"{where}: names {len(named)} cases such as {named[0]!r}, none is among the raw files, whose cases"
                    f" are {next(iter(cases))!r} and so on"
                )
            for case in (case for case in named if case not in cases):
                excluded.setdefault(case, f"named by the split {name!r}, but not among the raw files")
            splits[name] = {part: tuple(case for case in parts.get(part, ()) if case in cases) for part in SPLITS}
        reasons = {printable(case): printable(reason) for case, reason in excluded.items()}
        return Index(cases, splits, reasons, tuple(map(printable, self.notes)))

    def bundles(self, size: int) -> dict[str, tuple[str, ...]]:
        """The cases in bundles of about ``size`` by the bundle's name, for jobs that each take one bundle.

        The cases of a bundle lie in the same parts of all splits, so that a changed case reaches no other part. A case
        stays in its bundle when a few others come or go.
        """
        parts_of: dict[str, list[tuple[str, str]]] = {case: [] for case in self.cases}
        for split, parts in sorted(self.splits.items()):
            for part, ids in parts.items():
                for case in ids:
                    parts_of[case].append((split, part))
        alike = defaultdict(list)
        for case, parts in parts_of.items():
            alike[tuple(parts)].append(case)
        bundles = defaultdict(list)
        for number, (_, cases) in enumerate(sorted(alike.items())):
            of_these = math.ceil(len(cases) / size)
            for case in cases:
                bundles[f"{number}-{zlib.crc32(case.encode()) % of_these}"].append(case)
        return {name: tuple(cases) for name, cases in bundles.items()}

    def bundles_of_part(self, size: int, split: str, part: str) -> list[str]:
        """The names of the bundles that hold the cases of one part of a split (train, validation, test)."""
        in_part = set(self.splits[split][part])
        return [name for name, cases in self.bundles(size).items() if cases[0] in in_part]  # all or none

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))


def read_index(path: Path) -> Index:
    """Read what :meth:`Index.write` wrote.

    Raises:
        SeglossError: the file is missing or damaged.
    """
    content = read_json(path)
    try:
        cases = {case: IndexedCase(**entry) for case, entry in content["cases"].items()}
        splits = {name: {part: tuple(parts[part]) for part in SPLITS} for name, parts in content["splits"].items()}
        for case in (case for parts in splits.values() for ids in parts.values() for case in ids):
            cases[case]
        # earlier code made no notes
        return Index(cases, splits, dict(content["excluded"]), tuple(content.get("notes", ())))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SeglossError(f"{path}: not an index of cases ({error!r}); delete it and run again") from error


def _unfit(case: str, entry: IndexedCase) -> str:
    """Why a case cannot be a folder, or its files inputs of a job; empty if they can."""
    if not _FOLDER_NAME.fullmatch(case) or len(case.encode()) > _LENGTH:
        return _NO_FOLDER_NAME
    for path in chain.from_iterable(entry.files.values()):
        if set(FILLED) & set(path):
            return f"{path} has {unfit_for_path(path)}; make a link without"
    return ""


def _why(excluded: Mapping[str, str]) -> str:
    return "".join(f"; {case}: {reason}" for case, reason in list(excluded.items())[:3])


def _check_disjoint(parts: Mapping[str, Iterable[str]], cases: Mapping[str, IndexedCase], where: str) -> None:
    sides: dict[str, str] = {}
    for part, ids in parts.items():
        if part not in SPLITS:
            raise SeglossError(f"{where}: unknown part {part!r}; its parts are {', '.join(SPLITS)}")
        if len(set(ids)) != len(list(ids)):
            raise SeglossError(f"{where}: part {part!r} names a case twice")
        for case in ids:
            patient = cases[case].patient if case in cases else case
            if sides.setdefault(patient, part) != part:
                raise SeglossError(
                    f"{where}: patient {patient!r} (case {case!r}) is in {sides[patient]} and in {part};"
                    " keep all cases of a patient in one part"
                )


def split_by_patient(patients: Mapping[str, str], seed: int, **shares: float) -> Parts:
    """Draw a split in which all cases of a patient lie in one part.

    Args:
        patients: case id -> patient.
        shares: of the patients, for ``validation`` and ``test``; train takes the rest. A part whose share is
            not 0 gets at least one patient while any is left for train.
    """
    names = _shuffled(patients, seed)
    tested = _count(shares.get("test", 0.0), len(names), len(names) - 1)
    return _parts(patients, names, tested, shares.get("validation", 0.0))


def fold_names(folds: int, repeat: int = 0) -> tuple[str, ...]:
    of_repeat = f"repeat-{repeat}-" if repeat else ""
    return tuple(f"{of_repeat}fold-{number}" for number in range(folds))


def folds_by_patient(
    patients: Mapping[str, str], seed: int, folds: int, validation: float, repeat: int = 0
) -> dict[str, Parts]:
    """Draw splits of which each tests other patients, all of them together every patient.

    Args:
        patients: case id -> patient.
        folds: at most as many as patients.
        validation: share of all patients, taken from those that a fold does not test, as in :func:`split_by_patient`.
        repeat: how often folds were drawn before, in other orders.
    """
    names = _shuffled(patients, seed, repeat)
    bounds = [len(names) * number // folds for number in range(folds + 1)]
    # validated on the patients that follow, so that cases lie alike in few ways: a bundle is of such cases
    return {
        name: _parts(patients, [*names[first:], *names[:first]], end - first, validation)
        for name, (first, end) in zip(fold_names(folds, repeat), pairwise(bounds), strict=True)
    }


def _shuffled(patients: Mapping[str, str], seed: int, repeat: int = 0) -> list[str]:
    names, generator = sorted(set(patients.values())), random.Random(seed)
    for _ in range(repeat + 1):
        generator.shuffle(names)
    return names


def _count(share: float, of: int, most: int) -> int:
    """How many patients a share is: one at least unless it is 0."""
    return max(min(max(round(share * of), bool(share)), most), 0)


def _parts(patients: Mapping[str, str], names: Sequence[str], tested: int, validation: float) -> Parts:
    """The first of the patients' ``names`` as test part, those that follow as validation, the rest to train."""
    validated = tested + _count(validation, len(names), len(names) - tested - 1)
    part_of = dict.fromkeys(names[:tested], "test") | dict.fromkeys(names[tested:validated], "validation")
    parts: dict[str, list[str]] = {part: [] for part in SPLITS}
    for case, patient in sorted(patients.items()):
        parts[part_of.get(patient, "train")].append(case)
    return {part: tuple(ids) for part, ids in parts.items()}


def drawn_index(
    files: Mapping[str, dict[str, list[str]]],
    excluded: dict[str, str],
    patient_of: Callable[[str], str] = str,
) -> Index:
    """Index of cases for which nobody published a split: ``holdout``, 70, 10 and 20 % of the patients, seed 0."""
    cases = {case: IndexedCase(patient_of(case), of_case) for case, of_case in files.items()}
    patients = {case: entry.patient for case, entry in cases.items()}
    return Index(cases, {"holdout": split_by_patient(patients, 0, validation=0.1, test=0.2)}, excluded)


def numbered(prefix: str, **sizes: int) -> Index:
    """Index of cases without raw files, numbered through the parts of one split ``holdout``."""
    parts, first = {}, 0
    for part in SPLITS:
        parts[part] = tuple(f"{prefix}{number:03d}" for number in range(first, first + sizes[part]))
        first += sizes[part]
    return Index({case: IndexedCase(case) for ids in parts.values() for case in ids}, {"holdout": parts})
