"""Propose the settings of a trial of a search from the results of earlier trials."""

from pathlib import Path

import _root  # noqa: F401

from lib.cli import run


def main(configuration: dict, search: str, trial: int, output: Path, results: list[Path] | None = None) -> None:
    from lib.config.load import load
    from lib.files import write_json
    from lib.search.propose import propose
    from lib.search.trials import read_results

    of_search = load(configuration).searches[search]
    parameters = propose(of_search.search, trial, read_results(results or ()))
    chosen = of_search.trial(parameters)
    training = chosen.training_settings.model_copy(update={"run": f"{search}, trial {trial}"})
    kept = {"training": training, "inference": chosen.inference_settings}
    write_json(output, {"parameters": parameters} | {key: value.model_dump(mode="json") for key, value in kept.items()})


if __name__ == "__main__":
    run(main)
