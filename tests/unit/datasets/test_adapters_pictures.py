"""Adapters of pictures: official layouts to cases, against computations by hand."""

import re
from pathlib import Path

import numpy as np
import official_mr_2d as official
import pytest
from adapters_mr_2d import CITIES, CXR, TREES, Unpack, indexed, nearest, prepared, resized, stored
from official_mr_2d import block, picture

from lib.datasets import DATASETS
from lib.datasets.raw import RawFiles
from lib.errors import CaseExcluded, SeglossError
from lib.labels import IGNORED
from lib.store import write_case


def test_isic_parts_are_those_of_the_folders(tmp_path: Path) -> None:
    tree = official.isic2017(Training=range(2000), Validation=range(2000, 2150), Test_v2=range(2150, 2750))
    for path in tree:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    parts = indexed("isic2017", RawFiles([tmp_path])).splits["official"]
    assert {part: len(cases) for part, cases in parts.items()} == {
        "train": 2000,
        "validation": 150,
        "test": 600,
    }
    assert parts["test"][0] == "ISIC_0002150"


def test_isic_in_folders_of_other_names_is_all_train(unpack: Unpack) -> None:
    tree = {f"photographs/{Path(path).name}": content for path, content in TREES["isic2017"].items()}
    parts = indexed("isic2017", unpack(tree)).splits["official"]
    assert [len(parts[part]) for part in ("train", "validation", "test")] == [4, 0, 0]


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("size", [(256, 256), (7, 13)])
def test_isic_is_resized_whatever_its_aspect(size: tuple[int, int], centred: bool, unpack: Unpack) -> None:
    raw = unpack(TREES["isic2017"])
    made = prepared("isic2017", raw, "ISIC_0000003", size=list(size), centred_nearest=centred)
    colours = resized(stored(TREES["isic2017"], "/ISIC_0000003.jpg"), size, "edge") / 255
    assert np.allclose(np.moveaxis(made.image, 0, -1), (colours - 0.5) / 0.5, atol=1e-6)
    assert made.image.dtype == np.float32
    assert np.array_equal(made.label, nearest(block(30, 40), size, centred))
    assert made.spacing == pytest.approx((30 / size[0], 40 / size[1]))


