"""The losses against values and gradients computed with the publications' own code."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from lib import ROOT
from lib.config.load import load
from lib.losses import build_loss

STUDIES = load({}, ROOT).studies
INVERSE_WEIGHTING = STUDIES["inverse_weighting"].losses


def evaluated(specification: Any, logits: np.ndarray, target: np.ndarray, maps: dict[str, Tensor] | None = None):
    """The loss's value and its gradient by the logits, in float64."""
    z = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    value = build_loss(specification)(z, torch.from_numpy(np.ascontiguousarray(target)), maps)
    value.backward()
    return value.item(), z.grad


def check(value: float, gradient: Tensor, golden: dict[str, Any], keys: tuple[str, str], rtol: float = 1e-9) -> None:
    """Compare with a golden record whose value and gradient norm have the names ``keys``."""
    first = next(golden[key] for key in golden if "first5" in key)
    atol = 1e-12 if rtol < 1e-8 else 1e-9
    assert value == pytest.approx(golden[keys[0]], rel=rtol, abs=atol)
    assert gradient.norm().item() == pytest.approx(golden[keys[1]], rel=rtol, abs=atol)
    assert gradient.flatten()[:5].tolist() == pytest.approx(first, rel=rtol, abs=atol)


@pytest.fixture(scope="module")
def golden(shared: Path) -> Callable[[str], dict]:
    return lambda name: json.loads((shared / "golden" / f"{name}.json").read_text())


# Inverse weighting


@pytest.mark.parametrize("name", ["bce", "dl", "asl", "fl", "gdl", "wce", "iwbce", "iwdl", "iwasl", "iwfl"])
@pytest.mark.parametrize("case", ["multi", "one_empty", "touch"])
def test_inverse_weighting(
    golden: Callable, iw_target: Callable, components_of: Callable, case: str, name: str
) -> None:
    target = iw_target(case)
    logits = np.random.default_rng(7).standard_normal(target.shape) * 2
    value, gradient = evaluated(INVERSE_WEIGHTING[name], logits, target, {"components": components_of(target)})
    expected = golden("inverse_weighting_losses")["cases"][case]["losses"][name]
    check(value, gradient, expected, ("loss", "grad_l2"))
    assert gradient.sum().item() == pytest.approx(expected["grad_sum"], rel=1e-9)


# Label-marginal biases

LABEL_MARGINAL = STUDIES["label_marginal"].losses
OF_THE_STUDY = {
    "CE": "ce",
    "BCEWithLogits": "ce",
    "CE+L1": "ce_l1",
    "CE+KL": "ce_kl",
    "CE+DB": "ce_dice_bias",
    "CE+Dice": "ce_dice",
    "CE+LogDice": "ce_log_dice",
    "Focal+Dice": "focal_dice",
    "Focal+LogDice": "focal_log_dice_released",
    "FocalWithDice(log_dice=True)": "focal_log_dice",
    "Focal+KL": "focal_kl",
    "Focal+L1": "focal_l1",
    "DiceLoss": "dice",
    "LogDiceLoss": "log_dice",
    "FocalLoss": "focal",
    "GDiceLoss": "gdl",
    "nnunet.CE": "ce",
    "nnunet.CrossEntropyWithL1": "ce_l1",
    "nnunet.CrossEntropyWithKL": "ce_kl",
    "nnunet.FocalWithL1": "focal_l1_nnunet",
}
"""Names of the golden file, without its options -> losses of the study."""


def named(specification: str | dict[str, Any]) -> dict[str, Any]:
    return {"name": specification} if isinstance(specification, str) else dict(specification)


DICE, LOG_DICE = (named(LABEL_MARGINAL[name]) for name in ("dice", "log_dice"))
OTHERS = {
    "DiceLoss(ignore_empty_classes=False)": {**DICE, "absent_classes": "counted"},
    "DiceLoss(smooth=1.0)": {**DICE, "smooth_nr": 1, "smooth_dr": 1},
    "DiceLoss(log_loss=True, ignore_empty_classes=False)": {**LOG_DICE, "absent_classes": "counted"},
    "WeightedBCE": {"name": "balanced_cross_entropy"},
    "nnunet.FocalLoss(apply_nonlin=softmax)": named(LABEL_MARGINAL["focal_l1_nnunet"])["sum"][0],
}


