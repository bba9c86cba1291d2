"""Patch size, batch size and spacing for `dyn_unet`, planned from the fingerprint of training cases as nnU-Net does.

Isensee et al., Nature Methods 2021, supplementary note 2; `ExperimentPlanner` of nnU-Net v2, whose constants these are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import yaml

from lib.config.planning import OVERLAP
from lib.errors import SeglossError
from lib.networks.topology import topology

STAGES = 3
"""Of `dyn_unet` at least."""
LARGEST_SHARE = 0.05
"""Of the voxels of all cases, in a batch."""
SMALLEST_BATCH = 2
BASE_FEATURES = 32
LARGER_SPACING = 1.03
"""By which voxels are enlarged, again and again, until a patch covers enough of the image."""


class Reference(NamedTuple):
    """nnU-Net's for 2D or 3D: ``MEMORY`` GB are those of a batch of samples with so many values in feature maps."""

    network: str
    max_features: int
    batch_size: int
    values: int
    first_voxels: int
    """Of the patch from which the search for a smaller one begins."""


class Features(NamedTuple):
    """Channels of a network at full resolution, and at most; whether its blocks are residual."""

    first: int
    most: int
    residual: bool = False


MEMORY = 8
REFERENCES = {
    2: Reference("dyn_unet_2d", 512, 12, 85_000_000, 2048**2),
    3: Reference("dyn_unet", 320, 2, 560_000_000, 256**3),
}


@dataclass(frozen=True)
class Plan:
    """A plan for ``cases`` images.

    ``resampled``: the spacing in mm to which volumes are resampled; None for pictures, whose pixels become ``factor``
    times as long. ``shape``: the median on that grid, in voxels. ``patch_size`` and ``spacing``: of the network,
    without the last axis of volumes that it sees ``by_slice``. ``features``: of the network. ``overlap``: of a
    prediction's windows. ``memory``: in GB, estimated.
    """

    cases: int
    resampled: tuple[float, ...] | None
    factor: float
    shape: tuple[int, ...]
    by_slice: bool
    patch_size: tuple[int, ...]
    spacing: tuple[float, ...]
    batch_size: int
    features: Features
    overlap: float
    memory: float

    @property
    def settings(self) -> dict[str, Any]:
        """As a study's settings have them."""
        reference = REFERENCES[len(self.patch_size)]
        stride = [max(1, int(length * (1 - self.overlap))) for length in self.patch_size]
        return {
            "resampling": {"spacing": self.resampled and list(self.resampled), "factor": self.factor},
            "slices": self.by_slice,
            "network": {
                "name": reference.network,
                "patch_size": list(self.patch_size),
                "spacing": list(self.spacing),
                "base_features": self.features.first,
                "max_features": self.features.most,
            },
            "sampling": {"patch_size": list(self.patch_size), "batch_size": self.batch_size},
            "inference": {"patch_size": list(self.patch_size), "stride": stride},
        }


def plan(
    fingerprint: Mapping[str, Any],
    classes: int,
    memory: float = MEMORY,
    precision: str = "float32",
    by_slice: bool = False,
    coverage: float = 0.0,
    overlap: float = OVERLAP,
    features: Features | None = None,
) -> Plan:
    """Plan the largest patches of the images' proportions that a GPU has memory for.

    They begin with an equal extent along all axes, no longer than the median image, and lose voxels along the axis that
    is longest in relation to it. What memory is left enlarges the batch, up to 5 % of all voxels. It is rounded down,
    where nnU-Net rounds to the nearest and may exceed the memory.

    Memory is estimated as nnU-Net does: by the number of values in the outputs of all convolutions, of which `dyn_unet`
    has as many as nnU-Net's network, in proportion to a reference. That is of activations of 16 bits; those of 32 are
    taken for twice as much.

    Args:
        fingerprint: as `lib.datasets.fingerprint` makes it.
        classes: of the labels, for each of which nnU-Net counts an output.
        memory: of the GPU, in GB.
        precision: of the network's passes, as in `lib.config.schema.Computing`.
        by_slice: for a 2D network that sees volumes slice by slice (last axis).
        coverage: share of the median image that a patch covers at least. Voxels are enlarged by 3 % until it does,
            those less than half as long as the longest first, as for nnU-Net's ``3d_lowres``, whose share is 0.25.
        overlap: of the windows of a prediction, in shares of their length, along each axis.
        features: of the network; nnU-Net's if they are not given.

    Raises:
        SeglossError: images are too small for the network, or the memory is.
    """
    volumes = len(fingerprint["median_shape"]) == 3
    if by_slice and not volumes:
        raise SeglossError("pictures have no slices; ask for plan.yaml")
    finest = fingerprint["target_spacing"] if volumes else [1.0, 1.0]
    lengths = fingerprint["median_target_shape" if volumes else "median_shape"]
    axes = slice(None, -1 if by_slice else None)
    reference = REFERENCES[len(lengths[axes])]
    budget = reference.values * reference.batch_size * memory / _gigabytes_of_reference(precision)
    features = features or Features(BASE_FEATURES, reference.max_features)
    exact = [*finest]
    while True:
        grid = tuple(float(f"{length:.6g}") for length in exact)
        shape = tuple(round(n * old / new) for n, old, new in zip(lengths, finest, exact, strict=True))
        size, spacing = shape[axes], grid[axes]
        patch_size = _patch_size(size, spacing, budget, classes, memory, features)
        if prod(patch_size) >= coverage * prod(size):
            break
        exact[axes] = _enlarged(exact[axes])
    values = feature_map_values(patch_size, spacing, classes, features)
    few = round(LARGEST_SHARE * prod(shape) * fingerprint["cases"] / prod(patch_size))
    batch_size = max(SMALLEST_BATCH, min(int(budget / values), few))
    return Plan(
        fingerprint["cases"],
        grid if volumes else None,
        1 if volumes else grid[0],
        shape,
        by_slice,
        patch_size,
        spacing,
        batch_size,
        features,
        overlap,
        memory * batch_size * values / budget,
    )


