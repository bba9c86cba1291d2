"""What all losses share: the contract and its checks."""

from collections.abc import Mapping

from torch import Tensor, nn

from lib.errors import SeglossError


class SegmentationLoss(nn.Module):
    """Base of the losses: checks the inputs, then asks ``compute`` for the scalar.

    A weightable loss's ``compute`` takes ``weight``, a tensor of the target's shape or None.
    """

    def forward(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor] | None = None) -> Tensor:
        check_inputs(logits, target)
        return self.compute(logits, target.to(logits.dtype))

    def compute(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        raise NotImplementedError


def check_inputs(logits: Tensor, target: Tensor) -> None:
    """Check that logits and target are (batch, 1, *spatial) and alike.

    Raises:
        SeglossError: they are not.
    """
    if logits.shape != target.shape:
        raise SeglossError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} differ in shape")
    if logits.ndim not in (4, 5) or logits.shape[1] != 1:
        raise SeglossError(f"logits {tuple(logits.shape)}: (batch, 1, height, width[, depth]) was expected")
    if not logits.is_floating_point():
        raise SeglossError(f"logits are {logits.dtype}: a floating-point type was expected")


def required_map(maps: Mapping[str, Tensor] | None, name: str, target: Tensor) -> Tensor:
    """Return the map ``name``.

    Raises:
        SeglossError: it is missing or has another shape than the target.
    """
    if not maps or name not in maps:
        raise SeglossError(f"map {name!r} is missing; given: {', '.join(maps or {}) or 'none'}")
    if maps[name].shape != target.shape:
        raise SeglossError(
            f"map {name!r} {tuple(maps[name].shape)} and target {tuple(target.shape)} differ in shape"
        )
    return maps[name]


def per_sample(values: Tensor) -> Tensor:
    """Sum over everything but the batch axis."""
    return values.flatten(1).sum(1)


def weighted(values: Tensor, weight: Tensor | None) -> Tensor:
    return values if weight is None else values * weight
