"""The configuration, validated, with the runs that it expands to, the same for Snakefile, scripts and tests."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

from lib import ROOT
from lib.config.expand import expanded, selected
from lib.config.fit import fits_none
from lib.config.planning import Planning
from lib.config.run import Configuration, Run
from lib.config.schema import CONFIG_NAME, WorkflowConfig
from lib.config.study import check_losses, load_study, study_files
from lib.config.study_schema import Study
from lib.datasets import DATASETS, Dataset
from lib.datasets.own import own_dataset
from lib.errors import SeglossError
from lib.losses import specification as losses
from lib.registry import load_plugins
from lib.suggest import shortened, suggestion
from lib.validation import validated


def load(values: Mapping[str, Any], root: Path = ROOT) -> Configuration:
    """Validate the workflow configuration and the selected studies, and expand them to runs.

    Args:
        values: content of `workflow_config.yaml`, with ``--config`` merged in.
        root: folder that holds `studies/`.

    Raises:
        SeglossError: any fault, named by file, key and value, with what is allowed.
    """
    workflow = validated(WorkflowConfig, dict(values), CONFIG_NAME)
    load_plugins(workflow.plugins)
    files = study_files(root)
    if not files:
        raise SeglossError(f"{root / 'studies'}: no study; put a <name>.yaml there")
    chosen = selected("studies", workflow.studies, files)
    studies = {name: _with_own_losses(load_study(files[name], root), name, workflow) for name in chosen}
    datasets = {**DATASETS, **_own_datasets(workflow)}
    for name, study in studies.items():
        for dataset in study.published.datasets if study.published else ():
            if dataset not in datasets:
                unknown = f"unknown data set {dataset!r}{suggestion(dataset, datasets)}"
                raise SeglossError(f"studies/{name}.yaml: published.datasets: {unknown}")
    named = [] if workflow.losses == "all" else workflow.losses
    known = [*chain.from_iterable(study.losses for study in studies.values()), *losses.names()]
    in_files = {loss for study in studies.values() for loss in study.losses}
    library = [loss for loss in named if loss in losses.names() and loss not in in_files]
    runs, kept = expanded(studies, library, workflow, datasets, known)
    # those of a study file that fits none of the data: other studies take them from the library
    if unused := [loss for loss in named if loss in losses.names() and loss not in {run.loss for run in kept}]:
        library = list(dict.fromkeys([*library, *unused]))
        runs, kept = expanded(studies, library, workflow, datasets, known)
    if not runs:
        scales = dict.fromkeys(chain.from_iterable(study.scales for study in studies.values()))
        raise SeglossError(
            f"{CONFIG_NAME}: scale: none of the studies {', '.join(chosen)} has a section"
            f" {workflow.scale!r}{suggestion(workflow.scale, scales)}"
        )
    if twice := next((name for name, count in Counter(run.id for run in runs).items() if count > 1), None):
        raise SeglossError(f"{CONFIG_NAME}: two variants of a study make the same run {twice!r}; rename one")
    if not kept:
        raise SeglossError(
            f"{CONFIG_NAME}: no run of the studies has these datasets, variants, losses and seeds together"
        )
    _check_weights(workflow.weights, runs, files)
    if "plan" in workflow.settings:
        validated(Planning, workflow.settings["plan"], f"{CONFIG_NAME}: settings.plan")
    notes = (*_notes(workflow, datasets, runs, library), *_note_on_minutes(workflow, kept))
    configuration = Configuration(dict(values), workflow, datasets, studies, kept, notes)
    made = {dataset.name: dataset for run in configuration.needed_runs for dataset in _made_for(run, datasets)}
    if taken := next((name for name in made if name in datasets), None):
        raise SeglossError(f"{CONFIG_NAME}: own_data.{taken}: the workflow needs this name; choose another")
    return replace(configuration, datasets={**datasets, **made})


def _made_for(run: Run, datasets: Mapping[str, Dataset]) -> Iterable[Dataset]:
    """The data sets that are made of a run's own for its training: within the region of a cascade, on its grid."""
    dataset = datasets[run.dataset]
    if run.settings.cascade:
        dataset = _cascaded(run, dataset)
        yield dataset
    if not run.settings.resampling.is_native:
        yield _resampled(run, dataset)


