"""Plans that nnU-Net has printed; memory against the network itself; settings that the workflow takes."""

import subprocess
import sys
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from lib import ROOT
from lib.config.load import load
from lib.config.schema import Resampling
from lib.datasets.decided import decided_grid
from lib.datasets.fingerprint import fingerprint, read_fingerprint
from lib.datasets.plan import Features, Plan, as_yaml, feature_map_values, plan
from lib.errors import SeglossError
from lib.files import write_json
from lib.labels import Labels
from lib.networks.dyn_unet import DynUNet
from lib.strict_yaml import StrictLoader

# median shape at the spacing, the spacing, training cases, classes; the patch and the batch, where it was printed.
# The issues are those of MIC-DKFZ/nnUNet. As nnU-Net orders the axes.
PRINTED = {
    # issue 148, by Isensee: 260 cases of the decathlon's hippocampus
    "hippocampus": ((36, 50, 35), (1, 1, 1), 260, 3, (40, 56, 40), 9),
    # issue 856 (v1): LiTS at full resolution. Its batch of 1 is for several GPUs
    "liver": ((482, 512, 512), (1, 0.76757812, 0.76757812), 131, 3, (128, 128, 128), None),
    # issue 1081 (v1): the NIH's pancreas, at low resolution and at its own
    "pancreas at low resolution": ((120, 285, 285), (1.7987096, 1.54576606, 1.54576606), 80, 2, (80, 192, 160), 2),
    # issues 1768, 2094, 2227 (v2): CT
    "thick slices": ((139, 497, 497), (1.545, 0.80669916, 0.80669916), 100, 2, (56, 224, 192), None),
    "slices": ((245, 497, 497), (1.28232938, 0.80871094, 0.80871094), 63, 2, (80, 192, 160), None),
    "body": ((177, 217, 217), (2.3565655, 1.8410668, 1.8410668), 63, 2, (128, 128, 128), 2),
    # issue 2251 (v2): 54 pictures of a fundus
    "pictures": ((2848, 4288), (1, 1), 54, 2, (1024, 1536), 2),
}


def fingerprint_of(shape: tuple[int, ...], spacing: tuple[float, ...], cases: int) -> dict[str, Any]:
    of_shape = {"median_shape": list(shape), "median_target_shape": list(shape)}
    return {"cases": cases, "median_spacing": list(spacing), "target_spacing": list(spacing), **of_shape}


CONVOLUTIONS = (torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.ConvTranspose2d, torch.nn.ConvTranspose3d)
LIVER = fingerprint_of((482, 512, 512), (1, 0.76757812, 0.76757812), 131)
SMALL = fingerprint_of((40, 36, 24), (1.0, 1.0, 1.75), 6)


@pytest.mark.parametrize("name", PRINTED)
def test_plans_that_nnunet_has_printed(name: str) -> None:
    shape, spacing, cases, classes, patch_size, batch_size = PRINTED[name]
    planned = plan(fingerprint_of(shape, spacing, cases), classes, precision="float16")
    assert planned.patch_size == patch_size
    assert batch_size in (None, planned.batch_size)


def test_values_of_feature_maps_by_hand() -> None:
    # 16, 8 and 4 pixels a side: 32, 64 and 128 channels
    assert (
        feature_map_values((16, 16), (1, 1), 2, Features(32, 512))
        == 2 * 256 + 5 * 32 * 256 + 5 * 64 * 64 + 2 * 128 * 16
    )


@pytest.mark.parametrize(
    ("patch_size", "spacing", "classes"), [((32, 24, 8), (1, 1, 4), 3), ((96, 64), (1, 1), 1), ((256, 16), (1, 1), 2)]
)
@pytest.mark.parametrize("residual", [False, True])
def test_values_are_those_of_the_networks_convolutions(
    patch_size: tuple, spacing: tuple, classes: int, residual: bool
) -> None:
    counts: list[int] = []
    features = Features(8, 100, residual)
    network = DynUNet(1, patch_size, spacing, 8, 100, classes, residual=residual)
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            module.register_forward_hook(lambda _, __, output: counts.append(output.numel()))
    with torch.no_grad():
        network(torch.zeros(1, 1, *patch_size))
    assert feature_map_values(patch_size, spacing, classes, features) == sum(counts)


def test_activations_of_32_bits_have_half_the_room() -> None:
    single, half = plan(LIVER, 3, 16, "float32"), plan(LIVER, 3, 8, "bfloat16")
    assert single.patch_size == half.patch_size == (128, 128, 128)
    assert single.memory == pytest.approx(2 * half.memory)
    assert prod(plan(LIVER, 3, 8).patch_size) < 128**3


@pytest.mark.parametrize("memory", [1, 2.5, 8, 24, 100])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_plan_keeps_to_the_memory_and_to_a_share_of_the_data(memory: float, precision: str) -> None:
    for found, by_slice in ((LIVER, False), (LIVER, True), (SMALL, False), (SMALL, True)):
        planned = plan(found, 2, memory, precision, by_slice)
        assert planned.memory <= memory
        voxels = planned.batch_size * prod(planned.patch_size)
        assert planned.batch_size == 2 or voxels <= 0.06 * planned.cases * prod(planned.shape)


def test_by_slice_the_last_axis_is_left_out() -> None:
    planned = plan(SMALL, 2, by_slice=True)
    assert (planned.patch_size, planned.spacing, planned.resampled) == ((40, 40), (1, 1), (1, 1, 1.75))
    assert planned.batch_size == 6  # 5 % of 6 x 40 x 36 x 24 voxels, of 1600 each
    assert planned.settings["network"] | {"name": "dyn_unet_2d", "max_features": 512} == planned.settings["network"]
    assert planned.settings["slices"] is True


