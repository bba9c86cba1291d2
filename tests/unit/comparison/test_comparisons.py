"""The table of comparisons: which losses, variants, cases and seeds are held against each other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated_runs import case_row, evaluated, rows_of
from scipy import stats

from lib.comparison.ranks import rank_table
from lib.comparison.results import EvaluatedRun
from lib.comparison.statistics import comparisons, crossed_difference, holm, mean_of, needed
from lib.measures.catalogue import DECIDED, MEASURES, TRUE_REGION, TUNED, Column, MeasureEntry, MeasureParameters

DICE = {  # loss -> seed -> of the cases a and b
    "bce": {0: (0.5, 0.6), 1: (0.4, 0.6)},
    "dl": {0: (0.6, 0.7), 1: (0.6, 0.7)},
    "iwdl": {0: (0.9, 0.8), 1: (0.6, 0.8)},
}


def run(folder: Path, loss: str, seed: int, dice: Sequence[float], **changes: object) -> EvaluatedRun:
    rows = [case_row(case, dice=value, both=40 * value) for case, value in zip("ab", dice, strict=True)]
    return evaluated(folder, rows, loss=loss, seed=seed, **changes)


def runs(folder: Path, dice: dict = DICE, **changes: object) -> list[EvaluatedRun]:
    return [run(folder, loss, seed, v, **changes) for loss, of in dice.items() for seed, v in of.items()]


def compared(of_runs: Sequence[EvaluatedRun], reference: str | None = None, **options: object) -> pd.DataFrame:
    return comparisons(of_runs, rows_of(of_runs), reference, **options)


def test_losses_are_compared_by_case_and_seed(tmp_path: Path) -> None:
    table = compared(runs(tmp_path), "bce").set_index(["loss", "column"])
    row = table.loc[("iwdl", "dice")]
    differences = np.array([[0.4, 0.2], [0.2, 0.2]])
    expected = crossed_difference(differences)
    assert (row["seeds"], row["cases"], row["reference"], row["better_share"]) == (2, 2, "bce", 1)
    found = row[["difference", "low", "high", "p", "sd_seeds", "sd_cases", "sd_rest"]].astype(float).tolist()
    assert found == pytest.approx([*vars(expected).values()], abs=1e-6)
    assert set(table.index.get_level_values("loss")) == {"dl", "iwdl"}


def test_a_structure_that_no_case_has_leaves_nothing_to_compare(tmp_path: Path) -> None:
    empty = [
        evaluated(tmp_path, [case_row(case, present=0, both=0) for case in "ab"], loss=loss, seed=seed)
        for loss in ("bce", "dl")
        for seed in (0, 1)
    ]
    assert compared(empty, "bce").empty
    assert rank_table(empty, DECIDED, rows_of(empty)).empty


def test_signed_columns_are_compared_too(tmp_path: Path) -> None:
    bias = {"bce": (-0.3, 0.1), "dl": (0.2, 0.3)}
    of_runs = [
        evaluated(
            tmp_path,
            [
                case_row(case, proportion_bias=value, proportion_bias_abs=abs(value))
                for case, value in zip("ab", of_loss, strict=True)
            ],
            measures=("overlap", "proportion"),
            loss=loss,
            seed=seed,
        )
        for loss, of_loss in bias.items()
        for seed in (0, 1)
    ]
    table = compared(of_runs, "dl").set_index("column")["difference"]
    assert table["proportion_bias"] == pytest.approx(0.1 - 0.25)
    assert table["proportion_bias_abs"] == pytest.approx(0.2 - 0.25)


def test_what_is_not_shown_has_the_numbers_that_would_decide(tmp_path: Path) -> None:
    table = compared(runs(tmp_path), "bce")
    row = table.set_index(["loss", "column"]).loc[("iwdl", "dice")]
    found = crossed_difference(np.array([[0.4, 0.2], [0.2, 0.2]]))
    assert row["verdict"] == "not shown"
    assert (row["seeds_needed"], row["cases_needed"]) == needed(found, seeds=2, cases=2)
    assert table[table["verdict"] != "not shown"][["seeds_needed", "cases_needed"]].isna().all(axis=None)


def test_numbers_of_whole_runs_are_compared_by_seed(tmp_path: Path) -> None:
    row = compared(runs(tmp_path), "bce").set_index(["loss", "column"]).loc[("iwdl", "dice_pooled")]
    differences = np.array([[0.3], [0.2]])  # of the sums over both cases
    assert (row["seeds"], row["cases"]) == (2, 1)
    assert row["difference"] == pytest.approx(0.25)
    assert row["p"] == pytest.approx(crossed_difference(differences).p)


def test_cases_are_paired_by_name_and_seeds_that_both_have(tmp_path: Path) -> None:
    one = evaluated(tmp_path, [case_row("b", dice=0.9), case_row("a", dice=0.1)], loss="one")
    other = evaluated(tmp_path, [case_row("a", dice=0.1), case_row("b", dice=0.9)], loss="other")
    unpaired = evaluated(tmp_path, [case_row("a"), case_row("b")], loss="one", seed=1)
    table = compared([one, other, unpaired], "other").set_index("column")
    row = table.loc["dice"]
    assert (row["seeds"], row["cases"], row["difference"], row["sd_cases"], row["better_share"]) == (1, 2, 0, 0, 0.5)
    assert row["verdict"] == "not shown"  # one seed
    none = compared([one, evaluated(tmp_path, [case_row("a")], loss="other", seed=5)])
    assert none.empty and list(none) == list(compared(runs(tmp_path)))


def test_structures_of_a_case_are_one_pair_without_those_that_no_case_has(tmp_path: Path) -> None:
    def of(loss: str, *dice: float) -> EvaluatedRun:
        present = {"left": 40, "right": 40, "nowhere": 0}
        rows = [
            case_row(case, name, dice=value, present=present[name])
            for case in "ab"
            for name, value in zip(present, dice, strict=True)
        ]
        return evaluated(tmp_path, rows, loss=loss)

    of_runs = [of("ce", 0.5, 0.7, 0.0), of("dl", 0.6, 0.7, 1.0)]
    row = compared(of_runs).set_index("column").loc["dice"]
    assert (row["cases"], row["difference"]) == (2, pytest.approx(0.05))
    per_run = rows_of(of_runs).query("structure == 'all'")["dice"]
    assert row["difference"] == pytest.approx(per_run.iloc[1] - per_run.iloc[0])


def test_a_cut_that_one_of_a_pair_has_alone_is_not_compared(tmp_path: Path) -> None:
    rows = [case_row("a", dice=0.7), case_row("a", cut=TRUE_REGION, dice=0.9)]
    cascade = evaluated(tmp_path, rows, variant="cascade")
    first = evaluated(tmp_path, [case_row("a", dice=0.6)])
    for of_runs, sign in (([first, cascade], 1), ([cascade, first], -1)):
        table = compared(of_runs, base=of_runs[0].keys["variant"])
        assert set(table["cut"]) == {DECIDED}
        row = table.set_index("column").loc["dice"]
        assert row["difference"] == pytest.approx(sign * 0.1)
    assert rows_of([first, cascade]).query("structure == 'all'")["cut"].tolist() == [DECIDED, DECIDED, TRUE_REGION]


def test_settings_and_cuts_are_compared_apart(tmp_path: Path) -> None:
    def of(loss: str, dice: float, tuned: float, noise: str) -> EvaluatedRun:
        rows = [case_row("a", dice=dice), case_row("a", cut=TUNED, dice=tuned)]
        return evaluated(tmp_path, rows, loss=loss, noise=noise)

    of_runs = [
        of("ce", 0.5, 0.5, "clean"),
        of("dl", 0.6, 0.7, "clean"),
        of("ce", 0.5, 0.5, "noisy"),
        of("dl", 0.8, 0.9, "noisy"),
    ]
    table = compared(of_runs)
    found = table[table["column"] == "dice"].set_index(["noise", "cut"])["difference"].to_dict()
    assert found == {
        ("clean", DECIDED): pytest.approx(0.1),
        ("clean", TUNED): pytest.approx(0.2),
        ("noisy", DECIDED): pytest.approx(0.3),
        ("noisy", TUNED): pytest.approx(0.4),
    }


def test_each_loss_may_have_a_reference_of_its_own(tmp_path: Path) -> None:
    def references(*arguments: object) -> dict[str, str]:
        table = compared(runs(tmp_path), *arguments)
        return dict(zip(table["loss"], table["reference"], strict=True))

    assert references("bce") == {"dl": "bce", "iwdl": "bce"}
    assert references("dl") == {"bce": "dl", "iwdl": "dl"}
    assert references("not run") == references() == {"dl": "bce", "iwdl": "bce"}  # the first one

    def of_own(**own: str) -> dict[str, str]:
        table = compared(runs(tmp_path), "bce", references=own)
        return dict(zip(table["loss"], table["reference"], strict=True))

    assert of_own(iwdl="dl") == {"dl": "bce", "iwdl": "dl"}
    assert of_own(iwdl="not run") == {"dl": "bce", "iwdl": "bce"}


def test_variants_are_compared_with_the_base_loss_by_loss(tmp_path: Path) -> None:
    better = {loss: {seed: (a + 0.05, b + 0.05) for seed, (a, b) in of.items()} for loss, of in DICE.items()}
    others = runs(tmp_path, {loss: better[loss] for loss in ("bce", "dl")}, variant="sgd")
    of_runs = [*others, *runs(tmp_path), *runs(tmp_path, better, dataset="isles2018", variant="sgd")]
    table = compared(of_runs, "bce", base="base")
    rows = table[(table["column"] == "dice") & (table["variant"] != table["reference_variant"])]
    assert rows[["dataset", "variant", "loss", "reference", "reference_variant"]].to_numpy().tolist() == [
        ["wmh2017", "sgd", loss, loss, "base"] for loss in ("bce", "dl")
    ]
    assert rows["difference"].tolist() == pytest.approx([0.05, 0.05])
    within = compared(of_runs, "bce").drop(columns=["p_holm", "verdict"])
    same = table[table["variant"] == table["reference_variant"]].drop(columns=["p_holm", "verdict"])
    pd.testing.assert_frame_equal(same.reset_index(drop=True), within)


def test_a_variant_may_have_a_base_of_its_own(tmp_path: Path) -> None:
    of_runs = [run for variant in ("base", "volumes", "unetr") for run in runs(tmp_path, variant=variant)]
    table = compared(of_runs, "bce", base="base", bases={"unetr": "volumes"})
    rows = table[(table["column"] == "dice") & (table["variant"] != table["reference_variant"])]
    pairs = rows[["variant", "reference_variant"]].drop_duplicates()
    assert pairs.to_numpy().tolist() == [["volumes", "base"], ["unetr", "volumes"]]


def test_what_a_search_has_found_is_compared_with_the_loss_that_it_changed(tmp_path: Path) -> None:
    found = [replace(run, base_loss="dl") for run in runs(tmp_path, {"searched": DICE["dl"]}, variant="tuned")]
    table = compared([*runs(tmp_path), *found], "bce", base="base")
    row = table[(table["column"] == "dice") & (table["variant"] == "tuned")].squeeze()
    assert (row["loss"], row["reference"], row["reference_variant"], row["difference"]) == ("searched", "dl", "base", 0)


def test_cases_that_only_one_of_both_was_tested_on_do_not_count(tmp_path: Path) -> None:
    rows = [case_row("a", dice=0.5), case_row("b", dice=0.5), case_row("c", dice=0.1)]
    base = [evaluated(tmp_path, rows, loss="dl", seed=seed) for seed in (0, 1)]
    fewer = [evaluated(tmp_path, rows[:2], loss="dl", seed=seed, variant="elsewhere") for seed in (0, 1)]
    row = compared([*base, *fewer], "dl", base="base").set_index("column").loc["dice"]
    assert (row["cases"], row["difference"]) == (2, 0)


def test_a_case_that_one_seed_lacks_does_not_count(tmp_path: Path) -> None:
    every = runs(tmp_path)
    one = evaluated(tmp_path / "other", [case_row("b", dice=0.7)], loss="dl", seed=1)
    found = [one if run.keys["loss"] == "dl" and run.keys["seed"] == 1 else run for run in every]
    row = compared(found, "bce").set_index(["loss", "column"]).loc[("dl", "dice")]
    assert (row["seeds"], row["cases"]) == (2, 1) and row["difference"] == pytest.approx(0.1)
    dl = [run for run in found if run.keys["loss"] == "dl"]
    assert mean_of(dl, "dice", DECIDED, rows_of(dl)).mean == pytest.approx(0.7)


def test_p_is_adjusted_within_data_set_cut_and_column(tmp_path: Path) -> None:
    of_runs = [
        *runs(tmp_path),
        *runs(tmp_path, variant="other"),
        *runs(tmp_path, DICE | {"dl": {0: (0.1, 0.2), 1: (0.3, 0.5)}}, dataset="isles2018"),
    ]
    table = compared(of_runs, "bce")
    sizes = []
    for (dataset, _), group in table.groupby(["dataset", "column"]):
        assert group["p_holm"].to_numpy() == pytest.approx(holm(group["p"].tolist()), nan_ok=True)
        sizes.append((dataset, len(group)))
    assert set(sizes) == {("wmh2017", 4), ("isles2018", 2)}
    assert (table["p_holm"] >= table["p"]).all() and (table["p_holm"] > table["p"]).any()


def test_verdicts_of_the_table_are_those_of_the_columns(tmp_path: Path) -> None:
    def of(loss: str, seed: int, dice: float, hd: float) -> EvaluatedRun:
        jitter = 0.001 * seed
        of_cases = {f"{n}": 0.002 * n for n in range(8)}
        rows = [
            case_row(case, dice=dice + jitter + more, hd=hd + jitter + more * (1 + (loss == "dl") / 9))
            for case, more in of_cases.items()
        ]
        return evaluated(tmp_path, rows, measures=["overlap", "surface"], loss=loss, seed=seed)

    of_runs = [of(loss, seed, *v) for loss, v in (("ce", (0.5, 9)), ("dl", (0.5, 5))) for seed in (0, 1)]
    table = compared(of_runs).set_index("column")
    assert table.loc["dice", "verdict"] == "equivalent"
    assert table.loc["hd", ["verdict", "better_share"]].tolist() == ["better", 1]
    assert "assd" not in table.index  # which the runs have not


def test_a_column_without_a_good_end_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although a plugin may have it measured while training."""
    own = MeasureEntry("own:own", MeasureParameters, columns=(Column("size", "size", monitored=True),))
    monkeypatch.setitem(MEASURES, "own", own)
    of_runs = [
        evaluated(tmp_path, [case_row("a", size=n)], {"epoch": [1], "test_size": [n]}, ["overlap", "own"], loss=loss)
        for n, loss in enumerate(("ce", "dl"))
    ]
    assert rows_of(of_runs)["size_epochs"].tolist() == [0, 1]
    assert not [name for name in compared(of_runs)["column"] if name.startswith(("size", "voxels"))]


