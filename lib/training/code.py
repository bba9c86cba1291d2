"""The code that a training runs."""

from collections.abc import Mapping
from typing import Any

from lib.losses.specification import code_modules
from lib.networks.catalogue import CATALOGUE
from lib.provenance import code_version, in_project


def training_code(network: str, loss: Mapping[str, Any]) -> str:
    """Hash of all code of the project that trains this network with this resolved loss."""
    return code_version("scripts.train", CATALOGUE[network].module, *filter(in_project, code_modules(loss)))
