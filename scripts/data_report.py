"""Tell what a prepared data set holds, what was left out of it and why, and show its cases."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    prepared: Path, title: str, fingerprint: Path, split: str, labels: dict, table: Path, excluded: Path, figure: Path
) -> None:
    import logging

    import pandas as pd

    from lib.datasets.index import read_index
    from lib.datasets.usage import excluded_cases, usage
    from lib.files import read_json, write_text
    from lib.labels import Labels
    from lib.plotting.data_report import case_table, draw_data_report
    from lib.store import StoredCase

    meaning = Labels(**labels)
    index = read_index(prepared / "index.json")
    cases = [StoredCase(prepared / case) for case in index.cases]
    used = [case for case in cases if not case.excluded]
    described = {case.name: case.description for case in cases}
    reasons = excluded_cases(index, described)
    write_text(table, case_table(used, index.splits, meaning).to_csv(index=False))
    write_text(excluded, pd.DataFrame(reasons.items(), columns=["case", "reason"]).to_csv(index=False))
    said = usage(index, described)
    draw_data_report(figure, title, used, meaning, said, read_json(fingerprint), split)
    logging.getLogger("lib").info("%s", "; ".join(said))


if __name__ == "__main__":
    run(main)
