"""The configuration: `workflow_config.yaml` and `studies/*.yaml`, validated, and the runs they expand to.

Never imports torch: parsing the DAG reads this module.
"""

import itertools
import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lib.datasets import DATASETS, Dataset
from lib.errors import SeglossError
from lib.losses import specification as losses
from lib.networks import catalogue as networks
from lib.schema import Folders, Settings, Study, Variants, WorkflowConfig, validated
from lib.suggest import suggestion

ROOT = Path(__file__).resolve().parents[1]
CONFIG_NAME = "workflow_config.yaml (or --config)"


@dataclass(frozen=True)
class Run:
    """One trained model: study x data set x variant x loss x seed."""

    study: str
    dataset: str
    variant: str
    loss: str
    seed: int
    scale: str
    loss_specification: Mapping[str, Any]
    settings: Settings

    @property
    def id(self) -> str:
        return f"{self.study}/{self.dataset}/{self.variant}/{self.loss}/seed-{self.seed}"

    @property
    def network_specification(self) -> dict[str, Any]:
        return self.settings.network.specification()

    @property
    def network_class(self) -> str:
        return networks.CATALOGUE[self.settings.network.name].implementation

    @property
    def maps(self) -> tuple[str, ...]:
        """Maps that training reads: the loss's own, and the components that lesion-centred patches need."""
        needed = set(losses.required_maps(self.loss_specification))
        if self.settings.sampling.foreground_fraction > 0:
            needed.add("components")
        return tuple(sorted(needed))

    def cases(self, part: str) -> tuple[str, ...]:
        """Case ids of ``part``: train, validation or test."""
        return DATASETS[self.dataset].splits[self.settings.split][part]

    def training_settings(self) -> dict[str, Any]:
        """All that decides the trained weights, as JSON values."""
        return {
            "run": self.id,
            "seed": self.seed,
            "loss": losses.resolved(self.loss_specification),
            "network": self.network_specification,
            "network_class": self.network_class,
            "sampling": self.settings.sampling.model_dump(mode="json"),
            "training": self.settings.training.model_dump(mode="json"),
            "maps": self.maps,
        }

    def inference_settings(self) -> dict[str, Any]:
        """All that decides the predictions of given weights, as JSON values."""
        return {
            "network": self.network_specification,
            "network_class": self.network_class,
            **self.settings.inference.model_dump(mode="json"),
        }

    def evaluation_settings(self) -> dict[str, Any]:
        """The run's keys in tables, and how its lesions are told by size, as JSON values."""
        evaluation = self.settings.evaluation
        return {
            "keys": {
                "scale": self.scale,
                "dataset": self.dataset,
                "variant": self.variant,
                "loss": self.loss,
                "seed": self.seed,
            },
            "small_diameter": evaluation.small_diameter.get(self.dataset),
            "size_bins": evaluation.size_bins,
        }


@dataclass(frozen=True)
class Configuration:
    """The validated configuration and the runs that it expands to."""

    workflow: WorkflowConfig
    studies: Mapping[str, Study]
    runs: tuple[Run, ...]

    def runs_of(self, study: str) -> list[Run]:
        return [run for run in self.runs if run.study == study]

    @property
    def mirror(self) -> str:
        """Folder or address of the mirror, empty for none."""
        return self.workflow.mirror or ""

    @property
    def device(self) -> str:
        default = "cpu" if self.workflow.scale == "demo" else "cuda"
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
    files = {path.stem: path for path in sorted((root / "studies").glob("*.yaml"))}
    if not files:
        raise SeglossError(f"{root / 'studies'}: no study; put a <name>.yaml there")
    chosen = _selected("studies", workflow.studies, files)
    studies = {name: _load_study(files[name], root) for name in chosen}
    runs = [
        run
        for name, study in studies.items()
        for run in _expand(name, study, workflow, files[name].relative_to(root))
    ]
    kept = tuple(_narrowed(runs, workflow))
    if not kept:
        raise SeglossError(
            f"{CONFIG_NAME}: no run of the studies has these datasets, losses and seeds together"
        )
    return Configuration(workflow, studies, kept)


