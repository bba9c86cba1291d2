"""Runs that are trained with the settings of a search's best trial."""

from pathlib import Path

from lib.config.load import load
from lib.files import write_json
from lib.search.best import best_inference, best_training

OPTIMIZER = {"training.optimizer": "adam", "training.optimizer.adam.learning_rate": 0.03}


def test_a_run_has_the_settings_of_the_trial_its_own_name_and_seed_and_what_it_reads(tmp_path: Path) -> None:
    winner = next(run for run in load({"studies": ["liver_benchmark"]}).runs if run.search)
    trial = winner.search.trial({**OPTIMIZER, "loss": "dice_ce"})
    settings = {"training": trial.training_settings, "inference": trial.inference_settings}
    best = tmp_path / "best.json"
    write_json(best, {name: chosen.model_dump(mode="json") for name, chosen in settings.items()})
    training = best_training(best, winner.training_settings)
    assert (training.run, training.seed) == (winner.id, winner.seed) != (trial.id, trial.seed)
    assert training.training.optimizer.learning_rate == 0.03 and training.loss == trial.training_settings.loss
    assert training.loss != winner.training_settings.loss
    steps = {"postprocessing": {"steps": [{"name": "largest_component"}]}, "reads": {"test": ("labels",)}}
    own = type(winner.inference_settings).model_validate(winner.inference_settings.model_dump() | steps)
    inference = best_inference(best, own)
    assert inference.network == trial.inference_settings.network
    assert (inference.reads, inference.postprocessing) == (own.reads, own.postprocessing)


def test_a_run_keeps_its_length_and_its_masks(tmp_path: Path) -> None:
    own = next(run for run in load({"studies": ["liver_benchmark"]}).runs if run.search).training_settings
    trial = own.model_dump(mode="json")
    trial["training"]["epochs"] += 1
    trial["masks"] = {"alpha": 0.5, "beta": 0.7}
    write_json(tmp_path / "best.json", {"training": trial})
    assert best_training(tmp_path / "best.json", own) == own