def _enlarged(spacing: Sequence[float]) -> list[float]:
    """By ``LARGER_SPACING`` along all axes, or along those alone that are less than half as long as the longest."""
    half = max(spacing) / 2
    fine = [length < half for length in spacing]
    return [
        length * LARGER_SPACING if is_fine or not any(fine) else length
        for length, is_fine in zip(spacing, fine, strict=True)
    ]


def _gigabytes_of_reference(precision: str) -> float:
    return MEMORY * (2 if precision == "float32" else 1)


def _patch_size(
    size: Sequence[int],
    spacing: Sequence[float],
    budget: float,
    classes: int,
    memory: float,
    features: Features,
) -> tuple[int, ...]:
    """The largest of which the smallest batch fits the ``budget`` of values."""
    side = (REFERENCES[len(size)].first_voxels * prod(spacing)) ** (1 / len(size))  # in the unit of the spacing
    first = [min(round(side / distance), length) for distance, length in zip(spacing, size, strict=True)]
    patch_size = _divisible(first, spacing)
    if (stages := len(topology(patch_size, spacing).strides)) < STAGES:
        raise SeglossError(
            f"images of {by_axis(size)} voxels, on the planned grid, are too small for dyn_unet, which has {STAGES}"
            f" stages or more, by nnU-Net's rules {stages}; choose another network, or a lower plan.coverage"
        )
    while SMALLEST_BATCH * feature_map_values(patch_size, spacing, classes, features) > budget:
        patch_size = _smaller(patch_size, size, spacing)
        if len(topology(patch_size, spacing).strides) < STAGES:
            raise SeglossError(
                f"{memory:g} GB of memory (plan.memory, or plan_memory) is too little for two patches of {STAGES}"
                " stages; give more, or choose another network"
            )
    return patch_size


def _divisible(lengths: Sequence[int], spacing: Sequence[float]) -> tuple[int, ...]:
    """Enlarged to what the strides of their network divide."""
    divisor = topology(lengths, spacing).divisor
    return tuple(-(-length // by) * by for length, by in zip(lengths, divisor, strict=True))


def _smaller(patch_size: Sequence[int], size: Sequence[int], spacing: Sequence[float]) -> tuple[int, ...]:
    """Shorter along the axis that is longest in relation to the images, the last of equal ones.

    It loses as few voxels as the network of a shorter patch allows, which may have fewer stages along it.
    """
    _, axis = max((length / size[axis], axis) for axis, length in enumerate(patch_size) if length > 1)
    shorter = list(patch_size)
    shorter[axis] -= topology(patch_size, spacing).divisor[axis]
    step = topology(shorter, spacing).divisor[axis]
    shorter[axis] = patch_size[axis] - step
    return _divisible(shorter, spacing)


def feature_map_values(patch_size: Sequence[int], spacing: Sequence[float], classes: int, features: Features) -> int:
    """Values in the outputs of all convolutions of `dyn_unet` for one patch, by which its memory is estimated.

    Each stage has two convolutions on the way down, and a third where it is residual, the last one no others; on the
    way up, a transposed one and two.
    """
    lengths, total = list(patch_size), classes * prod(patch_size)
    strides = topology(patch_size, spacing).strides
    for stage, stride in enumerate(strides):
        lengths = [length // step for length, step in zip(lengths, stride, strict=True)]
        convolutions = (5 if stage < len(strides) - 1 else 2) + features.residual
        total += convolutions * min(features.first * 2**stage, features.most) * prod(lengths)
    return total


def as_yaml(
    planned: Plan, fingerprint: Mapping[str, Any], dataset: str, split: str, memory: float, precision: str
) -> str:
    """A configuration file of the workflow that trains with a plan, with comments on what it rests on."""
    spacing = f"median spacing {by_axis(fingerprint['median_spacing'])} mm, " if planned.resampled else ""
    target = f", {by_axis(planned.shape)} on the grid below"
    comments = [
        f"Plan for {dataset}, split {split}, by nnU-Net's rules (docs/own_data.md) from fingerprint.json beside it",
        f"{planned.cases} training cases, {spacing}median shape {by_axis(fingerprint['median_shape'])}{target}",
        f"Memory: about {planned.memory:.2g} of {memory:g} GB, activations in {precision}",
    ]
    settings = {"datasets": [dataset], "split": split, **planned.settings}
    if precision != "float32":
        settings["computing"] = {"precision": precision}
    text = yaml.safe_dump({"datasets": [dataset], "settings": settings}, sort_keys=False, default_flow_style=None)
    return "".join(f"# {line}\n" for line in comments) + text


def by_axis(numbers: Iterable[float]) -> str:
    """Such as ``1 x 0.77 x 0.77``."""
    return " x ".join(f"{number:.4g}" for number in numbers)
