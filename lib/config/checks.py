"""Checks of a configuration that need the file system or the maps that can be made."""

import os
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

from lib import ROOT
from lib.config.run import Configuration, Run
from lib.config.schema import CONFIG_NAME, Folders, WorkflowConfig
from lib.datasets.sources import load_source, source_names
from lib.errors import SeglossError
from lib.fields import PATH_LENGTH
from lib.suggest import shortened, suggestion

CODE = (
    *(".ci", ".git", ".snakemake", "benchmarks", "docs", "envs", "lib", "profiles", "published"),
    *("results_archive", "rules", "scripts", "studies", "tests"),
)
"""Folders of the project in which nothing is made."""


def check(configuration: Configuration, maps: Iterable[str], directory: Path) -> None:
    """Check all that needs more than the configuration's files: ``maps`` that can be made, folders, official sources.

    Raises:
        SeglossError: a fault.
    """
    check_maps(configuration.runs, maps)
    check_writable(configuration.workflow.folders, directory)
    check_apart(configuration.workflow, directory)
    for name in source_names():
        load_source(name)


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
            raise SeglossError(f"{where}: {shortened(name)}: longer than {PATH_LENGTH} bytes; choose a shorter path")
        try:  # a link to nothing, or to itself, exists too
            existing = next(parent for parent in (path, *path.parents) if parent.is_symlink() or parent.exists())
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
