"""What losses on single voxels are made of, and their evaluation in pieces that stay in the processor's cache."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

PIECE = 65536
"""Voxels of a sample that are evaluated at once on a CPU, of 8192 to 65536 the fastest for a patch of 128^3."""


class BinaryVoxels:
    """Voxels of binary problems, from one logit and a target of 0 or 1 each.

    ``log_p`` is the logarithm of the true class's probability, ``margin`` its logit.
    """

    n_classes = 2

    def __init__(self, logit: Tensor, positive: Tensor) -> None:
        self.foreground = positive
        self.margin = logit * (2 * positive - 1)
        self.log_p = F.logsigmoid(self.margin)

    def missed(self) -> Tensor:
        """1 - p of the true class."""
        return torch.sigmoid(-self.margin)

    def log_p_sum(self) -> Tensor:
        """Sum over the classes of log p."""
        return 2 * self.log_p - self.margin

    def missing_powers(self, q: float) -> Tensor:
        """K - sum_k p_k^q over the K classes."""
        return -torch.expm1(q * self.log_p) - torch.expm1(q * (self.log_p - self.margin))


class SoftmaxVoxels:
    """The same of softmax classes, from logits (batch, classes, *spatial) and labels (batch, 1, *spatial)."""

    def __init__(self, logits: Tensor, labels: Tensor) -> None:
        self.logits = logits
        self.n_classes = logits.shape[1]
        self.foreground = (labels > 0).to(logits.dtype)
        self.log_p = -F.cross_entropy(logits, labels[:, 0], reduction="none").unsqueeze(1)

    def missed(self) -> Tensor:
        return -torch.expm1(self.log_p)

    def log_p_sum(self) -> Tensor:
        return F.log_softmax(self.logits, 1).sum(1, keepdim=True)

    def missing_powers(self, q: float) -> Tensor:
        return -torch.expm1(q * F.log_softmax(self.logits, 1)).sum(1, keepdim=True)


Voxels = BinaryVoxels | SoftmaxVoxels
Voxelwise = Callable[[Voxels], Tensor]


def of_binary_voxels(function: Voxelwise, logit: Tensor, positive: Tensor) -> Tensor:
    """Evaluate ``function`` at all voxels.

    A chain of operations on a large patch spends its time on moving temporary tensors through memory. On a CPU the
    value and its derivative are therefore made piece by piece.
    """
    large = logit[0, 0].numel() > PIECE
    if large and logit.device.type == "cpu" and logit.requires_grad and not torch.compiler.is_compiling():
        return _InPieces.apply(logit, positive, function)
    return function(BinaryVoxels(logit, positive))


class _InPieces(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logit: Tensor, positive: Tensor, function: Voxelwise) -> Tensor:
        values, slopes = (torch.empty(logit.shape, dtype=logit.dtype) for _ in range(2))
        flat = [tensor.flatten(2) for tensor in (logit, positive)]
        for start in range(0, flat[0].shape[2], PIECE):
            piece = (..., slice(start, start + PIECE))
            with torch.enable_grad():
                z = flat[0][piece].detach().requires_grad_()
                value = function(BinaryVoxels(z, flat[1][piece]))
                (slope,) = torch.autograd.grad(value.sum(), z)
            values.view(flat[0].shape)[piece] = value.detach()
            slopes.view(flat[0].shape)[piece] = slope
        ctx.save_for_backward(slopes)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return gradient * slopes, None, None
