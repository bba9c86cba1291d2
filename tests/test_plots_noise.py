"""The figures about noise: what they show, and what becomes of them where there is nothing to show."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import store_case
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lib.arrays import write_array
from lib.comparison.runs import EvaluatedRun
from lib.files import write_json
from lib.labels import IGNORED, NOISE_KINDS, Labels
from lib.noise import realised_change
from lib.plotting.examples import draw_examples, example_figures
from lib.plotting.noise_response import base_variant, dice_by_noise_figure, draw_dice_by_noise, noise_label
from lib.plotting.noise_sheet import draw_noise_sheet, noise_sheet_figures
from lib.plotting.plane import BOTH, CLEAN_ONLY, LONGEST_SIDE, OTHER_ONLY, Plane, evenly
from lib.plotting.style import loss_line_style
from lib.plotting.training_curves import (
    draw_loss_parameters,
    draw_training_dice,
    loss_parameter_figures,
    training_dice_figures,
)
from lib.store import NoisyCase, write_relabelled

NOTE = "Note on the scale."
MILD, STRONG = "alpha0.3-beta0.5-released", "alpha0.7-beta0.7-released"
T_LOSS_STUDY = ["t_loss", "gce", "mae", "rce", "sce", "ngce", "nce_rce", "ngce_mae", "ngce_rce"]


def words(figure: Figure) -> str:
    """All text of a figure but its panels'."""
    legends = [text for legend in figure.legends for text in legend.get_texts()]
    return " ".join(text.get_text() for text in [*figure.texts, *legends]).replace("\n", " ")


def titles(figure: Figure) -> list[str]:
    return [axis.get_title(loc=where) for axis in figure.axes for where in ("left", "center", "right")]


def drawn(axis: Axes, label: str) -> np.ndarray:
    """The points (n, 2) of the line or error bars with a label."""
    handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    handle = handles[label]
    return (handle if hasattr(handle, "get_xydata") else handle.lines[0]).get_xydata()


# Dice by noise


def run_table(
    losses: Sequence[str] = ("t_loss", "gce"),
    doses: dict[str, float] | None = None,
    dataset: str = "skin",
    **columns: object,
) -> pd.DataFrame:
    """Two seeds a loss and noise; Dice falls with the dose, by 0.1 less for seed 0."""
    rows = []
    for loss in losses:
        for noise, dose in (doses or {"clean": 0.0, MILD: 0.1, STRONG: 0.3}).items():
            for seed in (0, 1):
                rows.append(
                    {
                        "dataset": dataset,
                        "variant": "base" if noise == "clean" else f"base_{noise}",
                        "noise": noise,
                        "loss": loss,
                        "seed": seed,
                        "status": "learnt",
                        "test_cases": 7,
                        "test_dice_pooled": 0.9 - dose + 0.1 * seed,
                        "masks_dice": 1 - dose,
                        **columns,
                    }
                )
    return pd.DataFrame(rows)


def dose_figure(runs: pd.DataFrame, **options: object) -> Figure:
    figure = dice_by_noise_figure(runs, {"skin": "Skin", "lung": "Lung"}, NOTE, **options)
    figure.draw_without_rendering()
    return figure


def test_means_stand_at_their_dose() -> None:
    figure = dose_figure(run_table())
    (axis,) = figure.axes
    points = drawn(axis, "GCE")
    assert points[:, 1] == pytest.approx([0.95, 0.85, 0.65])
    assert points[:, 0] == pytest.approx([0, 0.1, 0.3], abs=0.01)
    assert (points[:, 0] > drawn(axis, "T-Loss")[:, 0]).all()
    bar = axis.containers[0].lines[2][0].get_segments()[0]
    assert bar[:, 1] == pytest.approx(0.95 + np.array([-1, 1]) * np.std([0.9, 1.0], ddof=1))
    assert [label.get_text() for label in axis.get_xticklabels()] == ["clean", "0.3 / 0.5", "0.7 / 0.7"]
    assert axis.get_xticks() == pytest.approx([0, 0.1, 0.3])
    assert "(released)" in axis.get_xlabel() and "pooled" in axis.get_ylabel()
    masks = drawn(axis, "the masks themselves")
    assert masks[:, 1] == pytest.approx(1 - masks[:, 0])
    for text in (NOTE, "n = 7 test cases", "seeds 0, 1", "±1 sd", "the masks themselves"):
        assert text in words(figure)
    assert "collapsed" not in words(figure)


