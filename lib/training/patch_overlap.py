"""The overlap of predictions and training masks, counted while a network is trained."""

import torch
from torch import Tensor

from lib.labels import IGNORED, MASK_KINDS
from lib.training.history import Row


class PatchOverlap:
    """Pooled Dice of predictions with training masks and, where these are noisy, by kind with noisy and clean ones."""

    def __init__(self, noisy: bool, device: torch.device, exclusive: bool = True, background: bool = True) -> None:
        self.exclusive, self.lowest = exclusive, 1 if background else 0  # number of a structure
        rows = len(MASK_KINDS) if noisy else 1
        self.noisy = noisy
        self.with_masks = torch.zeros(rows, 3, dtype=torch.float64, device=device)
        self.with_clean = torch.zeros_like(self.with_masks)

    def add(self, logits: Tensor, target: Tensor, clean: Tensor | None, kind: Tensor | None) -> None:
        if self.noisy:
            self.with_masks.index_add_(0, kind, self._counts(logits, target))
            self.with_clean.index_add_(0, kind, self._counts(logits, clean))
        else:
            self.with_masks += self._counts(logits, target).sum(0)

    def state(self) -> dict[str, Tensor]:
        return {"with_masks": self.with_masks, "with_clean": self.with_clean}

    def load_state(self, state: dict[str, Tensor]) -> None:
        self.with_masks.copy_(state["with_masks"])
        self.with_clean.copy_(state["with_clean"])

    def dice(self) -> Row:
        """Dice in all and, None where there is nothing to overlap, of each kind of mask."""
        row: Row = {"patch_dice": _dice(self.with_masks.sum(0), empty=1.0)}
        for number, kind in enumerate(MASK_KINDS) if self.noisy else ():
            row[f"dice_{kind}_masks"] = _dice(self.with_masks[number])
            row[f"dice_{kind}_clean"] = _dice(self.with_clean[number])
        return row

    def _counts(self, logits: Tensor, target: Tensor) -> Tensor:
        """Of each sample, annotated voxels of a structure rightly predicted, predicted, in the target: (batch, 3)."""
        one_logit = logits.shape[1] == 1 or not self.exclusive
        # max, not argmax, which takes six times as long on a CPU for the same indices
        classes = (logits > 0).to(target.dtype) if one_logit else logits.max(1, keepdim=True).indices
        annotated = target != IGNORED
        predicted, present = (((mask >= self.lowest) & annotated).flatten(1) for mask in (classes, target))
        both = present & (classes == target).flatten(1)
        return torch.stack([both.sum(1), predicted.sum(1), present.sum(1)], dim=1).double()


def _dice(counts: Tensor, empty: float | None = None) -> float | None:
    both, predicted, present = counts.tolist()
    return 2 * both / (predicted + present) if predicted + present else empty
