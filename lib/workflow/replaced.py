"""Finished runs that a call would replace."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lib.config.run import Configuration, Run
from lib.errors import SeglossError
from lib.files import read_json
from lib.paths import Paths
from lib.training.settings import asked


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


def replaced_trainings(configuration: Configuration, paths: Paths) -> Iterator[str]:
    """A note on finished trainings in whose place ``settings`` or ``weights`` of the configuration put others."""
    workflow = configuration.workflow
    if not (workflow.settings or workflow.weights):
        return
    replaced = [run.id for run in configuration.runs if _is_replaced(run, paths, run.id in workflow.weights)]
    if replaced:
        yield (
            f"settings or weights of the configuration replace {len(replaced)} finished trainings, such as"
            f" {replaced[0]}; to keep them, give this call folders of its own"
            " (folders: {results: results_other, plots: plots_other})"
        )


def _is_replaced(run: Run, paths: Paths, given: bool) -> bool:
    with suppress(SeglossError, AttributeError):  # missing, or damaged, and made again
        settings = asked(read_json(Path(paths.run(run.id, "provenance.json"))))
        return bool(settings) and (given or not run.training_settings.same_as(settings))
    return False
