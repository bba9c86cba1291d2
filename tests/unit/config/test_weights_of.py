"""Runs that are not trained: they take the weights of another run of the study."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lib.config.load import load
from lib.errors import SeglossError

STUDY = "studies/inverse_weighting.yaml"


def with_variants(root: Path, **variants: Any) -> Path:
    study = yaml.safe_load((root / STUDY).read_text())
    study["demo"]["variants"] = {"base": {}} | variants
    (root / STUDY).write_text(yaml.safe_dump(study))
    return root


def test_a_run_takes_the_weights_of_the_same_loss_and_seed(root: Path) -> None:
    windows = {"inference": {"stride": [8, 8, 8]}, "weights_of": {"variant": "base"}}
    runs = load({}, with_variants(root, windows=windows)).runs
    taken = [run for run in runs if run.variant == "windows"]
    assert len(taken) == 8 and all(run.source for run in taken)
    for run in taken:
        assert run.source.id == run.id.replace("/windows/", "/base/") and not run.source.source
        assert run.settings.inference.stride != run.source.settings.inference.stride
    assert not any(run.source for run in runs if run.variant == "base")


def test_a_fold_takes_the_weights_of_the_same_fold_or_of_data_without_any(root: Path, tmp_path: Path) -> None:
    for kind in ("imagesTr", "labelsTr"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        (tmp_path / "mine" / kind / "a.nii.gz").touch()
    labels = {"background": 0, "lesion": 1}
    values = {
        "own_data": {"mine": {"folder": str(tmp_path / "mine"), "labels": labels, "folds": 2}},
        "datasets": "mine",
    }
    variants = {name: {"inference": {"stride": [8, 8, stride]}} for name, stride in (("same", 8), ("other", 7))}
    variants["same"]["weights_of"] = {"variant": "base"}
    variants["other"]["weights_of"] = {"variant": "base", "dataset": "phantom_lesions"}
    sources = {run.id: run.source for run in load(values, with_variants(root, **variants)).runs if run.source}
    assert len(sources) == 2 * 2 * 4 * 2
    for run, source in sources.items():
        expected = run.replace("/same_fold", "/base_fold").replace("/mine/other_", "/phantom_lesions/base_")
        assert source.id == (expected if "/same" in run else re.sub("_fold-.", "", expected))


def test_the_source_is_trained_where_it_was_not_chosen(root: Path) -> None:
    values = {"variants": "windows", "losses": "dl", "seeds": [1]}
    configuration = load(values, with_variants(root, windows={"weights_of": {"variant": "base"}}))
    (run,) = configuration.runs
    assert configuration.needed_runs == (run, run.source)
    assert run.source.id == "inverse_weighting/phantom_lesions/base/dl/seed-1"
    (shorter,) = load({**values, "settings": {"training": {"epochs": 3, "scheduler": "constant"}}}, root).runs
    assert shorter.source.settings.training.epochs == 3


def test_weights_of_another_data_set(root: Path) -> None:
    slabs = {"base": {"network": {"name": "space_to_depth_unet", "background_channel": False}}}
    other = {"datasets": ["phantom_slabs"], "weights_of": {"variant": "base", "dataset": "phantom_lesions"}}
    runs = load({"losses": "dl", "seeds": [0]}, with_variants(root, **slabs, other=other)).runs
    (run,) = (run for run in runs if run.variant == "other")
    assert run.dataset == "phantom_slabs" and run.source.dataset == "phantom_lesions"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights_of": {"variant": "bsae"}}, "demo .other.: weights_of: .*/bsae/bce/seed-0 is no run that is trained"),
        ({"weights_of": {"variant": "base"}, "seeds": [7]}, "seed-7 is no run that is trained"),
        ({"weights_of": {"variant": "base", "dataset": "lits"}}, "lits/base/bce/seed-0 is no run"),
        ({"weights_of": {"variant": "other"}}, "other/bce/seed-0 is no run that is trained"),
        (
            {"weights_of": {"variant": "base"}, "network": {"name": "res_unet", "channels": [4, 8]}},
            "has another network or other labels than inverse_weighting/phantom_lesions/other/bce/seed-0",
        ),
        ({"weights_of": "base"}, "weights_of"),
    ],
)
def test_weights_that_cannot_be_taken(root: Path, changes: Any, message: str) -> None:
    with pytest.raises(SeglossError, match=message):
        load({}, with_variants(root, other=changes))
