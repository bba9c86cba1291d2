"""What figures show of a case: one plane of it, masks drawn on it and compared."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from scipy import ndimage

from lib.store import StoredCase

LONGEST_SIDE = 160  # pixels of a panel among many
GREYS = 16  # few enough for four bits a pixel
TINT = 0.55
MARGIN = 0.2  # around a mask, of its size
CLEAN_ONLY, OTHER_ONLY, BOTH = "#56B4E9", "#D55E00", "#029E73"
"""Where only the clean mask is, only the other, and both; distinguishable with colour-vision deficiencies."""


@dataclass(frozen=True)
class Plane:
    """What is shown of a case: for a volume the slice ``z`` of the last axis, x to the right and y upwards."""

    z: int | None
    box: tuple[slice, slice]
    aspect: float
    step: int

    @classmethod
    def of(
        cls,
        case: StoredCase,
        area: np.ndarray,
        frame: np.ndarray | None = None,
        longest_side: int = LONGEST_SIDE,
    ) -> "Plane":
        """The slice with most of ``area``, all of it or cut to what lies in ``frame``; both are masks (*spatial).

        Thinned to at most ``longest_side`` pixels.
        """
        spacing = case.description["spacing"]
        volume = area.ndim == 3
        z = _fullest(area) if volume else None
        frame = np.ones(area.shape, bool) if frame is None else frame
        box = _square_around(frame[..., z] if volume else frame)
        longest = max(area[box].shape[:2])
        return cls(z, box, spacing[1] / spacing[0] if volume else 1.0, -(-longest // longest_side))

    def cut(self, array: Any) -> np.ndarray:
        """The plane of an array whose last axes are the case's."""
        part = np.asarray(array[..., self.z] if self.z is not None else array[...])[(..., *self.box)]
        thinned = part[..., :: self.step, :: self.step]
        return thinned if self.z is None else np.swapaxes(thinned, -1, -2)[..., ::-1, :]

    def draw_image(self, axis: Axes, case: StoredCase) -> None:
        """The case's image in grey, colours averaged."""
        image = self.cut(case.array("image"))
        grey = image.mean(axis=0) if len(image) == 3 else image[0]
        axis.imshow(np.round(contrasted(grey) * (GREYS - 1)), cmap="gray", vmin=0, vmax=GREYS - 1, **self._placed)
        axis.axis("off")

    def draw_outline(self, axis: Axes, mask: np.ndarray, colour: str, style: str = "-") -> None:
        """A line around the mask, the finer the more of it is border, so that it hides no small lesion."""
        shown = self.cut(mask)
        if shown.any() and not shown.all():
            inside = ndimage.binary_erosion(shown).sum() / shown.sum()
            axis.contour(shown, levels=[0.5], colors=[colour], linewidths=0.2 + 0.8 * inside, linestyles=[style])

    def draw_line(self, axis: Axes, ends: np.ndarray, colour: str, style: str = "-") -> None:
        """A line between two points (2, 2) of the plane, in voxels along the case's first two axes."""
        first, second = ((ends - [part.start for part in self.box]) / self.step).T
        if self.z is None:
            across, down = second, first
        else:
            length = self.box[1].stop - self.box[1].start
            across, down = first, -(-length // self.step) - 1 - second
        axis.plot(across, down, color=colour, linestyle=style, linewidth=0.7, scalex=False, scaley=False)

    def draw_comparison(
        self, axis: Axes, clean: np.ndarray, other: np.ndarray, right: np.ndarray | None = None
    ) -> None:
        """Tints where one of two masks is, or both; where both are and it is not ``right``, as the other alone."""
        first, second = self.cut(clean), self.cut(other)
        both = first & second if right is None else self.cut(right)
        tint = np.zeros((*first.shape, 4))
        parts = ((first & ~second, CLEAN_ONLY), (second & ~both, OTHER_ONLY), (both, BOTH))
        for part, colour in parts:
            tint[part] = (*to_rgb(colour), TINT)
        axis.imshow(tint, **self._placed)

    @property
    def _placed(self) -> dict[str, Any]:
        return {"aspect": self.aspect, "interpolation": "none"}


def contrasted(image: np.ndarray) -> np.ndarray:
    """Values between 0 and 1 for display, the extreme half percents cut off."""
    low, high = np.percentile(image, [0.5, 99.5])
    return np.clip((image - low) / max(high - low, 1e-6), 0, 1)


def _fullest(area: np.ndarray) -> int:
    per_slice = area.sum(axis=(0, 1))
    return int(per_slice.argmax()) if per_slice.any() else len(per_slice) // 2


def _square_around(mask: np.ndarray) -> tuple[slice, slice]:
    """As much of the frame as holds the mask and a margin, all of it if there is no mask."""
    places = np.argwhere(mask if mask.any() else np.ones_like(mask))
    low, high = places.min(axis=0), places.max(axis=0) + 1
    side = np.minimum(int((high - low).max() * (1 + 2 * MARGIN)) + 6, mask.shape)
    start = np.clip((low + high - side) // 2, 0, mask.shape - side)
    return slice(start[0], start[0] + side[0]), slice(start[1], start[1] + side[1])


def evenly(n: int, count: int) -> list[int]:
    """At most ``count`` of the places 0 to ``n`` - 1, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, n - 1, min(count, n)).tolist()})


def short(name: str) -> str:
    """The name, of a long one its end."""
    return name if len(name) < 20 else f"...{name[-16:]}"


def comparison_legend(clean_only: str, other_only: str, both: str) -> list[Patch]:
    """What the tints of :meth:`Plane.draw_comparison` are called."""
    names = {both: BOTH, other_only: OTHER_ONLY, clean_only: CLEAN_ONLY}
    return [Patch(color=colour, alpha=TINT, label=name) for name, colour in names.items()]
