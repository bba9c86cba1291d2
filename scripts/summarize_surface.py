"""Gather the evaluated runs of a study of surfaces in tables: per loss, per run, tests, beside published numbers."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    configuration: dict,
    study: str,
    summary: Path,
    per_run: Path,
    tests: Path,
    beside_published: Path,
    published: Path,
    table: str = "",
    published_names: dict | None = None,
) -> None:
    import pandas as pd

    from lib.comparison import surface_summary
    from lib.comparison.differences import differing, pairwise_tests
    from lib.comparison.runs import EvaluatedRun, by_loss
    from lib.config.load import load
    from lib.files import write_text

    runs = EvaluatedRun.of_study(configuration, study)
    rows = pd.DataFrame(map(surface_summary.run_row, runs))
    tested = pairwise_tests(rows, surface_summary.METRIC)
    losses = by_loss(rows, surface_summary.SAME_FOR_ALL_SEEDS)
    losses["differs_from"] = differing(losses, tested)
    printed = pd.read_csv(published / f"{table}.csv") if table else pd.DataFrame()
    titles = {name: dataset.title for name, dataset in load(configuration).datasets.items()}
    beside = surface_summary.beside_published(losses, printed, published_names or {}, titles)
    tables = {summary: losses, per_run: rows, tests: tested, beside_published: beside}
    for path, content in tables.items():
        write_text(path, content.round(6).to_csv(index=False))


if __name__ == "__main__":
    run(main)