def test_one_seed_has_no_bars_and_collapsed_and_poor_runs_are_counted() -> None:
    runs = run_table(losses=["gce"])
    figure = dose_figure(runs[runs["seed"] == 0].assign(status="collapsed"))
    (start, end) = figure.axes[0].containers[0].lines[2][0].get_segments()[0]
    assert start == pytest.approx(end)
    assert "; of the runs 3 of 3 collapsed, all counted in the means." in words(figure)
    poor = dose_figure(runs.assign(status=["learnt", "poor", "collapsed", "poor", "learnt", "poor"]))
    assert "; of the runs 1 of 6 collapsed, 3 of 6 poor, all counted in the means." in words(poor)


def test_published_numbers_stand_beside_ours() -> None:
    columns = ["dataset", "loss", "variant", "metric", "value", "spread", "source"]
    rows = [
        ("isic", "gce", "clean", "test_dice", 0.8, 0.01, "Table 1"),
        ("isic", "gce", STRONG, "test_dice", 0.7, 0.02, "Table 1"),
        ("isic", "gce", "alpha0.5-beta0.5-released", "test_dice", 0.1, 0.02, "Table 1"),  # no such run
        ("isic", "mae", "clean", "test_dice", 0.2, 0.02, "Table 1"),  # no such run
        ("isic", "t_loss", STRONG, "nu", -2.4, np.nan, "Figure 2"),
        ("other", "gce", MILD, "test_dice", 0.3, 0.02, "Table 2"),
    ]
    runs = pd.concat([run_table(), run_table(dataset="lung")])
    options = {
        "published": pd.DataFrame(rows, columns=columns),
        "published_names": {"dataset": {"skin": "isic"}},
    }
    figure = dose_figure(runs, **options)
    ours, published, lung, nothing = figure.axes
    assert drawn(published, "GCE")[:, 1] == pytest.approx([0.8, 0.7])
    assert drawn(published, "GCE")[:, 0] == pytest.approx([0, 0.3], abs=0.01)
    assert "T-Loss" not in published.get_legend_handles_labels()[1]
    assert ours.get_ylim() == published.get_ylim() and ours.get_xlim() == published.get_xlim()
    assert [axis.get_title(loc="left") for axis in (ours, published)] == ["Skin: own runs", "Skin: published"]
    assert lung.get_title(loc="left") == "Lung: own runs" and not nothing.axison
    assert "Published: Table 1;" in words(figure)


@pytest.mark.parametrize(("noise", "masks"), [("clean", False), (STRONG, True)])
def test_one_level_is_a_figure_too(noise: str, masks: bool) -> None:
    (axis,) = dose_figure(run_table(doses={noise: 0.3 if masks else 0.0})).axes
    assert drawn(axis, "GCE").shape == (1, 2)
    assert ("the masks themselves" in axis.get_legend_handles_labels()[1]) == masks
    low, high = axis.get_ylim()
    mean, sd = drawn(axis, "GCE")[0, 1], 0.0707
    assert mean - 0.1 < low < mean - sd and mean + sd < high < mean + 0.1


def test_lines_join_noise_of_one_form_alone() -> None:
    corrected = MILD.removesuffix("-released")
    (axis,) = dose_figure(run_table(["gce"], {"clean": 0, corrected: 0.1, MILD: 0.15, STRONG: 0.3})).axes
    joined = [container.lines[0].get_xdata().tolist() for container in axis.containers]
    assert joined == [pytest.approx([0, 0.1]), pytest.approx([0, 0.15, 0.3])]
    labels = [label.get_text() for label in axis.get_xticklabels()]
    assert [label.strip() for label in labels] == [
        "clean",
        "0.3 / 0.5 corrected",
        "0.3 / 0.5 released",
        "0.7 / 0.7 released",
    ]


def test_names_of_close_levels_stand_in_rows_and_do_not_touch() -> None:
    grid = [f"alpha{a}-beta{b}-released" for a in (0.3, 0.5, 0.7) for b in (0.5, 0.7)]
    doses = dict(zip(["clean", *grid], [0, 0.086, 0.118, 0.14, 0.197, 0.2, 0.276], strict=True))
    figure = dose_figure(run_table(T_LOSS_STUDY, doses))
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    texts = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert texts[4:6] == ["0.5 / 0.7", "\n0.7 / 0.5"]
    one_row = [box for box, text in zip(boxes, texts, strict=True) if not text.startswith("\n")]
    assert all(left.x1 < right.x0 for left, right in pairwise(one_row))


