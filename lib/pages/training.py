"""What `docs/training.md` has from the entries of registries. No torch."""

from collections.abc import Iterator

from lib import ROOT
from lib.networks.catalogue import NETWORKS, NetworkEntry, NetworkParameters
from lib.pages.markdown import described, parameters
from lib.registry import Entry, Parameters
from lib.training.catalogue import (
    AUGMENTATIONS,
    OPTIMIZERS,
    SCHEDULERS,
    OptimizerParameters,
    SchedulerParameters,
)

PAGE = ROOT / "docs/training.md"


def parts() -> dict[str, str]:
    """What is made of the page."""
    return {
        "networks": "\n".join(_section(NetworkParameters, NETWORKS)),
        "optimizers": "\n".join(_section(OptimizerParameters, OPTIMIZERS)),
        "schedulers": "\n".join(_section(SchedulerParameters, SCHEDULERS)),
        "augmentation": "\n".join(_section(Parameters, AUGMENTATIONS)),
    }


def _section(common: type[Parameters], entries: dict[str, Entry]) -> Iterator[str]:
    if of_all := ", ".join(parameters(common, "name")):
        yield f"Every one takes {of_all}.\n"
    for name, entry in entries.items():
        dimensions = f" ({entry.dimensions}D)" if isinstance(entry, NetworkEntry) else ""
        own = ", ".join(parameters(entry.parameters, *_as_all(common, entry)))
        yield f"### {name}{dimensions}\n"
        if entry.module.startswith("lib."):
            yield f"{described(entry.implementation)}\n"
        yield f"* Parameters: {own or 'none of its own'}"
        yield f"* Source: {entry.source or '`' + entry.implementation.replace(':', '.') + '`'}\n"


def _as_all(common: type[Parameters], entry: Entry) -> Iterator[str]:
    """Parameters that every entry takes, with the same default."""
    for name, field in common.model_fields.items():
        if entry.parameters.model_fields[name].default == field.default:
            yield name
