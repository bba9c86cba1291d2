"""The comparison of a study in the forms that other programs open: challengeR, Rankings Reloaded, LaTeX, Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from lib.comparison.results import KEYS, SETTING, EvaluatedRun, StudyResults
from lib.comparison.statistics import Seeds, by_case, by_setting, mean_of
from lib.comparison.summary import directed_columns
from lib.files import atomic_path

CHALLENGE = "challenge"
"""The folder of case-level tables, below that of the exports."""


def write_exports(results: StudyResults, tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write `challenge/<column>.csv`, `summary.md` and `summary.tex` to a folder, in place of what is there.

    Args:
        tables: of the study, by name.
    """
    summary = summary_table(results, tables)
    with atomic_path(folder) as unfinished:
        (unfinished / CHALLENGE).mkdir(parents=True)
        for column, rows in challenge_tables(results.runs, results.primary_cut):
            rows.to_csv(unfinished / CHALLENGE / f"{column}.csv", index=False, na_rep="NA")
        (unfinished / "summary.md").write_text(summary.to_markdown(index=False) + "\n", encoding="utf-8")
        latex = summary.to_latex(index=False, escape=True, float_format="%.3f")
        (unfinished / "summary.tex").write_text(latex, encoding="utf-8")


def challenge_tables(runs: Sequence[EvaluatedRun], cut: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Of each column of cases of which high or low is better: ``task``, ``case``, ``alg`` (the loss) and ``value``.

    These are the columns of challengeR's `as.challenge` (Wiesenfarth et al., Scientific Reports 2021) and of Rankings
    Reloaded. A task is a setting; a value is the mean over the structures of a case and over the seeds that all losses
    of the task have, so that there is one of each case and loss, missing where any of these is.
    """
    cases = {
        (_task(setting), loss): [by_case([run], cut)[0] for seed, run in of_seeds.items() if seed in shared]
        for setting, by_loss in by_setting(runs).items()
        for shared in [set.intersection(*(set(of_seeds) for of_seeds in by_loss.values()))]
        for loss, of_seeds in by_loss.items()
    }
    for column in directed_columns(runs):
        values = {
            key: pd.concat([table[column] for table in of_seeds], axis=1).mean(axis=1, skipna=False)
            for key, of_seeds in cases.items()
            if of_seeds and column in of_seeds[0]
        }
        if values:
            rows = pd.concat(values, names=["task", "alg", "case"]).rename("value").reset_index()
            yield column, rows[["task", "case", "alg", "value"]]


def _task(setting: Sequence[str]) -> str:
    return " ".join(setting[1:])


def summary_table(results: StudyResults, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row for each loss of each setting, with the column by which the study judges: mean, difference, verdict, rank.

    Intervals (95 %) stand in brackets. Settings are named by what differs between them.
    """
    overall, column = results.overall(tables["runs"]), results.primary.column
    judged = {name: _of_primary(tables[name], results) for name in ("comparisons", "ranks")}
    rows = [
        _summary_row(of_seeds, results, overall, judged)
        for by_loss in by_setting(results.runs).values()
        for of_seeds in by_loss.values()
    ]
    table = pd.DataFrame(rows)
    same = [name for name in SETTING if len(set(table[name])) == 1]
    label = results.columns[column].label if column in results.columns else column
    return table.drop(columns=same).rename(columns={"mean": label})


def _of_primary(table: pd.DataFrame, results: StudyResults) -> pd.DataFrame:
    return table[(table["column"] == results.primary.column) & (table["cut"] == results.primary_cut)]


def _summary_row(
    of_seeds: Seeds, results: StudyResults, overall: pd.DataFrame, judged: Mapping[str, pd.DataFrame]
) -> dict[str, object]:
    runs = [*of_seeds.values()]
    keys = {name: runs[0].keys[name] for name in KEYS}
    found = mean_of(runs, results.primary.column, results.primary_cut, overall)
    of_loss = {name: table[(table[KEYS] == [*keys.values()]).all(axis=1)] for name, table in judged.items()}
    row = keys | {"seeds": len(runs), "mean": _with_interval(found.mean, found.low, found.high)}
    compared = of_loss["comparisons"].to_dict("records")
    row["compared with"] = _joined(_reference(one) for one in compared)
    row["difference"] = _joined(_with_interval(one["difference"], one["low"], one["high"]) for one in compared)
    row["verdict"] = _joined(one["verdict"] for one in compared)
    row["rank"] = _joined(
        f"{one['rank']:g} [{one['low']:g}, {one['high']:g}]" for one in of_loss["ranks"].to_dict("records")
    )
    return row


def _reference(row: Mapping[str, str]) -> str:
    own = row["reference_variant"] == row["variant"]
    return row["reference"] if own else f"{row['reference']} ({row['reference_variant']})"


def _with_interval(mean: float, low: float, high: float) -> str:
    return f"{mean:.3f}" if pd.isna(low) else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _joined(texts: Iterator[str]) -> str:
    return "; ".join(texts)
