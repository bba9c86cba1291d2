"""What the answers of a kind of task have in common: the cards of the page."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from statistics import fmean
from typing import Self

from lib.comparison.statistics import NOT_SHOWN
from lib.measures.catalogue import Column
from lib.report.answers import FEW_CASES, FEW_SEEDS, Answer, best_evidence_first, outcome, value, what_decides
from lib.report.columns import between, counted, listed, spanned
from lib.report.losses import maps_of
from lib.report.studies import PHANTOMS

FEW_NAMES, MOST_NAMES = 4, 12


@dataclass(frozen=True)
class Line:
    """One answer in short: where, the first loss, and how sure that is."""

    where: str
    first: str
    outcome: str

    @classmethod
    def of(cls, answer: Answer) -> Self:
        where = f"{answer.study.title(answer.setting['dataset'])}, {answer.study.place(answer.setting)}"
        first = answer.study.label(answer.first) + ("*" if answer.trouble else "")
        parts, second = [*filter(None, [value(answer), answer.beside, outcome(answer)])], answer.runner_up
        if second and second.verdict == NOT_SHOWN:
            parts.append(f"against {answer.study.label(second.loss)}: {what_decides(second, answer)}")
        return cls(where, first, "; ".join(parts))


@dataclass(frozen=True)
class InShort:
    """What the answers of one evidence have in common: what a reader asks for; ``failed`` may be empty."""

    evidence: str
    best: str
    failed: str
    sure: str
    cost: str
    not_shown: str
    lines: Sequence[Line]


def in_short(found: Sequence[Answer]) -> list[InShort]:
    """Of the reader's own data and of those of others, of phantoms only where there is nothing else."""
    groups = {evidence: [*of_one] for evidence, of_one in groupby(best_evidence_first(found), lambda one: one.evidence)}
    if len(groups) > 1:
        groups.pop(PHANTOMS, None)
    return [_in_short(evidence, of_one) for evidence, of_one in groups.items()]


def _in_short(evidence: str, found: Sequence[Answer]) -> InShort:
    judged = [answer for answer in found if answer.decides] or found
    return InShort(
        evidence,
        best=best(judged),
        failed=failures(judged),
        sure=how_sure(found),
        cost=cost(judged),
        not_shown=not_shown(judged),
        lines=[*map(Line.of, found)],
    )


def best(found: Sequence[Answer]) -> str:
    """The losses that are shown to be best, and those that are not shown to be worse than the first."""
    winners = Counter(one.study.label(one.first) for one in found if one.best)
    if winners and len(found) == 1:
        return f"{next(iter(winners))} is shown to be best."
    names = [f"{loss} ({number} of {len(found)} comparisons)" for loss, number in winners.most_common()]
    in_any = "" if len(found) == 1 else f" in any of {len(found)} comparisons"
    shown = f"Shown to be best: {listed(names)}." if names else f"No loss is shown to be best{in_any}."
    return " ".join(filter(None, [shown, _candidates(found)]))


def good_choices(found: Sequence[Answer]) -> dict[str, tuple[int, int]]:
    """Label of a loss -> in how many answers it is first or tied, and how many have it; the best share first.

    Without those of which a training failed. What one study calls as another does is the same loss.
    """
    compared = [answer for answer in found if answer.compared]
    there = Counter(chain.from_iterable(answer.labels([*answer.costs]) for answer in compared))
    good = Counter(chain.from_iterable(answer.labels(_chosen(answer)) for answer in compared))
    shares = {label: (number, there[label]) for label, number in good.items()}
    return dict(sorted(shares.items(), key=lambda item: (item[1][0] / item[1][1], item[1][0]), reverse=True))


def _chosen(answer: Answer) -> list[str]:
    return [loss for loss in (answer.first, *answer.tied) if loss not in answer.failed]


