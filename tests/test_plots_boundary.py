"""The figures about surfaces and their distances: what they show, and what becomes of them where nothing is there."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lib.arrays import write_array
from lib.comparison.runs import EvaluatedRun
from lib.files import write_json
from lib.labels import IGNORED, Labels
from lib.losses.specification import resolved
from lib.maps import signed_distance, signed_distance_2d
from lib.plotting.beside_published import beside_published_figures, draw_beside_published
from lib.plotting.boxplots import boxplot_figures, draw_boxplots
from lib.plotting.distance_pictures import (
    cut_around,
    distance_figures,
    draw_distance_pictures,
    largest_component,
    slices_through,
)
from lib.plotting.loss_weights import draw_loss_weights, loss_weights_figure
from lib.plotting.over_epochs import draw_over_epochs, over_epochs_figures
from lib.plotting.plane import BOTH, CLEAN_ONLY, OTHER_ONLY
from lib.plotting.style import loss_label, loss_line_style
from lib.store import Case, StoredCase, write_case

NOTE = "Note on the scale."
STUDY = [
    *("ce", "dice", "focal", "gdl", "boundary", "boundary_2d", "boundary_classes", "gdl_boundary_constant"),
    *("gdl_boundary_increase", "gdl_boundary_rebalance", "gdl_boundary_rebalance_2d"),
    *("gdl_boundary_rebalance_published", "gdl_hausdorff"),
]


def words(figure: Figure) -> str:
    """All text of a figure but its panels'."""
    legends = [text for legend in figure.legends for text in legend.get_texts()]
    return " ".join(text.get_text() for text in [*figure.texts, *legends]).replace("\n", " ")


def texts(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


def line(axis: Axes, label: str) -> np.ndarray:
    """The points (n, 2) of the line with a label."""
    (found,) = (line for line in axis.lines if line.get_label() == label)
    return found.get_xydata()


def test_every_loss_of_the_study_has_its_own_look_and_name() -> None:
    styles = [loss_line_style(loss, STUDY) for loss in STUDY]
    assert len({(style["color"], style["linestyle"]) for style in styles}) == len(STUDY)
    assert len({style["marker"] for style in styles}) == len(STUDY)
    assert len({loss_label(loss) for loss in STUDY}) == len(STUDY)
    assert not set(map(loss_label, STUDY)) & set(STUDY)


def test_gdl_keeps_its_look_among_inverse_weights() -> None:
    style = loss_line_style("gdl", ["gdl", "dl", "iwdl"])
    assert (style["color"], style["linestyle"], style["marker"]) == ("#7A4EAB", "--", "o")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., EvaluatedRun]:
    """Writes a run's history of four epochs, and its table of test cases."""

    def written(
        loss: str = "gdl",
        seed: int = 0,
        cases: pd.DataFrame | None = None,
        variant: str = "slices",
        **columns: Sequence[float | None],
    ) -> EvaluatedRun:
        folder = tmp_path / variant / loss / f"seed-{seed}"
        folder.mkdir(parents=True)
        pd.DataFrame({"epoch": [1, 2, 3, 4], **columns}).to_csv(folder / "history.csv", index=False)
        if cases is not None:
            cases.to_csv(folder / "surface.csv", index=False)
        keys = {"dataset": "slabs", "variant": variant, "noise": "clean", "loss": loss, "seed": seed}
        return EvaluatedRun(keys, "Slabs", None, folder)

    return written


# Over epochs


def test_lines_are_means_over_seeds_of_the_epochs_that_measured(run: Callable) -> None:
    runs = [
        run(loss, seed, test_dice=[None, 0.2, None, 0.4 + seed / 5], test_hd95=[None, 80, None, 3 + seed])
        for loss in ("gdl", "ce")
        for seed in (0, 1)
    ]
    (figure,) = over_epochs_figures(runs, NOTE)
    dice, distance = figure.axes
    assert line(dice, "GDL") == pytest.approx(np.array([[2, 0.2], [4, 0.5]]))
    assert line(distance, "CE") == pytest.approx(np.array([[2, 80], [4, 3.5]]))
    band = dice.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(0.5 + np.std([0.4, 0.6], ddof=1))
    assert len(dice.collections) == len(distance.collections) == 2
    assert "test cases" in dice.get_ylabel() and "(mm)" in distance.get_ylabel()
    assert (dice.get_yscale(), distance.get_yscale()) == ("linear", "symlog")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["GDL", "CE"]
    for text in (NOTE, "±1 sd over seeds", "Slabs, slices", "seeds 0, 1."):
        assert text in words(figure)


