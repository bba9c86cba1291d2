"""The configuration: `workflow_config.yaml` and `studies/*.yaml`, validated, and the runs they expand to.

Never imports torch: parsing the DAG reads this module.
"""

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from lib.datasets import DATASETS, SPLITS, Dataset
from lib.datasets.own import own_dataset
from lib.errors import SeglossError
from lib.fields import PATH_LENGTH
from lib.labels import Labels
from lib.losses import specification as losses
from lib.networks.catalogue import NETWORKS
from lib.registry import load_plugins
from lib.schema import Folders, Noise, Scale, Settings, Study, WorkflowConfig
from lib.study import load_study, study_files
from lib.suggest import shortened, suggestion
from lib.training.settings import InferenceSettings, Measured, NetworkSettings, TrainingSettings
from lib.validation import validated

ROOT = Path(__file__).resolve().parents[1]
CONFIG_NAME = "workflow_config.yaml (or --config)"
CODE = (
    *(".ci", ".git", ".snakemake", "benchmarks", "docs", "envs", "lib", "profiles", "published"),
    *("results_archive", "rules", "scripts", "studies", "tests"),
)
"""Folders of the project in which nothing is made."""

SCALE_NOTES = {
    "demo": "Demo scale: a small network, trained for a minute at most.",
    "paper": "Paper scale: the publication's settings.",
}


@dataclass(frozen=True)
class Run:
    """One trained model: study x data set x variant (noise included) x loss x seed."""

    study: str
    dataset: str
    base_variant: str
    loss: str
    seed: int
    scale: str
    title: str
    split: str
    noise: Noise
    metrics: str
    labels: Labels
    loss_specification: Mapping[str, Any]
    settings: Settings

    @property
    def variant(self) -> str:
        """The variant and its noise."""
        return f"{self.base_variant}_{self.noise.name}" if self.noise.alpha else self.base_variant

    @property
    def variant_names(self) -> tuple[str, str]:
        """What chooses the run: the variant with all its levels of noise, or with its own alone."""
        return self.base_variant, f"{self.base_variant}_{self.noise.name}"

    @property
    def id(self) -> str:
        return f"{self.study}/{self.dataset}/{self.variant}/{self.loss}/seed-{self.seed}"

    @property
    def network(self) -> NetworkSettings:
        network = self.settings.network
        return NetworkSettings(
            network=network,
            network_class=NETWORKS.entry_of(network).implementation,
            out_channels=self.labels.out_channels(network.background_channel),
            exclusive=self.labels.exclusive,
        )

    @property
    def evaluated_parts(self) -> tuple[str, ...]:
        """Parts of the split that training, as it measures, and the evaluation cannot do without."""
        needed = {
            "test",
            *self.settings.training.measured,
            *(["validation"] if self.metrics == "lesions" else []),
        }
        return tuple(sorted(needed, key=SPLITS.index))

    @property
    def maps(self) -> tuple[str, ...]:
        """Maps that training reads: the loss's own, and the components that lesion-centred patches need."""
        needed = set(losses.required_maps(self.loss_specification))
        if self.settings.sampling.foreground_fraction > 0:
            needed.add("components")
        return tuple(sorted(needed))

    @cached_property
    def training_settings(self) -> TrainingSettings:
        """All that decides the trained weights but data and code."""
        settings = self.settings
        measured = Measured(metrics=self.metrics, labels=self.labels, inference=settings.inference)
        return TrainingSettings(
            run=self.id,
            seed=self.seed,
            loss=losses.resolved(self.loss_specification),
            network=self.network,
            sampling=settings.sampling,
            training=settings.training,
            computing=settings.computing,
            maps=self.maps,
            masks=self.noise,
            measured=measured if settings.training.measured else None,
        )

    @property
    def inference_settings(self) -> InferenceSettings:
        """All that decides the predictions of given weights."""
        return InferenceSettings(network=self.network, inference=self.settings.inference)

    def evaluation_settings(self) -> dict[str, Any]:
        """The run's keys in tables and, for lesion-wise metrics, how lesions are told by size, as JSON values."""
        told: dict[str, Any] = {
            "keys": {
                "scale": self.scale,
                "dataset": self.dataset,
                "variant": self.variant,
                "noise": self.noise.name,
                "loss": self.loss,
                "seed": self.seed,
            },
            "title": self.title,
        }
        evaluation = self.settings.evaluation
        if self.metrics == "lesions":
            told["small_diameter"] = evaluation.small_diameter.get(self.dataset)
            told["size_bins"] = evaluation.size_bins
        if self.metrics == "surface":
            told["labels"] = self.labels.as_json()
            told["surface_tolerance"] = evaluation.surface_tolerance
        return told


