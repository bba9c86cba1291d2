"""T-Loss: images as draws from a multivariate Student-t around the prediction; Gonzalez-Jimenez, MICCAI 2023."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from lib.losses.base import SegmentationLoss
from lib.losses.inputs import LossInputs


class TLoss(SegmentationLoss):
    """Negative log-likelihood of the D voxels of each sample and class, with trainable degrees of freedom.

    -lnG((s+D)/2) + lnG(s/2) + D/2 ln(pi s) + (s+D)/2 ln(1 + M/s), M = sum (p - y)^2, s = exp(nu) + epsilon (eq. 4).

    D counts the voxels that are not ignored. The voxels are summed in the type of the logits; the few numbers of the
    formula, whose terms of size D nearly cancel, are evaluated in float64.

    Args:
        nu: first value of the trainable parameter ``nu``.
        epsilon: added to exp(nu).
        log_precision: None for Sigma = I as in the paper. A number l computes as the released code, whose precision
            is the constant exp(l) I with l = 1: M is multiplied by exp(l + epsilon), ln s is replaced by
            nu + epsilon, and D/2 (l + epsilon) is subtracted.
    """

    def __init__(self, nu: float, epsilon: float, log_precision: float | None, **options: Any) -> None:
        super().__init__(**options)
        self.nu = nn.Parameter(torch.tensor(float(nu)))
        self.epsilon = epsilon
        self.log_precision = log_precision

    def compute(self, batch: LossInputs) -> Tensor:
        classes = self.classes(batch)
        (squared_error,) = batch.sums(lambda p, y: [(p - y) ** 2], classes)
        loss = self._negative_log_likelihood(squared_error.double(), batch.n_voxels_of(classes))
        return self.reduced(loss).to(batch.dtype)

    def _negative_log_likelihood(self, squared_error: Tensor, n_voxels: Tensor | int) -> Tensor:
        nu, half = self.nu.double(), n_voxels / 2
        s = nu.exp() + self.epsilon
        log_scale, constant = s.log(), 0.0
        if self.log_precision is not None:
            precision = self.log_precision + self.epsilon
            squared_error = math.exp(precision) * squared_error
            log_scale, constant = nu + self.epsilon, -half * precision
        gammas = torch.lgamma(s / 2) - torch.lgamma(s / 2 + half)
        likelihood = half * (math.log(math.pi) + log_scale) + (s / 2 + half) * torch.log1p(squared_error / s)
        return gammas + likelihood + constant
