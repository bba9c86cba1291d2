"""Dice of the test cases while a network is trained: recorded, never used."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.evaluation.overlap import overlap_row, pooled_dice
from lib.inference import predict_volume
from lib.store import StoredCase


def dice_of_test_cases(
    cases: Sequence[StoredCase], inference: dict[str, Any], device: torch.device, network: nn.Module
) -> dict[str, float]:
    """``test_dice_pooled`` over all voxels of all cases, and ``test_dice``, the mean over cases."""
    rows = []
    for case in cases:
        image, label = case.array("image")[...], case.array("label")[...]
        _, logit = predict_volume(network, image, inference["patch_size"], inference["stride"], device)
        rows.append(overlap_row(case.name, logit, label))
    return {
        "test_dice_pooled": pooled_dice(rows),
        "test_dice": float(np.mean([row["dice"] for row in rows])),
    }
