"""What the rules share: paths, runs by their id, the cases, maps and settings of a job."""

import gc
import hashlib
import json
import os
import re
import shlex
import sys
from functools import cache
from itertools import chain

import snakemake.benchmark
from snakemake.dag import DAG

from lib.comparison.sets import CASES, COSTS, EXPORTS, TABLES, TERMS, TRAININGS, case_sets, costs_of_set, files_of_set
from lib.config.expand import with_options
from lib.config.planning import Planning
from lib.config.study import study_files
from lib.datasets.archives import is_archive, stem
from lib.datasets.index import SPLITS, read_index
from lib.datasets.own import digest_of_description
from lib.datasets.raw import digest_of_names, digest_of_states, digest_of_tables
from lib.datasets.sources import load_source, source_names
from lib.datasets.usage import usage_line
from lib.errors import SeglossError
from lib.files import sha256
from lib.measures.catalogue import MEASURES
from lib.networks.catalogue import NETWORKS
from lib.paths import Paths
from lib.plotting.catalogue import FIGURES
from lib.prediction.catalogue import POSTPROCESSING
from lib.search.rungs import total_epochs
from lib.provenance import code_version, in_project
from lib.report.sources import ASSETS
from lib.workflow.job_environment import hand_over_mirror, use_this_python, visible_gpus
from lib.workflow.code_changes import artifacts, code_changes, indexes_on_disk, present_code
from lib.training.settings import identity
from lib.workflow.stale import verify_plans

PATHS = Paths(CONFIG.workflow.folders)
RUNS = {run.id: run for run in CONFIG.needed_runs}
SEARCHES = CONFIG.searches
NOISES = {run.noise.name: run.noise for run in RUNS.values() if run.noise.alpha}
ON_GPU = CONFIG.device == "cuda"
GPUS = 0 if CONFIG.device == "cpu" else 1  # what a cluster is asked for
# Braces in these are filled when a job starts, so that another place or device re-runs nothing.
SCRIPTS = "{workflow.basedir:q}/scripts"
STUDY = "--configuration {CONFIG.as_json:q} --study {wildcards.study:q}"
PRODUCTS = "--products {output:q}"  # recorded, and verified when the next call makes its plan
TRACKING = "{CONFIG.workflow.folders.logs:q}/{CONFIG.workflow.name:q}"
PLUGINS = "--plugins {CONFIG.workflow.plugins:q}"
DEVICE = "--device {CONFIG.device} --threads {threads} --gpu-percent {resources.gpu_percent}"

use_this_python()
# Each look at a job's memory takes 25 ms of a core; twice a second that is a twentieth of its time.
snakemake.benchmark.BENCHMARK_INTERVAL_SHORT = 2
# The graph of jobs is of objects that stay: Python looks among them for garbage too often.
gc.set_threshold(50_000)


def one_of(names):
    """Constraint of a wildcard: one of some names."""
    names = [*map(re.escape, names)]
    return "|".join(names) if names else "none"


def limit(resource, value):
    """At most so much at once, where the command line and the profile do not say it."""
    if resource not in workflow.global_resources:
        workflow.register_resource(resource, value)


limit("downloads", 3)
if ON_GPU and (gpus := visible_gpus()):
    limit("gpu_percent", 100 * gpus)


# What these make is verified by them, and may be deleted once it is prepared.
UNRECORDED = {"download", "extract"}
if workflow.is_main_process:
    verify_plans(DAG, UNRECORDED)


wildcard_constraints:
    dataset=one_of(CONFIG.datasets),
    split="[^/]+",
    bundle="[0-9]+-[0-9]+",
    map_name=one_of(MAPS),
    run="[^/]+/[^/]+/[^/]+/[^/]+/seed-[0-9]+",
    search=one_of(SEARCHES),
    trial="[0-9]+",
    rung="[0-9]+",


def run_of(wildcards):
    if wildcards.run not in RUNS:
        raise WorkflowError(
            f"no run {wildcards.run!r} in the configuration as it is narrowed; its runs: {', '.join(RUNS)}"
        )
    return RUNS[wildcards.run]


def cases_of(dataset):
    """The index of a data set and the bundles of its cases; waits for the checkpoint that finds them among raw files."""
    if known := CONFIG.datasets[dataset].known_index:
        return known, known.bundles(CONFIG.workflow.cases_per_job)
    while origin := CONFIG.datasets[dataset].origin:
        dataset = origin
    path = Path(checkpoints.index.get(dataset=dataset).output[0])
    return cases_as_of(path, path.stat().st_mtime_ns)


@cache
def cases_as_of(path, changed):
    """Read once for all jobs; again when the file has ``changed``."""
    index = read_index(path)
    return index, index.bundles(CONFIG.workflow.cases_per_job)


def prepared_folder(wildcards):
    """Params function: the folder of the data set's cases."""
    return PATHS.prepared(dataset_and_split(wildcards)[0])