def _cascaded(run: Run, dataset: Dataset) -> Dataset:
    cascade = run.settings.cascade
    return _derived(
        dataset,
        name=run.measured_on,
        title=f"{dataset.title}, {' and '.join(cascade.inside)} in the region of {' and '.join(cascade.region)}",
        adapter="lib.datasets.adapters.cascaded",
        labels=run.network_labels,
        parameters={"stage": cascade.model_dump(mode="json", exclude={"first"}), "labels": dataset.labels.as_json()},
    )


def _resampled(run: Run, dataset: Dataset) -> Dataset:
    grid = run.settings.resampling
    return _derived(
        dataset,
        name=run.trained_on,
        title=f"{dataset.title}, {grid.name}",
        adapter="lib.datasets.adapters.resampled",
        parameters={
            "resampling": grid.model_dump(mode="json"),
            "by_slice": run.settings.slices,
            "labels": dataset.labels.as_json(),
        },
    )


def _derived(dataset: Dataset, **changes: Any) -> Dataset:
    """A data set that is made of the prepared cases of another one."""
    return replace(dataset, sources=(), indexing={}, origin=dataset.name, **changes)


def _with_own_losses(study: Study, name: str, workflow: WorkflowConfig) -> Study:
    """The study with the losses of the workflow's configuration next to its own.

    Raises:
        SeglossError: one of them does not fit, or has a name that is taken.
    """
    where = f"{CONFIG_NAME}: own_losses"
    check_losses(workflow.own_losses, where)
    for loss in workflow.own_losses:
        if loss in study.losses or loss in losses.names():
            owner = f"studies/{name}.yaml" if loss in study.losses else "the library"
            raise SeglossError(f"{where}: {owner} has a loss {loss!r}; choose another name")
    return study.model_copy(update={"losses": {**study.losses, **workflow.own_losses}})


def _check_weights(given: Iterable[str], runs: Iterable[Run], studies: Iterable[str]) -> None:
    """Check the names of runs that weights are given for; those of data sets that take no part are not looked at."""
    ids = [run.id for run in runs]
    of_data = {f"{run.study}/{run.dataset}/" for run in runs}
    for run in given:
        study, *others = run.split("/")
        takes_part = any(run.startswith(place) for place in of_data)
        if run not in ids and (takes_part or study not in studies or len(others) != 4):
            near = get_close_matches(run[:200], ids, n=1, cutoff=0)
            raise SeglossError(f"{CONFIG_NAME}: weights: unknown run {shortened(run)}; did you mean {near[0]!r}?")


def _own_datasets(workflow: WorkflowConfig) -> dict[str, Dataset]:
    for key, names in (("own_data", workflow.own_data), ("raw", workflow.raw)):
        for name in names:
            if (name in DATASETS) == (key == "own_data"):
                taken = "is the name of an official data set; choose another, or name the folder in raw"
                fault = taken if key == "own_data" else f"is unknown{suggestion(name, DATASETS)}"
                raise SeglossError(f"{CONFIG_NAME}: {key}.{name}: {name!r} {fault}")
    try:
        return {name: own_dataset(name, own) for name, own in workflow.own_data.items()}
    except SeglossError as error:
        raise SeglossError(f"{CONFIG_NAME}: {error}") from None


def _note_on_minutes(workflow: WorkflowConfig, runs: Iterable[Run]) -> Iterable[str]:
    if workflow.minutes and not any(run.settings.training.steps_per_epoch == "planned" for run in runs):
        yield (
            "minutes: decide nothing in this call: they are for variants of own data with a plan, as in"
            " studies=which_loss scale=reduced, where settings give no training.steps_per_epoch"
        )


def _notes(
    workflow: WorkflowConfig,
    datasets: Mapping[str, Dataset],
    runs: list[Run],
    library: list[str],
) -> Iterable[str]:
    if library:
        yield f"losses: {', '.join(library)}: of the library, where a study file has none of the name"
    clean = [run for run in runs if run.settings.cascade or not run.settings.resampling.is_native]
    if workflow.noise and clean:
        of_variants = ", ".join(dict.fromkeys(f"{run.study}/{run.variant}" for run in clean))
        yield f"noise: left out of {of_variants}, as it is made in masks of whole images on their own grid"
    used = {run.dataset for run in runs}
    for name in workflow.own_data:
        layout = datasets[name].indexing["layout"]
        if not all(folder.endswith("Tr") for folder in layout.values()):
            yield f"own_data.{name}: " + ", ".join(f"{role} in {folder}/" for role, folder in layout.items())
        if name not in used:
            yield f"{fits_none(name, datasets[name])}; it is prepared on request only: plots/data/{name}.pdf"
