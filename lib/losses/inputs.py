"""One call's logits, target and maps, checked and brought into the forms that losses compute with."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lib.errors import Diverged, SeglossError
from lib.losses.checks import check_finite, check_labels, check_tensors, require
from lib.losses.pointwise import (
    BinaryVoxels,
    SoftmaxVoxels,
    Voxelwise,
    evaluated_in_pieces,
    evaluates_in_pieces,
    sum_in_pieces,
)
from lib.losses.tensors import can_hold, channels_of, joined, on_device, one_hot_of, times, times_each

Maps = Mapping[str, Tensor]

MOST_LABELS = 2**24
MOST_LABELS_OF_A_GPU = 2**16
"""Table size where the labels lie on a GPU: to ask for the largest one would make the host wait."""
BARELY_SUPPORTED = (torch.uint16, torch.uint32, torch.uint64)


class Region(NamedTuple):
    """Probabilities and targets of some classes, (batch, classes, *spatial), 0 where the voxel is ignored."""

    probability: Tensor
    target: Tensor


class LossInputs:
    """The tensors of one call of a loss; what several terms of a sum need is made once.

    A single channel, two softmax channels and every channel of a multi-label problem are binary problems: ``scores`` is
    one logit each, for two softmax channels the difference of the two, which is exact and half the work, and ``truth``
    is 0 or 1. With more softmax channels ``scores`` are the logits and ``truth`` the labels. ``valid`` marks the voxels
    that count, None where all do.

    Args:
        logits: (batch, channels, *spatial), 2D or 3D, float; half precision is computed in float32.
        target: class labels (batch, 1, *spatial), or one-hot or multi-hot values of the shape of ``logits``.
        maps: name -> (batch, 1 or channels, *spatial).
        sigmoid: every channel is a binary problem of its own (multi-label, or one class against the rest).
        to_onehot_y: True: ``target`` must hold class labels; False: it must have the shape of ``logits``.
        ignore_index: value of ``target`` at voxels that do not count.

    Raises:
        SeglossError: shapes, types or values do not fit. Values on a GPU are looked at without waiting for it: the
            kernel stops there, with the message.
    """

    def __init__(
        self,
        logits: Tensor,
        target: Tensor,
        maps: Maps | None = None,
        sigmoid: bool = False,
        to_onehot_y: bool | None = None,
        ignore_index: int | None = None,
    ) -> None:
        check_tensors(logits, target, sigmoid, to_onehot_y)
        check_finite(logits, "logits", Diverged)
        logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        self.logits = logits
        self.maps = {} if maps is None else maps
        self.n_channels = logits.shape[1]
        self.spatial = tuple(range(2, logits.ndim))
        self.multilabel = sigmoid and self.n_channels > 1
        self.binary = self.multilabel or self.n_channels <= 2
        target = target.long() if target.dtype in BARELY_SUPPORTED else target
        labels, self.valid = self._labels(target, ignore_index)
        self.truth = labels.to(logits.dtype) if self.binary else labels.long()
        self._scores: Tensor | None = None
        self._regions: dict[tuple, Region] = {}
        self._cross_entropy: Tensor | None = None

    def _labels(self, target: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor | None]:
        """Labels and counted voxels; for a multi-label problem the labels are 0 or 1 in every channel."""
        valid = None
        one_hot = not self.multilabel and target.shape[1] > 1
        if ignore_index is not None and can_hold(target.dtype, ignore_index):
            if ignore_index in (0, 1) and (one_hot or (self.multilabel and target.shape[1] > 1)):
                raise SeglossError(
                    f"ignore_index {ignore_index} with target {tuple(target.shape)}: 0 and 1 are what a one-hot or"
                    " multi-hot target is made of; give labels (batch, 1, ...), or mark ignored voxels otherwise"
                )
            valid = target != ignore_index
            valid = valid.all(1, keepdim=True) if one_hot else valid
            target = target.masked_fill(~valid, 0)
        as_labels = self.multilabel and target.shape[1] == 1
        n_values = self.n_channels if as_labels or (not self.multilabel and not one_hot) else 2
        check_labels(target, max(n_values, 2), ignore_index)
        if as_labels:
            target = one_hot_of(target.byte() if target.dtype == torch.bool else target, self.n_channels)
        elif one_hot:
            counted = target.sum(1, keepdim=True) == (1 if valid is None else valid)
            require(
                counted.all(),
                lambda: f"target {tuple(target.shape)} is not one-hot: at some voxels not exactly one class is 1",
            )
            target = target[:, 1:] if self.n_channels == 2 else target.byte().argmax(1, keepdim=True)
        return target, valid

    @property
    def scores(self) -> Tensor:
        """The logits of softmax classes; the one logit of each binary problem."""
        if self._scores is None:
            self._scores = self._scores_of(self.logits)
        return self._scores

    def _scores_of(self, logits: Tensor) -> Tensor:
        if not self.binary or self.multilabel or self.n_channels == 1:
            return logits
        background, foreground = logits.split(1, dim=1)
        return foreground - background

    @property
    def device(self) -> torch.device:
        return self.logits.device

    @property
    def dtype(self) -> torch.dtype:
        return self.logits.dtype

    @property
    def problems(self) -> Sequence[int]:
        """The channels that are binary problems: the last of one or two channels, all of a multi-label problem."""
        return range(self.n_channels) if self.multilabel else [self.n_channels - 1]

    def n_voxels_of(self, classes: Sequence[int]) -> Tensor | float:
        """Voxels that count, as float64 (batch, 1 or classes), or one number where none is ignored."""
        if self.valid is None:
            return float(self.logits[0, 0].numel())
        return self.valid_of(classes).sum(self.spatial).double()

    def valid_of(self, classes: Sequence[int]) -> Tensor | None:
        """Voxels that count, (batch, 1 or classes, *spatial); None where all do."""
        own = self.valid is not None and self.valid.shape[1] > 1
        return channels_of(self.valid, classes) if own else self.valid

    def masked(self, values: Tensor) -> Tensor:
        return values if self.valid is None else values * self.valid

    def classes(self, include_background: bool, classes: Sequence[int] | None) -> list[int]:
        """Numbers of the chosen channels, ascending.

        Raises:
            SeglossError: a class that is not there, or a choice among the classes of a single channel.
        """
        if classes is None:
            return list(range(0 if include_background or self.n_channels == 1 else 1, self.n_channels))
        if self.n_channels == 1:
            raise SeglossError(
                f"classes {list(classes)}: the logits have one channel, there is nothing to choose; leave 'classes' out"
            )
        if max(classes) >= self.n_channels:
            raise SeglossError(
                f"classes {list(classes)}: the logits have {self.n_channels} channels; choose among"
                f" 0..{self.n_channels - 1}"
            )
        return sorted(classes)

    def voxelwise(self, function: Voxelwise) -> Tensor:
        """Evaluate ``function`` at every voxel: (batch, 1, *spatial), multi-label (batch, channels, *spatial)."""
        kind = BinaryVoxels if self.binary else SoftmaxVoxels
        if evaluates_in_pieces(self.logits):
            return evaluated_in_pieces(
                lambda z, truth: function(kind(self._scores_of(z), truth)), self.logits, self.truth
            )
        return function(kind(self.scores, self.truth))

    def voxel_sum(self, function: Voxelwise, multiplier: Tensor | None) -> Tensor:
        """Sum over all voxels of ``function`` times ``multiplier`` (batch, 1 or channels, *spatial).

        Returns one number for every channel of what ``function`` gives, which may be several times the channels.
        """
        kind = BinaryVoxels if self.binary else SoftmaxVoxels
        if multiplier is not None:
            multiplier = multiplier.expand(-1, -1, *self.truth.shape[2:])
        if not evaluates_in_pieces(self.logits):
            values = function(kind(self.scores, self.truth))
            return times_each(values, multiplier).sum((0, *self.spatial))

        def summed(z: Tensor, truth: Tensor, factor: Tensor | None) -> Tensor:
            values = function(kind(self._scores_of(z), truth))
            return times_each(values, factor).sum(2)

        return sum_in_pieces(summed, self.logits, self.truth, multiplier).sum(0)

    def cross_entropy(self) -> Tensor:
        """-log of the probability of the true class, shaped as ``voxelwise``."""
        if self._cross_entropy is None:
            self._cross_entropy = self.voxelwise(lambda voxels: -voxels.log_p)
        return self._cross_entropy

    def per_class(self, values: Sequence[float]) -> Tensor:
        """One value per class, spread to the voxels: each takes the value of its true class.

        Args:
            values: background and foreground for one channel, otherwise one value a channel.

        Returns:
            (batch, 1, *spatial); multi-label (1, channels, 1...).
        """
        expected = max(self.n_channels, 2)
        if len(values) != expected:
            raise SeglossError(
                f"{len(values)} class weights {tuple(values)}: {expected} were expected, one a class"
                " (background and foreground for one channel)"
            )
        if self.binary and not self.multilabel:
            return values[0] + (values[1] - values[0]) * self.truth
        table = on_device(tuple(values), self.dtype, self.device)
        return table.view(1, -1, *[1] * len(self.spatial)) if self.multilabel else table[self.truth]

    def region(self, classes: Sequence[int], temperature: float = 1.0, inverted: bool = False) -> Region:
        """Probabilities and targets of the chosen channels.

        Args:
            temperature: multiplies the logits.
            inverted: of binary problems the other side, 1 - p and 1 - y, instead.
        """
        key = (tuple(classes), temperature, inverted)
        if key not in self._regions:
            self._regions[key] = self._region_of(*key, self.scores, self.truth, self.valid_of(classes))
        return self._regions[key]

    def sums(
        self,
        terms: Callable[..., Sequence[Tensor]],
        classes: Sequence[int],
        *others: Tensor | None,
        temperature: float = 1.0,
        inverted: bool = False,
    ) -> Sequence[Tensor]:
        """Sum over space each of ``terms(p, y, *others)``: (batch, classes) each; the rest as in ``region``."""
        key = (tuple(classes), temperature, inverted)
        if evaluates_in_pieces(self.logits):
            n_terms = []

            def summed(z: Tensor, truth: Tensor, valid: Tensor | None, *extra: Tensor | None) -> Tensor:
                region = self._region_of(*key, self._scores_of(z), truth, valid)
                parts = [term.sum(2) for term in terms(*region, *extra)]
                n_terms[:] = [len(parts)]
                return torch.cat(parts, 1)

            sums = sum_in_pieces(summed, self.logits, self.truth, self.valid_of(classes), *others)
            return sums.chunk(n_terms[0], 1)
        return [term.sum(self.spatial) for term in terms(*self.region(*key), *others)]

    def _region_of(
        self,
        classes: tuple[int, ...],
        temperature: float,
        inverted: bool,
        scores: Tensor,
        truth: Tensor,
        valid: Tensor | None,
    ) -> Region:
        scaled = times(-temperature if inverted else temperature, scores)
        truth = 1 - truth if inverted else truth
        if self.n_channels == 2 and not self.multilabel:
            probability = joined([torch.sigmoid(scaled if channel else -scaled) for channel in classes])
            target = joined([truth if channel else 1 - truth for channel in classes])
        elif self.binary:
            probability, target = (channels_of(values, classes) for values in (torch.sigmoid(scaled), truth))
        else:
            one_hot = one_hot_of(truth, self.n_channels).to(scores.dtype)
            probability, target = (channels_of(values, classes) for values in (F.softmax(scaled, 1), one_hot))
        return Region(probability, target) if valid is None else Region(probability * valid, target * valid)

    def foreground(self) -> "LossInputs":
        """The same voxels as foreground against background: one logit, whatever the number of softmax classes.

        Raises:
            SeglossError: a multi-label problem has no single foreground.
        """
        if self.multilabel:
            raise SeglossError(
                "sigmoid: true with several channels: this loss needs one foreground; give it softmax classes"
                " or one channel"
            )
        if self.binary:
            return self
        merged = copy(self)
        merged.binary, merged.n_channels = True, 1
        merged.logits = torch.logsumexp(self.logits[:, 1:], 1, keepdim=True) - self.logits[:, :1]
        merged.truth = (self.truth > 0).to(merged.dtype)
        merged._scores, merged._regions, merged._cross_entropy = None, {}, None
        return merged

    def label_map(self, name: str) -> Tensor:
        """Return a map of labels as int32 or int64, (batch, 1, *spatial).

        Raises:
            SeglossError: it is missing, of a shape that does not fit, or no map of labels from 0.
        """
        labels = self._map(name)
        if labels.shape[1] != 1:
            raise SeglossError(f"map {name!r} {tuple(labels.shape)}: one channel was expected")
        if labels.is_floating_point():
            raise SeglossError(f"map {name!r} is {labels.dtype}: whole numbers were expected")
        labels = labels if labels.dtype in (torch.int32, torch.int64) else labels.long()
        most = MOST_LABELS if labels.device.type == "cpu" else MOST_LABELS_OF_A_GPU
        lowest, highest = torch.aminmax(labels)
        require(
            (lowest >= 0) & (highest < most),
            lambda: (
                f"map {name!r} {tuple(labels.shape)} holds labels from {lowest} to {highest}:"
                f" 0..{most - 1} was expected"
            ),
        )
        return labels

    def distance_map(self, name: str, channels: Sequence[int], antisymmetric: bool) -> Tensor:
        """Return the channels of a real-valued map that belong to ``channels``.

        A map of one channel belongs to the foreground; the background's is its negative if it is ``antisymmetric``.

        Raises:
            SeglossError: it is missing, of a shape that does not fit, or not finite.
        """
        values = self._map(name)
        if not values.is_floating_point():
            raise SeglossError(f"map {name!r} is {values.dtype}: distances of a floating-point type were expected")
        values = values.to(self.dtype)
        check_finite(values, f"map {name!r}")
        if values.shape[1] == self.n_channels:
            return channels_of(values, channels)
        if values.shape[1] == 1 and self.n_channels == 2:
            if list(channels) == [1]:
                return values
            if antisymmetric:
                return channels_of(torch.cat([-values, values], 1), channels)
        raise SeglossError(
            f"map {name!r} {tuple(values.shape)} has {values.shape[1]} channel(s): {self.n_channels} were expected, one"
            " a class; a map of the foreground alone serves two classes with include_background: false, or where it is"
            " a signed_distance"
        )

    def _map(self, name: str) -> Tensor:
        if not isinstance(self.maps, Mapping):
            raise SeglossError(f"maps: a mapping of names to tensors was expected, found {type(self.maps).__name__}")
        if name not in self.maps:
            given = ", ".join(self.maps) or "none"
            raise SeglossError(f"map {name!r} is missing; given: {given}; pass maps={{{name!r}: tensor}}")
        values = self.maps[name]
        if not isinstance(values, Tensor):
            raise SeglossError(f"map {name!r}: a tensor was expected, found {type(values).__name__}")
        reference = self.truth
        expected = (len(reference), *reference.shape[2:])
        if values.ndim != reference.ndim or (len(values), *values.shape[2:]) != expected:
            raise SeglossError(
                f"map {name!r} {tuple(values.shape)}: (batch {expected[0]}, channels, *{tuple(expected[1:])})"
                " was expected, as the target's"
            )
        if values.device != self.device:
            raise SeglossError(f"map {name!r} is on {values.device}, the logits are on {self.device}")
        return values