def test_pictures_have_pixels_and_are_not_resampled() -> None:
    found = fingerprint_of((300, 200), (2.5, 3.1), 40) | {"median_target_shape": [1, 1], "median_shape": [300, 200]}
    planned = plan(found, 2)
    assert (planned.resampled, planned.spacing, planned.patch_size) == (None, (1, 1), (320, 224))


def test_the_median_of_slices_and_its_target_are_the_fingerprints() -> None:
    found = SMALL | {"target_spacing": [1.00000001, 1.0, 1 / 3], "median_target_shape": [40, 36, 125.6]}
    planned = plan(found, 2)
    assert planned.resampled == planned.spacing == (1, 1, 0.333333)
    assert planned.shape == (40, 36, 126)


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        (
            fingerprint_of((12, 12, 12), (1, 1, 1), 5),
            {},
            "images of 12 x 12 x 12 voxels, on the planned grid, are too small for dyn_unet",
        ),
        (
            LIVER,
            {"memory": 0.0001},
            r"0.0001 GB of memory \(plan.memory, or plan_memory\) is too little for two patches of 3",
        ),
        (fingerprint_of((300, 200), (1, 1), 5), {"by_slice": True}, "pictures have no slices; ask for plan.yaml"),
    ],
)
def test_what_cannot_be_planned(found: dict, options: dict, message: str) -> None:
    with pytest.raises(SeglossError, match=message):
        plan(found, 2, **options)


def test_windows_overlap_by_half_unless_another_share_is_asked_for() -> None:
    planned, quarter = plan(LIVER, 3), plan(LIVER, 3, overlap=0.25)
    assert planned.settings["inference"] == {"patch_size": [96, 112, 112], "stride": [48, 56, 56]}
    assert quarter.settings["inference"]["stride"] == [72, 84, 84]


def test_an_axis_keeps_its_last_voxel() -> None:
    planned = plan(fingerprint_of((2048, 2048, 1), (1, 1, 1), 5), 2, 2)
    assert planned.patch_size[2] == 1


def test_without_training_cases_there_is_no_plan_and_no_median(tmp_path: Path) -> None:
    write_json(tmp_path / "fingerprint.json", fingerprint([], Labels(("background", "lesion"))))
    with pytest.raises(SeglossError, match=r"fingerprint\.json: of no training case"):
        read_fingerprint(tmp_path / "fingerprint.json")
    with pytest.raises(SeglossError, match=r"fingerprint\.json: of no training case"):
        decided_grid(Resampling(spacing="median"), [tmp_path / "fingerprint.json"])


def configuration_of(planned: Plan, found: dict, dataset: str, split: str, precision: str = "float32") -> dict:
    return yaml.load(as_yaml(planned, found, dataset, split, 8, precision), StrictLoader)


def test_a_plan_is_a_configuration_of_the_workflow() -> None:
    planned = plan(SMALL, 2, precision="float16")
    values = configuration_of(planned, SMALL, "phantom_lesions", "holdout", "float16")
    runs = load(values | {"studies": "inverse_weighting", "losses": "bce", "seeds": 0}).runs
    assert [run.id for run in runs] == ["inverse_weighting/phantom_lesions/base/bce/seed-0"]
    settings = runs[0].settings
    assert settings.resampling.spacing == (1, 1, 1.75)
    assert settings.network.name == "dyn_unet" and settings.network.patch_size == planned.patch_size == (40, 40, 24)
    assert settings.inference.stride == (20, 20, 12)
    assert settings.sampling.batch_size == 2 and settings.computing.precision == "float16"


@pytest.mark.parametrize(
    ("study", "variant", "dataset", "by_slice"),
    [
        ("liver_benchmark", "base", "phantom_livers", False),
        ("boundary", "volumes", "phantom_slabs", False),
        ("boundary", "slices", "phantom_slabs", True),
    ],
)
def test_plans_fit_the_studies(study: str, variant: str, dataset: str, by_slice: bool) -> None:
    values = configuration_of(plan(SMALL, 2, by_slice=by_slice), SMALL, dataset, "holdout")
    runs = load(values | {"studies": study, "variants": variant}).runs
    assert {run.settings.network.name for run in runs} == {"dyn_unet_2d" if by_slice else "dyn_unet"}


def test_a_plan_for_pictures_fits_a_study_of_pictures() -> None:
    found = fingerprint_of((96, 96), (1, 1), 40)
    values = configuration_of(plan(found, 2), found, "phantom_blobs", "holdout")
    runs = load(values | {"studies": "t_loss", "losses": "t_loss"}).runs
    assert {run.settings.network.patch_size for run in runs} == {(96, 96)}
    assert all(run.settings.resampling.is_native for run in runs)


def test_comments_say_what_a_plan_rests_on() -> None:
    text = as_yaml(plan(SMALL, 2), SMALL, "mine", "default", 8, "float32")
    comments = [line for line in text.splitlines() if line.startswith("# ")]
    assert comments[1] == (
        "# 6 training cases, median spacing 1 x 1 x 1.75 mm, median shape 40 x 36 x 24, 40 x 36 x 24 on the grid below"
    )
    assert "of 8 GB, activations in float32" in comments[2]
    assert "patch_size: [40, 40, 24]" in text and "&" not in text  # no anchors


def test_planning_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, lib.datasets.plan; sys.exit(bool({'torch', 'numpy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
