"""LUNA16, lung nodules on CT, outlined by the readers of LIDC-IDRI.

LUNA16 (Setio et al., 2017) gives scans, lung masks and the centres of the nodules that three of four readers marked;
the outlines are those of LIDC-IDRI (Armato et al., 2011). Native axes and spacing. Parameter ``form``:

``published`` is what the code release of Shirokikh et al., MICCAI 2020, does:

* a reader's nodule counts if the mean of its contour points lies within 10 voxels of a nodule of LUNA16, both rounded
  to voxels; for 11 scans these centres are mirrored in x and y about the origin;
* each contour is filled with its outline (as OpenCV's ``fillPoly``) in the slice that its position is truncated to,
  contours of holes too; a voxel belongs to the target if two of the marked nodules hold it, even of one reader;
* the lung mask loses its rarest value (meant: the trachea), is closed with 10 steps and grown by 3;
* all is cropped to that mask and 5 voxels more on each side; voxels outside the mask get the smallest value of
  scan times mask; clipped to [-1000, 300] HU, scaled to [0, 1] by smallest and largest value;
* a scan's number of lesions is its number of rows in annotations.csv.

``corrected`` differs where that misreads the data:

* distances are at most 10 mm, between centres in world coordinates, which the scan's own axes lead to; no list;
* the position of a contour is rounded to the nearest slice; the outline itself is not part of the nodule (LIDC draws
  it on the first voxels outside), holes are cut out, and each reader counts once per voxel;
* a scan with a nodule of LUNA16 that no two readers' outlines share is excluded;
* the trachea is value 5; the box covers the target too; lesions are the target's connected components.

Both forms leave out the publication's 72 scans, so that they hold the same cases in the same parts. Its five validation
scans are scikit-learn's draw from the sorted ids of the pool, and the same only while no scan is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from lib.datasets.index import Index, IndexedCase, Parts
from lib.datasets.preparation import Preparation
from lib.datasets.raw import RawFiles
from lib.datasets.readers import Volume, read_volume
from lib.datasets.reading import check_3d, check_same_geometry, crop_box, cropped_affine, labels, window
from lib.errors import CaseExcluded, SeglossError
from lib.store import Case
from lib.tables import read_rows

PATTERNS = {
    "image": r"subset\d/(?P<id>[\d.]+)\.mhd",
    "image voxels": r"subset\d/(?P<id>[\d.]+)\.z?raw",
    "lungs": r"seg-lungs-LUNA16/(?P<id>[\d.]+)\.mhd",
    "lungs voxels": r"seg-lungs-LUNA16/(?P<id>[\d.]+)\.z?raw",
}
SUBSETS = {"holdout": ("01234567", "89"), "validation": ("012345", "67")}
"""Subsets of the pool that train and validation are drawn from, and of test."""
N_VALIDATION = 5
SEED = 0xBADCAFE

TRACHEA = 5
LUNG_VALUES = (0, 3, 4, TRACHEA)
CLOSING, GROWTH, MARGIN = 10, 3, 5
WINDOW = (-1000, 300)
NEAR = 10
"""Largest distance of a reader's nodule from one of LUNA16, in voxels as published, in mm corrected."""
MARKS = 2
"""Of four readers, as published whatever their number is."""
NIH = "{http://www.nih.gov}"
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


def _scans(endings: str) -> frozenset[str]:
    return frozenset(f"1.3.6.1.4.1.14519.5.2.1.6279.6001.{ending}" for ending in endings.split())


REVERSED = _scans("""
    282512043257574309474415322775 801945620899034889998809817499 943403138251347598519939390311
    964952370561266624992539111877 144883090372691745980459537053 127965161564033605177803085629
    148447286464082095534651426689 219349715895470349269596532320 123697637451437522065941162930
    177252583002664900748714851615 312127933722985204808706697221
""")
"""Scans whose x and y axes the header reverses."""

