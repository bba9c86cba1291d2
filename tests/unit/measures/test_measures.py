"""Measures of a structure by hand, cuts and tuned thresholds, and what bright blobs alone give."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.arrays import write_array
from lib.errors import SeglossError
from lib.inference import stored_kinds
from lib.labels import BINARY, IGNORED, Labels
from lib.measures import calibration as calibration_module
from lib.measures.baseline import band_pass, baseline_dice
from lib.measures.calibration import calibration, reliability
from lib.measures.catalogue import (
    CUTS,
    DECIDED,
    MEASURES,
    PROBABILITY,
    TABLES,
    TUNED,
    Column,
    MeasureEntry,
    MeasureParameters,
    columns_of,
)
from lib.measures.evaluation import (
    case_rows,
    detail_rows,
    segmentation_of,
    segmentations,
    thresholds,
)
from lib.measures.overlap import dice, dice_by_threshold, of_run, overlap, pooled_dice, tuned_threshold
from lib.measures.proportion import proportion
from lib.measures.segmentation import Segmentation
from lib.measures.volume import volume
from lib.store import Case, StoredCase, write_case

ORGANS = Labels(("liver", "tumour"), exclusive=False, partly_annotated=True)
HEART = Labels(("background", "ventricle", "myocardium"), partly_annotated=True)


def row(*values: float) -> np.ndarray:
    """A picture of one row."""
    return np.array([values])


def segmentation(target: np.ndarray, prediction: np.ndarray, **more: Any) -> Segmentation:
    return Segmentation(target > 0, prediction > 0, (1.0,) * target.ndim, **more)


def disc(radius: int) -> np.ndarray:
    rows, columns = np.indices((128, 128)) - 64
    return rows**2 + columns**2 <= radius**2


# Overlap


def test_dice_by_hand() -> None:
    a = np.array([1, 1, 0, 0], bool)
    b = np.array([0, 1, 1, 1], bool)
    assert dice(a, b) == pytest.approx(2 / 5)
    assert dice(a & False, b & False) == 1
    assert dice(a, b & False) == 0


def test_pooled_dice_is_the_released_codes() -> None:
    """Facts: two discs, pooled 0.9047, per image 0.7812 and 0.9463."""
    rows = [overlap(segmentation(disc(20), disc(25))), overlap(segmentation(disc(40), disc(38)))]
    assert pooled_dice(rows) == pytest.approx(0.9046723246574402, abs=1e-7)
    assert [row["dice"] for row in rows] == pytest.approx([0.7812305779987, 0.9463199832249], abs=1e-10)
    nothing = disc(0) & False
    empty = overlap(segmentation(nothing, nothing))
    assert pooled_dice([empty]) == empty["dice"] == 1


def test_pooled_dice_of_a_run_is_the_mean_of_its_structures() -> None:
    counts = {"voxels": 8, "present": 2, "predicted": 2, "both": 2, "dice": 1.0}
    wrong = counts | {"both": 0, "dice": 0.0}
    rows = [{"structure": name, **row} for name, row in (("a", counts), ("a", counts), ("b", wrong))]
    numbers = of_run(rows, ["1", "2"])
    assert numbers["dice_pooled"] == 0.5
    assert numbers["dice_if_full"] == pytest.approx(0.4)


def test_dice_by_threshold_equals_dice_at_each_threshold() -> None:
    rng = np.random.default_rng(0)
    thresholds = np.linspace(-2, 2, 9)
    for foreground in (0.0, 0.3, 1.0):
        score = np.round(rng.normal(size=(6, 7)), 1)  # ties with thresholds
        target = rng.random((6, 7)) < foreground
        expected = [dice(score > t, target) for t in thresholds]
        np.testing.assert_allclose(dice_by_threshold(score, target, thresholds), expected)


def test_the_tuned_threshold_maximises_the_mean_over_cases() -> None:
    target = np.array([1, 1, 0, 0], bool)
    scores = [np.array([5.0, 4.0, 3.0, 0.0]), np.array([6.0, 3.6, 3.5, 0.0])]
    assert tuned_threshold(scores, [target, target]) == 3.5
    assert tuned_threshold([-s for s in scores], [~target, ~target]) == -4.0


MASKS = np.array([[1, 1, 0], [0, 0, 0]], bool), np.array([[1, 0, 0], [0, 0, 1]], bool)


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (lambda: dice_by_threshold(MASKS[0] * 1.0, MASKS[0].astype(int)), "target: expected bool masks"),
        (lambda: dice_by_threshold(MASKS[0] * 1.0, MASKS[0][:1]), "score and target: expected numbers, .* one"),
        (lambda: Segmentation(MASKS[0] * 1, MASKS[1], (1, 1)), "prediction and target: expected bool masks"),
        (lambda: Segmentation(MASKS[0][:1], MASKS[1], (1, 1)), r".* \(2, 3\) and bool of shape \(1, 3\)"),
        (lambda: Segmentation(*MASKS, (1, 1, 1)), "segmentation: expected a spacing of 2 positive lengths"),
        (lambda: Segmentation(*MASKS, (1, 0)), r"segmentation: .*, mm along each axis, found \[1.0, 0.0\]"),
    ],
)
def test_other_arrays_than_masks_and_scores_are_refused(refused: Callable, told: str) -> None:
    with pytest.raises(SeglossError, match=f"^{told}"):
        refused()


# Size


def test_volume_by_hand() -> None:
    target, prediction = row(1, 1, 1, 1, 0), row(1, 0, 0, 0, 0)
    spacing = (0.5, 3)
    assert volume(Segmentation(target > 0, prediction > 0, spacing)) == {
        "volume_difference": -4.5,
        "volume_error": -0.75,
        "volume_error_abs": 0.75,
    }
    larger = volume(Segmentation(prediction > 0, target > 0, spacing))
    assert larger["volume_difference"] == 4.5 and larger["volume_error"] == larger["volume_error_abs"] == 3
    absent = volume(Segmentation(target < 0, prediction > 0, spacing))
    assert absent["volume_difference"] == 1.5
    assert np.isnan([absent["volume_error"], absent["volume_error_abs"]]).all()


def test_proportion_by_hand() -> None:
    target, prediction = row(1, 1, 0, 0, 0, 0, 0, 0), row(1, 0, 0, 0, 0, 0, 0, 0)
    annotated = row(1, 1, 1, 1, 0, 0, 0, 0) > 0
    numbers = proportion(segmentation(target, prediction, annotated=annotated))
    assert numbers == {
        "proportion": 0.5,
        "proportion_predicted": 0.25,
        "proportion_bias": -0.25,
        "proportion_bias_abs": 0.25,
        "proportion_kl": pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3)),
    }
    assert proportion(segmentation(target, np.roll(target, 3)))["proportion_kl"] == 0


def test_empty_and_full_shares_are_kept_from_0_and_1() -> None:
    half, nothing, everything = row(1, 0), row(0, 0), row(1, 1)
    missed = proportion(segmentation(half, nothing))["proportion_kl"]
    assert missed == pytest.approx(0.5 * np.log(0.5 / 1e-10) + 0.5 * np.log(0.5))
    assert proportion(segmentation(half, everything))["proportion_kl"] == pytest.approx(missed)
    opposite = proportion(segmentation(nothing, everything))
    assert opposite["proportion_kl"] == pytest.approx(-np.log(1e-10))
    assert proportion(segmentation(nothing, nothing))["proportion_kl"] == 0
    unseen = segmentation(nothing, nothing, annotated=nothing > 0)
    assert proportion(unseen)["proportion"] == 0


# Calibration


def calibrated(target: np.ndarray, *probability: float, **more: Any) -> Segmentation:
    return segmentation(target, target, probability=np.array([probability]), **more)


def test_calibration_by_hand() -> None:
    """Bins 0 to 0.5 and 0.5 to 1; two halves of equal size hold the same voxels but one."""
    case = calibrated(row(0, 1, 1, 1), 0.1, 0.3, 0.4, 0.8)
    ece = (abs(0.8 - 2) + abs(0.8 - 1)) / 4  # sums of probability and of truth
    ace = (abs(0.4 - 1) / 2 + abs(1.2 - 2) / 2) / 2
    brier = (0.1**2 + 0.7**2 + 0.6**2 + 0.2**2) / 4
    assert calibration(case, bins=2) == pytest.approx({"ece": ece, "ace": ace, "brier": brier})
    assert calibration(case, bins=1)["ece"] == pytest.approx(abs(1.6 - 3) / 4)
    assert calibration(case, bins=9)["ace"] == pytest.approx((0.1 + 0.7 + 0.6 + 0.2) / 4)  # a voxel each


def test_probabilities_that_are_shares_have_no_error() -> None:
    """Of those with 0.25, one of four; of those with 0.75, three."""
    case = calibrated(row(1, 0, 0, 0, 1, 1, 1, 0), *[0.25] * 4, *[0.75] * 4)
    assert calibration(case, bins=2) == {"ece": 0, "ace": 0, "brier": pytest.approx(3 / 16)}
    certain = calibrated(row(0, 1), 0, 1)
    assert set(calibration(certain, bins=15).values()) == {0}
    assert set(calibration(calibrated(row(1, 0), 0, 1), bins=15).values()) == {1}


def test_voxels_that_are_not_annotated_are_no_part_of_calibration() -> None:
    annotated = row(1, 1, 0, 0) > 0
    case = calibrated(row(0, 1, 0, 0), 0.1, 0.6, 1, 1, annotated=annotated)
    alone = calibrated(row(0, 1), 0.1, 0.6)
    assert calibration(case, bins=5) == calibration(alone, bins=5)
    assert reliability(case, bins=5) == reliability(alone, bins=5)
    unseen = calibrated(row(0, 1), 0.1, 0.6, annotated=row(0, 0) > 0)
    assert np.isnan([*calibration(unseen, bins=5).values()]).all() and reliability(unseen, bins=5) == []


def test_reliability_has_a_row_for_each_bin_with_voxels() -> None:
    rows = reliability(calibrated(row(0, 1, 1, 1), 0.125, 0.5, 0.625, 1), bins=4)
    names = ("probability_from", "probability_to", "voxels", "sum_of_probability", "sum_of_truth")
    assert [tuple(row) for row in rows] == [names] * 3
    assert [tuple(row.values()) for row in rows] == [
        (0, 0.25, 1, 0.125, 0),
        (0.5, 0.75, 2, 1.125, 2),
        (0.75, 1, 1, 1, 1),  # 1 belongs to the last bin
    ]


def test_the_error_of_all_voxels_together_is_no_mean_of_cases() -> None:
    """Each case is wrong by 0.5, in opposite directions."""
    cases = calibrated(row(1, 1), 0.5, 0.5), calibrated(row(0, 0, 0, 0), *[0.5] * 4)
    assert [calibration(case, bins=4)["ece"] for case in cases] == [0.5, 0.5]
    rows = [row for case in cases for row in reliability(case, bins=4)]
    assert calibration_module.of_run(rows, ["a", "b"], bins=4) == {"ece_pooled": pytest.approx(1 / 6)}
    whole = calibrated(row(1, 1, 0, 0, 0, 0), *[0.5] * 6)
    assert calibration(whole, bins=4)["ece"] == pytest.approx(1 / 6)
    assert np.isnan(calibration_module.of_run([], ["a"], bins=4)["ece_pooled"])


# Cuts


LABEL = np.array([[1, 1, 0, 0, IGNORED]], np.uint8)
LOGIT = np.array([[3, 1, 0.5, -1, 9]], np.float16)
PROBABILITIES = np.array([[0.9, 0.4, 0.6, 0.1, 1]], np.float16)  # averaged over windows by themselves
STORED = {"labels": (LOGIT > 0).astype(np.uint8), "probability": PROBABILITIES, "logit": LOGIT}
PARTLY = Labels(BINARY.names, partly_annotated=True)


@pytest.mark.parametrize(
    ("cut", "threshold", "prediction"),
    [
        (DECIDED, np.nan, [1, 1, 1, 0, 0]),
        (PROBABILITY, 0.5, [1, 0, 1, 0, 0]),
        (TUNED, 0.75, [1, 1, 0, 0, 0]),
        (TUNED, -2, [1, 1, 1, 1, 0]),
    ],
)
def test_cuts_by_hand(cut: str, threshold: float, prediction: list[int]) -> None:
    found = segmentation_of(STORED, LABEL, (1, 1), PARTLY, "foreground", cut, threshold)
    np.testing.assert_array_equal(found.prediction, [prediction])
    np.testing.assert_array_equal(found.target, [[1, 1, 0, 0, 0]])
    np.testing.assert_array_equal(found.annotated, [[1, 1, 1, 1, 0]])
    assert found.voxels == 4
    np.testing.assert_array_equal(found.probability, PROBABILITIES)
    relative = threshold if cut == TUNED else 0
    np.testing.assert_array_equal(found.logit[0, :4], LOGIT[0, :4] - relative)
    assert found.logit[0, 4] < -60_000
    if cut == PROBABILITY:
        np.testing.assert_array_equal(found.score, PROBABILITIES * found.annotated)
    else:
        assert found.score is None


def test_nothing_is_kept_that_no_measure_reads() -> None:
    found = segmentation_of({"labels": STORED["labels"]}, LABEL, (1, 1), PARTLY, "foreground")
    assert found.probability is None and found.logit is None


def test_a_prediction_of_another_shape_is_refused() -> None:
    with pytest.raises(SeglossError, match=r"^prediction \(1, 4\) of a label \(1, 5\): predict it again$"):
        segmentation_of({"labels": STORED["labels"][:, 1:]}, LABEL, (1, 1), PARTLY, "foreground")


def test_every_cut_says_what_is_read_of_a_test_case() -> None:
    assert {cut: parts["test"] for cut, parts in CUTS.items()} == {
        "decided": ("labels",),
        "probability": ("probability",),
        "tuned": ("logit",),
        "true_region": ("labels_true_region",),
    }


def organs() -> tuple[np.ndarray, np.ndarray]:
    """Two structures that overlap, neither annotated everywhere, and the logits of both."""
    label = np.array([[[1, 1, 1, IGNORED]], [[0, 1, IGNORED, 0]]], np.uint8)
    logit = np.array([[[2, 1, -1, 5]], [[0.5, 4, 7, -3]]], np.float16)
    return label, logit


@pytest.mark.parametrize(
    ("cut", "threshold", "liver", "tumour"),
    [
        (DECIDED, np.nan, [1, 1, 0, 0], [1, 1, 0, 0]),
        (PROBABILITY, 0.5, [1, 1, 0, 0], [1, 1, 0, 0]),
        (TUNED, 1.0, [1, 0, 0, 0], [0, 1, 0, 0]),
    ],
)
def test_structures_that_overlap_have_values_of_their_own(
    cut: str, threshold: float, liver: list[int], tumour: list[int]
) -> None:
    label, logit = organs()
    stored = stored_kinds(1 / (1 + np.exp(-logit)), logit, ORGANS, ("labels", "probability", "logit"))
    for number, (name, expected) in enumerate((("liver", liver), ("tumour", tumour))):
        found = segmentation_of(stored, label, (1, 1), ORGANS, name, cut, threshold)
        np.testing.assert_array_equal(found.prediction, [expected])
        np.testing.assert_array_equal(found.target, label[number] == 1)
        np.testing.assert_array_equal(found.annotated, label[number] != IGNORED)
        np.testing.assert_array_equal(found.probability, stored["probability"][number])


def test_several_classes_are_decided_and_have_a_probability_each() -> None:
    label = np.array([[0, 1, 2, IGNORED]], np.uint8)
    probability = np.array([[[0.6, 0.4, 0.1, 0]], [[0.2, 0.3, 0.2, 0]], [[0.2, 0.3, 0.7, 1]]], np.float16)
    stored = stored_kinds(probability, np.log(probability + 1e-4), HEART, ("labels", "probability"))
    found = segmentation_of(stored, label, (1, 1), HEART, "myocardium")
    np.testing.assert_array_equal(found.prediction, [[0, 0, 1, 0]])
    np.testing.assert_array_equal(found.probability, probability[2])


# Evaluations of cases on disk


def predicted_case(
    folder: Path, name: str, label: np.ndarray, logit: np.ndarray, labels: Labels = BINARY
) -> StoredCase:
    """A prepared case and, in ``folder/predictions``, what was predicted of it."""
    spatial = label.shape if labels.exclusive else label.shape[1:]
    image = np.random.default_rng(0).normal(size=(1, *spatial))
    write_case(folder / name, name, Case(image, label, (1.0,) * len(spatial), name))
    outputs = 1 / (1 + np.exp(-logit)), logit
    for kind, values in stored_kinds(*outputs, labels, ("labels", "probability", "logit")).items():
        write_array(folder / f"predictions/{name}.{kind}.b2nd", values)
    return StoredCase(folder / name)


def case_with_halo(folder: Path, name: str, inside: float, halo: float) -> StoredCase:
    """A cube of lesion whose voxels score ``inside``, in a larger cube that scores ``halo``."""
    target = np.zeros((12, 12, 12), np.uint8)
    target[4:7, 4:7, 4:7] = 1
    logit = np.full(target.shape, -5.0)
    logit[2:9, 2:9, 2:9] = halo
    logit[target > 0] = inside
    return predicted_case(folder, name, target, logit)


def lesion_free(folder: Path, name: str) -> StoredCase:
    return predicted_case(folder, name, np.zeros((12, 12, 12), np.uint8), np.full((12, 12, 12), 9.0))


def tuned(folder: Path, validation: list[StoredCase], labels: Labels = BINARY) -> dict[str, float]:
    return thresholds(TUNED, validation, folder / "predictions", labels)


def dice_of(folder: Path, case: StoredCase, cut: str, of_structures: dict[str, float]) -> float:
    found = segmentations([case], folder / "predictions", BINARY, {cut: of_structures})
    return case_rows(found, [MEASURES.parse("overlap")], "any")[0]["dice"]


def test_only_validation_cases_choose_the_threshold(tmp_path: Path) -> None:
    validation = case_with_halo(tmp_path, "v", inside=6.0, halo=3.0)
    test = case_with_halo(tmp_path, "t", inside=2.0, halo=1.0)
    chosen = tuned(tmp_path, [validation])
    assert chosen == {"foreground": 3.0}  # the best of the test case would be 1
    assert dice_of(tmp_path, test, TUNED, chosen) == 0
    assert dice_of(tmp_path, test, TUNED, tuned(tmp_path, [test])) == 1
    half = thresholds(PROBABILITY, [], tmp_path, BINARY)
    assert half == {"foreground": 0.5}
    assert dice_of(tmp_path, test, PROBABILITY, half) == pytest.approx(2 * 27 / (27 + 343))
    assert np.isnan(thresholds(DECIDED, [], tmp_path, BINARY)["foreground"])


def test_validation_cases_without_a_structure_do_not_tune_it(tmp_path: Path) -> None:
    empty = lesion_free(tmp_path, "e")
    case = case_with_halo(tmp_path, "v", inside=6.0, halo=3.0)
    assert tuned(tmp_path, [case, *[empty] * 5]) == {"foreground": 3.0}
    with pytest.raises(SeglossError, match="no validation case has foreground: nothing to tune"):
        tuned(tmp_path, [empty])


def test_each_structure_is_tuned_where_it_is_annotated(tmp_path: Path) -> None:
    label = np.array([[[1, 1, 0, *[IGNORED] * 3]], [[1, *[0] * 5]]], np.uint8)
    logit = np.array([[[3, 1, -1, 2, 2, 2]], [[5, 4, 4, 4, 4, 4]]], np.float16)
    case = predicted_case(tmp_path, "v", label, logit, ORGANS)
    assert tuned(tmp_path, [case], ORGANS) == {"liver": -1.0, "tumour": 4.0}
    label[label == IGNORED] = 0  # now too many of the voxels above 1 are wrong
    case = predicted_case(tmp_path, "w", label, logit, ORGANS)
    assert tuned(tmp_path, [case], ORGANS) == {"liver": 2.0, "tumour": 4.0}


def test_lesions_of_the_tuned_cut_are_scored_from_the_threshold_on(tmp_path: Path) -> None:
    case = case_with_halo(tmp_path, "t", inside=6.0, halo=3.0)
    cuts = {cut: thresholds(cut, [case], tmp_path / "predictions", BINARY) for cut in (PROBABILITY, TUNED)}
    found = segmentations([case], tmp_path / "predictions", BINARY, cuts, ["logit"])
    rows = detail_rows(found, MEASURES.parse("froc"), "any")
    half, tuned_rows = ([row for row in rows if row["cut"] == cut] for cut in cuts)
    lesion, component = tuned_rows
    assert (lesion["case"], lesion["structure"], lesion["threshold"]) == ("t", "foreground", 3.0)
    assert lesion["hit_dice"] == 1
    assert component["self_logit"] == pytest.approx(6.0 - 3.0)
    assert half[0]["hit_dice"] == pytest.approx(2 * 27 / (27 + 343))
    assert half[1]["self_stat"] == np.float16(1 / (1 + np.exp(-6)))  # the probability, not 0 or 1


def test_rows_of_all_cuts_hold_every_column_of_the_measures(tmp_path: Path) -> None:
    case = case_with_halo(tmp_path, "t", inside=6.0, halo=3.0)
    measures = [MEASURES.parse(name) for name, entry in MEASURES.items() if entry.table == "cases"]
    predictions, of_values = tmp_path / "predictions", (DECIDED, PROBABILITY, TUNED)
    cuts = {cut: thresholds(cut, [case], predictions, BINARY) for cut in of_values}
    rows = case_rows(segmentations([case], predictions, BINARY, cuts, ["probability"]), measures, "any")
    of_cases = [column.name for measure in measures for column in MEASURES.entry_of(measure).columns]
    for found, cut in zip(rows, of_values, strict=True):
        assert found["cut"] == cut
        assert [*found] == ["case", "structure", "cut", "threshold", *of_cases]
    decided, probability, tuned_row = rows
    assert decided["dice"] == probability["dice"] < tuned_row["dice"] == 1
    for name in ("ece", "ace", "brier"):
        assert decided[name] == probability[name] == tuned_row[name] > 0


def test_what_the_cut_does_not_change_is_measured_once() -> None:
    measures = [MEASURES.parse(name) for name in ("overlap", "calibration")]
    case = calibrated(row(0, 1), 0.1, 0.6)
    other = Segmentation(case.target, case.target, case.spacing, probability=1 - case.probability)
    found = [
        ({"case": name, "structure": structure, "cut": cut}, one)
        for name, structure, cut, one in (
            ("a", "x", DECIDED, case),
            ("a", "x", TUNED, other),
            ("b", "x", DECIDED, other),
            ("a", "y", DECIDED, other),
        )
    ]
    first, second, *others = [row["brier"] for row in case_rows(found, measures, "any")]
    assert first == second == pytest.approx((0.01 + 0.16) / 2)
    assert others == [pytest.approx((0.81 + 0.36) / 2)] * 2


# The catalogue


def test_entries_name_functions_that_give_their_columns() -> None:
    target = np.zeros((6, 6, 3), bool)
    target[2:4, 2:4, 1] = True
    one = Segmentation(target, np.roll(target, 1, 0), (1, 1, 2), None, target * 0.9, target * 2.0 - 1)
    for name, entry in MEASURES.items():
        measure = MEASURES.parse(name)
        arguments = measure.for_dataset("any")
        result = entry.loaded(one, **arguments)
        assert entry.table in TABLES
        if entry.table == "cases":
            assert list(result) == [column.name for column in entry.columns], name
            rows = [{"structure": "x", **overlap(one), **result}]  # every study measures the overlap
        else:
            rows = [{"case": "a", "structure": "x", **row} for row in result]
        numbers = entry.of_rows(rows, ["a"], **arguments)
        assert {column.name for column in entry.of_run} <= set(numbers), name


def test_columns_are_told_apart_and_judged_as_their_kind() -> None:
    measures = [MEASURES.parse(name) for name in MEASURES]
    names = [column.name for entry in MEASURES.values() for column in (*entry.columns, *entry.of_run)]
    columns = columns_of(measures)
    assert len(names) == len(set(names)) == len(columns)
    for column in columns.values():
        assert column.margin is None or column.better
        assert not (column.monitored and not column.better)
        assert not column.context or column.context[1] in columns
    assert columns["hd95"].axis == "HD95 (mm)" and columns["dice"].axis == "Dice"


def test_what_is_monitored_is_of_labels_alone() -> None:
    column = Column("size", "size", monitored=True)
    MeasureEntry("own:own", MeasureParameters, columns=(column,))
    for unfit in ({"reads": ("probability",)}, {"table": "own"}):
        with pytest.raises(SeglossError, match="own:own: size cannot be monitored; such a column is of labels alone"):
            MeasureEntry("own:own", MeasureParameters, columns=(column,), **unfit)


def test_parameters_of_froc_depend_on_the_data_set() -> None:
    froc = MEASURES.parse({"name": "froc", "small_diameter": {"luna16": 8}, "size_bins": [0, 4]})
    assert froc.for_dataset("luna16") == {"small_diameter": 8, "size_bins": [0, 4]}
    assert froc.for_dataset("lits")["small_diameter"] is None
    assert [*froc.datasets] == ["luna16"]
    with pytest.raises(ValueError, match=r"size_bins \[0.0, 4.0, 4.0\] must ascend"):
        MEASURES.parse({"name": "froc", "size_bins": [0, 4, 4]})


# What bright blobs alone give


def test_the_baseline_finds_bright_blobs_of_a_body() -> None:
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(3):
        image, target = np.zeros((1, 30, 30, 30)), np.zeros((30, 30, 30), bool)
        image[0, 5:25, 5:25, 5:25] = 1
        target[12:15, 10:13, 14:17] = True
        image += 0.7 * target + rng.normal(0, 0.02, image.shape)
        cases.append((band_pass(image, (1, 1, 1)), target))
    assert baseline_dice(cases[:1], cases[1:]) > 0.8


def test_the_baseline_is_tuned_on_validation_and_scored_on_test() -> None:
    target = np.array([1, 1, 0, 0], bool)
    validation = [(np.array([10.0, 8.0, 5.0, 0.0]), target)]
    test = [(np.array([4.0, 3.0, 1.0, 0.0]), target), (np.array([9.0, 9.0, 9.0, 0.0]), target)]
    empty = (np.array([9.0, 9.0, 9.0, 9.0]), target & False)
    assert baseline_dice([*validation, empty], [*test, empty]) == pytest.approx((0 + 0.8) / 2)
    with pytest.raises(SeglossError, match="expected a test case with a lesion, found none"):
        baseline_dice(validation, [empty])
