"""Predictions as files: PNG and TIFF of pictures, NIfTI of volumes, on the grid of the image."""

import gzip
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from lib.datasets.readers import Volume
from lib.errors import SeglossError
from lib.files import atomic_path
from lib.labels import Labels
from lib.prediction.cases import ImageCase

LONGEST = 32767
"""Voxels on an axis of NIfTI-1."""


def names_of(case: ImageCase, labels: Labels, probabilities: bool) -> dict[tuple[str, str], str]:
    """The files of a case by kind (``labels`` or ``probability``) and class; class "" is that of all together.

    Labels of exclusive classes are one file; structures that overlap have one each, of 0 and 1. Probabilities are one
    file a class, of two exclusive classes the second's alone.
    """
    ending = {"labels": "nii.gz", "probability": "nii.gz"}
    if not case.is_volume:
        ending = {"labels": "png", "probability": "tif"}
    parts = [""] if labels.exclusive else labels.names
    names = {("labels", part): f"{'_'.join(filter(None, [case.name, _as_word(part)]))}" for part in parts}
    if probabilities:
        classes = labels.names[1:] if labels.binary else labels.names
        names |= {("probability", part): f"{case.name}_probability_{_as_word(part)}" for part in classes}
    return {key: f"{name}.{ending[key[0]]}" for key, name in names.items()}


def _as_word(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)


def check_free(out: Path, names: Iterable[str]) -> None:
    """Check that files of these names can be made in a folder.

    Raises:
        SeglossError: one is there, two have the same name, or the folder is none.
    """
    if out.exists() and not out.is_dir():
        raise SeglossError(f"{out}: a folder was expected; name another with --out")
    seen: set[str] = set()
    for name in names:
        if (out / name).exists() or (out / name).is_symlink():
            raise SeglossError(f"{out / name}: is there already; delete it or name another folder with --out")
        if name in seen:
            raise SeglossError(f"{out / name}: would be made of two images; rename one of them")
        seen.add(name)


def arrays_of(values: Mapping[str, np.ndarray], labels: Labels) -> dict[tuple[str, str], np.ndarray]:
    """The array (*spatial) of each file that :func:`names_of` names.

    Args:
        values: ``labels`` and, of as many channels as :meth:`Labels.decide` has, ``probability`` if there is one.
    """
    label, probability = values["labels"], values.get("probability")
    parts = {("labels", ""): label} if labels.exclusive else _by_class("labels", label, labels)
    if probability is None:
        return parts
    if labels.binary:
        return parts | {("probability", labels.names[1]): probability}
    return parts | _by_class("probability", probability, labels)


def _by_class(kind: str, values: np.ndarray, labels: Labels) -> dict[tuple[str, str], np.ndarray]:
    return {(kind, name): channel for name, channel in zip(labels.names, values, strict=True)}


def write_volume(path: Path, values: np.ndarray, image: Volume) -> None:
    """Write values (*spatial) as NIfTI, in the place of the image; those of 2D images, rows first, with x first."""
    import nibabel

    affine, spacing = image.affine, image.spacing
    if values.ndim == 2:
        values, spacing = values.T, spacing[::-1]
        affine = affine if affine is None else affine[:, [1, 0, 2, 3]]
    if affine is None:
        affine = np.diag([*(*spacing, 1.0)[:3], 1.0])
    kind = nibabel.Nifti2Image if max(values.shape) > LONGEST else nibabel.Nifti1Image
    nifti = kind(values, affine)
    nifti.header.set_xyzt_units("mm")
    with atomic_path(path) as beside:
        beside.write_bytes(gzip.compress(nifti.to_bytes(), mtime=0))


def write_picture(path: Path, values: np.ndarray) -> None:
    """Write values (height, width): uint8 as PNG, float32 as TIFF."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG" if values.dtype == np.uint8 else "TIFF")
    with atomic_path(path) as beside:
        beside.write_bytes(stream.getbuffer())
