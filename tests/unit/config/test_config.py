"""The workflow's configuration: what it narrows, changes and refuses."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lib import ROOT
from lib.config.load import load
from lib.config.schema import Folders, Noise
from lib.errors import SeglossError
from lib.suggest import shortened


def test_demo_scale_expands_to_four_losses_by_two_seeds() -> None:
    runs = load({"studies": ["inverse_weighting"]}).runs
    assert len(runs) == 8
    assert len({run.id for run in runs}) == 8
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


def losses_by_study(**values: object) -> dict[str, set[str]]:
    runs = load(values).runs
    return {study: {run.loss for run in runs if run.study == study} for study in {run.study for run in runs}}


def test_a_loss_that_stands_in_the_study_file_can_be_named() -> None:
    named = losses_by_study(studies="t_loss", losses="ce,dice,t_loss")
    assert named == {"t_loss": {"ce", "dice", "t_loss"}}
    everywhere = losses_by_study(losses="ce")
    assert everywhere == {study: {"ce"} for study in ("t_loss", "boundary", "label_marginal", "which_loss")}
    assert "ce" not in losses_by_study(studies="t_loss")["t_loss"]


def test_any_loss_of_the_library_can_be_named() -> None:
    named = losses_by_study(losses="asymmetric_similarity,iwdl,generalized_surface")
    new = {"asymmetric_similarity", "generalized_surface"}
    others = ("t_loss", "boundary", "label_marginal", "liver_benchmark", "which_loss")
    assert named == {"inverse_weighting": new | {"iwdl"}, **dict.fromkeys(others, new)}
    note = "losses: asymmetric_similarity: of the library, where a study file has none of the name"
    assert load({"losses": "asymmetric_similarity,ce"}).notes == (note,)
    maps = {run.maps for run in load({"losses": "generalized_surface", "studies": "t_loss"}).runs}
    assert maps == {("published_distance",)}


def test_a_loss_of_a_study_that_does_not_fit_the_data_comes_from_the_library() -> None:
    studies = ("t_loss", "liver_benchmark", "which_loss")
    assert losses_by_study(losses="tversky") == {study: {"tversky"} for study in studies}
    named = losses_by_study(losses="tversky,bce", datasets="phantom_lesions", studies="inverse_weighting,t_loss")
    assert named == {"inverse_weighting": {"tversky", "bce"}}


@pytest.mark.parametrize("losses", ["bce,iwdl", ["bce", "iwdl"], "bce, iwdl"])
def test_narrowing_takes_commas_and_lists(losses: object) -> None:
    runs = load({"losses": losses, "seeds": "1"}).runs
    assert [run.loss for run in runs] == ["bce", "iwdl"]
    assert {run.seed for run in runs} == {1}


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


def test_runs_can_be_narrowed_to_a_variant(root: Path) -> None:
    runs = load({"scale": "paper", "variants": ["focal_alpha_search"]}, root).runs
    assert {run.variant for run in runs} == {"focal_alpha_search"}
    with pytest.raises(SeglossError, match=r"variants: unknown value 'holdot'; did you mean 'holdout'\?"):
        load({"scale": "paper", "variants": ["holdot"]}, root)


def test_a_variant_is_chosen_with_all_its_levels_or_with_one() -> None:
    def chosen(variant: str) -> set[str]:
        return {run.folder for run in load({"studies": ["t_loss"], "variants": [variant]}).runs}

    level = "base_alpha0.7-beta0.7-released"
    assert chosen("base_clean") == {"base"}
    assert chosen(level) == {level}
    assert chosen("base") == {"base", "base_alpha0.5-beta0.7-released", level}
    assert chosen("nu_start") == {"nu_start_alpha0.7-beta0.7-released"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scal": "demo"}, "scal: unknown key; did you mean 'scale'? allowed: scale, name, trackers"),
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


def test_weights_of_runs_that_take_no_part_are_left_alone(tmp_path: Path) -> None:
    weights = tmp_path / "w.pt"
    weights.touch()
    given = {"boundary/phantom_slabs/volumes/gdl/seed-0": str(weights)}
    load({"studies": ["label_marginal"], "weights": given})
    load({"studies": ["boundary"], "scale": "paper", "weights": given})
    with pytest.raises(SeglossError, match=r"weights: unknown run .*did you mean 'boundary/phantom_slabs/volumes/gdl"):
        load({"studies": ["boundary"], "weights": {"boundary/phantom_slabs/volumes/gdl/seed-7": str(weights)}})
    with pytest.raises(SeglossError, match="weights: unknown run 'gdl'; did you mean"):
        load({"studies": ["boundary"], "weights": {"gdl": str(weights)}})


def test_own_data_are_trained_once_by_variants_that_differ_in_data_sets_alone(tmp_path: Path) -> None:
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.png").touch()
    about = {"labels": {"background": 0, "polyp": 1}, "channels": ["red", "green", "blue"]}
    own = {"own_data": {"polyps": {"folder": str(tmp_path), **about}}, "studies": ["label_marginal"]}
    runs = load({**own, "datasets": "polyps"}).runs
    assert {run.variant for run in runs} == {"scenes"} and len(runs) == 5 * 2
    assert {run.variant for run in load({**own, "settings": {"sampling": {"batch_size": 4}}}).runs} == {
        "scenes",
        "findings",
    }


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


def test_folders_are_taken_as_snakemake_writes_them() -> None:
    assert Folders(data="./a//b/", results="../x").model_dump() | {"plots": "", "logs": ""} == {
        **{"data": "a/b", "results": "../x", "plots": "", "logs": ""}
    }


def test_a_message_may_quote_anything() -> None:
    text = str(SeglossError(f"a\nb \x1b[31m \udce9 {'x' * 100_000}"))
    assert text.startswith("a b \\x1b[31m \\udce9 xxx") and len(text) < 2100
    endless: list[object] = []
    endless += [endless] * 9
    for value in (endless, 16**5000, "x" * 100_000, [["x" * 50] * 100] * 100, {"a": [1] * 1000}):
        assert len(shortened(value)) <= 200
    assert shortened({"b": [1, (2, "x")], "a": None}) == "{'b': [1, (2, 'x')], 'a': None}"


def test_the_mirror_stands_on_no_command_line() -> None:
    assert "secret" not in load({"mirror": "https://me:secret@host/", "seeds": 0}).as_json
