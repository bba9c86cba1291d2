"""Images from anywhere predicted by a trained network: formats, grids, files, and what is refused."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch
from PIL import Image
from torch import nn

from lib import ROOT
from lib.datasets import DATASETS
from lib.datasets.preparation import Preparation
from lib.datasets.readers import read_picture, read_volume
from lib.errors import CaseExcluded, SeglossError
from lib.labels import BINARY, Labels
from lib.networks import build_network
from lib.predict import main
from lib.prediction.model import Model
from lib.training.checkpoints import load_weights

AFFINE = np.array([[0, -1.5, 0, 30], [0.8, 0, 0, -7], [0, 0, 2.5, 4], [0, 0, 0, 1.0]])
THREE = Labels(("background", "dim", "bright"))
OVERLAPPING = Labels(("dim part", "bright"), exclusive=False)


class Threshold(nn.Module):
    """Its first channel is above 1/2; of several classes, by further thresholds."""

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self.labels = labels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = 20 * (x[:, :1] - 0.5)
        if self.labels.binary:
            return first
        if not self.labels.exclusive:
            return torch.cat([first, 20 * (x[:, :1] - 0.8)], 1)
        return torch.cat([-first, torch.full_like(first, 3), 20 * (x[:, :1] - 0.6)], 1)


def describe(folder: Path, dimensions: int = 2, **changes: Any) -> Path:
    """Write what `scripts/predict.py` writes of a run, and a network's weights; their path."""
    labels = changes.pop("labels", BINARY)
    steps = changes.pop("steps", [["by_type"]] if dimensions == 2 else [])
    patch = changes.pop("patch", [16] * dimensions)
    in_plane = "space_to_depth_unet_2d" if len(patch) == 2 else "space_to_depth_unet"
    network = {"network": {"name": in_plane, "channels": [4, 4]}, "out_channels": labels.out_channels()}
    values = {
        **{"format": 1, "run": "s/d/v/l/seed-0", "dataset": "Some set", "dimensions": dimensions},
        **{"channels": ["image"], "regions": False, "labels": labels.as_json()},
        "network": network | {"exclusive": labels.exclusive},
        "inference": {"patch_size": patch, "stride": patch},
        "preparation": {"steps": steps, "note": "", "refusal": ""},
        **changes,
    }
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run/model.json").write_text(json.dumps(values))
    weights = folder / "run/weights.pt"
    chosen = build_network(network["network"], len(values["channels"]), labels.out_channels())
    torch.save({"network": chosen.state_dict()}, weights)
    return weights


@pytest.fixture
def thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are replaced by one whose outcome is known."""
    monkeypatch.setattr(Model, "load_network", lambda model, weights, device: Threshold(model.network_labels))


def predict(weights: Path, images: Path, out: Path, *options: str) -> None:
    main(["--run", str(weights), "--images", str(images), "--out", str(out), *options])


def refused(*arguments: Any) -> str:
    with pytest.raises(SystemExit) as caught:
        predict(*arguments)
    message = str(caught.value.code)
    assert message.startswith("error: ") and "\n" not in message and "Traceback" not in message
    return message


def save_itk(path: Path, array: np.ndarray) -> None:
    image = SimpleITK.GetImageFromArray(array.transpose())
    image.SetSpacing([0.8, 1.5, 2.5][: array.ndim])
    if array.ndim == 3:
        image.SetOrigin([3, -4, 5])
        image.SetDirection([0, 1, 0, -1, 0, 0, 0, 0, 1])
    SimpleITK.WriteImage(image, str(path))


def volume(shape: tuple[int, ...] = (13, 20, 9), dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """An image with a bright box, and the mask of that."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(length // 3, length // 3 + 3) for length in shape)] = True
    return (mask * (250 if dtype == np.uint8 else 0.9)).astype(dtype), mask


def picture(shape: tuple[int, int] = (30, 21)) -> tuple[np.ndarray, np.ndarray]:
    return volume(shape, np.uint8)


