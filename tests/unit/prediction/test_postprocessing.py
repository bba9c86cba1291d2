"""Post-processing: what each step does, what is kept, and that test cases have no part in it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import classes
from prediction_script import predict_bright

from lib.config.load import load
from lib.errors import SeglossError
from lib.labels import IGNORED, Labels
from lib.prediction.catalogue import POSTPROCESSING
from lib.prediction.postprocessing import Choice, choose, fill_holes, largest_component, processed, remove_small
from lib.store import Case, open_prediction

UNIT = (1.0, 1.0)
OVERLAPPING = Labels(("a", "b"), exclusive=False)


def steps(*chosen: Any) -> list[Any]:
    return [POSTPROCESSING.parse(one) for one in chosen]


def mask(*rows: str) -> np.ndarray:
    return np.array([[character != "." for character in row] for row in rows])


def label(*rows: str) -> np.ndarray:
    return np.array([[int(character) for character in row] for row in rows], np.uint8)


def keeping(structure: str, *chosen: Any) -> list[Choice]:
    return [Choice(step=step, structure=structure, before=0, after=1) for step in steps(*chosen)]


def test_the_largest_component_counts_diagonal_neighbours_and_takes_the_first_of_equals() -> None:
    found = largest_component(mask("xx...", "..x..", "....x", "....x"), UNIT)
    np.testing.assert_array_equal(found, mask("xx...", "..x..", ".....", "....."))
    np.testing.assert_array_equal(largest_component(mask("x.x"), UNIT), mask("x.."))
    np.testing.assert_array_equal(largest_component(mask("..."), UNIT), mask("..."))


def test_holes_are_filled_where_no_edge_leads_out() -> None:
    found = fill_holes(mask("xxx..", "x.x.x", "xxxx.", "...x."), UNIT)
    np.testing.assert_array_equal(found, mask("xxx..", "xxx.x", "xxxx.", "...x."))
    ring = np.ones((3, 3, 3), bool)
    ring[1, 1, 1] = False
    assert fill_holes(ring, (1, 1, 1)).all()
    ring[1, 1, 0] = False
    assert fill_holes(ring, (1, 1, 1)).sum() == 25


def test_small_components_are_measured_in_mm3() -> None:
    volume = np.zeros((5, 3, 3), bool)
    volume[:2, 0, 0] = True  # 2 voxels of 3 mm³
    volume[4, 2, 2] = True
    assert remove_small(volume, (1.0, 1.5, 2.0), mm3=3.0).sum() == 3
    assert np.argwhere(remove_small(volume, (1.0, 1.5, 2.0), mm3=6.0)).tolist() == [[0, 0, 0], [1, 0, 0]]
    assert not remove_small(volume, (1.0, 1.5, 2.0), mm3=6.1).any()


def test_what_is_removed_is_background_and_what_is_filled_takes_nothing_from_others() -> None:
    three = classes(3)
    predicted = label("11100", "12101", "10100", "11100")
    filled = processed(predicted, keeping("1", "fill_holes"), UNIT, three)
    np.testing.assert_array_equal(filled, label("11100", "12101", "11100", "11100"))
    both = processed(predicted, keeping("1", "largest_component", "fill_holes"), UNIT, three)
    np.testing.assert_array_equal(both, label("11100", "12100", "11100", "11100"))


def test_structures_that_overlap_change_by_themselves() -> None:
    predicted = np.stack([label("1110", "1010", "1110"), label("0000", "0101", "0000")])
    found = processed(predicted, keeping("a", "fill_holes"), UNIT, OVERLAPPING)
    np.testing.assert_array_equal(found, np.stack([label("1110", "1110", "1110"), label("0000", "0101", "0000")]))
    assert found.dtype == np.uint8


def test_each_structure_keeps_the_steps_that_raise_its_dice() -> None:
    predicted = label("1100002", "1100000", "0001022", "0000022")
    true = label("1100002", "1100000", "0000022", "0000022")
    choices = choose(steps("largest_component"), classes(3), [(true, predicted, UNIT)])
    first, second = choices
    assert (first.structure, first.before, first.after) == ("1", 8 / 9, 1.0) and first.kept
    assert (second.structure, second.before, second.after) == ("2", 1.0, 8 / 9) and not second.kept
    np.testing.assert_array_equal(processed(predicted, choices, UNIT, classes(3)), true)


def test_a_step_is_tried_after_those_that_were_kept_and_ties_keep_nothing() -> None:
    predicted, true = label("11000", "11001"), label("11000", "11000")
    both = steps("largest_component", {"name": "remove_small", "mm3": 2})
    twice = choose(both, classes(2), [(true, predicted, UNIT)])
    assert [(choice.before, choice.after, choice.kept) for choice in twice] == [(8 / 9, 1, True), (1, 1, False)]
    (alone,) = choose(both[1:], classes(2), [(true, predicted, UNIT)])
    assert alone.kept


def test_the_mean_over_cases_decides() -> None:
    worse = (label("110011"), label("110010"), UNIT)
    better = (label("110000"), label("110010"), UNIT)
    (of_both,) = choose(steps("largest_component"), classes(2), [worse, better])
    assert of_both.before == pytest.approx((6 / 7 + 4 / 5) / 2) and of_both.after == pytest.approx((4 / 6 + 1) / 2)
    assert of_both.kept
    (of_three,) = choose(steps("largest_component"), classes(2), [worse, worse, better])
    assert not of_three.kept


def test_voxels_that_are_not_annotated_count_for_nothing() -> None:
    true, predicted = label("11000", "11000"), label("11001", "11000")
    true[0, 4] = IGNORED
    (choice,) = choose(steps("largest_component"), classes(2), [(true, predicted, UNIT)])
    assert choice.before == choice.after == 1 and not choice.kept


def test_a_structure_that_neither_is_nor_is_predicted_changes_nothing() -> None:
    nothing = label("000", "000")
    chosen = steps("largest_component", "fill_holes", {"name": "remove_small", "mm3": 5})
    choices = choose(chosen, classes(2), [(nothing, nothing, UNIT)])
    assert {(choice.before, choice.after) for choice in choices} == {(1.0, 1.0)}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"steps": ["smooth"]}, "unknown post-processing 'smooth'"),
        ({"steps": ["remove_small"]}, "mm3"),
        ({"steps": [{"name": "remove_small", "mm3": -1}]}, "mm3"),
    ],
)
def test_settings_that_are_refused(section: dict, message: str) -> None:
    with pytest.raises(SeglossError, match=message):
        load({"studies": ["liver_benchmark"], "settings": {"postprocessing": section}})


def test_a_data_set_without_validation_cases_or_background_is_refused() -> None:
    given = {"settings": {"postprocessing": {"steps": ["fill_holes"]}}}
    with pytest.raises(SeglossError, match="has no validation cases, which postprocessing is chosen on"):
        load({"studies": ["t_loss"], **given})
    with pytest.raises(SeglossError, match=r"'cityscapes.*' has no background, which post-processing needs"):
        load({"studies": ["label_marginal"], "scale": "paper", "variants": ["cityscapes_r50"], **given})


def test_trainings_are_the_same_and_validation_cases_are_predicted_too() -> None:
    plain, *_ = load({"studies": ["liver_benchmark"]}).runs
    given, *_ = load({"studies": ["liver_benchmark"], "settings": {"postprocessing": {"steps": ["fill_holes"]}}}).runs
    assert given.training_settings == plain.training_settings
    assert given.evaluated == plain.evaluated  # the cases that are checked before a training
    assert plain.reads == {"test": ("labels",)} and "postprocessing" not in dumped(plain)
    assert given.reads == {"test": ("labels",), "validation": ("labels",)}
    assert dumped(given)["postprocessing"] == {"steps": [{"name": "fill_holes"}]}


def dumped(run: Any) -> dict[str, Any]:
    return json.loads(run.inference_settings.model_dump_json(exclude_defaults=True))


@pytest.fixture
def predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Predict a validation and a test case, whose predictions have a speck that may be true."""

    def predicted(true_speck: dict[str, bool], *chosen: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        cases = {}
        for part, speck in true_speck.items():
            true = np.zeros((12, 12, 8), np.uint8)
            true[2:6, 2:6, 2:6] = 1
            image = true.astype(np.float32)
            image[9, 9, 6] = 1
            true[9, 9, 6] = speck
            cases[part] = Case(image[None], true, (1, 1, 1), part)
        settings = {"labels": classes(2), "postprocessing": {"steps": list(chosen)}}
        model = predict_bright(tmp_path, monkeypatch, cases, **settings)
        return {part: open_prediction(tmp_path / "predictions", part)[...] for part in cases}, model

    return predicted


def test_validation_cases_choose_and_test_cases_do_not(predict: Any) -> None:
    speckless, specked = {"validation": False, "test": False}, {"validation": False, "test": True}
    found, model = predict(speckless, "largest_component")
    assert found["test"].sum() == 64 and found["validation"].sum() == 65  # of those the prediction as it was
    (choice,) = model["postprocessing"]
    assert choice["step"] == {"name": "largest_component"} and choice["after"] == 1 > choice["before"]
    again, same = predict(specked, "largest_component")
    np.testing.assert_array_equal(again["test"], found["test"])
    assert same == model
    kept, other = predict({"validation": True, "test": False}, "largest_component")
    assert kept["test"].sum() == 65 and other["postprocessing"][0]["before"] == 1


def test_without_steps_nothing_is_chosen(predict: Any) -> None:
    found, model = predict({"test": False})
    assert found["test"].sum() == 65 and "postprocessing" not in model
