"""Tables of a study of overlap: a run's row, tests between losses, the published numbers next to ours."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib import ROOT
from lib.comparison.differences import differing, pairwise_tests
from lib.comparison.overlap_summary import (
    METRIC,
    SAME_FOR_ALL_SEEDS,
    beside_published,
    run_row,
)
from lib.comparison.runs import EvaluatedRun, by_loss
from lib.evaluation.overlap import overlap_row, pooled_dice

PUBLISHED = pd.read_csv(ROOT / "published/t_loss.csv")


def keys(**changes: object) -> dict:
    return {
        "scale": "paper",
        "dataset": "shenzhen",
        "variant": "paper",
        "noise": "clean",
        "loss": "mae",
        "seed": 0,
        **changes,
    }


def disc(radius: int) -> np.ndarray:
    rows, columns = np.indices((128, 128)) - 64
    return (rows**2 + columns**2 <= radius**2).astype(np.uint8)


def test_pooled_dice_is_the_released_codes() -> None:
    """Facts: two discs, pooled 0.9047, per image 0.7812 and 0.9463."""
    rows = [overlap_row("a", disc(25) - 0.5, disc(20)), overlap_row("b", disc(38) - 0.5, disc(40))]
    assert pooled_dice(rows) == pytest.approx(0.9046723246574402, abs=1e-7)
    assert [row["dice"] for row in rows] == pytest.approx([0.7812305779987, 0.9463199832249], abs=1e-10)
    empty = overlap_row("c", disc(0) * 0.0 - 1, disc(0) * 0)
    assert pooled_dice([empty]) == empty["dice"] == 1


def test_unannotated_voxels_do_not_count() -> None:
    label = disc(20)
    label[:64] = 255
    row = overlap_row("a", np.ones(label.shape), label)
    assert row["voxels"] == row["predicted"] == 64 * 128
    assert row["present"] == row["both"] == (label == 1).sum()


def evaluated(folder: Path, tested: bool = True, noisy: bool = True, **counts: int) -> EvaluatedRun:
    cases = [
        {"case": c, "voxels": 100, "present": 40, "predicted": 40, "both": 30, "dice": 0.75} | counts
        for c in "ab"
    ]
    pd.DataFrame(cases).to_csv(folder / "overlap.csv", index=False)
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2, 1], "nu": [0.0, -1, -2]})
    if tested:
        history[["test_dice_pooled", "test_dice"]] = [[np.nan, np.nan], [0.6, 0.5], [0.8, 0.7]]
    if noisy:
        history[["dice_clean_masks", "dice_clean_clean"]] = 0.95
        history[["dice_dilate_masks", "dice_erode_masks", "dice_affine_masks"]] = [0.9, 0.7, np.nan]
        history[["dice_dilate_clean", "dice_erode_clean", "dice_affine_clean"]] = [0.8, 0.8, np.nan]
    history.to_csv(folder / "history.csv", index=False)
    pd.DataFrame({"dice": [1.0, 0.5]}).to_csv(folder / "noise.csv", index=False)
    return EvaluatedRun(keys(), "Shenzhen", folder / "noise.csv" if noisy else None, folder)


def test_a_run_is_the_mean_of_the_epochs_that_were_tested(tmp_path: Path) -> None:
    row = run_row(evaluated(tmp_path))
    assert row["test_dice_pooled"] == pytest.approx(0.7)
    assert row["test_dice"] == pytest.approx(0.6)
    assert row["test_dice_pooled_last"] == row["test_dice_last"] == 0.75
    assert (row["epochs_averaged"], row["test_cases"], row["nu"]) == (2, 2, -2)
    assert row["masks_dice"] == 0.75
    assert (row["noisy_fit"], row["clean_fit"]) == (pytest.approx(0.8), pytest.approx(0.8))


def test_without_tested_epochs_the_last_network_counts(tmp_path: Path) -> None:
    row = run_row(evaluated(tmp_path, tested=False, noisy=False))
    assert (row["test_dice_pooled"], row["test_dice"], row["epochs_averaged"]) == (0.75, 0.75, 1)
    assert row["masks_dice"] == 1
    assert np.isnan(row["noisy_fit"])


def test_a_run_that_marks_everything_or_nothing_has_collapsed(tmp_path: Path) -> None:
    assert run_row(evaluated(tmp_path))["status"] == "learnt"
    assert run_row(evaluated(tmp_path, predicted=100, both=40))["status"] == "collapsed"
    assert run_row(evaluated(tmp_path, predicted=0, both=0))["status"] == "collapsed"


@pytest.mark.parametrize(("dice", "status"), [(0.29, "poor"), (0.3, "learnt")])
def test_a_run_whose_cases_have_little_dice_is_poor(tmp_path: Path, dice: float, status: str) -> None:
    """However good all voxels together are: one large case outweighs many small ones."""
    row = run_row(evaluated(tmp_path, dice=dice))
    assert row["test_dice_pooled_last"] == 0.75 > row["trivial_dice"]
    assert row["status"] == status


def study(values: dict[str, list[float]], **changes: object) -> pd.DataFrame:
    rows = [
        keys(loss=loss, seed=seed, **changes)
        | {"status": "learnt", "test_dice_pooled": value, "masks_dice": 1.0, "trivial_dice": 0.4}
        | {"test_cases": 170, "epochs_averaged": 10}
        for loss, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    return pd.DataFrame(rows)


THREE = {"t_loss": [0.90, 0.91, 0.92], "mae": [0.80, 0.81, 0.82], "gce": [0.80, 0.82, 0.81]}


def test_the_tests_are_those_of_scipy_and_both_directions_are_listed() -> None:
    table = pairwise_tests(study(THREE), METRIC)
    assert len(table) == 6
    expected = stats.f_oneway(*THREE.values())
    assert table["anova_p"].to_numpy() == pytest.approx(expected.pvalue)
    tukey = stats.tukey_hsd(*THREE.values())
    row = table[(table["loss"] == "t_loss") & (table["other"] == "mae")].iloc[0]
    assert row["difference"] == pytest.approx(0.1)
    assert row["p"] == pytest.approx(tukey.pvalue[0, 1])
    assert row["low"] < 0.1 < row["high"]
    back = table[(table["loss"] == "mae") & (table["other"] == "t_loss")].iloc[0]
    assert back["difference"] == pytest.approx(-0.1)


def test_settings_are_tested_apart(tmp_path: Path) -> None:
    runs = pd.concat([study(THREE), study(THREE, noise="alpha0.3-beta0.5-released")])
    assert len(pairwise_tests(runs, METRIC)) == 12


def test_what_differs_is_named_and_no_difference_is_said() -> None:
    runs = study(THREE)
    described = dict(zip(by_loss(runs, SAME_FOR_ALL_SEEDS)["loss"], differs(runs), strict=True))
    assert described == {"t_loss": "mae gce", "mae": "t_loss", "gce": "t_loss"}
    same = study({"mae": [0.80, 0.84, 0.82], "gce": [0.81, 0.80, 0.83]})
    assert differs(same) == ["no difference shown"] * 2


def differs(runs: pd.DataFrame) -> list[str]:
    return differing(by_loss(runs, SAME_FOR_ALL_SEEDS), pairwise_tests(runs, METRIC)).tolist()


def test_one_seed_is_not_tested() -> None:
    one = study({"mae": [0.8], "gce": [0.9]})
    assert pairwise_tests(one, METRIC).empty
    assert differs(one) == ["not tested: fewer than two seeds"] * 2


def test_equal_seeds_have_no_spread_to_test_against() -> None:
    same = study({"mae": [0.8, 0.8], "gce": [0.9, 0.9]})
    assert pairwise_tests(same, METRIC).empty
    assert differs(same) == ["not tested: nothing to distinguish"] * 2


def test_published_numbers_stand_beside_ours_with_difference_and_verdict() -> None:
    table = by_loss(study({"mae": [0.949, 0.951], "gce": [0.90, 0.901]}), SAME_FOR_ALL_SEEDS)
    compared = beside_published(table, PUBLISHED, {}).query("status != 'not run'").set_index("loss")
    assert len(compared) == 2
    assert compared.loc["mae", ["published", "published_sd"]].tolist() == [0.949, 0.002]
    assert compared.loc["mae", "difference"] == pytest.approx(0.001)
    assert compared.loc["mae", "within_spreads"] == "yes"
    assert compared.loc["gce", "within_spreads"] == "no"


def test_published_rows_of_the_data_set_that_nobody_ran_stay() -> None:
    table = by_loss(study({"mae": [0.949, 0.951]}), SAME_FOR_ALL_SEEDS)
    compared = beside_published(table, PUBLISHED, {})
    assert len(compared) == 63
    missing = compared[compared["status"] == "not run"]
    assert len(missing) == 62
    assert set(missing["dataset"]) == {"shenzhen"}
    assert missing["published"].notna().all()
    assert (missing["within_spreads"] == "").all()
    assert compared.iloc[0]["status"] == "learnt 2"


def test_a_reduced_data_set_is_held_against_the_original() -> None:
    table = by_loss(study({"mae": [0.9, 0.9]}, dataset="shenzhen_128"), SAME_FOR_ALL_SEEDS)
    compared = beside_published(table, PUBLISHED, {"dataset": {"shenzhen_128": "shenzhen"}})
    assert compared.iloc[0][["dataset", "published"]].tolist() == ["shenzhen_128", 0.949]
    assert len(compared) == 63


def test_a_loss_of_another_name_is_held_against_the_published_one() -> None:
    table = by_loss(study({"t_loss_released": [0.9, 0.9]}), SAME_FOR_ALL_SEEDS)
    compared = beside_published(table, PUBLISHED, {"loss": {"t_loss_released": "t_loss"}})
    assert compared.iloc[0][["loss", "published"]].tolist() == ["t_loss_released", 0.949]
    assert "t_loss" not in compared[compared["noise"] == "clean"]["loss"].tolist()


def test_our_rows_come_first_and_in_our_order() -> None:
    runs = pd.concat([study(THREE), study(THREE, noise="alpha0.3-beta0.5-released")])
    compared = beside_published(by_loss(runs, SAME_FOR_ALL_SEEDS), PUBLISHED, {})
    assert compared["loss"].tolist()[:6] == ["t_loss", "mae", "gce"] * 2
    assert compared["noise"].tolist()[:4] == ["clean"] * 3 + ["alpha0.3-beta0.5-released"]
    assert compared["seeds"].iloc[0] == 3
    assert "3.0" not in compared.to_csv().splitlines()[1].split(",")


def test_phantoms_have_no_published_row() -> None:
    table = by_loss(study({"mae": [0.9, 0.9]}, dataset="phantom_blobs"), SAME_FOR_ALL_SEEDS)
    compared = beside_published(table, PUBLISHED, {})
    assert len(compared) == 1
    assert compared["published"].isna().all()


def test_every_published_noise_is_one_that_the_study_runs() -> None:
    from lib.config.load import load

    levels = {run.noise.name for run in load({"scale": "paper", "studies": ["t_loss"]}).runs}
    assert set(PUBLISHED["variant"]) <= levels
    cells = PUBLISHED[PUBLISHED["metric"] == "test_dice"].groupby("dataset").size()
    assert cells.to_dict() == {"isic2017": 63, "shenzhen": 63}
