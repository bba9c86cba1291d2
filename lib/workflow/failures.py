"""What failed runs have left to read, for the end of a call in which thousands may have been trained."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from lib.config.run import Run
from lib.paths import Paths

STEPS = {"train": "weights.pt", "predict": "predictions.json"}
SHOWN = 20


def failure_report(runs: Iterable[Run], paths: Paths) -> Iterator[str]:
    """A line for each run that was begun and has not ended: its log and the last line of that; ``SHOWN`` at most."""
    failed = [log for run in runs if (log := _log_of_failure(run, paths))]
    if failed:
        yield f"{len(failed)} of the runs were begun and have not ended; what their logs say last:"
    for log in islice(failed, SHOWN):
        lines = log.read_text(errors="replace").split("\n")
        yield f"  {log}: {next(filter(str.strip, reversed(lines)), 'nothing')}"
    if len(failed) > SHOWN:
        yield f"  ... and {len(failed) - SHOWN} more"


def _log_of_failure(run: Run, paths: Paths) -> Path | None:
    for step, made in STEPS.items():
        log = Path(paths.log(f"{step}/{run.id}"))
        if log.exists() and not Path(paths.run(run.id, made)).exists():
            return log
    return None
