"""Volumes slice by slice, and networks of several classes: patches, predictions, what is configured for them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import store_case
from torch import nn

from lib import ROOT
from lib.arrays import cut_distance, write_array
from lib.config.load import load
from lib.config.run import Configuration
from lib.config.schema import Sampling
from lib.errors import SeglossError
from lib.inference import SLICES_AT_ONCE, predict_volume
from lib.labels import MASK_KINDS
from lib.maps import connected_components, published_distance_2d, signed_distance
from lib.networks import build_network
from lib.store import NoisyCase, StoredCase, write_relabelled
from lib.training.patch_overlap import PatchOverlap
from lib.training.sampling import PatchSampler

CPU = torch.device("cpu")
SHAPES = {"a": (20, 24, 5), "b": (16, 18, 3), "c": (24, 16, 4)}
MAPS = ("classes", "components", "distance")


def numbered(name: str) -> np.ndarray:
    """An image (2, *shape) whose first channel tells every voxel apart from all others of all cases."""
    size = np.prod(SHAPES[name])
    first = np.arange(size, dtype=np.float32).reshape(SHAPES[name]) + 10_000 * list(SHAPES).index(name)
    return np.stack([first, first + 0.5])


def voxel_of(value: float) -> tuple[str, tuple[int, ...]]:
    """The case and the place of a voxel of :func:`numbered`."""
    number, index = divmod(int(value), 10_000)
    name = list(SHAPES)[number]
    return name, tuple(int(place) for place in np.unravel_index(index, SHAPES[name]))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> list[StoredCase]:
    """Three volumes with two classes, maps of labels, of distances and, in three channels, of classes."""
    folder = tmp_path_factory.mktemp("volumes")
    rng = np.random.default_rng(0)
    stored = []
    for name, shape in SHAPES.items():
        label = np.zeros(shape, np.uint8)
        label[2:6, 3:8, 1:3], label[8:12, 9:12, -1] = 1, 2
        case = store_case(folder, name, numbered(name), label)
        write_array(case.folder / "distance.b2nd", rng.normal(size=shape).astype(np.float32))
        write_array(case.folder / "classes.b2nd", rng.normal(size=(3, *shape)).astype(np.float32))
        stored.append(case)
    return stored


def sampler(volumes: list, maps: tuple[str, ...] = MAPS, seed: int = 0, **options: object) -> PatchSampler:
    chosen = {"patch_size": (8, 12), "batch_size": 3, "cases": "passes", "foreground_fraction": 0, **options}
    return PatchSampler(volumes, Sampling(**chosen), maps, seed, steps=400)


def samples(drawn: PatchSampler, count: int) -> list[dict[str, np.ndarray]]:
    """The first samples, whatever batches they come in."""
    batches = [drawn[step] for step in range(-(-count // drawn.batch_size))]
    told = [dict(zip(batch, values, strict=True)) for batch in batches for values in zip(*batch.values(), strict=True)]
    return told[:count]


def slice_of(sample: dict[str, np.ndarray]) -> tuple[str, int]:
    name, place = voxel_of(sample["image"][0, 0, 0])
    return name, place[-1]


def test_batches_of_slices_have_no_axis_of_depth(volumes: list[StoredCase]) -> None:
    assert {name: values.shape for name, values in sampler(volumes)[0].items()} == {
        "image": (3, 2, 8, 12),
        "label": (3, 1, 8, 12),
        "classes": (3, 3, 8, 12),
        "components": (3, 1, 8, 12),
        "distance": (3, 1, 8, 12),
    }


ALL_SLICES = sorted((name, z) for name, shape in SHAPES.items() for z in range(shape[-1]))


@pytest.mark.parametrize("batch_size", [1, 3, 5, 16])
def test_every_slice_of_every_case_comes_once_in_a_pass(volumes: list[StoredCase], batch_size: int) -> None:
    drawn = [slice_of(sample) for sample in samples(sampler(volumes, batch_size=batch_size), 48)]
    passes = [drawn[start : start + 12] for start in range(0, 48, 12)]
    assert [sorted(one) for one in passes] == [ALL_SLICES] * 4
    assert len(set(map(tuple, passes))) == 4
    one_by_one = [slice_of(sample) for sample in samples(sampler(volumes, batch_size=1), 48)]
    assert drawn == one_by_one


@pytest.mark.parametrize("options", [{}, {"cases": "by_lesions", "foreground_fraction": 1.0}])
def test_a_patch_is_the_same_part_of_a_slice_of_image_label_and_maps(volumes: list[StoredCase], options: dict) -> None:
    drawn = samples(sampler(volumes, **options), 36)
    inside = [sample for sample in drawn if len(np.unique(sample["image"][0])) == 8 * 12]
    assert len(inside) > 12
    for sample in inside:
        name, (row, column, z) = voxel_of(sample["image"][0, 0, 0])
        part = (..., slice(row, row + 8), slice(column, column + 12), z)
        case = next(case for case in volumes if case.name == name)
        for other in ("image", "label", *MAPS):
            np.testing.assert_array_equal(sample[other], case.array(other)[part].reshape(-1, 8, 12))


def test_a_slice_is_a_function_of_seed_and_step(volumes: list[StoredCase]) -> None:
    options = {"augmentation": ["mirror"], "cases": "by_lesions", "foreground_fraction": 0.5}
    one, other = sampler(volumes, **options), sampler(volumes, **options)
    for step in (9, 2):
        for name, values in one[step].items():
            np.testing.assert_array_equal(values, other[step][name])
    assert not np.array_equal(one[9]["image"], one[2]["image"])
    assert not np.array_equal(one[9]["image"], sampler(volumes, seed=1, **options)[9]["image"])


def test_the_slice_of_a_lesion_is_cut_around_it(volumes: list[StoredCase]) -> None:
    options = {"cases": "by_lesions", "foreground_fraction": 1.0, "patch_size": (4, 4), "batch_size": 8}
    drawn = samples(sampler(volumes, **options), 200)
    assert all(sample["label"][0, 2, 2] > 0 for sample in drawn)
    assert {slice_of(sample) for sample in drawn} == {
        *((name, z) for name in SHAPES for z in (1, 2)),
        *((name, shape[-1] - 1) for name, shape in SHAPES.items()),
    }


def test_places_without_a_lesion_are_uniform_over_slices(volumes: list[StoredCase]) -> None:
    options = {"cases": "by_lesions", "patch_size": (16, 16), "batch_size": 8}
    places = [voxel_of(sample["image"][0, 0, 0]) for sample in samples(sampler(volumes, **options), 400)]
    of_a = [place for name, place in places if name == "a"]
    assert [set(along) for along in zip(*of_a, strict=True)] == [set(range(n)) for n in (5, 9, 5)]


@pytest.mark.parametrize("options", [{}, {"cases": "by_lesions"}])
def test_a_patch_larger_than_the_slice_is_padded_about_its_centre(volumes: list[StoredCase], options: dict) -> None:
    drawn = samples(sampler(volumes[:1], patch_size=(32, 24), **options), 40)
    assert {slice_of({"image": sample["image"][:, 6:]})[1] for sample in drawn} == set(range(5))
    for sample in drawn:
        z = slice_of({"image": sample["image"][:, 6:]})[1]
        image = volumes[0].array("image")[..., z]
        np.testing.assert_array_equal(sample["image"][:, 6:26], image)
        assert (sample["image"][:, :6] == image.min()).all() and (sample["image"][:, 26:] == image.min()).all()
        assert not sample["label"][:, :6].any() and not sample["components"][:, 26:].any()


def test_the_centre_of_each_slice_where_it_is_asked_for(volumes: list[StoredCase]) -> None:
    for sample in samples(sampler(volumes, place="centre"), 12):
        name, place = voxel_of(sample["image"][0, 0, 0])
        height, width, _ = SHAPES[name]
        assert place[:2] == (height // 2 - 4, width // 2 - 6)


@pytest.fixture(params=[signed_distance, published_distance_2d])
def lesion(request: pytest.FixtureRequest, tmp_path: Path) -> StoredCase:
    """A volume whose image tells the slice, with the map ``distance``; its first and last slice have no lesion."""
    label = np.zeros((20, 24, 5), np.uint8)
    label[8:12, 9:15, 1:4] = 1
    case = store_case(tmp_path, "a", np.indices(label.shape)[-1:] + 0.0, label)
    write_array(case.folder / "distance.b2nd", request.param(label, (1.0, 1.0, 3.0)))
    return case


def check_margin(distances: np.ndarray) -> None:
    """Beyond a slice of 20 x 24, of which the patch of 32 x 40 has 6 and 8 to spare on each side."""
    margin = np.ones((32, 40), bool)
    margin[6:26, 8:32] = False
    assert (distances[margin] > 0).all()
    np.testing.assert_array_equal(distances[:6, 8:32], np.tile(distances[6, 8:32], (6, 1)))


def test_beyond_a_slice_a_patch_holds_distances_and_no_zeros(lesion: StoredCase) -> None:
    whole = cut_distance(lesion.array("distance"), (-6, -8, 0), (32, 40, 5))
    drawn = samples(sampler([lesion], ("distance",), patch_size=(32, 40), place="centre"), 5)
    slices = {int(sample["image"].max()): sample["distance"][0] for sample in drawn}
    for z, distances in sorted(slices.items()):
        np.testing.assert_array_equal(distances, whole[..., z])
        if lesion.array("label")[..., z].any():
            check_margin(distances)
    assert len(slices) == 5


def test_beyond_a_volume_a_patch_holds_distances_and_no_zeros(lesion: StoredCase) -> None:
    (sample,) = samples(sampler([lesion], ("distance",), patch_size=(32, 40, 8), place="centre"), 1)
    whole = cut_distance(lesion.array("distance"), (-6, -8, -2), (32, 40, 8))
    np.testing.assert_array_equal(sample["distance"][0], whole)
    for z in (3, 4, 5):
        check_margin(sample["distance"][0, ..., z])


@pytest.fixture
def noisy_volumes(tmp_path: Path, volumes: list[StoredCase]) -> list[NoisyCase]:
    """The volumes with masks that are shifted by one row, but for the first's."""
    cases = []
    for case, kind in zip(volumes, ("clean", "dilate", "affine"), strict=True):
        label = case.array("label")[...]
        wrong = label if kind == "clean" else np.roll(label, 1, axis=0)
        write_relabelled(tmp_path / "masks" / case.name, case, wrong, noise=kind)
        write_array(tmp_path / "maps" / "components" / f"{case.name}.b2nd", connected_components(wrong))
        cases.append(NoisyCase(case, tmp_path))
    return cases


