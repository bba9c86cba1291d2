"""What the workflow knows of each loss without importing torch: parameters, required maps, source.

A loss specification, as written in a study file, is a mapping with the catalogue's ``name``, any of the
entry's parameters, and for a weightable loss optionally ``inverse_weights``.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from lib.errors import SeglossError
from lib.suggest import suggestion

SHIROKIKH = "Shirokikh et al., MICCAI 2020, arXiv 2007.10033"

INVERSE_WEIGHT_FORMULAS = ("published", "lesions_only")
INVERSE_WEIGHT_DEFAULTS = {"formula": "published", "clip": (1.0, 2e5)}


@dataclass(frozen=True)
class LossEntry:
    """One loss: where its module lies, its parameters with defaults, the maps it reads, its source."""

    implementation: str
    formula: str
    source: str
    parameters: dict[str, Any] = field(default_factory=dict)
    weightable: bool = False
    maps: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.implementation.partition(":")[0]


CATALOGUE: dict[str, LossEntry] = {
    "bce": LossEntry(
        implementation="lib.losses.pixelwise:BinaryCrossEntropy",
        formula="mean(-y log p - (1-y) log(1-p))",
        source=SHIROKIKH,
        weightable=True,
    ),
    "adaptive_wce": LossEntry(
        implementation="lib.losses.pixelwise:AdaptiveWeightedCrossEntropy",
        formula="mean(-a y log p - (1-y) log(1-p)), a = (M - sum p) / sum p over the batch, not detached",
        source=SHIROKIKH,
    ),
    "focal": LossEntry(
        implementation="lib.losses.pixelwise:SigmoidFocal",
        formula="mean(-alpha_t (1-p_t)^gamma log p_t)",
        source=f"Lin et al., ICCV 2017; constants of {SHIROKIKH}",
        parameters={"alpha": 0.75, "gamma": 2.0},
        weightable=True,
    ),
    "dice": LossEntry(
        implementation="lib.losses.region:SquaredDice",
        formula="mean_s(1 - 2 sum(py) / sum(p^2 + y^2)), no smoothing",
        source=f"Milletari et al., 3DV 2016; as in {SHIROKIKH}",
        weightable=True,
    ),
    "asymmetric_similarity": LossEntry(
        implementation="lib.losses.region:AsymmetricSimilarity",
        formula="mean_s(1 - (1+b^2) sum(py) / sum(b^2 y^2 + p^2)), b = beta",
        source=f"Hashemi et al., IEEE Access 2018; squared form of {SHIROKIKH}",
        parameters={"beta": 1.5},
        weightable=True,
    ),
    "generalized_dice": LossEntry(
        implementation="lib.losses.region:GeneralizedDice",
        formula="mean_s(1 - 2 sum_c u_c sum(p_c y_c) / sum_c u_c sum(p_c^2 + y_c^2)), u_c = 1/(1+(sum y_c)^2)",
        source=f"Sudre et al., DLMIA 2017; form of {SHIROKIKH}",
    ),
}


def check_specification(specification: dict[str, Any]) -> None:
    """Check a loss specification against the catalogue.

    Raises:
        SeglossError: unknown loss, unknown parameter, wrong type, or weights on a loss that takes none.
    """
    name = specification.get("name")
    if name is None:
        raise SeglossError(f"has no 'name'; allowed: {', '.join(CATALOGUE)}")
    if not isinstance(name, str) or name not in CATALOGUE:
        raise SeglossError(f"name: unknown loss {name!r}{suggestion(name, CATALOGUE)}")
    entry = CATALOGUE[name]
    allowed = [*entry.parameters, *(["inverse_weights"] if entry.weightable else [])]
    for key, value in specification.items():
        if key == "name":
            continue
        if key not in allowed:
            raise SeglossError(f"{key}: unknown parameter of loss {name!r}{suggestion(key, allowed)}")
        if key == "inverse_weights":
            _check_inverse_weights(value)
        elif not _is_number(value):
            raise SeglossError(f"{key}: {value!r} is not a finite number")


def _check_inverse_weights(options: Any) -> None:
    if not isinstance(options, dict):
        raise SeglossError(
            f"inverse_weights: {options!r} is not a mapping; write {{}} for the published weights"
        )
    for key, value in options.items():
        if key not in INVERSE_WEIGHT_DEFAULTS:
            raise SeglossError(
                f"inverse_weights.{key}: unknown key{suggestion(key, INVERSE_WEIGHT_DEFAULTS)}"
            )
        if key == "formula" and (not isinstance(value, str) or value not in INVERSE_WEIGHT_FORMULAS):
            raise SeglossError(
                f"inverse_weights.formula: unknown formula {value!r}{suggestion(value, INVERSE_WEIGHT_FORMULAS)}"
            )
        if key == "clip" and not (
            isinstance(value, list | tuple)
            and len(value) == 2
            and all(map(_is_number, value))
            and value[0] <= value[1]
        ):
            raise SeglossError(f"inverse_weights.clip: {value!r} is not [lowest, highest]")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def resolved(specification: dict[str, Any]) -> dict[str, Any]:
    """The specification with every default filled in: all that the catalogue has to say about the values."""
    full = {**CATALOGUE[specification["name"]].parameters, **specification}
    if "inverse_weights" in full:
        full["inverse_weights"] = {**INVERSE_WEIGHT_DEFAULTS, **full["inverse_weights"]}
    return full


def required_maps(specification: dict[str, Any]) -> tuple[str, ...]:
    """Names of the maps that a loss specification reads, such as ``("components",)``."""
    maps = set(CATALOGUE[specification["name"]].maps)
    if "inverse_weights" in specification:
        maps.add("components")
    return tuple(sorted(maps))


def code_modules(specification: dict[str, Any]) -> tuple[str, ...]:
    """Modules whose code decides the values of this loss."""
    modules = [CATALOGUE[specification["name"]].module]
    if "inverse_weights" in specification:
        modules.append("lib.losses.inverse_weighting")
    return tuple(modules)
