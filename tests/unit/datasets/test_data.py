"""Phantoms and the store."""

from pathlib import Path

import numpy as np
import pytest
from conftest import store_case

from lib import arrays
from lib.arrays import cut, open_array, write_array
from lib.datasets import DATASETS, SPLITS
from lib.datasets.index import IndexedCase
from lib.datasets.phantoms.lesions import LOG_VOLUME_MEAN, LOG_VOLUME_SD, prepare
from lib.errors import CaseExcluded, SeglossError
from lib.files import read_json
from lib.maps import connected_components
from lib.store import Case, StoredCase, write_case

PARAMETERS = DATASETS["phantom_lesions"].parameters


def phantom(number: int, **changes: object) -> Case:
    name = f"phantom_{number:03d}"
    return prepare(name, IndexedCase(name), {**PARAMETERS, **changes})


@pytest.fixture(scope="module")
def phantoms() -> list[Case]:
    return [phantom(number) for number in range(30)]


def test_a_phantom_is_a_function_of_its_id_and_seed(phantoms: list[Case]) -> None:
    again = phantom(4)
    np.testing.assert_array_equal(again.image, phantoms[4].image)
    np.testing.assert_array_equal(again.label, phantoms[4].label)
    other = phantom(4, seed=1)
    assert other.image.shape != again.image.shape or not np.array_equal(other.image, again.image)


def test_lesion_sizes_span_three_decades_as_in_the_masks_they_imitate(phantoms: list[Case]) -> None:
    volumes = np.concatenate(
        [np.bincount(connected_components(case.label).ravel())[1:] * np.prod(case.spacing) for case in phantoms]
    )
    assert volumes.min() < 3
    assert volumes.max() > 1000
    assert np.log(volumes).mean() == pytest.approx(LOG_VOLUME_MEAN, abs=0.4)
    assert np.log(volumes).std() == pytest.approx(LOG_VOLUME_SD, abs=0.3)


def test_phantoms_are_various_and_finite(phantoms: list[Case]) -> None:
    assert len({case.spacing for case in phantoms}) == 4
    assert 1 <= sum(not case.label.any() for case in phantoms) <= 10
    for case in phantoms:
        assert np.isfinite(case.image).all()


def test_small_lesions_are_fainter_than_large_ones(phantoms: list[Case]) -> None:
    small, large = [], []
    for case in phantoms:
        components = connected_components(case.label)
        for label, size in enumerate(np.bincount(components.ravel())[1:], start=1):
            (small if size <= 5 else large if size > 100 else []).append(case.image[0][components == label].mean())
    assert np.mean(small) < np.mean(large) - 0.1


def test_splits_share_no_case() -> None:
    for dataset in DATASETS.values():
        for parts in dataset.known_index.splits.values() if dataset.known_index else ():
            assert set(parts) == set(SPLITS)
            cases = [case for part in parts.values() for case in part]
            assert len(cases) == len(set(cases))


