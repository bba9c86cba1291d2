"""Test cases with their clean masks and what each loss predicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lib.datasets import IGNORED
from lib.evaluation.overlap import overlap_row
from lib.maps import foreground
from lib.plotting.style import loss_label, new_figure, save_pages
from lib.store import StoredCase, open_array, open_cases

SHOWN = 4
LONGEST_SIDE = 160  # pixels of a panel
GREYS = 16  # few enough for four bits a pixel
TINT = 0.55
MARGIN = 0.2  # around a mask, of its size
CLEAN_ONLY, OTHER_ONLY, BOTH = "#56B4E9", "#D55E00", "#029E73"
"""Where only the clean mask is, only the other, and both; told apart with colour-vision deficiencies."""
_WHOLE = (slice(None), slice(None))


@dataclass(frozen=True)
class Plane:
    """What is shown of a case: for a volume the slice ``z`` of the last axis, x to the right and y upwards."""

    z: int | None
    box: tuple[slice, slice]
    aspect: float
    step: int

    @classmethod
    def of(cls, case: StoredCase, area: np.ndarray, frame: np.ndarray | None = None) -> "Plane":
        """The slice with most of ``area``, all of it or cut to what lies in ``frame``; both are masks (*spatial)."""
        spacing = case.description["spacing"]
        volume = area.ndim == 3
        z = _fullest(area) if volume else None
        box = _WHOLE if frame is None else _square_around(frame[..., z] if volume else frame)
        longest = max(area[box].shape[:2])
        return cls(z, box, spacing[1] / spacing[0] if volume else 1.0, -(-longest // LONGEST_SIDE))

    def cut(self, array: Any) -> np.ndarray:
        """The plane of an array whose last axes are the case's."""
        part = np.asarray(array[..., self.z] if self.z is not None else array[...])[(..., *self.box)]
        thinned = part[..., :: self.step, :: self.step]
        return thinned if self.z is None else np.swapaxes(thinned, -1, -2)[..., ::-1, :]

    def draw_image(self, axis: Axes, case: StoredCase) -> None:
        """The case's image in grey, colours averaged."""
        image = self.cut(case.array("image"))
        grey = image.mean(axis=0) if len(image) == 3 else image[0]
        low, high = np.percentile(grey, [0.5, 99.5])
        scaled = np.clip((grey - low) / max(high - low, 1e-6), 0, 1)
        axis.imshow(np.round(scaled * (GREYS - 1)), cmap="gray", vmin=0, vmax=GREYS - 1, **self._placed)
        axis.axis("off")

    def draw_outline(self, axis: Axes, mask: np.ndarray, colour: str) -> None:
        shown = self.cut(mask)
        if shown.any() and not shown.all():
            axis.contour(shown, levels=[0.5], colors=[colour], linewidths=0.9)

    def draw_comparison(self, axis: Axes, clean: np.ndarray, other: np.ndarray) -> None:
        """Tints where one of two masks is, or both."""
        first, second = self.cut(clean), self.cut(other)
        tint = np.zeros((*first.shape, 4))
        parts = ((first & ~second, CLEAN_ONLY), (second & ~first, OTHER_ONLY), (first & second, BOTH))
        for part, colour in parts:
            tint[part] = (*to_rgb(colour), TINT)
        axis.imshow(tint, **self._placed)

    @property
    def _placed(self) -> dict[str, Any]:
        return {"aspect": self.aspect, "interpolation": "none"}


def _fullest(area: np.ndarray) -> int:
    per_slice = area.sum(axis=(0, 1))
    return int(per_slice.argmax()) if per_slice.any() else len(per_slice) // 2


def _square_around(mask: np.ndarray) -> tuple[slice, slice]:
    """As much of the frame as holds the mask and a margin, all of it if there is no mask."""
    places = np.argwhere(mask)
    if not len(places):
        return _WHOLE
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


def draw_examples(path: Path, runs: Mapping[Path, Mapping[str, Any]], note: str) -> None:
    """A page per data set and variant: rows of test cases, a column with the clean mask and one for each loss.

    Args:
        runs: folder of predictions -> what is told of its run: prepared, split, title, variant, loss, seed.
        note: what the scale of the study is evidence of.
    """
    save_pages(example_figures(runs, note), path)


def example_figures(runs: Mapping[Path, Mapping[str, Any]], note: str) -> list[Figure]:
    parts: dict[tuple[str, str], dict[Path, Mapping[str, Any]]] = {}
    for folder, told in runs.items():
        parts.setdefault((told["dataset"], told["variant"]), {})[folder] = told
    return [_page(members, note) for members in parts.values()]


def _page(members: Mapping[Path, Mapping[str, Any]], note: str) -> Figure:
    told = next(iter(members.values()))
    cases = open_cases(Path(told["prepared"]), told["split"], "test")
    shown = [cases[place] for place in evenly(len(cases), SHOWN)]
    footer = [note, _explanation(told, len(shown), len(cases), shown[0])]
    figure = new_figure(max(1.45 * (len(members) + 1), 7.5), 1.65 * len(shown) + 1.3, "\n".join(footer))
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.04, wspace=0, hspace=0)
    figure.suptitle(f"{told['title']}, {told['variant']}", x=0.01, ha="left", weight="bold")
    panels = figure.subplots(len(shown), len(members) + 1, squeeze=False)
    for row, case in zip(panels, shown, strict=True):
        _draw_case(row, case, list(members))
    heads = ["clean mask", *(loss_label(run["loss"]) for run in members.values())]
    for axis, head in zip(panels[0], heads, strict=True):
        axis.set_title(head, size=9)
    figure.legend(
        handles=comparison_legend("missed", "wrongly marked", "found"), loc="outside upper right", ncols=3
    )
    return figure


def _draw_case(row: Sequence[Axes], case: StoredCase, folders: Sequence[Path]) -> None:
    label = case.array("label")[...]
    clean = foreground(label)
    plane = Plane.of(case, clean)
    for axis in row:
        plane.draw_image(axis, case)
        plane.draw_outline(axis, clean, CLEAN_ONLY)
    for axis, folder in zip(row[1:], folders, strict=True):
        logit = open_array(folder / f"{case.name}.logit.b2nd")[...]
        plane.draw_comparison(axis, clean, (logit > 0) & (label != IGNORED))
        _write_below(axis, f"{overlap_row(case.name, logit, label)['dice']:.3f}")
    _write_below(row[0], short(case.name))


def _write_below(axis: Axes, text: str) -> None:
    axis.text(0.5, -0.03, text, transform=axis.transAxes, ha="center", va="top", size=9)


def comparison_legend(clean_only: str, other_only: str, both: str) -> list[Patch]:
    """What the tints of :meth:`Plane.draw_comparison` are called."""
    names = {both: BOTH, other_only: OTHER_ONLY, clean_only: CLEAN_ONLY}
    return [Patch(color=colour, alpha=TINT, label=name) for name, colour in names.items()]


def _explanation(told: Mapping[str, Any], shown: int, n: int, case: StoredCase) -> str:
    volume = len(case.shape) == 3
    where = "; slices with the largest annotated area (last axis)" if volume else ""
    of_what = "the whole volume" if volume else "the case"
    return (
        f"{shown} of n = {n} test cases, evenly through the test part{where}; networks of seed {told['seed']}.\n"
        f"Predictions are cut at probability 0.5; numbers: Dice of {of_what}; thin outline: the clean mask."
    )
