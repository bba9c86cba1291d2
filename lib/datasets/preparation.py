"""What is done to an image before a network sees it: steps by name, which adapters declare and `model.json` keeps.

Adapters prepare their cases by them, and :mod:`lib.predict` any other image, whose prediction it restores to the
image's own grid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from lib.datasets import reading
from lib.errors import CaseExcluded
from lib.fields import VOXELS
from lib.suggest import shortened

Step = tuple[Any, ...]
"""The name of a step and its arguments."""


class _Raw(NamedTuple):
    """What a step may ask of the channel as the file has it: (*spatial)."""

    dtype: np.dtype
    region: np.ndarray | None


@dataclass(frozen=True)
class Preparation:
    """Steps on each channel of an image, in order.

    ``note``: what the data set does besides, and a prediction does without. ``refusal``: why images from elsewhere
    cannot be prepared as those of the data set.
    """

    steps: tuple[Step, ...] = ()
    note: str = ""
    refusal: str = ""

    def apply(
        self, channels: Sequence[np.ndarray], region: np.ndarray | None = None, names: Sequence[str] = ()
    ) -> np.ndarray:
        """Prepare the channels (*spatial) of an image: float32 (channels, *prepared).

        Args:
            region: bool (*spatial), outside which the image is blanked if one of the steps does so.
            names: of the channels, for messages.

        Raises:
            CaseExcluded: a channel is constant or not finite, or of a type that a step does not take; the region is
                empty.
        """
        if region is not None and not region.any():
            raise CaseExcluded("the region is empty")
        made = []
        for number, channel in enumerate(channels):
            try:
                made.append(self._of_channel(channel, region))
            except CaseExcluded as reason:
                raise CaseExcluded(f"{names[number]}: {reason}" if names else str(reason)) from reason
        return np.stack(made) if len(made) > 1 else made[0][None]

    def _of_channel(self, channel: np.ndarray, region: np.ndarray | None) -> np.ndarray:
        raw = _Raw(channel.dtype, region)
        for name, *arguments in self.steps:
            channel = STEPS[name].apply(channel, raw, *arguments)
        return channel.astype(np.float32, copy=False)

    def place(self, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """The size that an image of this shape gets, and the margins before and behind it, per axis."""
        size, margins = tuple(shape), ((0, 0),) * len(shape)
        for name, *arguments in self.steps:
            if resized := STEPS[name].size:
                size = resized(size, *arguments)
            if name == "square":
                margins = tuple(_halves(arguments[0] - length) for length in size)
        return size, margins

    def restore(self, values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Bring values (..., *prepared) of an image that had this shape back to it: (..., *shape).

        Labels (uint8) go by the nearest voxel, other values linearly, between centres.
        """
        size, margins = self.place(shape)
        box = tuple(slice(before, before + length) for (before, _), length in zip(margins, size, strict=True))
        values = values[(..., *box)]
        if size == tuple(shape):
            return np.ascontiguousarray(values)
        return reading.resize_labels(values, shape) if values.dtype == np.uint8 else _resized(values, shape)

    def __str__(self) -> str:
        said = [STEPS[name].text.format(*arguments, size=_times(arguments)) for name, *arguments in self.steps]
        return "; ".join([", ".join(said) or "taken as it is", *filter(None, [self.note])])

    def as_json(self) -> dict[str, Any]:
        """What :meth:`of_json` makes it of again."""
        return {"steps": [list(step) for step in self.steps], "note": self.note, "refusal": self.refusal}

    @classmethod
    def of_json(cls, values: Any) -> "Preparation":
        """Read what :meth:`as_json` gave.

        Raises:
            ValueError: something else, or a step that is not known here.
        """
        match values:
            case {"steps": list(steps), "note": str(note), "refusal": str(refusal)} if all(map(_is_step, steps)):
                return cls(tuple(tuple(step) for step in steps), note, refusal)
        raise ValueError(f"steps, note and refusal were expected, found {shortened(values)}")


def _halves(total: int) -> tuple[int, int]:
    return total // 2, (total + 1) // 2


def _times(lengths: Sequence[Any]) -> str:
    return " x ".join(map(str, lengths))


