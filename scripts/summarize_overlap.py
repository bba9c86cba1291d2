"""Gather the evaluated runs of a study of overlap in tables: per loss beside published numbers, per run, and tests."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    configuration: dict,
    study: str,
    summary: Path,
    per_run: Path,
    tests: Path,
    published: Path,
    table: str = "",
    published_names: dict | None = None,
) -> None:
    import pandas as pd

    from lib.comparison import overlap_summary
    from lib.comparison.differences import differing, pairwise_tests
    from lib.comparison.runs import EvaluatedRun, by_loss
    from lib.files import write_text

    runs = EvaluatedRun.of_study(configuration, study)
    rows = pd.DataFrame(map(overlap_summary.run_row, runs))
    tested = pairwise_tests(rows, overlap_summary.METRIC)
    losses = by_loss(rows, overlap_summary.SAME_FOR_ALL_SEEDS)
    losses["differs_from"] = differing(losses, tested)
    if table:
        printed = pd.read_csv(published / f"{table}.csv")
        losses = overlap_summary.beside_published(losses, printed, published_names or {})
    for path, content in ((summary, losses), (per_run, rows), (tests, tested)):
        write_text(path, content.round(6).to_csv(index=False))


if __name__ == "__main__":
    run(main)
