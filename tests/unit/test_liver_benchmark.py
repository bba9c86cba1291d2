"""The study of the liver: the published base model, one factor at a time, and the tests that its page names."""

import csv
import re
from typing import Any

import pytest

from lib import ROOT
from lib.config.load import load
from lib.config.run import Run

SCALES = ("demo", "reduced", "paper")
OF_A_GRID = {"resampling.factor", "sampling.patch_size", "inference.patch_size", "inference.stride"}
"""Patches have the same extent on another grid."""


def runs_at(scale: str) -> list[Run]:
    return [*load({"scale": scale, "studies": ["liver_benchmark"]}).runs]


def changes(run: Run, base: Run) -> set[str]:
    """Places at which the settings of two runs differ, sections chosen by name as a whole."""

    def differing(one: Any, other: Any, place: str) -> set[str]:
        if isinstance(one, dict) and isinstance(other, dict) and "name" not in one:
            return set().union(*(differing(one[key], other[key], f"{place}.{key}") for key in one))
        return {place[1:]} if one != other else set()

    data = {"datasets", "losses", "seeds", "weights_of"}
    return differing(*(one.settings.model_dump(mode="json", exclude=data) for one in (run, base)), "")


def test_the_base_model_is_the_published_one() -> None:
    base = next(run for run in runs_at("paper") if run.variant == "base")
    network, training = base.settings.network, base.settings.training
    assert base.loss == "dice" and network.name == "res_unet_2d"
    assert (*network.channels, network.residual_units) == (64, 128, 256, 512, 4)
    assert training.optimizer.model_dump(include={"name", "learning_rate"}) == {"name": "adam", "learning_rate": 0.01}
    assert training.scheduler.model_dump(include={"name", "every", "factor"}) == {
        **{"name": "step", "every": 20, "factor": 0.5}
    }
    assert (training.epochs, base.settings.sampling.batch_size) == (100, 8)


@pytest.mark.parametrize("scale", SCALES)
def test_every_variant_changes_one_thing(scale: str) -> None:
    runs = [run for run in runs_at(scale) if not (run.search or run.source or run.first)]  # cascades do something else
    bases = {run.settings.slices: run for run in reversed(runs) if run.variant in ("base", "volumes")}
    for run in runs:
        changed = changes(run, bases[run.settings.slices])
        assert len(changed) <= 1 or changed == OF_A_GRID, (run.id, changed)


@pytest.mark.parametrize("scale", SCALES)
def test_nothing_is_chosen_on_test_cases(scale: str) -> None:
    for run in runs_at(scale):
        assert run.settings.training.monitor.part == "validation" and "test" not in run.settings.training.measured
        for trial in run.search.possible if run.search else ():
            assert [*trial.settings.training.measured] == ["validation"]


def test_every_published_number_has_a_run() -> None:
    runs = runs_at("paper")
    names = runs[0].file.published.datasets
    has = {(names.get(run.dataset, run.dataset), run.loss, *run.factors.values()) for run in runs}
    with (ROOT / "published/liver_benchmark.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == 18
    for row in rows:
        of_row = (row[key] for key in ("dataset", "loss", "noise", "resampling", "network", "optimizer", "scheduler"))
        assert tuple(of_row) in has, row


def test_settings_do_not_depend_on_what_was_loaded_before() -> None:
    values = {"studies": ["liver_benchmark"], "settings": {"training": {"epochs": 9}}}
    first = [run.training_settings.model_dump() for run in load(values).runs]
    load({**values, "scale": "paper", "settings": {"sampling": {"batch_size": 1}}})
    assert [run.training_settings.model_dump() for run in load(values).runs] == first
    assert values == {"studies": ["liver_benchmark"], "settings": {"training": {"epochs": 9}}}


def test_the_page_names_tests_that_are_there() -> None:
    page = (ROOT / "docs/liver_benchmark.md").read_text()
    named = re.findall(r"`((?:unit|workflow)/[\w/.]*)`", page)
    assert len(named) > 40
    assert not [name for name in named if not (ROOT / "tests" / name).exists()]