def _resized(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Each channel by itself, so that no interpolation looks at the next."""
    leading = values.shape[: values.ndim - len(shape)]
    channels = [reading.resize(channel, shape) for channel in values.reshape(-1, *values.shape[len(leading) :])]
    return np.reshape(channels, (*leading, *shape))


class _Kind(NamedTuple):
    """A step: what it does to a channel, how it says so, how many arguments it has, and the size that it gives."""

    apply: Callable[..., np.ndarray]
    text: str
    arguments: Sequence[int] = (0,)
    size: Callable[..., tuple[int, ...]] | None = None


def _is_step(step: Any) -> bool:
    if not isinstance(step, list) or not step or not isinstance(step[0], str) or step[0] not in STEPS:
        return False
    kind, arguments = STEPS[step[0]], step[1:]
    numbers = int if kind.size else int | float
    if len(arguments) not in kind.arguments or not all(type(value) is not bool for value in arguments):
        return False
    if not all(isinstance(value, numbers) for value in arguments):
        return False
    if kind.size:
        return min(arguments) > 0 and prod(arguments) <= VOXELS
    return arguments == sorted(set(arguments))  # limits


def _clip(channel: np.ndarray, _: _Raw, low: float, high: float) -> np.ndarray:
    return np.clip(channel, low, high)


def _min_max(channel: np.ndarray, _: _Raw) -> np.ndarray:
    return reading.scale_to_unit(channel)


def _window(channel: np.ndarray, _: _Raw, low: float, high: float) -> np.ndarray:
    return (np.clip(channel, low, high).astype(np.float32) - low) / (high - low)


def _standardise(channel: np.ndarray, raw: _Raw) -> np.ndarray:
    return reading.standardise(channel, raw.region)


def _by_type(channel: np.ndarray, raw: _Raw) -> np.ndarray:
    if raw.dtype.kind != "u":
        raise CaseExcluded(f"the image holds {raw.dtype} values; grey levels of 8 or 16 bits were expected")
    return channel.astype(np.float32) / np.float32(np.iinfo(raw.dtype).max)


def _by_type_if_whole(channel: np.ndarray, raw: _Raw) -> np.ndarray:
    if raw.dtype.kind == "u":
        return _by_type(channel, raw)
    if not -1 <= channel.min() <= channel.max() <= 2:  # phantoms are noisy
        found = f"{channel.min():g} to {channel.max():g}"
        raise CaseExcluded(f"its values are {found}; about 0 to 1 were expected, or unsigned whole numbers")
    return channel


def _bytes_or_standardise(channel: np.ndarray, raw: _Raw) -> np.ndarray:
    return channel / np.float32(255) if raw.dtype == np.uint8 else _standardise(channel, raw)


def _signed(channel: np.ndarray, _: _Raw) -> np.ndarray:
    return (channel - 0.5) / 0.5


def _blank(channel: np.ndarray, raw: _Raw) -> np.ndarray:
    return channel if raw.region is None else np.where(raw.region, channel, channel[raw.region].min())


def _resize(channel: np.ndarray, _: _Raw, *size: int) -> np.ndarray:
    return reading.resize(channel, size)


def _square(channel: np.ndarray, _: _Raw, side: int) -> np.ndarray:
    size = _in_square(channel.shape, side)
    return np.pad(reading.resize(channel, size), [_halves(side - length) for length in size])


def _in_square(shape: Sequence[int], side: int) -> tuple[int, ...]:
    return tuple(max(1, round(length * side / max(shape))) for length in shape)


def _in_plane(array: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize a slice (x, y), or every slice of a volume, as the boundary loss's code does (Kervadec et al.).

    Linear between voxel centres, without smoothing, against zeros outside, which darkens the border of a slice that is
    enlarged; clipped to the range of the values given, so a volume and its slices one by one differ at that border.
    """
    from skimage.transform import resize

    size = (*size, *array.shape[2:])
    return resize(array, size, order=1, mode="constant", preserve_range=True, anti_aliasing=False)


def _slices(channel: np.ndarray, _: _Raw, *size: int) -> np.ndarray:
    return _in_plane(channel, size)


def _slices_of_bytes(channel: np.ndarray, _: _Raw, *size: int) -> np.ndarray:
    slices = np.moveaxis((255 * channel).astype(np.uint8), -1, 0)
    return np.stack([np.trunc(_in_plane(slice_, size)) for slice_ in slices], axis=-1) / 255


STEPS = {
    "clip": _Kind(_clip, "clipped to {} .. {}", (2,)),
    "min_max": _Kind(_min_max, "its smallest and largest value to 0 and 1"),
    "window": _Kind(_window, "clipped to {0} .. {1}, which become 0 and 1", (2,)),
    "standardise": _Kind(_standardise, "to mean 0 and standard deviation 1"),
    "by_type": _Kind(_by_type, "divided by the largest value of its type"),
    "by_type_if_whole": _Kind(
        _by_type_if_whole, "as it is, unsigned whole numbers divided by the largest value of their type"
    ),
    "bytes_or_standardise": _Kind(
        _bytes_or_standardise, "8 bits divided by 255, other types to mean 0 and standard deviation 1"
    ),
    "signed": _Kind(_signed, "0 .. 1 to -1 .. 1"),
    "blank": _Kind(_blank, "blanked outside a region if it has one"),
    "resize": _Kind(_resize, "resized to {size}", (2, 3), lambda _, *size: size),
    "square": _Kind(_square, "resized to {} on its longer side with black margins around", (1,), _in_square),
    "slices": _Kind(_slices, "slices resized to {size}", (2,), lambda shape, *size: (*size, *shape[2:])),
    "slices_of_bytes": _Kind(
        _slices_of_bytes,
        "cut to 8 bits before and after its slices are resized to {size}",
        (2,),
        lambda shape, *size: (*size, *shape[2:]),
    ),
}
"""What adapters can declare. A step keeps its name and meaning: files of models name it."""


def ct_window(limits: Sequence[float]) -> tuple[Step, ...]:
    """Clip to limits and scale what is left to [0, 1] by its smallest and largest value."""
    return ("clip", *limits), ("min_max",)
