"""Malformed inputs of every kind that the project reads: each must end in one line, or be read rightly.

An input is a valid set of files of which one is then spoilt, by a draw from its kind, its number and the seed. It is
read before and after, as the workflow reads it, in a process of its own. "Read rightly" is: as before, but for what the
spoilt bytes rightly change, which each mutation states; the voxels of a NIfTI with another header are those that a few
lines find by the standard. Image or mask is spoilt, so that the other one shows where both lie. All else is a fault:
another exception, a message of several lines, a wrong number, more than 20 s or 1 GB, a crash.

Left alone, as nothing in the file could show it: voxels that are stored plainly.
"""

import argparse
import csv
import gzip
import io
import json
import logging
import multiprocessing
import os
import pickle
import resource
import shutil
import sys
import tarfile
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import nibabel
import numpy as np
import SimpleITK
import torch
import yaml
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import ROOT, arrays, store
from lib.comparison.published_records import read_printed, read_published_records
from lib.comparison.results import read_table
from lib.config.checks import check_apart, check_maps, check_writable
from lib.config.load import load
from lib.config.schema import OwnData
from lib.datasets import archives
from lib.datasets.adapters import own_data
from lib.datasets.index import Index, IndexedCase, read_index
from lib.datasets.own import own_dataset
from lib.datasets.raw import RawFiles
from lib.errors import SeglossError
from lib.files import read_json, sha256, write_json, write_text
from lib.maps import MAPS
from lib.measures.records import COLUMNS
from lib.strict_yaml import read_yaml
from lib.training import checkpoints
from lib.workflow import products

SECONDS, BYTES, ADDRESSES = 20, 2**30, 12 * 2**30
"""The longest time of a reading, the memory that it may use, and the addresses that its process may ask for."""
FINE = ("one line", "read rightly")
OUTCOMES = (*FINE, "traceback", "several lines", "wrong number", "hang", "memory", "crash")
ANY = object()
"""In the place of a value that may be any, or of a case that was left out with a reason."""
TOLERANCE = {"spacing": 2e-3, "affine": 0.15}  # what the checks of geometry take for rounding
TAKEN = {"taken": "which has to be refused"}
"""The changes of a mutation after which nothing may be read."""
PROCESSES = multiprocessing.get_context("fork")


class Mutation(NamedTuple):
    """What was spoilt, and the parts of the reading that it changes, with their right values; None: any part."""

    description: str
    changes: Mapping[str, Any] | None


class Kind(NamedTuple):
    """``make`` writes valid files into a folder, ``mutate`` spoils one, ``read`` returns what they say, in parts."""

    name: str
    make: Callable[[Path, Random], None]
    mutate: Callable[[Path, Random], Mutation]
    read: Callable[[Path], dict[str, Any]]


# Bytes


def cut(path: Path, rng: Random) -> str:
    content = path.read_bytes()
    length = rng.randrange(len(content))
    path.write_bytes(content[:length])
    return f"{path.name} cut to {length} of {len(content)} bytes"


def flip(path: Path, place: int, rng: Random) -> str:
    """Change one bit of a byte, or several."""
    content = bytearray(path.read_bytes())
    old = content[place]
    content[place] ^= rng.choice((2 ** rng.randrange(8), rng.randrange(1, 256)))
    path.write_bytes(content)
    return f"{path.name} byte {place}: {old:#04x} became {content[place]:#04x}"


def flip_any(path: Path, rng: Random) -> str:
    return flip(path, rng.randrange(path.stat().st_size), rng)


def put(path: Path, byte: bytes, rng: Random) -> str:
    content = path.read_bytes()
    place = rng.randrange(len(content))
    path.write_bytes(content[:place] + byte + content[place:])
    return f"{path.name} byte {place}: {byte!r} put in"


# Structures: JSON, which is YAML too

MANY, DEEP = 5_000, 20_000
SNIPPETS = (
    *("null", "true", "0", "-1", "1.5", "1e999", "-1e999", "NaN", "-0.0", "[]", "{}", "[[]]", '{"": {}}'),
    *('""', '"x"', '"a\\nb"', '"\\u0000"', '"\\ud800"', '"..\\\\x"', '"/"'),
)
OF_YAML = ("1_000", "010", "1:30", "2026-13-45", "2026-01-01", "!!python/name:os.system", "&a [*a]", "*a")
JUNK = {text: text for text in SNIPPETS} | {
    "400 digits": "1" + "0" * 400,
    "5,000 digits": "1" * MANY,
    "a long list": f"[{', '.join(map(str, range(MANY)))}]",
    "a long text": f'"{"x" * MANY}"',
    "a deep list": "[" * DEEP + "]" * DEEP,
}
JUNK_OF_YAML = JUNK | {text: text for text in OF_YAML}


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of every value inside."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def spoil_structure(path: Path, rng: Random, junk: Mapping[str, str] = JUNK) -> Mutation:
    """Junk in one place; a key gone, misspelt, or there twice; text that is cut or no UTF-8."""
    how = rng.choice([*["replaced"] * 5, "gone", "misspelt", *["twice"] * 2, "cut", "not UTF-8", "backslash"])
    if how == "cut":
        return Mutation(cut(path, rng), {})
    if how == "not UTF-8":
        return Mutation(put(path, b"\xff", rng), {})
    if how == "backslash":
        return Mutation(put(path, b"\\", rng), None)
    content = json.loads(path.read_text())
    place = rng.choice(list(places(content))[1:])
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    key, old = place[-1], parent[place[-1]]
    how = how if isinstance(parent, dict) else "replaced"
    name, text = rng.choice(list(junk.items()))
    if how == "twice":
        name, text = rng.choice([(name, text), ("another value", json.dumps(another(old)))])
        text = f"{json.dumps(old)}, {json.dumps(key)}: {text}"
    if how in ("gone", "misspelt"):
        parent |= {f"{key}x": old} if how == "misspelt" else {}
        del parent[key]
    else:
        parent[key], how = "@@", f"{how}, {name}"
    path.write_text(json.dumps(content).replace('"@@"', text))
    changes = {} if how.startswith("twice") else {str(key): ANY for key in place}
    return Mutation(f"{path.name}: {'.'.join(map(str, place))} {how}", changes)


