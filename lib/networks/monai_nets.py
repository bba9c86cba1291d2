"""MONAI's networks, imported without what they do not use.

MONAI imports all of its modules at once, and these every optional package that they find, for plots and tables that no
network draws. Each training, prediction and measurement of a cost would wait for them longer than for the networks.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

_OPTIONAL = {"matplotlib", "pandas", "scipy.signal"}


def _find_spec(name: str, *_: object) -> None:
    if name in _OPTIONAL:
        raise ModuleNotFoundError(f"{name} is left out while MONAI is imported", name=name)


@contextmanager
def _without_optional_packages() -> Iterator[None]:
    """MONAI takes these for not installed; they can be imported afterwards."""
    finder = SimpleNamespace(find_spec=_find_spec)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with _without_optional_packages():
    from monai.networks import nets
    from monai.networks.nets.mednext import create_mednext
    from monai.networks.nets.resnet import ResNet

__all__ = ["ResNet", "create_mednext", "nets"]
