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

from snakemake.dag import DAG

from lib.archives import is_archive, stem
from lib.datasets.index import SPLITS, read_index
from lib.datasets.own import digest_of_description
from lib.datasets.raw import digest_of_names, digest_of_states, digest_of_tables
from lib.datasets.sources import load_source, source_names
from lib.datasets.usage import usage_line
from lib.errors import SeglossError
from lib.files import sha256
from lib.job_environment import hand_over_mirror, use_this_python, visible_gpus
from lib.networks.catalogue import NETWORKS
from lib.paths import Paths
from lib.provenance import code_version
from lib.config.schema import DOSE_RESPONSE, LESION_FIGURES
from lib.training.code_changes import artifacts, code_changes, indexes_on_disk, present_code
from lib.training.settings import identity
from lib.workflow.stale import verify_plans

PATHS = Paths(CONFIG.workflow.folders)
RUNS = {run.id: run for run in CONFIG.runs}
NOISES = {run.noise.name: run.noise for run in CONFIG.runs if run.noise.alpha}
ON_GPU = CONFIG.device == "cuda"
GPUS = 0 if CONFIG.device == "cpu" else 1  # what a cluster is asked for
# Braces in these are filled when a job starts, so that another place or device re-runs nothing.
SCRIPTS = "{workflow.basedir:q}/scripts"
STUDY = "--configuration {CONFIG.as_json:q} --study {wildcards.study:q}"
PRODUCTS = "--products {output:q}"  # recorded, and verified when the next call makes its plan
PLUGINS = "--plugins {CONFIG.workflow.plugins:q}"
DEVICE = "--device {CONFIG.device} --threads {threads} --gpu-percent {resources.gpu_percent}"

use_this_python()
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
    path = Path(checkpoints.index.get(dataset=dataset).output[0])
    return cases_as_of(path, path.stat().st_mtime_ns)


@cache
def cases_as_of(path, changed):
    """Read once for all jobs; again when the file has ``changed``."""
    index = read_index(path)
    return index, index.bundles(CONFIG.workflow.cases_per_job)


def entries_of(wildcards):
    """The files and details of a bundle's cases."""
    index, bundles = cases_of(wildcards.dataset)
    if wildcards.bundle not in bundles:
        raise WorkflowError(f"data set {wildcards.dataset} has no bundle of cases {wildcards.bundle!r}")
    return {case: index.cases[case] for case in bundles[wildcards.bundle]}


def files_named(wildcards):
    """The files of a bundle's cases."""
    roles = chain.from_iterable(entry.files.values() for entry in entries_of(wildcards).values())
    return [*chain.from_iterable(roles)]


def state_of_cases(wildcards):
    """Params function: digest of the user's files, as one that replaces another may be older than what was made."""
    return digest_of_states(files_named(wildcards)) if CONFIG.users_folder(wildcards.dataset) else ""


def files_of_cases(wildcards):
    """Input function: the cases' files in a folder that the user names, otherwise the unpacked archives they lie in.

    Archives can be had again, so prepared cases outlive them.
    """
    files = files_named(wildcards)
    if CONFIG.users_folder(wildcards.dataset):
        return files
    places = raw_places(wildcards.dataset)
    return sorted({next(place for place in places if f"{file}/".startswith(f"{place}/")) for file in files})


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
    return cases_of(dataset)[0].bundles_of_part(CONFIG.workflow.cases_per_job, split, part)


def digest_of_order(dataset, split, part):
    """Params function: digest of the order of a part's cases, in which trainings draw from them."""
    return hashlib.sha256(json.dumps(cases_of(dataset)[0].splits[split][part]).encode()).hexdigest()


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


def checked_parts(run):
    """Files that stand for the check of all parts without which the run would be in vain."""
    return [PATHS.checked_part(run.dataset, run.split, part) for part in ("train", *run.evaluated_parts)]


def noisy_set(run, file=""):
    return PATHS.noisy(run.dataset, run.split, run.noise.name, file)