LEFT_OUT = _scans("""
    130438550890816550994739120843 243094273518213382155770295147 172845185165807139298420209778
    177888806135892723698313903329 167237290696350215427953159586 305858704835252413616501469037
    313835996725364342034830119490 241570579760883349458693655367 294188507421106424248264912111
    227962600322799211676960828223 313334055029671473836954456733 138080888843357047811238713686
    334517907433161353885866806005 503980049263254396021509831276 247769845138587733933485039556
    306948744223170422945185006551 287966244644280690737019247886 323753921818102744511069914832
    133378195429627807109985347209 943403138251347598519939390311 235364978775280910367690540811
    624425075947752229712087113746 187108608022306504546286626125 267957701183569638795986183786
    252634638822000832774167856951 259227883564429312164962953756 481278873893653517789960724156
    404768898286087278137462774930 487745546557477250336016826588 275007193025729362844652516689
    244204120220889433826451158706 850739282072340578344345230132 146987333806092287055399155268
    107351566259572521472765997306 211956804948320236390242845468 161855583909753609742728521805
    148229375703208214308676934766 897684031374557757145405000951 339546614783708685476232944897
    140239815496047437552471323962 725023183844147505748475581290 200841000324240313648595016964
    290135156874098366424871975734 275755514659958628040305922764 149893110752986700464921264055
    321935195060268166151738328001 119304665257760307862874140576 309955999522338651429118207446
    955688628308192728558382581802 107109359065300889765026303943 279300249795483097365868125932
    122621219961396951727742490470 271307051432838466826189754230 129982010889624423230394257528
    613212850444255764524630781782 332829333783605240302521201463 219618492426142913407827034169
    172243743899615313644757844726 225515255547637437801620523312 792381786708289670758399079830
    168833925301530155818375859047 997611074084993415992563148335 137773550852881583165286615668
    397522780537301776672854630421 478062284228419671253422844986 249314567767437206995861966896
    102681962408431413578140925249 212608679077007918190529579976 300270516469599170290456821227
    141345499716190654505508410197 188619674701053082195613114069 167661207884826429102690781600
""")


@dataclass(frozen=True)
class Contour:
    """One closed outline: ``z`` in mm, ``points`` (n, 2) in voxels; ``is_hole`` if it bounds what is excluded."""

    z: float
    points: np.ndarray
    is_hole: bool


Nodule = list[Contour]
Slices = dict[int, np.ndarray]
"""Masks by number of the slice."""


def index(raw: RawFiles, parameters: dict[str, Any]) -> Index:
    """Pair scans, lung masks and readings; a reading is needed only where there are nodules.

    Raises:
        SeglossError: annotations.csv is missing or not that of LUNA16.
    """
    nodules = _nodules_by_scan(raw.one(r"annotations\.csv"))
    readings = _readings_by_scan(path for path in raw.paths if path.lower().endswith(".xml"))
    files, excluded = raw.cases(PATTERNS)
    cases = {}
    for scan, of_scan in files.items():
        if scan in LEFT_OUT:
            excluded[scan] = "left out by the publication, which gives no reason"
        elif scan not in nodules:
            cases[scan] = IndexedCase(scan, of_scan, {"nodules": []})
        elif scan not in readings:
            excluded[scan] = "it has nodules, but no LIDC reading names its series"
        else:
            cases[scan] = IndexedCase(scan, of_scan | {"reading": [readings[scan]]}, {"nodules": nodules[scan]})
    return Index(cases, {name: _split(cases, *subsets) for name, subsets in SUBSETS.items()}, excluded)


def _nodules_by_scan(path: str) -> dict[str, list[list[float]]]:
    nodules: dict[str, list[list[float]]] = {}
    axes = ("coordX", "coordY", "coordZ")
    for number, row in enumerate(read_rows(Path(path), ("seriesuid", *axes)), 1):
        try:
            centre = [float(row[axis]) for axis in axes]
        except ValueError:
            centre = [np.nan]
        if not np.isfinite(centre).all():
            raise SeglossError(
                f"{path}: row {number}: not the annotations of LUNA16: {', '.join(axes)} must be numbers"
            )
        nodules.setdefault(row["seriesuid"], []).append(centre)
    return nodules


def _readings_by_scan(paths: Iterable[str]) -> dict[str, str]:
    readings: dict[str, str] = {}
    for path in paths:
        if series := _series(path):
            readings.setdefault(series, path)
    return readings