@dataclass(frozen=True)
class Configuration:
    """The validated configuration, the runs that it expands to, and what a user should be told of it.

    ``values`` are what it was loaded from: a script that needs the runs of a study loads them again.
    """

    values: Mapping[str, Any]
    workflow: WorkflowConfig
    datasets: Mapping[str, Dataset]
    studies: Mapping[str, Study]
    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()

    @property
    def as_json(self) -> str:
        """What a script loads the configuration from: a command line, which must not show the mirror's password."""
        return json.dumps({key: value for key, value in self.values.items() if key != "mirror"})

    def runs_of(self, study: str) -> list[Run]:
        return [run for run in self.runs if run.study == study]

    def examples_of(self, study: str) -> list[Run]:
        """Runs whose predictions are worth a look: the first seed, on clean masks and on the noisiest."""
        runs = self.runs_of(study)
        noisiest: dict[tuple[str, str], float] = {}
        for run in runs:
            part = (run.dataset, run.base_variant)
            noisiest[part] = max(noisiest.get(part, 0), run.noise.extent)
        return [
            run
            for run in runs
            if run.seed == runs[0].seed and run.noise.extent in (0, noisiest[run.dataset, run.base_variant])
        ]

    def checked_of(self, study: str) -> list[Run]:
        """The runs of the first seed: their measures are held against another implementation."""
        runs = self.runs_of(study)
        return [run for run in runs if run.seed == runs[0].seed]

    def resolved_losses(self, study: str) -> dict[str, Any]:
        """Every loss of the study's runs, completed."""
        return {run.loss: losses.resolved(run.loss_specification) for run in self.runs_of(study)}

    def note(self, study: str) -> str:
        """What figures say about the scale of a study and about the kinds of its data."""
        scale = self.workflow.scale
        own = self.studies[study].scales[scale].get("note")
        note = own or SCALE_NOTES.get(scale, f"{scale.capitalize()} scale.")
        kinds = dict.fromkeys(self.datasets[run.dataset].kind for run in self.runs_of(study))
        return f"{note} Data: {'; '.join(kinds)}."

    def users_folder(self, dataset: str) -> str | None:
        """The folder that the user names for the data set, or for another form of the same official files."""
        if dataset in self.workflow.own_data:
            return self.workflow.own_data[dataset].folder
        of_sources = {self.datasets[name].sources: folder for name, folder in self.workflow.raw.items()}
        return self.workflow.raw.get(dataset) or of_sources.get(self.datasets[dataset].sources)

    @property
    def device(self) -> str:
        """``cpu``, ``cuda``, or ``allocated``: the GPU that a cluster gives the job, on one machine the CPU."""
        default = "cuda" if self.workflow.scale == "paper" else "allocated"
        return default if self.workflow.device == "auto" else self.workflow.device


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
    chosen = _selected("studies", workflow.studies, files)
    studies = {name: load_study(files[name], root) for name in chosen}
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
    runs, kept = _runs(studies, library, workflow, datasets, known)
    # those of a study file that fits none of the data: other studies take them from the library
    if unused := [
        loss for loss in named if loss in losses.names() and loss not in {run.loss for run in kept}
    ]:
        library = list(dict.fromkeys([*library, *unused]))
        runs, kept = _runs(studies, library, workflow, datasets, known)
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
    notes = tuple(_notes(workflow, datasets, runs, library))
    return Configuration(dict(values), workflow, datasets, studies, kept, notes)


