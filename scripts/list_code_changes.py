"""List the trained runs of a study, and the data made for them, in which other code than the present had a part."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, table: Path) -> None:
    import pandas as pd

    from lib.config.load import load
    from lib.files import write_text
    from lib.workflow.code_changes import COLUMNS, artifacts, code_changes, indexes_on_disk

    loaded = load(configuration)
    rows = code_changes(artifacts(loaded.runs_of(study), loaded, indexes_on_disk(loaded)))
    write_text(table, pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(index=False))


if __name__ == "__main__":
    run(main)
