"""The loss library, usable without the workflow: ``build_loss("dice_ce")(logits, target)``.

Every loss is called as ``loss(logits, target, maps)`` and returns a scalar. ``logits`` are (batch, channels, *spatial),
2D or 3D; one channel is binary (sigmoid), more are softmax classes, or with ``sigmoid: true`` problems of their own.
``target`` holds class labels (batch, 1, *spatial), or one-hot or multi-hot values of the shape of ``logits``. ``maps``
maps names to tensors of the same space. `docs/losses.md` lists all losses.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.errors import SeglossError
from lib.losses.specification import Specification, resolved

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_loss", "build_resolved"]


def build_loss(specification: Specification, /, **options: Any) -> "nn.Module":
    """Build a loss from its name, or from a specification such as a study file holds.

    >>> build_loss("focal", alpha=0.75)  # doctest: +SKIP
    >>> build_loss({"sum": ["dice", {"name": "cross_entropy", "weight": 0.5}]}, ignore_index=255)  # doctest: +SKIP

    Raises:
        SeglossError: the specification does not fit, or a class named by a dotted path cannot be built.
    """
    if isinstance(specification, str):
        specification = {"name": specification}
    if isinstance(specification, Mapping):
        for key in options:
            if key in ("name", "sum"):
                raise SeglossError(f"{key}: stands in the specification, not among the options")
        specification = {**specification, **options}
    return build_resolved(resolved(specification))


def build_resolved(loss: Mapping[str, Any]) -> "nn.Module":
    """Build a loss from what ``resolved`` made of its specification, such as a run's settings hold."""
    if "deep_supervision" in loss:
        whole = {key: value for key, value in loss.items() if key != "deep_supervision"}
        return _composition().DeepSupervision(build_resolved(whole), **loss["deep_supervision"])
    if "sum" in loss:
        terms, weights = zip(*((build_resolved(term["loss"]), term["weight"]) for term in loss["sum"]), strict=True)
        return _composition().WeightedSum(terms, weights)
    if "maps" in loss:
        return _composition().UserLoss(_from_path(loss), loss["name"])
    built = _class_of(loss)(**loss["parameters"])
    if "inverse_weights" not in loss:
        return built
    return importlib.import_module("lib.losses.inverse_weighting").InverseWeighted(built, **loss["inverse_weights"])


def _composition() -> Any:
    return importlib.import_module("lib.losses.composition")


def _class_of(loss: Mapping[str, Any]) -> Any:
    module, _, name = loss["class"].partition(":")
    return getattr(importlib.import_module(module), name)


def _from_path(loss: Mapping[str, Any]) -> "nn.Module":
    from torch import nn

    try:
        built = _class_of(loss)(**loss["parameters"])
    except Exception as error:  # whatever a user's module may raise
        raise SeglossError(f"loss {loss['name']!r} cannot be built: {type(error).__name__}: {error}") from error
    if not isinstance(built, nn.Module):
        raise SeglossError(f"loss {loss['name']!r} is {type(built).__name__}: a torch.nn.Module was expected")
    return built
