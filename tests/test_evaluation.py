"""Overlap, thresholds, the reference without learning, and a study's tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.comparison.summary import EvaluatedRun, by_loss, run_row, size_table
from lib.evaluation.lesions import lesion_records
from lib.evaluation.overlap import dice, dice_by_threshold, tuned_threshold
from lib.evaluation.records import write_records
from lib.evaluation.reference import band_pass, reference_dice


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
    target = np.array([1, 1, 0, 0])
    scores = [np.array([5.0, 4.0, 3.0, 0.0]), np.array([6.0, 3.6, 3.5, 0.0])]
    assert tuned_threshold(scores, [target, target]) == 3.5
    assert tuned_threshold([-s for s in scores], [1 - target, 1 - target]) == -4.0


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


def evaluated(folder: Path, loss: str, seed: int, shift: int) -> EvaluatedRun:
    """Two cases with two lesions; the prediction is moved by ``shift`` voxels."""
    target = np.zeros((2, 24, 24, 24), np.uint8)
    target[:, 2:4, 2:4, 2:4] = target[:, 10:16, 10:16, 10:16] = 1
    rows = {}
    for name, mask in zip("ab", target, strict=True):
        predicted = np.roll(mask, shift, axis=0)
        rows[name] = lesion_records(mask, predicted * 0.9, np.where(predicted, 2.0, -2.0))
    write_records(folder / "records.json", rows)
    write_records(folder / "records_tuned.json", rows)
    scores = [dice(np.roll(mask, shift, axis=0) > 0, mask > 0) for mask in target]
    table = pd.DataFrame({"case": list("ab"), "dice_05": scores, "dice_tuned": scores, "tuned_logit": 0.0})
    (folder / "dice.csv").write_text(table.to_csv(index=False))
    keys = {"dataset": "phantom_lesions", "variant": "base", "loss": loss, "seed": seed}
    return EvaluatedRun(keys, small_diameter=3.0, size_bins=[0, 3], folder=folder)


def test_tables_of_runs(tmp_path: Path) -> None:
    runs = [
        evaluated(tmp_path / "0", "good", 0, shift=0),
        evaluated(tmp_path / "1", "good", 1, shift=3),
        evaluated(tmp_path / "2", "bad", 0, shift=8),
    ]
    rows = pd.DataFrame([run_row(run, reference=0.2) for run in runs])
    assert rows["recall"].tolist() == [1.0, 0.5, 0.0]
    assert rows["fp_per_case"].tolist() == [0.0, 1.0, 2.0]
    assert rows["recall_small"].tolist() == [1.0, 0.0, 0.0]
    assert rows["status"].tolist() == ["learnt", "learnt", "collapsed"]
    assert rows["dice_05"][0] == rows["object_dice"][0] == 1
    table = by_loss(rows).set_index("loss")
    assert table.loc["good", "recall"] == 0.75
    assert table.loc["good", "recall_sd"] == pytest.approx(np.std([1, 0.5], ddof=1))
    assert np.isnan(table.loc["bad", "recall_sd"])
    assert table.loc["bad", "status"] == "collapsed (1 of 1)"
    assert table.loc["good", "seeds"] == 2
    sizes = size_table(runs)
    assert sizes["lesions"].tolist() == [2] * 6
    assert sizes["recall"].tolist() == [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]
