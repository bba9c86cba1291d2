"""Settings that the training cases of a split decide: a ``median`` spacing, and all that is ``planned``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lib.config.schema import Resampling
from lib.datasets.fingerprint import read_fingerprint
from lib.fields import Section
from lib.files import read_json
from lib.validation import validated

S = TypeVar("S", bound=Section)
OPEN = ("median", "planned")


def decided(settings: S, files: Sequence[Path]) -> S:
    """The settings with values in the place of ``median`` and ``planned``, as far as the files decide them.

    Args:
        files: the fingerprint of the training cases, or the plan that is made of it and the budget, if there is one.

    Raises:
        SeglossError: what is decided does not fit the other settings.
    """
    if not files:
        return settings
    where = f"with {' and '.join(map(str, files))}"
    return validated(type(settings), _filled(settings.model_dump(mode="json"), _values(files)), where)


def decided_grid(grid: Resampling, files: Sequence[Path]) -> Resampling:
    """The same of a ``resampling`` alone."""
    return Resampling(**_filled({"resampling": grid.model_dump(mode="json")}, _values(files))["resampling"])


def _values(files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """By section of the settings what the files say."""
    values: dict[str, dict[str, Any]] = {}
    for path in files:
        if path.suffix == ".yaml":
            values |= yaml.safe_load(path.read_text())["settings"]
        elif path.name == "fingerprint.json":
            values["resampling"] = {"spacing": read_fingerprint(path)["target_spacing"]}
        else:
            values["training"] = {"steps_per_epoch": read_json(path)["steps_per_epoch"]}
    return values


def _filled(settings: Any, values: Mapping[str, Mapping[str, Any]], section: str = "") -> Any:
    if not isinstance(settings, dict):
        return settings
    if section == "resampling" and section in values and settings["spacing"] in OPEN:
        return settings | values[section]  # with the factor of a plan for pictures
    return {
        key: values.get(section, {}).get(key, value) if value in OPEN else _filled(value, values, key)
        for key, value in settings.items()
    }
