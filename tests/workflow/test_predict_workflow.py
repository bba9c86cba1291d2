"""Trained networks predict images from elsewhere as the workflow predicts its own; runs take given weights."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch
import yaml
from PIL import Image
from projects import REGISTRY, assert_fails_with, planned, snakemake
from whole_workflow import copy_project

from lib.datasets.readers import read_picture, read_volume
from lib.files import sha256
from lib.networks import build_network
from lib.predict import main
from lib.store import StoredCase, open_prediction

VOLUMES = "boundary/phantom_slabs/volumes/ce/seed-0"
SLICES = "boundary/phantom_slabs/slices/ce/seed-0"
PICTURES = "label_marginal/phantom_findings/findings/ce/seed-0"
NETWORKS = {
    VOLUMES: ({"name": "space_to_depth_unet", "background_channel": True}, 1, 2),
    SLICES: ({"name": "space_to_depth_unet_2d", "background_channel": True}, 1, 2),
    PICTURES: ({"name": "space_to_depth_unet_2d"}, 3, 4),
}
"""With the channels of images and of classes."""
FILES = {VOLUMES: "published.pth", SLICES: "slices.pth", PICTURES: "findings.pth"}
GIVEN = "weights={" + ", ".join(f"{run}: {file}" for run, file in FILES.items()) + "}"
CHOSEN = ("--config", "losses=ce", "seeds=0")


def write_studies(folder: Path) -> None:
    """The studies of the three runs, with few cases."""
    registry = (folder / REGISTRY).read_text()
    sizes = r'\1 = {"train": 1, "validation": 0, "test": 1}'
    (folder / REGISTRY).write_text(re.sub("(_SLABS|_SCENES) = {.*}", sizes, registry))
    for path in (folder / "studies").glob("*.yaml"):
        runs = [run.split("/") for run in NETWORKS if run.startswith(f"{path.stem}/")]
        if not runs:
            path.unlink()
            continue
        study = yaml.safe_load(path.read_text())
        variants = study["demo"].pop("variants")
        study["demo"] = {key: value for key, value in study["demo"].items() if key != "network"} | {"variants": {}}
        for _, dataset, variant, loss, _ in runs:
            network, *_ = NETWORKS["/".join((path.stem, dataset, variant, loss, "seed-0"))]
            chosen = {"datasets": [dataset], "losses": [loss], "network": network}
            study["demo"]["variants"][variant] = (variants.get(variant) or {}) | chosen
            if variant == "volumes":
                tiles = {"inference": {"patch_size": [40, 40, 16], "stride": [40, 40, 16]}}
                taken = {"weights_of": {"variant": variant}}
                study["demo"]["variants"]["tiles"] = study["demo"]["variants"][variant] | tiles | taken
        path.write_text(yaml.safe_dump(study, sort_keys=False))


def save_published(path: Path, run: str) -> None:
    """A checkpoint as others save theirs, of the run's network, which finds something without a training."""
    state = build_network(*NETWORKS[run]).state_dict()
    state["head.weight"].normal_()
    state["head.bias"].zero_()
    torch.save({"epoch": 7, "state_dict": {f"module.{key}": value for key, value in state.items()}}, path)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of three runs whose weights are given, all predicted and two evaluated."""
    folder = copy_project(tmp_path_factory.mktemp("predict"))
    write_studies(folder)
    torch.manual_seed(4)
    for run, file in FILES.items():
        save_published(folder / file, run)
    done = snakemake(folder, "results/boundary/summary.csv", f"results/{PICTURES}/model.json", *CHOSEN, GIVEN)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return folder


def test_a_run_takes_given_weights_and_is_evaluated_as_any(project: Path) -> None:
    run = project / "results" / VOLUMES
    published = torch.load(project / "published.pth", weights_only=True)["state_dict"]
    taken = torch.load(run / "weights.pt", weights_only=True)["network"]
    assert all(torch.equal(published[f"module.{name}"], values) for name, values in taken.items())
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["weights"] == {"file": "published.pth", "sha256": sha256(project / "published.pth")}
    assert provenance["settings"] == {} and str(project) not in json.dumps(provenance)
    assert (run / "history.csv").read_text() == "epoch,step,learning_rate,loss,patch_dice\n0,0,,,\n"
    assert (run / "cases.csv").read_text().startswith("case,structure,cut")
    assert len((project / "results/boundary/summary.csv").read_text().splitlines()) == 4  # of three runs
    assert not (project / "data/splits/phantom_slabs/holdout/train.json").exists()  # nothing was trained


def test_given_weights_count_by_their_content_alone(project: Path, tmp_path: Path) -> None:
    table = f"results/{VOLUMES}/cases.csv"
    (tmp_path / "elsewhere.pth").write_bytes((project / "published.pth").read_bytes())
    moved = f"weights={{{VOLUMES}: {tmp_path}/elsewhere.pth}}"
    assert planned(project, table, *CHOSEN, moved) == {}
    other = f"weights={{{VOLUMES}: findings.pth}}"
    assert planned(project, table, *CHOSEN, other) == {"train": 1, "predict": 1, "evaluate": 1}
    assert planned(project, table, *CHOSEN)["train"] == 1
    unknown = snakemake(project, "--dry-run", *CHOSEN, f"weights={{{VOLUMES[1:]}: findings.pth}}")
    assert_fails_with(unknown, "weights: unknown run", f"did you mean '{VOLUMES}'?")


def test_a_run_takes_the_weights_of_another_variant(project: Path) -> None:
    run, source = (project / "results" / name for name in (VOLUMES.replace("volumes", "tiles"), VOLUMES))
    taken, own = (torch.load(folder / "weights.pt", weights_only=True)["network"] for folder in (run, source))
    assert taken.keys() == own.keys() and all(torch.equal(taken[name], own[name]) for name in own)
    assert json.loads((run / "provenance.json").read_text())["weights"]["sha256"] == sha256(source / "weights.pt")
    assert (run / "cases.csv").read_text() != (source / "cases.csv").read_text()  # it predicts by other windows
    table = str((run / "cases.csv").relative_to(project))
    alone = planned(project, table, "--forcerun", "predict", *CHOSEN, GIVEN, "variants=tiles")
    assert alone.keys() == {"predict", "evaluate"}


def test_weights_of_another_data_set_are_tested_without_its_cases(project: Path) -> None:
    path = project / "studies/boundary.yaml"
    study = yaml.safe_load(path.read_text())
    weights_of = {"variant": "volumes", "dataset": "phantom_slabs"}
    variants = study["demo"]["variants"]
    variants["elsewhere"] = variants["volumes"] | {"datasets": ["phantom_lesions"], "weights_of": weights_of}
    before = path.read_bytes()
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    jobs = planned(project, "results/boundary/phantom_lesions/elsewhere/ce/seed-0/cases.csv", *CHOSEN, GIVEN)
    path.write_bytes(before)
    assert {name: jobs[name] for name in ("train", "duplicates", "predict", "evaluate")} == {
        **{"train": 1, "duplicates": 1, "predict": 1, "evaluate": 1}
    }


def predict(project: Path, run: str, images: Path, out: Path) -> None:
    main(["--run", str(project / "results" / run), "--images", str(images), "--out", str(out), "--probabilities"])


def case_of(project: Path, run: str) -> tuple[StoredCase, np.ndarray]:
    """A test case of the run and its image."""
    dataset = run.split("/")[1]
    part = json.loads((project / f"data/splits/{dataset}/holdout/test.json").read_text())
    case = StoredCase(project / "data/prepared" / dataset / next(iter(part)))
    return case, case.array("image")[...]


def classes_of(folder: Path, name: str, classes: Sequence[str]) -> np.ndarray:
    return np.stack([read_volume(folder / f"{name}_{part}.nii.gz").array.T for part in classes])


@pytest.mark.parametrize("run", [VOLUMES, SLICES])
def test_volumes_are_predicted_as_by_the_workflow(project: Path, tmp_path: Path, run: str) -> None:
    case, image = case_of(project, run)
    affine = np.diag([*case.description["spacing"], 1])
    nibabel.save(nibabel.Nifti1Image(image[0], affine), tmp_path / f"{case.name}.nii.gz")
    predict(project, run, tmp_path / f"{case.name}.nii.gz", tmp_path / "out")
    own = project / "results" / run / "predictions"
    found = read_volume(tmp_path / f"out/{case.name}.nii.gz")
    np.testing.assert_array_equal(found.array, open_prediction(own, case.name)[...])
    assert 0 < found.array.mean() < 1
    np.testing.assert_allclose(found.affine, affine, atol=1e-6)


def test_pictures_are_predicted_as_by_the_workflow(project: Path, tmp_path: Path) -> None:
    case, image = case_of(project, PICTURES)
    array = image.transpose(2, 1, 0)[:, :, None]
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    predict(project, PICTURES, tmp_path / "a.nii.gz", tmp_path / "out")
    label = classes_of(tmp_path / "out", "a", ("field", "island", "blot", "spot"))
    own = open_prediction(project / "results" / PICTURES / "predictions", case.name)[...]
    np.testing.assert_array_equal(label, own)
    assert 0 < label.mean() < 1


def test_images_of_other_sizes_spacings_and_formats_are_predicted(project: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    _, image = case_of(project, VOLUMES)
    other = SimpleITK.GetImageFromArray(image[0, 10:, :45].repeat(2, 2).transpose())
    other.SetSpacing([0.7, 0.7, 3.0])
    other.SetOrigin([10, -20, 30])
    SimpleITK.WriteImage(other, str(tmp_path / "in/b.nrrd"))
    for run in (VOLUMES, SLICES):
        predict(project, run, tmp_path / "in", tmp_path / run)
        given, found = read_volume(tmp_path / "in/b.nrrd"), read_volume(tmp_path / run / "b.nii.gz")
        assert found.array.shape == given.array.shape
        np.testing.assert_allclose(found.affine, given.affine, atol=1e-5)
    _, picture = case_of(project, PICTURES)
    colours = (255 * picture).round().astype(np.uint8).transpose(1, 2, 0)[:70, :50]
    Image.fromarray(colours).save(tmp_path / "c.tif")
    predict(project, PICTURES, tmp_path / "c.tif", tmp_path / "out")
    assert read_picture(tmp_path / "out/c_blot.png").shape == (70, 50)