def another(value: Any) -> Any:
    """Another value of the same type, where that is easy."""
    if isinstance(value, dict):
        return dict(list(value.items())[:-1])
    if isinstance(value, list | str):
        return value[:-1]
    return value + 1 if isinstance(value, int | float) else value


def spoil_table(path: Path, rng: Random) -> Mutation:
    """A CSV with junk in a cell, or a line too long, cut off, or no UTF-8."""
    content = path.read_text()
    cells = {"empty": "", "x": "x", "nan": "nan", "1e999": "1e999", "a line break": '"a\nb"'}
    cells |= {"a quote": '"', "NUL": "\0", "a long text": "x" * 200_000}
    how = rng.choice(["cut", "not UTF-8", "one cell more", *cells])
    if how == "cut":
        length = rng.choice([n for n in range(len(content)) if content[n - 1 : n] != "\n"])
        path.write_text(content[:length])
        return Mutation(f"{path.name} cut to {length} characters", {})
    if how == "not UTF-8":
        return Mutation(put(path, b"\xff", rng), {})
    rows = list(csv.reader(content.splitlines()))
    row, column = rng.randrange(len(rows)), rng.randrange(len(rows[0]))
    name = rows[0][column]
    rows[row][column] = cells.get(how, "1,1")
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    return Mutation(f"{path.name} row {row}, {name}: {how}", {name: ANY} if how in cells else {})


# Cases of own data

SHAPE = (7, 8, 5)
AFFINE = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -7], [0, 0, 3.0, 9], [0, 0, 0, 1]])
VOXELS = np.arange(1, 281, dtype=np.int16).reshape(SHAPE)
MASK = (VOXELS % 7 == 3).astype(np.uint8)
WINDOW = (0, 300)
HUGE = ((2_000, 2_000, 350), (30_000, 30_000, 30_000), (7, 8, 30_000))


def read_case(folder: Path, **options: Any) -> dict[str, Any]:
    """A case as the workflow finds, prepares, stores and opens it."""
    labels = {"background": 0, "lesion": 1}
    dataset = own_dataset("mine", OwnData(folder=str(folder), labels=labels, **options))
    index = own_data.index(RawFiles([folder]), dataset.parameters | dataset.indexing).checked("mine")
    stored = folder / ".store" / "a"
    store.write_case(stored, "a", own_data.prepare("a", index.cases["a"], dataset.parameters))
    case = store.StoredCase(stored)
    parts = {key: case.description[key] for key in ("spacing", "affine")}
    return parts | {name: case.array(name) for name in store.PREPARED}


def read_windowed(folder: Path) -> dict[str, Any]:
    return read_case(folder, window=WINDOW)


def read_colours(folder: Path) -> dict[str, Any]:
    return read_case(folder, channels=["R", "G", "B"])


def windowed(voxels: np.ndarray) -> np.ndarray:
    return ((np.clip(voxels, *WINDOW) - WINDOW[0]) / (WINDOW[1] - WINDOW[0]))[None]


def paths_of_case(folder: Path, ending: str) -> tuple[Path, Path]:
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir()
    return folder / f"imagesTr/a_0000{ending}", folder / f"labelsTr/a{ending}"


def image_or_mask(folder: Path, rng: Random) -> tuple[Path, str]:
    """Its file, and which it is."""
    part = rng.choice(store.PREPARED)
    return next((folder / f"{part}sTr").iterdir()), part


def make_nifti(kind: type, ending: str) -> Callable[[Path, Random], None]:
    def make(folder: Path, rng: Random) -> None:
        for path, array in zip(paths_of_case(folder, ending), (VOXELS, MASK), strict=True):
            volume = kind(array, AFFINE)
            volume.set_qform(AFFINE, 1)
            volume.to_filename(path)

    return make


