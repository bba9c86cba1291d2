"""nnU-Net's rules: its own plans, and cases by hand."""

import subprocess
import sys

import pytest

from lib import ROOT
from lib.networks.topology import topology

PLANS = {
    # hippocampus of the decathlon: 3 poolings of each axis (nnU-Net v2, documentation/explanation_plans_files.md)
    "hippocampus": ((40, 56, 40), (1, 1, 1), [(3, 3, 3)] * 4, [(2, 2, 2)] * 3),
    # BraTS 2020: 5 poolings of each axis (printed by nnU-Net v1 when it begins to train Task082_BraTS2020)
    "brain tumour": ((128, 128, 128), (1, 1, 1), [(3, 3, 3)] * 6, [(2, 2, 2)] * 5),
    # median of the decathlon's pancreas (printed by nnU-Net v1's planner)
    "pancreas": (
        (40, 224, 224),
        (2.5, 0.80273402, 0.80273402),
        [(1, 3, 3)] + [(3, 3, 3)] * 5,
        [(1, 2, 2)] + [(2, 2, 2)] * 3 + [(1, 2, 2)],
    ),
    # a 3d_lowres plan of nnU-Net v2 for CT
    "CT at low resolution": (
        (112, 160, 128),
        (2.2879276757372633, 1.8008485046680611, 1.8008485046680611),
        [(3, 3, 3)] * 6,
        [(2, 2, 2)] * 4 + [(1, 2, 2)],
    ),
    # a 2d plan of nnU-Net v2 for images of 512 pixels: 8 stages
    "images": ((512, 512), (1, 1), [(3, 3)] * 8, [(2, 2)] * 7),
}
BY_HAND = {
    # 10 / 1.5625 = 6.4, 3.2, 1.6: the thick axis is pooled from the third time on, until it has 5 voxels
    "thick slices": (
        (20, 256, 224),
        (10, 1.5625, 1.5625),
        [(1, 3, 3)] * 2 + [(3, 3, 3)] * 4,
        [(1, 2, 2)] * 2 + [(2, 2, 2)] * 2 + [(1, 2, 2)],
    ),
    "their axis last": (
        (256, 224, 20),
        (1.5625, 1.5625, 10),
        [(3, 3, 1)] * 2 + [(3, 3, 3)] * 4,
        [(2, 2, 1)] * 2 + [(2, 2, 2)] * 2 + [(2, 2, 1)],
    ),
    # a factor of exactly 2 is too far
    "twice as coarse": ((32, 32, 32), (2, 1, 1), [(1, 3, 3)] + [(3, 3, 3)] * 3, [(1, 2, 2)] + [(2, 2, 2)] * 2),
    # the finer axes end at 4 voxels; the coarse one, never within a factor of 2, goes on by itself, from 64 to 8
    "a coarse axis alone": ((64, 8, 8), (10, 1, 1), [(1, 3, 3)] * 4 + [(3, 3, 3)], [(1, 2, 2)] + [(2, 1, 1)] * 3),
    # 96, 48, 24, 12, 6 against 8, 4: 12 voxels of an axis alone are halved, 8 are not
    "a long axis": ((96, 8), (1, 1), [(3, 3)] * 5, [(2, 2)] + [(2, 1)] * 3),
    "a long axis that ends at 8": ((64, 8), (1, 1), [(3, 3)] * 4, [(2, 2)] + [(2, 1)] * 2),
    # rounded up: 46, 23, 12 (of which a single axis is halved), 6
    "odd": ((46, 20), (1, 1), [(3, 3)] * 4, [(2, 2)] * 2 + [(2, 1)]),
    # 3 against 1, then 2: the short axis has kernels of 3 from the second stage on
    "7 voxels": ((7, 32, 32), (3, 1, 1), [(1, 3, 3)] + [(3, 3, 3)] * 3, [(1, 2, 2)] * 3),
    "small": ((7, 7), (1, 1), [(3, 3)], []),
}


@pytest.mark.parametrize("name", PLANS | BY_HAND)
def test_kernels_and_strides(name: str) -> None:
    patch_size, spacing, kernels, strides = (PLANS | BY_HAND)[name]
    planned = topology(patch_size, spacing)
    assert planned.strides == (len(spacing) * (1,), *strides)
    assert planned.kernels == tuple(kernels)
    assert len(planned.kernels) == len(planned.strides)


@pytest.mark.parametrize(
    ("name", "divisor"),
    [("pancreas", (8, 32, 32)), ("thick slices", (4, 32, 32)), ("odd", (8, 4)), ("small", (1, 1))],
)
def test_the_divisor_is_the_product_of_the_strides(name: str, divisor: tuple[int, ...]) -> None:
    patch_size, spacing, *_ = (PLANS | BY_HAND)[name]
    assert topology(patch_size, spacing).divisor == divisor


def test_the_unit_of_the_spacing_does_not_matter() -> None:
    assert topology((20, 256, 224), (10, 1.5625, 1.5625)) == topology((20, 256, 224), (1, 0.15625, 0.15625))


def test_planning_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, lib.networks.topology; sys.exit(bool({'torch', 'numpy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
