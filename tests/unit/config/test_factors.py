"""Factors that a study crosses: runs, what tells them apart, what each of them trains with; what is refused."""

import shutil
from pathlib import Path

import pytest
import yaml

from lib import ROOT
from lib.config.load import load
from lib.config.run import Run
from lib.errors import SeglossError

NOISY = "alpha0.5-beta0.7"
NOISE = [{"alpha": 0}, {"alpha": 0.5, "beta": 0.7}]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "published", tmp_path / "published")
    (tmp_path / "studies").mkdir()
    return tmp_path


def runs_of(root: Path, factors: object, configuration: dict | None = None, **demo: object) -> list[Run]:
    """The runs of the study of T-Loss with two losses, one seed and these factors, without variants."""
    study = yaml.safe_load((ROOT / "studies/t_loss.yaml").read_text())
    study["demo"] |= {"losses": ["t_loss", "mae"], "seeds": [0], "factors": factors, **demo}
    study["demo"].pop("variants")
    (root / "studies/t_loss.yaml").write_text(yaml.safe_dump(study))
    return list(load(configuration or {}, root).runs)


def test_every_level_meets_every_level_of_the_others(root: Path) -> None:
    sgd = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9}
    runs = runs_of(root, {"optimizer": ["adam", sgd], "noise": NOISE})
    folders = ("base_adam", "base_sgd", f"base_{NOISY}_adam", f"base_{NOISY}_sgd")
    assert [run.id for run in runs] == [
        f"t_loss/phantom_blobs/{folder}/{loss}/seed-0" for folder in folders for loss in ("t_loss", "mae")
    ]
    assert {(run.variant, run.keys["network"], run.keys["scheduler"]) for run in runs} == {
        ("base", "space_to_depth_unet_2d", "milestones")
    }
    of_mae = [run for run in runs if run.loss == "mae"]
    assert [(run.keys["noise"], run.keys["optimizer"]) for run in of_mae] == [
        ("clean", "adam"),
        ("clean", "sgd"),
        (NOISY, "adam"),
        (NOISY, "sgd"),
    ]
    for run in of_mae:
        settings = run.training_settings
        noisy, adam = run.keys["noise"] == NOISY, run.keys["optimizer"] == "adam"
        assert (settings.masks.alpha, settings.masks.beta) == ((0.5, 0.7) if noisy else (0, 0))
        assert settings.training.optimizer.learning_rate == (0.004 if adam else 0.1)  # adam's is the study's own
        assert getattr(settings.training.optimizer, "momentum", None) == (None if adam else 0.9)
    same = [run.training_settings.model_dump(exclude={"run", "masks"}) for run in of_mae]
    same_but_optimizer = [one | {"training": one["training"] | {"optimizer": None}} for one in same]
    assert same_but_optimizer == [same_but_optimizer[0]] * 4
    assert same[0] == same[2] != same[1] == same[3]


def test_levels_have_names_of_their_own_where_they_are_given(root: Path) -> None:
    slow_and_fast = {"slow": {"learning_rate": 0.001}, "fast": {"name": "adam", "learning_rate": 0.1}}
    runs = runs_of(root, {"optimizer": slow_and_fast, "noise": {"much": NOISE[1]}}, losses=["mae"])
    assert {run.folder: run.settings.training.optimizer.learning_rate for run in runs} == {
        "base_much_slow": 0.001,
        "base_much_fast": 0.1,
    }
    assert {(run.keys["noise"], run.settings.training.optimizer.name, run.noise.beta) for run in runs} == {
        ("much", "adam", 0.7)
    }


def test_networks_and_schedulers_are_crossed_too(root: Path) -> None:
    wide = {"name": "space_to_depth_unet_2d", "channels": [16, 32]}
    runs = runs_of(root, {"network": {"wide": wide, "enet": "enet_2d"}, "scheduler": ["constant", "cosine"]})
    assert len(runs) == 8
    of_folder = {run.folder: run.settings for run in runs}
    assert set(of_folder) == {f"base_{one}_{other}" for one in ("wide", "enet") for other in ("constant", "cosine")}
    assert of_folder["base_wide_cosine"].network.channels == (16, 32)
    assert of_folder["base_enet_cosine"].network.name == "enet_2d"
    assert of_folder["base_enet_constant"].training.scheduler.name == "constant"