NIFTI_FIELDS = (
    *("sizeof_hdr", "dim_info", "dim", "intent_code", "datatype", "bitpix", "pixdim", "vox_offset"),
    *("scl_slope", "scl_inter", "slice_code", "xyzt_units", "cal_max", "descrip", "qform_code", "sform_code"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_z", "srow_x", "srow_y", "srow_z"),
    *("intent_name", "magic"),
)
NIFTI_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8"}


def spoil_nifti(fields: np.dtype) -> Callable[[Path, Random], Mutation]:
    def spoil(folder: Path, rng: Random) -> Mutation:
        path, part = image_or_mask(folder, rng)
        how = rng.choice([*["flip"] * 7, "huge", "other type", "cut"])
        if how == "cut":
            return Mutation(cut(path, rng), {})
        name = {"huge": "dim", "other type": "datatype"}.get(how) or rng.choice(NIFTI_FIELDS)
        field, first = fields.fields[name]
        if how == "flip":
            change = flip(path, first + rng.randrange(field.itemsize), rng)
        else:
            values = [3, *rng.choice(HUGE), 1, 1, 1, 1] if how == "huge" else rng.choice(list(NIFTI_TYPES))
            change = overwrite(path, path.read_bytes(), first, np.array(values, field.base))
        voxels = nifti_voxels(path.read_bytes(), fields)
        right = {} if voxels is None else {part: windowed(voxels) if part == "image" else np.rint(voxels)}
        return Mutation(f"{name}: {change}", right)

    return spoil


def overwrite(path: Path, content: bytes, first: int, values: np.ndarray) -> str:
    """Write the content of a file with other values in its header."""
    content = content[:first] + values.tobytes() + content[first + values.nbytes :]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return f"{path.name} became {values.tolist()}"


def nifti_voxels(content: bytes, fields: np.dtype) -> np.ndarray | None:
    """The voxels that a header speaks of, by the standard; None if it contradicts itself or has another shape."""
    header = np.frombuffer(content, fields, 1)[0]
    dim, kind = header["dim"], np.dtype(NIFTI_TYPES.get(int(header["datatype"]), "V"))
    shape = tuple(map(int, dim[1 : dim[0] + 1]))
    if not 1 <= dim[0] <= 7 or shape != SHAPE + (1,) * (dim[0] - 3) or header["bitpix"] != 8 * kind.itemsize:
        return None
    try:
        voxels = np.frombuffer(content, kind, VOXELS.size, int(header["vox_offset"]))
    except (ValueError, OverflowError):
        return None
    voxels, slope, offset = voxels.reshape(SHAPE, order="F"), header["scl_slope"], header["scl_inter"]
    return voxels * float(slope) + float(offset) if slope and np.isfinite(slope) else voxels


def spoil_gzip(folder: Path, rng: Random) -> Mutation:
    """The stream cut or changed anywhere, which its checksum shows; or huge lengths within."""
    path, _ = image_or_mask(folder, rng)
    how = rng.choice(["cut", "flip", "flip", "huge"])
    if how == "huge":
        lengths = np.array(rng.choice(HUGE), "<i2")
        return Mutation(f"dim: {overwrite(path, gzip.decompress(path.read_bytes()), 42, lengths)}", {})
    return Mutation(cut(path, rng) if how == "cut" else flip_any(path, rng), {})


def make_with_simpleitk(ending: str) -> Callable[[Path, Random], None]:
    def make(folder: Path, rng: Random) -> None:
        compressed = rng.random() < 0.5
        for path, array in zip(paths_of_case(folder, ending), (VOXELS, MASK), strict=True):
            volume = SimpleITK.GetImageFromArray(array.transpose())
            volume.SetSpacing((0.5, 1.5, 4.0))
            volume.SetOrigin((10.0, -20.0, 30.0))
            volume.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
            SimpleITK.WriteImage(volume, path, useCompression=compressed)

    return make


JUNK_OF_HEADERS = (
    *("", "x", "0", "-1", "nan", "1e999", "1 1 1", "0 0 0", "-7 8 5", "9" * 400),
    *(" ".join(map(str, lengths)) for lengths in HUGE),
)
OF_VOXELS = {
    *("BinaryData", "BinaryDataByteOrderMSB", "CompressedData", "CompressedDataSize", "ElementType"),
    *("ElementDataFile", "HeaderSize", "NDims", "dimension", "type", "encoding", "endian"),
}
"""Lines of text headers that state how the voxels are stored: another value rightly gives others."""


def spoil_text_header(end: bytes, separator: bytes) -> Callable[[Path, Random], Mutation]:
    def spoil(folder: Path, rng: Random) -> Mutation:
        path, part = image_or_mask(folder, rng)
        content = path.read_bytes()
        length = content.index(end) + len(end)
        is_compressed = any(word in content[:length] for word in (b"CompressedData = True", b"gzip"))
        how = rng.choice(["cut", "gone", "twice", *["byte"] * 2, *["junk"] * 3, "voxels" if is_compressed else "junk"])
        if how == "cut":
            return Mutation(cut(path, rng), {})
        if how == "voxels":
            return Mutation(flip(path, rng.randrange(length, len(content)), rng), {})
        lines = content[:length].split(b"\n")
        number = rng.choice([number for number, line in enumerate(lines) if line])
        old, junk = lines[number], rng.choice(JUNK_OF_HEADERS)
        key, found, _ = old.partition(separator)
        place, with_junk = rng.randrange(len(old)), key + found + b" " + junk.encode()
        changed = old[:place] + rng.randbytes(1) + old[place + 1 :]
        new = {"gone": [], "byte": [changed], "twice": [old, with_junk]}.get(how, [with_junk])
        path.write_bytes(b"\n".join(lines[:number] + new + lines[number + 1 :]) + content[length:])
        of_voxels = key.decode().strip() in OF_VOXELS
        return Mutation(f"{path.name} line {old} became {new}"[:200], {part: ANY} if of_voxels else {})

    return spoil


def make_pictures(folder: Path, rng: Random) -> None:
    """A mask next to a JPEG is a PNG."""
    colours = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    mask = np.zeros((20, 24), np.uint8)
    mask[3:9, 5:14] = 1
    image_path, mask_path = paths_of_case(folder, rng.choice([".png", ".jpg", ".tif", ".bmp"]))
    Image.fromarray(colours).save(image_path)
    Image.fromarray(mask).save(mask_path.with_suffix(mask_path.suffix.replace(".jpg", ".png")))


def spoil_picture(folder: Path, rng: Random) -> Mutation:
    """A PNG has checksums; the other kinds may give other voxels, but of the same shape."""
    path, part = image_or_mask(folder, rng)
    if rng.random() < 0.3:
        return Mutation(cut(path, rng), {})
    change = flip(path, rng.randrange(54), rng) if path.suffix == ".bmp" else flip_any(path, rng)
    return Mutation(change, {} if path.suffix == ".png" else {part: ANY})


# What a folder of own data says


def make_description(folder: Path, rng: Random) -> None:
    cases = [f"c{number}" for number in range(6)]
    pairs = [{"image": f"./imagesTr/{case}.nii", "label": f"./labelsTr/{case}.nii"} for case in cases]
    for path in (folder / name for pair in pairs for name in pair.values()):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    labels = {"0": "background", "1": "oedema", "2": "core"}
    described = {"name": "MS", "channel_names": {"0": "FLAIR"}, "labels": labels, "file_ending": ".nii"}
    described |= {"numTraining": 6, "training": pairs, "test": [], "tensorImageSize": "3D"}
    (folder / "dataset.json").write_text(json.dumps(described))
    parts = {"train": cases[:3], "validation": cases[3:4], "test": cases[4:]}
    folds = [{"train": cases[:4], "val": cases[4:]}, {"train": cases[2:], "val": cases[:2]}]
    table = "case,part\n" + "".join(f"{case},{part}\n" for part, ids in parts.items() for case in ids)
    name, text = rng.choice([("s.json", json.dumps(parts)), ("s.json", json.dumps(folds)), ("s.csv", table)])
    (folder / name).write_text(text)


def read_description(folder: Path) -> dict[str, Any]:
    """Dimensions, channels, values of the classes, and the part of each case."""
    splits = str(next(folder.glob("s.*")))
    dataset = own_dataset("mine", OwnData(folder=str(folder), splits=splits, validation_share=0))
    parameters = json.loads(json.dumps(dataset.parameters | dataset.indexing))  # as a script gets them
    path = folder / ".store" / "index.json"
    own_data.index(RawFiles([folder]), parameters).checked("mine").write(path)
    index = read_index(path)
    parts = {"file_ending": dataset.dimensions, "channel_names": len(dataset.channels)}
    parts |= {"labels": list(parameters["label_values"].values()), **dict.fromkeys(index.excluded, ANY)}
    return parts | {case: part for part, ids in index.splits["holdout"].items() for case in ids}


def spoil_description(folder: Path, rng: Random) -> Mutation:
    return spoil_structure(folder / "dataset.json", rng)


def spoil_splits(folder: Path, rng: Random) -> Mutation:
    """No case may move to another part."""
    path = next(folder.glob("s.*"))
    mutation = spoil_table(path, rng) if path.suffix == ".csv" else spoil_structure(path, rng)
    return mutation._replace(changes=None if mutation.changes is None else {})


# Study and configuration

STUDY = "studies/inverse_weighting.yaml"


def make_configuration(folder: Path, rng: Random) -> None:
    (folder / "studies").mkdir()
    (folder / STUDY).write_text((ROOT / STUDY).read_text())
    shutil.copytree(ROOT / "published", folder / "published")
    make_description(folder, rng)
    own = {"folder": str(folder), "splits": str(next(folder.glob("s.*"))), "seed": 1, "test_share": 0.3}
    own |= {"window": [0, 9], "size": [8, 8, 8], "patients": ".*", "dimensions": 3, "title": "Mine"}
    own |= {"channels": ["T1"], "labels": {"background": 0, "lesion": [1, 2]}}
    values = yaml.safe_load((ROOT / "workflow_config.yaml").read_text())
    values |= {"own_data": {"mine": own}, "noise": [{"alpha": 0.5, "beta": 0.7, "kinds": ["erode"]}]}
    values |= {"mirror": str(folder), "raw": {"lits": str(folder)}, "seeds": [0], "losses": ["bce", "iwdl"]}
    (folder / "workflow_config.yaml").write_text(json.dumps(values))


def read_configuration(folder: Path) -> dict[str, Any]:
    """Of configuration, study and the settings of the first run every section, as the Snakefile reads them."""
    configuration = load(read_yaml(folder / "workflow_config.yaml", "workflow_config.yaml"), folder)
    check_maps(configuration.runs, MAPS)
    check_writable(configuration.workflow.folders, folder)
    check_apart(configuration.workflow, ROOT)
    json.loads(configuration.as_json)
    for run in configuration.runs:
        json.dumps(run.training_settings.as_json())
        run.inference_settings.model_dump_json()
        run.evaluation_settings().model_dump_json()
    collected: dict[str, list[Any]] = {}
    for sections in (configuration.runs[0].settings, *configuration.studies.values(), configuration.workflow):
        for key, value in sections:
            collected.setdefault(key, []).append(value)
    return {key: values for key, values in collected.items() if key not in ("demo", "paper")}


def spoil_study(folder: Path, rng: Random) -> Mutation:
    path, how = folder / STUDY, rng.choice(["cut", "not UTF-8", "tab", *["structure"] * 9])
    if how == "structure":
        path.write_text(json.dumps(yaml.safe_load(path.read_text())))
        return spoil_structure(path, rng, JUNK_OF_YAML)
    if how == "not UTF-8":
        return Mutation(put(path, b"\xff", rng), {})
    return Mutation(cut(path, rng) if how == "cut" else put(path, b"\t", rng), None)


def spoil_configuration(folder: Path, rng: Random) -> Mutation:
    return spoil_structure(folder / "workflow_config.yaml", rng, JUNK_OF_YAML)


CONFIGURATION = "workflow_config.yaml"
TO_REFUSE = (
    *((CONFIGURATION, "mirror", f"{scheme}://host/x") for scheme in ("ftp", "s3", "gopher")),
    (CONFIGURATION, "raw", {"lits": ""}),
    (CONFIGURATION, "own_data.mine.splits", ""),
    *((CONFIGURATION, "seeds", [seed]) for seed in (-1, 2**32, 2**63, 2**64)),
    *((CONFIGURATION, "folders.data", name) for name in ("a{b}", "a<b>", "a\0b", "lib", "studies/x", "results", "")),
    *((STUDY, "demo.evaluation.froc", {"small_diameter": faulty}) for faulty in ({"phantom_lesion": 3}, 3)),
    *((STUDY, "demo.evaluation", faulty) for faulty in ({"surface": {}}, {"lesions": {"tolerance": 1}})),
    *((STUDY, "demo.factors", {"noise": faulty}) for faulty in ([["clean"]], [{"alpha": 0}] * 2, {"a": None})),
    *((STUDY, "demo.factors", {"network": faulty}) for faulty in ([{"name": ["enet_2d"]}], "enet_2d", {"a/b": "enet"})),
    (STUDY, "demo.training.monitor", {"measure": "avg_recall"}),
    *((STUDY, "measures", faulty) for faulty in (["lesions", "froc"], ["overlap"], ["overlap", ["froc"]])),
    *((STUDY, "primary", faulty) for faulty in ({"column": "hd95"}, {"cut": "decided"})),
    (STUDY, "top_figures", ["boxplots"]),
    (STUDY, "references", {"iwdl": "ld"}),
    (STUDY, "looks.bce.marker", "q"),
    (STUDY, "published", {"table": "inverse_weighting", "datasets": {"lunar16": "luna"}}),
)
"""Values that look right, or that only some of what reads them would miss."""


def spoil_with_a_value_to_refuse(folder: Path, rng: Random) -> Mutation:
    name, place, value = rng.choice(TO_REFUSE)
    content = yaml.safe_load((folder / name).read_text())
    *parents, key = place.split(".")
    parent = content
    for inner in parents:
        parent = parent[inner]
    parent[key] = value
    (folder / name).write_text(json.dumps(content))
    return Mutation(f"{name}: {place}: {value!r}", TAKEN)


def spoil_own_folder(folder: Path, rng: Random) -> Mutation:
    """Duplicates and surplus, and a channel that is missing between others."""
    how = rng.choice(["key twice", "column twice", "surplus cell", "channel missing"])
    if how == "key twice":
        text = (folder / "dataset.json").read_text()
        (folder / "dataset.json").write_text(text.replace("{", '{"file_ending": ".nii", ', 1))
    elif how == "channel missing":
        for path in list((folder / "imagesTr").iterdir()):
            path.rename(path.with_stem(f"{path.stem}_0000"))
            path.with_stem(f"{path.stem}_0002").touch()
        described = json.loads((folder / "dataset.json").read_text())
        described |= {"channel_names": {"0": "T1", "1": "T2"}}
        del described["training"], described["test"]
        (folder / "dataset.json").write_text(json.dumps(described))
    else:
        columns, surplus = (",part", "") if how == "column twice" else ("", ",x")
        rows = [f"c{number},{part}" for number, part in enumerate(["train"] * 3 + ["test"] * 3)]
        for path in folder.glob("s.*"):
            path.unlink()
        (folder / "s.csv").write_text(
            "\n".join([f"case,part{columns}", *(f"{row}{surplus or ',test'}" for row in rows)])
        )
    return Mutation(how, TAKEN)


# What the workflow has written


def make_store(folder: Path, rng: Random) -> None:
    arrays.IN_MEMORY_BYTES = rng.choice((0, 2**24))  # 0: as for volumes that are larger
    store.write_case(folder / "a", "a", store.Case(VOXELS[None] / 300, MASK, (1.5, 2.0, 3.0), "p", AFFINE))
    index = Index({"a": IndexedCase("p")}, {"holdout": {"train": ("a",), "validation": (), "test": ()}})
    index.write(folder / "index.json")
    write_json(folder / "train.json", {"a": read_json(folder / "a" / "case.json")})
    for kind in ("logit", "probability"):
        arrays.write_array(folder / f"a.{kind}.b2nd", (VOXELS / 300).astype(np.float16))
    files = [folder / f"a.{kind}.b2nd" for kind in ("logit", "probability")]
    write_json(folder.with_name(f"{folder.name}.json"), {path.name: sha256(path) for path in files})


def read_store(folder: Path) -> dict[str, Any]:
    (case,) = store.open_cases(folder, folder / "train.json")
    parts = {key: case.description[key] for key in ("spacing", "affine", "channels")}
    parts |= {"case": case.name, "shape": case.shape, "n_lesions": case.n_lesions}
    parts |= {"class_voxels": case.shows_something, "splits": read_index(folder / "index.json").splits}
    opened = {name: case.array(name) for name in store.PREPARED}
    opened |= {kind: store.open_prediction(folder, "a", kind) for kind in ("logit", "probability")}
    return parts | {name: patch(array) for name, array in opened.items()}


def patch(array: Any) -> np.ndarray:
    """The voxels, cut out as trainings do; of an array of another shape that shape."""
    return arrays.cut(array, (0,) * 3, SHAPE) if array.shape[-3:] == SHAPE else np.array(array.shape)


def spoil_array(folder: Path, rng: Random) -> Mutation:
    """All of them have checksums; half of the flips hit what surrounds the voxels."""
    path = rng.choice(sorted(folder.rglob("*.b2nd")))
    size = path.stat().st_size
    place = rng.choice([*range(200), *range(size - 100, size)]) if rng.random() < 0.5 else rng.randrange(size)
    return Mutation(cut(path, rng) if rng.random() < 0.3 else flip(path, place, rng), {})


def spoil_stored_json(folder: Path, rng: Random) -> Mutation:
    return spoil_structure(rng.choice([folder / "index.json", *[folder / "train.json"] * 2]), rng)


def make_torch(folder: Path, rng: Random) -> None:
    torch.manual_seed(0)
    network = torch.nn.Conv3d(2, 3, 3).state_dict()
    checkpoints.save(folder / "weights.pt", {"network": network})
    state = {"state_key": "k", "losses": [0.5, 0.25], "network": network}
    checkpoints.save(folder / "checkpoint.pt", state)


def read_torch(folder: Path) -> dict[str, Any]:
    network = torch.nn.Conv3d(2, 3, 3)
    checkpoints.load_weights(folder / "weights.pt", network)
    state = checkpoints.load(folder / "checkpoint.pt", lambda state: state.get("state_key") == "k")
    if state is None:  # a line of the log says why
        raise SeglossError("starting from the beginning")
    tensors = network.state_dict() | {f"saved {name}": value for name, value in state.pop("network").items()}
    return state | {name: value.numpy().copy() for name, value in tensors.items()}


def spoil_torch(folder: Path, rng: Random) -> Mutation:
    """All that these files hold has checksums."""
    path = folder / rng.choice(["weights.pt", "checkpoint.pt"])
    how = rng.choice(["cut", "flip", "flip", "other"])
    if how != "other":
        return Mutation(cut(path, rng) if how == "cut" else flip_any(path, rng), {})
    values = [
        None,
        5,
        [1, 2],
        {},
        *({"network": inner} for inner in (5, {"weight": 1}, {"x": torch.ones(2)})),
    ]
    value, save = rng.choice([*values, Path("x")]), rng.choice(["torch.save", "pickle"])
    path.write_bytes(pickle.dumps(value)) if save == "pickle" else torch.save(value, path)
    return Mutation(f"{path.name}: {save} of {value!r}", {})


RECORDS = Path("luna/iwdl/experiment_0/test_metrics/prc_records.json")


def make_records(folder: Path, rng: Random) -> None:
    example = {str: "1", bool: True, float: 2.5}
    row = {name: example[kind] for name, kind in COLUMNS.items()}
    write_json(folder / RECORDS, {"a": [row, row | {"diameter": float("inf")}], "b": [], "c": [row]})


def read_records(folder: Path) -> dict[str, Any]:
    """By case its rows."""
    records = read_published_records([folder / RECORDS])["luna", "iwdl"]
    return {case: records.table[records.table["case"] == case].to_dict("list") for case in records.cases}


def spoil_records(folder: Path, rng: Random) -> Mutation:
    return spoil_structure(folder / RECORDS, rng)


def make_tables(folder: Path, rng: Random) -> None:
    rows = "".join(f"{n},{1 / (n + 1)},0.5\n" for n in range(5))
    (folder / "history.csv").write_text(f"epoch,loss,dice\n{rows}")
    shutil.copy(ROOT / "published" / "inverse_weighting.csv", folder / "printed.csv")


def read_tables(folder: Path) -> dict[str, Any]:
    """By table and column its values."""
    tables = {"history.csv": read_table(folder / "history.csv", ["epoch", "loss", "dice"])}
    tables |= {"printed.csv": read_printed(folder / "printed.csv")}
    return {name: list(column) for table in tables.values() for name, column in table.items()}


def spoil_tables(folder: Path, rng: Random) -> Mutation:
    mutation = spoil_table(folder / rng.choice(["history.csv", "printed.csv"]), rng)
    chooses_rows = mutation.changes and "study" in mutation.changes
    return mutation._replace(changes=None) if chooses_rows else mutation


ARCHIVED = {"a/x.txt": b"x" * 500, "a/b/y.txt": b"y", "z.bin": bytes(range(256)) * 20}


def make_archive(folder: Path, rng: Random) -> None:
    if rng.random() < 0.5:
        with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in ARCHIVED.items():
                archive.writestr(name, content)
        return
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as archive:
        for name, content in ARCHIVED.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def read_archive(folder: Path) -> dict[str, Any]:
    """What was unpacked, by name."""
    (path,) = folder.glob("archive.*")
    output = folder / "unpacked"
    archives.extract(path, output)
    return {"files": {str(file.relative_to(output)): file.read_bytes() for file in output.rglob("*") if file.is_file()}}


ODD_NAMES = (
    "",
    ".",
    "..",
    "/",
    "/etc/x",
    "../x",
    "a/x.txt",
    "a",
    "C:x",
    "x\\y",
    "n" * 300,
    "/".join("d" * 90),
    "é\n",
)
ODD_KINDS = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, b"7", b"x")


