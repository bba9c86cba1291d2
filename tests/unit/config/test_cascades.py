"""Cascades in study files: their runs, first stages and data, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lib import ROOT
from lib.config.load import load
from lib.config.run import Configuration
from lib.errors import SeglossError
from lib.labels import Labels

STUDY = "studies/liver_benchmark.yaml"
CASCADE = {"first": "base", "region": ["liver", "tumour"], "inside": ["tumour"], "dilate_mm": 5}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "studies").mkdir()
    return tmp_path


def loaded(
    root: Path, cascade: dict[str, Any] | None, others: dict | None = None, study: dict | None = None, **values: Any
) -> Configuration:
    """The liver benchmark's demo with the variants base, cascade and others, narrowed by ``values``."""
    content = yaml.safe_load((ROOT / STUDY).read_text()) | (study or {})
    demo = {key: value for key, value in content["demo"].items() if key != "searches"}
    variants = {"base": {"losses": ["dice", "dice_ce"]}, "cascade": {"cascade": cascade}, **(others or {})}
    content = {key: value for key, value in content.items() if key not in ("reduced", "paper", "published", "bases")}
    (root / STUDY).write_text(yaml.safe_dump(content | {"demo": {**demo, "variants": variants}}))
    return load(values, root)


def test_a_cascade_and_its_first_stage(root: Path) -> None:
    configuration = loaded(root, CASCADE, variants="cascade")
    assert [run.first.id for run in configuration.runs] == [
        f"liver_benchmark/phantom_livers/base/dice/seed-{seed}" for seed in (0, 1)
    ]
    assert [run.variant for run in configuration.needed_runs] == ["cascade", "cascade", "base", "base"]
    run, *_ = configuration.runs
    assert run.labels.names == ("background", "liver", "tumour")
    assert run.network_labels == Labels(("liver", "tumour")) and run.network.out_channels == 1
    assert run.reads == {"test": ("labels", "labels_true_region")}
    assert run.training_settings.measured.labels == run.network_labels
    made = configuration.datasets[run.trained_on]
    assert run.trained_on == run.measured_on == made.name and made.origin == run.dataset
    assert made.labels == run.network_labels and "first" not in made.parameters["stage"]
    assert configuration.model_settings(run)["first"] == run.first.id


def test_other_runs_know_nothing_of_cascades(root: Path) -> None:
    for run in loaded(root, CASCADE, variants="base").runs:
        assert (run.cuts, run.reads, run.first) == (("decided",), {"test": ("labels",)}, None)
        assert run.trained_on == run.measured_on == run.dataset
        assert "cascade" not in run.inference_settings.model_dump_json(exclude_defaults=True)


def test_the_first_stage_has_the_loss_of_the_cascade_or_one_alone(root: Path) -> None:
    same = loaded(root, CASCADE, {"cascade": {"cascade": CASCADE, "losses": ["dice_ce"]}})
    assert {run.first.loss for run in same.runs if run.first} == {"dice_ce"}
    with pytest.raises(SeglossError, match=r"of loss focal or of one loss alone, found: base/dice, base/dice_ce$"):
        loaded(root, CASCADE, {"cascade": {"cascade": CASCADE, "losses": ["focal"]}})
    one = loaded(root, CASCADE, {"base": {"losses": ["dice"]}, "cascade": {"cascade": CASCADE, "losses": ["focal"]}})
    assert {run.first.loss for run in one.runs if run.first} == {"dice"}


def test_what_is_seen_decides_the_data_and_the_first_stage_does_not(root: Path) -> None:
    other = {"first": "base", "region": ["liver", "tumour"], "inside": ["tumour"]}
    variants = {
        "same": {"cascade": {**CASCADE, "first": "wide"}},
        "wide": {"losses": ["dice"]},
        "hull": {"cascade": {**other, "convex_hull": True}},
        "half": {"cascade": CASCADE, "resampling": {"factor": 2}, "sampling": {"patch_size": [16, 16, 8]}},
    }
    configuration = loaded(root, CASCADE, variants, seeds="0", losses="dice")
    runs = {run.variant: run for run in configuration.runs}
    assert runs["same"].trained_on == runs["cascade"].trained_on != runs["hull"].trained_on
    half = runs["half"]
    assert half.trained_on == f"{half.measured_on}.factor2" and half.measured_on == runs["cascade"].trained_on
    made = configuration.datasets[half.trained_on]
    assert (made.origin, made.labels) == (half.measured_on, half.network_labels)


LOBES = {"first": "base", "region": ["liver", "tumour"], "inside": ["liver", "tumour"], "convex_hull": True}


def test_a_region_that_is_all_segmented_keeps_its_background(root: Path) -> None:
    run, *_ = loaded(root, LOBES, variants="cascade").runs
    assert run.network_labels == run.labels and run.network.out_channels == 3


@pytest.mark.parametrize(
    ("cascade", "message"),
    [
        ({"first": "bas"}, "demo (cascade): cascade.first: unknown; did you mean 'base'?"),
        ({"first": "cascade"}, "cascade.first: 'cascade' is a cascade itself"),
        ({"region": ["liver", "tumor"]}, "'phantom_livers' has no structure 'tumor'; did you mean 'tumour'?"),
        ({"inside": ["background"]}, "has no structure 'background'"),
        ({"region": ["liver"]}, "has no voxel of 'tumour' in the region (cascade): name it there too"),
        ({"crop": False, "mask": False}, "crop or mask must be true"),
        ({"dilate_mm": -1}, "dilate_mm"),
        ({"dilate": 1}, "dilate: unknown key; did you mean 'dilate_mm'?"),
    ],
)
def test_mistakes_are_named(root: Path, cascade: dict, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        loaded(root, CASCADE | cascade)
    assert message in str(error.value) and str(error.value).startswith(STUDY)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ({"noise": {"alpha": 1, "beta": 0.5}}, "leave out noise or cascade"),
        ({"training": {"test_epochs": 1}}, "leave out training.test_epochs"),
        ({"training": {"monitor": {"part": "test"}}}, "leave out training.test_epochs, and training.monitor of test"),
    ],
)
def test_what_does_not_go_with_a_cascade(root: Path, variant: dict, message: str) -> None:
    with pytest.raises(SeglossError, match=message):
        loaded(root, CASCADE, {"cascade": {"cascade": CASCADE, **variant}})


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"measures": ["overlap", "iou", "surface", "calibration"]}, "labels alone; measure calibration reads more"),
        ({"cuts": ["true_region", "decided"]}, "cuts: true_region is of cascades alone"),
        ({"primary": {"cut": "true_region"}}, "cuts: true_region is of cascades alone"),
    ],
)
def test_studies_that_do_not_go_with_a_cascade(root: Path, study: dict, message: str) -> None:
    with pytest.raises(SeglossError, match=message):
        loaded(root, CASCADE, study=study)


def test_a_first_stage_that_was_not_trained_with_the_seed_is_missed(root: Path) -> None:
    with pytest.raises(SeglossError, match=r"split holdout, seed 5 was expected, .* found: none"):
        loaded(root, CASCADE, {"cascade": {"cascade": CASCADE, "seeds": [5]}})