def test_studies_of_lesions_show_their_dice_and_variants_stand_apart() -> None:
    runs = run_table(["bce", "iwbce", "mine"]).drop(columns="test_dice_pooled").assign(dice_tuned=0.5)
    other = runs.assign(variant=runs["variant"].str.replace("base", "slow"))
    figure = dose_figure(pd.concat([runs, other]))
    first, second = figure.axes
    assert "tuned" in first.get_ylabel()
    assert [first.get_title(loc="left"), second.get_title(loc="left")] == ["Skin, base", "Skin, slow"]
    assert {"BCE", "BCE + iw", "mine"} < set(first.get_legend_handles_labels()[1])


def test_studies_of_surfaces_show_their_dice() -> None:
    runs = run_table().drop(columns="test_dice_pooled").assign(dice=0.6, dice_slices=0.5, hd95=3.0)
    (axis,) = dose_figure(runs).axes
    assert axis.get_ylabel() == "test Dice, mean over cases and structures"
    assert drawn(axis, "GCE")[:, 1] == pytest.approx([0.6] * 3)


@pytest.mark.parametrize(
    ("noise", "label"),
    [
        ("clean", "clean"),
        (STRONG, "0.7 / 0.7 released"),
        ("alpha0.5-beta0.25", "0.5 / 0.25 corrected"),
        ("alpha0.5-beta1e-05-dilate-erode-seed3", "0.5 / 1e-05 corrected, dilate, erode, seed3"),
    ],
)
def test_noise_is_described_by_its_name(noise: str, label: str) -> None:
    assert noise_label(noise) == label
    assert base_variant(f"my_base_{noise}", noise) == "my_base"


def test_losses_are_distinguishable_and_t_loss_stands_out() -> None:
    losses = [
        *T_LOSS_STUDY,
        "t_loss_nu1",
        "t_loss_nu2",
        "t_loss_nu5",
        "t_loss_released",
        "ce",
        "dice",
        "mine",
    ]
    styles = [loss_line_style(loss, losses) for loss in losses]
    assert len({(style["color"], style["linestyle"]) for style in styles}) == len(losses)
    assert len({style["marker"] for style in styles[: len(T_LOSS_STUDY)]}) == len(T_LOSS_STUDY)
    assert [style["linewidth"] for style in styles].count(styles[0]["linewidth"]) == 1


# What trainings recorded


@pytest.fixture
def trained(tmp_path: Path) -> Callable[..., EvaluatedRun]:
    """Writes a run's history of three epochs and what noise did to its masks."""

    def run(loss: str, noise: str, seed: int, **columns: Sequence[float]) -> EvaluatedRun:
        table = None
        if noise != "clean":
            table = tmp_path / f"{noise}.csv"
            kinds = {"kind": ["clean", "dilate", "erode", "erode"], "dice": [1.0, 0.7, 0.5, 0.2]}
            sizes = {"clean_voxels": [10, 10, 10, 40], "noisy_voxels": [10, 30, 10, 40]}
            pd.DataFrame(kinds | sizes).to_csv(table, index=False)
        variant = "base" if noise == "clean" else f"base_{noise}"
        folder = tmp_path / variant / loss / f"seed-{seed}"
        folder.mkdir(parents=True)
        pd.DataFrame({"epoch": [1, 2, 3], "step": [10, 20, 30], **columns}).to_csv(
            folder / "history.csv", index=False
        )
        keys = {"dataset": "skin", "variant": variant, "noise": noise, "loss": loss, "seed": seed}
        return EvaluatedRun(keys, "Skin", table, folder)

    return run


def agreement(offset: float) -> dict[str, list[float | None]]:
    curves = {
        f"dice_{kind}_{masks}": [0.1 + offset, 0.2 + offset, 0.3 + offset]
        for kind in (*NOISE_KINDS, "clean")
        for masks in ("masks", "clean")
    }
    return curves | {"dice_affine_masks": [None] * 3, "dice_affine_clean": [None] * 3}