def spoil_archive(folder: Path, rng: Random) -> Mutation:
    (path,) = folder.glob("archive.*")
    how = rng.choice(["cut", "flip", "flip", "member", "member"])
    if how != "member":
        # names and dates of a zip have no checksum
        return Mutation(cut(path, rng) if how == "cut" else flip_any(path, rng), {"files": ANY})
    name, kind = rng.choice(ODD_NAMES), rng.choice(ODD_KINDS)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo(name) if name else odd_entry(), b"odd")
        return Mutation(f"a member {name!r}", {"files": ANY})
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, rng.choice(["nothing", "a/x.txt", "../../x", "", name])
        archive.addfile(entry)
    return Mutation(f"a member {name!r} of type {kind!r} to {entry.linkname!r}", {"files": ANY})


def odd_entry() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("x")
    entry.filename = ""
    return entry


def make_products(folder: Path, rng: Random) -> None:
    with products.making([folder / "a.csv", folder / "b.csv"]):
        for name in ("a.csv", "b.csv"):
            write_text(folder / name, f"{name}\n" * 5)
    products.complete(folder / "a.csv", "digest of settings", {"../input.csv": "its digest"})


def read_products(folder: Path) -> dict[str, Any]:
    """Whether they can be used; where they cannot, that is the line."""
    products.fault.cache_clear()
    if fault := products.fault(folder / "a.csv"):
        raise SeglossError(fault)
    settings, inputs = products.made_of(folder / "a.csv")
    if settings is None:
        raise SeglossError("no call has seen the end of the job")
    parts = {
        "settings": settings,
        "inputs": inputs,
        "checksums": ANY if products.checksums(folder / "a.csv") else None,
    }
    return parts | {"files": [(folder / name).read_text() for name in ("a.csv", "b.csv")]}


