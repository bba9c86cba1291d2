"""Tiny imitations of official archives: the publisher's names, folders, formats and quirks, with content of our own.

A ``Tree`` holds the files of an archive by path; :func:`unpacked` packs one as a zip, or a tar, and extracts it again.
"""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from lib.datasets.raw import RawFiles

Tree = dict[str, bytes]
JUNK = {"__MACOSX/._case": b"junk", ".DS_Store": b"junk", "MANIFEST.TXT": b"names and checksums"}
AFFINE = np.array([[-0.9, 0, 0, 110], [0, 1.1, 0, -120], [0, 0, 3, -60], [0, 0, 0, 1.0]])


def unpacked(folder: Path, tree: Tree, tar: bool = False) -> RawFiles:
    """Pack ``tree``, extract the archive and look at what it held."""
    archive, raw = folder / ("archive.tar.gz" if tar else "archive.zip"), folder / "raw"
    if tar:
        with tarfile.open(archive, "w:gz") as packed:
            for name, content in (JUNK | tree).items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))
        with tarfile.open(archive) as packed:
            packed.extractall(raw, filter="data")
    else:
        with zipfile.ZipFile(archive, "w") as packed:
            for name, content in (JUNK | tree).items():
                packed.writestr(name, content)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(raw)
    return RawFiles([raw])


def nifti(array: np.ndarray, affine: np.ndarray = AFFINE, compressed: bool = True) -> bytes:
    content = nibabel.Nifti1Image(array, affine, dtype=array.dtype).to_bytes()
    return gzip.compress(content, 1, mtime=0) if compressed else content


