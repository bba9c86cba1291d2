"""Draw test cases with what each loss predicts, or one with its distance map and where they are wrong."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, study: str, figure: str, note: str, output: Path) -> None:
    from lib.config.load import load
    from lib.paths import Paths
    from lib.plotting.distance_pictures import draw_distance_pictures
    from lib.plotting.examples import draw_examples

    loaded = load(configuration)
    paths = Paths(loaded.workflow.folders)
    runs = {
        Path(paths.run(run.id, "predictions")): {
            "prepared": paths.prepared(run.dataset),
            "cases": paths.part(run.dataset, run.split, "test"),
            "title": run.title,
            "labels": run.labels,
            **run.evaluation_settings()["keys"],
        }
        for run in loaded.examples_of(study)
    }
    draw = {"examples": draw_examples, "distances": draw_distance_pictures}[figure]
    draw(output, runs, note)


if __name__ == "__main__":
    run(main)