def spoil_products(folder: Path, rng: Random) -> Mutation:
    if rng.random() < 0.5:
        return spoil_structure(products.record_of(folder / "a.csv"), rng)
    path = folder / rng.choice(["a.csv", "b.csv"])
    return Mutation(rng.choice([cut, flip_any])(path, rng), {})


NIFTI_1, NIFTI_2 = nibabel.nifti1.header_dtype, nibabel.nifti2.header_dtype
KINDS = (
    Kind("NIfTI-1", make_nifti(nibabel.Nifti1Image, ".nii"), spoil_nifti(NIFTI_1), read_windowed),
    Kind("NIfTI-2", make_nifti(nibabel.Nifti2Image, ".nii"), spoil_nifti(NIFTI_2), read_windowed),
    Kind("NIfTI, gzip", make_nifti(nibabel.Nifti1Image, ".nii.gz"), spoil_gzip, read_windowed),
    Kind("MetaImage", make_with_simpleitk(".mha"), spoil_text_header(b"= LOCAL\n", b"="), read_case),
    Kind("NRRD", make_with_simpleitk(".nrrd"), spoil_text_header(b"\n\n", b":"), read_case),
    Kind("pictures", make_pictures, spoil_picture, read_colours),
    Kind("dataset.json", make_description, spoil_description, read_description),
    Kind("splits file", make_description, spoil_splits, read_description),
    Kind("study file", make_configuration, spoil_study, read_configuration),
    Kind("workflow_config", make_configuration, spoil_configuration, read_configuration),
    Kind("values to refuse", make_configuration, spoil_with_a_value_to_refuse, read_configuration),
    Kind("folders to refuse", make_description, spoil_own_folder, read_description),
    Kind("stored arrays", make_store, spoil_array, read_store),
    Kind("lists of cases, index", make_store, spoil_stored_json, read_store),
    Kind("weights, checkpoints", make_torch, spoil_torch, read_torch),
    Kind("lesion records", make_records, spoil_records, read_records),
    Kind("archives", make_archive, spoil_archive, read_archive),
    Kind("records of products", make_products, spoil_products, read_products),
    Kind("tables", make_tables, spoil_tables, read_tables),
)


