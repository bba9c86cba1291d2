"""Tiny imitations of the official CT archives (and the Decathlon's MR): names, folders, formats and quirks are exact.

Each ``write_*`` function writes what a person downloads into a folder and returns the paths.
"""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

Pair = tuple[nibabel.Nifti1Image, nibabel.Nifti1Image | None]
APPLE_DOUBLE = b"\0\5\26\7\0\2\0\0Mac OS X        "

OBLIQUE = np.array([[-0.70, 0.06, 0.10, 31.5], [0.05, -0.79, 0.20, -12.25], [0.02, 0.08, 2.49, -80.0], [0, 0, 0, 1]])
"""x and y are reversed, as in most CT, and the gantry is tilted."""


def ramp(*shape: int) -> np.ndarray:
    """int16 whose steps distinguish the axes: 200 x + 10 y + z - 3000."""
    x, y, z = np.ogrid[tuple(slice(length) for length in shape)]
    return (200 * x + 10 * y + z - 3000).astype(np.int16)


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def nifti(image: nibabel.Nifti1Image, compressed: bool) -> bytes:
    stream = io.BytesIO()
    image.to_stream(stream)
    return gzip.compress(stream.getvalue(), 1, mtime=0) if compressed else stream.getvalue()


def nifti_pair(image: np.ndarray, mask: np.ndarray, affine: np.ndarray = OBLIQUE, apart: float = 0.0) -> Pair:
    """Image and mask, whose origins lie ``apart`` mm from each other."""
    moved = affine.copy()
    moved[0, 3] += apart
    return nibabel.Nifti1Image(image, affine), nibabel.Nifti1Image(mask, moved)


# LUNA16 and LIDC

SPACING = (0.75, 0.5, 2.5)
ORIGIN = (-20.0, 8.5, -100.25)
SHAPE = (40, 32, 28)
STUDY = "1.3.6.1.4.1.14519.5.2.1.6279.6001."
CONSENSUS = f"{STUDY}100000000000000000000000000001"
DISTANT = f"{STUDY}100000000000000000000000000002"
FLIPPED_UNKNOWN = f"{STUDY}100000000000000000000000000003"
SMALL_LUNG = f"{STUDY}100000000000000000000000000004"
REVERSED = f"{STUDY}282512043257574309474415322775"
LEFT_OUT = f"{STUDY}130438550890816550994739120843"
BAD = {
    name: f"{STUDY}9000000000000000000000000000{number:02d}"
    for number, name in enumerate(
        (
            "no lungs",
            "twice",
            "no reading",
            "shape",
            "position",
            "voxels",
            "xml",
            "constant",
            "outside",
            "alone",
        ),
        start=10,
    )
}


def plain(number: int) -> str:
    """Scans without nodules: 0-6 in subset 5, 7 and 8 in subset 6, 9 in subset 7, 10-12 in subset 9."""
    return f"{STUDY}2000000000000000000000000000{number:02d}"


def ring(left: int, top: int, right: int, bottom: int) -> list[tuple[int, int]]:
    """The closed chain of voxels around a rectangle, as readers' outlines are stored: the first point comes again."""
    return [
        *((x, top) for x in range(left, right)),
        *((right, y) for y in range(top, bottom)),
        *((x, bottom) for x in range(right, left, -1)),
        *((left, y) for y in range(bottom, top, -1)),
        (left, top),
    ]


def roi(slice_position: float, points: Iterable[tuple[int, int]], inclusion: bool = True) -> str:
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>\n<!-- an edge -->" for x, y in points)
    return (
        f"<roi><imageZposition>{ORIGIN[2] + slice_position * SPACING[2]} </imageZposition>"
        f"<imageSOP_UID>1.2.3.{slice_position}</imageSOP_UID>"
        f"<inclusion>{str(inclusion).upper()}</inclusion>{edges}</roi>"
    )


def nodule(*rois: str) -> str:
    traits = "<characteristics><subtlety>5</subtlety><malignancy>3</malignancy></characteristics>"
    return f"<unblindedReadNodule><noduleID>7</noduleID>{traits}{''.join(rois)}</unblindedReadNodule>"


def reading(series: str, *sessions: Iterable[str], root: str = "LidcReadMessage") -> bytes:
    reviews = "".join(
        "<readingSession><annotationVersion>3.12</annotationVersion>"
        f"<servicingRadiologistID>anonymous</servicingRadiologistID>{''.join(session)}</readingSession>"
        for session in sessions
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} uid="1.3.6.1" xmlns="http://www.nih.gov"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<ResponseHeader><Version>1.8.1</Version>'
        f"<StudyInstanceUID>1.2.3</StudyInstanceUID><SeriesInstanceUid>{series}</SeriesInstanceUid>"
        f"</ResponseHeader>\n<!-- four readers -->{reviews}</{root}>"
    ).encode()