def label_marginal_specification(name: str) -> dict[str, Any]:
    """The study's loss for a name of the golden file, with the options that it names."""
    (name_alone,) = re.findall(r"^[^\s(]+(?:\([^)]*\))?", name)
    alpha, temperature = (float(dict(re.findall(r"(\w+)=([\d.]+)", name)).get(key, 1)) for key in ("alpha", "temp"))
    weights = {"class_weights": [0.1, 0.2, 0.3, 0.4]} if "class_weights" in name else {}
    if name_alone in OTHERS:
        return OTHERS[name_alone]
    specification = named(LABEL_MARGINAL[OF_THE_STUDY[name_alone]])
    if "sum" not in specification:
        return {**specification, **weights}
    first, second = specification["sum"]
    if weights:
        first = {**named(first), **weights}
    if alpha != 1:
        second = {**second, "weight": alpha}
    if "temperature" in second:
        second = {**second, "temperature": temperature}
    return {**specification, "sum": [first, second]}


def label_marginal_inputs(case: str) -> tuple[np.ndarray, np.ndarray]:
    def rng(seed: int) -> np.random.Generator:
        return np.random.default_rng(seed)

    if case == "nn3d":
        return rng(30).standard_normal((2, 3, 8, 8, 8)), rng(31).integers(0, 3, (2, 1, 8, 8, 8))
    if case.startswith("bin"):
        labels = rng(11).integers(0, 2, (2, 16, 16))
        labels = {"bin": labels, "bin_empty": 0 * labels, "bin_full": 0 * labels + 1}[case]
        return rng(10).standard_normal((2, 1, 16, 16)), labels[:, None]
    labels = rng(1).integers(0, 4, (2, 16, 16))
    if case == "mc_ignore":
        labels[rng(2).random((2, 16, 16)) < 0.1] = 255
    return rng(0).standard_normal((2, 4, 16, 16)), (labels * (case != "mc_allbg"))[:, None]


CASES = ["mc", "mc_ignore", "mc_allbg", "bin", "bin_empty", "bin_full", "nn3d"]


@pytest.mark.parametrize("case", CASES)
def test_label_marginal(golden: Callable, case: str) -> None:
    records = golden("label_marginal_losses")["values_f64"][case]
    compared = 0
    for name, expected in records.items():
        if name == "_proportions" or "error" in expected:
            continue
        specification = {**label_marginal_specification(name), "ignore_index": 255}
        value, gradient = evaluated(specification, *label_marginal_inputs(case))
        if expected["loss"] == "nan":  # the published KL of an image of one class
            assert case == "bin_full" and "KL" in name
            assert math.isfinite(value) and gradient.isfinite().all()
            continue
        check(
            value,
            gradient,
            expected,
            ("loss", "grad_l2"),
            rtol=1e-6 if "ocal" in name and case == "nn3d" else 1e-9,
        )
        compared += 1
    assert compared >= 8


def test_the_studys_losses_stand_there_as_the_release_was_trained(golden: Callable) -> None:
    """Of the sums with a temperature the values for alpha 1 and temperature 10, as in the shipped configurations."""
    names = {name for records in golden("label_marginal_losses")["values_f64"].values() for name in records}
    used = [label_marginal_specification(name) for name in names - {"_proportions"}]
    for name in OF_THE_STUDY.values():
        assert named(LABEL_MARGINAL[name]) in used, name
    for name in ("ce_l1", "ce_kl", "ce_dice_bias", "focal_l1", "focal_kl", "focal_l1_nnunet"):
        assert LABEL_MARGINAL[name]["sum"][1]["temperature"] == 10, name


# T-Loss and the noise-robust losses


def t_loss_inputs(recipe: str) -> tuple[np.ndarray, np.ndarray]:
    if recipe == "A":
        logits = np.random.default_rng(0).standard_normal((2, 1, 16, 16))
        return logits, np.random.default_rng(1).random((2, 1, 16, 16)) < 0.3
    rows, columns = np.mgrid[:128, :128]
    disks = [(rows - 64) ** 2 + (columns - 64) ** 2 <= radius**2 for radius in (20, 40)]
    return np.random.default_rng(2).standard_normal((2, 128, 128))[:, None], np.stack(disks)[:, None]


