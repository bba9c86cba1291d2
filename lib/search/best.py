"""The settings of the best trial of a search, in the place of those of a run that is trained with them."""

from pathlib import Path

from lib.files import read_json
from lib.training.settings import InferenceSettings, TrainingSettings


def best_training(best: Path, own: TrainingSettings) -> TrainingSettings:
    """Those of the trial, with the name, the seed, the masks and the length of the run."""
    found = TrainingSettings.model_validate(read_json(best)["training"])
    training = found.training.model_copy(update={"epochs": own.training.epochs})
    return found.model_copy(update={"run": own.run, "seed": own.seed, "masks": own.masks, "training": training})


def best_inference(best: Path, own: InferenceSettings) -> InferenceSettings:
    """Those of the trial, with what the run reads and does to predictions."""
    kept = {name: getattr(own, name) for name in ("reads", "postprocessing", "cascade")}
    return InferenceSettings.model_validate(read_json(best)["inference"]).model_copy(update=kept)
