"""Drawings: where things stand, what they say without being seen, and that text stays text."""

import re
from xml.etree import ElementTree

import pytest

from lib.report.svg import Line, Mark, curves, forest, key, ranks, ticks


def parsed(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.013, 0.021, [-0.01, 0, 0.01, 0.02]),
        (3, 3, [3]),
        (0, 700, [0, 200, 400, 600]),
    ],
)
def test_ticks_are_round_numbers_between_the_ends(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_a_forest_plot_has_zero_between_a_better_and_a_worse_loss() -> None:
    marks = [Mark("a", 0.2, 0.1, 0.3, "better"), Mark("b", -0.2, -0.3, -0.1, "worse"), Mark("c", 0, kind="reference")]
    drawing = parsed(forest(marks, "n", "Differences", "difference", margin=0.01))
    (zero,) = (line for line in drawing.iter("line") if line.get("class") == "zero")
    spans = {line.get("class"): line for line in drawing.iter("line") if line.get("class").startswith("span")}
    assert float(spans["span worse"].get("x2")) < float(zero.get("x1")) < float(spans["span better"].get("x1"))
    assert {path.get("class") for path in drawing.iter("path")} == {"shape better", "shape worse", "shape reference"}
    (band,) = (one for one in drawing.iter("rect"))
    assert float(band.get("x")) < float(zero.get("x1")) < float(band.get("x")) + float(band.get("width"))


def test_a_drawing_is_named_and_described_in_words() -> None:
    drawing = parsed(
        ranks([Mark("dice", 1, 1, 2, note="90 %"), Mark("ce", 2, 1, 2, note="10 %")], "n", "Ranks by Dice")
    )
    assert drawing.get("role") == "img" and drawing.get("aria-labelledby") == "n-t n-d"
    assert drawing.find("title").text == "Ranks by Dice"
    assert drawing.find("desc").text == "dice 1 (1 to 2), 90 %; ce 2 (1 to 2), 10 %"
    assert [text.text for text in drawing.iter("text") if text.get("class") == "tick"] == [
        "1",
        "2",
        "rank",
        "90 %",
        "10 %",
    ]


def test_names_are_escaped_and_long_ones_shortened() -> None:
    drawing = forest([Mark("<b>&\"'", 1), Mark("x" * 80, 2)], "n", "<t>", "axis")
    texts = [text.text for text in parsed(drawing).iter("text") if text.get("class") == "label"]
    assert texts[0] == "<b>&\"'" and texts[1].endswith("…") and len(texts[1]) < 40
    assert "<b>" not in drawing and "x" * 80 in drawing  # whole in the description


def test_curves_have_a_line_each_and_a_key_of_the_same_colours() -> None:
    lines = [Line(f"loss{n}", [(0.7, 0.5, float("nan")), (1.0, 0.8, 0.1)]) for n in range(9)]
    drawing = parsed(curves(lines, "n", "Response", "x", "y"))
    classes = [line.get("class") for line in drawing.iter("polyline")]
    assert len(set(classes)) == 9  # the ninth has the first one's colour and another dash
    samples = [re.search('class="(curve [^"]+)"', sample)[1] for _, sample in key(lines)]
    assert samples == classes
    assert len([line for line in drawing.iter("line") if line.get("class").startswith("spread")]) == 9
