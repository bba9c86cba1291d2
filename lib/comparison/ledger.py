"""Published numbers with what was reached next to them, and published claims with what the comparisons say."""

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import RootModel
from scipy import stats

from lib.comparison.claims import EVIDENCE, Correlations, published_evidence
from lib.comparison.results import ALL, StudyResults
from lib.comparison.statistics import BETTER, EQUIVALENT, LEVEL, NOT_SHOWN, WORSE
from lib.config.schema import FACTORS
from lib.config.study_schema import OVER_EPOCHS, Published
from lib.datasets import DATASETS
from lib.datasets.sources import load_source
from lib.fields import Name, NameList, Section, Text
from lib.measures.catalogue import Column
from lib.strict_yaml import read_yaml
from lib.validation import validated

INSIDE, HIGHER, LOWER = "reproduced", "higher", "lower"
NOT_COMPARABLE, NOT_RUN = "not comparable", "not run"
EXACT, SAME, OTHER, REDUCED = "exact digits", "same protocol", "other protocol", "reduced"
HAD = {"request": "; data on request only", "registration": "; data after registration only"}
EPOCHS = {"mean": "the mean over the last epochs", "best_test": "of the epoch that is best on the test cases"}
SUFFIX = {"last": "", "mean": OVER_EPOCHS[0], "best_test": OVER_EPOCHS[1]}
COLUMNS = [
    *("dataset", "title", "published_loss", *FACTORS, "structure", "metric", "label", "published", "spread"),
    *("spread_kind", "n", "source", "our_dataset", "loss", "variant", "cut", "seeds", "ours", "ours_sd", "low", "high"),
    *("difference", "verdict", "attempt", "remark", "reason"),
]
CLAIM_COLUMNS = [
    *("claim", "source", "dataset", "noise", "loss", "relation", "than", "column"),
    *(
        "our_dataset",
        "our_loss",
        "variant",
        "seeds",
        "cases",
        "difference",
        "low",
        "high",
        "p_holm",
        "verdict",
        "attempt",
    ),
    *EVIDENCE,
]


