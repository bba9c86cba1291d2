"""MR images of multiple sclerosis with real lesion masks and images that are partly made, as a data set of one's own.

Real are the masks and the brains (FLAIR at 1 mm) of few patients. Of each brain the lesions are filled with what lies
around them; the lesions of each mask are then brightened in one of the brains in turn, mirrored for every other mask,
with a contrast for each lesion, blurred borders, a smooth bias field and noise. The same few brains are in all parts of
a split: what a network learns of them tells nothing about other brains. Components of less than three voxels are left
out as debris of resampling.

    envs/run python benchmarks/semi_synthetic_ms.py --images <folder> --masks <folder> --out <folder>

``--images``: `<patient>_FLAIR*.nii.gz`, `<patient>_brain.nii.gz` and `<patient>_lesions.nii.gz`; ``--masks``:
`<patient>_lesions.nii.gz`; all on grids of 1 mm with the same axes. ``--out`` gets the layout of nnU-Net.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

CONTRAST, CONTRAST_SD = 1.5, 0.4  # of lesions in standard deviations within the brain; 1.4 to 1.5 in three patients
BLUR = 0.6  # mm
NOISE = 0.15  # standard deviations within the brain
BIAS = 0.1  # share of the intensity
SMALLEST = 3  # voxels


def main(images: Path, masks: Path, out: Path) -> None:
    brains = [*read_brains(images)]
    for folder in ("imagesTr", "labelsTr", "regionsTr"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(masks.glob("*_lesions.nii.gz"))):
        image, brain, affine = brains[number % len(brains)]
        label = on_grid(nib.load(path), brain.shape, affine) & brain
        if number // len(brains) % 2:
            image, brain, label = image[::-1], brain[::-1], label[::-1]
        label = without_debris(label)
        made = with_lesions(image, brain, label, np.random.default_rng(number))
        case = path.name.removesuffix("_lesions.nii.gz")
        for folder, values in (("imagesTr", made), ("labelsTr", label), ("regionsTr", brain)):
            stored = values.astype(np.float32 if folder == "imagesTr" else np.uint8)
            nib.save(nib.Nifti1Image(stored, affine), out / folder / f"{case}.nii.gz")
    (out / "dataset.json").write_text(
        '{"name": "MS lesions, real masks in images that are partly made", "channel_names": {"0": "FLAIR"},'
        ' "labels": {"background": 0, "lesion": 1}, "file_ending": ".nii.gz"}\n'
    )


def read_brains(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """FLAIR in standard deviations within the brain, lesions filled; the brain; the affine."""
    for path in sorted(folder.glob("*_brain.nii.gz")):
        patient = path.name.removesuffix("_brain.nii.gz")
        brain = nib.load(path)
        (flair,) = folder.glob(f"{patient}_FLAIR*.nii.gz")
        inside = np.asarray(brain.dataobj) > 0
        values = np.asarray(nib.load(flair).dataobj, np.float32)
        lesions = np.asarray(nib.load(folder / f"{patient}_lesions.nii.gz").dataobj) > 0
        values = (values - values[inside].mean()) / values[inside].std()
        yield filled(values, inside, ndimage.binary_dilation(lesions)), inside, brain.affine


def filled(values: np.ndarray, inside: np.ndarray, lesions: np.ndarray) -> np.ndarray:
    """The image with lesions replaced by the mean around them, by distance, and by noise."""
    around = inside & ~lesions
    weights = sum(ndimage.gaussian_filter(around.astype(np.float32), sd) for sd in (2, 4, 8)) + 1e-6
    means = sum(ndimage.gaussian_filter(np.where(around, values, 0), sd) for sd in (2, 4, 8)) / weights
    noise = np.random.default_rng(0).normal(0, NOISE, values.shape)
    return np.where(lesions & inside, means + noise, values).astype(np.float32)


def on_grid(mask: nib.Nifti1Image, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """A mask on another grid of the same axes and voxels."""
    if not np.allclose(mask.affine[:3, :3], affine[:3, :3], atol=1e-3):
        raise SystemExit(f"{mask.get_filename()}: voxels of 1 mm with the axes of the images were expected")
    offset = np.round(np.linalg.inv(mask.affine) @ affine[:, 3])[:3].astype(int)
    values, result = np.asarray(mask.dataobj) > 0, np.zeros(shape, bool)
    theirs = tuple(slice(max(o, 0), min(o + n, m)) for o, n, m in zip(offset, shape, values.shape, strict=True))
    ours = tuple(slice(place.start - o, place.stop - o) for place, o in zip(theirs, offset, strict=True))
    result[ours] = values[theirs]
    return result


def without_debris(mask: np.ndarray) -> np.ndarray:
    components, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return (sizes >= SMALLEST)[components]


def with_lesions(image: np.ndarray, brain: np.ndarray, mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The image with the lesions of a mask, each of its own contrast, in a bias field and with noise."""
    components, number = ndimage.label(mask, np.ones((3, 3, 3)))
    contrasts = np.concatenate([[0], np.maximum(random.normal(CONTRAST, CONTRAST_SD, number), 0.5)])
    lesions = ndimage.gaussian_filter(contrasts[components].astype(np.float32), BLUR)
    coarse = random.normal(0, 1, (4, 4, 4))
    field = ndimage.zoom(coarse, np.array(image.shape) / 4, order=3)
    made = (image + lesions) * (1 + BIAS * field / np.abs(field).max()) + random.normal(0, NOISE, image.shape)
    return np.where(brain, made, 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("images", "masks", "out"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    main(**vars(parser.parse_args()))