def picture(array: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()


def random(seed: int, *shape: int) -> np.ndarray:
    """Values between 0 and 200, no two volumes alike."""
    return np.random.default_rng(seed).integers(0, 200, shape)


def block(*shape: int) -> np.ndarray:
    """A mask of 1 on the middle of each axis."""
    mask = np.zeros(shape, np.uint8)
    mask[tuple(slice(length // 4, length - length // 4) for length in shape)] = 1
    return mask


WMH_SUBJECTS = {
    "Utrecht": [0, 2, 4, 6, 8, 11, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 49],
    "Singapore": list(range(50, 70)),
    "GE3T": [*range(100, 111), *range(112, 117), 126, 132, 137, 144],
}


def wmh_mask(seed: int = 0, shape: Sequence[int] = (12, 9, 3)) -> np.ndarray:
    """Lesions of label 1 and, next to them, other pathology of label 2."""
    mask = block(*shape).astype(np.float32)
    mask[-2:, -3:] = 2
    return np.roll(mask, seed, axis=0)


def wmh2017(subjects: dict[str, Sequence[int]], dataverse: bool = True) -> Tree:
    """FLAIR float32, T1 uint16, mask float32; also 3DT1, `orig`, the test part and other observers."""
    tree: Tree = {}
    for site, numbers in subjects.items():
        for number in numbers:
            at = f"training/{'Amsterdam/' * (site == 'GE3T')}" * dataverse + f"{site}/{number}"
            tree |= {
                f"{at}/pre/FLAIR.nii.gz": nifti(random(number, 12, 9, 3).astype(np.float32) * 1.5 - 7),
                f"{at}/pre/T1.nii.gz": nifti(random(number + 1, 12, 9, 3).astype(np.uint16)),
                f"{at}/pre/3DT1.nii.gz": b"",
                f"{at}/orig/FLAIR.nii.gz": b"",
                f"{at}/orig/T1.nii.gz": b"",
                f"{at}/wmh.nii.gz": nifti(wmh_mask(number)),
            }
    if dataverse:
        for at in ("test/Utrecht/1", "test/Amsterdam/GE3T/101", "test/Amsterdam/Philips_VU .PETMR_01./160"):
            tree |= {f"{at}/{name}.nii.gz": b"" for name in ("pre/FLAIR", "pre/T1", "wmh")}
        tree["additional_annotations/observer_o3/training/Utrecht/0/result.nii.gz"] = b""
    return tree


ISLES_TYPES = {
    "CT": np.int32,
    "CT_CBF": np.uint16,
    "CT_CBV": np.uint16,
    "CT_MTT": np.float64,
    "CT_Tmax": np.float64,
    "CT_4DPWI": np.int16,
    "OT": np.uint8,
}


def isles2018(numbers: Iterable[int]) -> Tree:
    """Uncompressed NIfTI in a folder of its own name, the type naming the modality; tests without OT."""
    tree: Tree = {}
    for number in numbers:
        for shift, (modality, kind) in enumerate(ISLES_TYPES.items()):
            name = f"SMIR.Brain.XX.O.{modality}.{345560 + 10 * number + shift}"
            shape = (16, 16, 2, 5) if modality == "CT_4DPWI" else (16, 16, 2)
            values = block(*shape) if modality == "OT" else random(10 * number + shift, *shape) - 100 * (shift == 0)
            content = nifti(values.astype(kind), compressed=False)
            tree[f"TRAINING/case_{number}/{name}/{name}.nii"] = content
            if modality != "OT":
                tree[f"TESTING/case_{number}/{name}/{name}.nii"] = content
    return tree


def acdc_mask() -> np.ndarray:
    mask = block(10, 14, 2)
    mask[4:6, 5:8] = 3
    mask[:, -3:] = 2
    return mask


def acdc(patients: Iterable[int]) -> Tree:
    """Two frames a patient next to the 4D series and Info.cfg; patients from 101 on are the test part of 2022."""
    tree: Tree = {}
    for number in patients:
        name = f"patient{number:03d}"
        at = f"ACDC/database/{'training' if number <= 100 else 'testing'}/{name}/{name}"
        tree[f"{at}_4d.nii.gz"] = nifti(random(number, 4, 4, 2, 5).astype(np.int16))
        tree[f"{Path(at).parent.as_posix()}/Info.cfg"] = b"ED: 1\nES: 12\nGroup: DCM\n"
        for frame in (1, 12):
            tree[f"{at}_frame{frame:02d}.nii.gz"] = nifti(random(number + frame, 10, 14, 2).astype(np.int16))
            tree[f"{at}_frame{frame:02d}_gt.nii.gz"] = nifti(acdc_mask())
    return tree


def isic2017(**numbers: Iterable[int]) -> Tree:
    """Photographs with superpixels and a table next to them, masks of 0 and 255; ``numbers`` by Training, ...

    They are JPEG files, so tests compare with what a decoder makes of them.
    """
    tree: Tree = {}
    for folder, of_folder in numbers.items():
        data, truth = f"ISIC-2017_{folder}_Data", f"ISIC-2017_{folder}_Part1_GroundTruth"
        tree[f"{data}/ISIC-2017_{folder}_Data_metadata.csv"] = b"image_id,age_approximate,sex\n"
        content = {
            ".jpg": picture(random(1, 30, 40, 3).astype(np.uint8), "JPEG"),
            "_superpixels.png": b"",
            "_segmentation.png": picture(255 * block(30, 40)),
        }
        for number in of_folder:
            for ending, file in content.items():
                tree[f"{truth if 'segm' in ending else data}/ISIC_{number:07d}{ending}"] = file
    return tree


def shenzhen(names: Iterable[str], unmasked: Iterable[str] = ()) -> Tree:
    """Images as three equal channels, masks of the other publisher with a suffix; some images without mask."""
    grey = random(2, 20, 30).astype(np.uint8)
    image, mask = picture(np.dstack([grey] * 3)), picture(255 * block(20, 30))
    masked, unmasked = list(names), list(unmasked)
    return (
        {f"ChinaSet_AllFiles/CXR_png/{name}.png": image for name in masked + unmasked}
        | {f"mask/mask/{name}_mask.png": mask for name in masked}
        | {
            "ChinaSet_AllFiles/CXR_png/Thumbs.db": b"",
            "ChinaSet_AllFiles/ClinicalReadings/CHNCXR_0001_0.txt": b"",
        }
    )


def montgomery(names: Iterable[str]) -> Tree:
    """One grey image and two masks a name, which the folder distinguishes."""
    left, right = np.zeros((2, 24, 20), bool)
    left[4:20, 11:18] = right[6:22, 2:9] = True
    tree: Tree = {
        "MontgomerySet/ClinicalReadings/MCUCXR_0001_0.txt": b"",
        "MontgomerySet/NLM-Readme.pdf": b"",
    }
    for name in names:
        tree |= {
            f"MontgomerySet/CXR_png/{name}.png": picture(random(3, 24, 20).astype(np.uint8)),
            f"MontgomerySet/ManualMask/leftMask/{name}.png": picture(left),
            f"MontgomerySet/ManualMask/rightMask/{name}.png": picture(right),
        }
    return tree


def retinal_lesions(parts: dict[str, Sequence[str]]) -> Tree:
    """Two of the eight classes, one with the value 127; every third photograph has no mask. ``parts`` by train, ..."""
    tree: Tree = {"classes.txt": b"microaneurysm,MA\nhard_exudate,HaEx\n"}
    tree |= {f"{part}.txt": "".join(f"{name}\n" for name in names).encode() for part, names in parts.items()}
    spots, exudates = np.zeros((2, 18, 18), np.uint8)
    spots[2:5, 2:5], exudates[4:9, 4:9], exudates[12:15, 3:6] = 255, 255, 127
    for number, name in enumerate(name for names in parts.values() for name in names):
        tree[f"images_896x896/{name}.jpg"] = picture(random(number, 18, 18, 3).astype(np.uint8), "JPEG")
        if number % 3 < 2:
            tree[f"lesion_segs_896x896/{name}/hard_exudate.png"] = picture(exudates)
            tree[f"lesion_segs_896x896/{name}/microaneurysm.png"] = picture(spots)
    return {f"retinal-lesions-v20191227/{name}": content for name, content in tree.items()}


RETINAL_CLASSES = (
    *("microaneurysm", "intraretinal_hemorrhage", "hard_exudate", "cotton_wool_spots", "vitreous_hemorrhage"),
    *("preretinal_hemorrhage", "neovascularization", "fibrous_proliferation"),
)


def retinal_classes(name: str) -> Tree:
    """Files of all eight classes for a photograph: the n-th on row n, its last voxel of the value 127."""
    tree: Tree = {}
    for row, of_class in enumerate(RETINAL_CLASSES):
        mask = np.zeros((18, 18), np.uint8)
        mask[row, 3:8], mask[row, 8] = 255, 127
        tree[f"retinal-lesions-v20191227/lesion_segs_896x896/{name}/{of_class}.png"] = picture(mask)
    return tree


def cityscapes(cities: dict[str, str], frames: int = 2) -> Tree:
    """All 34 ids in a row of the mask; next to it its other renderings; ``cities`` -> train, val or test."""
    ids = np.repeat(np.arange(34, dtype=np.uint8)[None], 8, axis=0)
    image = picture(random(4, 8, 34, 3).astype(np.uint8))
    tree: Tree = {"license.txt": b"", "README": b""}
    for city, part in cities.items():
        for frame in range(frames):
            name = f"{city}_{frame:06d}_000019"
            tree[f"leftImg8bit/{part}/{city}/{name}_leftImg8bit.png"] = image
            for rendering in ("labelIds", "instanceIds", "color"):
                tree[f"gtFine/{part}/{city}/{name}_gtFine_{rendering}.png"] = picture(ids)
    return tree


def cvc_clinicdb(frames: Iterable[int]) -> Tree:
    """Uncompressed TIFF; the masks' edges are not quite 255."""
    mask = 255 * block(12, 16)
    mask[3, 4:8], mask[4, 4:8] = 127, 128
    image = picture(random(5, 12, 16, 3).astype(np.uint8), "TIFF")
    tree: Tree = {}
    for frame in frames:
        tree[f"CVC-ClinicDB/Original/{frame}.tif"] = image
        tree[f"CVC-ClinicDB/Ground Truth/{frame}.tif"] = picture(mask, "TIFF")
    return tree


def kvasir_seg(names: Iterable[str]) -> Tree:
    """JPEG for both, the mask in three channels."""
    mask = np.dstack([255 * block(16, 24)] * 3)
    tree: Tree = {"Kvasir-SEG/kvasir_bboxes.json": b"{}"}
    for name in names:
        image = random(6, 16, 24, 3).astype(np.uint8)
        tree[f"Kvasir-SEG/images/{name}.jpg"] = picture(image, "JPEG")
        tree[f"Kvasir-SEG/masks/{name}.jpg"] = picture(mask, "JPEG")
    return tree


IDRID_FOLDERS = {
    "MA": "1. Microaneurysms",
    "HE": "2. Haemorrhages",
    "EX": "3. Hard Exudates",
    "SE": "4. Soft Exudates",
    "OD": "5. Optic Disc",
}


def idrid_masks() -> dict[str, np.ndarray]:
    """Masks of which each overlaps the next, and one that is absent."""
    masks = {name: np.zeros((20, 30), bool) for name in ("MA", "HE", "EX", "OD")}
    masks["MA"][2:8, 2:8] = masks["HE"][5:12, 5:12] = masks["EX"][9:16, 9:16] = masks["OD"][0:20, 14:24] = True
    return masks


def idrid(training: Iterable[int], testing: Iterable[int]) -> Tree:
    """Masks in red, LZW-compressed, with a palette or with opacity; another part of the data set next to them."""
    tree: Tree = {"B. Disease Grading/1. Original Images/a. Training Set/IDRiD_001.jpg": b""}
    top = "A. Segmentation"
    for folder, numbers in (("a. Training Set", training), ("b. Testing Set", testing)):
        for number in numbers:
            name = f"IDRiD_{number:02d}"
            image = picture(random(number, 20, 30, 3).astype(np.uint8), "JPEG")
            tree[f"{top}/1. Original Images/{folder}/{name}.jpg"] = image
            for kind, mask in idrid_masks().items():
                red = np.zeros((20, 30, 4), np.uint8)
                red[mask, 0], red[..., 3] = 255, 255
                stream = io.BytesIO()
                drawn = Image.fromarray(red)
                if kind == "MA":
                    drawn = drawn.convert("RGB").quantize(2)
                drawn.save(stream, "TIFF", compression="tiff_lzw")
                path = f"{top}/2. All Segmentation Groundtruths/{folder}/{IDRID_FOLDERS[kind]}/{name}_{kind}.tif"
                tree[path] = stream.getvalue()
    return tree