def test_a_case_comes_back_as_it_was(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = (rng.random((10, 11, 70)) < 0.1).astype(np.uint8)
    image = rng.normal(size=(2, *label.shape)).astype(np.float32)
    case = store_case(tmp_path, "a", image, label)
    np.testing.assert_array_equal(case.array("image")[...], image)
    np.testing.assert_array_equal(case.array("label")[...], label)
    assert case.shape == label.shape
    assert case.description["class_voxels"]["1"] == label.sum()
    assert case.description["channels"] == 2


def test_stored_bytes_repeat(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 9, (70, 71, 72), dtype=np.uint8)
    for name in ("a", "b"):
        write_array(tmp_path / f"{name}.b2nd", array)
    assert (tmp_path / "a.b2nd").read_bytes() == (tmp_path / "b.b2nd").read_bytes()


def test_large_arrays_are_cut_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.arrays.IN_MEMORY_BYTES", 0)
    array = np.random.default_rng(0).normal(size=(2, 80, 70, 66)).astype(np.float32)
    write_array(tmp_path / "a.b2nd", array)
    stored = open_array(tmp_path / "a.b2nd")
    assert not isinstance(stored, np.ndarray)
    np.testing.assert_array_equal(cut(stored, (60, 3, 5), (16, 32, 61)), array[:, 60:76, 3:35, 5:66])


@pytest.mark.parametrize("on_disk", [True, False])
def test_no_flipped_bit_is_read_and_the_file_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    if on_disk:
        monkeypatch.setattr("lib.arrays.IN_MEMORY_BYTES", 0)
    rng = np.random.default_rng(0)
    array = rng.integers(0, 99, (1, 70, 50, 66)).astype(np.float32)
    path = tmp_path / "a.b2nd"
    content = write_array(path, array)
    written = path.read_bytes()
    found = 0
    for place in rng.integers(0, len(written), 60):
        path.write_bytes(written[:place] + bytes([written[place] ^ 4]) + written[place + 1 :])
        try:
            read = np.asarray(open_array(path, array.shape, content)[...])
        except SeglossError as error:
            assert "damaged" in str(error) and "run again" in str(error)
            assert not path.exists()
            found += 1
        else:
            np.testing.assert_array_equal(read, array)
    assert found > 50


@pytest.mark.parametrize("on_disk", [True, False])
def test_values_that_lie_otherwise_than_the_file_says_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    """No chunk is damaged, but the lengths of their blocks in front of them are."""
    if on_disk:
        monkeypatch.setattr("lib.arrays.IN_MEMORY_BYTES", 0)
    array = np.random.default_rng(0).integers(0, 99, (7, 8, 5), dtype=np.uint8)
    path = tmp_path / "a.b2nd"
    content = write_array(path, array)
    written = path.read_bytes()
    blocks = b"\x93\xd2\x00\x00\x00\x07\xd2\x00\x00\x00\x08\xd2\x00\x00\x00\x05\x00"
    assert written.count(blocks) == 1
    for length in (4, 10, 255):
        path.write_bytes(written.replace(blocks, blocks.replace(b"\x08", bytes([length]))))
        with pytest.raises(SeglossError, match="damaged"):
            open_array(path, array.shape, content)[...]


def test_only_the_chunks_that_are_read_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lib.arrays.IN_MEMORY_BYTES", 0)
    array = np.random.default_rng(0).normal(size=(70, 70, 130)).astype(np.float32)
    path = tmp_path / "a.b2nd"
    write_array(path, array)
    verified = []
    digest = arrays.xxh3_64_digest
    monkeypatch.setattr(arrays, "xxh3_64_digest", lambda chunk: verified.append(1) or digest(chunk))
    stored = open_array(path)
    for times, box, chunks in (
        (2, np.s_[0:10, 60:64, 0:5], 1),
        (2, np.s_[0:65, 0:1, 60:129], 6),
        (1, np.s_[..., 3], 12),
    ):
        for _ in range(times):
            np.testing.assert_array_equal(stored[box], array[box])
        assert len(verified) == chunks
    assert (stored._unverified == -1).all()


def test_another_array_of_the_same_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.b2nd"
    content = write_array(path, np.zeros((4, 4), np.uint8))
    write_array(path, np.ones((4, 4), np.uint8))
    with pytest.raises(SeglossError, match="another array than the one that was prepared"):
        open_array(path, content=content)


def test_cut_pads_where_the_box_leaves_the_volume() -> None:
    array = np.arange(24.0).reshape(1, 4, 6) + 5
    patch = cut(array, (-1, 4), (3, 4), fill=None)
    assert patch.shape == (1, 3, 4)
    np.testing.assert_array_equal(patch[0, 1:, :2], array[0, :2, 4:])
    assert set(patch[0, 0]) == {array[0, :2, 4:].min()}  # the minimum of the part that was cut
    assert cut(array, (-1, 4), (3, 4))[0, 0].max() == 0
    with pytest.raises(SeglossError, match="outside the volume"):
        cut(array, (9, 0), (2, 2))


def test_faulty_cases_are_refused(tmp_path: Path) -> None:
    label = np.zeros((4, 4, 4), np.uint8)
    image = np.zeros((1, 4, 4, 4), np.float32)
    with pytest.raises(SeglossError, match="differ in shape"):
        write_case(tmp_path, "a", Case(image[:, :3], label, (1, 1, 1), "a"))
    image[0, 0, 0, 0] = np.nan
    with pytest.raises(SeglossError, match="NaN"):
        write_case(tmp_path, "a", Case(image, label, (1, 1, 1), "a"))
    image[0, 0, 0, 0] = 0
    with pytest.raises(CaseExcluded, match="constant"):
        write_case(tmp_path, "a", Case(image, label, (1, 1, 1), "a"))
    assert not list(tmp_path.iterdir())


def test_damaged_arrays_are_reported(tmp_path: Path) -> None:
    write_array(tmp_path / "a.b2nd", np.random.default_rng(0).normal(size=(40, 40, 40)))
    whole = (tmp_path / "a.b2nd").read_bytes()
    (tmp_path / "a.b2nd").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SeglossError, match=r"a\.b2nd: damaged"):
        open_array(tmp_path / "a.b2nd")
    with pytest.raises(SeglossError, match="no such array"):
        open_array(tmp_path / "b.b2nd")
    (tmp_path / "case.json").write_text('{"case": "a", "sha')
    with pytest.raises(SeglossError, match=r"case\.json: not valid JSON"):
        StoredCase(tmp_path)


@pytest.mark.parametrize("key", ["case", "affine", "shape", "sha256"])
def test_a_description_without_one_of_its_keys_is_refused(tmp_path: Path, key: str) -> None:
    label = np.zeros((4, 4, 4), np.uint8)
    write_case(tmp_path, "a", Case(np.arange(64.0).reshape(1, 4, 4, 4), label, (1, 1, 1), "a"))
    description = read_json(tmp_path / "case.json")
    assert StoredCase(tmp_path, description).name == "a"
    description["other"] = description.pop(key)
    with pytest.raises(SeglossError, match="not the description of a case"):
        StoredCase(tmp_path, description)


def test_descriptions_state_the_content_and_no_time(tmp_path: Path) -> None:
    label = np.zeros((4, 4, 4), np.uint8)
    image = np.arange(64.0).reshape(1, 4, 4, 4)
    for folder in ("x", "y"):
        write_case(tmp_path / folder, "a", Case(image, label, (1, 1, 1), "a"))
    assert (tmp_path / "x/case.json").read_bytes() == (tmp_path / "y/case.json").read_bytes()
    assert set(read_json(tmp_path / "x/case.json")["sha256"]) == {"image", "label"}
