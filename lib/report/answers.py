"""Which loss is first for a kind of task, how sure that is, and what was not shown."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.comparison.ranks import FIRST
from lib.comparison.statistics import EQUIVALENT, MOST_NEEDED, NOT_SHOWN
from lib.measures.catalogue import Column
from lib.report.columns import column_of, counted, interval, listed, whole, written
from lib.report.costs import cost_in_ce, measured_costs
from lib.report.kinds import Facts, Kind
from lib.report.studies import Setting, StudyTables

UNUSABLE = ("collapsed", "below baseline", "poor", "diverged")


@dataclass(frozen=True)
class Reference:
    """The first loss against the reference of its study."""

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
        place: network, noise, and what else the study varies.
        value: mean of the first loss over seeds and cases.
        pooled: the number is of all test cases together, so that intervals are of seeds alone.
        tied: losses that are not shown to be worse than the first.
        worse: those that are.
        compared: whether the table says so of them, which older ones do not.
        failed: losses, of all, of which some training failed or is poor.
        reference: None where the first is the reference, or was not compared.
        visible: a difference to the first that would typically just be shown; NaN where there is no interval.
        cost: of a step, in units of cross-entropy; NaN where it was not measured.
        trouble: what is wrong with the trainings of the first loss; empty for nothing.
    """

    study: str
    dataset: str
    title: str
    phantom: bool
    place: str
    column: Column
    first: str
    value: float
    p_first: float
    rank_low: float
    rank_high: float
    tied: Sequence[str]
    worse: Sequence[str]
    compared: bool
    failed: Collection[str]
    reference: Reference | None
    is_reference: bool
    seeds: int
    cases: int
    pooled: bool
    visible: float
    cost: float
    trouble: str = ""
    beside: str = ""

    @property
    def others(self) -> int:
        """Number of losses besides the first."""
        return len(self.tied) + len(self.worse)


def answers(study: StudyTables, kind: Kind) -> list[Answer]:
    """A row for each setting to which the kind applies and each of its columns that was measured."""
    ranks, costs = study.judged(study.table("ranks")), measured_costs(study)
    found = []
    for setting, rows in study.settings(ranks):
        summary = study.of_setting(study.summary, setting)
        if kind.applies(_facts(setting, summary)):
            for name in kind.columns:
                of_column = rows[rows["column"] == name]
                if len(of_column):
                    found.append(_answer(study, kind, setting, of_column, summary, costs))
    return found


def _facts(setting: Setting, summary: pd.DataFrame) -> Facts:
    known = {"present", "voxels"} <= set(summary)
    return Facts(setting["noise"], float((summary["present"] / summary["voxels"]).mean()) if known else np.nan)


def _answer(
    study: StudyTables, kind: Kind, setting: Setting, ranks: pd.DataFrame, summary: pd.DataFrame, costs: pd.DataFrame
) -> Answer:
    compared = "to_first_verdict" in ranks
    judged = ranks["to_first_verdict"] if compared else pd.Series(NOT_SHOWN, ranks.index)
    best = ranks[judged == FIRST] if (judged == FIRST).any() else ranks.nsmallest(1, "rank")
    first, others = best.iloc[0], ranks.drop(best.index[:1])
    tied = judged[others.index].isin([NOT_SHOWN, EQUIVALENT])
    column, loss = column_of(first["column"]), first["loss"]
    of_loss = summary[summary["loss"] == loss].iloc[0]
    reference, is_reference = _reference(study, setting, loss, column.name)
    return Answer(
        study=study.name,
        dataset=setting["dataset"],
        title=study.title(setting["dataset"]),
        phantom=study.is_phantom(setting["dataset"]),
        place=study.place(setting),
        column=column,
        first=loss,
        value=float(of_loss[column.name]),
        p_first=float(first["p_first"]),
        rank_low=float(first["low"]),
        rank_high=float(first["high"]),
        tied=[*others.loc[tied, "loss"]],
        worse=[*others.loc[~tied, "loss"]],
        compared=compared,
        failed={row["loss"] for row in summary.to_dict("records") if trouble(row["status"])},
        reference=reference,
        is_reference=is_reference,
        seeds=int(first["seeds"]),
        cases=int(first["cases"]) if first["cases"] > 1 else int(of_loss.get("test_cases", 1)),
        pooled=bool(first["cases"] == 1),
        visible=_visible(others),
        cost=cost_in_ce(costs, setting, loss),
        trouble=trouble(of_loss["status"]),
        beside=_beside(of_loss, kind.beside),
    )


def _visible(others: pd.DataFrame) -> float:
    """Half the interval of a difference to the first, the median over the losses."""
    if not {"to_first_low", "to_first_high"} <= set(others):
        return np.nan
    return float(((others["to_first_high"] - others["to_first_low"]) / 2).median())


