"""Prediction by the second stage of a cascade."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.cascade import combined, image_inside, region_of
from lib.inference import predict_case, stored_kinds


def predict_inside(
    network: nn.Module,
    image: np.ndarray,
    spacing: Sequence[float],
    first: np.ndarray,
    chosen: Any,
    device: torch.device,
) -> np.ndarray:
    """The label of both stages; where the region is empty the second one finds nothing.

    Args:
        image: (channels, *spatial).
        spacing: in mm by axis.
        first: the label of the first stage.
        chosen: ``cascade``, the ``labels`` of both stages, ``inference`` and ``resampling``.
    """
    cascade, labels = chosen.cascade, chosen.labels
    region = region_of(first, cascade, labels, spacing)
    if not region.any():
        return combined(first, None, region, cascade, labels)
    inside = chosen.model_copy(update={"labels": cascade.labels_inside(labels)})
    outputs = predict_case(network, image_inside(image, region, cascade), spacing, inside, device)
    found = stored_kinds(*outputs, inside.labels, ["labels"])["labels"]
    return combined(first, found, region, cascade, labels)