def ledger(results: StudyResults, summary: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Every published number of a study, a row for each loss and variant that was run for it, or ``not run``.

    Args:
        summary: one row for each loss, cut and structure, as :func:`lib.comparison.summary.by_loss` makes it.
        published: rows of a table of `published/`.

    Returns:
        :data:`COLUMNS`. ``low`` to ``high``: where a mean over as many seeds as published (as ours, where it is not
        known) of trainings like ours would lie with a probability of 95 %; none for a single seed. ``verdict``: the
        published value lies there (``reproduced``), or ours is ``higher`` or ``lower``; it cannot be judged of one seed
        (``not shown``), our runs have no such number (``not comparable``), or it was not attempted (``not run``, for a
        ``reason``). ``attempt``: ``same protocol`` at paper scale in the variants that the study names for it,
        ``other protocol`` in others, and ``reduced``.
    """
    rows = []
    for printed in published.to_dict("records"):
        fixed = _fixed(printed, results)
        same = summary[_matches(summary, printed, results)]
        rows += [fixed | _reached(row, printed, results) for row in same.to_dict("records")]
        if same.empty:
            rows.append(fixed | {"verdict": NOT_RUN, "reason": _why_not_run(printed["dataset"], results)})
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def _why_not_run(dataset: str, results: StudyResults) -> str:
    standing = standing_for(dataset, results.published)
    if standing & {run.keys["dataset"] for run in results.runs}:
        return "loss, setting or number not among the runs"
    return f"data set not run at {results.scale} scale{how_had(standing)}" if standing else "no such data set here"


def standing_for(dataset: str, published: Published | None) -> set[str]:
    """Our data sets that stand for a published one."""
    ours = published.datasets if published else {}
    return {name for name in {dataset, *ours} & DATASETS.keys() if ours.get(name, name) == dataset}


def how_had(datasets: Iterable[str]) -> str:
    """How data are had that nobody can download, where that is so of all of some data sets; otherwise empty."""
    access = [{load_source(source).access for source in DATASETS[name].sources} for name in datasets]
    return next((text for kind, text in HAD.items() if access and all(kind in needed for needed in access)), "")


def _fixed(printed: Mapping[str, Any], results: StudyResults) -> dict[str, Any]:
    column = results.columns.get(printed["metric"], Column(printed["metric"], printed["metric"]))
    same = ("dataset", *FACTORS, "structure", "metric", "spread", "spread_kind", "n", "source")
    return {name: printed[name] for name in same} | {
        "title": _title(printed["dataset"], results),
        "published_loss": printed["loss"],
        "label": column.axis,
        "published": printed["value"],
    }


def _title(dataset: str, results: StudyResults) -> str:
    """Of the published data set, or of ours that stands for it."""
    ours = {theirs: name for name, theirs in results.published.datasets.items()} if results.published else {}
    return results.titles.get(dataset) or results.titles.get(ours.get(dataset, ""), dataset)


def _matches(summary: pd.DataFrame, printed: Mapping[str, Any], results: StudyResults) -> pd.Series:
    """Rows of the summary that stand for the published row; a factor that this leaves empty may be any."""
    names = results.published.names if results.published else {}
    matches = summary["cut"] == results.runs[0].cuts[0]
    for column in ("dataset", "loss"):
        matches &= summary[column].replace(dict(names.get(column, {}))) == printed[column]
    for factor in FACTORS:
        if pd.notna(printed[factor]):
            matches &= summary[factor] == printed[factor]
    structure = printed["structure"] if pd.notna(printed["structure"]) else ALL
    known = printed["metric"] in summary
    return matches & (summary["structure"] == structure) & known


def _reached(row: Mapping[str, Any], printed: Mapping[str, Any], results: StudyResults) -> dict[str, Any]:
    """Of the epochs that the publication would report where the run has them, else of its network."""
    metric, suffix = printed["metric"], SUFFIX[printed["epochs"]]
    read = metric + suffix if pd.notna(row.get(metric + suffix)) else metric
    value, sd, seeds = row[read], row.get(f"{read}_sd", np.nan), row["seeds"]
    low, high = prediction_interval(value, sd, seeds, printed["n"] if printed["spread_kind"] == "seeds" else np.nan)
    remarks = []
    if read.endswith(OVER_EPOCHS[1]):
        remarks.append(f"epoch chosen on the test cases, as published; last: {row[metric]:.3f}")
    elif read != metric + suffix:
        remarks.append(f"of the network that was kept, not {EPOCHS[printed['epochs']]}")
    column = results.columns.get(metric)
    if column and column.context and pd.notna(row.get(column.context[1])):
        remarks.append(f"{column.context[0]}: {row[column.context[1]]:.3f}")
    return {
        **{key: row[key] for key in ("loss", "variant", "cut", "seeds", *FACTORS)},
        "ours": value,
        "ours_sd": sd,
        "low": low,
        "high": high,
        "difference": value - printed["value"],
        "verdict": _verdict(value, low, high, printed["value"]),
        "our_dataset": row["dataset"],
        "attempt": _attempt(row, results),
        "remark": "; ".join(remarks),
    }


def _verdict(ours: float, low: float, high: float, published: float) -> str:
    if np.isnan(ours):
        return NOT_COMPARABLE
    if np.isnan(low):
        return NOT_SHOWN
    if low <= published <= high:
        return INSIDE
    return HIGHER if ours > published else LOWER


def _attempt(row: Mapping[str, Any], results: StudyResults) -> str:
    if row["scale"] != "paper":
        return REDUCED
    variants = results.published.variants if results.published else []
    return SAME if row["variant"] in variants else OTHER


def prediction_interval(mean: float, sd: float, n: float, n_other: float) -> tuple[float, float]:
    """Where the mean of ``n_other`` (NaN: ``n``) draws lies at ``LEVEL``, given mean and sd of ``n`` others."""
    if not n > 1 or np.isnan(sd):
        return np.nan, np.nan
    other = n if np.isnan(n_other) else n_other
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * sd * np.sqrt(1 / n + 1 / other)
    return mean - half, mean + half


class Claim(Section):
    """What a publication says of a loss and each of some others, with its names; ``noise`` of the training masks.

    ``column``: of `runs.csv`; ``metric``: that of the published table where it has another name, apart from epochs.
    """

    claim: Text
    source: Text
    datasets: NameList
    loss: Name
    relation: Literal["better", "equivalent"] = "better"
    than: NameList
    column: Name
    metric: Name | None = None
    noise: NameList = ["clean"]


class Claims(RootModel[dict[str, list[Claim]]]):
    """`published/claims.yaml`: claims by study."""


def read_claims(path: Path, study: str) -> list[Claim]:
    """The claims of a study out of the file of all claims.

    Raises:
        SeglossError: any fault of the file.
    """
    where = f"published/{path.name}"
    return validated(Claims, read_yaml(path, where), where).root.get(study, [])


def judged(
    claims: Iterable[Claim],
    results: StudyResults,
    comparisons: pd.DataFrame,
    published: pd.DataFrame,
    per_run: pd.DataFrame,
) -> pd.DataFrame:
    """Each claim, a row for each variant that was run for it, with the comparison that decides it.

    ``verdict``: ``holds``, ``does not hold`` (the opposite, or equivalence, is shown), ``not shown`` or ``not run``.
    What the published numbers say by themselves: :func:`lib.comparison.claims.published_evidence`.

    Args:
        published: rows of a table of `published/`.
        per_run: rows of :func:`lib.comparison.summary.run_rows`.
    """
    rows, measured = [], Correlations(results, per_run)
    for claim in claims:
        for dataset, noise, other in itertools.product(claim.datasets, claim.noise, claim.than):
            fixed = claim.model_dump(include={"claim", "source", "loss", "relation", "column"})
            fixed |= {"dataset": dataset, "noise": noise, "than": other}
            fixed |= published_evidence(fixed, claim.metric, published, measured)
            found = [*_compared(fixed, results, comparisons)]
            rows += [fixed | row for row in found] or [fixed | {"verdict": NOT_RUN}]
    return pd.DataFrame(rows).reindex(columns=CLAIM_COLUMNS)


def _compared(claim: Mapping[str, str], results: StudyResults, comparisons: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """The comparisons of the two losses of a claim, whichever was the reference."""
    if comparisons.empty:
        return
    names = results.published.names if results.published else {}
    ours = {
        column: comparisons[column].replace(dict(names.get("dataset" if column == "dataset" else "loss", {})))
        for column in ("dataset", "loss", "reference")
    }
    same = (ours["dataset"] == claim["dataset"]) & (comparisons["noise"] == claim["noise"])
    same &= (comparisons["column"] == claim["column"]) & (comparisons["cut"] == results.runs[0].cuts[0])
    for sign, loss, other in ((1, claim["loss"], claim["than"]), (-1, claim["than"], claim["loss"])):
        for row in comparisons[same & (ours["loss"] == loss) & (ours["reference"] == other)].to_dict("records"):
            low, high = sorted((sign * row["low"], sign * row["high"]))
            yield {
                **{name: row[name] for name in ("variant", "seeds", "cases", "p_holm")},
                "difference": sign * row["difference"],
                "low": low,
                "high": high,
                "verdict": _holds(claim["relation"], row["verdict"], sign),
                "our_dataset": row["dataset"],
                "our_loss": row["loss"] if sign > 0 else row["reference"],
                "attempt": _attempt(row, results),
            }


def _holds(relation: str, verdict: str, sign: int) -> str:
    if verdict == NOT_SHOWN:
        return NOT_SHOWN
    found = {BETTER: WORSE, WORSE: BETTER}.get(verdict, verdict) if sign < 0 else verdict
    return "holds" if found == (BETTER if relation == "better" else EQUIVALENT) else "does not hold"