RECIPES = ["A_nu=1.0", "A_nu=0.0", "A_nu=-2.4", "A_nu=5.0", "C_nu=1.0", "C_nu=-2.4"]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_t_loss_as_released(golden: Callable, recipe: str, reduction: str) -> None:
    inputs = t_loss_inputs(recipe[0])
    records = golden("t_loss")["tloss"][recipe]["repo_float64_full"]
    z = torch.tensor(inputs[0], requires_grad=True)
    options = {"nu": float(recipe.split("=")[1]), "reduction": reduction}
    loss = build_loss("t_loss_released", **options).double()
    with torch.no_grad():
        loss.nu.fill_(options["nu"])  # not rounded to float32
    values = loss(z, torch.from_numpy(inputs[1]))
    values.sum().backward()
    expected = records[reduction]
    assert values.flatten().tolist() == pytest.approx(np.ravel(expected["loss"]).tolist(), rel=1e-9)
    assert loss.nu.grad.item() == pytest.approx(expected["grad_nu"], rel=1e-9)
    assert z.grad.norm().item() == pytest.approx(expected["grad_logits_l2"], rel=1e-9)
    assert z.grad.sum().item() == pytest.approx(expected["grad_logits_sum"], rel=1e-9)
    assert z.grad.flatten()[:5].tolist() == pytest.approx(expected["grad_logits_first5"], rel=1e-9)


@pytest.mark.parametrize("recipe", RECIPES)
def test_t_loss_as_in_the_paper(golden: Callable, recipe: str) -> None:
    record = golden("t_loss")["tloss"][recipe]
    expected = record["formula_paper_mean"] if "formula_paper_mean" in record else record["formula_paper"]["mean"]
    loss = build_loss("t_loss").double()
    with torch.no_grad():
        loss.nu.fill_(float(recipe.split("=")[1]))
    logits, target = t_loss_inputs(recipe[0])
    assert loss(torch.from_numpy(logits), torch.from_numpy(target)).item() == pytest.approx(expected, rel=1e-9)


def test_t_loss_with_the_released_formula_and_unit_precision(golden: Callable) -> None:
    logits, target = t_loss_inputs("A")
    for nu in (1.0, 0.0, 5.0):
        expected = golden("t_loss")["tloss"][f"A_nu={nu}"]["repo_float64_full_lambda0_mean"]
        value, gradient = evaluated({"name": "t_loss", "log_precision": 0, "nu": nu}, logits, target)
        check(value, gradient, expected, ("loss", "grad_logits_l2"))


ROBUST = {
    "CE": "cross_entropy",
    "MAE(1-p_y)": "mae",
    "MAE_unreduced(sum_k|p-q|)": {"sum": [{"name": "mae", "weight": 2}]},
    "RCE(log0:=log1e-4)": "rce",
    "NCE": "nce",
    "GCE(q=0.7)": "gce",
    "NGCE(q=0.7)": "ngce",
    "SCE(1*CE+1*RCE)": "sce",
    "NCE+RCE(1,1)": "nce_rce",
    "NGCE+MAE(1,1)": "ngce_mae",
    "NGCE+RCE(1,1)": "ngce_rce",
    "softDice(smooth=1,per-image)": {"name": "dice", "smooth_nr": 1, "smooth_dr": 1},
}


@pytest.mark.parametrize("channels", [1, 2])
def test_noise_robust_losses(golden: Callable, channels: int) -> None:
    records = golden("t_loss")["baselines_reference_NOT_FROM_REPO"]["A"]
    assert set(records) == set(ROBUST)
    logits, target = t_loss_inputs("A")
    for name, expected in records.items():
        specification = ROBUST[name]
        z = logits if channels == 1 else np.concatenate([0 * logits, logits], 1)
        if name.startswith("softDice"):
            specification = {**specification, "include_background": False}
        value, gradient = evaluated(specification, z, target)
        check(value, gradient[:, -1:], expected, ("loss", "grad_logits_l2"))


