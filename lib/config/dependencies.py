"""What runs take of others: the region that a cascade's first stage finds, and weights."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lib.config.run import Run
from lib.errors import SeglossError
from lib.suggest import suggestion


def with_others(runs: Sequence[Run], path: Path) -> Iterable[Run]:
    """The runs, each with that of the first stage of its cascade, and with the one whose weights it takes."""
    done: dict[str, Run] = {}
    for is_cascade in (False, True):  # a first stage is no cascade
        of_stage = [run for run in runs if bool(run.settings.cascade) == is_cascade]
        of_stage = [_with_first_stage(run, [*done.values(), *of_stage], path) for run in of_stage]
        done |= {run.id: _with_source(run, of_stage, path) for run in of_stage}
    return [done[run.id] for run in runs]


def _with_source(run: Run, runs: Iterable[Run], path: Path) -> Run:
    """The run with the one whose weights it takes, if it is not trained."""
    if not (chosen := run.settings.weights_of):
        return run
    dataset = chosen.dataset or run.dataset
    like = replace(run, variant=chosen.variant, dataset=dataset, fold=run.fold if dataset == run.dataset else "").id
    source = next((one for one in runs if one.id == like and not one.settings.weights_of), None)
    if reason := _no_source(run, source):
        raise SeglossError(f"{path}: {run.scale} ({run.variant}): weights_of: {like} {reason}")
    return replace(run, source=source)


def _no_source(run: Run, source: Run | None) -> str | None:
    """Why a run cannot take the weights of another one of the same stage."""
    if not source:
        return "is no run that is trained; name a variant that has the same losses, seeds and levels"
    if source.search:
        return "has a network that a search decides; name a variant without"
    if source.network != run.network:
        return f"has another network or other labels than {run.id}"
    return None


def _with_first_stage(run: Run, runs: Iterable[Run], path: Path) -> Run:
    """The run with that of its first stage, if it is a cascade: of the same data, seed and, if there are several, loss.

    Raises:
        SeglossError: there is no such run, or it is not clear which one it is.
    """
    if not (cascade := run.settings.cascade):
        return run
    where = f"{path}: {run.scale} ({run.variant}): cascade.first"
    of_variant = [one for one in runs if cascade.first in one.variant_names]
    if not of_variant:
        raise SeglossError(f"{where}: unknown{suggestion(cascade.first, [one.variant for one in runs])}")
    if any(one.settings.cascade for one in of_variant):
        raise SeglossError(f"{where}: {cascade.first!r} is a cascade itself; name a variant that is none")
    same = (run.dataset, run.split, run.seed)
    found = [one for one in of_variant if (one.dataset, one.split, one.seed) == same and not one.noise.alpha]
    found = [one for one in found if one.loss == run.loss] or found
    if len(found) != 1:
        of_data = f"data set {run.dataset}, split {run.split}, seed {run.seed}"
        some = ", ".join(f"{one.folder}/{one.loss}" for one in found) or "none"
        raise SeglossError(
            f"{where}: one run of {cascade.first!r} with {of_data} was expected, of loss {run.loss} or of one loss"
            f" alone, found: {some}"
        )
    return replace(run, first=found[0])
