"""What losses on single voxels are made of, and their evaluation in pieces that stay in the processor's cache."""

from collections.abc import Callable, Iterator

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
        self.positive = positive
        self.margin = logit * (2 * positive - 1)
        self.log_p = F.logsigmoid(self.margin)

    def foreground(self) -> Tensor:
        """1 where the true class is foreground, 0 elsewhere."""
        return self.positive

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
        self.logits, self.labels = logits, labels
        self.n_classes = logits.shape[1]
        self.log_p = -F.cross_entropy(logits, labels[:, 0], reduction="none").unsqueeze(1)

    def foreground(self) -> Tensor:
        return (self.labels > 0).to(self.logits.dtype)

    def missed(self) -> Tensor:
        return -torch.expm1(self.log_p)

    def log_p_sum(self) -> Tensor:
        return F.log_softmax(self.logits, 1).sum(1, keepdim=True)

    def missing_powers(self, q: float) -> Tensor:
        return -torch.expm1(q * F.log_softmax(self.logits, 1)).sum(1, keepdim=True)


Voxels = BinaryVoxels | SoftmaxVoxels
Voxelwise = Callable[[Voxels], Tensor]


def evaluates_in_pieces(scores: Tensor) -> bool:
    """Whether a loss of these scores is evaluated piece by piece.

    A chain of operations on a large patch spends its time on moving temporary tensors through memory. On a CPU values
    and derivatives are therefore made in pieces; second derivatives are those of smaller patches only.
    """
    large = scores[0, 0].numel() > PIECE
    learning = scores.requires_grad and torch.is_grad_enabled()
    return large and learning and scores.device.type == "cpu" and not torch.compiler.is_compiling()


def evaluated_in_pieces(function: Callable[[Tensor, Tensor], Tensor], scores: Tensor, truth: Tensor) -> Tensor:
    """``function(scores, truth)``, of the shape of ``truth``, piece by piece."""
    return _InPieces.apply(scores, truth, function)


def sum_in_pieces(function: Callable[..., Tensor], scores: Tensor, *others: Tensor | None) -> Tensor:
    """Sum of ``function(scores, *others)`` over pieces of all of them; (batch, k) each, with k the function's."""
    return _SumInPieces.apply(function, scores, *others)


def _pieces(*tensors: Tensor | None) -> Iterator[tuple[tuple, list[Tensor | None]]]:
    """Places (along the flattened space) and the tensors' values there."""
    flat = [None if tensor is None else tensor.detach().flatten(2) for tensor in tensors]
    for start in range(0, flat[0].shape[2], PIECE):
        place = (..., slice(start, start + PIECE))
        yield place, [None if tensor is None else tensor[place] for tensor in flat]


class _InPieces(torch.autograd.Function):
    @staticmethod
    def forward(ctx, scores: Tensor, truth: Tensor, function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        values = torch.empty(truth.shape, dtype=scores.dtype)
        slopes = torch.empty(scores.shape, dtype=scores.dtype)
        for place, (z, y) in _pieces(scores, truth):
            with torch.enable_grad():
                value = function(z.requires_grad_(), y)
                (slope,) = torch.autograd.grad(value.sum(), z)
            values.flatten(2)[place] = value.detach()
            slopes.flatten(2)[place] = slope
        ctx.save_for_backward(slopes)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return gradient * slopes, None, None


class _SumInPieces(torch.autograd.Function):
    @staticmethod
    def forward(ctx, function: Callable[..., Tensor], scores: Tensor, *others: Tensor | None) -> Tensor:
        ctx.function = function
        ctx.save_for_backward(scores, *others)
        total = sum(function(*values).double() for _, values in _pieces(scores, *others))
        return total.to(scores.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[None, ...]:
        scores, *others = ctx.saved_tensors
        slopes = torch.empty(scores.shape, dtype=scores.dtype)
        for place, (z, *rest) in _pieces(scores, *others):
            with torch.enable_grad():
                value = ctx.function(z.requires_grad_(), *rest)
                (slopes.flatten(2)[place],) = torch.autograd.grad(value, z, gradient)
        return None, slopes, *(None for _ in others)
