"""What a plan from the training cases decides, and what settings may change of it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from lib.errors import SeglossError
from lib.fields import Number, Positive, Section, Share

OVERLAP = 0.5
"""Of windows, as nnU-Net has it."""


class Planning(Section):
    """How settings that are ``planned`` come from the training cases: `lib.datasets.plan`.

    ``memory``: in GB, `plan_memory` of the workflow if it is left out. ``coverage``: the share of the median image that
    a patch covers at least; voxels are enlarged until it does. ``overlap``: the share of a window's length, along each
    axis, that the next window of a prediction covers as well.
    """

    memory: Positive | None = None
    coverage: Share = 0.0
    overlap: Annotated[Number, Field(ge=0, lt=1)] = OVERLAP


PLANNED: dict[str, Any] = {
    "resampling": {"spacing": "planned"},
    "network": {"patch_size": "planned", "spacing": "planned"},
    "sampling": {"patch_size": "planned", "batch_size": "planned"},
    "inference": {"patch_size": "planned", "stride": "planned"},
}
"""The settings that a plan decides."""


def decides_all(given: Mapping[str, Any]) -> bool:
    """Whether the settings leave nothing to plan, as a plan does that is given as a configuration file."""
    return all(_keys(given, section) >= keys.keys() for section, keys in PLANNED.items())


def _keys(given: Mapping[str, Any], section: str) -> set[str]:
    """Of a section as it is given; what is no section is refused elsewhere."""
    values = given.get(section)
    return set(values) if isinstance(values, Mapping) else set()


def check_part_of_plan(given: Mapping[str, Any], where: str) -> None:
    """Check that settings change nothing that a plan makes fit together; the size of batches may be another.

    Raises:
        SeglossError: they do.
    """
    changed = [f"{section}.{key}" for section, keys in PLANNED.items() for key in keys if key in _keys(given, section)]
    changed += ["resampling.factor"] if "factor" in _keys(given, "resampling") else []
    changed += ["factors.resampling"] if "resampling" in _keys(given, "factors") else []
    if others := [place for place in changed if place != "sampling.batch_size"]:
        raise SeglossError(
            f"{where}: {others[0]} is planned there; give plan: {{memory: ..., coverage:"
            " ...}, or leave this variant out (variants)"
        )


def planned(budgeted: bool) -> dict[str, Any]:
    """The settings that a plan decides, and the steps where there is a budget."""
    return PLANNED | ({"training": {"steps_per_epoch": "planned"}} if budgeted else {})
