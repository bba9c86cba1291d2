"""Runs that were trained at another scale are not replaced."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lib.config.run import Run
from lib.errors import SeglossError
from lib.files import read_json
from lib.paths import Paths


def check_scale(runs: Iterable[Run], paths: Paths) -> None:
    """Check that no run lies where one of another scale has been trained, as runs on a user's own data may.

    Raises:
        SeglossError: one does.
    """
    for run in runs:
        provenance = Path(paths.run(run.id, "provenance.json"))
        scale = run.scale
        with suppress(SeglossError, KeyError, TypeError):  # a missing or damaged one is made again
            scale = read_json(provenance)["scale"]
        if scale != run.scale:
            raise SeglossError(
                f"{provenance.parent}: trained at {scale} scale, and would be replaced by {run.scale} scale; choose"
                f" another folder (folders: {{results: results_{run.scale}, plots: plots_{run.scale}}}), or delete it"
            )