def test_a_variant_has_factors_of_its_own(root: Path) -> None:
    variants = {"few": {"factors": {"noise": [{"alpha": 0}]}}, "all": None, "none": {"factors": None}}
    study = yaml.safe_load((ROOT / "studies/t_loss.yaml").read_text())
    study["demo"] |= {"losses": ["mae"], "seeds": [0], "factors": {"noise": NOISE}, "variants": variants}
    (root / "studies/t_loss.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    assert [run.folder for run in load({}, root).runs] == ["few", "all", f"all_{NOISY}", "none"]


def test_runs_are_chosen_by_all_their_levels_or_by_the_variant(root: Path) -> None:
    def chosen(variants: str) -> list[str]:
        factors = {"noise": NOISE, "optimizer": ["adam", {"name": "adamw", "learning_rate": 0.01}]}
        return [run.folder for run in runs_of(root, factors, {"variants": variants}, losses=["mae"])]

    assert chosen("base_clean_adamw") == ["base_adamw"]
    assert chosen(f"base_{NOISY}_adam") == [f"base_{NOISY}_adam"]
    assert len(chosen("base")) == 4


def test_a_single_noise_stands_in_for_levels_and_the_configuration_adds_to_either(root: Path) -> None:
    single = {"alpha": 0.2, "beta": 0.3, "form": "released"}
    name = "base_alpha0.2-beta0.3-released"
    more = {"noise": NOISE[1:]}

    def folders(factors: object, configuration: dict | None = None, **demo: object) -> list[str]:
        return [run.folder for run in runs_of(root, factors, configuration, losses=["mae"], **demo)]

    assert folders(None, noise=single) == [name]
    assert folders(None, more, noise=single) == [name, f"base_{NOISY}"]
    assert folders(None) == ["base"]
    assert folders(None, more) == ["base", f"base_{NOISY}"]
    runs = runs_of(root, {"noise": NOISE}, losses=["mae"], noise=single)  # replaced, not mixed with the levels
    assert [(run.folder, run.noise.form) for run in runs] == [("base", "corrected"), (f"base_{NOISY}", "corrected")]
    assert folders({"optimizer": ["adam"]}, more) == ["base_adam", f"base_{NOISY}_adam"]
    assert folders({"noise": NOISE}, more) == ["base", f"base_{NOISY}"]


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (
            {"optimizer": ["adam", {"name": "adam", "learning_rate": 1}]},
            "factors: optimizer: two levels are called 'adam'",
        ),
        (
            {"noise": [{"alpha": 0}, {"alpha": 0}]},
            "factors: noise: two levels are called 'clean'; name them, as in {first",
        ),
        ({"optimizer": [{"learning_rate": 1}]}, "factors: optimizer: {'learning_rate': 1} has no name; name it"),
        ({"network": [["enet_2d"]]}, "factors: network: ['enet_2d'] has no name; name it"),
        ({"network": [{"name": ["enet_2d"]}]}, "factors: network: {'name': ['enet_2d']} has no name; name it"),
        (
            {"optimizers": ["adam"]},
            "factors: optimizers: unknown key; did you mean 'optimizer'? allowed: noise, resampling",
        ),
        ({"optimizer": "adam"}, "factors: optimizer: 'adam' is not allowed; expected a mapping of keys to values"),
        ({"optimizer": []}, "factors: optimizer: {} is not allowed; expected at least 1 of them"),
        ({"optimizer": {"a/b": "adam"}}, "factors: optimizer.a/b: 'a/b' is not allowed; expected letters, digits"),
        ({"optimizer": ["adma"]}, "training.optimizer: unknown optimizer 'adma'; did you mean 'adam'?"),
        ({"optimizer": ["sgd"]}, "training.optimizer.learning_rate: is missing"),
        (
            {"noise": [{"alpha": 2, "beta": 1}]},
            "factors: noise.alpha: 2 is not allowed; expected less than or equal to 1",
        ),
        ({"noise": ["clean"]}, "noise.alpha: is missing"),
        ([NOISE], "factors: [[{'alpha': 0}, {'alpha': 0.5, 'beta': 0.7}]] is not allowed; expected a mapping"),
        ({"scheduler": ["plateau"]}, "training: scheduler 'plateau' follows a measure: name it in monitor"),
    ],
)
def test_mistakes_in_factors(root: Path, factors: object, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        runs_of(root, factors)
    assert str(error.value).startswith(f"studies/t_loss.yaml: demo (base): {message}")
    assert "\n" not in str(error.value)


def test_a_list_of_noises_among_the_settings_is_refused(root: Path) -> None:
    with pytest.raises(
        SeglossError, match=r"demo \(base\): noise: \[\{'alpha': 0\}, .*\] is not allowed; expected a mapp"
    ):
        runs_of(root, None, noise=NOISE)


@pytest.mark.parametrize(
    ("chosen", "noises"),
    [
        ({}, {"clean", NOISY}),
        ({"resampling": {"spacing": None, "factor": 1}}, {"clean", NOISY}),
        ({"resampling": {"factor": 2}}, {"clean"}),
        ({"factors": {"resampling": [{"factor": 1}, {"factor": 2}]}}, {"clean"}),
    ],
)
def test_noise_of_the_configuration_leaves_out_what_is_not_on_its_own_grid(
    root: Path, chosen: dict, noises: set[str]
) -> None:
    factors, noise = chosen.pop("factors", {}), [{"alpha": 0.5, "beta": 0.7}]
    runs = runs_of(root, factors, {"noise": noise}, **chosen)
    assert {run.noise.name for run in runs} == noises
    expected = "noise: left out of t_loss/base, as it is made in masks of whole images on their own grid"
    assert (expected in load({"noise": noise}, root).notes) == (noises == {"clean"})
