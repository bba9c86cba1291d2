"""Runs that were trained with other code than the present one, which paper scale keeps and tells of."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib.config import Run
from lib.files import read_json
from lib.losses.specification import resolved
from lib.paths import Paths
from lib.training.code import training_code

COLUMNS = ("dataset", "variant", "loss", "seed", "trained_with", "present_code")


def present_code(run: Run) -> str:
    """Hash of the code that would train the run now."""
    return training_code(run.settings.network.name, resolved(run.loss_specification))


def code_changes(runs: Iterable[Run], paths: Paths) -> list[dict[str, Any]]:
    """A row of ``COLUMNS`` for each trained run of whose training other code had a part.

    Raises:
        SeglossError: what stands beside a trained run is damaged.
    """
    rows = []
    for run in runs:
        provenance = Path(paths.run(run.id, "provenance.json"))
        if not provenance.exists():
            continue
        parts = read_json(provenance, "delete it to train the run again")["parts"]
        codes = list(dict.fromkeys(part["code"] for part in parts))
        if codes != [present_code(run)]:
            told = (run.dataset, run.variant, run.loss, run.seed, " ".join(codes), present_code(run))
            rows.append(dict(zip(COLUMNS, told, strict=True)))
    return rows
