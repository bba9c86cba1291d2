"""Say what a search has found: its trials, the settings of the best one, what mattered, and Optuna's journal."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    configuration: dict,
    search: str,
    results: list[Path],
    trials: Path,
    table: Path,
    best: Path,
    importance: Path,
    journal: Path,
) -> None:
    import logging

    import pandas as pd

    from lib.config.load import load
    from lib.files import read_json, write_json, write_text
    from lib.search import outcome
    from lib.search.rungs import budget
    from lib.search.trials import by_rung, trial_folder

    of_search = load(configuration).searches[search]
    found = by_rung(results, of_search.rungs)
    number = outcome.best(of_search.search, found)
    write_text(table, outcome.trials_table(of_search.search, found).to_csv(index=False))
    shares = outcome.importance(of_search.search, found)
    write_text(importance, pd.DataFrame(shares.items(), columns=["parameter", "importance"]).to_csv(index=False))
    outcome.write_journal(journal, of_search.search, found, search)
    write_json(best, {"trial": number} | read_json(trial_folder(trials, number) / "settings.json"))
    logging.getLogger("lib").info("%s; best: trial %d", budget(of_search.rungs), number)


if __name__ == "__main__":
    run(main)
