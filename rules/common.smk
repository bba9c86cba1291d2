"""What the rules share: paths, runs by their id, the cases, maps and settings of a job."""

import json
from itertools import chain

from lib.datasets import DATASETS
from lib.datasets.sources import load_source, source_names
from lib.job_environment import use_this_python
from lib.losses import specification as loss_specification
from lib.networks import catalogue as network_catalogue
from lib.paths import Paths
from lib.provenance import code_version, in_project

PATHS = Paths(CONFIG.workflow.folders)
RUNS = {run.id: run for run in CONFIG.runs}
ON_GPU = CONFIG.device == "cuda"
# Braces in these are filled when a job starts, so that another place or device re-runs nothing.
SCRIPTS = "{workflow.basedir:q}/scripts"
DEVICE = "--device {CONFIG.device} --threads {threads}"

use_this_python()


wildcard_constraints:
    dataset="|".join(DATASETS),
    case="[^/]+",
    run="[^/]+/[^/]+/[^/]+/[^/]+/seed-[0-9]+",


def run_of(wildcards):
    if wildcards.run not in RUNS:
        raise WorkflowError(
            f"no run {wildcards.run!r} in the configuration as it is narrowed; its runs: {', '.join(RUNS)}"
        )
    return RUNS[wildcards.run]


def cases_of(wildcards, parts):
    """Data set and case ids of some parts (train, validation, test) of the run, or of the data set's split."""
    if "run" in wildcards.keys():
        run = run_of(wildcards)
        return run.dataset, [case for part in parts for case in run.cases(part)]
    split = DATASETS[wildcards.dataset].splits[wildcards.split]
    return wildcards.dataset, [case for part in parts for case in split[part]]


def case_folders(*parts):
    """Params function: the folders of the job's cases."""

    def folders(wildcards):
        dataset, cases = cases_of(wildcards, parts)
        return [PATHS.case(dataset, case) for case in cases]

    return folders


def case_files(*parts, names):
    """Input function: files of the job's cases."""
    return lambda wildcards: [
        f"{folder}/{name}" for folder in case_folders(*parts)(wildcards) for name in names
    ]


def case_arrays(*parts, names):
    """Input function: arrays, whose content case.json tells by checksum; the times of large files do not count."""
    return lambda wildcards: ancient(case_files(*parts, names=[f"{name}.b2nd" for name in names])(wildcards))


def run_maps(wildcards):
    """Input function: the maps that the run's training reads."""
    return case_files("train", names=[f"{name}.b2nd" for name in run_of(wildcards).maps])(wildcards)


def network_module(wildcards):
    return network_catalogue.CATALOGUE[run_of(wildcards).settings.network.name].module


def training_settings(wildcards):
    """All that decides the weights but the data, the code included."""
    run = run_of(wildcards)
    loss_modules = filter(in_project, loss_specification.code_modules(run.loss_specification))
    code = code_version("scripts.train", network_module(wildcards), *loss_modules)
    return json.dumps({**run.training_settings(), "code": code})


def study_folders(study):
    return [PATHS.run(run.id) for run in CONFIG.runs_of(study)]


def study_files(study, *names):
    return [f"{folder}/{name}" for folder in study_folders(study) for name in names]


def evaluation_settings(study):
    """Each run's keys and evaluation settings by its folder, for tables and figures."""
    return json.dumps({PATHS.run(run.id): run.evaluation_settings() for run in CONFIG.runs_of(study)})


def study_references(study):
    """The files of the reference without learning by data set and variant."""
    return {
        f"{run.dataset}/{run.variant}": PATHS.result(f"reference/{run.dataset}/{run.settings.split}.json")
        for run in CONFIG.runs_of(study)
    }


def study_targets():
    """Figures and tables of the studies that have runs."""
    studies = [study for study in CONFIG.studies if CONFIG.runs_of(study)]
    figures = chain.from_iterable(CONFIG.studies[study].figures for study in studies)
    return [*map(PATHS.plot, figures), *(PATHS.result(f"{study}/summary.csv") for study in studies)]


def raw_files(source):
    return [PATHS.raw(source, file.path) for file in load_source(source).files]


PUBLISHED_FIGURES = {
    "froc": PATHS.plot("published/froc.pdf"),
    "camera_ready": PATHS.plot("published/froc_camera_ready.pdf"),
    "focal_alpha": PATHS.plot("published/focal_alpha.pdf"),
}


def published_targets():
    return [PATHS.result("published/inverse_weighting.csv"), *PUBLISHED_FIGURES.values()]


def takes_published_records():
    """At demo scale the default targets need no network, unless a mirror is named."""
    return "inverse_weighting" in CONFIG.studies and (CONFIG.mirror or CONFIG.workflow.scale == "paper")
