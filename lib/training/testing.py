"""Dice of the test cases while a network is trained: recorded, never used."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.evaluation.overlap import TESTED, overlap_row, pooled_dice
from lib.inference import predict_volume
from lib.store import StoredCase


def dice_of_test_cases(
    cases: Sequence[StoredCase], inference: dict[str, Any], device: torch.device, network: nn.Module
) -> dict[str, float]:
    """The measures ``TESTED``."""
    rows = []
    for case in cases:
        image, label = case.array("image")[...], case.array("label")[...]
        _, logit = predict_volume(network, image, inference["patch_size"], inference["stride"], device)
        rows.append(overlap_row(case.name, logit, label))
    return dict(zip(TESTED, (pooled_dice(rows), float(np.mean([row["dice"] for row in rows]))), strict=True))