def around(x: int, y: int, z: float) -> str:
    """A nodule outlined by a square of 5 voxels around a voxel."""
    return nodule(roi(z, ring(x - 2, y - 2, x + 2, y + 2)))


def consensus_reading() -> bytes:
    """Four readers of one nodule at (14, 14, 13); what they mark is stated in the tests."""
    other = (
        "<nonNodule><nonNoduleID>1</nonNoduleID><imageZposition>-70</imageZposition>"
        "<locus><xCoord>14</xCoord><yCoord>14</yCoord></locus></nonNodule>"
    )
    return reading(
        CONSENSUS,
        [
            nodule(
                roi(13, ring(13, 13, 15, 15), inclusion=False),
                roi(13, ring(10, 10, 18, 18)),
                roi(12, ring(12, 12, 16, 16)),
            ),
            other,
        ],
        [nodule(roi(13, ring(11, 10, 19, 18))), nodule(roi(13, ring(17, 10, 20, 18))), nodule()],
        [nodule(roi(12.8, ring(10, 12, 13, 16))), nodule(roi(13, [(20, 14)]))],
        [other, around(30, 25, 20)],
    )


def metaimage(folder: Path, name: str, array: np.ndarray, flipped: bool = False, **geometry: tuple) -> None:
    """Write (x, y, z) as .mhd with .raw for scans and .zraw for masks; ``flipped`` reverses the axes x and y."""
    image = SimpleITK.GetImageFromArray(array.transpose())
    image.SetSpacing(geometry.get("spacing", SPACING))
    image.SetOrigin(geometry.get("origin", ORIGIN))
    if flipped:
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    folder.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(folder / f"{name}.mhd"), useCompression=array.dtype == np.uint8)


