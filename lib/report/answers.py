"""Which loss is first for a kind of task, how sure that is, what it costs, and what was not shown."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from statistics import fmean
from typing import Self

import numpy as np
import pandas as pd

from lib.comparison.ranks import FIRST
from lib.comparison.statistics import EQUIVALENT, MOST_NEEDED, NOT_SHOWN
from lib.measures.catalogue import Column
from lib.report.columns import between, column_of, counted, interval, listed, spanned, whole, written
from lib.report.costs import cost_in_ce, measured_costs
from lib.report.kinds import Facts, Kind
from lib.report.losses import maps_of
from lib.report.studies import EVIDENCE, PHANTOMS, Setting, StudyTables

UNUSABLE = ("collapsed", "below baseline", "poor", "diverged")
FEW_CASES, FEW_SEEDS = 30, 3
FEW_NAMES, MOST_NAMES = 4, 12


@dataclass(frozen=True)
class RunnerUp:
    """The loss of rank 2, against the first.

    ``verdict``: of it; ``worse`` means that the first place is shown.
    """

    loss: str
    difference: float
    low: float
    high: float
    verdict: str
    seeds_needed: float
    cases_needed: float


@dataclass(frozen=True)
class Answer:
    """The outcome of one setting by one column.

    Attributes:
        value: mean of the first loss over seeds and cases.
        pooled: the number is of all test cases together, so that intervals are of seeds alone.
        tied: losses that are not shown to be worse than the first, by rank, without those that failed.
        others: number of losses besides the first.
        best: the first is shown to be better than all others.
        compared: whether the table says so of them, which older ones do not.
        failed: losses, of all, of which some training failed or is poor, with how many did.
        visible: a difference to the first that would typically just be shown; NaN where there is no interval.
        costs: of a step with each loss, in units of cross-entropy; NaN where it was not measured.
        decides: the kind of task is judged by the column.
        trouble: what is wrong with the trainings of the first loss; empty for nothing.
        beside: what a reader must see with the value.
    """

    study: StudyTables
    setting: Setting
    column: Column
    first: str
    value: float
    p_first: float
    rank_low: float
    rank_high: float
    tied: Sequence[str]
    others: int
    best: bool
    compared: bool
    failed: Mapping[str, str]
    runner_up: RunnerUp | None
    seeds: int
    cases: int
    pooled: bool
    visible: float
    costs: Mapping[str, float]
    decides: bool = True
    trouble: str = ""
    beside: str = ""

    @property
    def unit(self) -> str:
        return self.study.unit(self.column, self.setting["dataset"])

    @property
    def evidence(self) -> str:
        return self.study.evidence(self.setting["dataset"])

    def labels(self, losses: Sequence[str]) -> list[str]:
        return [*map(self.study.label, losses)]


def answers(study: StudyTables, kind: Kind) -> list[Answer]:
    """A row for each setting to which the kind applies and each of its columns that was measured."""
    ranks, costs = study.judged(study.table("ranks")), measured_costs(study)
    found = []
    for setting, rows in study.settings(ranks):
        summary = study.of_setting(study.summary, setting)
        if kind.applies(_facts(setting, summary)):
            for name in (*kind.columns, *kind.also):
                of_column = rows[rows["column"] == name]
                if len(of_column):
                    found.append(_answer(study, kind, setting, of_column, summary, costs))
    return found


def best_evidence_first(found: Sequence[Answer]) -> list[Answer]:
    """The reader's own data before those of others, phantoms last."""
    return sorted(found, key=lambda answer: EVIDENCE.index(answer.evidence))


def _facts(setting: Setting, summary: pd.DataFrame) -> Facts:
    known = {"present", "voxels"} <= set(summary)
    return Facts(setting["noise"], float((summary["present"] / summary["voxels"]).mean()) if known else np.nan)


def _answer(
    study: StudyTables, kind: Kind, setting: Setting, ranks: pd.DataFrame, summary: pd.DataFrame, costs: pd.DataFrame
) -> Answer:
    compared = "to_first_verdict" in ranks
    judged = ranks["to_first_verdict"] if compared else pd.Series(NOT_SHOWN, ranks.index)
    best = ranks[judged == FIRST] if (judged == FIRST).any() else ranks.nsmallest(1, "rank")
    first, others = best.iloc[0], ranks.drop(best.index[:1]).sort_values("rank", kind="stable")
    tied = judged[others.index].isin([NOT_SHOWN, EQUIVALENT])
    troubles = {row["loss"]: trouble(row["status"]) for row in summary.to_dict("records")}
    failed = {loss: what for loss, what in troubles.items() if what}
    column, loss = column_of(first["column"]), first["loss"]
    of_loss = summary[summary["loss"] == loss].iloc[0]
    return Answer(
        study=study,
        setting=setting,
        column=column,
        first=loss,
        value=float(of_loss[column.name]),
        p_first=float(first["p_first"]),
        rank_low=float(first["low"]),
        rank_high=float(first["high"]),
        tied=[loss for loss in others.loc[tied, "loss"] if loss not in failed],
        others=len(others),
        best=compared and not tied.any(),
        compared=compared,
        failed=failed,
        runner_up=_runner_up(others.iloc[0]) if compared and len(others) else None,
        seeds=int(first["seeds"]),
        cases=int(first["cases"]) if first["cases"] > 1 else int(of_loss.get("test_cases", 1)),
        pooled=bool(first["cases"] == 1),
        visible=_visible(others),
        costs={loss: cost_in_ce(costs, setting, loss) for loss in ranks["loss"]},
        decides=column.name in kind.columns,
        trouble=failed.get(loss, ""),
        beside=_beside(of_loss, kind.beside),
    )


