"""What the tensors of a call must be, looked at without making a GPU wait."""

from collections.abc import Callable

import torch
from torch import Tensor

from lib.errors import SeglossError


def check_tensors(logits: Tensor, target: Tensor, sigmoid: bool, to_onehot_y: bool | None) -> None:
    """Check types and shapes.

    Raises:
        SeglossError: they do not fit each other or the options.
    """
    for name, tensor in (("logits", logits), ("target", target)):
        if not isinstance(tensor, Tensor):
            raise SeglossError(f"{name}: a tensor was expected, found {type(tensor).__name__}")
    if not logits.is_floating_point():
        raise SeglossError(f"logits are {logits.dtype}: a floating-point type was expected")
    if target.is_complex():
        raise SeglossError(f"target is {target.dtype}: integer labels or 0 and 1 were expected")
    if logits.ndim not in (4, 5):
        raise SeglossError(f"logits {tuple(logits.shape)}: (batch, channels, height, width[, depth]) was expected")
    if not logits.numel():
        raise SeglossError(f"logits {tuple(logits.shape)} are empty")
    n_channels = logits.shape[1]
    allowed = {None: {1, n_channels}, True: {1}, False: {n_channels}}[to_onehot_y]
    spatial_fits = (len(target), *target.shape[2:]) == (len(logits), *logits.shape[2:])
    if target.ndim != logits.ndim or not spatial_fits or target.shape[1] not in allowed:
        shapes = " or ".join(str((len(logits), n, *logits.shape[2:])) for n in sorted(allowed))
        raise SeglossError(
            f"target {tuple(target.shape)} does not fit logits {tuple(logits.shape)}: {shapes} was expected"
            + (f" with to_onehot_y={to_onehot_y}" if to_onehot_y is not None else "")
        )
    if logits.device != target.device:
        raise SeglossError(f"target is on {target.device}, the logits are on {logits.device}")


def check_finite(values: Tensor, name: str, fault: type[SeglossError] = SeglossError) -> None:
    lowest, highest = torch.aminmax(values.detach())
    require(
        torch.isfinite(lowest) & torch.isfinite(highest),
        lambda: f"{name} {tuple(values.shape)} hold NaN or infinity: finite numbers were expected",
        fault,
    )


def check_labels(target: Tensor, n_values: int, ignore_index: int | None) -> None:
    """Check that the target holds whole numbers from 0 to n_values - 1."""
    if target.dtype == torch.bool:
        return
    lowest, highest = torch.aminmax(target)
    hint = "" if ignore_index is not None else "; a value for voxels that do not count is named by ignore_index"
    require(
        (lowest >= 0) & (highest < n_values),
        lambda: (
            f"target {tuple(target.shape)} holds values from {lowest.item():g} to {highest.item():g}:"
            f" 0..{n_values - 1} was expected{hint}"
        ),
    )
    if target.is_floating_point():
        require(
            (target == target.round()).all(),
            lambda: f"target {tuple(target.shape)} holds fractions: whole numbers 0..{n_values - 1} were expected",
        )


def require(holds: Tensor, message: Callable[[], str], fault: type[SeglossError] = SeglossError) -> None:
    """Raise fault(message()) unless ``holds``; on a GPU the kernel stops, as a look would make the host wait."""
    if torch.compiler.is_compiling():
        return  # looking at a value would break the graph
    if holds.device.type != "cpu":
        torch._assert_async(holds, "segloss: a value of logits, target or map is not allowed; a CPU says which")
    elif not holds:
        raise fault(message())