@pytest.mark.usefixtures("thresholds")
@pytest.mark.parametrize("ending", ["nii.gz", "nii", "mha", "mhd", "nrrd"])
def test_volumes_of_every_kind_are_predicted_in_their_place(tmp_path: Path, ending: str) -> None:
    image, mask = volume()
    path = tmp_path / "in" / f"a case.{ending}"
    path.parent.mkdir()
    if ending.startswith("nii"):
        nibabel.save(nibabel.Nifti1Image(image, AFFINE), path)
    else:
        save_itk(path, image)
    predict(describe(tmp_path, 3), path.parent, tmp_path / "out", "--probabilities")
    given, found = read_volume(path), read_volume(tmp_path / "out/a case.nii.gz")
    assert found.array.dtype == np.uint8
    np.testing.assert_array_equal(found.array, mask)
    np.testing.assert_allclose(found.affine, given.affine, atol=1e-5)
    np.testing.assert_allclose(found.spacing, given.spacing, rtol=1e-5)
    probability = read_volume(tmp_path / "out/a case_probability_foreground.nii.gz").array
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-20 * (image - 0.5))), rtol=1e-4)


@pytest.mark.usefixtures("thresholds")
@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "jpg", "nii.gz", "mha"])
@pytest.mark.parametrize("colours", [False, True])
def test_pictures_of_every_kind_are_predicted(tmp_path: Path, ending: str, colours: bool) -> None:
    image, mask = picture((48, 32))
    path = tmp_path / f"a.{ending}"
    array = np.stack([image, image // 2, image // 3], -1) if colours else image
    if ending == "nii.gz":
        array = array.swapaxes(0, 1)[:, :, None] if colours else array.T
        nibabel.save(nibabel.Nifti1Image(array, AFFINE), path)
    elif ending == "mha":
        written = SimpleITK.GetImageFromArray(array, isVector=colours)
        written.SetSpacing([0.5, 0.7])
        SimpleITK.WriteImage(written, str(path))
    else:
        Image.fromarray(array).save(path, **({"quality": 100, "subsampling": 0} if ending == "jpg" else {}))
    channels = ["red", "green", "blue"] if colours else ["grey"]
    predict(describe(tmp_path, channels=channels), path, tmp_path / "out", "--probabilities")
    if ending in ("nii.gz", "mha"):
        found = read_volume(tmp_path / "out/a.nii.gz")
        label = found.array.T
        if ending == "nii.gz":
            np.testing.assert_allclose(found.affine, AFFINE, atol=1e-6)
        else:
            np.testing.assert_allclose(found.spacing, (0.5, 0.7), rtol=1e-6)
    else:
        label = read_picture(tmp_path / "out/a.png")
        assert read_picture(tmp_path / "out/a_probability_foreground.tif").dtype == np.float32
    wrong = np.count_nonzero(label != mask)
    assert label.dtype == np.uint8 and wrong == 0 if ending != "jpg" else wrong < 4


RESTORED = {
    "resized": (2, [["resize", 60, 42], ["by_type"]]),
    "in a square": (2, [["square", 60], ["by_type"]]),
    "slices": (3, [["min_max"], ["slices", 26, 40]]),
    "slices of bytes": (3, [["min_max"], ["slices_of_bytes", 26, 40]]),
    "volume": (3, [["clip", 0, 1], ["min_max"], ["resize", 26, 40, 27]]),
}


@pytest.mark.usefixtures("thresholds")
@pytest.mark.parametrize("kind", RESTORED)
def test_predictions_return_to_the_grid_of_the_image(tmp_path: Path, kind: str) -> None:
    dimensions, steps = RESTORED[kind]
    image, mask = picture() if dimensions == 2 else volume()
    path = tmp_path / ("a.png" if dimensions == 2 else "a.nii.gz")
    if dimensions == 2:
        Image.fromarray(image).save(path)
    else:
        nibabel.save(nibabel.Nifti1Image(image, AFFINE), path)
    predict(describe(tmp_path, dimensions, steps=steps), path, tmp_path / "out", "--probabilities")
    if dimensions == 2:
        label = read_picture(tmp_path / "out/a.png")
        probability = read_picture(tmp_path / "out/a_probability_foreground.tif")
    else:
        found = read_volume(tmp_path / "out/a.nii.gz")
        label, probability = found.array, read_volume(tmp_path / "out/a_probability_foreground.nii.gz").array
        np.testing.assert_allclose(found.affine, AFFINE, atol=1e-6)
    np.testing.assert_array_equal(label, mask)
    np.testing.assert_array_equal(probability > 0.5, mask)


def test_labels_go_by_the_nearest_voxel_and_probabilities_linearly() -> None:
    shrunk = Preparation((("resize", 2, 2),))
    label = np.array([[0, 7], [3, 2]], np.uint8)
    assert shrunk.restore(label, (4, 4)).tolist() == np.kron(label, np.ones((2, 2), int)).tolist()
    values = shrunk.restore(np.array([[[0, 1], [0, 1]]], np.float32), (2, 4))
    np.testing.assert_allclose(values, [[[0, 0.25, 0.75, 1]] * 2], atol=1e-6)


@pytest.mark.usefixtures("thresholds")
def test_structures_that_overlap_have_a_file_each(tmp_path: Path) -> None:
    image = np.full((20, 20), 0.2)
    image[2:9, 2:9], image[4:6, 4:6] = 0.7, 0.95
    Image.fromarray((255 * image).astype(np.uint8)).save(tmp_path / "a.png")
    predict(describe(tmp_path, labels=OVERLAPPING), tmp_path / "a.png", tmp_path / "out", "--probabilities")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("a_bright.png", "a_dim_part.png", "a_probability_bright.tif", "a_probability_dim_part.tif")
    ]
    assert read_picture(tmp_path / "out/a_dim_part.png").tolist() == (image > 0.5).astype(int).tolist()
    assert read_picture(tmp_path / "out/a_bright.png").tolist() == (image > 0.8).astype(int).tolist()


@pytest.mark.usefixtures("thresholds")
def test_volumes_are_predicted_by_slices_and_classes_have_a_probability_each(tmp_path: Path) -> None:
    image, mask = volume()
    image[8:10, 8:10] = 0.52  # neither far below 1/2 nor above 0.6
    nibabel.save(nibabel.Nifti1Image(image, AFFINE), tmp_path / "a.nii.gz")
    weights = describe(tmp_path, 3, labels=THREE, patch=[16, 16])
    predict(weights, tmp_path / "a.nii.gz", tmp_path / "out", "--probabilities")
    expected = np.where(mask, 2, np.where(image > 0.5, 1, 0))
    np.testing.assert_array_equal(read_volume(tmp_path / "out/a.nii.gz").array, expected)
    names = [f"a_probability_{name}.nii.gz" for name in THREE.names]
    total = sum(read_volume(tmp_path / "out" / name).array for name in names)
    np.testing.assert_allclose(total, 1, atol=1e-5)


def save_channels(folder: Path, names: list[str], shape: tuple[int, ...] = (13, 20, 9)) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        nibabel.save(nibabel.Nifti1Image(volume(shape)[0], AFFINE), folder / f"{name}.nii.gz")


@pytest.mark.usefixtures("thresholds")
@pytest.mark.parametrize(
    ("channels", "files", "cases"),
    [
        (["FLAIR", "T1"], ["a_0000", "a_0001", "b_0000", "b_0001"], ["a", "b"]),
        (["CT"], ["a_0000", "b_0000"], ["a", "b"]),
        (["CT"], ["scan_0000", "scan_0001", "other"], ["other", "scan_0000", "scan_0001"]),
    ],
)
def test_files_of_one_case_are_its_channels(tmp_path: Path, channels: list, files: list, cases: list) -> None:
    save_channels(tmp_path / "in", files)
    weights = describe(tmp_path, 3, channels=channels)
    predict(weights, tmp_path / "in", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{case}.nii.gz" for case in cases]
    predict(weights, tmp_path / "in" / f"{files[0]}.nii.gz", tmp_path / "one")
    assert len([*(tmp_path / "one").iterdir()]) == 1


@pytest.mark.usefixtures("thresholds")
def test_channels_may_lie_in_one_file_and_numbered_colour_pictures_are_images(tmp_path: Path) -> None:
    image, mask = volume()
    nibabel.save(nibabel.Nifti1Image(np.stack([image, -image], -1), AFFINE), tmp_path / "a.nii.gz")
    predict(describe(tmp_path, 3, channels=["FLAIR", "T1"]), tmp_path / "a.nii.gz", tmp_path / "out")
    np.testing.assert_array_equal(read_volume(tmp_path / "out/a.nii.gz").array, mask)
    (tmp_path / "in").mkdir()
    for number in range(3):
        Image.fromarray(np.stack([picture()[0]] * 3, -1)).save(tmp_path / f"in/p_{number:04d}.png")
    predict(describe(tmp_path, channels=["r", "g", "b"]), tmp_path / "in", tmp_path / "three")
    assert len([*(tmp_path / "three").iterdir()]) == 3


@pytest.mark.usefixtures("thresholds")
def test_regions_are_asked_for_and_blank_the_rest(tmp_path: Path) -> None:
    image, _ = volume()
    image[0, 0, 0] = 5
    region = np.ones(image.shape, np.uint8)
    region[0, 0, 0] = 0
    for folder, array in (("in", image), ("regions", region)):
        (tmp_path / folder).mkdir()
        nibabel.save(nibabel.Nifti1Image(array, AFFINE), tmp_path / folder / "a.nii.gz")
    weights = describe(tmp_path, 3, regions=True, steps=[["window", 0, 1], ["blank"]])
    assert "--regions: images of Some set are blanked outside masks" in refused(
        weights, tmp_path / "in", tmp_path / "o"
    )
    predict(weights, tmp_path / "in", tmp_path / "out", "--regions", str(tmp_path / "regions"))
    assert read_volume(tmp_path / "out/a.nii.gz").array[0, 0, 0] == 0
    plain = describe(tmp_path, 3)
    assert "have none: leave out" in refused(plain, tmp_path / "in", tmp_path / "o", "--regions", str(tmp_path / "in"))


CASCADE = {"first": "base", "region": ["dim", "bright"], "inside": ["bright"]}


@pytest.mark.usefixtures("thresholds")
def test_both_stages_of_a_cascade_predict(tmp_path: Path) -> None:
    """What the first stage takes for dim, the second one takes for bright."""
    image = np.zeros((13, 20, 9), np.float32)
    image[2:5, 2:5, 2:5] = 0.9
    image[8:10, 8:10, 3:6] = 0.6
    nibabel.save(nibabel.Nifti1Image(image, AFFINE), tmp_path / "a.nii.gz")
    results = tmp_path / "results"
    for variant in ("base", "cascade"):
        (results / f"s/d/{variant}/l").mkdir(parents=True)
    first = describe(results / "s/d/base/l", 3, labels=THREE, run="s/d/base/l/run")
    of_second = {"labels": THREE, "run": "s/d/cascade/l/run", "cascade": CASCADE, "first": "s/d/base/l/run"}
    network = {"network": {"name": "space_to_depth_unet", "channels": [4, 4]}, "out_channels": 1}
    weights = describe(results / "s/d/cascade/l", 3, network=network, **of_second)
    predict(first, tmp_path / "a.nii.gz", tmp_path / "one")
    predict(weights, tmp_path / "a.nii.gz", tmp_path / "both")
    one, both = (read_volume(tmp_path / name / "a.nii.gz").array for name in ("one", "both"))
    assert [(one == number).sum() for number in (1, 2)] == [12, 27]
    assert [(both == number).sum() for number in (1, 2)] == [0, 39]
    assert "a cascade predicts labels alone" in refused(
        weights, tmp_path / "a.nii.gz", tmp_path / "o", "--probabilities"
    )
    first.unlink()
    message = refused(weights, tmp_path / "a.nii.gz", tmp_path / "o")
    assert "s/d/base/l/run/weights.pt: missing, and is the first stage of the cascade" in message


@pytest.mark.usefixtures("thresholds")
def test_what_validation_cases_kept_is_applied(tmp_path: Path) -> None:
    image, mask = volume()
    image[0, 0, 0] = 0.9
    nibabel.save(nibabel.Nifti1Image(image, AFFINE), tmp_path / "a.nii.gz")
    for kept, voxels in ((True, mask.sum()), (False, mask.sum() + 1)):
        choice = {"step": {"name": "largest_component"}, "structure": "foreground", "before": 0.5, "after": 0.5 + kept}
        predict(describe(tmp_path, 3, postprocessing=[choice]), tmp_path / "a.nii.gz", tmp_path / str(kept))
        assert read_volume(tmp_path / str(kept) / "a.nii.gz").array.sum() == voxels
    wrong = describe(tmp_path, 3, postprocessing=[choice | {"structure": "liver"}])
    assert "postprocessing: unknown structure 'liver'" in refused(wrong, tmp_path / "a.nii.gz", tmp_path / "o")


@pytest.mark.usefixtures("thresholds")
def test_one_line_says_the_preparation_and_one_each_image(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    save_channels(tmp_path / "in", ["a", "b"])
    predict(describe(tmp_path, 3, steps=[["clip", -1, 300], ["min_max"]]), tmp_path / "in", tmp_path / "out")
    first, *others = capsys.readouterr().out.splitlines()
    assert first == (
        "s/d/v/l/seed-0: prepared as Some set: clipped to -1 .. 300, its smallest and largest value to 0 and 1"
    )
    assert [line.partition(",")[0] for line in others] == ["a: 13 x 20 x 9", "b: 13 x 20 x 9"]
    assert "foreground 1.15%" in others[0] and others[0].endswith("a.nii.gz")


@pytest.mark.usefixtures("thresholds")
def test_images_that_fit_are_predicted_where_others_do_not(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    save_channels(tmp_path / "in", ["a", "c"])
    (tmp_path / "in/b.nii.gz").write_bytes(b"no volume")
    message = refused(describe(tmp_path, 3), tmp_path / "in", tmp_path / "out")
    assert "1 of 3 images were not predicted: " in message and "b.nii.gz cannot be read" in message
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.nii.gz", "c.nii.gz"]
    assert "b: not predicted: " in capsys.readouterr().out


def _rgb(folder: Path) -> None:
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(folder / "a.png")


def _grey(folder: Path) -> None:
    Image.fromarray(picture()[0]).save(folder / "a.png")


def _constant(folder: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones((9, 9, 9), np.float32), AFFINE), folder / "a.nii.gz")


def _not_finite(folder: Path) -> None:
    array = volume()[0]
    array[0, 0, 0] = np.nan
    nibabel.save(nibabel.Nifti1Image(array, AFFINE), folder / "a.nii.gz")


def _cut_off(folder: Path) -> None:
    _grey(folder)
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:-20])


def _shifted(folder: Path) -> None:
    for number in range(2):
        moved = AFFINE.copy()
        moved[0, 3] += 3 * number
        nibabel.save(nibabel.Nifti1Image(volume()[0], moved), folder / f"a_000{number}.nii.gz")


def _dicom(folder: Path) -> None:
    (folder / "IM0001.dcm").write_bytes(bytes(128) + b"DICM\x08\x00\x60\x00CS\x02\x00CT")


def _numbered(*numbers: int) -> Callable[[Path], None]:
    return lambda folder: save_channels(folder, [f"a_{number:04d}" for number in numbers])


def _same_name(folder: Path) -> None:
    _grey(folder)
    (folder / "a.bmp").touch()


def _bright(folder: Path) -> None:
    nibabel.save(
        nibabel.Nifti1Image(np.full((8, 8, 8), 200, np.int16) * np.eye(8, dtype=np.int16), np.eye(4)),
        folder / "a.nii.gz",
    )


MINMAX = {"steps": [["min_max"]]}
UNFIT: dict[str, tuple[Callable[[Path], Any], dict[str, Any], str]] = {
    "colours for grey": (_rgb, {}, "shape (10, 10, 3) was found; 2 axes and 1 channel(s) were expected; the network"),
    "grey for colours": (_grey, {"channels": ["r", "g", "b"]}, "the image has 1 channels, 3 were expected"),
    "pictures for volumes": (_grey, {"dimensions": 3}, "no image of a known kind (.nii.gz"),
    "volumes for pictures": (_numbered(5), {}, "shape (20, 13, 9) was found; 2 axes"),
    "a constant image": (_constant, {"dimensions": 3, **MINMAX}, "the image is constant (1)"),
    "values not finite": (_not_finite, {"dimensions": 3}, "the image holds NaN or infinite values"),
    "signed numbers": (_constant, {"dimensions": 3, "steps": [["by_type"]]}, "holds float32 values; grey levels of 8"),
    "grey levels for 0 to 1": (
        _bright,
        {"dimensions": 3, "steps": [["by_type_if_whole"]]},
        "its values are 0 to 200; about 0 to 1 were expected",
    ),
    "a damaged file": (_cut_off, {}, "a.png cannot be read"),
    "channels apart": (
        _shifted,
        {"dimensions": 3, "channels": ["FLAIR", "T1"]},
        "image and a further channel differ in position",
    ),
    "too few channels": (_numbered(0), {"dimensions": 3, "channels": ["a", "b"]}, "the image has 1 channels, 2 were"),
    "too many channels": (_numbered(0, 1, 2), {"dimensions": 3, "channels": ["a", "b"]}, "has 3 channels, 2 were"),
    "DICOM": (_dicom, {"dimensions": 3}, "there are DICOM files (CT), which must be converted"),
    "nothing": (lambda folder: None, {}, "no image of a known kind"),
    "two of one name": (_same_name, {}, "a.bmp is of the same name"),
    "no such folder": (lambda folder: folder.rmdir(), {}, "no such file or folder"),
    "labels of no folder": (
        _grey,
        {"preparation": {"steps": [], "note": "", "refusal": "it has masks"}},
        "other images cannot be prepared as those of this data set: it has masks",
    ),
    "an unknown step": (_grey, {"steps": [["resize", 0, 5]]}, "model.json: preparation: steps, note and refusal"),
    "an unknown network": (_grey, {"network": {"network": "unet9", "out_channels": 1}}, "unknown network 'unet9'"),
    "labels of another network": (
        _grey,
        {"network": {"network": {"name": "space_to_depth_unet_2d", "channels": [4, 4]}, "out_channels": 3}},
        "labels background, foreground do not fit the network's output; get both files",
    ),
    "one label": (_grey, {"labels": Labels(("a",))}, "labels a do not fit the network's output"),
    "windows that do not divide": (_grey, {"patch": [15, 16]}, "patch_size (15, 16) must have 2 lengths"),
    "a network of other images": (_grey, {"dimensions": 3, "patch": [16]}, "patch_size"),
    "nothing known": (_grey, {"labels": Labels(("a", "b")), "extra": 3}, "extra: unknown key"),
    "a later version": (_grey, {"format": 2}, "model.json: format: 2 is not allowed; expected 1"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    write, changes, expected = UNFIT[kind]
    (tmp_path / "in").mkdir()
    write(tmp_path / "in")
    weights = describe(tmp_path, **changes)
    assert expected in refused(weights, tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_would_be_replaced_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    _grey(tmp_path / "in")
    weights = describe(tmp_path)
    assert "a.png: is there already; delete it or name another" in refused(weights, tmp_path / "in", tmp_path / "in")
    assert "a folder was expected" in refused(weights, tmp_path / "in", weights)
    Image.fromarray(picture()[0]).save(tmp_path / "in/a_x.png")
    both = describe(tmp_path, labels=Labels(("x", "x x"), exclusive=False))
    Image.fromarray(picture()[0]).save(tmp_path / "in/a_x_x.png")
    assert "would be made of two images" in refused(both, tmp_path / "in", tmp_path / "out")


def test_missing_and_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    _grey(tmp_path / "in")
    weights = describe(tmp_path)
    place = tmp_path / "results/study/set/base/dice/seed-0"
    place.parent.mkdir(parents=True)
    (tmp_path / "run").rename(place)
    monkeypatch.chdir(tmp_path)
    message = refused("study/set/base/dice/seed-1", Path("in"), Path("out"))
    assert (
        "neither a file of weights nor a finished run in results; did you mean 'study/set/base/dice/seed-0'" in message
    )
    predict("study/set/base/dice/seed-0", Path("in"), Path("out"))
    predict(place, Path("in"), Path("again"))
    assert Path("out/a.png").read_bytes() == Path("again/a.png").read_bytes()
    weights = place / "weights.pt"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    assert "weights.pt: not the weights of this network" in refused(weights, Path("in"), Path("o"))
    torch.save({"network": {"other": torch.zeros(2)}}, weights)
    assert "of this network (it has no 'down.0.0.weight', but 'other' and others);" in refused(
        weights, Path("in"), Path("o")
    )
    (place / "model.json").unlink()
    assert "model.json: missing, and says which network and preparation" in refused(weights, Path("in"), Path("o"))
    assert "device 'tpu'" in refused(weights, Path("in"), Path("o"), "--device", "tpu")


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model."])
@pytest.mark.parametrize("key", ["", "network", "state_dict", "model_state_dict"])
@pytest.mark.parametrize("zipped", [True, False])
def test_published_checkpoints_are_loaded(tmp_path: Path, prefix: str, key: str, zipped: bool) -> None:
    given, network = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 3))
    state = {f"{prefix}{name}": value for name, value in given.state_dict().items()}
    saved = {"epoch": 3, key: state, "optimizer": {}} if key else state
    torch.save(saved, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    load_weights(tmp_path / "w.pt", network)
    assert torch.equal(network[0].weight, given[0].weight)


def test_a_checkpoint_may_hold_a_score_of_numpy(tmp_path: Path) -> None:
    given, network = nn.Linear(2, 3), nn.Linear(2, 3)
    torch.save({"epoch": 1, "state_dict": given.state_dict(), "val_score": np.float64(0.5)}, tmp_path / "w.pt")
    load_weights(tmp_path / "w.pt", network)
    assert torch.equal(network.weight, given.weight)


def test_a_part_of_a_network_may_be_called_as_what_wraps_others(tmp_path: Path) -> None:
    class Wrapping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Linear(2, 2)

    given, network = Wrapping(), Wrapping()
    torch.save(nn.DataParallel(given).state_dict(), tmp_path / "w.pt")
    load_weights(tmp_path / "w.pt", network)
    assert torch.equal(network.model.weight, given.model.weight)


class Executed:
    def __reduce__(self) -> tuple:
        return (Path("executed").touch, ())


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"weight": Executed()}}, "w.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(SeglossError, match="holds something other than tensors"):
        load_weights(Path("w.pt"), nn.Linear(2, 2))
    assert not Path("executed").exists()


def test_the_page_says_how_each_data_set_is_prepared() -> None:
    page = (ROOT / "docs/predict.md").read_text()
    for dataset in DATASETS.values():
        steps = import_module(dataset.adapter).preparation(dataset.parameters).steps
        assert f"`{dataset.name}`" in page or dataset.known_index or steps == (("by_type",),)


def test_every_data_set_declares_how_images_are_prepared() -> None:
    for dataset in DATASETS.values():
        found = import_module(dataset.adapter).preparation(dataset.parameters)
        assert Preparation.of_json(json.loads(json.dumps(found.as_json()))) == found
        assert str(found) and "{" not in str(found)
        if not found.refusal:
            shape = (40, 60) if dataset.dimensions == 2 else (20, 24, 6)
            kind = np.uint8 if dataset.dimensions == 2 else np.int16
            image = np.random.default_rng(0).integers(0, 200, (len(dataset.channels), *shape)).astype(kind)
            prepared = found.apply(image)
            assert prepared.dtype == np.float32 and len(prepared) == len(image)
            assert found.restore(prepared, shape).shape == image.shape
    refusals = [name for name, d in DATASETS.items() if import_module(d.adapter).preparation(d.parameters).refusal]
    assert refusals == ["luna16", "luna16_corrected"]


@pytest.mark.parametrize(
    "steps",
    [3, [3], [[]], [["unknown"]], [["min_max", 1]], [["clip", 5, 5]], [["clip", "a", 1]], [["resize", 2.5, 4]]],
)
def test_steps_from_a_file_are_checked(steps: Any) -> None:
    with pytest.raises(ValueError, match="steps, note and refusal were expected"):
        Preparation.of_json({"steps": steps, "note": "", "refusal": ""})


def test_an_empty_region_is_refused() -> None:
    with pytest.raises(CaseExcluded, match="the region is empty"):
        Preparation().apply(np.ones((1, 3, 3)), np.zeros((3, 3), bool))
