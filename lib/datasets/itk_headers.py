"""Checks of MetaImage and NRRD files before ITK reads them.

ITK ends the process on odd numbers of axes, asks for as much memory as a header says, and does not verify the
checksum of compressed data.
"""

import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from lib.datasets.file_notes import note
from lib.errors import CaseExcluded

HEADER = 2**16
"""Bytes in which a header ends."""
BLOCK = 2**20
RATIO = 1032
"""Deflate makes data smaller by no more than this."""
AXES = range(2, 6)
BYTES = {
    **dict.fromkeys(("MET_SHORT", "MET_USHORT", "int16", "uint16", "short", "ushort", "unsigned short"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT", "int32", "uint32", "int", "uint", "float"), 4),
    **dict.fromkeys(("MET_DOUBLE", "MET_LONG_LONG", "MET_ULONG_LONG", "int64", "uint64", "double"), 8),
}
"""By type of value; of any other at least 1."""


def check_itk_file(path: Path) -> None:
    """Check a MetaImage (.mha, .mhd) or NRRD file, and the data in it or in the one file that it names.

    Raises:
        CaseExcluded: it has not 2 to 5 axes, is shorter than its header says, or its compressed data are damaged.
    """
    fields, offset = _header(path)
    lengths, n_axes = fields["lengths"].split(), fields["axes"]
    if not n_axes.isdecimal() or int(n_axes) not in AXES or len(lengths) != int(n_axes):
        raise CaseExcluded(
            f"{path.name} cannot be read (its header gives {n_axes or 'no number of'} axes and {len(lengths)} lengths;"
            " 2 to 5 axes were expected)"
        )
    data = _data_file(path, fields)
    if not data.is_file():
        if data.exists() and not data.is_dir():  # ITK would wait for a pipe
            raise CaseExcluded(f"{path.name} has its data in {data.name}, which is not a file")
        return  # several files, or none: ITK says so
    offset = offset if data == path else 0
    available = data.stat().st_size - offset
    expected = math.prod(map(_number, [*lengths, fields["channels"]])) * BYTES.get(fields["type"], 1)
    if expected > (available * RATIO if fields["compressed"] else available):
        raise CaseExcluded(
            f"{path.name} cannot be read (by its header it has {expected} bytes of data, found {available})"
        )
    _check_spacing(path.name, fields)
    if fields["compressed"]:
        _check_deflated(path.name, data, offset)


def separate_data_file(path: Path) -> Path | None:
    """The one other file in which the voxels of a MetaImage or NRRD file lie, None if there is none."""
    data = _data_file(path, _header(path)[0])
    return data if data != path and data.is_file() else None


def _header(path: Path) -> tuple[dict[str, str], int]:
    with path.open("rb") as stream:
        head = stream.read(HEADER)
    return _nrrd_fields(head) if path.suffix.lower() == ".nrrd" else _metaimage_fields(head)


def _data_file(path: Path, fields: dict[str, str]) -> Path:
    is_local = fields["data"].lower() == "local"
    return path if is_local else path.parent / fields["data"].replace("\0", "")


def _check_spacing(name: str, fields: dict[str, str]) -> None:
    """Check what ITK takes for 1 mm without a word: spacing that is missing, no number, or of another unit."""
    if not fields["spacing"]:
        note(f"{name}: its header gives no spacing; 1 mm was taken")
    lengths = fields["spacing"].lower().split()
    kinds = fields["kinds"].lower().split() or ["space"] * len(lengths)
    of_space = [length for length, kind in zip(lengths, kinds, strict=False) if kind in ("space", "domain")]
    units = set(re.findall(r'"([^"]+)"', fields["units"])) - {"mm"}
    if "nan" in of_space or units:
        raise CaseExcluded(
            f"{name} has spacing {fields['spacing']} {fields['units'] or 'mm'}; lengths in mm were expected"
        )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _metaimage_fields(head: bytes) -> tuple[dict[str, str], int]:
    """What the header says, and where the data begin: behind the line of ElementDataFile."""
    found, offset = {}, 0
    for line in head.splitlines(keepends=True):
        offset += len(line)
        key, _, value = line.decode(errors="replace").partition("=")
        found[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            break
    fields = {
        "axes": found.get("NDims", ""),
        "lengths": found.get("DimSize", ""),
        "channels": found.get("ElementNumberOfChannels", "1"),
        "type": found.get("ElementType", ""),
        "spacing": found.get("ElementSpacing", found.get("ElementSize", "")),
        "kinds": "",
        "units": "",
        "compressed": "yes" if found.get("CompressedData", "").lower() == "true" else "",
        "data": found.get("ElementDataFile", ""),
    }
    return fields, offset


def _nrrd_fields(head: bytes) -> tuple[dict[str, str], int]:
    """What the header says, and where the data begin: behind the first empty line."""
    end = re.search(rb"\r?\n\r?\n", head)
    lines = head[: end.start() if end else None].decode(errors="replace").splitlines()
    found = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    encoding = found.get("encoding", "raw").lower()
    is_known = encoding in ("raw", "gzip", "gz") and not found.keys() & {"line skip", "byte skip"}
    fields = {
        "axes": found.get("dimension", ""),
        "lengths": found.get("sizes", ""),
        "channels": "1",  # an axis of their own
        "type": found.get("type", ""),
        "spacing": found.get("spacings", found.get("space directions", "")),
        "kinds": found.get("kinds", "") if "spacings" in found else "",
        "units": found.get("space units", ""),
        "compressed": "yes" if encoding in ("gzip", "gz") else "",
        "data": found.get("data file", found.get("datafile", "local")) if is_known else "",
    }
    return fields, end.end() if end else len(head)


def _check_deflated(name: str, path: Path, offset: int) -> None:
    inflater = zlib.decompressobj(wbits=47)  # zlib or gzip, by its beginning
    try:
        for block in _blocks(path, offset):
            pending = block
            while pending:
                inflater.decompress(pending, BLOCK)
                pending = inflater.unconsumed_tail
            if inflater.eof:
                return
    except zlib.error as error:
        raise CaseExcluded(f"{name} cannot be read (its compressed data are damaged: {error})") from error
    raise CaseExcluded(f"{name} cannot be read (its compressed data are cut off)")


def _blocks(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(offset)
        while block := stream.read(BLOCK):
            yield block
