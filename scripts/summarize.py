"""Gather the evaluated runs of a study of lesions in tables: per loss, per run, and recall by lesion size."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(
    configuration: dict, study: str, references: dict, summary: Path, per_run: Path, by_size: Path
) -> None:
    import pandas as pd

    from lib.comparison.runs import by_loss
    from lib.comparison.summary import SAME_FOR_ALL_SEEDS, LesionRun, run_row, size_table
    from lib.files import read_json, write_text

    evaluated = LesionRun.of_study(configuration, study)
    dice = {part: read_json(Path(path))["band_pass_dice"] for part, path in references.items()}
    rows = pd.DataFrame([run_row(one, dice[one.part]) for one in evaluated])
    table = by_loss(rows, SAME_FOR_ALL_SEEDS)
    for path, content in ((summary, table), (per_run, rows), (by_size, size_table(evaluated))):
        write_text(path, content.round(6).to_csv(index=False))


if __name__ == "__main__":
    run(main)