def test_agreement_with_clean_and_noisy_masks(trained: Callable) -> None:
    runs = [
        trained(loss, STRONG, seed, **agreement(seed / 5)) for loss in ("t_loss", "gce") for seed in (0, 1)
    ]
    clean = trained("gce", "clean", 0, patch_dice=[0.1, 0.2, 0.3])
    (figure,) = training_dice_figures([clean, *runs], NOTE)
    assert [axis.get_title() for axis in figure.axes[:2]] == ["dilate (n = 1)", "erode (n = 2)"]
    rows = [axis.get_ylabel() for axis in figure.axes[::2]]
    assert rows == ["Dice with the clean masks", "Dice with the noisy masks"]
    for axis in figure.axes:
        assert drawn(axis, "T-Loss").tolist() == [
            [10, pytest.approx(0.2)],
            [20, pytest.approx(0.3)],
            [30, pytest.approx(0.4)],
        ]
        assert len(axis.collections) == 2  # a band a loss
    masks = [
        line.get_ydata()[0] for axis in figure.axes[:2] for line in axis.lines if line.get_linestyle() == "--"
    ]
    assert masks == pytest.approx([0.7, (0.5 * 20 + 0.2 * 80) / 100])
    for text in (NOTE, "n = 4 training cases", "seeds 0, 1", STRONG, "T-Loss", "GCE"):
        assert text in words(figure)


def test_each_noisy_variant_has_its_page(trained: Callable) -> None:
    pages = training_dice_figures(
        [trained("gce", noise, 0, **agreement(0)) for noise in (MILD, STRONG)], NOTE
    )
    assert [MILD in words(pages[0]), STRONG in words(pages[1])] == [True, True]
    assert not pages[0].axes[0].collections  # no band for one seed


def test_without_noise_or_nu_a_page_says_so(trained: Callable, tmp_path: Path) -> None:
    runs = [trained("gce", "clean", 0)]
    (page,) = training_dice_figures(runs, NOTE)
    assert "No run was trained with noisy masks" in words(page) and not page.axes
    (page,) = loss_parameter_figures(runs, NOTE)
    assert "trainable ν" in words(page) and NOTE in words(page)
    for draw in (draw_training_dice, draw_loss_parameters):
        draw(tmp_path / "nothing.pdf", runs, NOTE)
        assert (tmp_path / "nothing.pdf").read_bytes().startswith(b"%PDF")


def test_noise_that_came_to_no_case(trained: Callable) -> None:
    run = trained("gce", MILD, 0, **agreement(0))
    pd.read_csv(run.noise_table).assign(kind="clean").to_csv(run.noise_table, index=False)
    (page,) = training_dice_figures([run], NOTE)
    assert "came to no training case" in words(page)


def test_nu_by_noise_and_by_start(trained: Callable) -> None:
    runs = [
        trained("t_loss", noise, seed, nu=[0, -1, -2 - seed])
        for noise in (STRONG, "clean")
        for seed in (0, 1)
    ]
    runs += [trained("t_loss_nu5", STRONG, 0, nu=[5, 2, -2])]
    runs += [trained("mine", STRONG, 0, **{"terms.0.nu": [1, 0, -1]}), trained("gce", STRONG, 0)]
    (figure,) = loss_parameter_figures(runs, NOTE)
    by_noise, by_loss = figure.axes
    assert by_noise.get_legend_handles_labels()[1] == ["clean", "0.7 / 0.7 released"]
    assert by_loss.get_legend_handles_labels()[1] == ["T-Loss", "T-Loss, ν̃ from 5", "mine"]
    assert drawn(by_noise, "clean").tolist() == [[10, 0], [20, -1], [30, -2.5]]
    assert drawn(by_loss, "mine")[:, 1].tolist() == [1, 0, -1]
    assert by_noise.get_ylabel() == "ν̃ (logarithm of the degrees of freedom)"
    assert len(by_noise.collections) == 2 and "seeds 0, 1" in words(figure)


# Masks


def noisy_case(tmp_path: Path, name: str, kind: str, clean: np.ndarray, noisy: np.ndarray) -> NoisyCase:
    image = np.random.default_rng(0).normal(size=(1, *clean.shape)) + clean
    stored = store_case(tmp_path / "prepared", name, image, clean)
    write_relabelled(tmp_path / "noisy/masks" / name, stored, noisy, noise=kind)
    return NoisyCase(stored, tmp_path / "noisy")


def table_of(cases: Sequence[NoisyCase]) -> pd.DataFrame:
    rows = [
        {
            "case": case.name,
            "kind": case.noise,
            **realised_change(case.clean.array("label"), case.array("label")),
        }
        for case in cases
    ]
    return pd.DataFrame(rows)


def square(size: int, shape: tuple[int, ...] = (40, 50)) -> np.ndarray:
    label = np.zeros(shape, np.uint8)
    label[10 : 10 + size, 20 : 20 + size] = 1
    return label


