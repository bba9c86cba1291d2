"""Splits that several data sets share: a held-out test part, and a validation part taken from what is left."""

import random
from collections.abc import Callable, Collection, Iterable

from lib.datasets.index import Parts


def in_proportion(count: int, of: int, found: int) -> int:
    """How many to draw from ``found`` where a publication drew ``count`` from ``of``: the same when all are there,
    otherwise the same share, at least one, with at least one left."""
    return min(max(round(count * found / of), 1), max(found - 1, 0))


def held_out(cases: Iterable[str], test: Collection[str]) -> Parts:
    """``test`` against all other cases as train; nothing to validate on."""
    ordered = sorted(cases)
    return {
        "train": tuple(case for case in ordered if case not in test),
        "validation": (),
        "test": tuple(case for case in ordered if case in test),
    }


def with_validation(parts: Parts, count: int, patient_of: Callable[[str], str] = str, seed: int = 0) -> Parts:
    """Move the cases of ``count`` patients, drawn by ``seed``, from train to validation; one stays in train."""
    patients = sorted({patient_of(case) for case in parts["train"]})
    drawn = set(random.Random(seed).sample(patients, min(count, max(len(patients) - 1, 0))))
    return {
        **parts,
        "train": tuple(case for case in parts["train"] if patient_of(case) not in drawn),
        "validation": tuple(case for case in parts["train"] if patient_of(case) in drawn),
    }
