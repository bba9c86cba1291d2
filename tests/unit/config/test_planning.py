"""Own data in planned variants, and what settings may change of a plan."""

from pathlib import Path

import pytest

from lib.config.load import load
from lib.errors import SeglossError


@pytest.fixture
def pictures(tmp_path: Path) -> dict:
    """The configuration of a comparison on own pictures."""
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.png").touch()
    about = {"labels": {"background": 0, "polyp": 1}, "channels": ["red", "green", "blue"]}
    own = {"own_data": {"mine": {"folder": str(tmp_path), **about}}, "datasets": "mine"}
    return own | {"studies": "which_loss", "scale": "reduced", "losses": "ce"}


def test_own_data_are_planned_where_a_study_has_planned_variants(pictures: dict) -> None:
    configuration = load(pictures)
    assert {run.folder for run in configuration.runs} == {"own_pictures_dyn_unet", "own_pictures_dyn_unet_residual"}
    run = configuration.runs[0]
    assert run.settings.sampling.patch_size == run.settings.inference.stride == "planned"
    assert (run.settings.training.steps_per_epoch, run.settings.network.base_features) == (200, 8)
    assert configuration.datasets[run.trained_on].origin == "mine"
    finer = load(
        pictures | {"minutes": 60, "settings": {"plan": {"coverage": 0.01}, "sampling": {"batch_size": 4}}}
    ).runs[0]
    assert (finer.settings.training.steps_per_epoch, finer.settings.sampling.batch_size) == ("planned", 4)
    assert finer.settings.plan.coverage == 0.01 and finer.trained_on != run.trained_on
    assert load({"studies": "which_loss", "scale": "reduced", "datasets": "shenzhen_128"} | {"minutes": 60}).runs


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"sampling": {"patch_size": [64, 64]}}, "sampling.patch_size"),
        ({"inference": {"stride": [200, 200]}}, "inference.stride"),
        ({"resampling": {"factor": 2}}, "resampling.factor"),
        ({"factors": {"resampling": [{"factor": 2}]}}, "factors.resampling"),
    ],
)
def test_settings_change_no_part_of_a_plan(pictures: dict, settings: dict, place: str) -> None:
    with pytest.raises(SeglossError, match=rf"\(own_pictures\): {place} is planned there; give plan"):
        load(pictures | {"variants": "own_pictures", "settings": settings})


@pytest.mark.parametrize(
    "settings", [{"sampling": 3}, {"network": "plain_unet_2d"}, {"resampling": {"spacing": 1}, "sampling": "x"}]
)
def test_sections_that_are_none_are_refused_in_one_line(pictures: dict, settings: dict) -> None:
    with pytest.raises(SeglossError):
        load(pictures | {"variants": "own_pictures", "settings": settings})


def test_what_minutes_and_a_plan_do_not_decide_is_said(pictures: dict) -> None:
    assert not any("minutes" in note for note in load(pictures | {"minutes": 5}).notes)
    steps = {"settings": {"training": {"steps_per_epoch": 50}}}
    for values in (pictures | steps, {"studies": "t_loss"}):
        assert any("minutes: decide nothing in this call" in note for note in load(values | {"minutes": 5}).notes)
    with pytest.raises(SeglossError, match=r"settings\.plan: mem: unknown key"):
        load({"studies": "t_loss", "settings": {"plan": {"mem": 3}}})


def test_own_data_take_part_in_the_variants_that_are_chosen(pictures: dict) -> None:
    assert {run.variant for run in load(pictures | {"variants": "pictures_res_unet_2d"}).runs} == {"pictures"}
    network = {"factors": {"network": {"small": {"name": "dyn_unet_2d", "base_features": 4}}}}
    runs = load(pictures | {"variants": "own_pictures", "settings": network}).runs
    assert ("own_pictures_small", 4) in {(run.folder, run.settings.network.base_features) for run in runs}


def test_what_is_planned_has_a_plan() -> None:
    with pytest.raises(SeglossError, match="plan: patches and networks such as dyn_unet are planned together"):
        load({"studies": "liver_benchmark", "settings": {"network": {"name": "dyn_unet", "patch_size": "planned"}}})