def _reference(study: StudyTables, setting: Setting, loss: str, column: str) -> tuple[Reference | None, bool]:
    table = study.judged(study.table("comparisons"))
    if table.empty:
        return None, False
    rows = within_setting(study.of_setting(table, setting))
    rows = rows[rows["column"] == column]
    found = rows[rows["loss"] == loss]
    if found.empty:
        return None, bool((rows["reference"] == loss).any())
    row = found.iloc[0]
    numbers = {name: float(row.get(name, np.nan)) for name in ("difference", "low", "high")}
    needed = {name: float(pd.to_numeric(row.get(name, np.nan))) for name in ("seeds_needed", "cases_needed")}
    return Reference(row["reference"], verdict=row["verdict"], **numbers, **needed), False


def within_setting(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of losses with each other, not those of variants."""
    if "reference_variant" not in comparisons:
        return comparisons
    return comparisons[comparisons["reference_variant"] == comparisons["variant"]]


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
    if not answer.tied:
        return f"better than {'the other' if answer.others == 1 else f'all {answer.others} others'}"
    return f"tied with {len(answer.tied)} of {counted(answer.others, 'other')}"


def of_real_data(found: Sequence[Answer]) -> Sequence[Answer]:
    """Those of real data, or of phantoms where there are no others."""
    return [answer for answer in found if not answer.phantom] or found


def in_short(found: Sequence[Answer]) -> str:
    """What all answers for a kind have in common, of real data alone where there are any."""
    if not found:
        return "Not measured: no study of this call compares losses by these numbers on such data."
    chosen = of_real_data(found)
    data = "phantoms, no evidence about patients" if chosen[0].phantom else "real data"
    firsts = ", ".join(f"{loss} ({n} of {len(chosen)})" for loss, n in Counter(a.first for a in chosen).most_common(3))
    alone, unusable = sum(not answer.tied for answer in chosen), sum(bool(answer.trouble) for answer in chosen)
    shown = f"A loss is shown to be better than all others in {alone or 'none'} of them."
    failed = f" In {unusable} of them the first loss has trainings that failed or are poor (*)." if unusable else ""
    size = f"{_span([a.cases for a in chosen], 'case')}, {_span([a.seeds for a in chosen], 'seed')}"
    return f"{counted(len(chosen), 'comparison')} on {data} ({size}). Most often first: {firsts}. {shown}{failed}"


def _span(numbers: Sequence[int], noun: str) -> str:
    """``12 cases``, or ``8 to 12 cases``."""
    low, high = min(numbers), max(numbers)
    return counted(high, noun) if low == high else f"{low} to {counted(high, noun)}"


def good_choices(found: Sequence[Answer]) -> str:
    """The losses that are first, or not shown to be worse than the first, in all answers, else in most of them.

    Without those of which a training failed.
    """
    chosen = [answer for answer in of_real_data(found) if answer.compared]
    there = Counter(loss for answer in chosen for loss in (answer.first, *answer.tied, *answer.worse))
    good = Counter(
        loss for answer in chosen for loss in (answer.first, *answer.tied) if loss not in answer.failed
    ).most_common()
    if not good:
        return "Of every loss that is first or tied some training failed or is poor." if chosen else ""
    if always := [loss for loss, number in good if number == len(chosen)]:
        where = "here" if len(chosen) == 1 else f"in all {len(chosen)}"
        return f"First or tied {where}: {listed(always)}."
    most = [f"{loss} (in {number} of {there[loss]} where it was run)" for loss, number in good[:3]]
    return f"No loss is first or tied in all of them; most often {', '.join(most)}."


def needed_text(answer: Answer) -> str:
    """How many seeds or cases would decide between the first loss and the reference."""
    found = answer.reference
    if found is None or found.verdict != NOT_SHOWN:
        return ""
    if found.seeds_needed <= answer.seeds or found.cases_needed <= answer.cases:
        return f"clear of {found.loss} by itself, not after adjustment for the number of comparisons"
    ways = [
        counted(number, noun)
        for number, noun in ((found.seeds_needed, "seed"), (found.cases_needed, "case"))
        if not np.isnan(number)
    ]
    if ways:
        return f"about {' or '.join(ways)} would decide against {found.loss}"
    if answer.seeds < 2 or answer.pooled:
        return "more seeds are needed to decide"
    return f"not even {MOST_NEEDED:,} seeds, or cases, would decide against {found.loss}"


def against_reference(answer: Answer) -> tuple[str, str]:
    """Verdict, and the difference to the reference with its interval."""
    if answer.is_reference:
        return "is the reference", ""
    if answer.reference is None:
        return "not compared", ""
    found = answer.reference
    span = interval(found.low, found.high, answer.column)
    return f"{found.verdict}, against {found.loss}", f"{written(found.difference, answer.column, signed=True)} ({span})"


def rank_interval(answer: Answer) -> str:
    if np.isnan([answer.rank_low, answer.rank_high]).any():
        return "rank not known"
    return f"rank {whole(answer.rank_low)} to {whole(answer.rank_high)} of {answer.others + 1}"


def losses_first(found: Iterable[Answer]) -> list[Answer]:
    """Real data before phantoms."""
    return sorted(found, key=lambda answer: answer.phantom)