def noise_table_of(run):
    return PATHS.noise_table(run.dataset, run.split, run.noise.name) if run.noise.alpha else None


def run_masks(wildcards):
    """Input function: the noisy masks of the run's training, whose content stands in the table; none if clean."""
    run = run_of(wildcards)
    return [noise_table_of(run), ancient(noisy_set(run, "masks"))] if run.noise.alpha else []


def data_options(wildcards):
    """Params function: options with the data that not every training has."""
    run = run_of(wildcards)
    return (
        option("measured", *run_measured(wildcards))
        + option("maps", *map_lists(run))
        + (option("noisy", noisy_set(run)) if run.noise.alpha else "")
    )


def map_lists(run):
    """Files that list the maps that the run's training reads."""
    if run.noise.alpha:
        return [noisy_set(run, f"maps/{name}.json") for name in run.maps]
    return [PATHS.maps(run.dataset, run.split, name) for name in run.maps]


def run_maps(wildcards):
    """Input function: files that list the maps that the run's training reads, made of the masks that it sees."""
    run = run_of(wildcards)
    folders = [noisy_set(run, f"maps/{name}") for name in run.maps] if run.noise.alpha else []
    return [*map_lists(run), *map(ancient, folders)]


def run_measured(wildcards):
    """Input function: the parts of the split on which the training measures its network."""
    return split_parts(*run_of(wildcards).settings.training.measured)(wildcards)


def network_module(wildcards):
    return NETWORKS.entry_of(run_of(wildcards).settings.network).module


def training_settings(wildcards, output):
    """Params function: the settings; not among what makes a job run again, as it takes ``output``."""
    return run_of(wildcards).training_settings.model_dump_json()


def training_identity(wildcards):
    """Params function: changes when the settings do, other than by an option that is new and has its default."""
    run = run_of(wildcards)
    return identity(run.training_settings, Path(PATHS.run(run.id, "provenance.json")))


def training_code(wildcards):
    """Params function: hash of the code of a training; at paper scale a change is reported and trains nothing."""
    return present_code(run_of(wildcards)) if CONFIG.workflow.scale == "demo" else ""


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


def study_files(study, *names):
    return [PATHS.run(run.id, name) for run in runs_of(study) for name in names]


def evaluation_settings(study):
    """Digest of what decides the tables and figures of a study besides the files of its runs."""
    settings = [(run.evaluation_settings(), noise_table_of(run)) for run in runs_of(study)]
    return hashlib.sha256(json.dumps([PATHS.result(study), settings]).encode()).hexdigest()


def study_artifacts(study):
    """The trainings of a study, and the data made for them, with the code that would make them now."""
    runs = runs_of(study)
    return [*artifacts(runs, CONFIG, {run.dataset: cases_of(run.dataset)[0] for run in runs})]


def study_noise(study):
    return sorted(set(filter(None, map(noise_table_of, CONFIG.runs_of(study)))))


def study_references(study):
    """The files of the reference without learning by data set and variant."""
    return {
        f"{run.dataset}/{run.variant}": PATHS.result(f"reference/{run.dataset}/{run.split}.json")
        for run in CONFIG.runs_of(study)
    }


def studies_with(metrics):
    return [name for name, study in CONFIG.studies.items() if study.metrics == metrics]


def published_option(study):
    """The table of published numbers that a study is held against, as options of a script; empty if there is none."""
    if not (published := CONFIG.studies[study].published):
        return ""
    return option("table", published.table) + option("published-names", json.dumps(published.names))


def published_content(study):
    """Digest of that table: its path differs between checkouts and counts for nothing."""
    published = CONFIG.studies[study].published
    return sha256(Path(workflow.basedir) / f"published/{published.table}.csv") if published else ""


def titles(study):
    return json.dumps({run.dataset: run.title for run in runs_of(study)})


def study_examples(study, name):
    return [PATHS.run(run.id, name) for run in CONFIG.examples_of(study)]


def test_parts(runs):
    """Files that list the test cases of some runs."""
    return sorted({PATHS.part(run.dataset, run.split, "test") for run in runs})