def dataset_and_split(wildcards):
    if "run" in wildcards.keys():
        run = run_of(wildcards)
        return run.dataset, run.split
    return wildcards.dataset, wildcards.split


def bundles_of_part(dataset, split, part):
    """The names of the bundles that hold the cases of one part of a split (train, validation, test)."""
    index = cases_of(dataset)[0]
    if split not in index.splits:
        raise WorkflowError(f"data set {dataset} has no split {split!r}; its splits: {', '.join(index.splits)}")
    return index.bundles_of_part(CONFIG.workflow.cases_per_job, split, part)


def bundles_option(files):
    """Options that name some bundles to a script: their names alone, so that the line stays short for thousands of cases."""
    folder = Path(files[0]).parent if files else "."
    return option("folder", folder) + option("bundles", json.dumps([Path(file).stem for file in files]))


def option(name, *values):
    """An option of a script with its values, quoted for the shell; empty if there is none."""
    return f" --{name} {shlex.join(map(str, values))}" if values else ""


def split_parts(*parts):
    """Input function: files that list all cases of some parts of the job's split, their arrays by checksum.

    One file a part stands for thousands of cases, so that the graph does not grow with runs times cases.
    """
    return lambda wildcards: [PATHS.part(*dataset_and_split(wildcards), part) for part in parts]


def grid_of(run):
    """The file by which training cases decide the grid: a plan, or the fingerprint for a median; none of other runs."""
    if run.settings.plan:
        return [PATHS.plan(run.dataset, run.split, run.settings.plan_name)]
    return [PATHS.fingerprint(run.dataset, run.split)] if run.settings.resampling.spacing == "median" else []


def of_data(run):
    """The files by which training cases decide settings of the run: those of the grid, and the budget where it counts."""
    is_budgeted = run.settings.training.steps_per_epoch == "planned"
    return grid_of(run) + ([PATHS.budget(run.condition)] if is_budgeted else [])


def estimate_of(run):
    """The estimate of the time that all takes, which is said before any training."""
    return [ancient(PATHS.budget(run.condition))] if run.settings.plan else []


def settings_of_costs(run):
    """What decides the training and the inference of a run, for a script that measures their costs."""
    chosen = {"training": run.training_settings, "inference": run.inference_settings}
    return json.dumps({name: one.model_dump(mode="json", exclude_defaults=True) for name, one in chosen.items()})


def run_parts(run, dataset, part):
    """A file that lists the cases of a part of the split, of the run's data set or of one that is made of it."""
    return [PATHS.part(getattr(run, dataset), run.split, part)]


def noisy_set(run, file=""):
    return PATHS.noisy(run.dataset, run.split, run.noise.name, file)


def noise_table_of(run):
    return PATHS.noise_table(run.dataset, run.split, run.noise.name) if run.noise.alpha else None


def data_code(*modules):
    """Hash of the code that makes data of which trainings are made, whose change would train every run again.

    At paper scale it is reported with the result instead.
    """
    return code_version(*modules) if CONFIG.workflow.scale == "demo" else ""


def notes_on_code():
    """Notes on what paper scale keeps though the code has changed; at demo scale it is made again."""
    if CONFIG.workflow.scale == "demo":
        return
    if changed := code_changes(artifacts(CONFIG.runs, CONFIG, indexes_on_disk(CONFIG))):
        yield (
            f"{len(changed)} trained runs and sets of data are kept though other code had a part in making them;"
            f" {PATHS.result('<study>/code_changes.csv')} names them. To train a run anew, delete its folder;"
            " to make data anew, and all that is trained on them: --forcerun prepare (or make_maps, make_noise)"
        )


def runs_of(study):
    """The runs of a study; refused, by name, where there is none to make a table or figure of."""
    if not (runs := CONFIG.runs_of(study)):
        raise WorkflowError(f"study {study!r} has no run at {CONFIG.workflow.scale} scale as it is narrowed")
    return runs


def tables_in(place):
    """The tables of a study, or of what is analysed again, in a folder of the results."""
    return [PATHS.result(f"{place}/{name}") for name in (*map("{}.csv".format, TABLES), CASES, TRAININGS, TERMS)]


def reported(path, caption, category, **labels):
    """An output that ``snakemake --report`` shows, with a caption of `rules/captions/`."""
    return report(path, caption=f"captions/{caption}.rst", category=category, labels=labels or None)


def study_noise(study):
    return sorted(set(filter(None, map(noise_table_of, CONFIG.runs_of(study)))))


def print_lines_on_data(directory):
    """Say what of each data set is used; Snakemake has left its working directory by then."""
    os.chdir(directory)
    for name in dict.fromkeys([*datasets_used(), *CONFIG.workflow.own_data]):
        try:
            line = usage_line(name, PATHS, CONFIG.workflow.cases_per_job)
        except SeglossError as error:
            line = f"data {name}: {error}"
        if line:
            print(line, file=sys.stderr)


def datasets_used():
    return sorted({run.dataset for run in CONFIG.runs})
