"""A study file: read, validated, and held against the losses and published tables it names. Never imports torch."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.config.study_schema import TAKEN, Study
from lib.errors import SeglossError
from lib.losses import specification as losses
from lib.measures.catalogue import MEASURES, columns_of
from lib.names import NAME
from lib.strict_yaml import read_yaml
from lib.suggest import shortened, suggestion
from lib.tables import read_published, read_published_costs
from lib.validation import validated


def study_files(root: Path) -> dict[str, Path]:
    """The files in `studies/` below ``root`` by the study's name; hidden ones, such as editors leave, do not count."""
    files = sorted((root / "studies").glob("*.yaml"))
    return {path.stem: path for path in files if not path.name.startswith(".")}


def load_study(path: Path, root: Path) -> Study:
    """Read the study file at ``path`` below ``root``, which holds `published/` too.

    Raises:
        SeglossError: any fault, named by file, key and value, with what is allowed.
    """
    where = str(path.relative_to(root))
    _check_name(path.stem, where)
    study = validated(Study, read_yaml(path, where), where)
    check_losses(study.losses, f"{where}: losses")
    if study.published:
        _check_published(study, root, where)
    return study


def check_losses(specifications: Mapping[str, losses.Specification], where: str) -> None:
    """Check losses by name.

    Raises:
        SeglossError: a specification does not fit; ``where`` begins the message.
    """
    for label, specification in specifications.items():
        try:
            for part in losses.parts(losses.resolved(specification)):
                _check_json(part["parameters"])
        except SeglossError as error:
            raise SeglossError(f"{where}.{label}: {error}") from None


def _check_name(name: str, where: str) -> None:
    """Check that files and folders can be called after the study."""
    if not re.fullmatch(NAME, name):
        reason = "letters, digits, '_', '.' and '-' only were expected, as it becomes part of paths"
    elif name.lower() in TAKEN:
        reason = "results/ or plots/ has a file or folder of this name"
    else:
        return
    raise SeglossError(f"{where}: a study cannot be called {shortened(name)}: {reason}; rename the file")


def _check_json(parameters: dict[str, Any]) -> None:
    """Check that a job gets what the file says: JSON has no other keys than text, and NaN equals nothing."""
    for name, value in parameters.items():
        if json.loads(json.dumps(value)) != value:
            raise SeglossError(
                f"{name}: {shortened(value)}: keys that are text and numbers other than NaN were expected"
            )


def _check_published(study: Study, root: Path, where: str) -> None:
    """Check that the table is there, has what the study measures and knows the names it is asked for."""
    table = root / f"published/{study.published.table}.csv"
    if not table.is_file():
        raise SeglossError(f"{where}: published.table: published/{table.name} does not exist")
    rows = read_published(table)
    if named := study.published.costs:
        costs = root / f"published/{named}.csv"
        if not costs.is_file():
            raise SeglossError(f"{where}: published.costs: published/{costs.name} does not exist")
        read_published_costs(costs)
    measured = columns_of(map(MEASURES.parse, study.measures))
    if not any(row["metric"] in measured for row in rows):
        message = f"published/{table.name} has no metric of the measures {', '.join(study.measures)}"
        raise SeglossError(f"{where}: published.table: {message}")
    for label in study.published.losses:
        if label not in study.losses:
            unknown = f"unknown loss {label!r}{suggestion(label, study.losses)}"
            raise SeglossError(f"{where}: published.losses: {unknown}")
    for column, names in study.published.names.items():
        theirs = dict.fromkeys(row[column] for row in rows)
        for ours, published in names.items():
            if published not in theirs:
                unknown = f"published/{table.name} has no {column} {published!r}{suggestion(published, theirs)}"
                place = "losses" if column == "loss" else "datasets"
                raise SeglossError(f"{where}: published.{place}.{ours}: {unknown}")