def _own_datasets(workflow: WorkflowConfig) -> dict[str, Dataset]:
    for key, names in (("own_data", workflow.own_data), ("raw", workflow.raw)):
        for name in names:
            if (name in DATASETS) == (key == "own_data"):
                fault = (
                    "is the name of an official data set; choose another"
                    if key == "own_data"
                    else "is unknown"
                )
                raise SeglossError(
                    f"{CONFIG_NAME}: {key}.{name}: {name!r} {fault}{suggestion(name, DATASETS)}"
                )
    try:
        return {name: own_dataset(name, own) for name, own in workflow.own_data.items()}
    except SeglossError as error:
        raise SeglossError(f"{CONFIG_NAME}: {error}") from None


def _runs(
    studies: Mapping[str, Study],
    library: list[str],
    workflow: WorkflowConfig,
    datasets: Mapping[str, Dataset],
    known_losses: Iterable[str],
) -> tuple[list[Run], tuple[Run, ...]]:
    """All runs of the studies, with losses of the ``library`` where a file has none of the name, and those kept."""
    runs = [
        run
        for name, study in studies.items()
        for run in _expand(name, study, library, workflow, datasets, Path(f"studies/{name}.yaml"))
    ]
    return runs, tuple(_narrowed(runs, workflow, datasets, known_losses)) if runs else ()


def _notes(
    workflow: WorkflowConfig,
    datasets: Mapping[str, Dataset],
    runs: list[Run],
    library: list[str],
) -> Iterable[str]:
    if library:
        yield f"losses: {', '.join(library)}: of the library, where a study file has none of the name"
    used = {run.dataset for run in runs}
    for name in workflow.own_data:
        layout = datasets[name].indexing["layout"]
        if not all(folder.endswith("Tr") for folder in layout.values()):
            yield f"own_data.{name}: " + ", ".join(f"{role} in {folder}/" for role, folder in layout.items())
        if name not in used:
            yield f"{_fits_none(name, datasets[name])}; it is prepared on request only: plots/data/{name}.pdf"


def _fits_none(name: str, dataset: Dataset) -> str:
    kind = f"{dataset.dimensions}D with {len(dataset.labels.names)} classes"
    return f"own_data.{name}: {kind} fits none of the studies chosen"


def _variants(study: Study, workflow: WorkflowConfig, path: Path) -> dict[str, Settings]:
    """The settings of each variant at the scale that was chosen; none if the study lacks it."""
    if not (section := study.scales.get(workflow.scale)):
        return {}
    scale = validated(Scale, section, f"{path}: {workflow.scale}")
    chosen = {"computing": workflow.computing.model_dump(exclude_unset=True)}
    return {
        variant: validated(
            Settings,
            merged(merged(scale.settings, changes or {}), chosen),
            f"{path}: {workflow.scale} ({variant})",
        )
        for variant, changes in scale.variants.items()
    }