def test_the_kept_networks_are_marked(run: Callable) -> None:
    dice = [0.1, 0.2, 0.3, 0.4]
    runs = [run("gdl", seed, test_dice=dice, selected=np.eye(4, dtype=int)[1 + seed]) for seed in (0, 1)]
    (figure,) = over_epochs_figures([*runs, run("ce", test_dice=dice)], NOTE)
    marked = {line.get_label(): line.get_markevery() for line in figure.axes[0].lines}
    assert marked == {"GDL": [1, 2], "CE": [3]}


def test_one_seed_has_no_band_and_close_distances_a_linear_axis(run: Callable) -> None:
    (figure,) = over_epochs_figures([run(test_dice=[0.1] * 4, test_hd95=[9, 8, 6, 5])], NOTE)
    assert not any(axis.collections for axis in figure.axes)
    assert figure.axes[1].get_yscale() == "linear"


def test_validation_cases_where_no_test_cases_were_measured(run: Callable) -> None:
    nothing = [None] * 4
    runs = [run(test_dice=nothing, validation_dice=[0.1, 0.2, 0.3, 0.4]), run("ce")]
    (figure,) = over_epochs_figures(runs, NOTE)
    (axis,) = figure.axes
    assert axis.get_ylabel() == "Dice of the validation cases"
    assert line(axis, "GDL")[:, 1] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert "test cases were not looked at" in words(figure) and "Not measured: CE." in words(figure)


def test_the_part_with_most_measured_epochs_is_drawn_and_hides_no_network(run: Callable) -> None:
    last = [None, None, None, 0.4]
    kept = {"selected": [0, 1, 0, 0]}
    validation = {"validation_dice": [0.1, 0.3, 0.2, 0.2], "validation_hd95": [9, 8, 7, 7]}
    both = [run(loss, test_dice=last, test_hd95=last, **validation, **kept) for loss in ("gdl", "ce")]
    (figure,) = over_epochs_figures(both, NOTE)
    assert figure.axes[0].get_ylabel() == "Dice of the validation cases"
    assert [line.get_markevery() for line in figure.axes[0].lines] == [[1], [1]]
    assert "test cases, measured in no more epochs, are not drawn" in words(figure)
    assert "not measured on these" not in words(figure) and "Hollow" not in words(figure)


def test_a_single_epoch_is_a_point_hollow_where_it_is_not_the_kept_one(run: Callable) -> None:
    last = [None, None, None, 0.4]
    runs = [run("gdl", test_dice=last, selected=[0, 1, 0, 0]), run("ce", test_dice=last)]
    (figure,) = over_epochs_figures(runs, NOTE)
    figure.draw_without_rendering()
    (axis,) = figure.axes
    looks = {line.get_label(): (line.get_markevery(), line.get_markerfacecolor()) for line in axis.lines}
    assert looks["GDL"] == ([0], "white") and looks["CE"][0] == [0] and looks["CE"][1] != "white"
    shown = [tick for tick in axis.get_xticks() if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]]
    assert shown == [4] and axis.get_xlim() == (3.5, 4.5)
    assert "1 of 2 kept networks are of epochs that were not measured" in words(figure)
    assert "Hollow" in words(figure)


def test_a_page_for_each_variant_even_where_nothing_was_measured(run: Callable) -> None:
    first, second = over_epochs_figures([run(), run(variant="volumes", test_dice=[0.1] * 4)], NOTE)
    assert "Slabs, slices: neither test nor validation" in words(first) and not first.axes
    assert "Slabs, volumes" in words(second)
    assert "no run" in words(over_epochs_figures([], NOTE)[0])


# Box plots


def case_table(dice: Sequence[float], structures: Sequence[str] = ("lesion",)) -> pd.DataFrame:
    """Cases of some Dice; where it is 0 nothing was predicted and the distance is the diagonal."""
    rows = [
        {
            **{"case": f"case{number}", "structure": structure, "present": 50, "dice": value},
            **({"predicted": 40, "hd95": 5.0 + number} if value else {"predicted": 0, "hd95": 120.0}),
        }
        for number, value in enumerate(dice)
        for structure in structures
    ]
    return pd.DataFrame(rows)