def study_checks(study, name):
    return [PATHS.run(run.id, name) for run in CONFIG.checked_of(study)]


def figure(study, name):
    """Path of a study's figure."""
    return PATHS.plot(f"{froc_place(study) if name in LESION_FIGURES else f'{study}/'}{name}")


def froc_place(study):
    """Where among the figures a study's FROC curves lie; plots/froc.pdf is that of inverse weighting."""
    return "" if study == "inverse_weighting" else f"{study}/"


def study_of_froc(wildcards):
    return Path(wildcards.place).name or "inverse_weighting"


def figures_of(study):
    """The figures that the study names, and the dose-response curve of whatever saw noise."""
    names = [*CONFIG.studies[study].figures, *([DOSE_RESPONSE] if study_noise(study) else [])]
    return [figure(study, name) for name in dict.fromkeys(names)]


def study_targets():
    """Figures and tables of the studies that have runs."""
    studies = [study for study in CONFIG.studies if CONFIG.runs_of(study)]
    noisy = sorted({(run.dataset, run.split, run.noise.name) for run in CONFIG.runs if run.noise.alpha})
    return [
        # named, so that one that failed is missed even where its figures of before still stand
        *(PATHS.run(run.id, name) for run in CONFIG.runs for name in ("weights.pt", "predictions.json")),
        *chain.from_iterable(map(figures_of, studies)),
        *(PATHS.result(f"{study}/summary.csv") for study in studies),
        *(PATHS.result(f"{study}/code_changes.csv") for study in studies),
        *(
            PATHS.result(f"{study}/agreement.csv")
            for study in studies
            if CONFIG.studies[study].metrics == "surface"
        ),
        *(PATHS.plot(f"noise/{'/'.join(noise)}.pdf") for noise in noisy),
        *chain.from_iterable(map(report_targets, datasets_used())),
    ]


def raw_files(source):
    return [PATHS.raw(source, file.path) for file in load_source(source).files]


def archive_names():
    """Every folder that some source's archive unpacks to."""
    files = chain.from_iterable(load_source(source).files for source in source_names())
    return sorted({stem(file.path) for file in files if is_archive(file.path)})


def archive_path(source, archive):
    """Path of the source's file that unpacks to ``archive``."""
    return next(
        file.path
        for file in load_source(source).files
        if is_archive(file.path) and stem(file.path) == archive
    )


def raw_places(dataset):
    """Where the raw files of a data set lie: a folder that the user names, or what was downloaded and unpacked."""
    if folder := CONFIG.users_folder(dataset):
        return [folder]
    return [
        (PATHS.extracted(source, stem(file.path)) if is_archive(file.path) else PATHS.raw(source, file.path))
        for source in CONFIG.datasets[dataset].sources
        for file in load_source(source).files
    ]


def names_below(dataset):
    """Digest of what decides the cases in a folder that the user names: the files' names, and what describes them."""
    if own := CONFIG.workflow.own_data.get(dataset):
        return digest_of_names([own.folder]) + digest_of_description(own)
    folder = CONFIG.users_folder(dataset)
    return digest_of_names([folder]) + digest_of_tables(folder) if folder else ""


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


def report_targets(dataset):
    return [PATHS.result(f"data/{dataset}/cases.csv"), PATHS.plot(f"data/{dataset}.pdf")]


PUBLISHED_FIGURES = {
    "froc": PATHS.plot("published/froc.pdf"),
    "camera_ready": PATHS.plot("published/froc_camera_ready.pdf"),
    "focal_alpha": PATHS.plot("published/focal_alpha.pdf"),
}


def published_targets():
    return [PATHS.result("published/inverse_weighting.csv"), *PUBLISHED_FIGURES.values()]


def takes_published_records():
    """At demo scale the default targets need no network, unless a mirror is named."""
    return "inverse_weighting" in CONFIG.studies and (
        CONFIG.workflow.mirror or CONFIG.workflow.scale == "paper"
    )
