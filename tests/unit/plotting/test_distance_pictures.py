"""Slices of a test case: its distance maps, and how far from the border errors lie."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from study_figures import NOTE, predicted_runs, study, texts, tinted, words

from lib.comparison.results import EvaluatedRun
from lib.labels import BINARY, IGNORED, Labels
from lib.maps import signed_distance, signed_distance_2d
from lib.measures.diameters import largest_component
from lib.plotting.distance_pictures import cut_around, distance_figures, slices_through
from lib.plotting.plane import BOTH, CLEAN_ONLY, OTHER_ONLY
from lib.plotting.style import save_pages

SPACING = (1.0, 1.0, 5.0)
SEVERAL = Labels(("background", "cavity", "wall", "muscle"))


def block(shape: tuple[int, ...] = (60, 70, 8)) -> np.ndarray:
    """A component through slices 2 to 4, the fullest in the middle, and a smaller one in slice 3."""
    label = np.zeros(shape, np.uint8)
    label[20:30, 30:40, 2:5] = 1
    label[20:30, 34:40, 4] = 0
    label[25, 29, 3] = 1  # at its border
    label[50, 60, 3] = 1
    return label


def drawn(runs: list[EvaluatedRun], *losses: str) -> Figure:
    (figure,) = distance_figures(study(runs), losses)
    return figure


def panels(figure: Figure, rows: int) -> np.ndarray:
    """The panels row by row, without the colour bar."""
    return np.array(figure.axes[:-1]).reshape(rows, -1)


def heads(row: list[Axes]) -> list[str]:
    return [axis.get_title().replace("\n", " ") for axis in row]


def test_slices_and_cut() -> None:
    mask = block() > 0
    component = largest_component(mask)
    assert component.sum() == mask.sum() - 1
    assert slices_through(component, mask) == {
        "fullest slice": 3,
        "slice at its edge": 4,
        "nothing there": 1,
    }
    first, second = cut_around(component)
    assert (first.start, first.stop, second.start, second.stop) == (1, 49, 10, 58)
    full = np.ones((20, 70, 1), bool)
    assert slices_through(full, full) == {"fullest slice": 0}
    assert cut_around(full) == (slice(0, 20), slice(0, 70))
    assert slices_through(full[..., 0], full[..., 0]) == {"": None}


def test_distance_maps_and_errors_of_a_volume(tmp_path: Path) -> None:
    label = block()
    found = label.copy()
    found[20:30, 30, 3] = 0  # missed, at the border
    found[40, 35, 1] = 1  # far from everything, where nothing is
    label[0, 0] = IGNORED
    found[0, 0] = 1
    losses = ("dice", "ce", "gdl_hausdorff", "gdl", "boundary", "sixth")
    predictions = dict.fromkeys(losses, found) | {"dice": np.zeros_like(label)}
    runs = predicted_runs(tmp_path, [np.zeros_like(label), label, label], predictions, BINARY, SPACING)
    figure = drawn(runs, "gdl", "not run", "boundary")
    grid = panels(figure, 3)
    maps = ["signed distance, whole volume", "signed distance, slice by slice"]
    assert heads(grid[0]) == ["true mask", *maps, "GDL", "Boundary Loss", "Dice Loss", "CE", "GDL + Hausdorff"]
    assert [texts(row[0])[0] for row in grid] == [
        "fullest slice\n(z = 3)",
        "slice at its edge\n(z = 4)",
        "nothing there\n(z = 1)",
    ]
    mask = (label == 1).astype(np.uint8)
    for axes, made in zip(grid.T[1:3], (signed_distance, signed_distance_2d), strict=True):
        for axis, z in zip(axes, (3, 4, 1), strict=True):
            cut = made(mask, SPACING)[1:49, 10:58, z]
            assert np.array_equal(axis.images[0].get_array(), cut.T[::-1])
            assert axis.images[0].norm(0) == 0.5
    assert texts(grid[2, 2]) == ["0 everywhere"] and texts(grid[2, 1]) == []
    gdl, nothing = grid[:, 3], grid[:, 5]
    assert [tinted(gdl[0], colour) for colour in (BOTH, OTHER_ONLY, CLEAN_ONLY)] == [91, 0, 10]
    assert [tinted(gdl[2], colour) for colour in (BOTH, OTHER_ONLY, CLEAN_ONLY)] == [0, 1, 0]
    # diagonally past the voxel at the border; (11, 0, 5) mm from the component
    assert [texts(axis)[-1] for axis in gdl] == ["1.4 mm", "no error", "12.1 mm"]
    assert texts(nothing[0]) == ["5.0 mm"]
    for text in (NOTE, "Case case1, of n = 3", "seed 0", "in 3D", "found", "missed", "Slabs, base"):
        assert text in words(figure)
    save_pages([figure], tmp_path / "distances.pdf")
    assert (tmp_path / "distances.pdf").stat().st_size < 300_000


def test_the_first_of_several_structures(tmp_path: Path) -> None:
    label = block()
    label[:5, :60] = 2  # larger, and not shown
    figure = drawn(predicted_runs(tmp_path, [label], {"gdl": label}, SEVERAL, SPACING))
    grid = panels(figure, 3)
    assert [texts(axis)[-1] for axis in grid[:, 3]] == ["no error"] * 3
    assert tinted(grid[0, 3], BOTH) == 101
    assert "most cavity (class 1)" in words(figure)


def test_the_first_structure_that_a_test_case_has(tmp_path: Path) -> None:
    labels = [3 * block(), 2 * block(), 2 * block()]
    labels[2][50:55, 60:65, 3] = 2  # most of the wall
    figure = drawn(predicted_runs(tmp_path, labels, {"gdl": labels[2]}, SEVERAL, SPACING))
    assert "Case case2, of n = 3 test cases the one with most wall (class 2)" in words(figure)
    grid = panels(figure, 3)
    assert tinted(grid[0, 3], BOTH) == 101 and texts(grid[0, 3]) == ["no error"]


def test_pictures_have_one_map_and_one_row(tmp_path: Path) -> None:
    label = block()[..., 3]
    figure = drawn(predicted_runs(tmp_path, [label], {"gdl": label}, BINARY, SPACING[:2]))
    (row,) = panels(figure, 1)
    assert heads(row) == ["true mask", "signed distance", "GDL"]
    assert "3D" not in words(figure) and texts(row[2]) == ["no error"]


def test_without_foreground_a_page_says_so(tmp_path: Path) -> None:
    empty = np.zeros((20, 20, 4), np.uint8)
    figure = drawn(predicted_runs(tmp_path, [empty], {"gdl": empty}, BINARY, SPACING))
    assert "no test case has anything" in words(figure) and not figure.axes