def _load_study(path: Path, root: Path) -> Study:
    where = str(path.relative_to(root))
    study = validated(Study, _read_yaml(path, where), where)
    for label, specification in study.losses.items():
        try:
            losses.resolved(specification)
        except SeglossError as error:
            raise SeglossError(f"{where}: losses.{label}: {error}") from None
    return study


def _expand(name: str, study: Study, workflow: WorkflowConfig, path: Path) -> Iterable[Run]:
    common = dict(getattr(study, workflow.scale))
    variants = common.pop("variants", {"base": {}})
    for variant, changes in validated(Variants, variants, f"{path}: {workflow.scale}.variants").root.items():
        settings = validated(
            Settings, _merged(common, changes or {}), f"{path}: {workflow.scale} ({variant})"
        )
        _check_references(settings, study, f"{path}: {workflow.scale} ({variant})")
        for dataset, loss, seed in itertools.product(settings.datasets, settings.losses, settings.seeds):
            yield Run(name, dataset, variant, loss, seed, workflow.scale, study.losses[loss], settings)


def _check_references(settings: Settings, study: Study, where: str) -> None:
    for loss in settings.losses:
        if loss not in study.losses:
            raise SeglossError(f"{where}: losses: unknown loss {loss!r}{suggestion(loss, study.losses)}")
    for name in settings.datasets:
        if name not in DATASETS:
            raise SeglossError(f"{where}: datasets: unknown data set {name!r}{suggestion(name, DATASETS)}")
        if "froc_small.pdf" in study.figures and name not in settings.evaluation.small_diameter:
            raise SeglossError(f"{where}: evaluation.small_diameter: no value for data set {name!r}")


def _narrowed(runs: list[Run], workflow: WorkflowConfig) -> Iterable[Run]:
    def kept(key: str, values: Iterable[Any]) -> list[Any]:
        return _selected(key, getattr(workflow, key), dict.fromkeys(values))

    datasets = kept("datasets", (run.dataset for run in runs))
    names = kept("losses", (run.loss for run in runs))
    seeds = kept("seeds", (run.seed for run in runs))
    for run in runs:
        if run.dataset in datasets and run.loss in names and run.seed in seeds:
            _check_available(DATASETS[run.dataset], run)
            yield run


def _check_available(dataset: Dataset, run: Run) -> None:
    where = f"studies/{run.study}.yaml: {run.scale}"
    if dataset.adapter is None:
        raise SeglossError(
            f"{where}: datasets: {dataset.name!r} ({dataset.title}) cannot be prepared by this version yet;"
            f" choose others with --config datasets=..., or scale=demo"
        )
    if run.settings.split not in dataset.splits:
        raise SeglossError(
            f"{where}: split: {dataset.name!r} has no split {run.settings.split!r}"
            f"{suggestion(run.settings.split, dataset.splits)}"
        )


def _selected(key: str, selection: Any, allowed: Mapping[Any, Any]) -> list[Any]:
    if selection == "all":
        return list(allowed)
    for name in selection:
        if name not in allowed:
            raise SeglossError(
                f"{CONFIG_NAME}: {key}: unknown value {name!r}{suggestion(name, map(str, allowed))}"
            )
    return list(selection)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` on top, mappings merged key by key; a section with another `name` is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        same_kind = (
            isinstance(old, dict) and isinstance(value, dict) and value.get("name") in (None, old.get("name"))
        )
        merged[key] = _merged(old, value) if same_kind else value
    return merged


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a repeated key is an error, not a silent replacement."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem=f"{key!r} is no key", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key!r} stands twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path, where: str) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SeglossError(f"{where}: {line}{error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SeglossError(f"{where}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise SeglossError(
            f"{where}: a mapping of keys to values was expected, found {type(content).__name__}"
        )
    return content


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
        path = directory / name
        existing = next(parent for parent in (path, *path.parents) if parent.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise SeglossError(
                f"{CONFIG_NAME}: folders.{key}: {path} cannot be written ({existing} is not a writable folder);"
                " choose another folder or change its permissions"
            )
