"""What comparisons and figures take of a study whose data have folds."""

from pathlib import Path

import pytest

from lib.comparison.results import EvaluatedRun, StudyResults, grouped, joined

FOLDS = ["fold-0", "fold-1", "fold-2"]


@pytest.fixture
def values(tmp_path: Path) -> dict:
    """The configuration of a study of two losses and seeds, with a search for each loss, on own pictures."""
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.png").touch()
    about = {"folder": str(tmp_path), "labels": {"background": 0, "polyp": 1}, "channels": ["red", "green", "blue"]}
    narrowed = {"variants": "base_res_unet_2d", "losses": ["ce", "dice"], "datasets": "mine"}
    return {"studies": "which_loss", **narrowed, "own_data": {"mine": about | {"folds": 3}}}


def test_comparisons_see_a_run_a_seed_and_figures_each_training(values: dict) -> None:
    results = StudyResults.of_study(values, "which_loss")
    assert [(run.keys["loss"], run.keys["seed"], run.fold) for run in results.runs] == [
        (loss, seed, "") for loss in ("ce", "dice") for seed in (0, 1)
    ]
    assert [training.fold for training in results.trainings] == FOLDS * 4
    assert len({training.folder for training in results.trainings}) == 12
    assert [run.variant for run in results.runs[0].trainings] == [f"base, res_unet_2d, {fold}" for fold in FOLDS]
    assert [group[0].fold for group in grouped(results.examples)] == FOLDS
    assert len(results.first_seed) == 6 and [run.fold for run in results.costed] == ["fold-0"] * 2
    assert results.runs[0].variant == "base, res_unet_2d"


def test_a_search_is_shown_with_the_runs_of_its_fold(values: dict) -> None:
    searches = StudyResults.of_study(values, "which_loss").searches
    assert sorted(search.title for search in searches) == sorted(f"mine, {fold}" for fold in FOLDS * 2)
    for search in searches:
        assert [f"mine, {run.fold}" for run in search.base] == [search.title] * 2


def test_runs_without_folds_are_not_joined() -> None:
    runs = [EvaluatedRun({"loss": "ce", "seed": 0}, "mine", Path(), id=name) for name in "ab"]
    assert joined(runs) == runs
