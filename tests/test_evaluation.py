"""Overlap, thresholds, the reference without learning, and a study's tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.comparison.runs import by_loss
from lib.comparison.summary import SAME_FOR_ALL_SEEDS, LesionRun, run_row, size_table
from lib.errors import SeglossError
from lib.evaluation.lesions import lesion_records
from lib.evaluation.overlap import dice, dice_by_threshold, overlap_row, tuned_threshold
from lib.evaluation.records import write_records
from lib.evaluation.reference import band_pass, reference_dice
from lib.evaluation.run import PredictedCase, evaluate_run
from lib.files import read_json
from lib.plotting import study_froc


def test_dice_by_hand() -> None:
    a = np.array([1, 1, 0, 0], bool)
    b = np.array([0, 1, 1, 1], bool)
    assert dice(a, b) == pytest.approx(2 / 5)
    assert dice(a & False, b & False) == 1
    assert dice(a, b & False) == 0


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


def test_other_arrays_than_the_masks_and_logits_of_a_case_are_refused() -> None:
    target = np.array([[1, 1, 0], [0, 0, 0]], bool)
    logits = np.where(np.stack([~target, target]), 1.0, -1.0)
    for refused, told in (
        (lambda: dice_by_threshold(logits[0], target.astype(int)), "target: expected bool masks"),
        (
            lambda: dice_by_threshold(logits[0], target[:1]),
            "score and target: expected numbers, .* one shape",
        ),
        (
            lambda: overlap_row("a", logits, target.astype(int)),
            r"a: .* found float64 of shape \(2, 2, 3\) and",
        ),
    ):
        with pytest.raises(SeglossError, match=f"^{told}"):
            refused()


def test_reference_finds_bright_blobs_of_a_body() -> None:
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(3):
        image, target = np.zeros((1, 30, 30, 30)), np.zeros((30, 30, 30), bool)
        image[0, 5:25, 5:25, 5:25] = 1
        target[12:15, 10:13, 14:17] = True
        image += 0.7 * target + rng.normal(0, 0.02, image.shape)
        cases.append((band_pass(image, (1, 1, 1)), target))
    assert reference_dice(cases[:1], cases[1:]) > 0.8


def predicted(name: str, target: np.ndarray, logit: np.ndarray) -> PredictedCase:
    return PredictedCase(name, target, 1 / (1 + np.exp(-logit)), logit)


def case_with_halo(name: str, inside: float, halo: float) -> PredictedCase:
    """A cube of lesion whose voxels score ``inside``, in a larger cube that scores ``halo``."""
    target = np.zeros((12, 12, 12), bool)
    target[4:7, 4:7, 4:7] = True
    logit = np.full(target.shape, -5.0)
    logit[2:9, 2:9, 2:9] = halo
    logit[target] = inside
    return predicted(name, target, logit)


def test_only_validation_cases_choose_the_threshold() -> None:
    validation = [case_with_halo("v", inside=6.0, halo=3.0)]
    test = [case_with_halo("t", inside=2.0, halo=1.0)]
    result = evaluate_run(validation, test)
    (row,) = result.dice_rows
    assert row["tuned_logit"] == 3.0  # the best of the test case would be 1
    assert row["dice_tuned"] == 0
    assert row["dice_05"] == pytest.approx(2 * 27 / (27 + 343))
    assert evaluate_run(test, test).dice_rows[0]["dice_tuned"] == 1


def test_tuned_records_are_cut_and_scored_at_the_tuned_logit() -> None:
    case = case_with_halo("t", inside=6.0, halo=3.0)
    result = evaluate_run([case], [case])
    lesion, component = result.records_tuned["t"]
    assert lesion["hit_dice"] == 1
    assert component["self_logit"] == pytest.approx(6.0 - 3.0)
    assert result.records["t"][0]["hit_dice"] == pytest.approx(2 * 27 / (27 + 343))


def test_validation_cases_without_lesion_do_not_tune() -> None:
    empty = predicted("e", np.zeros((12, 12, 12), bool), np.full((12, 12, 12), 9.0))
    case = case_with_halo("v", inside=6.0, halo=3.0)
    assert evaluate_run([case, *[empty] * 5], [case]).dice_rows[0]["tuned_logit"] == 3.0
    with pytest.raises(SeglossError, match="no validation case has a lesion"):
        evaluate_run([empty], [case])


def test_the_reference_is_tuned_on_validation_and_scored_on_test() -> None:
    target = np.array([1, 1, 0, 0], bool)
    validation = [(np.array([10.0, 8.0, 5.0, 0.0]), target)]
    test = [(np.array([4.0, 3.0, 1.0, 0.0]), target), (np.array([9.0, 9.0, 9.0, 0.0]), target)]
    empty = (np.array([9.0, 9.0, 9.0, 9.0]), target & False)
    assert reference_dice([*validation, empty], [*test, empty]) == pytest.approx((0 + 0.8) / 2)


def evaluated(folder: Path, loss: str, seed: int, shift: int, tuned_shift: int) -> LesionRun:
    """Two cases with two lesions and one without; predictions are moved by ``shift``, or ``tuned_shift``, voxels."""
    target = np.zeros((24, 24, 24), bool)
    target[2:4, 2:4, 2:4] = target[10:16, 10:16, 10:16] = True
    cases = {"a": target, "b": target, "empty": target & False}

    def rows(moved: int) -> dict:
        masks = {name: np.roll(mask, moved, axis=0) for name, mask in cases.items()}
        return {n: lesion_records(cases[n], m * 0.9, np.where(m, 2.0, -2.0)) for n, m in masks.items()}

    write_records(folder / "records.json", rows(shift))
    write_records(folder / "records_tuned.json", rows(tuned_shift))
    scores = {
        name: [dice(np.roll(m, k, axis=0), m) for k in (shift, tuned_shift)] for name, m in cases.items()
    }
    table = pd.DataFrame(
        {
            "case": list(cases),
            "has_lesions": [True, True, False],
            "dice_05": [scores[name][0] for name in cases],
            "dice_tuned": [scores[name][1] for name in cases],
            "tuned_logit": 0.5,
        }
    )
    (folder / "dice.csv").write_text(table.to_csv(index=False))
    names = {"scale": "demo", "dataset": "phantom_lesions", "variant": "base", "noise": "clean"}
    keys = {**names, "loss": loss, "seed": seed}
    return LesionRun(keys, "Phantoms", None, folder, small_diameter=3.0, size_bins=[0, 3])


def three_runs(folder: Path) -> list[LesionRun]:
    return [
        evaluated(folder / "0", "good", 0, shift=0, tuned_shift=0),
        evaluated(folder / "1", "good", 1, shift=3, tuned_shift=0),
        evaluated(folder / "2", "bad", 0, shift=0, tuned_shift=8),
    ]


def test_one_row_per_run(tmp_path: Path) -> None:
    rows = pd.DataFrame([run_row(run, reference=0.9) for run in three_runs(tmp_path)])
    assert rows["recall"].tolist() == [1.0, 0.5, 1.0]
    assert rows["recall_tuned"].tolist() == [1.0, 1.0, 0.0]
    np.testing.assert_allclose(rows["fp_per_case"], [0, 2 / 3, 0])
    np.testing.assert_allclose(rows["fp_per_case_tuned"], [0, 0, 4 / 3])
    assert rows["avg_recall_tuned"].tolist()[1:] == [pytest.approx(1, abs=0.01), 0.0]
    assert rows["recall_small"].tolist() == [1.0, 0.0, 1.0]
    assert rows["dice_tuned"].tolist() == [1, 1, 0]  # the case without lesion plays no part
    assert rows["status"].tolist() == ["learnt", "learnt", "collapsed"]
    assert run_row(three_runs(tmp_path)[0], reference=1.0)["status"] == "below reference"
    # at 0.5 the second run has 2 false positives in 2 cases with rows, among 3 cases
    at_one = 0.5 * (1 - 0.5 * (2 / 3) / 5)  # from (0, 0) to (2/3, 0.5), then held to 5
    assert rows["avg_recall"][1] == pytest.approx(at_one, abs=0.01)


@pytest.mark.parametrize(("wrong", "status"), [(40, "learnt"), (41, "poor")])
def test_a_run_with_ten_times_more_wrong_components_than_lesions_is_poor(
    tmp_path: Path, wrong: int, status: str
) -> None:
    run = evaluated(tmp_path, "bce", 0, shift=0, tuned_shift=0)
    records = read_json(tmp_path / "records_tuned.json")
    specks = np.zeros((2 * wrong, 2, 2), bool)
    specks[::2, 0, 0] = True
    records["empty"] = lesion_records(specks & False, specks * 0.9, np.where(specks, 2.0, -2.0))
    write_records(tmp_path / "records_tuned.json", records)
    row = run_row(run, reference=0.9)
    assert (row["lesions"], row["test_cases"] * row["fp_per_case_tuned"]) == (4, wrong)
    assert row["status"] == status


def test_a_run_above_the_reference_with_little_dice_is_poor(tmp_path: Path) -> None:
    row = run_row(evaluated(tmp_path, "bce", 0, shift=0, tuned_shift=5), reference=0.1)
    assert row["dice_tuned"] == pytest.approx(2 * 36 / (2 * 224))
    assert row["status"] == "poor"


def test_one_row_per_loss(tmp_path: Path) -> None:
    rows = pd.DataFrame([run_row(run, reference=0.9) for run in three_runs(tmp_path)])
    table = by_loss(rows, SAME_FOR_ALL_SEEDS).set_index("loss")
    assert table.loc["good", "recall"] == 0.75
    assert table.loc["good", "recall_sd"] == pytest.approx(np.std([1, 0.5], ddof=1))
    assert np.isnan(table.loc["bad", "recall_sd"])
    assert table.loc["bad", "status"] == "collapsed 1"
    assert table.loc["good", "status"] == "learnt 2"
    assert table.loc["good", "seeds"] == 2
    sizes = size_table(three_runs(tmp_path))
    assert sizes["lesions"].tolist() == [2] * 6
    assert sizes["recall"].tolist() == [1.0, 1.0, 0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("objects", ["all", "small", "tuned"])
def test_the_figure_draws_what_it_says(tmp_path: Path, objects: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {}
    monkeypatch.setattr(
        study_froc, "draw_froc_panel", lambda _, lines: drawn.update({line.label: line for line in lines})
    )
    runs = three_runs(tmp_path)
    per_run = pd.DataFrame([run_row(run, reference=0.9) for run in runs])
    per_run.loc[0, "status"] = "poor"
    study_froc.draw_study_froc(runs, per_run, objects, "demo", tmp_path / "froc.pdf")
    good, bad = (next(line for label, line in drawn.items() if label.startswith(n)) for n in ("good", "bad"))
    assert (good.label[-11:], bad.label[-16:]) == ("1 of 2 poor", "1 of 1 collapsed")
    last = {"all": (0.75, 1.0), "small": (0.5, 1.0), "tuned": (1.0, 0.0)}[objects]
    assert (good.curve.mean[-1], bad.curve.mean[-1]) == last
    assert good.curve.std[-1] == pytest.approx(
        np.std([1, {"all": 0.5, "small": 0, "tuned": 1}[objects]], ddof=1)
    )
    assert not bad.curve.std.any()  # one seed has no spread
    assert bad.curve.x[-1] == pytest.approx({"all": 0, "small": 0, "tuned": 4 / 3}[objects], abs=0.01)


def test_without_a_limit_lesions_below_the_median_are_small(tmp_path: Path) -> None:
    run = replace(three_runs(tmp_path)[0], small_diameter=None)
    diameters = run.records().table.query("is_tum")["diameter"]
    assert run.small_limit == pytest.approx(diameters.median())
    assert run.records("small").table.query("is_tum")["diameter"].max() < run.small_limit