# The run


def same(part: str, one: Any, other: Any) -> bool:
    if one is ANY or other is ANY:
        return True
    if isinstance(one, np.ndarray) or (part in TOLERANCE and one and other):
        is_alike = np.shape(one) == np.shape(other)
        return is_alike and np.allclose(one, other, rtol=1e-4, atol=TOLERANCE.get(part, 1e-4))
    return one == other


def is_one_line(text: str) -> bool:
    return len(text.splitlines()) == 1


def outcome(kind: Kind, folder: Path, right: Mapping[str, Any] | None) -> tuple[str, str]:
    """How the reading of spoilt files ends, and its message; ``right``: what they say, None for anything."""
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())
    logging.getLogger("lib").addHandler(handler)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read = kind.read(folder)
        wrong = [part for part in right or () if not same(part, right[part], read.get(part))]
        ended, message = "wrong number" if wrong else "read rightly", ", ".join(wrong)
    except SeglossError as error:
        ended, message = "one line" if is_one_line(str(error)) else "several lines", str(error)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if frame.filename.startswith(str(ROOT / "lib"))]
        where = f"{Path(ours[-1].filename).name}, {ours[-1].name}" if ours else "what uses it"
        ended, message = "traceback", f"{type(error).__name__} in {where}: {error}"
    if ended in FINE and not all(map(is_one_line, logged)):
        ended, message = "several lines", f"log: {'; '.join(logged)}"
    used = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return ("memory", f"{used / 2**30:.1f} GB; {message}") if used > BYTES else (ended, message)