def tinted(axis: Axes, colour: str) -> int:
    """Pixels of a panel with a tint."""
    tint = axis.images[1].get_array()
    return int((np.isclose(tint[..., :3], to_rgb(colour)).all(axis=-1) & (tint[..., 3] > 0)).sum())


def test_noise_sheet(tmp_path: Path) -> None:
    cases = [noisy_case(tmp_path, f"d{size}", "dilate", square(8), square(size)) for size in range(8, 15)]
    cases += [noisy_case(tmp_path, "e", "erode", square(8), square(5))]
    cases += [noisy_case(tmp_path, "empty", "erode", square(0), square(0))]
    cases += [noisy_case(tmp_path, "plain", "clean", square(8), square(8))]
    counts, sheet = noise_sheet_figures("Skin: much", cases, table_of(cases))
    assert "9 of n = 10 training cases are noisy (90%): dilate 7, erode 2, affine 0" in words(counts)
    assert "2 came out unchanged" in words(counts) and "share no voxel" not in words(counts)
    assert f"n = 7, median {2 * 64 / (64 + 121):.2f}" in titles(counts)
    assert "n = 1, median 0.61" in titles(counts)  # no strength of a case without foreground
    assert [text.get_text() for text in counts.axes[4].texts] == ["no case"]
    shown = [title for title in titles(sheet) if title]
    assert shown == ["d14: 0.49", "d12: 0.62", "d10: 0.78", "d8: 1.00", "e: 0.56", "empty: 1.00"]
    names = [text.get_text() for axis in sheet.axes for text in axis.texts]
    assert names == ["dilate", "erode", "affine: no case"]
    d14 = sheet.axes[3]
    assert (tinted(d14, BOTH), tinted(d14, OTHER_ONLY), tinted(d14, CLEAN_ONLY)) == (64, 196 - 64, 0)
    draw_noise_sheet(tmp_path / "sheet.pdf", "Skin", cases, table_of(cases))
    assert (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")


def test_noise_sheet_without_any_noise(tmp_path: Path) -> None:
    case = noisy_case(tmp_path, "plain", "clean", square(8), square(8))
    (counts,) = noise_sheet_figures("Skin: none", [case], table_of([case]))
    assert "0 of n = 1 training cases are noisy (0%)" in words(counts)
    assert [len(axis.texts) for axis in counts.axes] == [1] * 6


def test_volumes_show_the_slice_with_the_largest_change(tmp_path: Path) -> None:
    clean, noisy = np.zeros((2, 20, 24, 9), np.uint8)
    clean[4:9, 4:9, 2] = noisy[4:9, 4:9, 2] = 1
    noisy[4:6, 10:12, 6] = 1
    case = noisy_case(tmp_path, "volume", "affine", clean, noisy)
    _, sheet = noise_sheet_figures("Lung", [case], table_of([case]))
    difference = next(axis for axis in sheet.axes if len(axis.images) == 2)
    assert (tinted(difference, OTHER_ONLY), tinted(difference, BOTH)) == (4, 0)
    assert "slices with the largest change" in words(sheet)


def test_a_plane_has_x_to_the_right_and_y_upwards(tmp_path: Path) -> None:
    label = np.zeros((20, 30, 5), np.uint8)
    label[1, 2, 3] = 1
    case = store_case(tmp_path, "volume", np.arange(label.size, dtype=float).reshape(1, *label.shape), label)
    whole = Plane.of(case, label > 0)
    assert np.argwhere(whole.cut(label)).tolist() == [[30 - 1 - 2, 1]]
    cut = Plane.of(case, label > 0, label > 0)
    assert cut.z == 3 and max(cut.cut(label).shape) < 20 and cut.cut(label).sum() == 1
    assert Plane.of(case, label > 1).z == 2


def test_large_images_are_thinned(tmp_path: Path) -> None:
    label = np.zeros((2 * LONGEST_SIDE + 1, 10), np.uint8)
    label[0, 0] = 1
    case = store_case(tmp_path, "large", np.random.default_rng(0).normal(size=(3, *label.shape)), label)
    assert Plane.of(case, label > 0).cut(case.array("image")).shape == (3, 107, 4)


def test_places_are_taken_evenly() -> None:
    assert [evenly(0, 4), evenly(1, 4), evenly(3, 4), evenly(10, 4)] == [[], [0], [0, 1, 2], [0, 3, 6, 9]]


@pytest.fixture
def predicted(tmp_path: Path) -> Callable[..., dict]:
    """Stores test cases and what two losses predict for them; describes them as the workflow does."""

    def runs(labels: Sequence[np.ndarray], prediction: np.ndarray) -> dict:
        prepared = tmp_path / "prepared"
        names, described = [f"case{number}" for number in range(len(labels))], {}
        for name, label in zip(names, labels, strict=True):
            image = np.random.default_rng(1).normal(size=(3 if label.ndim == 2 else 1, *label.shape))
            described[name] = store_case(prepared, name, image, label).description
        write_json(prepared / "test.json", described)
        run = {
            "prepared": str(prepared),
            "cases": str(prepared / "test.json"),
            "title": "Skin",
            "dataset": "skin",
            "seed": 0,
        }
        run["labels"] = Labels(("background", "lesion", "vessel")[: max(2, prediction.max() + 1)])
        folders = {}
        for variant, loss in (("base", "t_loss"), ("base", "gce"), ("base_noisy", "gce")):
            folder = tmp_path / variant / loss / "predictions"
            for name in names:
                logit = np.where(prediction, 3, -3)
                if prediction.max() > 1:
                    logit = np.stack([prediction == number for number in range(3)])
                write_array(folder / f"{name}.logit.b2nd", logit.astype(np.float16))
            folders[folder] = {**run, "variant": variant, "loss": loss}
        return folders

    return runs


def test_examples_compare_predictions_with_clean_masks(predicted: Callable, tmp_path: Path) -> None:
    label = square(8)
    label[0] = IGNORED
    prediction = square(10) > 0
    prediction[0] = True
    runs = predicted([label, *[square(8)] * 6], prediction)
    first, second = example_figures(runs, NOTE)
    assert [len(page.axes) for page in (first, second)] == [4 * 3, 4 * 2]
    assert [axis.get_title() for axis in first.axes[:3]] == ["clean mask", "T-Loss", "GCE"]
    below = [axis.texts[0].get_text() for axis in first.axes[::3]]
    assert below == ["case0", "case2", "case4", "case6"]
    panel = first.axes[1]
    assert panel.texts[0].get_text() == f"{2 * 64 / (64 + 100):.3f}"
    assert [tinted(panel, colour) for colour in (BOTH, OTHER_ONLY, CLEAN_ONLY)] == [64, 36, 0]
    for text in (NOTE, "4 of n = 7 test cases", "seed 0", "found", "missed", "Skin, base"):
        assert text in words(first)
    draw_examples(tmp_path / "examples.pdf", runs, NOTE)
    assert 0 < (tmp_path / "examples.pdf").stat().st_size < 300_000


def test_examples_of_volumes_and_empty_masks(predicted: Callable) -> None:
    full = np.zeros((20, 24, 6), np.uint8)
    full[4:9, 4:9, 4] = 1
    page = example_figures(predicted([full, np.zeros_like(full)], np.zeros(full.shape, bool)), NOTE)[0]
    assert [axis.texts[0].get_text() for axis in page.axes] == [
        "case0",
        "0.000",
        "0.000",
        "case1",
        "1.000",
        "1.000",
    ]
    assert tinted(page.axes[1], CLEAN_ONLY) == 25
    assert "Dice of the whole volume" in words(page)


def test_a_structure_marked_as_another_is_not_found(predicted: Callable) -> None:
    label = square(8)
    label[10:18, 24:28] = 2
    label[10, 20:28] = IGNORED
    prediction = np.where(label == 1, 2, label) * (label < IGNORED)
    prediction[17] = 0
    only_first = square(8)
    page = example_figures(predicted([label, only_first], prediction), NOTE)[0]
    panel = page.axes[1]
    assert [tinted(panel, colour) for colour in (BOTH, OTHER_ONLY, CLEAN_ONLY)] == [24, 24, 8]
    assert panel.texts[0].get_text() == f"{2 * 24 / (48 + 28) / 2:.3f}"
    assert "structure marked as another is wrongly marked" in words(page)
    assert (
        "mean over the structures that are there or predicted, the others left out (1 if all are)"
        in words(page)
    )


def test_the_figure_of_a_study_is_written(tmp_path: Path) -> None:
    draw_dice_by_noise(tmp_path / "figure.pdf", run_table(), {"skin": "Skin"}, NOTE)
    content = (tmp_path / "figure.pdf").read_bytes()
    draw_dice_by_noise(tmp_path / "again.pdf", run_table(), {"skin": "Skin"}, NOTE)
    assert content.startswith(b"%PDF") and content == (tmp_path / "again.pdf").read_bytes()