def _series(path: str) -> str | None:
    """The series that an LIDC reading belongs to; None for readings of radiographs and for damaged headers."""
    if not Path(path).is_file():  # a pipe, or a link to nothing
        return None
    try:
        with Path(path).open("rb") as stream:
            events = ElementTree.iterparse(stream, ("start", "end"))
            if next(events)[1].tag != f"{NIH}LidcReadMessage":
                return None
            ended = (element for event, element in events if event == "end")
            return next((element.text for element in ended if element.tag == f"{NIH}SeriesInstanceUid"), None)
    except ElementTree.ParseError:
        return None


def _split(cases: dict[str, IndexedCase], of_pool: str, of_test: str) -> Parts:
    def scans(subsets: str) -> list[str]:
        return sorted(scan for scan, entry in cases.items() if Path(entry.files["image"][0]).parent.name[-1] in subsets)

    pool = scans(of_pool)
    order = np.random.RandomState(SEED).permutation(len(pool))  # as scikit-learn
    drawn = {pool[number] for number in order[:N_VALIDATION]}
    return {
        "train": tuple(scan for scan in pool if scan not in drawn),
        "validation": tuple(sorted(drawn)),
        "test": tuple(scans(of_test)),
    }


def preparation(parameters: dict[str, Any]) -> Preparation:
    """None for other images: what lies outside the lungs is blanked by masks that come with the data set."""
    return Preparation(refusal="its scans are blanked outside the lungs by LUNA16's own lung masks")


def prepare(case: str, entry: IndexedCase, parameters: dict[str, Any]) -> Case:
    """Read one scan, its lung mask and its readers' contours."""
    published = parameters["form"] == "published"
    nodules = entry.details["nodules"]
    scan, values = read_volume(entry.files["image"][0]), read_volume(entry.files["lungs"][0])
    check_3d(scan, "image")
    check_same_geometry(scan, values, "lung mask")
    target = np.zeros(scan.array.shape, bool)
    if nodules:
        centres = _in_voxels(np.array(nodules), scan, case, published)
        target = _consensus(_read_readers(entry.files["reading"][0]), centres, scan, published)
    lungs = _lung_mask(values.array, published)
    box = crop_box(lungs if published else lungs | target, MARGIN)
    return Case(
        image=_masked_window(scan.array[box], lungs[box])[None],
        label=target[box].astype(np.uint8),
        spacing=scan.spacing,
        patient=entry.patient,
        affine=cropped_affine(scan.affine, box),
        n_lesions=len(nodules) if published else None,
    )


def _in_voxels(centres: np.ndarray, scan: Volume, case: str, published: bool) -> np.ndarray:
    """Centres (n, 3) of annotations.csv, LPS mm, as voxel positions; rounded if ``published``."""
    corner = scan.affine[:3, 3]
    if published:
        origin = LPS_TO_RAS * corner
        if case in REVERSED:
            centres = np.c_[2 * origin[:2] - centres[:, :2], centres[:, 2]]
        voxels = np.rint((centres - origin) / scan.spacing)
    else:
        voxels = (LPS_TO_RAS * centres - corner) @ np.linalg.inv(scan.affine[:3, :3]).T
    if (np.rint(voxels) < 0).any() or (np.rint(voxels) >= scan.array.shape).any():
        raise CaseExcluded("a nodule of annotations.csv lies outside the scan")
    return voxels


def _read_readers(path: str) -> list[list[Nodule]]:
    """The outlined nodules of each reader."""
    try:
        sessions = ElementTree.parse(path).iter(f"{NIH}readingSession")
        return [
            [contours for nodule in session.iter(f"{NIH}unblindedReadNodule") if (contours := _contours(nodule))]
            for session in sessions
        ]
    except (ElementTree.ParseError, TypeError, ValueError) as error:
        raise CaseExcluded(f"{Path(path).name} cannot be read ({error})") from error


def _contours(nodule: ElementTree.Element) -> Nodule:
    contours = []
    for roi in nodule.iter(f"{NIH}roi"):
        points = [[int(edge.findtext(f"{NIH}{axis}Coord")) for axis in "xy"] for edge in roi.iter(f"{NIH}edgeMap")]
        if points:
            z = float(roi.findtext(f"{NIH}imageZposition"))
            contours.append(Contour(z, np.array(points), roi.findtext(f"{NIH}inclusion") == "FALSE"))
    return contours