def _expand(
    name: str,
    study: Study,
    library: list[str],
    workflow: WorkflowConfig,
    datasets: Mapping[str, Dataset],
    path: Path,
) -> Iterable[Run]:
    variants = _variants(study, workflow, path)
    specifications = {**dict(zip(library, library, strict=True)), **study.losses}
    listed = set(chain.from_iterable(settings.losses for settings in variants.values()))
    named = [] if workflow.losses == "all" else workflow.losses
    added = [loss for loss in named if loss in specifications and loss not in listed]
    for variant, settings in variants.items():
        _check_references(settings, study, datasets, f"{path}: {workflow.scale} ({variant})")
        own = [own for own in workflow.own_data if _unfit(datasets[own], settings, study) is None]
        noises = {noise.name: noise for noise in [*settings.noise, *workflow.noise]}
        for dataset, noise, loss, seed in itertools.product(
            dict.fromkeys([*settings.datasets, *own]),
            noises.values(),
            [*settings.losses, *added],
            settings.seeds,
        ):
            yield Run(
                study=name,
                dataset=dataset,
                base_variant=variant,
                loss=loss,
                seed=seed,
                scale=workflow.scale,
                title=datasets[dataset].title,
                split=_split(settings, datasets[dataset]),
                noise=noise,
                metrics=study.metrics,
                labels=datasets[dataset].labels,
                loss_specification=_for_dataset(specifications[loss], datasets[dataset]),
                settings=settings,
            )


def _for_dataset(specification: losses.Specification, dataset: Dataset) -> losses.Specification:
    """The loss with the options that the labels ask for; a user's own class has to see to that itself."""
    options = {"name": specification} if isinstance(specification, str) else dict(specification)
    if not dataset.labels.loss_options or "." in str(options.get("name", "")):
        return specification
    return dataset.labels.loss_options | options


def _check_references(settings: Settings, study: Study, datasets: Mapping[str, Dataset], where: str) -> None:
    for loss in settings.losses:
        if loss not in study.losses:
            raise SeglossError(f"{where}: losses: unknown loss {loss!r}{suggestion(loss, study.losses)}")
    for name in settings.datasets:
        if name not in datasets:
            raise SeglossError(f"{where}: datasets: unknown data set {name!r}{suggestion(name, datasets)}")
        if reason := _unfit(datasets[name], settings, study):
            raise SeglossError(f"{where}: datasets: {name!r} {reason}")
    for name in settings.evaluation.small_diameter:
        if name not in datasets:
            unknown = f"unknown data set {name!r}{suggestion(name, datasets)}"
            raise SeglossError(f"{where}: evaluation.small_diameter: {unknown}")
    monitor = settings.training.monitor
    if monitor and monitor.measure == "dice_slices" and study.metrics != "surface":
        raise SeglossError(f"{where}: training.monitor.measure: 'dice_slices' needs metrics: surface")


def _split(settings: Settings, dataset: Dataset) -> str:
    return settings.split or dataset.splits[0]


def _unfit(dataset: Dataset, settings: Settings, study: Study) -> str | None:
    """Why the data set cannot be used with these settings."""
    dimensions = NETWORKS.entry_of(settings.network).dimensions
    if dataset.dimensions != dimensions + settings.slices:
        sees = f"sees slices of {dimensions + 1}D volumes" if settings.slices else f"is {dimensions}D"
        return f"is {dataset.dimensions}D, network {settings.network.name!r} {sees}"
    if not dataset.labels.one_structure and study.metrics != "surface":
        return f"has {len(dataset.labels.names)} classes; metrics: {study.metrics} are of two, surface of any labels"
    monitor = settings.training.monitor
    if (
        monitor
        and dataset.known_index
        and not dataset.known_index.splits[_split(settings, dataset)][monitor.part]
    ):
        return f"has no {monitor.part} cases, which training.monitor measures"
    if settings.split and settings.split not in dataset.splits:
        return f"has no split {settings.split!r}{suggestion(settings.split, dataset.splits)}"
    return None


def _narrowed(
    runs: list[Run], workflow: WorkflowConfig, known: Mapping[str, Dataset], known_losses: Iterable[str]
) -> Iterable[Run]:
    def kept(key: str, values: Iterable[Any]) -> list[Any]:
        return _selected(key, getattr(workflow, key), dict.fromkeys(values))

    used = {run.dataset for run in runs}
    for name in workflow.own_data if workflow.datasets != "all" else ():
        if name in workflow.datasets and name not in used:
            raise SeglossError(f"{CONFIG_NAME}: datasets: {_fits_none(name, known[name])}")
    datasets = kept("datasets", (run.dataset for run in runs))
    variants = set(kept("variants", (name for run in runs for name in run.variant_names)))
    names = kept("losses", known_losses)
    seeds = kept("seeds", (run.seed for run in runs))
    for run in runs:
        chosen = run.dataset in datasets and not variants.isdisjoint(run.variant_names)
        if chosen and run.loss in names and run.seed in seeds:
            yield run


