"""What training cases decide takes the place of `median` and `planned`, and nothing else changes."""

from pathlib import Path

from lib.config.schema import Inference, Resampling, Sampling
from lib.datasets.decided import decided, decided_grid
from lib.datasets.plan import Features, as_yaml, plan
from lib.files import write_json
from lib.labels import Labels
from lib.training.settings import InferenceSettings, Measured, NetworkSettings, TrainingSettings

LABELS = Labels(("background", "lesion"))
PLANNED_NETWORK = {"name": "dyn_unet", "patch_size": "planned", "spacing": "planned", "base_features": 8}


def write_plan(folder: Path, shape: list[int], coverage: float = 0.0) -> Path:
    spacing = [1.0] * len(shape)
    found = {"cases": 20, "median_spacing": spacing, "target_spacing": spacing}
    found |= {"median_shape": shape, "median_target_shape": shape}
    planned = plan(found, 2, 0.05, coverage=coverage, features=Features(8, 64))
    (folder / "plan.yaml").write_text(as_yaml(planned, found, "mine", "holdout", 0.05, "float32"))
    return folder / "plan.yaml"


def training(**changes: object) -> TrainingSettings:
    settings = {
        "run": "study/mine/own/ce/seed-0",
        "seed": 0,
        "loss": {"name": "cross_entropy"},
        "network": NetworkSettings(network=PLANNED_NETWORK, out_channels=1),
        "sampling": Sampling(patch_size="planned", batch_size="planned", foreground_fraction=0.25),
        "resampling": Resampling(spacing="planned"),
        "training": {"epochs": 2, "steps_per_epoch": "planned", "optimizer": {"name": "adam", "learning_rate": 0.01}},
        "measured": Measured(
            measures=("dice",),
            labels=LABELS,
            inference=Inference(patch_size="planned", stride="planned"),
            resampling=Resampling(spacing="planned"),
        ),
    }
    return TrainingSettings.model_validate(settings | changes)


def test_a_plan_and_a_budget_decide_a_training(tmp_path: Path) -> None:
    write_json(tmp_path / "budget.json", {"steps_per_epoch": 37, "minutes": 3.0})
    found = decided(training(), [write_plan(tmp_path, [40, 48, 32]), tmp_path / "budget.json"])
    patch = found.sampling.patch_size
    assert len(patch) == 3 and found.network.network.patch_size == patch == found.measured.inference.patch_size
    assert found.network.network.base_features == 8  # the study's
    assert found.resampling.spacing == found.measured.resampling.spacing == (1.0, 1.0, 1.0)
    assert (found.training.steps_per_epoch, found.sampling.foreground_fraction) == (37, 0.25)
    assert "planned" not in found.model_dump_json()


def test_what_is_given_stays(tmp_path: Path) -> None:
    given = training(sampling=Sampling(patch_size="planned", batch_size=7), training=training().training.model_copy())
    found = decided(
        given.model_copy(update={"training": given.training.model_copy(update={"steps_per_epoch": 5})}),
        [write_plan(tmp_path, [40, 48, 32])],
    )
    assert (found.sampling.batch_size, found.training.steps_per_epoch) == (7, 5)


def test_pixels_of_large_pictures_are_joined_by_the_factor_of_the_plan(tmp_path: Path) -> None:
    file = write_plan(tmp_path, [1000, 800], coverage=0.25)
    grid = decided_grid(Resampling(spacing="planned"), [file])
    assert grid.spacing is None and grid.factor > 1
    settings = InferenceSettings(
        network=NetworkSettings(network=PLANNED_NETWORK | {"name": "dyn_unet_2d"}, out_channels=1),
        network_class="",
        inference=Inference(patch_size="planned", stride="planned"),
        labels=LABELS,
        resampling=Resampling(spacing="planned"),
        reads={},
    )
    assert decided(settings, [file]).resampling == grid


def test_a_median_is_that_of_the_fingerprint(tmp_path: Path) -> None:
    write_json(tmp_path / "fingerprint.json", {"cases": 3, "target_spacing": [1.0, 1.0, 2.5]})
    grid = Resampling(spacing="median", factor=2)
    assert decided_grid(grid, [tmp_path / "fingerprint.json"]) == Resampling(spacing=(1.0, 1.0, 2.5), factor=2)
    assert decided_grid(Resampling(factor=2), []) == Resampling(factor=2)