def test_the_published_test_stands_beside_ours(tmp_path: Path) -> None:
    three = {"t_loss": [0.87, 0.72, 0.69], "mae": [0.43, 0.43, 0.51], "gce": [0.47, 0.89, 0.4]}
    dice = {loss: {seed: (value, value) for seed, value in enumerate(values)} for loss, values in three.items()}
    assert "published_test_p" not in compared(runs(tmp_path, dice), "t_loss")
    table = compared(runs(tmp_path, dice), "t_loss", test="anova_tukey").set_index(["loss", "column"])
    anova, tukey = stats.f_oneway(*three.values()).pvalue, stats.tukey_hsd(*three.values()).pvalue
    assert tukey[0, 1] < anova < tukey[0, 2]  # either decides
    for column in ("dice", "dice_pooled"):
        for number, loss in enumerate(three):
            if loss != "t_loss":
                expected = max(anova, tukey[0, number])
                assert table.loc[(loss, column), "published_test_p"] == pytest.approx(expected)


def test_the_published_test_needs_seeds_that_differ(tmp_path: Path) -> None:
    same = {loss: {0: (value, value), 1: (value, value)} for loss, value in (("ce", 0.8), ("dl", 0.9))}
    table = compared(runs(tmp_path, same), test="anova_tukey")
    assert table["published_test_p"].isna().all()
    one = compared(runs(tmp_path, {loss: {0: of[0]} for loss, of in DICE.items()}), test="anova_tukey")
    assert one["published_test_p"].isna().all() and set(one["verdict"]) == {"not shown"}
    two = [*runs(tmp_path, {"bce": DICE["bce"]}), run(tmp_path, "dl", 0, (0.5, 0.6))]
    assert compared(two, test="anova_tukey")["published_test_p"].isna().all()


def test_a_study_of_one_loss_has_no_comparison(tmp_path: Path) -> None:
    table = compared(runs(tmp_path, {"bce": DICE["bce"]}), test="anova_tukey")
    assert table.empty and {"p_holm", "verdict", "published_test_p"} <= set(table)
