"""Best, median and worst test cases of runs: which they are, where they are cut, and what is written below."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from study_figures import NOTE, predicted_runs, study, texts, words, write_table

from lib.arrays import write_array
from lib.comparison.results import EvaluatedRun
from lib.config.study_schema import Primary
from lib.labels import BINARY, IGNORED, Labels
from lib.plotting.gallery import ON_A_PAGE, chosen, gallery_figures, ranked
from lib.plotting.style import save_pages

SPACING = (1.0, 0.5, 5.0)
ORGANS = Labels(("background", "organ", "tumour"))


def block(*sides: tuple[int, int], shape: tuple[int, ...] = (40, 48, 6), value: int = 1) -> np.ndarray:
    label = np.zeros(shape, np.uint8)
    label[tuple(slice(*side) for side in sides)] = value
    return label


def measured(run: EvaluatedRun, scores: dict[str, float], column: str = "dice", structure: str = "foreground") -> None:
    rows = [
        {"case": case, "structure": structure, "cut": run.cuts[0], "present": 1, "predicted": 1, column: score}
        for case, score in scores.items()
    ]
    write_table(run.folder, "cases", pd.DataFrame(rows))
    vars(run).pop("cases", None)  # read before


def titles(axes: list[Axes]) -> list[str]:
    return [axis.get_title() for axis in axes]


def lines(axis: Axes) -> list[np.ndarray]:
    """The diameters that are drawn, (2, 2) each: across, down."""
    return [line.get_xydata() for line in axis.lines]


def test_cases_are_ranked_by_score_and_name() -> None:
    scores = {"b": 0.5, "d": 0.9, "a": 0.5, "c": float("nan")}
    assert ranked(scores) == ["d", "a", "b"]
    assert ranked(scores, lower_is_better=True) == ["a", "b", "d"]


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ("abcde", {"a": "best", "c": "median", "e": "worst"}),
        ("abcd", {"a": "best", "b": "median", "d": "worst"}),
        ("ab", {"a": "best and median", "b": "worst"}),
        ("a", {"a": "best and median and worst"}),
        ("", {}),
    ],
)
def test_best_median_and_worst(cases: str, expected: dict[str, str]) -> None:
    assert chosen([*cases]) == expected


def test_a_volume_is_shown_where_its_largest_lesion_is_largest(tmp_path: Path) -> None:
    true = block((10, 13), (20, 28), (1, 5)) | block((10, 13), (20, 30), (3, 4)) | block((30, 34), (2, 20), (5, 6))
    predicted = block((10, 13), (20, 28), (3, 4))
    (run,) = predicted_runs(tmp_path, [true] * 4, {"gdl": predicted}, BINARY, SPACING, title="Livers")
    measured(run, {"case0": 0.5, "case1": 0.25, "case2": 0.75, "case3": 0.5})
    (page,) = gallery_figures(study([run]))
    assert titles(page.axes) == ["best: case2\nDice 0.750", "median: case0\nDice 0.500", "worst: case1\nDice 0.250"]
    panel = page.axes[0]
    volumes = (3 * 8 * 4 + 3 * 2 + 4 * 18) * 2.5 / 1000, 3 * 8 * 2.5 / 1000
    longest = np.hypot(3, 5), np.hypot(3, 4)
    assert texts(panel)[-1].replace("\N{NO-BREAK SPACE}", " ").split("\n") == [
        f"foreground: {volumes[0]:.2g} | {volumes[1]:.2g} ml,",
        f"{longest[0]:.1f} × {3 * longest[0] / 5:.1f} | {longest[1]:.2g} × {3 * longest[1] / 4:.2g} mm",
    ]
    height = panel.images[0].get_array().shape[0]
    (low, high), *_ = drawn = lines(panel)
    assert len(drawn) == 4  # two of the true lesion and two of the predicted one, which lies on the same slice
    assert np.abs(high - low).tolist() == [3, 10] and abs(low[1] + high[1] - (height - 1)) < height
    for text in (NOTE, "Livers", "foreground, true", "foreground, predicted", "n = 4 test cases", "seed 0"):
        assert text in words(page)
    save_pages([page], tmp_path / "gallery.pdf")


def test_lines_lie_on_the_lesion(tmp_path: Path) -> None:
    """Where the picture is turned and cut: the ends of the diameters are corners of the lesion that is drawn."""
    true = block((10, 13), (20, 30), (3, 4))
    for number, (label, spacing) in enumerate(((true, SPACING), (true[..., 3], (1.0, 1.0)))):
        (run,) = predicted_runs(tmp_path / str(number), [label], {"gdl": 0 * label}, BINARY, spacing)
        measured(run, {"case0": 0.0})
        (page,) = gallery_figures(study([run]))
        panel = page.axes[0]
        outline = np.concatenate([path.vertices for path in panel.collections[0].get_paths()])
        low, high = outline.min(axis=0), outline.max(axis=0)
        diagonal, other = lines(panel)
        assert np.allclose(np.sort(diagonal, axis=0), [low, high])
        assert (other > low - 1e-6).all() and (other < high + 1e-6).all()
        assert "0 " in texts(panel)[-1] and "–" in texts(panel)[-1]


def test_a_prediction_on_another_slice_is_measured_there_and_not_drawn(tmp_path: Path) -> None:
    true, predicted = block((10, 14), (20, 26), (1, 2)), block((10, 18), (20, 32), (4, 5))
    (run,) = predicted_runs(tmp_path, [true], {"gdl": predicted}, BINARY, SPACING)
    measured(run, {"case0": 0.0})
    (page,) = gallery_figures(study([run]))
    panel = page.axes[0]
    assert len(lines(panel)) == 2 and len(panel.collections) == 1
    assert "5 × 3.8 | 10 × 7.5" in texts(panel)[-1].replace("\N{NO-BREAK SPACE}", " ")


def test_pictures_of_exclusive_structures(tmp_path: Path) -> None:
    label = block((5, 15), (5, 25), shape=(30, 40)) + block((8, 10), (8, 10), shape=(30, 40))
    label[0] = IGNORED
    predicted = block((5, 15), (5, 25), shape=(30, 40))
    predicted[0] = 2  # not annotated
    (run,) = predicted_runs(tmp_path, [label], {"gdl": predicted}, ORGANS)
    measured(run, {"case0": 0.5}, structure="organ")
    (page,) = gallery_figures(study([run]))
    organ, tumour = texts(page.axes[0])[-1].replace("\N{NO-BREAK SPACE}", " ").split("\n")
    assert organ.startswith("organ: 196 | 200 px², 22 × 11 | 22 × 11 px")
    assert tumour == "tumour: 4 | 0 px², 2.8 × 2.8 | – px"
    assert "px: pixels of the raw picture" in words(page) and "tumour, true" in words(page)
    assert np.abs(np.diff(lines(page.axes[0]), axis=1)).tolist() == [[[2, 2]]] * 2  # the tumour's, as it is named last


def test_structures_that_overlap_and_more_than_are_shown(tmp_path: Path) -> None:
    names = Labels(tuple("abcdef"), exclusive=False)
    label = np.stack([block((2, 20 - 2 * n), (2, 20), shape=(30, 40)) for n in range(6)])
    (run,) = predicted_runs(tmp_path, [label], {"gdl": label}, names)
    measured(run, {"case0": 1.0}, structure="a")
    (page,) = gallery_figures(study([run]))
    caption = texts(page.axes[0])[-1].split("\n")
    assert [line[:2] for line in caption] == ["a:", "b:", "c:", "d:", "an"] and caption[-1] == "and 2 smaller ones"
    assert "e, true" not in words(page)


def test_nothing_there_and_nothing_predicted(tmp_path: Path) -> None:
    empty = np.zeros((20, 24, 6), np.uint8)
    (run,) = predicted_runs(tmp_path, [empty], {"gdl": empty}, BINARY, SPACING)
    measured(run, {"case0": 1.0})
    (page,) = gallery_figures(study([run]))
    assert texts(page.axes[0])[-1] == "nothing there, nothing predicted" and not lines(page.axes[0])
    measured(run, {"case0": float("nan")})
    (page,) = gallery_figures(study([run]))
    assert titles(page.axes) == [""] * 3


def test_another_primary_number_may_be_lower_where_it_is_better(tmp_path: Path) -> None:
    label = block((10, 13), (20, 28), (1, 5))
    (run,) = predicted_runs(tmp_path, [label] * 3, {"gdl": label}, BINARY, SPACING, measures=["overlap", "surface"])
    measured(run, {"case0": 3.0, "case1": 1.0, "case2": 2.0}, "hd95")
    (page,) = gallery_figures(study([run], primary=Primary(column="hd95")))
    assert titles(page.axes) == [
        "best: case1\nHD95 1.000 mm",
        "median: case2\nHD95 2.000 mm",
        "worst: case0\nHD95 3.000 mm",
    ]
    measured(run, {"case0": 0.3, "case1": 0.1, "case2": 0.2})
    (page,) = gallery_figures(study([run], primary=Primary(column="dice_pooled")))  # a number of the run, not of cases
    assert titles(page.axes)[0] == "best: case0\nDice 0.300"


def test_many_runs_have_pages_of_a_few(tmp_path: Path) -> None:
    label = block((10, 13), (20, 28), (1, 5))
    runs = [
        run
        for dataset in ("one", "two")
        for number in range(ON_A_PAGE + 1)
        for run in predicted_runs(
            tmp_path / dataset,
            [label],
            {"gdl": label},
            BINARY,
            SPACING,
            dataset=dataset,
            variant=f"v{number}",
            title=dataset,
        )
    ]
    for run in runs:
        measured(run, {"case0": 1.0})
        write_array(run.folder / "predictions/case0.labels.b2nd", label)
    pages = gallery_figures(study(runs))
    assert [len(page.axes) // 3 for page in pages] == [2, 3, 2, 3]
    assert [texts(axis)[0] for axis in pages[0].axes[::3]] == ["v0, GDL", "v1, GDL"]