def test_a_box_a_loss_in_the_order_of_the_runs(run: Callable) -> None:
    runs = [
        run(loss, seed, case_table([0, 0.2 + offset, 0.4 + offset, 0.6 + offset]))
        for loss, offset in (("gdl_hausdorff", 0.0), ("ce", 0.1))
        for seed in (0, 1)
    ]
    (figure,) = boxplot_figures(runs, NOTE)
    figure.draw_without_rendering()
    dice, distance = figure.axes
    names = [label.get_text() for label in dice.get_yticklabels()]
    assert names == ["GDL + Hausdorff (n = 8)\n2 of 8 empty", "CE (n = 8)\n2 of 8 empty"]
    assert len(dice.patches) == len(distance.patches) == 2
    drawn = dice.patches[1].get_path().vertices[:, 0]
    assert (drawn.min(), drawn.max()) == pytest.approx(np.percentile([0, 0.3, 0.5, 0.7] * 2, [25, 75]))
    assert dice.patches[0].get_path().vertices[:, 1].mean() < dice.patches[1].get_path().vertices[:, 1].mean()
    assert dice.yaxis_inverted()
    means = [line.get_xdata()[0] for line in dice.lines if line.get_marker() == "D"]
    assert means == pytest.approx([0.3, 0.375])
    points = [np.sort(line.get_xdata()).tolist() for line in distance.lines if line.get_marker() == "."]
    crosses = [line.get_xdata().tolist() for line in distance.lines if line.get_marker() == "x"]
    assert points == [[6, 6, 7, 7, 8, 8]] * 2 and crosses == [[120, 120]] * 2
    assert distance.get_xscale() == "symlog" and distance.get_xlim()[1] > 120
    for text in (NOTE, "quartiles", "5 to 95 %", "4 test cases", "seeds 0, 1", "empty prediction"):
        assert text in words(figure)


def test_every_structure_has_its_page(run: Callable) -> None:
    runs = [run(cases=case_table([0.5, 0.6], ["ventricle", "wall"]))]
    pages = boxplot_figures(runs, NOTE)
    assert [page.get_suptitle() for page in pages] == ["Slabs, slices: ventricle", "Slabs, slices: wall"]
    assert [label.get_text() for label in pages[0].axes[0].get_yticklabels()] == ["GDL (n = 2)"]
    assert not pages[0].legends


def test_lesion_free_cases_are_no_empty_predictions(run: Callable) -> None:
    cases = case_table([0.5, 0.0]).assign(present=[50, 0], dice=[0.5, 1.0], hd95=[4.0, 0.0])
    (figure,) = boxplot_figures([run(cases=cases)], NOTE)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["GDL (n = 2)"]
    assert figure.axes[1].get_xlim()[0] < 0


def test_cases_without_one_of_several_structures_are_left_out_where_it_is_left_empty(run: Callable) -> None:
    empty = {"present": 0, "dice": 1.0, "hd95": 0.0, "predicted": 0}
    cases = case_table([0.5, 0.6, 0.7], ["ventricle", "wall", "none"])
    cases.loc[cases["structure"] == "none", list(empty)] = list(empty.values())
    cases.loc[[4, 7], list(empty)] = list(empty.values())  # the wall of the last two cases
    marked = cases.copy()
    marked.loc[7, ["dice", "hd95", "predicted"]] = [0.0, 120.0, 30]
    marked.loc[8, ["dice", "hd95", "predicted"]] = [0.0, 120.0, 30]
    runs = [run("gdl", cases=cases), run("ce", cases=marked)]
    ventricle, wall, none = boxplot_figures(runs, NOTE)
    names = [[label.get_text() for label in page.axes[0].get_yticklabels()] for page in (ventricle, wall)]
    assert names == [["GDL (n = 3)", "CE (n = 3)"], ["GDL (n = 1)", "CE (n = 2)"]]
    points = [line.get_xdata().tolist() for line in wall.axes[0].lines if line.get_marker() == "."]
    assert points == [[0.5], [0.5, 0.0]]
    assert "2 cases without it, rightly left empty 3 of 4 times" in words(wall)
    assert "without it" not in words(ventricle)
    assert "Slabs, slices: no test case has none; marked in 1 of 6 predictions." in words(none)
    assert not none.axes


# Weights


