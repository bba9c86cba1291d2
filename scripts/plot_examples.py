"""Draw test cases with their clean masks and what each loss predicts."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, note: str, output: Path) -> None:
    from lib.config import load
    from lib.paths import Paths
    from lib.plotting.examples import draw_examples

    loaded = load(configuration)
    paths = Paths(loaded.workflow.folders)
    runs = {
        Path(paths.run(run.id, "predictions")): {
            "prepared": paths.prepared(run.dataset),
            "split": run.split,
            "title": run.title,
            **run.evaluation_settings()["keys"],
        }
        for run in loaded.examples_of(study)
    }
    draw_examples(output, runs, note)


if __name__ == "__main__":
    run(main)