def _candidates(found: Sequence[Answer]) -> str:
    good = good_choices(found)
    if not good:
        compared = any(answer.compared for answer in found)
        return "Of every loss that is first or tied some training failed or is poor." if compared else ""
    always = _always(good)
    if len(found) == 1:
        return f"First or tied: {listed(always, MOST_NAMES)}."
    if always:
        names = [f"{label} ({counted(good[label][0], 'time')})" for label in always]
        return f"First or tied wherever they were run: {listed(names, FEW_NAMES)}."
    names = [f"{label} ({number} of {all_of_it})" for label, (number, all_of_it) in good.items()]
    return f"No loss is first or tied wherever it was run; most often: {'; '.join(names[:3])}."


def _always(good: Mapping[str, tuple[int, int]]) -> list[str]:
    return [label for label, (number, all_of_it) in good.items() if number == all_of_it]


def failures(found: Sequence[Answer]) -> str:
    """Losses of which trainings failed or are poor; empty for none."""
    of_settings = {(one.study.name, *one.setting.values()): one for one in found}.values()
    places: dict[str, list[str]] = {}
    for one in of_settings:
        for loss, what in one.failed.items():
            places.setdefault(one.study.label(loss), []).append(what)
    if len(of_settings) == 1:
        return listed([f"{label} ({what})" for label, (what,) in places.items()], MOST_NAMES)
    there = Counter(chain.from_iterable(one.labels([*one.costs]) for one in of_settings))
    names = [f"{label} (in {len(known)} of {counted(there[label], 'setting')})" for label, known in places.items()]
    return listed(names, MOST_NAMES)


def how_sure(found: Sequence[Answer]) -> str:
    """Cases and seeds, and what they are good for."""
    cases, seeds = ([getattr(one, name) for one in found] for name in ("cases", "seeds"))
    little = min(cases) < FEW_CASES or min(seeds) < FEW_SEEDS
    said = f"{spanned(cases, 'test case')}, {spanned(seeds, 'seed')}"
    said += ": so few that only large differences can be shown." if little else "."
    if troubled := sum(bool(one.trouble) for one in found):
        said += (
            f" * In {troubled} of {counted(len(found), 'comparison')} trainings of the first loss failed or are poor."
        )
    return said


def cost(found: Sequence[Answer]) -> str:
    """What a step takes with the best choices and the cheapest of them, and which of these need maps."""
    times, maps = {}, {}
    good = good_choices(found)
    for label in _always(good) or good:
        named = [(one, loss) for one in found for loss in one.costs if one.study.label(loss) == label]
        if measured := [one.costs[loss] for one, loss in named if not math.isnan(one.costs[loss])]:
            times[label] = measured
        known = [one.study.about.losses[loss] for one, loss in named if loss in one.study.about.losses]
        maps[label] = dict.fromkeys(chain.from_iterable(map(maps_of, known)))
    cheapest = min(times, key=lambda label: fmean(times[label]), default=None)
    chosen = [label for place, label in enumerate(maps) if place < FEW_NAMES or label == cheapest]
    timed = ", ".join(f"{label} {between(times[label])}" for label in chosen if label in times)
    needed = ", ".join(f"{label} ({', '.join(maps[label])})" for label in chosen if maps[label])
    text = f"Time of a step, cross-entropy = 1: {timed}." if timed else "Time of a step: not measured here."
    return f"{text} Maps to prepare: {needed}." if needed else text


def not_shown(found: Sequence[Answer]) -> str:
    """Differences that so many cases and seeds would typically not show, by column."""
    columns: dict[tuple[Column, str], list[float]] = {}
    for one in found:
        if one.visible > 0:
            columns.setdefault((one.column, one.unit), []).append(one.visible)
    texts = []
    for (column, unit), visible in columns.items():
        size = f"{between(visible, column)} {unit}".strip()
        texts.append(f"{size} ({column.label})")
    return f"Differences below about {', '.join(texts)}." if texts else "Not known: no interval could be computed."