def test_the_corrected_rebalancing_adds_up_to_one_and_the_published_to_more() -> None:
    names = ["ce", "gdl_boundary_rebalance", "gdl_boundary_rebalance_published", "gdl_hausdorff"]
    losses = {name: resolved("cross_entropy" if name == "ce" else name) for name in names}
    figure = loss_weights_figure(losses, [100], NOTE)
    corrected, published, constant = figure.axes
    assert [axis.get_title(loc="left") for axis in figure.axes] == [loss_label(name) for name in names[1:]]
    assert line(corrected, "sum of the weights")[:, 1] == pytest.approx(np.ones(100))
    assert line(corrected, "boundary")[[0, -1]] == pytest.approx(np.array([[1, 0], [100, 0.99]]))
    assert line(published, "sum of the weights")[[0, -1], 1] == pytest.approx([1.01, 1.1])
    assert line(published, "generalized dice")[-1, 1] == pytest.approx(0.1)
    assert line(constant, "hausdorff dt")[:, 1] == pytest.approx(np.full(100, 0.1))
    assert [texts(axis) for axis in figure.axes] == [["1.00"], ["1.10"], ["1.10"]]
    (legend,) = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["generalized dice", "boundary", "hausdorff dt", "sum of the weights"]


def test_the_longest_of_different_trainings_is_drawn() -> None:
    losses = {"gdl_boundary_rebalance": resolved("gdl_boundary_rebalance")}
    same, different = (loss_weights_figure(losses, epochs, NOTE) for epochs in ([20], [10, 20]))
    for figure in (same, different):
        assert len(line(figure.axes[0], "boundary")) == 20
    assert "Of 20 epochs; shorter trainings go through the same schedules in theirs." in words(different)
    assert "shorter" not in words(same)


def test_terms_of_one_name_and_sums_of_sums() -> None:
    terms = ["dice", {"name": "dice", "squared_pred": True, "weight": 0.5}, "dice_ce"]
    (axis,) = loss_weights_figure({"mine": resolved({"sum": terms})}, [1], NOTE).axes
    assert axis.get_legend_handles_labels()[1] == [
        "dice",
        "dice (2)",
        "dice + cross entropy",
        "sum of the weights",
    ]
    assert line(axis, "dice (2)").tolist() == [[1, 0.5]]


def test_without_a_sum_a_page_says_so() -> None:
    figure = loss_weights_figure({"ce": resolved("cross_entropy")}, [10], NOTE)
    assert "no weights to draw" in words(figure) and not figure.axes


def test_weights_are_drawn_without_torch() -> None:
    code = "import sys, lib.plotting.loss_weights; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


# Beside published numbers


def published_table() -> pd.DataFrame:
    common = {"dataset": "wmh2017", "title": "WMH", "status": "run", "variant": "slices", "seeds": 2}
    slices, rows = {"metric": "Dice per slice"}, {"metric": "HD as printed"}
    gdl, both = {"published_loss": "gdl", "loss": "gdl"}, {"published_loss": "gdl_boundary_rebalance"}
    reached = [
        {**common, **slices, **gdl, "published": 0.7, "published_sd": 0.01, "ours": 0.72, "ours_sd": 0.02},
        {**common, **slices, **both, "loss": "gdl_boundary_rebalance_2d", "published": 0.75, "ours": 0.7},
        {**common, **rows, **gdl, "published": 1.045, "published_sd": 0.014, "ours": np.nan},
    ]
    missing = {"published_loss": "boundary", "published": 0.569, "published_sd": 0.0, "status": "not run"}
    table = pd.DataFrame([*reached, {"dataset": "isles2018", "title": "ISLES", **slices, **missing}])
    return table.assign(remark=["nothing predicted: 0.500", None, None, None])


def bars(axis: Axes) -> dict[str, list[tuple[float, float]]]:
    """Values and half lengths of their bars, by what marks them."""
    found: dict[str, list[tuple[float, float]]] = {}
    for container in axis.containers:
        marker, _, bar = container.lines
        half = float(np.ptp(bar[0].get_segments()[0][:, 0])) / 2 if bar else 0.0
        found.setdefault(marker.get_marker(), []).append((marker.get_xdata()[0], pytest.approx(half)))
    return found


def test_ours_stand_beside_published_numbers() -> None:
    wmh, isles = beside_published_figures(published_table(), NOTE)
    dice, rows = wmh.axes
    assert bars(dice) == {"D": [(0.7, 0.01), (0.75, 0)], "o": [(0.72, 0.02), (0.7, 0)]}
    assert texts(dice) == ["+0.020 (2 seeds)\nnothing predicted: 0.500", "-0.050 (2 seeds)"]
    assert [label.get_text() for label in dice.get_yticklabels()] == [
        "GDL\nslices",
        "GDL + boundary, rebalance\nGDL + boundary, rebalance, 2D maps; slices",
    ]
    assert bars(rows) == {"D": [(1.045, 0.014)]} and texts(rows) == ["nothing to compare (2 seeds)"]
    assert [axis.get_xlabel() for axis in wmh.axes] == ["Dice per slice", "HD as printed"]
    assert (wmh.get_suptitle(), isles.get_suptitle()) == ("WMH", "ISLES")
    assert NOTE in words(wmh) and words(wmh).endswith("published ours")