def lungs(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Two lungs that form a box from (12, 12, 12) to before (20, 19, 15), and three voxels of trachea far away."""
    mask = np.zeros(shape, np.uint8)
    mask[12:16, 12:19, 12:15], mask[16:20, 12:19, 12:15] = 3, 4
    mask[15:17, 15, 13] = 0  # a vessel
    mask[36, 28, 3:6] = 5
    return mask


def write_luna16(folder: Path) -> list[Path]:
    """subset0.zip to subset9.zip, seg-lungs-LUNA16.zip, annotations.csv and LIDC-XML-only.zip."""
    stage = folder / "stage"
    subset_of = {plain(number): subset for number, subset in enumerate([5] * 7 + [6, 6, 7] + [9] * 3)}
    subset_of |= {CONSENSUS: 0, DISTANT: 2, REVERSED: 8, FLIPPED_UNKNOWN: 8, SMALL_LUNG: 9, LEFT_OUT: 0}
    subset_of |= dict.fromkeys(BAD.values(), 8)
    for scan, subset in subset_of.items():
        image = np.zeros(SHAPE, np.int16) if scan == BAD["constant"] else ramp(*SHAPE)
        mask = lungs()
        if scan == SMALL_LUNG:
            mask[16:20] = 0
            mask[17, 12:14, 12] = 4
        flipped = scan in (REVERSED, FLIPPED_UNKNOWN)
        metaimage(stage / f"subset{subset}", scan, image, flipped)
        if scan == BAD["shape"]:
            mask = mask[:-1]
        moved = {"origin": (ORIGIN[0] + 1, *ORIGIN[1:])} if scan == BAD["position"] else {}
        if scan != BAD["no lungs"]:
            metaimage(stage / "seg-lungs-LUNA16", scan, mask, flipped, **moved)
    metaimage(stage / "subset3", BAD["twice"], ramp(*SHAPE))
    voxels = stage / "subset8" / f"{BAD['voxels']}.raw"
    voxels.write_bytes(voxels.read_bytes()[:100])

    archives = [
        zipped(
            folder / f"{part}.zip",
            {f"{part}/{path.name}": path.read_bytes() for path in sorted((stage / part).glob("*"))} | {f"{part}/": b""},
        )
        for part in (*(f"subset{number}" for number in range(10)), "seg-lungs-LUNA16")
    ]
    return [*archives, _annotations(folder / "annotations.csv"), _readings(folder / "LIDC-XML-only.zip")]


def _annotations(path: Path) -> Path:
    voxels = {
        CONSENSUS: [(14.3, 13.8, 13.2)],
        DISTANT: [(12, 10, 8)],
        LEFT_OUT: [(14, 14, 13)],
        BAD["no reading"]: [(14, 14, 13)],
        BAD["xml"]: [(14, 14, 13)],
        BAD["outside"]: [(14, 14, 28)],
        BAD["alone"]: [(14, 14, 13), (25, 25, 20)],
    }
    rows = [
        (scan, *np.add(ORIGIN, np.multiply(SPACING, centre)), 6.5)
        for scan, centres in voxels.items()
        for centre in centres
    ]
    for scan in (REVERSED, FLIPPED_UNKNOWN):
        rows.append((scan, *np.add(ORIGIN, np.multiply(SPACING, (-6, -7, 9))), 4.0))
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\n" + "\n".join(lines) + "\n")
    return path


def _readings(path: Path) -> Path:
    two = [[around(14, 14, 13)], [around(14, 14, 13)]]
    distant = [around(22, 10, 8), around(12, 21, 8), around(12, 10, 13)]
    alone = [around(14, 14, 13), around(25, 25, 20)]
    whole = reading(BAD["xml"], *two)
    return zipped(
        path,
        {
            "tcia-lidc-xml/157/158.xml": consensus_reading(),
            "tcia-lidc-xml/157/159.xml": reading(DISTANT, distant, distant),
            "tcia-lidc-xml/185/068.xml": reading(REVERSED, [around(6, 7, 9)], [around(6, 7, 9)], []),
            "tcia-lidc-xml/185/069.xml": reading(FLIPPED_UNKNOWN, [around(6, 7, 9)], [around(6, 7, 9)]),
            "tcia-lidc-xml/186/001.xml": reading(LEFT_OUT, *two),
            "tcia-lidc-xml/186/002.xml": whole[: len(whole) // 2],
            "tcia-lidc-xml/186/003.xml": reading(BAD["outside"], *two),
            "tcia-lidc-xml/186/004.xml": reading(BAD["alone"], alone, alone[:1]),
            "tcia-lidc-xml/187/001.xml": reading(BAD["no reading"], *two, root="IdriReadMessage"),
            "tcia-lidc-xml/187/002.xml": b"",
        },
    )


# LiTS

LITS_TUMOUR = (11, 9, 7)
LITS_OUTLYING = (20, 9, 7)
"""A tumour voxel farther than the margin from any healthy liver."""


def lits_mask() -> np.ndarray:
    mask = np.zeros((24, 22, 20), np.uint8)
    mask[8:13, 8:12, 6:10] = 1
    mask[LITS_TUMOUR] = mask[LITS_OUTLYING] = 2
    return mask


def _lits_pairs() -> dict[str, Pair]:
    image, mask = ramp(24, 22, 20), lits_mask()
    pairs = {number: nifti_pair(image, mask) for number in ("0", "27", "28", "32", "33", "130")}
    shifted = nibabel.Nifti1Image(image + np.int16(1024), OBLIQUE)
    shifted.header.set_slope_inter(1, -1024)
    pairs["27"] = (shifted, nibabel.Nifti1Image(mask.astype(np.float32), OBLIQUE))
    rounded = OBLIQUE + np.diag([2e-5, 0, 0, 0])
    pairs["28"] = (pairs["28"][0], nibabel.Nifti1Image(mask, rounded))
    pairs["32"] = nifti_pair(image[..., None], mask[..., None])
    broken = image.astype(np.float32)
    broken[9, 9, 7] = np.nan
    return pairs | {
        "40": (pairs["0"][0], None),
        "41": nifti_pair(image, mask[:, :-1]),
        "42": nifti_pair(image, mask, apart=0.5),
        "43": nifti_pair(image, mask + 2 * (mask == 2).astype(np.uint8)),
        "44": nifti_pair(broken, mask),
        "45": nifti_pair(np.full_like(image, -50), mask),
        "46": nifti_pair(np.stack([image, image], -1), mask),
        "48": pairs["0"],
        "49": nifti_pair(image, np.zeros_like(mask)),
    }


def write_lits(folder: Path) -> list[Path]:
    """Training_Batch1.zip and Training_Batch2.zip; case 47 is not a NIfTI, case 48 is in both batches."""
    batches: dict[int, dict[str, bytes]] = {1: {}, 2: {}}
    for number, (image, mask) in _lits_pairs().items():
        batch = 1 if int(number) < 28 else 2
        members = batches[batch]
        members[f"Training Batch {batch}/volume-{number}.nii"] = nifti(image, compressed=False)
        if mask is not None:
            members[f"Training Batch {batch}/segmentation-{number}.nii"] = nifti(mask, compressed=False)
    batches[2]["Training Batch 2/volume-47.nii"] = b"not a volume"
    batches[2]["Training Batch 2/segmentation-47.nii"] = batches[1]["Training Batch 1/segmentation-0.nii"]
    batches[1]["Training Batch 1/volume-48.nii"] = batches[1]["Training Batch 1/volume-0.nii"]
    batches[1]["__MACOSX/Training Batch 1/._volume-0.nii"] = APPLE_DOUBLE
    return [zipped(folder / f"Training_Batch{batch}.zip", members) for batch, members in batches.items()]


# Medical Segmentation Decathlon

DECATHLON = {
    "Task03_Liver": ("liver", "CT", ["background", "liver", "cancer"]),
    "Task04_Hippocampus": ("hippocampus", "MRI", ["background", "Anterior", "Posterior"]),
    "Task07_Pancreas": ("pancreas", "CT", ["background", "pancreas", "cancer"]),
}


def decathlon_pair(number: int) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((18, 16, 14), np.uint8)
    mask[5:9, 5:10, 4:8] = 1
    mask[7, 7 : 7 + number % 3, 6] = 2
    return ramp(18, 16, 14) + np.int16(number), mask


def write_decathlon(folder: Path, task: str) -> list[Path]:
    """The task's tar: ten cases with masks, one listed without its files, one listed twice, one with label 3."""
    name, modality, labels = DECATHLON[task]
    members: dict[str, bytes] = {}
    for number in range(12):
        image, mask = decathlon_pair(number)
        mask[0, 0, 0] = 3 if number == 11 else 0
        pair = nifti_pair(image, mask)
        for part, scan in zip(("imagesTr", "labelsTr"), pair, strict=True):
            members[f"{task}/{part}/._{name}_{number:03d}.nii.gz"] = APPLE_DOUBLE
            members[f"{task}/{part}/{name}_{number:03d}.nii.gz"] = nifti(scan, compressed=True)
    members[f"{task}/imagesTs/{name}_013.nii.gz"] = members[f"{task}/imagesTr/{name}_000.nii.gz"]
    listed = [f"{name}_{number:03d}.nii.gz" for number in (*range(13), 10)]
    description = {
        "name": name.capitalize(),
        "description": f"{name} segmentation",
        "licence": "CC-BY-SA 4.0",
        "relase": "1.0 27/08/2018",
        "tensorImageSize": "3D",
        "modality": {"0": modality},
        "labels": {str(value): label for value, label in enumerate(labels)},
        "numTraining": len(listed),
        "numTest": 1,
        "training": [{"image": f"./imagesTr/{file}", "label": f"./labelsTr/{file}"} for file in listed],
        "test": [f"./imagesTs/{name}_013.nii.gz"],
    }
    members[f"{task}/._dataset.json"] = APPLE_DOUBLE
    members[f"{task}/dataset.json"] = json.dumps(description).encode()
    archive = folder / f"{task}.tar"
    with tarfile.open(archive, "w") as tar:
        for path, content in members.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return [archive]


# AbdomenCT-1K and AMOS


def organs(shape: tuple[int, ...], count: int) -> np.ndarray:
    """A mask in which each of ``count`` organs is one row of voxels."""
    mask = np.zeros(shape, np.uint8)
    for organ in range(1, count + 1):
        mask[2:6, organ, 3] = organ
    return mask


def write_abdomenct1k(folder: Path) -> list[Path]:
    """The three image parts and Mask.zip; case 11 has no mask, the mask of case 12 a fifth organ."""
    shape = (20, 18, 12)
    images: dict[int, dict[str, bytes]] = {1: {}, 2: {}, 3: {}}
    masks = {}
    for number in range(1, 13):
        image, mask = nifti_pair(ramp(*shape), organs(shape, 5 if number == 12 else 4))
        part, case = 1 + number % 3, f"Case_{number:05d}"
        images[part][f"AbdomenCT-1K-ImagePart{part}/{case}_0000.nii.gz"] = nifti(image, compressed=True)
        if number != 11:
            masks[f"Mask/{case}.nii.gz"] = nifti(mask, compressed=True)
    parts = [zipped(folder / f"AbdomenCT-1K-ImagePart{part}.zip", members) for part, members in images.items()]
    return [*parts, zipped(folder / "Mask.zip", masks)]


def write_amos22(folder: Path) -> list[Path]:
    """amos22.zip: ten CT and one MRI to train with, two CT and one MRI to validate; amos_0018 has no mask."""
    shape = (22, 20, 10)
    numbers = {"Tr": (1, 4, 5, 6, 7, 9, 10, 11, 14, 15, 507), "Va": (8, 13, 18, 600), "Ts": (2, 3)}
    members = {"amos22/readme.md": b"id numbers less than 500 belong to CT data"}
    for part, of_part in numbers.items():
        for number in of_part:
            image, mask = nifti_pair(ramp(*shape), organs(shape, 15))
            file = f"amos_{number:04d}.nii.gz"
            members[f"amos22/images{part}/{file}"] = nifti(image, compressed=True)
            members[f"amos22/images{part}/._{file}"] = APPLE_DOUBLE
            if part != "Ts" and number != 18:
                members[f"amos22/labels{part}/{file}"] = nifti(mask, compressed=True)
    members["amos22/dataset.json"] = json.dumps({"name": "AMOS", "labels": {"0": "background"}}).encode()
    return [zipped(folder / "amos22.zip", members)]
