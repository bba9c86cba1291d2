"""The configuration: what it expands to, and what it says about mistakes."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lib import ROOT
from lib.config.checks import CODE, check_apart, check_maps, check_writable
from lib.config.load import load
from lib.config.schema import Folders, Noise, WorkflowConfig
from lib.config.study_schema import TAKEN
from lib.errors import SeglossError
from lib.maps import MAPS
from lib.measures.catalogue import MEASURES, MeasureEntry, MeasureParameters
from lib.suggest import shortened

STUDY = "studies/inverse_weighting.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "studies").mkdir()
    (tmp_path / STUDY).write_text((ROOT / STUDY).read_text())
    shutil.copytree(ROOT / "published", tmp_path / "published")
    return tmp_path


def changed(root: Path, *keys: str, to: object) -> Path:
    """Set a key of the study, or delete it (``to=None``)."""
    study = yaml.safe_load((root / STUDY).read_text())
    section = study
    for key in keys[:-1]:
        section = section[key]
    if to is None:
        del section[keys[-1]]
    else:
        section[keys[-1]] = to
    (root / STUDY).write_text(yaml.safe_dump(study))
    return root


def test_demo_scale_expands_to_ten_losses_by_two_seeds() -> None:
    runs = load({"studies": ["inverse_weighting"]}).runs
    assert len(runs) == 20
    assert len({run.id for run in runs}) == 20
    assert {run.seed for run in runs} == {0, 1}
    assert "inverse_weighting/phantom_lesions/base/iwbce/seed-1" in {run.id for run in runs}


def test_figures_say_what_the_data_are(tmp_path: Path) -> None:
    for kind in ("imagesTr", "labelsTr"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.nii.gz").touch()
    own = {"mine": {"folder": str(tmp_path), "title": "My lesions", "labels": {"background": 0, "lesion": 1}}}

    def note(**values: object) -> str:
        return load({"studies": "inverse_weighting", **values}).note("inverse_weighting")

    demo = "Demo scale: a small network, trained for a minute at most. Data: "
    assert note() == f"{demo}phantoms, no evidence about patients."
    assert note(own_data=own, datasets="mine") == f"{demo}My lesions (own data)."
    assert note(own_data=own) == f"{demo}phantoms, no evidence about patients; My lesions (own data)."
    assert note(scale="paper", own_data=own, datasets="mine").startswith("Paper scale: the publication's settings.")
    assert "LiTS liver tumours, as published (public data)" in note(scale="paper", datasets="lits")


@pytest.mark.parametrize(
    ("network", "scratch"),
    [
        ({"name": "resnet_unet_2d", "encoder": "resnet18"}, True),
        ({"name": "resnet_unet_2d", "encoder_weights": "imagenet"}, False),
        ({"name": "space_to_depth_unet_2d"}, False),
    ],
)
def test_figures_say_which_encoders_did_not_begin_with_weights_of_imagenet(
    tmp_path: Path, network: dict, scratch: bool
) -> None:
    for folder in ("studies", "published"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / "studies/label_marginal.yaml"
    study = yaml.safe_load(path.read_text())
    study["demo"]["network"] = network
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    note = load({"studies": "label_marginal"}, tmp_path).note("label_marginal")
    assert note.count("Encoders were trained from scratch, not on ImageNet first. Data: ") == scratch


def test_own_data_may_stand_in_a_study_file(root: Path, tmp_path: Path) -> None:
    for kind in ("imagesTr", "labelsTr"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.nii.gz").touch()
    changed(root, "demo", "datasets", to=["phantom_lesions", "mine"])
    own = {"mine": {"folder": str(tmp_path), "labels": {"background": 0, "lesion": 1}}}
    runs = load({"own_data": own, "losses": "bce", "seeds": 0}, root).runs
    assert [run.dataset for run in runs] == ["phantom_lesions", "mine"]
    with pytest.raises(SeglossError, match="datasets: unknown data set 'mine'"):
        load({}, root)


def test_every_run_reads_components_for_its_lesion_centred_patches() -> None:
    assert {run.maps for run in load({"studies": ["inverse_weighting"]}).runs} == {("components",)}


def test_only_weighted_losses_need_components_without_lesion_centred_patches(root: Path) -> None:
    changed(root, "demo", "sampling", "foreground_fraction", to=0)
    for run in load({}, root).runs:
        assert run.maps == (("components",) if run.loss.startswith("iw") else ())


def test_a_map_that_cannot_be_made(root: Path) -> None:
    far = changed(root, "losses", "bce", to={"name": "boundary", "distance": "far"})
    runs = load({}, far).runs
    with pytest.raises(SeglossError, match=r"losses\.bce: there is no map 'far'; allowed: components, "):
        check_maps(runs, MAPS)
    near = changed(root, "losses", "bce", to={"name": "boundary"})
    check_maps(load({}, near).runs, MAPS)


def losses_by_study(**values: object) -> dict[str, set[str]]:
    runs = load(values).runs
    return {study: {run.loss for run in runs if run.study == study} for study in {run.study for run in runs}}


def test_a_loss_that_stands_in_the_study_file_can_be_named() -> None:
    named = losses_by_study(studies="t_loss", losses="ce,dice,t_loss")
    assert named == {"t_loss": {"ce", "dice", "t_loss"}}
    everywhere = losses_by_study(losses="ce")
    assert everywhere == {"t_loss": {"ce"}, "boundary": {"ce"}, "label_marginal": {"ce"}}
    assert "ce" not in losses_by_study(studies="t_loss")["t_loss"]


def test_any_loss_of_the_library_can_be_named() -> None:
    named = losses_by_study(losses="focal_tversky,iwdl,generalized_surface")
    new = {"focal_tversky", "generalized_surface"}
    assert named == {"inverse_weighting": new | {"iwdl"}, "t_loss": new, "boundary": new, "label_marginal": new}
    note = "losses: focal_tversky: of the library, where a study file has none of the name"
    assert load({"losses": "focal_tversky,ce"}).notes == (note,)
    maps = {run.maps for run in load({"losses": "generalized_surface", "studies": "t_loss"}).runs}
    assert maps == {("published_distance",)}


def test_a_loss_of_a_study_that_does_not_fit_the_data_comes_from_the_library() -> None:
    assert losses_by_study(losses="tversky") == {"t_loss": {"tversky"}}
    assert losses_by_study(losses="tversky,bce", datasets="phantom_lesions") == {
        "inverse_weighting": {"tversky", "bce"}
    }


@pytest.mark.parametrize("losses", ["bce,iwdl", ["bce", "iwdl"], "bce, iwdl"])
def test_narrowing_takes_commas_and_lists(losses: object) -> None:
    runs = load({"losses": losses, "seeds": "1"}).runs
    assert [run.loss for run in runs] == ["bce", "iwdl"]
    assert {run.seed for run in runs} == {1}


def test_paper_scale_has_the_published_settings() -> None:
    configuration = load({"scale": "paper"})
    assert configuration.device == "cuda"
    by_variant = {}
    for run in configuration.runs:
        by_variant.setdefault(run.variant, []).append(run)
    assert len(by_variant["holdout"]) == 20
    assert [run.loss for run in by_variant["focal_alpha_search"]] == ["fl_25", "fl_50", "fl_75", "fl_83"]
    assert {run.settings.split for run in by_variant["focal_alpha_search"]} == {"validation"}
    settings = by_variant["holdout"][0].settings
    assert settings.network.name == "residual_unet"
    assert settings.sampling.patch_size == (128, 128, 128)
    assert settings.training.epochs * settings.training.steps_per_epoch == 10_000
    assert (settings.inference.patch_size[0], settings.inference.stride[0]) == (160, 144)


def test_parsing_imports_neither_torch_nor_numpy() -> None:
    heavy = "bool({'torch', 'numpy'} & set(sys.modules))"
    code = f"import sys; from lib.config.load import load; load({{}}); sys.exit({heavy})"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_noise_of_the_configuration_is_added_to_every_study(root: Path) -> None:
    noise = {"alpha": 0.5, "beta": 0.7}
    runs = load({"noise": [noise], "losses": ["bce"], "seeds": [0]}, root).runs
    assert [run.folder for run in runs] == ["base", "base_alpha0.5-beta0.7"]
    clean, noisy = runs
    masks = noisy.training_settings.masks
    assert masks.model_dump() == {
        **noise,
        "form": "corrected",
        "kinds": ["dilate", "erode", "affine"],
        "seed": 0,
    }
    assert clean.training_settings.masks.alpha == 0


@pytest.mark.parametrize(
    ("noise", "name"),
    [
        ({"alpha": 0}, "clean"),
        ({"alpha": 0.3, "beta": 0.5}, "alpha0.3-beta0.5"),
        ({"alpha": 0.3, "beta": 0.5, "form": "released"}, "alpha0.3-beta0.5-released"),
        ({"alpha": 1, "beta": 0.25, "kinds": ["erode"], "seed": 2}, "alpha1-beta0.25-erode-seed2"),
        ({"alpha": 1, "beta": 0.25, "kinds": ["affine", "dilate"]}, "alpha1-beta0.25-dilate-affine"),
        ({"alpha": 1, "beta": 0.25, "kinds": ["affine", "erode", "dilate"]}, "alpha1-beta0.25"),
        ({"alpha": 0.1234567, "beta": 1}, "alpha0.1234567-beta1"),
    ],
)
def test_the_name_of_a_noise_states_all_of_it(noise: dict, name: str) -> None:
    assert Noise(**noise).name == name


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ([{"alpha": 0.5}], "noise.0: beta (strength, as a share of the foreground) is missing"),
        ([{"alpha": 2, "beta": 0.5}], "noise.0.alpha: 2 is not allowed; expected less than or equal to 1"),
        ([{"alpha": 0.5, "beta": 0.5, "form": "x"}], "noise.0.form: 'x' is not allowed"),
        ([{"alpha": 0.5, "beta": 0.5, "kinds": ["melt"]}], "noise.0.kinds.0: 'melt' is not allowed"),
        ({"alpha": 0.5, "beta": 0.5}, "noise: "),
        ([{"alpha": 0}, {"alpha": 0}], "noise: duplicate value 'clean'"),
        ([{"alpha": 0, "beta": 0.5}], "noise.0: alpha 0 stands for clean masks; leave the other keys out"),
        (
            [{"alpha": 0.5, "beta": 0.5, "kind": ["erode"]}],
            "noise.0.kind: unknown key; did you mean 'kinds'?",
        ),
        (0.5, "noise: 0.5 is not allowed; expected a list"),
        ([{"alpha": 0.5, "beta": 0.5, "gamma": 1}], "noise.0.gamma: unknown key"),
    ],
)
def test_mistakes_in_noise(root: Path, noise: object, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        load({"noise": noise}, root)
    assert str(error.value).startswith(f"workflow_config.yaml (or --config): {message}")


def test_a_variant_that_is_named_as_a_noisy_one_is_reported(root: Path) -> None:
    changed(root, "demo", "variants", to={"base": None, "base_alpha1-beta0.5": None})
    with pytest.raises(SeglossError, match=r"two variants of a study make the same run '.*/base_alpha1-beta0\.5/"):
        load({"noise": [{"alpha": 1, "beta": 0.5}]}, root)


def test_runs_can_be_narrowed_to_a_variant(root: Path) -> None:
    runs = load({"scale": "paper", "variants": ["focal_alpha_search"]}, root).runs
    assert {run.variant for run in runs} == {"focal_alpha_search"}
    with pytest.raises(SeglossError, match=r"variants: unknown value 'holdot'; did you mean 'holdout'\?"):
        load({"scale": "paper", "variants": ["holdot"]}, root)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("miror", "unknown augmentation 'miror'; did you mean 'mirror'?"),
        ({"name": "mirror", "range": [0, 1]}, "mirror has no 'range'"),
        ({"name": "mirror", "probability": 2}, "2 is not allowed"),
        ({"name": ["mirror"]}, "unknown augmentation ['mirror']"),
        ({"name": "gamma", "range": [2, 1]}, "range (2.0, 1.0) must ascend"),
        (
            {"name": "zoom", "range": [0, 0]},
            "range.0: 0 is not allowed; expected greater than 0",
        ),
        (3, "unknown augmentation 3"),
    ],
)
def test_mistakes_in_augmentation(root: Path, step: object, message: str) -> None:
    changed(root, "demo", "sampling", "augmentation", to=[step])
    with pytest.raises(SeglossError) as error:
        load({}, root)
    assert message in str(error.value)


def test_what_is_null_in_an_augmentation_is_its_default(root: Path) -> None:
    changed(root, "demo", "sampling", "augmentation", to=[{"name": "mirror", "probability": None}])
    (step,) = load({}, root).runs[0].settings.sampling.augmentation
    assert (step.name, step.probability) == ("mirror", 0.5)


def test_a_variant_is_chosen_with_all_its_levels_or_with_one() -> None:
    def chosen(variant: str) -> set[str]:
        return {run.folder for run in load({"studies": ["t_loss"], "variants": [variant]}).runs}

    level = "base_alpha0.7-beta0.7-released"
    assert chosen("base_clean") == {"base"}
    assert chosen(level) == {level}
    assert chosen("base") == {"base", "base_alpha0.5-beta0.7-released", level}
    assert chosen("nu_start") == {"nu_start_alpha0.7-beta0.7-released"}


def test_unknown_names_of_what_is_published(tmp_path: Path) -> None:
    for part in ("studies", "published"):
        shutil.copytree(ROOT / part, tmp_path / part)
    study = tmp_path / "studies/t_loss.yaml"
    text = study.read_text()
    for old, new, message in (
        ("table: t_loss", "table: t_lost", "published.table: published/t_lost.csv does not exist"),
        (
            "table: t_loss",
            "table: boundary",
            "published.table: published/boundary.csv has no metric of the measures over",
        ),
        ("losses: {t_loss_released: t_loss}", "losses: {x: t_loss}", "published.losses: unknown loss 'x'"),
        (
            "datasets: {shenzhen_128: shenzhen}",
            "datasets: {x: isic2017}",
            "published.datasets: unknown data set 'x'",
        ),
        (
            "datasets: {shenzhen_128: shenzhen}",
            "datasets: {isic2017: isic17}",
            "published.datasets.isic2017: published/t_loss.csv has no dataset 'isic17'; did you mean 'isic2017'?",
        ),
    ):
        assert old in text
        study.write_text(text.replace(old, new))
        with pytest.raises(SeglossError, match=re.escape(f"studies/t_loss.yaml: {message}")):
            load({"studies": ["t_loss"]}, tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            {"0.828": "0,828"},
            "line 2: 15 cells were expected, found 16 ('t_loss,isic2017,gce,clean,,,,,dice_pooled,mean,0,828,",
        ),
        ({"0.828": "high"}, "row 1: value: 'high' is not a number"),
        ({"0.828": "nan"}, "row 1: value: 'nan' is not a number"),
        ({",mean,": ",all,"}, "row 1: epochs: 'all': last or mean or best_test was expected"),
        ({"spread": "value"}, "no column 'spread'; a table with the columns study, "),
        ({"source": "source,loss"}, "duplicate column 'loss'"),
        ({"0.828": "0.828\0"}, "line 2: a NUL byte"),
        ({'"Table 1': "Table 1"}, "line 2: 15 cells were expected, found 16"),
        ({'0753"': "0753"}, "line 3: "),
        ({"0.828": "8" * 140_000}, "line 2: field larger than field limit (131072)"),
    ],
)
def test_a_faulty_table_of_published_numbers(tmp_path: Path, spoil: dict[str, str], message: str) -> None:
    for part in ("studies", "published"):
        shutil.copytree(ROOT / part, tmp_path / part)
    table = tmp_path / "published/t_loss.csv"
    for old, new in spoil.items():
        table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(SeglossError, match=re.escape(f"{table}: {message}")):
        load({"studies": ["t_loss"]}, tmp_path)


def test_a_split_that_is_not_named_is_the_data_sets_first() -> None:
    splits = {run.dataset: run.split for run in load({"scale": "paper"}).runs if run.study == "t_loss"}
    assert splits == {"isic2017": "official", "shenzhen": "published"}


def test_a_study_without_the_scale_takes_no_part(root: Path) -> None:
    changed(root, "demo", to=None)
    with pytest.raises(
        SeglossError,
        match="studies inverse_weighting has a section 'demo'; allowed: paper",
    ):
        load({}, root)
    changed(root, "paper", to=None)
    with pytest.raises(SeglossError, match="a section demo or paper is missing"):
        load({}, root)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scal": "demo"}, "scal: unknown key; did you mean 'scale'? allowed: scale, studies"),
        ({"scale": "dmo"}, "has a section 'dmo'; did you mean 'demo'? allowed: demo, reduced, paper"),
        ({"losses": "bec"}, "losses: unknown value 'bec'; did you mean 'bce'? allowed: ce, dice"),
        (
            {"losses": ["bce", 3]},
            'losses.1: expected text, but it was read as 3 (a number); put the word in quotes, such as "3" in a file'
            " or --config 'losses=[\"3\"]' on the command line",
        ),
        (
            {"datasets": 20241},
            "datasets.0: expected text, but it was read as 20241 (a number); put the word in quo",
        ),
        (
            {"studies": True},
            "studies.0: expected text, but it was read as true (a truth value); put the word in q",
        ),
        (
            {"variants": None},
            "variants.0: expected text, but it was read as null (nothing); put the word in quotes",
        ),
        (
            {"own_data": {2024: {"folder": "/"}}},
            'own_data.2024: expected text, but it was read as 2024 (a number); put the word in quotes, such as "2024"',
        ),
        (
            {1: 2},
            '1: expected text, but it was read as 1 (a number); put the word in quotes, such as "1" in a file',
        ),
        ({"seeds": "0_1,2"}, "seeds.0: '0_1' would be read as 1; write the number without underscores"),
        ({"noise": [{"alpha": "0_1.5"}]}, "noise.0.alpha: '0_1.5' would be read as 1.5; write the number"),
        ({"seeds": "0,x"}, "seeds.1: 'x' is not allowed; expected a valid integer"),
        ({"seeds": 7}, "seeds: unknown value 7; allowed: 0, 1"),
        ({"studies": ["inverse_weightin"]}, "did you mean 'inverse_weighting'?"),
        ({"folders": {"result": "x"}}, "folders.result: unknown key; did you mean 'results'?"),
        ({"folders": 3}, "folders: 3 is not allowed"),
        ({"losses": []}, "losses: [] is not allowed; expected at least 1 of them"),
        ({"seeds": True}, "seeds.0: True is not a number"),
        ({"folders": {"data": ""}}, "folders.data: '' is not allowed; expected at least one character"),
        ({"raw": {"luna16": ""}}, "raw.luna16: '' is not allowed; expected at least one character"),
        ({"mirror": ""}, "mirror: '' is not allowed; expected at least one character"),
        *(
            ({"mirror": address}, f"mirror: {address!r} is neither a folder that exists nor an address http")
            for address in (
                "ftp://a/b",
                "s3://a",
                "gs://a",
                "file:///tmp",
                "http://",
                "http://a b",
                "http://a:b/",
            )
        ),
        ({"mirror": "ftp://me:secret@a"}, "mirror: 'ftp://...@a' is neither"),
        ({"seeds": [2**32]}, "seeds.0: 4294967296 is not allowed; expected less than 4294967296"),
        ({"seeds": "-1"}, "seeds.0: '-1' is not allowed; expected greater than or equal to 0"),
        ({"noise": [{"alpha": 1, "beta": 1, "seed": -1}]}, "noise.0.seed: -1 is not allowed"),
        (
            {"noise": [{"alpha": 1, "beta": float("inf")}]},
            "noise.0.beta: inf is not allowed; expected a finite",
        ),
        ({"noise": [{"alpha": 1, "beta": 10**400}]}, "is larger than whole numbers of 64 bits are"),
        ({"cases_per_job": 10**400}, "is larger than whole numbers of 64 bits are"),
        ({"cases_per_job": 16**5000}, "cases_per_job: 0x1000"),
        *(
            ({"folders": {"data": folder}}, f"folders.data: {folder!r} has {reason}")
            for folder, reason in (
                *(("a{b}", "{ and }, which"), ("a<b>", "< and >, which"), ("-a", "a - in front")),
                *(("~/a", "a ~ in front"), ("a\nb", "a line break"), ("a\0", "a line break, a control char")),
            )
        ),
        ({"device": "gpu"}, "device: 'gpu' is not allowed; expected 'auto', 'cpu' or 'cuda'"),
    ],
)
def test_mistakes_in_the_workflow_configuration(values: dict, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        load(values)
    assert str(error.value).startswith("workflow_config.yaml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("title",), None, "title: is missing"),
        (("demoo",), {}, "demoo: unknown key; did you mean 'demo'?"),
        (("demo", "datasets"), ["phantoms"], "unknown data set 'phantoms'"),
        (("demo", "losses"), ["bce", "iwbec"], "losses: unknown loss 'iwbec'; did you mean 'iwbce'?"),
        (
            ("demo", "training", "epochs"),
            "ten",
            "training.epochs: 'ten' is not allowed; expected a valid integer",
        ),
        (
            ("demo", "training", "epochs"),
            0,
            "training.epochs: 0 is not allowed; expected greater than or equal to 1",
        ),
        (("demo", "training", "epoch"), 3, "training.epoch: unknown key; did you mean 'epochs'?"),
        (("demo", "network", "name"), "unet", "network: unknown network 'unet'"),
        (("demo", "network", "width"), 3, "network: space_to_depth_unet has no 'width'; allowed: "),
        (("demo", "sampling", "patch_size"), [32, 32, 30], "must have 3 lengths that divide by 8"),
        (("demo", "inference", "stride"), [64, 64, 64], "must not exceed patch_size"),
        (("demo", "sampling", "patch_size"), [32, 32], "must have 3 lengths"),
        (("demo", "network", "channels"), [4, 4, 4, 4], "divide by 16"),
        (("demo", "network", "channels"), "wide", "network.channels: 'wide' is not allowed"),
        (
            ("demo", "training", "optimizer", "learning_rate"),
            float("inf"),
            "learning_rate: inf is not allowed",
        ),
        (("demo", "training", "epochs"), True, "training.epochs: True is not a number"),
        (("demo", "seeds"), [0, 0], "seeds: duplicate value 0"),
        (("demo", "seeds"), [2**32], "seeds.0: 4294967296 is not allowed; expected less than 4294967296"),
        (("demo", "seeds"), [-1], "seeds.0: -1 is not allowed; expected greater than or equal to 0"),
        (("demo", "training", "epochs"), 10**30, "is larger than whole numbers of 64 bits are"),
        (
            ("demo", "evaluation", "froc", "small_diameter"),
            {"phantom_lesion": 3},
            "evaluation.froc: unknown data set 'phantom_lesion'; did you mean 'phantom_lesions'?",
        ),
        (("title",), "", "title: '' is not allowed; expected at least one character"),
        (
            ("losses", "bce"),
            {"name": "math.Loss", "table": {1: 2}},
            "losses.bce: table: {1: 2}: keys that are text",
        ),
        (
            ("losses", "bce"),
            {"name": "math.Loss", "x": float("nan")},
            "losses.bce: x: nan: keys that are text",
        ),
        (("demo", "losses"), [], "losses: [] is not allowed; expected at least 1 of them"),
        (("demo", "evaluation", "froc", "size_bins"), [5, 2], "evaluation: froc: size_bins [5.0, 2.0] must ascend"),
        (("demo", "variants"), [], "demo: variants: [] is not allowed"),
        (("demo", "variants"), {"x": 3}, "demo: variants.x: 3 is not allowed"),
        (("demo", "variants"), {"a/b": {}}, "a/b: 'a/b' is not allowed; expected letters, digits"),
        (("losses", "a b"), {"name": "bce"}, "'a b' is not allowed; expected letters, digits"),
        (("losses", "bce"), {"name": ["bce"]}, "losses.bce: name: unknown loss ['bce']"),
        (
            ("losses", "fl", "alpha"),
            float("nan"),
            "losses.fl: loss 'focal': alpha: nan is not allowed; expected ",
        ),
        (("demo", "split"), "fold0", "has no split 'fold0'"),
        (("demo", "datasets"), ["isic2017"], "'isic2017' is 2D, network 'space_to_depth_unet' is 3D"),
        (("demo", "datasets"), ["acdc"], "'acdc' has 4 classes; cuts: probability is of one structure, or"),
        (("losses", "bce"), {"name": "dise"}, "losses.bce: name: unknown loss 'dise'; did you mean 'dice'?"),
        (("losses", "bce"), {}, "losses.bce: has neither 'name' nor 'sum'"),
        (
            ("losses", "fl", "alfa"),
            1,
            "losses.fl: loss 'focal': alfa: unknown key; did you mean 'alpha'?",
        ),
        (("losses", "fl", "alpha"), "high", "losses.fl: loss 'focal': alpha: 'high' is not allowed"),
        (
            ("losses", "gdl"),
            {"name": "t_loss", "inverse_weights": {}},
            "loss 't_loss' takes no inverse_weights; these do: cross_entropy",
        ),
        (
            ("losses", "iwbce", "inverse_weights"),
            {"formula": "x"},
            "inverse_weights: formula: 'x' is not allowed; expected 'published'",
        ),
        (
            ("losses", "iwbce", "inverse_weights"),
            {"clip": [2, 1]},
            "inverse_weights: clip [2.0, 1.0] is not [lowest,",
        ),
        (("losses", "iwbce", "inverse_weights"), True, "inverse_weights: True is not a mapping"),
        (
            ("measures",),
            ["overlap", "lesion", "froc"],
            "measures: unknown measure 'lesion'; did you mean 'lesions'? allowed: overlap, iou, slices, surface",
        ),
        (("measures",), ["lesions", "froc"], "measures: overlap is missing, which decides whether a run has learnt"),
        (("measures",), ["overlap", "lesions"], "figures: 'froc' needs the measure 'froc'"),
        (("measures",), ["overlap", "froc", "overlap"], "measures: duplicate value 'overlap'"),
        (("metrics",), "lesions", "metrics: unknown key; allowed: title, publication, measures, cuts"),
        (("cuts",), ["tune"], "cuts.0: 'tune' is not allowed; expected 'decided', 'probability' or 'tuned'"),
        (("cuts",), [], "cuts: [] is not allowed; expected at least 1 of them"),
        (
            ("primary", "column"),
            "dice_presnt",
            "primary.column: no measure of the study has a column 'dice_presnt'; did you mean 'dice_present'? allowed",
        ),
        (("primary", "column"), "hd95", "primary.column: no measure of the study has a column 'hd95'; allowed: voxels"),
        (("primary", "cut"), "decided", "primary.cut: 'decided' is not among the study's cuts: probability, tuned"),
        (("primary", "cut"), "best", "primary.cut: 'best' is not allowed; expected 'decided', 'probability' or"),
        (
            ("demo", "evaluation"),
            {"surface": {"tolerance": 2}},
            "demo (base): evaluation: surface: unknown key; allowed: overlap, lesions, froc",
        ),
        (
            ("demo", "evaluation", "froc", "size_bin"),
            [0],
            "demo (base): evaluation: froc: froc has no 'size_bin'; did you mean 'size_bins'? allowed: small_diameter,",
        ),
        (("demo", "evaluation", "lesions"), {"tolerance": 1}, "lesions has no 'tolerance'; allowed: none"),
        (("demo", "evaluation", "froc"), {"name": "lesions"}, "evaluation.froc: unknown key 'name'"),
        (
            ("demo", "evaluation", "froc", "small_diameter"),
            {"phantom_lesions": 0},
            "evaluation: froc.small_diameter.phantom_lesions: 0 is not allowed; expected greater than 0",
        ),
        (("reference",), "bec", "reference: unknown name 'bec'; did you mean 'bce'? allowed: asl, bce"),
        (("references", "iwdl"), "ld", "references: unknown name 'ld'; allowed: asl, bce"),
        (("references", "iwd"), "dl", "references: unknown name 'iwd'; did you mean 'iwdl'? allowed: asl, bce"),
        (("looks", "bec"), {}, "looks: unknown name 'bec'; did you mean 'bce'? allowed: asl, bce"),
        (("looks", "bce", "color"), "#000000", "looks.bce.color: unknown key; did you mean 'colour'? allowed: label"),
        (("looks", "bce", "colour"), "red", "looks.bce.colour: 'red' is not a colour such as '#0173B2'"),
        (("looks", "bce", "marker"), "q", "looks.bce.marker: 'q' is not allowed; expected '.'"),
        (("top_figures",), ["boxplots"], "top_figures: unknown name 'boxplots'; allowed: froc, froc_small"),
        (("figures",), ["froc", "boxplots"], "figures: 'boxplots' needs the measure 'surface'"),
        (("figures",), ["froc.pdf"], "figures.0: unknown figure 'froc.pdf'; did you mean 'froc'? allowed: froc, "),
        (
            ("figures",),
            [{"name": "froc", "panel": []}],
            "figures.0: froc has no 'panel'; did you mean 'panels'? allowed: panels, objects, cut",
        ),
        (("figures",), ["froc", "froc_small", "froc_tuned", "froc"], "duplicate value 'froc'"),
        (
            ("figures",),
            [{"name": "froc", "panels": [["bce", "lovasz"]]}],
            "figures: froc: panels: unknown name 'lovasz'; allowed: asl, bce",
        ),
        (
            ("figures",),
            [{"name": "froc", "cut": "decided"}],
            "figures: froc: cut: unknown name 'decided'; allowed: probability, tuned",
        ),
        (
            ("demo", "training", "monitor"),
            {"measure": "avg_recall"},
            "demo (base): training.monitor.measure: unknown measure 'avg_recall'; allowed: dice, dice_pooled",
        ),
    ],
)
def test_mistakes_in_a_study(root: Path, keys: tuple[str, ...], value: object, message: str) -> None:
    with pytest.raises(SeglossError) as error:
        load({}, changed(root, *keys, to=value))
    assert str(error.value).startswith(STUDY)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_of_the_configuration_replace_those_of_all_variants() -> None:
    changes = {"training": {"epochs": 6, "optimizer": {"learning_rate": 1}}, "sampling": {"batch_size": "2"}}
    configuration = load({"settings": changes, "studies": ["t_loss"]})
    for run, before in zip(configuration.runs, load({"studies": ["t_loss"]}).runs, strict=True):
        training = run.settings.training
        assert (training.epochs, training.optimizer.learning_rate, run.settings.sampling.batch_size) == (6, 1.0, 2)
        assert training.steps_per_epoch == before.settings.training.steps_per_epoch and run.id == before.id
    assert '"learning_rate": 1' in configuration.note("t_loss")
    with pytest.raises(SeglossError, match=r"settings, in studies/[^:]+: demo \(base\): trainin: unknown key; did you"):
        load({"settings": {"trainin": {}}, "studies": ["t_loss"]})


def test_settings_are_for_the_variants_that_are_kept() -> None:
    chosen = {"scale": "paper", "studies": ["label_marginal"], "variants": ["retinal_512"]}
    network = {"name": "resnet_unet_2d", "encoder": "resnet101"}
    runs = load(chosen | {"settings": {"network": network}}).runs
    assert {run.settings.network.encoder for run in runs} == {"resnet101"}
    with pytest.raises(SeglossError, match=r"settings, in studies/label_marginal.yaml: paper \(volumes\): "):
        load(chosen | {"settings": {"network": network}, "variants": "all"})


def test_settings_do_not_replace_levels_that_a_study_crosses() -> None:
    with pytest.raises(SeglossError, match=r"noise: its levels are crossed here; give settings\.factors\.noise"):
        load({"studies": ["t_loss"], "settings": {"noise": {"alpha": 0.9, "beta": 0.9}}})
    crossed = load({"studies": ["t_loss"], "settings": {"factors": {"noise": [{"alpha": 0.9, "beta": 0.9}]}}})
    assert {run.noise.alpha for run in crossed.runs if run.variant == "base"} == {0.9}


def test_figures_say_whose_weights_were_given(tmp_path: Path) -> None:
    weights = tmp_path / "w.pt"
    weights.touch()
    run = load({"studies": ["boundary"]}).runs[0]
    note = load({"studies": ["boundary"], "weights": {run.id: str(weights)}}).note("boundary")
    assert f"Not trained here, of given weights: {run.loss}." in note


def test_weights_of_imagenet_need_three_channels_of_0_to_1() -> None:
    chosen = {"scale": "paper", "studies": ["label_marginal"], "variants": ["retinal_512"]}
    for dataset in ("idrid_hard_exudates", "montgomery"):
        with pytest.raises(SeglossError, match=f"'{dataset}' has not three channels of 0 to 1, which encoder_weights"):
            load(chosen | {"settings": {"datasets": [dataset], "split": "holdout"}})


def test_losses_of_the_configuration_stand_next_to_those_of_the_studies() -> None:
    mine = {"sum": ["cross_entropy", {"name": "proportion_l1", "weight": 5}]}
    configuration = load({"own_losses": {"mine": mine}, "losses": ["mine", "dice"], "studies": ["t_loss", "boundary"]})
    assert {(run.study, run.loss) for run in configuration.runs} == {
        (study, loss) for study in ("t_loss", "boundary") for loss in ("mine", "dice")
    }
    assert configuration.resolved_losses("boundary")["mine"]["sum"][1]["weight"] == 5
    assert {run.loss for run in load({"own_losses": {"mine": mine}, "losses": ["gce"]}).runs} == {"gce"}
    assert "mine" in {run.loss for run in load({"own_losses": {"mine": mine}}).runs}
    for taken, owner in (("gce", "studies/t_loss.yaml"), ("nacl", "the library")):
        with pytest.raises(SeglossError, match=f"own_losses: {owner}.* has a loss '{taken}'; choose another name"):
            load({"own_losses": {taken: mine}, "studies": ["t_loss"]})
    with pytest.raises(SeglossError, match=r"own_losses\.mine: name: unknown loss 'dise'; did you mean 'dice'\?"):
        load({"own_losses": {"mine": "dise"}})


def test_two_measures_with_one_table_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "sizes", MeasureEntry("own:sizes", MeasureParameters, table="lesions"))
    with pytest.raises(SeglossError, match=r"measures: two of them write lesions\.csv; choose one"):
        load({}, changed(root, "measures", to=["overlap", "lesions", "froc", "sizes"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: [", "line 1: "),
        ("title: a\ntitle: b\n", "line 2: duplicate key 'title'"),
        ("? [a, b]\n: 1\n", "line 1: ['a', 'b'] is not a key"),
        ("- a\n", "a mapping of keys to values was expected, found list"),
        ("\x00", "not valid YAML"),
    ],
)
def test_a_study_that_is_not_a_yaml_mapping(root: Path, text: str, message: str) -> None:
    (root / STUDY).write_text(text)
    with pytest.raises(SeglossError, match=r"studies/inverse_weighting\.yaml") as error:
        load({}, root)
    assert message in str(error.value)


def test_output_folders_must_be_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SeglossError, match=r"folders.results: .*file.results cannot be written"):
        check_writable(Folders(results="file/results"), tmp_path)
    check_writable(Folders(), tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["abc"] * 1200), "loop", "loop/x", "gone"])
def test_output_folders_that_cannot_be_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nothing")
    with pytest.raises(SeglossError, match=r"^workflow_config\.yaml \(or --config\): folders\.data: ") as error:
        check_writable(Folders(data=name), tmp_path)
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


def test_folders_are_taken_as_snakemake_writes_them() -> None:
    assert Folders(data="./a//b/", results="../x").model_dump() | {"plots": "", "logs": ""} == {
        **{"data": "a/b", "results": "../x", "plots": "", "logs": ""}
    }


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (
            {"results": "data"},
            "folders.data ({0}/data) and folders.results ({0}/data) are one folder, or one lies in",
        ),
        (
            {"plots": "results/plots"},
            "folders.results ({0}/results) and folders.plots ({0}/results/plots) are one",
        ),
        ({"logs": "link"}, "folders.data ({0}/data) and folders.logs ({0}/link) are one folder"),
        (
            {"data": ".snakemake/x"},
            "folders.data: {0}/.snakemake/x lies in, or holds, {0}/.snakemake, a folder of",
        ),
        (
            {"results": str(ROOT / "rules/x")},
            "folders.results: {1}/rules/x lies in, or holds, {1}/rules, ",
        ),
        ({"results": str(ROOT)}, "folders.results: {1} lies in, or holds, {1}/"),
        (
            {"logs": "mine/logs"},
            "own_data.mine.folder: mine holds folders.logs ({0}/mine/logs), so that what",
        ),
        ({"logs": "scans"}, "raw.lits: {0}/scans holds folders.logs ({0}/scans), so that what is made there"),
    ],
)
def test_output_folders_lie_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data", "mine", "scans"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("data")
    values = {"own_data": {"mine": {"folder": "mine"}}, "raw": {"lits": str(tmp_path / "scans")}}
    check_apart(WorkflowConfig(**values), tmp_path)
    with pytest.raises(SeglossError) as error:
        check_apart(WorkflowConfig(folders=folders, **values), tmp_path)
    assert message.format(tmp_path, ROOT) in str(error.value)


def test_the_code_is_all_that_the_project_holds_beside_its_outputs() -> None:
    outputs = re.findall(r"^/(\w+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}
    assert folders - set(outputs) <= set(CODE)


def test_a_message_may_quote_anything() -> None:
    text = str(SeglossError(f"a\nb \x1b[31m \udce9 {'x' * 100_000}"))
    assert text.startswith("a b \\x1b[31m \\udce9 xxx") and len(text) < 2100
    endless: list[object] = []
    endless += [endless] * 9
    for value in (endless, 16**5000, "x" * 100_000, [["x" * 50] * 100] * 100, {"a": [1] * 1000}):
        assert len(shortened(value)) <= 200
    assert shortened({"b": [1, (2, "x")], "a": None}) == "{'b': [1, (2, 'x')], 'a': None}"


def with_study(root: Path, name: str) -> Path:
    shutil.copy(ROOT / "studies/t_loss.yaml", root / f"studies/{name}.yaml")
    return root


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, "letters, digits, '_', '.' and '-' only") for name in ("a b", "a{b}", "a'b", "-a", "$(x)", "é", "~a")),
        *((name, "results/ or plots/ has a file or folder") for name in ("data", "Noise", "crate.zip", "froc.pdf")),
    ],
)
def test_studies_name_folders(root: Path, name: str, message: str) -> None:
    with_study(root, name)
    with pytest.raises(
        SeglossError, match=re.escape(f"studies/{name}.yaml: a study cannot be called {name!r}: {message}")
    ):
        load({}, root)
    assert load({"studies": "inverse_weighting"}, root).runs  # another one


def test_no_study_can_be_called_as_what_else_lies_beside_it() -> None:
    files = [ROOT / "lib/paths.py", *(ROOT / "rules").glob("*.smk")]
    places = [re.findall(r'\b(?:PATHS|self)\.(?:result|plot)\(f?"([^/"]+)', path.read_text()) for path in files]
    constant = {name for of_file in places for name in of_file if not set(name) & set("{<")}
    assert {"data", "noise", "crate.zip"} <= constant
    assert constant - {path.stem for path in (ROOT / "studies").iterdir()} <= TAKEN


def test_what_editors_leave_is_no_study(root: Path) -> None:
    for name in (".#x.yaml", ".x.yaml"):
        (root / "studies" / name).symlink_to("someone@host.1")
    for name in ("._x.yaml", "#x.yaml#", "x.yaml~"):
        (root / "studies" / name).write_bytes(b"\0\5")
    assert list(load({}, root).studies) == ["inverse_weighting"]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_a_study_that_is_no_file(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "studies/x.yaml")
    with pytest.raises(SeglossError, match=r"studies/x\.yaml: cannot be read: "):
        load({}, root)
    assert load({"studies": "inverse_weighting"}, root).runs


def test_the_mirror_stands_on_no_command_line() -> None:
    assert "secret" not in load({"mirror": "https://me:secret@host/", "seeds": 0}).as_json


def test_variants_change_single_keys_and_replace_sections_of_another_name(root: Path) -> None:
    variants = {
        "short": {"training": {"epochs": 1}},
        "published": {"network": {"name": "residual_unet"}},
    }
    changed(root, "demo", "variants", to=variants)
    settings = {run.variant: run.settings for run in load({}, root).runs}
    assert settings["short"].training.epochs == 1
    assert settings["short"].training.steps_per_epoch == settings["published"].training.steps_per_epoch
    assert settings["published"].network.channels == (16, 64, 128, 256)