def test_remarks_are_shown_whole_and_ours_of_a_chosen_epoch_is_distinguished() -> None:
    remark = "epoch chosen on the test cases, as published; last: 0.651; predicting nothing: 0.500"
    table = published_table().assign(remark=[remark, None, None, None])
    wmh, isles = beside_published_figures(table, NOTE)
    wmh.draw_without_rendering()
    (shown, *_) = wmh.axes[0].texts
    assert " ".join(shown.get_text().split("\n")[1:]) == remark
    assert all(text.get_window_extent().x1 < wmh.bbox.x1 for axis in wmh.axes for text in axis.texts)
    assert "ours is not a test result" in words(wmh) and "not a test result" not in words(isles)


def test_published_numbers_stand_alone_where_nothing_was_run() -> None:
    table = published_table()
    (figure,) = beside_published_figures(table[table["status"] == "not run"], NOTE)
    (axis,) = figure.axes
    assert bars(axis) == {"D": [(0.569, 0)]} and texts(axis) == ["not run"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["Boundary Loss"]
    assert "stand alone" in words(figure) and words(figure).endswith("published")


def test_nothing_published_fits() -> None:
    (figure,) = beside_published_figures(published_table().iloc[:0], NOTE)
    assert "Nothing published fits" in words(figure) and not figure.axes


# Distances


def block(shape: tuple[int, ...] = (60, 70, 8)) -> np.ndarray:
    """A component through slices 2 to 4, the fullest in the middle, and a smaller one in slice 3."""
    label = np.zeros(shape, np.uint8)
    label[20:30, 30:40, 2:5] = 1
    label[20:30, 34:40, 4] = 0
    label[25, 29, 3] = 1  # at its border
    label[50, 60, 3] = 1
    return label


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


@pytest.fixture
def predicted(tmp_path: Path) -> Callable[..., dict]:
    """Stores test cases, and what each loss predicts for all of them."""

    def runs(
        labels: Sequence[np.ndarray], logits: dict[str, np.ndarray], spacing: Sequence[float]
    ) -> dict[Path, dict]:
        prepared = tmp_path / "prepared"
        names = [f"case{number}" for number in range(len(labels))]
        logit = next(iter(logits.values()))
        channels = len(logit) if logit.ndim > labels[0].ndim else 2
        meaning = Labels(("background", "cavity", "wall", "muscle")[:channels])
        for name, label in zip(names, labels, strict=True):
            image = np.random.default_rng(0).normal(size=(1, *label.shape))
            write_case(prepared / name, name, Case(image, label, tuple(spacing), patient=name))
        described = {name: StoredCase(prepared / name).description for name in names}
        write_json(prepared / "test.json", described)
        run = {
            "prepared": str(prepared),
            "cases": str(prepared / "test.json"),
            "title": "Slabs",
            "dataset": "slabs",
        }
        folders = {}
        for loss, logit in logits.items():
            folder = tmp_path / loss / "predictions"
            for name in names:
                write_array(folder / f"{name}.logit.b2nd", logit.astype(np.float16))
            folders[folder] = {**run, "labels": meaning, "variant": "slices", "loss": loss, "seed": 0}
        return folders

    return runs


def tinted(axis: Axes, colour: str) -> int:
    """Pixels of a panel with a tint."""
    tint = axis.images[1].get_array()
    return int((np.isclose(tint[..., :3], to_rgb(colour)).all(axis=-1) & (tint[..., 3] > 0)).sum())


def panels(figure: Figure, rows: int) -> np.ndarray:
    """The panels row by row, without the colour bar."""
    return np.array(figure.axes[:-1]).reshape(rows, -1)


SPACING = (1.0, 1.0, 5.0)


def test_distance_maps_and_errors_of_a_volume(predicted: Callable, tmp_path: Path) -> None:
    label = block()
    found = label.copy()
    found[20:30, 30, 3] = 0  # missed, at the border
    found[40, 35, 1] = 1  # far from everything, where nothing is
    label[0, 0] = IGNORED
    found[0, 0] = 1
    losses = ("dice", "ce", "gdl_hausdorff", "gdl", "focal", "boundary")
    logits = {loss: np.where(found, 3, -3) if loss != "dice" else -np.ones(label.shape) for loss in losses}
    runs = predicted([np.zeros_like(label), label, label], logits, SPACING)
    (figure,) = distance_figures(runs, NOTE)
    grid = panels(figure, 3)
    heads = [axis.get_title().replace("\n", " ") for axis in grid[0]]
    maps = ["signed distance, whole volume", "signed distance, slice by slice"]
    assert heads == ["true mask", *maps, "GDL", "Boundary Loss", "GDL + Hausdorff", "CE", "Dice Loss"]
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
    gdl, nothing = grid[:, 3], grid[:, 7]
    assert [tinted(gdl[0], colour) for colour in (BOTH, OTHER_ONLY, CLEAN_ONLY)] == [91, 0, 10]
    assert [tinted(gdl[2], colour) for colour in (BOTH, OTHER_ONLY, CLEAN_ONLY)] == [0, 1, 0]
    # diagonally past the voxel at the border; (11, 0, 5) mm from the component
    assert [texts(axis)[-1] for axis in gdl] == ["1.4 mm", "no error", "12.1 mm"]
    assert texts(nothing[0]) == ["5.0 mm"]
    for text in (NOTE, "Case case1, of n = 3", "seed 0", "in 3D", "found", "missed", "Slabs, slices"):
        assert text in words(figure)
    draw_distance_pictures(tmp_path / "distances.pdf", runs, NOTE)
    assert 0 < (tmp_path / "distances.pdf").stat().st_size < 300_000


def test_the_first_of_several_structures(predicted: Callable) -> None:
    label = block()
    label[:5, :60] = 2  # larger, and not shown
    right = np.stack([label == number for number in range(3)])
    (figure,) = distance_figures(predicted([label], {"gdl": np.where(right, 2, -2)}, SPACING), NOTE)
    grid = panels(figure, 3)
    assert [texts(axis)[-1] for axis in grid[:, 3]] == ["no error"] * 3
    assert tinted(grid[0, 3], BOTH) == 101
    assert "most cavity (class 1)" in words(figure)


def test_the_first_structure_that_a_test_case_has(predicted: Callable) -> None:
    labels = [3 * block(), 2 * block(), 2 * block()]
    labels[2][50:55, 60:65, 3] = 2  # most of the wall
    right = np.stack([labels[2] == number for number in range(4)])
    (figure,) = distance_figures(predicted(labels, {"gdl": np.where(right, 2, -2)}, SPACING), NOTE)
    assert "Case case2, of n = 3 test cases the one with most wall (class 2)" in words(figure)
    grid = panels(figure, 3)
    assert tinted(grid[0, 3], BOTH) == 101 and texts(grid[0, 3]) == ["no error"]


def test_pictures_have_one_map_and_one_row(predicted: Callable) -> None:
    label = block()[..., 3]
    (figure,) = distance_figures(predicted([label], {"gdl": np.where(label, 3, -3)}, SPACING[:2]), NOTE)
    (row,) = panels(figure, 1)
    assert [axis.get_title() for axis in row] == ["true mask", "signed distance", "GDL"]
    assert "3D" not in words(figure) and texts(row[2]) == ["no error"]


def test_without_foreground_a_page_says_so(predicted: Callable) -> None:
    empty = np.zeros((20, 20, 4), np.uint8)
    (figure,) = distance_figures(predicted([empty], {"gdl": empty - 1.0}, SPACING), NOTE)
    assert "no test case has anything" in words(figure) and not figure.axes


def test_the_figures_are_written_and_their_bytes_repeat(run: Callable, tmp_path: Path) -> None:
    runs = [run(cases=case_table([0, 0.5]), test_dice=[0.1] * 4, test_hd95=[9, 8, 6, 5])]
    draws = {
        "over_epochs": lambda path: draw_over_epochs(path, runs, NOTE),
        "boxplots": lambda path: draw_boxplots(path, runs, NOTE),
        "loss_weights": lambda path: draw_loss_weights(path, {"a": resolved("dice_ce")}, [5], NOTE),
        "beside_published": lambda path: draw_beside_published(path, published_table(), NOTE),
    }
    for name, draw in draws.items():
        contents = []
        for path in (tmp_path / f"{name}.pdf", tmp_path / f"{name}_again.pdf"):
            draw(path)
            contents.append(path.read_bytes())
        assert contents[0].startswith(b"%PDF") and contents[0] == contents[1]
