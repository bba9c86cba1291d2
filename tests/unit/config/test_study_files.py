"""Study files: what they expand to, and the message for each mistake."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lib import ROOT
from lib.config.checks import check_maps
from lib.config.load import load
from lib.config.study_schema import TAKEN
from lib.errors import SeglossError
from lib.maps import MAPS
from lib.measures.catalogue import MEASURES, MeasureEntry, MeasureParameters

STUDY = "studies/inverse_weighting.yaml"


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


def test_a_variant_that_is_named_as_a_noisy_one_is_reported(root: Path) -> None:
    changed(root, "demo", "variants", to={"base": None, "base_alpha1-beta0.5": None})
    with pytest.raises(SeglossError, match=r"two variants of a study make the same run '.*/base_alpha1-beta0\.5/"):
        load({"noise": [{"alpha": 1, "beta": 0.5}]}, root)


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
        (
            "table: t_loss",
            "costs: t_lost\n  table: t_loss",
            "published.costs: published/t_lost.csv does not exist",
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
            "line 2: 16 cells were expected, found 17 ('t_loss,isic2017,gce,clean,,,,,,dice_pooled,mean,0,828,",
        ),
        ({"0.828": "high"}, "row 1: value: 'high' is not a number"),
        ({"0.828": "nan"}, "row 1: value: 'nan' is not a number"),
        ({",mean,": ",all,"}, "row 1: epochs: 'all': last or mean or best_test was expected"),
        ({"spread": "value"}, "no column 'spread'; a table with the columns study, "),
        ({"source": "source,loss"}, "duplicate column 'loss'"),
        ({"0.828": "0.828\0"}, "line 2: a NUL byte"),
        ({'"Table 1': "Table 1"}, "line 2: 16 cells were expected, found 17"),
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
        (("cuts",), ["tune"], "cuts.0: 'tune' is not allowed; expected 'decided', 'probability', 'tuned' or"),
        (("cuts",), [], "cuts: [] is not allowed; expected at least 1 of them"),
        (
            ("primary", "column"),
            "dice_presnt",
            "primary.column: no measure of the study has a column 'dice_presnt'; did you mean 'dice_present'? allowed",
        ),
        (("primary", "column"), "hd95", "primary.column: no measure of the study has a column 'hd95'; allowed: voxels"),
        (("primary", "cut"), "decided", "primary.cut: 'decided' is not among the study's cuts: probability, tuned"),
        (("primary", "cut"), "best", "primary.cut: 'best' is not allowed; expected 'decided', 'probability',"),
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


def test_weights_of_imagenet_need_three_channels_of_0_to_1() -> None:
    chosen = {"scale": "paper", "studies": ["label_marginal"], "variants": ["retinal_512"]}
    for dataset in ("idrid_hard_exudates", "montgomery"):
        with pytest.raises(SeglossError, match=f"'{dataset}' has not three channels of 0 to 1, which encoder_weights"):
            load(chosen | {"settings": {"datasets": [dataset], "split": "holdout"}})


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


def with_study(root: Path, name: str) -> Path:
    shutil.copy(ROOT / "studies/t_loss.yaml", root / f"studies/{name}.yaml")
    return root


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, "letters, digits, '_', '.' and '-' only") for name in ("a b", "a{b}", "a'b", "-a", "$(x)", "é", "~a")),
        *(
            (name, "results/ or plots/ has a file or folder")
            for name in ("data", "Noise", "crate.zip", "report.html", "froc.pdf")
        ),
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


def test_losses_that_are_not_for_the_labels_are_refused_or_left_out(root: Path) -> None:
    path = root / "studies/label_marginal.yaml"
    study = yaml.safe_load((ROOT / "studies/label_marginal.yaml").read_text())
    del study["published"]
    study["losses"]["lesions"], study["demo"]["losses"] = "blob", ["ce", "lesions"]
    study["demo"]["variants"] = {"all": {"datasets": ["phantom_scenes", "phantom_findings"]}}
    study["figures"] = []
    path.write_text(yaml.safe_dump(study))
    with pytest.raises(SeglossError, match="'phantom_findings': blob is for binary and multi-class labels, these are"):
        load({"studies": "label_marginal"}, root)
    path.write_text(yaml.safe_dump({**study, "skip_unfit_losses": True}))
    runs = load({"studies": "label_marginal", "seeds": 0}, root).runs
    left = {(run.dataset, run.loss) for run in runs}
    assert left == {("phantom_scenes", "ce"), ("phantom_scenes", "lesions"), ("phantom_findings", "ce")}