def _selected(key: str, selection: Any, allowed: Mapping[Any, Any]) -> list[Any]:
    if selection == "all":
        return list(allowed)
    for name in selection:
        if name not in allowed:
            raise SeglossError(
                f"{CONFIG_NAME}: {key}: unknown value {name!r}{suggestion(name, map(str, allowed))}"
            )
    return list(selection)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` on top, mappings merged key by key; a section with another `name` is replaced."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        same_kind = (
            isinstance(old, dict) and isinstance(value, dict) and value.get("name") in (None, old.get("name"))
        )
        result[key] = merged(old, value) if same_kind else value
    return result


def check_maps(runs: Iterable[Run], available: Iterable[str]) -> None:
    """Check that every map that a run reads can be made.

    Raises:
        SeglossError: one cannot.
    """
    for run in runs:
        for name in run.maps:
            if name not in available:
                where = f"studies/{run.study}.yaml: losses.{run.loss}"
                raise SeglossError(f"{where}: there is no map {name!r}{suggestion(name, available)}")


def check_writable(folders: Folders, directory: Path) -> None:
    """Check that every output folder can be made and written below ``directory``.

    Raises:
        SeglossError: one cannot.
    """
    for key, name in folders:
        where, path = f"{CONFIG_NAME}: folders.{key}", directory / name
        if len(os.fsencode(path)) > PATH_LENGTH:
            raise SeglossError(
                f"{where}: {shortened(name)}: longer than {PATH_LENGTH} bytes; choose a shorter path"
            )
        try:  # a link to nothing, or to itself, exists too
            existing = next(
                parent for parent in (path, *path.parents) if parent.is_symlink() or parent.exists()
            )
        except OSError as error:
            raise SeglossError(f"{where}: {shortened(name)}: {error.strerror}") from error
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise SeglossError(
                f"{where}: {path} cannot be written ({existing} is not a writable folder); choose another folder or"
                " change its permissions"
            )


def check_apart(workflow: WorkflowConfig, directory: Path) -> None:
    """Check that no output folder below ``directory`` lies in another, in the code, or among the user's data.

    Raises:
        SeglossError: one does.
    """
    outputs = {f"folders.{key}": directory / name for key, name in workflow.folders}
    for (one, path), (other, its_path) in combinations(outputs.items(), 2):
        if _holds(path, its_path) or _holds(its_path, path):
            raise SeglossError(
                f"{CONFIG_NAME}: {one} ({path}) and {other} ({its_path}) are one folder, or one lies in the other;"
                " choose folders beside each other"
            )
    code = [*(ROOT / part for part in CODE), directory / ".snakemake"]
    read = {f"own_data.{name}.folder": Path(own.folder) for name, own in workflow.own_data.items()}
    read |= {f"raw.{name}": Path(folder) for name, folder in workflow.raw.items()}
    for key, path in outputs.items():
        if part := next((part for part in code if _holds(path, part) or _holds(part, path)), None):
            raise SeglossError(
                f"{CONFIG_NAME}: {key}: {path} lies in, or holds, {part}, a folder of the workflow; choose another"
            )
        for users, folder in read.items():
            if _holds(directory / folder, path):
                raise SeglossError(
                    f"{CONFIG_NAME}: {users}: {folder} holds {key} ({path}), so that what is made there would be read"
                    " as data; choose another folder for one of them"
                )


def _holds(folder: Path, path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