def _consensus(readers: list[list[Nodule]], centres: np.ndarray, scan: Volume, published: bool) -> np.ndarray:
    """Voxels with enough marks, of nodules (``published``) or of readers, near the centres."""
    near = [[nodule for nodule in reader if _distance(nodule, centres, scan, published) <= NEAR] for reader in readers]
    markers = [[nodule] for reader in near for nodule in reader] if published else near
    marks = np.zeros(scan.array.shape, np.uint8)
    for nodules in markers:
        for number, mask in _union(_filled(nodule, scan, published) for nodule in nodules).items():
            marks[:, :, number] += mask
    target = marks >= MARKS
    if not published:
        _check_each_is_marked(centres, target, scan)
    return target


def _distance(nodule: Nodule, centres: np.ndarray, scan: Volume, published: bool) -> float:
    """From the mean of the contour points to the nearest centre."""
    points = [np.insert(contour.points.astype(float), 2, _slice_position(contour, scan), 1) for contour in nodule]
    mean = np.concatenate(points).mean(axis=0)
    apart = centres - np.rint(mean) if published else (centres - mean) @ scan.affine[:3, :3].T
    return float(np.linalg.norm(apart, axis=1).min())


def _slice_position(contour: Contour, scan: Volume) -> float:
    return (contour.z - scan.affine[2, 3]) / scan.affine[2, 2]


def _filled(nodule: Nodule, scan: Volume, published: bool) -> Slices:
    width, height, depth = scan.array.shape
    masks: Slices = {}
    for contour in sorted(nodule, key=lambda contour: contour.is_hole):
        position = _slice_position(contour, scan)
        number = int(position) if published else round(position)
        if not 0 <= number < depth or (contour.points < 0).any() or (contour.points >= (width, height)).any():
            raise CaseExcluded(f"a contour at z = {contour.z:g} mm lies outside the scan")
        mask = masks.setdefault(number, np.zeros((width, height), bool))
        outline, inside = _outline_and_inside(contour.points, mask.shape)
        if published:
            mask |= outline | inside
        elif contour.is_hole:
            mask &= ~inside
        else:
            mask |= inside
    return masks


def _outline_and_inside(points: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Masks of a polygon's outline and of what lies within it; together they are OpenCV's ``fillPoly``."""
    from skimage.draw import line, polygon

    outline, inside = np.zeros(shape, bool), np.zeros(shape, bool)
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        if start[0] < end[0]:  # which of two equally near voxels a line takes depends on its direction
            start, end = end, start
        outline[line(*start, *end)] = True
    inside[polygon(*points.T, shape)] = True
    return outline, inside & ~outline


def _union(parts: Iterable[Slices]) -> Slices:
    union: Slices = {}
    for part in parts:
        for number, mask in part.items():
            union[number] = union.get(number, False) | mask
    return union


def _check_each_is_marked(centres: np.ndarray, target: np.ndarray, scan: Volume) -> None:
    voxels = np.argwhere(target)
    for centre in centres:
        if not (np.linalg.norm((voxels - centre) @ scan.affine[:3, :3].T, axis=1) <= NEAR).any():
            raise CaseExcluded(f"no two readers outline the nodule at voxel {np.rint(centre).astype(int).tolist()}")


def _lung_mask(values: np.ndarray, published: bool) -> np.ndarray:
    from scipy import ndimage

    if published:
        found, counts = np.unique(values, return_counts=True)
        dropped = found[counts.argmin()]
    else:
        values, dropped = labels(values, LUNG_VALUES, "lung mask"), TRACHEA
    lungs = (values != 0) & (values != dropped)
    near = crop_box(lungs, CLOSING + 1)  # further away nothing changes
    closed = ndimage.binary_dilation(lungs[near], iterations=CLOSING)
    closed = ndimage.binary_erosion(closed, iterations=CLOSING, border_value=1)  # the volume's border erodes nothing
    lungs[near] = ndimage.binary_dilation(closed, iterations=GROWTH)
    return lungs


def _masked_window(scan: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    product = scan * lungs
    product[~lungs] = product.min()
    return window(product, *WINDOW)
