"""Successive halving against training every trial to its end, on the search space of the liver benchmark's demo.

    envs/run snakemake --cores all --config studies=liver_benchmark variants=base seeds=0   # its cases and maps
    envs/run python benchmarks/halving.py

Every trial is trained to its end once and measured after each epoch. As a trial that is dropped is a training that
ends early, along the same learning rates, these numbers say whom halving would have kept.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lib.config.load import load  # noqa: E402
from lib.config.search import RunSearch  # noqa: E402
from lib.config.study_schema import StudySearch  # noqa: E402
from lib.paths import Paths  # noqa: E402
from lib.search.result import Result  # noqa: E402
from lib.search.rungs import promoted, total_epochs  # noqa: E402

MEASURE = "dice"


def search_of_the_demo(seed: int, trials: int, rungs: dict | None) -> RunSearch:
    """The search of the study's demo with other trials, all of which are known beforehand."""
    (found,) = load({"studies": ["liver_benchmark"], "variants": ["tuned"]}, ROOT).searches.values()
    values = found.search.model_dump(exclude_unset=True) | {"sampler": "random", "trials": trials, "rungs": rungs}
    return replace(found, search=StudySearch.model_validate(values | {"seed": seed}))


def trained(seed: int, trials: int, number: int) -> list[float]:
    """The measure of the validation cases after each epoch of a trial; none of a training that diverged."""
    from lib.errors import Diverged
    from lib.search.propose import propose
    from lib.training.job import trainer_for

    search = search_of_the_demo(seed, trials, None)
    run, paths = search.trial(propose(search.search, number, {})), Paths(load({}, ROOT).workflow.folders)
    maps = [Path(paths.maps(run.trained_on, run.split, name)) for name in run.maps]
    measured = [Path(paths.part(run.dataset, run.split, "validation"))]
    data = Path(paths.prepared(run.trained_on)), Path(paths.part(run.trained_on, run.split, "train"))
    with TemporaryDirectory() as folder:
        how = {"save_every": 10**6, "scale": "demo", "device": "cpu", "threads": 1, "gpu_percent": 0}
        trainer = trainer_for(
            run.training_settings, *data, Path(folder) / "checkpoint.pt", measured=measured, maps=maps, **how
        )
        try:
            return [row[f"validation_{MEASURE}"] for row in trainer.train().rows]
        except Diverged:
            return []


def halved(values: list[list[float]], search: RunSearch) -> tuple[float, float]:
    """The measure at the end of the trial that halving finds, and its share of the epochs of all trials."""
    *rungs, last = search.rungs
    going_on = [*range(len(values))]
    for rung, following in zip(rungs, [*rungs[1:], last], strict=True):
        results = {
            number: Result({}, rung.epochs, {MEASURE: values[number][rung.epochs - 1]} if values[number] else None)
            for number in going_on
        }
        going_on = promoted(results, following.trials, MEASURE)
    best = max(values[number][-1] for number in going_on if values[number])
    return best, total_epochs(search.rungs) / (len(values) * last.epochs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--rungs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--values", type=Path, default=Path("halving.json"), help="what has been trained is kept here")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    kept = json.loads(chosen.values.read_text()) if chosen.values.exists() else {}
    places = [(seed, chosen.trials, number) for seed in range(chosen.seeds) for number in range(chosen.trials)]
    missing = [place for place in places if repr(place) not in kept]
    with ProcessPoolExecutor(chosen.jobs) as pool:
        jobs = {place: pool.submit(trained, *place) for place in missing}
        for place, job in jobs.items():
            kept[repr(place)] = job.result()
            chosen.values.write_text(json.dumps(kept))
    rungs = {"epochs": chosen.rungs, "factor": chosen.factor}
    print(
        "| seed of the trials | best of all | found by halving | below | share of the epochs |\n|--:|--:|--:|--:|--:|"
    )
    for seed in range(chosen.seeds):
        values = [kept[repr((seed, chosen.trials, number))] for number in range(chosen.trials)]
        best = max(value[-1] for value in values if value)
        found, share = halved(values, search_of_the_demo(seed, chosen.trials, rungs))
        print(f"| {seed} | {best:.4f} | {found:.4f} | {best - found:.4f} | {share:.2f} |")


if __name__ == "__main__":
    main()