def test_noisy_volumes_by_slices(noisy_volumes: list[NoisyCase]) -> None:
    whole = sampler(noisy_volumes, ("components",), patch_size=(24, 24), place="centre")
    assert whole[0]["clean"].shape == (3, 1, 24, 24) and whole[0]["kind"].shape == (3,)
    for sample in samples(sampler(noisy_volumes, ("components",), patch_size=(16, 16), place="centre"), 12):
        name, (row, column, z) = voxel_of(sample["image"][0, 0, 0])
        case = next(case for case in noisy_volumes if case.name == name)
        part = (slice(row, row + 16), slice(column, column + 16), z)
        assert MASK_KINDS[sample["kind"]] == case.noise
        np.testing.assert_array_equal(sample["clean"][0], case.clean.array("label")[part])
        np.testing.assert_array_equal(sample["label"][0], case.array("label")[part])
        np.testing.assert_array_equal(sample["components"][0], case.array("components")[part])


# Predictions


class Places(nn.Module):
    """One channel per weight: the image times it, and the place in the window, so that windows disagree."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.arange(x[0, 0].numel()).view(x.shape[2:]) / 10
        return torch.stack([weight * x[:, 0] + number * places for number, weight in enumerate(self.weights)], 1)


def image_of(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("depth", [1, 3, SLICES_AT_ONCE, SLICES_AT_ONCE + 3])
@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0), (1.0, -2.0, 0.5, 3.0)])
def test_a_volume_by_slices_is_its_slices_one_by_one(weights: tuple[float, ...], depth: int) -> None:
    image = image_of(2, 9, 13, depth)
    volume = predict_volume(Places(*weights), image, (8, 8), (4, 6), CPU)
    by_hand = [predict_volume(Places(*weights), image[..., z], (8, 8), (4, 6), CPU) for z in range(depth)]
    for whole, slices in zip(volume, zip(*by_hand, strict=True), strict=True):
        assert whole.dtype == np.float32 and whole.flags["C_CONTIGUOUS"]
        np.testing.assert_array_equal(whole, np.stack(slices, axis=-1))


@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 5)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_classes_have_an_axis_of_their_own_from_three_on(shape: tuple[int, ...], channels: int) -> None:
    size = (8,) * len(shape)
    expected = shape if channels < 3 else (channels, *shape)
    for values in predict_volume(Places(*range(channels)), image_of(1, *shape), size, size, CPU):
        assert values.shape == expected


def test_a_trained_networks_slices_do_not_depend_on_each_other() -> None:
    torch.manual_seed(0)
    chosen = {"name": "space_to_depth_unet_2d", "channels": [4, 8]}
    network, image = build_network(chosen, 2, out_channels=4), image_of(2, 16, 16, 11)
    _, logit = predict_volume(network, image, (16, 16), (16, 16), CPU)
    network.eval()
    with torch.inference_mode():
        expected = [network(torch.from_numpy(image[None, ..., z].copy()))[0] for z in range(11)]
    np.testing.assert_allclose(logit, np.stack(expected, axis=-1), atol=1e-5)


def test_probabilities_of_classes_are_the_average_of_the_windows_softmax() -> None:
    image, network = image_of(1, 12, 8), Places(1.0, -2.0, 0.5, 3.0)
    probability, logit = predict_volume(network, image, (8, 8), (4, 8), CPU)
    outputs = [network(torch.from_numpy(image[None, :, start : start + 8]))[0] for start in (0, 4)]
    for values, of_windows in (
        (probability, [torch.softmax(output, 0).numpy() for output in outputs]),
        (logit, [output.numpy() for output in outputs]),
    ):
        first, second = of_windows
        np.testing.assert_allclose(values[:, :4], first[:, :4], atol=1e-6)
        np.testing.assert_allclose(values[:, 4:8], (first[:, 4:] + second[:, :4]) / 2, atol=1e-6)
        np.testing.assert_allclose(values[:, 8:], second[:, 4:], atol=1e-6)
    np.testing.assert_allclose(probability.sum(0), 1, atol=1e-6)
    assert np.abs(probability - torch.softmax(torch.from_numpy(logit), 0).numpy()).max() > 0.01


def test_two_channels_are_one_logit_their_difference() -> None:
    image = image_of(1, 8, 8, 3)
    probability, logit = predict_volume(Places(1.0, 3.0), image, (8, 8), (8, 8), CPU)
    difference = 2 * image[0] + (np.arange(64).reshape(8, 8, 1) / 10)
    np.testing.assert_allclose(logit, difference, atol=1e-5)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-difference)), atol=1e-5)


# The overlap that the history tells


def overlap_of(logits: torch.Tensor, target: torch.Tensor) -> float:
    overlap = PatchOverlap(False, CPU)
    overlap.add(logits, target, None, None)
    return overlap.dice()["patch_dice"]


def logits_for(classes: list[int], n_classes: int) -> torch.Tensor:
    one_hot = nn.functional.one_hot(torch.tensor(classes), n_classes)
    return 5.0 * one_hot.T[None, :, None] - 1


def target_of(classes: list[int]) -> torch.Tensor:
    return torch.tensor(classes, dtype=torch.uint8)[None, None, None]


def test_the_patch_dice_of_several_classes_counts_voxels_of_the_right_class() -> None:
    target = target_of([0, 1, 1, 2, 3, 3, 0, 255])
    predicted = [0, 1, 2, 2, 3, 0, 1, 1]
    # right: 1, 2, 3; predicted, where annotated: 5; present: 5
    assert overlap_of(logits_for(predicted, 4), target) == pytest.approx(2 * 3 / (5 + 5))
    assert overlap_of(logits_for([0] * 8, 4), target) == 0
    assert overlap_of(logits_for([0] * 8, 4), 0 * target) == 1


def test_the_patch_dice_of_two_channels_is_that_of_their_difference() -> None:
    target, predicted = target_of([0, 1, 1, 255, 0]), [1, 1, 0, 1, 0]
    two = logits_for(predicted, 2)
    assert overlap_of(two, target) == overlap_of(two[:, 1:] - two[:, :1], target) == pytest.approx(0.5)


# What is configured


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part in ("studies", "published"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return tmp_path


def changed(root: Path, study: str, of_study: dict | None = None, **changes: object) -> Configuration:
    """The configuration when the study has these keys, and its demo section no variants and these."""
    path = root / f"studies/{study}.yaml"
    content = yaml.safe_load(path.read_text()) | (of_study or {})
    content["demo"] |= changes
    content["demo"].pop("variants", None)
    path.write_text(yaml.safe_dump(content))
    return load({"studies": [study]}, root)


@pytest.mark.parametrize("scale", ["demo", "paper"])
def test_networks_of_the_study_tell_every_class_the_background_too(scale: str) -> None:
    for run in load({"scale": scale, "studies": ["boundary"]}).runs:
        assert run.network.out_channels == len(run.labels.names), run.id


@pytest.mark.parametrize(
    ("study", "scale", "variant", "parts"),
    [
        ("boundary", "demo", "slices", ("test",)),
        ("boundary", "paper", "wmh_published", ("test",)),
        ("boundary", "paper", "wmh_corrected", ("validation", "test")),
        ("boundary", "paper", "acdc_volumes", ("validation", "test")),
        ("inverse_weighting", "demo", "base", ("validation", "test")),
        ("t_loss", "demo", "base", ("test",)),
    ],
)
def test_parts_that_a_run_cannot_do_without(study: str, scale: str, variant: str, parts: tuple[str, ...]) -> None:
    runs = load({"scale": scale, "studies": [study], "variants": [variant]}).runs
    assert {tuple(sorted({*run.reads, *run.settings.training.measured}, reverse=True)) for run in runs} == {parts}


NO_FIGURES = {"figures": [], "top_figures": []}


@pytest.mark.parametrize(
    ("study", "of_study", "reads"),
    [
        ("inverse_weighting", {}, {"test": ("logit", "probability"), "validation": ("logit",)}),
        (
            "inverse_weighting",
            NO_FIGURES | {"cuts": ["probability"], "primary": {}},
            {"test": ("logit", "probability")},
        ),
        ("inverse_weighting", NO_FIGURES | {"cuts": ["tuned"]}, {"test": ("logit",), "validation": ("logit",)}),
        ("t_loss", {}, {"test": ("labels",)}),
        ("t_loss", {"measures": ["overlap", "calibration"]}, {"test": ("labels", "probability")}),
        ("t_loss", {"cuts": ["probability"]}, {"test": ("labels", "probability")}),  # a figure draws labels
        ("t_loss", {"cuts": ["probability"], "figures": ["training_dice"]}, {"test": ("probability",)}),
    ],
)
def test_predictions_are_of_what_is_read(root: Path, study: str, of_study: dict, reads: dict) -> None:
    for run in changed(root, study, of_study).runs:
        assert run.inference_settings.reads == reads


def test_runs_of_the_first_seed_are_held_against_another_implementation() -> None:
    checked = load({"studies": ["boundary"], "losses": ["gdl", "boundary"]}).first_seed_of("boundary")
    assert sorted(run.id for run in checked) == [
        "boundary/phantom_slabs/slices/boundary/seed-0",
        "boundary/phantom_slabs/slices/gdl/seed-0",
        "boundary/phantom_slabs/volumes/gdl/seed-0",
    ]


def test_a_training_that_measures_is_told_how(tmp_path: Path) -> None:
    run = load({"scale": "paper", "studies": ["boundary"], "variants": ["acdc_corrected"]}).runs[0]
    settings = run.training_settings
    assert settings.training.measured == {"test": 100, "validation": 100}
    assert settings.measured.measures == ("overlap", "slices", "surface")  # lesions are not monitored
    assert len(settings.measured.labels.names) == 4
    assert settings.measured.inference.patch_size == (256, 256)


SLICES = {
    "losses": ["gdl"],
    "slices": True,
    "network": {"name": "space_to_depth_unet_2d"},
    "inference": {"patch_size": [80, 80], "stride": [80, 80]},
}


def test_four_classes_enter_a_study_of_surfaces(root: Path) -> None:
    runs = changed(root, "boundary", **SLICES, datasets=["acdc"]).runs
    assert {(run.network.out_channels, run.split) for run in runs} == {(4, "published")}
    assert runs[0].labels.structures == ("right ventricle", "myocardium", "left ventricle")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"datasets": ["phantom_blobs"]},
            "'phantom_blobs' is 2D, network 'space_to_depth_unet_2d' sees slices of 3D volumes",
        ),
        ({"slices": False}, "'phantom_slabs' is 3D, network 'space_to_depth_unet_2d' is 2D"),
        *(
            (
                {"datasets": ["acdc"], "of_study": of_study},
                f"'acdc' has 4 classes; {needs} is of one structure, or of such as overlap",
            )
            for of_study, needs in (
                ({"cuts": ["decided", "tuned"]}, "cuts: tuned"),
                ({"cuts": ["probability"]}, "cuts: probability"),
                ({"measures": ["overlap", "slices", "froc"], "figures": []}, "measure froc"),
            )
        ),
    ],
)
def test_data_that_do_not_fit_are_told(root: Path, changes: dict, told: str) -> None:
    with pytest.raises(SeglossError) as error:
        changed(root, "boundary", **SLICES | changes)
    assert str(error.value) == f"studies/boundary.yaml: demo (base): datasets: {told}"


def test_slices_are_not_for_a_network_of_volumes(root: Path) -> None:
    volumes = {
        **SLICES,
        "network": {"name": "space_to_depth_unet"},
        "sampling": {"patch_size": [16, 16, 8], "batch_size": 1},
        "inference": {"patch_size": [16, 16, 8], "stride": [16, 16, 8]},
    }
    with pytest.raises(SeglossError, match="datasets: 'phantom_slabs' is 3D, network 'space_to_depth_unet' "):
        changed(root, "boundary", **volumes)


def test_sizes_are_those_of_the_network_not_of_the_volume(root: Path) -> None:
    patches = {"patch_size": [16, 16, 8], "batch_size": 1}
    with pytest.raises(SeglossError, match=r"sampling\.patch_size \(16, 16, 8\) must have 2 lengths"):
        changed(root, "boundary", **SLICES, sampling=patches)
