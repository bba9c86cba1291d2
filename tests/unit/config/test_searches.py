"""Searches of a study: what their trials and the best one are trained with, and what is refused before."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lib.config.load import load
from lib.config.search import SEARCHED, TRIAL_SEED, RunSearch
from lib.errors import SeglossError
from lib.search.rungs import Rung

STUDY = "studies/inverse_weighting.yaml"
RATE = {"training.optimizer.learning_rate": {"float": [0.001, 0.1], "log": True}}
OPTIMIZER = {
    "training.optimizer": {
        "choice": {"adam": {"learning_rate": {"float": [0.001, 0.1]}}, "sgd": {"learning_rate": 0.1}}
    }
}


def with_searches(root: Path, **searches: Any) -> Path:
    study = yaml.safe_load((root / STUDY).read_text())
    study["demo"]["searches"] = searches
    (root / STUDY).write_text(yaml.safe_dump(study))
    return root


def search_of(root: Path, **search: Any) -> RunSearch:
    (found,) = load({}, with_searches(root, tuned={"trials": 4, **search})).searches.values()
    return found


def test_the_best_trial_is_trained_with_the_seeds_of_the_variant(root: Path) -> None:
    configuration = load({"variants": "tuned"}, with_searches(root, tuned={"trials": 4, "loss": "dl", "space": RATE}))
    assert [run.id for run in configuration.runs] == [
        f"inverse_weighting/phantom_lesions/tuned/dl/seed-{seed}" for seed in (0, 1)
    ]
    (search,) = configuration.searches.values()
    assert search.base.seed == TRIAL_SEED and search.base.loss == "dl"
    assert search.id.startswith("inverse_weighting/phantom_lesions/tuned.")
    of_all = load({}, root)
    assert len(of_all.runs) == 8 + 2 and {run.variant for run in of_all.runs} == {"base", "tuned"}


@pytest.mark.parametrize(
    ("space", "measured"),
    [(RATE, []), ({"network": {"choice": ["space_to_depth_unet", "res_unet"]}}, [0])],
)
def test_its_cost_is_measured_where_a_trial_may_compute_what_no_other_run_does(
    root: Path, space: dict, measured: list[int]
) -> None:
    configuration = load({}, with_searches(root, tuned={"trials": 2, "loss": "dl", "space": space}))
    assert [run.seed for run in configuration.costed_of("inverse_weighting") if run.search] == measured


def test_seeds_of_its_own_and_a_loss_that_is_searched(root: Path) -> None:
    space = {"loss": {"choice": ["bce", "dl"]}}
    search = search_of(root, sampler="grid", trials=2, seeds=[7], space=space)
    runs = load({"variants": "tuned"}, root).runs
    assert [run.id for run in runs] == [f"inverse_weighting/phantom_lesions/tuned/{SEARCHED}/seed-7"]
    assert load({"losses": "bce"}, root).searches == {}
    assert search.trial({"loss": "dl"}).loss_specification["name"] == "dice"


def test_what_a_trial_changes_of_the_settings(root: Path) -> None:
    search = search_of(root, space=OPTIMIZER | {"sampling.batch_size": {"choice": [1, 2]}})
    parameters = {"training.optimizer": "sgd", "sampling.batch_size": 1}
    settings = search.trial(parameters).training_settings
    assert settings.training.optimizer.model_dump(exclude_defaults=True) == {"name": "sgd", "learning_rate": 0.1}
    assert (settings.sampling.batch_size, settings.seed) == (1, TRIAL_SEED)
    assert settings.training.monitor.part == "validation" and settings.training.test_epochs == 0
    base = search.base.training_settings
    assert settings.training.epochs == base.training.epochs and settings.loss == base.loss


def test_maps_are_those_that_any_trial_may_read(root: Path) -> None:
    space = {"loss": {"choice": ["bce", "iwbce"]}, "sampling.foreground_fraction": {"choice": [0.0]}}
    search = search_of(root, trials=2, space=space)
    assert search.trial({"loss": "bce", "sampling.foreground_fraction": 0.0}).maps == ()
    assert search.maps == ("components",)
    assert [run.maps for run in load({"variants": "tuned"}, root).runs] == 2 * [("components",)]


def test_rungs_end_with_the_training(root: Path) -> None:
    search = search_of(root, trials=8, rungs={"epochs": [3], "factor": 4}, space=RATE)
    assert search.rungs == [Rung(3, 8), Rung(search.base.settings.training.epochs, 2)]


def test_the_folder_depends_on_all_that_decides_the_trials_but_their_number(root: Path) -> None:
    first = search_of(root, space=RATE).id
    assert search_of(root, space=RATE, trials=9, seeds=[3]).id == first
    assert search_of(root, space=RATE, seed=1).id != first
    study = yaml.safe_load((root / STUDY).read_text())
    study["demo"]["training"]["epochs"] += 1
    (root / STUDY).write_text(yaml.safe_dump(study))
    assert search_of(root, space=RATE).id != first


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"space": RATE, "variant": "bas"}, "searches.tuned.variant: unknown; did you mean 'base'?"),
        ({"space": RATE, "loss": "iwbcee"}, "searches.tuned: loss: unknown; did you mean 'iwbce'?"),
        ({"space": {"network": {"choice": ["plain_unet_2d"]}}}, "plain_unet_2d"),
        ({"space": {"loss": {"choice": ["bec"]}}}, "unknown loss 'bec'"),
        ({"space": RATE, "trails": 3}, "trails: unknown key; did you mean 'trials'?"),
        ({"space": RATE, "rungs": {"epochs": [900]}, "trials": 8}, "rungs.epochs: 900 must be below the"),
        (
            {"space": {"sampling.batch_size": {"int": [0, 2]}}, "trials": 2},
            "with sampling.batch_size 0: sampling.batch",
        ),
    ],
)
def test_mistakes_are_named_before_anything_is_trained(root: Path, search: dict, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        loaded = load({}, with_searches(root, tuned={"trials": 1, **search}))
        [found.rungs for found in loaded.searches.values()]
    assert message in str(error.value) and str(error.value).startswith(STUDY)


def test_a_search_has_a_name_of_its_own(root: Path) -> None:
    with pytest.raises(SeglossError, match=r"searches\.base: a variant has this name; choose another"):
        load({}, with_searches(root, base={"trials": 1, "space": RATE}))


def test_settings_of_the_configuration_reach_the_trials(root: Path) -> None:
    values = {"variants": "tuned", "settings": {"training": {"epochs": 3}}}
    (search,) = load(values, with_searches(root, tuned={"trials": 4, "space": RATE})).searches.values()
    assert search.trial({"training.optimizer.learning_rate": 0.01}).settings.training.epochs == 3


def test_each_loss_of_a_variant_has_its_own_search_and_its_runs_the_best_settings(root: Path) -> None:
    rate = {"variant": "base", "each_loss": True, "trials": 2, "epochs": 1, "space": RATE}
    before = [run.id for run in load({}, root).runs]
    configuration = load({}, with_searches(root, rate=rate))
    assert [run.id for run in configuration.runs] == before and len(configuration.searches) == 4
    for run in configuration.runs:
        assert run.search.base.loss == run.loss and f"/rate-{run.loss}." in run.search.id
        assert run.training_settings.training.epochs == 16 and run.search.rungs == [Rung(1, 2)]
        trial = run.search.trial({"training.optimizer.learning_rate": 0.01}).training_settings
        assert trial.training.epochs == 1 and trial.loss == run.training_settings.loss


def test_trials_for_noisy_masks_see_clean_ones(root: Path) -> None:
    rate = {"variant": "base", "each_loss": True, "trials": 2, "space": RATE}
    values = {"losses": "dl", "seeds": 0, "noise": [{"alpha": 0.7, "beta": 0.7}]}
    clean, noisy = load(values, with_searches(root, rate=rate)).runs
    assert clean.search is noisy.search and not clean.search.base.noise.alpha and noisy.noise.alpha == 0.7


def test_losses_and_seeds_of_a_search_of_each_loss_are_those_of_its_variant(root: Path) -> None:
    with pytest.raises(SeglossError, match="each_loss: losses and seeds are those of the variant"):
        load({}, with_searches(root, rate={"each_loss": True, "loss": "dl", "trials": 1, "space": RATE}))