def work(kind: Kind, folder: Path, rng: Random, answers: Any) -> None:
    """In a process of its own: send the mutation, then the outcome."""
    kind.make(folder, rng)
    right = kind.read(folder)
    mutation = kind.mutate(folder, rng)
    answers.send(mutation.description)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # warnings of the libraries that read
    answers.send(outcome(kind, folder, None if mutation.changes is None else right | dict(mutation.changes)))


def tried(kind: Kind, number: int, seed: int, folder: Path) -> tuple[str, str, str]:
    """The mutation of one input, its outcome, and its message."""
    folder.mkdir()
    answers, theirs = PROCESSES.Pipe(duplex=False)
    rng = Random(f"{seed} {kind.name} {number}")
    process = PROCESSES.Process(target=work, args=(kind, folder, rng, theirs))
    process.start()
    theirs.close()
    mutation = answers.recv()
    try:
        ended, message = answers.recv() if answers.poll(SECONDS) else ("hang", f"over {SECONDS} s")
    except EOFError:
        process.join()
        ended, message = "crash", f"exit status {process.exitcode}"
    process.kill()
    process.join()
    shutil.rmtree(folder)
    return mutation, ended, message


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    counts, faults = Counter(), []
    with tempfile.TemporaryDirectory() as name:
        for place, kind in enumerate(KINDS):
            for number in range(len(range(place, arguments.inputs, len(KINDS)))):
                mutation, ended, message = tried(kind, number, arguments.seed, Path(name) / "input")
                counts[kind.name, ended] += 1
                counts["all", ended] += 1
                if ended not in FINE:
                    what = " ".join(message.split())[:300]
                    faults.append(f"{kind.name} {number}: {mutation}: {ended}: {what}")
    print(f"| kind | {' | '.join(OUTCOMES)} |\n|---|{'--:|' * len(OUTCOMES)}")
    for row in (*(kind.name for kind in KINDS), "all"):
        print(f"| {row} | {' | '.join(str(counts[row, ended] or '') for ended in OUTCOMES)} |")
    print("", *faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
