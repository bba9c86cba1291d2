"""What is measured of whole cases while a network is trained."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.evaluation.overlap import MEASURED, overlap_row, pooled_dice, predicted_classes
from lib.evaluation.surface import surface_rows
from lib.inference import predict_volume
from lib.store import StoredCase
from lib.training.settings import Measured

Row = dict[str, Any]
ANY_TOLERANCE = 1.0  # of the normalised surface Dice, which is not recorded here


def measure_cases(
    cases: Sequence[StoredCase],
    measured: Measured,
    device: torch.device,
    network: nn.Module,
) -> dict[str, float]:
    """The measures ``MEASURED[measured.metrics]`` of the network, means over the cases and their structures."""
    rows = []
    for case in cases:
        image, label = case.array("image")[...], case.array("label")[...]
        _, logit = predict_volume(
            network, image, measured.inference.patch_size, measured.inference.stride, device
        )
        rows += (
            _surface(case, logit, label, measured.n_classes)
            if measured.metrics == "surface"
            else _overlap(case, logit, label)
        )
    return {
        name: pooled_dice(rows) if name == "dice_pooled" else float(np.mean([row[name] for row in rows]))
        for name in MEASURED[measured.metrics]
    }


def _overlap(case: StoredCase, logit: np.ndarray, label: np.ndarray) -> list[Row]:
    return [overlap_row(case.name, logit, label)]


def _surface(case: StoredCase, logit: np.ndarray, label: np.ndarray, n_classes: int) -> list[Row]:
    structures = [str(number) for number in range(1, n_classes)]
    predicted, spacing = predicted_classes(logit, label.ndim), case.description["spacing"]
    return surface_rows(case.name, predicted, label, spacing, structures, ANY_TOLERANCE)
