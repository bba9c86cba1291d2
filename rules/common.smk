"""What the rules share: paths, runs by their id, and where code and python are."""

import json
import os
import sys
from itertools import chain

from lib.datasets import DATASETS
from lib.datasets.sources import load_source, source_names
from lib.losses import catalogue as loss_catalogue
from lib.networks import catalogue as network_catalogue
from lib.paths import Paths
from lib.provenance import code_version

PATHS = Paths(CONFIG.workflow.folders)
RUNS = {run.id: run for run in CONFIG.runs}
# Braces in these are filled when a job starts, so that another place, device or mirror re-runs nothing.
SCRIPTS = "{workflow.basedir}/scripts"
DEVICE = "--device {CONFIG.device} --threads {threads}"

# Jobs find this interpreter also where its environment is not activated.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# Freed patches stay with the process: giving them back to the kernel and faulting them in anew costs a CPU
# training about a fifth of its time.
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**30))
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**28))


wildcard_constraints:
    dataset="|".join(DATASETS),
    case="[^/]+",
    run="[^/]+/[^/]+/[^/]+/[^/]+/seed-[0-9]+",


def case_files(dataset, cases, *names):
    return [f"{PATHS.case(dataset, case)}/{name}" for case in cases for name in names]


def case_folders(dataset, cases):
    return [PATHS.case(dataset, case) for case in cases]


def run_cases(*parts):
    """Input or params function: folders of the run's cases of these parts."""

    def folders(wildcards):
        run = RUNS[wildcards.run]
        return case_folders(run.dataset, chain.from_iterable(run.cases(part) for part in parts))

    return folders


def run_case_files(*parts, names):
    """Input function: files of the run's cases of these parts."""

    def files(wildcards):
        run = RUNS[wildcards.run]
        return case_files(run.dataset, chain.from_iterable(run.cases(part) for part in parts), *names)

    return files


def studies_with_runs():
    return [study for study in CONFIG.studies if CONFIG.runs_of(study)]


def study_targets():
    figures = chain.from_iterable(CONFIG.studies[study].figures for study in studies_with_runs())
    tables = [PATHS.result(f"{study}/summary.csv") for study in studies_with_runs()]
    return [*(PATHS.plot(figure) for figure in figures), *tables]