# Boundary loss


def disk(row: int, column: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:16, :16]
    return ((rows - row) ** 2 + (columns - column) ** 2 <= radius**2).astype(int)


def boundary_labels(name: str) -> np.ndarray:
    first = disk(8, 7, 4)
    if name == "quadrants_and_boxes":
        samples = np.zeros((2, 16, 16), int)
        samples[0, :8, 8:], samples[0, 8:, :8] = 1, 2
        samples[1, 3:6, 3:6], samples[1, 10:14, 2:12] = 3, 1
        return samples[:, None]
    second = {"disk_and_empty": 0 * first, "two_disks": disk(4, 10, 3), "disk_and_full": 0 * first + 1}[name]
    return np.stack([first, second])[:, None]


def published_maps(labels: np.ndarray, n_classes: int, spacing: tuple[float, ...], whole_numbers: bool) -> np.ndarray:
    """The publication's signed maps of every class, its behaviour for empty and full classes included."""
    maps = np.zeros((len(labels), n_classes, *labels.shape[2:]))
    for sample, values in zip(labels[:, 0], maps, strict=True):
        for label in range(n_classes):
            mask = sample == label
            if mask.any():
                outside = ndimage.distance_transform_edt(~mask, sampling=spacing) * ~mask
                inside = (ndimage.distance_transform_edt(mask, sampling=spacing) - 1) * mask
                values[label] = outside - inside
    return np.trunc(maps) if whole_numbers else maps


def boundary_specification(name: str, parameters: dict[str, Any], n_classes: int) -> dict[str, Any]:
    classes = parameters["idc"]
    specification = {
        "CrossEntropy": {"name": "cross_entropy", "epsilon": 1e-10},
        "FocalLoss": {"name": "focal", "epsilon": 1e-10, "gamma": parameters.get("gamma", 0)},
        "DiceLoss": {"name": "dice", "smooth_nr": 1e-10, "smooth_dr": 1e-10},
        "GeneralizedDice": {"name": "generalized_dice", "form": "kervadec"},
        "SurfaceLoss": {"name": "boundary"},
        "HausdorffLoss": {"name": "hausdorff_dt", "form": "kervadec"},
    }[name]
    return specification if len(classes) == n_classes else {**specification, "classes": classes}


@pytest.mark.parametrize("entry", range(28))
def test_boundary(golden: Callable, entry: int) -> None:
    record = golden("boundary_loss")["losses"][entry]
    n_classes, labels = record["K"], boundary_labels(record["labels"])
    logits = np.random.default_rng(0 if n_classes == 2 else 1).standard_normal((2, n_classes, 16, 16))
    whole_numbers = "int" in (record.get("dist_map") or record.get("map") or record.get("dist") or "")
    maps = published_maps(labels, n_classes, (1, 1), whole_numbers)
    specification = boundary_specification(record["loss"], record["params"], n_classes)
    value, gradient = evaluated(specification, logits, labels, {"published_distance": torch.from_numpy(maps)})
    check(value, gradient, record["f64"], ("value", "grad_norm"))
    by_sample = gradient.flatten(1).norm(dim=1).tolist()
    assert by_sample == pytest.approx(record["f64"]["grad_by_sample"], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("classes", [[1], [0, 1]])
def test_boundary_in_3d(golden: Callable, classes: list[int]) -> None:
    z, y, x = np.mgrid[:24, :32, :40]
    label = (((z - 11) / 5) ** 2 + ((y - 15) / 9) ** 2 + ((x - 20) / 12) ** 2 <= 1).astype(int)[None, None]
    logits = np.random.default_rng(2).standard_normal((1, 2, 24, 32, 40))
    maps = {"published_distance": torch.from_numpy(published_maps(label, 2, (1, 1, 1), False))}
    specification = {"name": "boundary", "classes": classes}
    value, gradient = evaluated(specification, logits, label, maps)
    record = golden("boundary_loss")["surface_loss_3d_formula_float64"][f"res=(1, 1, 1) idc={classes}"]
    check(value, gradient, record, ("value", "grad_norm"))