def _runner_up(row: pd.Series) -> RunnerUp:
    names = {"difference": "to_first"}
    numbers = {
        name: float(pd.to_numeric(row.get(names.get(name, f"to_first_{name}"), np.nan)))
        for name in ("difference", "low", "high", "seeds_needed", "cases_needed")
    }
    return RunnerUp(row["loss"], verdict=row["to_first_verdict"], **numbers)


def _visible(others: pd.DataFrame) -> float:
    """Half the interval of a difference to the first, the median over the losses."""
    if not {"to_first_low", "to_first_high"} <= set(others):
        return np.nan
    return float(((others["to_first_high"] - others["to_first_low"]) / 2).median())


def trouble(status: str) -> str:
    """Of ``learnt 1, poor 1`` what is not well, such as ``1 poor``."""
    counts = [part.strip().rpartition(" ") for part in str(status).split(",")]
    return ", ".join(f"{number} {name}" for name, _, number in counts if name in UNUSABLE)


def _beside(of_loss: pd.Series, name: str) -> str:
    if not name or name not in of_loss or pd.isna(of_loss[name]):
        return ""
    column = column_of(name)
    return f"{column.label}: {written(float(of_loss[name]), column)}"


# Of one answer


def outcome(answer: Answer) -> str:
    """How the first stands to the others, in words."""
    if not answer.compared:
        return "the others were not compared with it"
    if answer.best:
        return f"better than {'the other' if answer.others == 1 else f'all {answer.others} others'}"
    return f"tied with {len(answer.tied) or 'none'} of {counted(answer.others, 'other')}"


def value(answer: Answer) -> str:
    """The number of the first loss."""
    return f"{answer.column.label} {written(answer.value, answer.column)} {answer.unit}".strip()


def first_place(answer: Answer) -> str:
    """Whether the first is shown to be better than the runner-up; if not, what would decide."""
    found = answer.runner_up
    if found is None:
        return "not compared"
    if found.verdict == EQUIVALENT:
        return "equivalent: the difference is too small to matter"
    if found.verdict != NOT_SHOWN:
        return "shown to be worse than the first"
    return f"not shown to be worse; {_what_decides(found, answer)}"


def _what_decides(found: RunnerUp, answer: Answer) -> str:
    if found.seeds_needed <= answer.seeds or found.cases_needed <= answer.cases:
        return "clear by itself, not after adjustment for the number of losses"
    numbers = ((found.seeds_needed, "seed"), (found.cases_needed, "case"))
    if ways := [counted(number, noun) for number, noun in numbers if not math.isnan(number)]:
        return f"about {' or '.join(ways)} would decide"
    if answer.seeds < 2 or answer.pooled:
        return "more seeds are needed to decide"
    return f"not even {MOST_NEEDED:,} seeds, or cases, would decide"


def lead(answer: Answer) -> str:
    """Difference of the runner-up to the first, with its interval."""
    found = answer.runner_up
    if found is None:
        return ""
    span = interval(found.low, found.high, answer.column)
    return f"{written(found.difference, answer.column, signed=True)} ({span})"


def rank_interval(answer: Answer) -> str:
    if np.isnan([answer.rank_low, answer.rank_high]).any():
        return "rank not known"
    return f"rank {whole(answer.rank_low)} to {whole(answer.rank_high)} of {answer.others + 1}"


def cheapest_tied(answer: Answer) -> str:
    """The cheapest of the first and those tied with it, where it is not the first."""
    known = {loss: answer.costs[loss] for loss in (answer.first, *answer.tied) if not math.isnan(answer.costs[loss])}
    cheapest = min(known, key=known.__getitem__, default=answer.first)
    if cheapest == answer.first or not answer.compared:
        return ""
    return f"cheapest of the tied: {answer.study.label(cheapest)}, {written(known[cheapest])} ×"


# Of several


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
            parts.append(f"against {answer.study.label(second.loss)}: {_what_decides(second, answer)}")
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


def evidence(answer: Answer) -> str:
    """Cases and seeds, ``only`` where they are few."""
    cases = counted(answer.cases, "case")
    seeds = counted(answer.seeds, "seed")
    only = ["only " if few else "" for few in (answer.cases < FEW_CASES, answer.seeds < FEW_SEEDS)]
    return f"{only[0]}{cases}, {only[1]}{seeds}"


def limits(answer: Answer) -> list[str]:
    """What so many cases and seeds cannot show."""
    small = f"differences below about {written(answer.visible, answer.column)} would not show"
    pooled = "counted over all cases together, so that intervals are of seeds alone"
    return [*([small] if answer.visible > 0 else []), *([pooled] if answer.pooled else [])]