def test_shenzhen_published_split_is_drawn_among_the_masks(tmp_path: Path) -> None:
    names = [f"CHNCXR_{number:04d}_{int(number > 326)}" for number in range(1, 567)]
    for path in official.shenzhen(names, [f"CHNCXR_{number:04d}_1" for number in range(567, 663)]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = indexed("shenzhen", RawFiles([tmp_path]))
    assert len(found.excluded) == 96
    assert set(found.excluded.values()) == {"no mask among the raw files"}
    published = found.splits["published"]
    assert (len(published["train"]), len(published["validation"]), len(published["test"])) == (396, 0, 170)
    assert {names[number] for number in (394, 430, 41, 265, 523)} <= set(published["test"])
    flags = [case[-1] for case in found.splits["stratified"]["test"]]
    assert (flags.count("0"), flags.count("1")) == (round(0.3 * 326), round(0.3 * 240))


def test_shenzhen_reads_grey_levels_stored_as_colours(unpack: Unpack) -> None:
    made = prepared("shenzhen", unpack(TREES["shenzhen"]), "CHNCXR_0003_1", size=[40, 30])
    grey = stored(TREES["shenzhen"], "CXR_png/CHNCXR_0003_1.png")[..., 0]
    assert np.allclose(made.image[0], resized(grey, (40, 30), "edge") / 255, atol=1e-6)
    assert np.array_equal(made.label, nearest(block(20, 30), (40, 30), centred=False))


def test_shenzhen_at_128_pixels_differs_in_nothing_else(unpack: Unpack) -> None:
    raw = unpack(TREES["shenzhen"])
    assert indexed("shenzhen_128", raw) == indexed("shenzhen", raw)
    small, same = prepared("shenzhen_128", raw, CXR[0]), prepared("shenzhen", raw, CXR[0], size=[128, 128])
    assert small.image.shape == (1, 128, 128)
    assert np.array_equal(small.image, same.image) and np.array_equal(small.label, same.label)


@pytest.mark.parametrize(("layout", "ending"), [("img/{}.png", "mask/{}_mask.png"), ("images/{}.jpg", "masks/{}.png")])
def test_shenzhen_in_the_folders_of_other_distributors(layout: str, ending: str, unpack: Unpack) -> None:
    tree = {layout.format(name): b"" for name in CXR} | {ending.format(name): b"" for name in CXR}
    assert set(indexed("shenzhen", unpack(tree)).cases) == set(CXR)


def test_montgomery_label_is_both_lungs(unpack: Unpack) -> None:
    made = prepared("montgomery", unpack(TREES["montgomery"]), "MCUCXR_0002_0", size=[24, 20])
    lungs = np.zeros((24, 20))
    lungs[4:20, 11:18] = lungs[6:22, 2:9] = 1
    assert np.array_equal(made.label, lungs)
    assert np.allclose(made.image[0], stored(TREES["montgomery"], "CXR_png/MCUCXR_0002_0.png") / 255)


def test_sixteen_bits_are_scaled_by_their_own_range(unpack: Unpack) -> None:
    deep = (official.random(0, 24, 20) * 300).astype(np.uint16)
    raw = unpack(TREES["montgomery"] | {"MontgomerySet/CXR_png/MCUCXR_0001_0.png": picture(deep)})
    assert np.allclose(prepared("montgomery", raw, "MCUCXR_0001_0", size=[24, 20]).image[0], deep / 65535)


def test_retinal_lesions_unite_classes_by_the_values_that_count(unpack: Unpack) -> None:
    raw = unpack(TREES["retinal_lesions"])
    certain = np.zeros((18, 18), bool)
    certain[2:5, 2:5] = certain[4:9, 4:9] = True
    doubted = certain.copy()
    doubted[12:15, 3:6] = True
    assert np.array_equal(prepared("retinal_lesions", raw, "10_left").label, doubted)
    assert np.array_equal(prepared("retinal_lesions_corrected", raw, "10_left").label, certain)
    assert not prepared("retinal_lesions", raw, "13_left").label.any()


def rows_of_classes(uncertain: bool) -> np.ndarray:
    """What `official.retinal_classes` writes: (classes, height, width)."""
    channels = np.zeros((8, 18, 18), bool)
    for number, channel in enumerate(channels):
        channel[number, 3 : 8 + uncertain] = True
    return channels


@pytest.mark.parametrize("uncertain", [False, True])
def test_retinal_lesions_have_a_channel_for_each_class_of_the_registry(uncertain: bool, unpack: Unpack) -> None:
    raw = unpack(TREES["retinal_lesions"] | official.retinal_classes("13_left"))
    positive = {"positive": [127, 255]} if uncertain else {}
    made = prepared("retinal_lesions_multilabel", raw, "13_left", **positive)
    assert np.array_equal(made.label, rows_of_classes(uncertain))
    assert [name[:5] for name in DATASETS["retinal_lesions_multilabel"].labels.names] == [
        name.replace("_", " ")[:5] for name in official.RETINAL_CLASSES
    ]
    exudates = prepared("retinal_hard_exudates", raw, "13_left", **positive)
    assert np.array_equal(exudates.label, rows_of_classes(uncertain)[2])
    some = prepared("retinal_hard_exudates", raw, "13_left", classes=["neovascularization", "microaneurysm"])
    assert np.array_equal(some.label, rows_of_classes(False)[[0, 6]].any(0))
    in_this_order = prepared("retinal_lesions_multilabel", raw, "13_left", classes=["hard_exudate", "microaneurysm"])
    assert np.array_equal(in_this_order.label, rows_of_classes(False)[[2, 0]])


def test_a_retinal_class_that_has_no_file_is_absent(unpack: Unpack) -> None:
    made = prepared("retinal_lesions_multilabel", unpack(TREES["retinal_lesions"]), "10_left")
    assert made.label.any(axis=(1, 2)).tolist() == [True, False, True, *5 * [False]]
    assert not prepared("retinal_lesions_multilabel", unpack(TREES["retinal_lesions"]), "13_left").label.any()


@pytest.mark.parametrize("name", ["Hard Exudates", "hard-exudate", "hard_exudates"])
def test_other_spellings_of_a_retinal_class_are_known(name: str, unpack: Unpack) -> None:
    path = "retinal-lesions-v20191227/lesion_segs_896x896/13_left/hard_exudate.png"
    content = official.retinal_classes("13_left")[path]
    raw = unpack(TREES["retinal_lesions"] | {path.replace("hard_exudate", name): content})
    assert np.array_equal(prepared("retinal_hard_exudates", raw, "13_left").label, rows_of_classes(False)[2])


@pytest.mark.parametrize("name", ["retinal_lesions", "retinal_hard_exudates", "retinal_lesions_multilabel"])
def test_a_file_of_no_known_retinal_class_is_not_taken_for_one(name: str, unpack: Unpack) -> None:
    path = "retinal-lesions-v20191227/lesion_segs_896x896/10_left/drusen.png"
    raw = unpack(TREES["retinal_lesions"] | {path: picture(255 * block(18, 18))})
    with pytest.raises(CaseExcluded, match=r"^drusen\.png: the name of a class was expected: microaneurysm, intrar.*$"):
        prepared(name, raw, "10_left")


def test_retinal_lesions_at_512_are_those_of_the_publication_resized(unpack: Unpack) -> None:
    raw = unpack(TREES["retinal_lesions"])
    native, made = prepared("retinal_lesions", raw, "10_left"), prepared("retinal_lesions_512", raw, "10_left")
    assert np.array_equal(made.label, nearest(native.label, (512, 512), centred=True))
    assert made.spacing == pytest.approx((18 / 512, 18 / 512))
    colours = resized(stored(TREES["retinal_lesions"], "images_896x896/10_left.jpg"), (512, 512), "edge") / 255
    assert np.allclose(np.moveaxis(made.image, 0, -1), colours, atol=1e-6)
    several = prepared("retinal_lesions_multilabel", raw, "10_left", size=[9, 12])
    channels = prepared("retinal_lesions_multilabel", raw, "10_left").label
    assert np.array_equal(several.label, [nearest(channel, (9, 12), centred=True) for channel in channels])


def test_retinal_lesions_split_comes_from_its_files(unpack: Unpack) -> None:
    parts = indexed("retinal_lesions", unpack(TREES["retinal_lesions"])).splits["official"]
    assert parts == {
        "train": ("10_left", "10_right", "13_left"),
        "validation": ("15_left",),
        "test": ("16_left", "17_left"),
    }


def test_retinal_lesions_without_split_says_where_to_get_it(unpack: Unpack) -> None:
    tree = {path: content for path, content in TREES["retinal_lesions"].items() if not path.endswith("/val.txt")}
    with pytest.raises(SeglossError, match=r"0 files val.txt.*drive\.google\.com"):
        indexed("retinal_lesions", unpack(tree))


def test_retinal_lesions_named_by_the_split_but_not_there_are_reported(unpack: Unpack) -> None:
    tree = {path: content for path, content in TREES["retinal_lesions"].items() if "15_left" not in path}
    found = indexed("retinal_lesions", unpack(tree))
    assert found.excluded == {"15_left": "named by the split 'official', but not among the raw files"}


def test_cityscapes_ids_become_the_nineteen_classes(unpack: Unpack) -> None:
    made = prepared("cityscapes", unpack(TREES["cityscapes"]), "aachen_000000_000019")
    expected = np.full(34, IGNORED)
    for number, identifier in enumerate([7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]):
        expected[identifier] = number
    assert np.array_equal(made.label, np.tile(expected, (8, 1)))
    assert made.image.shape == (3, 8, 34)
    assert made.patient == "aachen"


def test_cityscapes_splits_keep_cities_together(unpack: Unpack) -> None:
    found = indexed("cityscapes", unpack(TREES["cityscapes"]))
    assert not any(case.startswith("berlin") for case in found.cases)
    cities = {
        split: {part: {case.split("_")[0] for case in cases} for part, cases in parts.items()}
        for split, parts in found.splits.items()
    }
    train = {city for city, part in CITIES.items() if part == "train"}
    assert cities["published"] == {"train": train, "validation": set(), "test": {"lindau"}}
    assert cities["holdout"]["test"] == {"lindau"}
    assert len(cities["holdout"]["validation"]) == 3
    assert cities["holdout"]["train"] == train - cities["holdout"]["validation"]


def test_draws_leave_something_to_train_on(unpack: Unpack) -> None:
    tree = TREES["wmh2017"] | official.cityscapes({"ulm": "train", "lindau": "val"})
    alone = {path: content for path, content in tree.items() if "training/" not in path or "/Utrecht/0/" in path}
    raw = unpack(alone)
    assert indexed("wmh2017", raw).splits["holdout"] == {"train": ("0",), "validation": (), "test": ()}
    assert len(indexed("cityscapes", raw).splits["holdout"]["train"]) == 2


def test_clinicdb_frames_of_a_sequence_are_one_patient(tmp_path: Path) -> None:
    for path in official.cvc_clinicdb([*range(1, 614)]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = indexed("cvc_clinicdb", RawFiles([tmp_path]))
    assert found.excluded == {"613": "frame 613 is of no known sequence; there are frames 1 to 612"}
    patients = [found.cases[str(frame)].patient for frame in range(1, 613)]
    assert patients == sorted(patients)
    assert len(set(patients)) == 29
    assert [patients.count(f"sequence{number:02d}") for number in (1, 3, 4, 10, 29)] == [25, 17, 11, 6, 21]
    sequences = [len({found.cases[case].patient for case in cases}) for cases in found.splits["holdout"].values()]
    assert sum(sequences) == 29
    assert sorted(sequences) == [3, 6, 20]


def test_polyp_masks_are_cut_in_the_middle(unpack: Unpack) -> None:
    raw = unpack(TREES["cvc_clinicdb"] | TREES["kvasir_seg"])
    frame = block(12, 16)
    frame[3, 4:8] = 0
    made = prepared("cvc_clinicdb", raw, "26")
    assert np.array_equal(made.label, frame)
    assert np.allclose(np.moveaxis(made.image, 0, -1), stored(TREES["cvc_clinicdb"], "Original/26.tif") / 255)
    made = prepared("kvasir_seg", raw, "cju0qkwl35piu0993l0dewei3")
    assert np.array_equal(made.label, block(16, 24))
    assert made.image.shape == (3, 16, 24)


@pytest.mark.parametrize("shape", [(16, 24), (24, 16), (20, 20)])
@pytest.mark.parametrize("side", [48, 21])
def test_polyps_in_a_square_keep_their_aspect(shape: tuple[int, int], side: int, unpack: Unpack) -> None:
    """The longer side gets the length, the rest is black and not annotated, on both sides."""
    tree = {
        "Kvasir-SEG/images/x.jpg": picture(official.random(7, *shape, 3).astype(np.uint8) + 20, "JPEG"),
        "Kvasir-SEG/masks/x.jpg": picture(np.dstack([255 * block(*shape)] * 3), "JPEG"),
    }
    made = prepared("kvasir_seg_512", unpack(tree), "x", square=side)
    assert made.image.shape == (3, side, side) and made.label.shape == (side, side)
    size = tuple(round(length * side / max(shape)) for length in shape)
    inside = tuple(slice((side - length) // 2, (side - length) // 2 + length) for length in size)
    assert np.array_equal(made.label[inside], nearest(block(*shape), size, centred=True))
    colours = resized(stored(tree, "images/x.jpg"), size, "edge") / 255
    assert np.allclose(np.moveaxis(made.image[:, *inside], 0, -1), colours, atol=1e-6)
    margin = np.ones((side, side), bool)
    margin[inside] = False
    assert (made.label[margin] == IGNORED).all() and not made.image[:, margin].any()
    assert not (made.label[~margin] == IGNORED).any()
    assert made.spacing == pytest.approx([old / new for old, new in zip(shape, size, strict=True)])


def test_frames_of_clinicdb_come_in_a_square_too(unpack: Unpack) -> None:
    made = prepared("cvc_clinicdb_512", unpack(TREES["cvc_clinicdb"]), "26")
    assert made.label.shape == (512, 512) and made.spacing == pytest.approx((12 / 384, 16 / 512))
    frame = block(12, 16)
    frame[3, 4:8] = 0
    assert np.array_equal(made.label[64:-64], nearest(frame, (384, 512), centred=True))
    assert (made.label[:64] == IGNORED).all() and (made.label[-64:] == IGNORED).all()


def test_idrid_paints_lesions_in_their_order_over_the_disc(unpack: Unpack) -> None:
    made = prepared("idrid", unpack(TREES["idrid"]), "IDRiD_07")
    expected = np.zeros((20, 30), int)
    masks = official.idrid_masks()
    for row, column in np.ndindex(expected.shape):
        here = [name for name in ("EX", "HE", "MA", "OD") if masks[name][row, column]]
        expected[row, column] = {"MA": 1, "HE": 2, "EX": 3, "OD": 5}[here[0]] if here else 0
    assert np.array_equal(made.label, expected)
    assert {1, 2, 3, 5} <= set(np.unique(made.label))


def test_idrid_classes_are_numbered_as_they_are_chosen(unpack: Unpack) -> None:
    raw, masks = unpack(TREES["idrid"]), official.idrid_masks()
    chosen = prepared("idrid", raw, "IDRiD_07", classes=["HE", "SE", "MA"]).label
    assert np.array_equal(chosen, np.where(masks["HE"], 1, np.where(masks["MA"], 3, 0)))
    exudates = prepared("idrid", raw, "IDRiD_07", classes=["EX"]).label
    assert np.array_equal(exudates, masks["EX"])
    alone = prepared("idrid", raw, "IDRiD_07", classes=["HE"]).label
    assert np.array_equal(alone, masks["HE"])  # not hidden by a class that is not chosen


def test_idrid_findings_that_overlap_have_channels_of_their_own(unpack: Unpack) -> None:
    raw, masks = unpack(TREES["idrid"]), official.idrid_masks()
    made = prepared("idrid", raw, "IDRiD_07", overlapping=True)
    nothing = np.zeros((20, 30), bool)
    order = ("MA", "HE", "EX", "SE", "OD")
    assert np.array_equal(made.label, [masks.get(name, nothing) for name in order])
    assert (made.label.sum(0) > 1).any()
    registered = prepared("idrid_multilabel", raw, "IDRiD_07")
    assert np.array_equal(
        registered.label, [nearest(masks.get(name, nothing), (356, 536), centred=True) for name in order]
    )
    assert DATASETS["idrid_multilabel"].labels.names == DATASETS["idrid"].labels.names[1:]


def test_idrid_is_resized_with_its_spacing(unpack: Unpack) -> None:
    raw = unpack(TREES["idrid"])
    made = prepared("idrid", raw, "IDRiD_07", size=[10, 20])
    assert np.array_equal(made.label, nearest(prepared("idrid", raw, "IDRiD_07").label, (10, 20), centred=True))
    assert made.spacing == pytest.approx((2, 1.5))
    exudates = prepared("idrid_hard_exudates", raw, "IDRiD_07")
    assert exudates.spacing == pytest.approx((20 / 356, 30 / 536))
    assert np.array_equal(exudates.label, nearest(official.idrid_masks()["EX"], (356, 536), centred=True))


def test_idrid_holds_out_two_fifths_of_all_photographs(tmp_path: Path) -> None:
    for path in official.idrid(range(1, 55), range(55, 82)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = indexed("idrid", RawFiles([tmp_path]))
    assert {name: [*map(len, parts.values())] for name, parts in found.splits.items()} == {
        "official": [49, 5, 27],
        "holdout": [41, 8, 32],
    }
    drawn = found.splits["holdout"]["test"]
    assert {*drawn} & {f"IDRiD_{number}" for number in range(55, 82)} != {*drawn}  # of both folders


def test_idrid_parts_are_the_folders_less_a_tenth(unpack: Unpack) -> None:
    tree = TREES["idrid"]
    lonely = {path.replace("IDRiD_11", "IDRiD_12"): content for path, content in tree.items() if "11.jpg" in path}
    found = indexed("idrid", unpack(tree | lonely))
    parts = found.splits["official"]
    assert parts["test"] == ("IDRiD_55", "IDRiD_56")
    assert (len(parts["train"]), len(parts["validation"])) == (10, 1)
    assert found.excluded == {"IDRiD_12": "no mask among the raw files"}


COLOURED = picture(official.random(9, 20, 30, 3).astype(np.uint8))
EMPTY = np.zeros((20, 30), np.uint8)


@pytest.mark.parametrize(
    ("name", "path", "content", "case", "reason"),
    [
        (
            "shenzhen",
            "mask/mask/{}_mask.png",
            picture(block(30, 20)),
            CXR[0],
            r"image \(20, 30\) and mask \(30, 20\)",
        ),
        ("shenzhen", "mask/mask/{}_mask.png", picture(EMPTY), CXR[0], "the mask is empty.* a lung"),
        ("shenzhen", "mask/mask/{}_mask.png", b"", CXR[0], "cannot be read"),
        ("shenzhen", "ChinaSet_AllFiles/CXR_png/{}.png", COLOURED, CXR[0], "a grey picture was expected"),
        ("shenzhen", "ChinaSet_AllFiles/CXR_png/{}.png", COLOURED[:90], CXR[0], "cannot be read"),
        (
            *("montgomery", "MontgomerySet/ManualMask/leftMask/{}.png", picture(block(5, 5))),
            *("MCUCXR_0001_0", "left mask .* and right mask"),
        ),
        (
            *(
                "montgomery",
                "MontgomerySet/ManualMask/rightMask/{}.png",
                picture(np.zeros((24, 20), np.uint8)),
            ),
            *("MCUCXR_0001_0", "the mask is empty.* a right lung"),
        ),
        (
            "isic2017",
            "ISIC-2017_Training_Data/{}.jpg",
            picture(EMPTY, "JPEG"),
            "ISIC_0000000",
            "three colours",
        ),
        (
            *("retinal_lesions", "retinal-lesions-v20191227/lesion_segs_896x896/{}/hard_exudate.png"),
            *(
                picture(block(18, 18) * 64),
                "10_left",
                "hard_exudate.png holds label 64; known are 0, 127, 255",
            ),
        ),
        (
            *("retinal_lesions", "retinal-lesions-v20191227/lesion_segs_896x896/{}/hard_exudate.png"),
            *(picture(block(9, 18) * 255), "10_left", "differ in shape"),
        ),
        (
            *("cityscapes", "gtFine/train/ulm/{}_gtFine_labelIds.png", picture(block(8, 34) * 34)),
            *("ulm_000000_000019", "the mask holds label 34"),
        ),
        ("cvc_clinicdb", "CVC-ClinicDB/Ground Truth/{}.tif", b"II*", "26", "26.tif cannot be read"),
        ("cvc_clinicdb", "CVC-ClinicDB/Ground Truth/{}.tif", picture(EMPTY, "TIFF"), "26", "mask is empty"),
        (
            "kvasir_seg",
            "Kvasir-SEG/masks/{}.jpg",
            picture(EMPTY, "JPEG"),
            "cju0qkwl35piu0993l0dewei3",
            "empty",
        ),
        (
            *(
                "idrid",
                "A. Segmentation/2. All Segmentation Groundtruths/a. Training Set/1. Microaneurysms/{}_MA.tif",
            ),
            *(picture(block(4, 4), "TIFF"), "IDRiD_07", "mask MA .* differ in shape"),
        ),
    ],
)
def test_unusable_picture_is_excluded_with_its_reason(
    name: str, path: str, content: bytes, case: str, reason: str, unpack: Unpack
) -> None:
    path = path.format(case)
    assert path in TREES[name]
    with pytest.raises(CaseExcluded, match=reason) as excluded:
        prepared(name, unpack(TREES[name] | {path: content}), case)
    assert "\n" not in str(excluded.value)


def test_constant_picture_is_refused_when_it_is_stored(unpack: Unpack, tmp_path: Path) -> None:
    grey = picture(np.full((16, 24, 3), 90, np.uint8))
    tree = {re.sub("images/.*3.jpg", "images/x.jpg", path): content for path, content in TREES["kvasir_seg"].items()}
    raw = unpack(tree | {"Kvasir-SEG/images/x.jpg": grey, "Kvasir-SEG/masks/x.jpg": picture(255 * block(16, 24))})
    with pytest.raises(CaseExcluded, match="constant"):
        write_case(tmp_path / "case", "x", prepared("kvasir_seg", raw, "x"))


@pytest.mark.parametrize(
    ("name", "gone", "case"),
    [
        ("isic2017", "ISIC_0000003_segmentation.png", "ISIC_0000003"),
        ("cityscapes", "ulm_000001_000019_gtFine_labelIds.png", "ulm_000001_000019"),
        ("kvasir_seg", "masks/cju0qkwl35piu0993l0dewei3.jpg", "cju0qkwl35piu0993l0dewei3"),
        ("cvc_clinicdb", "Ground Truth/206.tif", "206"),
        ("acdc", "patient002_frame12_gt.nii.gz", "patient002_frame12"),
    ],
)
def test_case_without_mask_is_excluded(name: str, gone: str, case: str, unpack: Unpack) -> None:
    found = indexed(name, unpack({path: content for path, content in TREES[name].items() if not path.endswith(gone)}))
    assert found.excluded == {case: "no mask among the raw files"}
    assert case not in found.cases


def test_photograph_that_lies_there_twice_is_excluded(unpack: Unpack) -> None:
    for name, path in (
        ("isic2017", "ISIC-2017_Training_Data/ISIC_0000003.jpg"),
        ("retinal_lesions", "retinal-lesions-v20191227/images_896x896/10_left.jpg"),
    ):
        found = indexed(name, unpack(TREES[name] | {f"copy/{path}": TREES[name][path]}))
        (reason,) = found.excluded.values()
        assert reason.startswith("duplicate id: ")


# real data, where it is


def test_shenzhen_as_t_loss_used_it(shared: Path) -> None:
    raw = RawFiles([shared / "data/cxr_shenzhen566_512"])
    found = indexed("shenzhen", raw)
    assert [len(found.splits["published"][part]) for part in ("train", "test")] == [396, 170]
    made = prepared("shenzhen", raw, "CHNCXR_0046_0")
    assert made.image.shape == (1, 256, 256)
    assert made.image[0][made.label == 1].mean() < made.image[0][made.label == 0].mean() + 0.2
    assert 0.2 < made.label.mean() < 0.4


def test_isic_photographs_show_their_lesion_darker(shared: Path) -> None:
    raw = RawFiles([shared / "data/isic2017_mini"])
    found = indexed("isic2017", raw)
    assert len(found.splits["official"]["train"]) == 3
    made = prepared("isic2017", raw, "ISIC_0014600")
    assert made.image[:, made.label == 1].mean() < made.image[:, made.label == 0].mean() - 0.2
    assert -1 <= made.image.min() < 0
