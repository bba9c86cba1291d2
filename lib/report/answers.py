"""Which loss is first for a kind of task, how sure that is, what it costs, and what was not shown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.comparison.ranks import FIRST
from lib.comparison.statistics import EQUIVALENT, MOST_NEEDED, NOT_SHOWN
from lib.measures.catalogue import Column
from lib.report.columns import column_of, counted, interval, whole, written
from lib.report.costs import cost_in_ce, measured_costs
from lib.report.kinds import Facts, Kind
from lib.report.studies import EVIDENCE, Setting, StudyTables

UNUSABLE = ("collapsed", "below baseline", "poor", "diverged")
FEW_CASES, FEW_SEEDS = 30, 3


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
    return f"not shown to be worse; {what_decides(found, answer)}"


def what_decides(found: RunnerUp, answer: Answer) -> str:
    """How many seeds or cases would show whether the runner-up is worse."""
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
