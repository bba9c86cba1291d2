"""Archives: what they unpack to, every member that is refused, and damage at many places."""

import gzip
import io
import random
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile

import pytest

import lib.datasets.archives
from lib import ROOT
from lib.datasets.archives import check, extract, is_archive, stem
from lib.errors import SeglossError

CONTENT = random.Random(0).randbytes(3000)
FILES = {"case/image.nii": CONTENT, "case/A.txt": b"upper", "case/a.txt": b"lower", "empty": b""}
SKIPPED = {"__MACOSX/case/._image.nii": b"x", "case/.DS_Store": b"x"}


def _zip(members=FILES, compression=zipfile.ZIP_DEFLATED) -> bytes:
    """``members``: names, or described entries, and their content."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def _entry(name="x", mode=0, **described):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    for key, value in described.items():
        setattr(entry, key, value)
    return entry


def _tar(members=FILES, special=()) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in members.items():
            described = tarfile.TarInfo(name)
            described.size = len(data)
            archive.addfile(described, io.BytesIO(data))
        for name, kind, target in special:
            described = tarfile.TarInfo(name)
            described.type, described.linkname = kind, target
            archive.addfile(described)
    return content.getvalue()


def _extract(content, tmp_path, name="a.zip"):
    (tmp_path / name).write_bytes(content)
    extract(tmp_path / name, tmp_path / "out")
    return _files(tmp_path / "out")


def _files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _refused(content, tmp_path, name="a.zip"):
    """The message of a refusal, which must be one line and leave nothing."""
    with pytest.raises(SeglossError) as fault:
        _extract(content, tmp_path, name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert str(fault.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(fault.value)
    return str(fault.value)


def _compressed(content):
    return gzip.compress(content, mtime=0)


KINDS = {"a.zip": _zip, "a.tar": _tar, "a.tar.gz": lambda *a: _compressed(_tar(*a))}


@pytest.mark.parametrize(
    "name, is_one, begin",
    [
        ("x/a.zip", True, "x/a"),
        ("A.ZIP", True, "A"),
        ("a.tar", True, "a"),
        ("a.b.tar.gz", True, "a.b"),
        ("a.tgz", True, "a"),
        ("a.nii.gz", False, "a.nii.gz"),
        ("a.7z", False, "a.7z"),
        ("zip", False, "zip"),
    ],
)
def test_names(name, is_one, begin):
    assert is_archive(name) == is_one
    assert stem(name) == begin


@pytest.mark.parametrize("name", KINDS)
def test_everything_is_unpacked_but_the_litter(tmp_path, name):
    assert _extract(KINDS[name]({**FILES, **SKIPPED}), tmp_path, name) == FILES
    check(tmp_path / name, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "out"]


@pytest.mark.parametrize("ending", ["a.TGZ", "a.tar"])
def test_a_compressed_tar_is_known_by_its_content(tmp_path, ending):
    assert _extract(_compressed(_tar()), tmp_path, ending) == FILES


def test_folders_are_unpacked_and_may_be_listed_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name in ("a/b/", "a/b/", "./a/c"):
                archive.writestr(name, b"")
    _extract(content.getvalue(), tmp_path)
    assert (tmp_path / "out/a/b").is_dir() and (tmp_path / "out/a/c").is_file()
    folder = ("d", tarfile.DIRTYPE, "")
    _extract(_tar({"d/x": b"x"}, [folder, folder]), tmp_path, "a.tar")
    assert (tmp_path / "out/d/x").is_file()


def test_an_older_output_is_replaced_only_by_a_whole_one(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("old")
    with pytest.raises(SeglossError):
        _extract(_zip()[:-30], tmp_path)
    assert _files(tmp_path / "out") == {"old": b"old"}
    assert _extract(_zip(), tmp_path) == FILES


def test_an_archive_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(SeglossError, match=r"a\.zip: no such archive; download it first"):
        extract(tmp_path / "a.zip", tmp_path / "out")


def test_links_within_a_tar_are_kept(tmp_path):
    links = [("case/link", tarfile.SYMTYPE, "a.txt"), ("hard", tarfile.LNKTYPE, "case/a.txt")]
    found = _extract(_tar(special=links), tmp_path, "a.tar")
    assert found == {**FILES, "case/link": b"lower", "hard": b"lower"}


# Refusals


@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
@pytest.mark.parametrize("member", ["/etc/x", "../x", "a/../../x", "C:/x", "c:x"])
def test_paths_that_lead_out_are_refused(tmp_path, kind, member):
    message = _refused(KINDS[kind]({"good": b"", member: b"x"}), tmp_path, kind)
    assert f"member {member!r} is refused: its path leads out" in message


@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
def test_backslashes_are_refused(tmp_path, kind):
    assert "is refused: its path has a backslash" in _refused(KINDS[kind]({"..\\x": b"x"}), tmp_path, kind)


def test_a_zero_byte_in_a_name_is_refused(tmp_path):
    content = _zip({"good/xNevil": b"x"}).replace(b"xNevil", b"x\0evil")
    assert "is refused: its path has a backslash or a zero byte" in _refused(content, tmp_path)


@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
@pytest.mark.parametrize("name", ["", "."])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_member_without_a_name_is_refused(tmp_path, kind, name):
    member = _entry("x")
    member.filename = name
    content = _zip({member: b"x"}) if kind == "a.zip" else _tar({name: b"x"})
    assert f"member {name!r} is refused: it has no name" in _refused(content, tmp_path, kind)


@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
@pytest.mark.parametrize("name", ["n" * 300, f"{'n' * 300}/x", "/".join(["n" * 200] * 30), "n" * 60_000])
def test_a_name_that_is_too_long_is_reported_in_a_few_words(tmp_path, kind, name):
    message = _refused(KINDS[kind]({"good": b"", name: b"x"}), tmp_path, kind)
    assert "member 'nnnn" in message and "is refused: File name too long" in message
    assert len(message) < 300 + len(str(tmp_path))


def test_a_damage_is_reported_in_a_few_words(tmp_path):
    content = bytearray(_zip({"n" * 60_000: b"x"}))
    content[40] ^= 1  # of the name before the content
    message = _refused(bytes(content), tmp_path)
    assert "damaged" in message and len(message) < 400 + len(str(tmp_path))


def test_an_archive_whose_name_is_too_long_is_not_there(tmp_path):
    with pytest.raises(SeglossError, match=r"zip: no such archive"):
        extract(tmp_path / f"{'n' * 300}.zip", tmp_path / "out")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_zips_are_refused(tmp_path, mode):
    message = _refused(_zip({"good": b"", _entry("bad", mode | 0o777): b"good"}), tmp_path)
    assert "member 'bad' is refused: it is a link or a device" in message


@pytest.mark.parametrize(
    "kind, target",
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "../outside"),
        (tarfile.LNKTYPE, "../outside"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        *[(kind, target) for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) for target in ("no", "bad", "n" * 5000)],
        (tarfile.LNKTYPE, "folder"),
        (tarfile.LNKTYPE, ""),
    ],
)
def test_devices_and_links_out_or_to_no_member_of_tars_are_refused(tmp_path, kind, target):
    special = [("folder", tarfile.DIRTYPE, ""), ("bad", kind, target)]
    message = _refused(_tar(special=special), tmp_path, "a.tar")
    assert "member 'bad' is refused: it is a device or a link that leads out or to no member" in message


def test_a_link_to_a_link_that_leads_out_from_there_is_refused(tmp_path):
    links = [("case/link", tarfile.SYMTYPE, "../x"), ("bad", tarfile.LNKTYPE, "case/link")]
    assert "member 'bad' is refused" in _refused(_tar({"case/y": b"", "x": b""}, links), tmp_path, "a.tar")
    links = [("a", tarfile.SYMTYPE, "b"), ("b", tarfile.SYMTYPE, "a")]
    assert "member 'a' is refused" in _refused(_tar(special=links), tmp_path, "a.tar")


def _link_and(member: str, target: str) -> bytes:
    """A tar of a symbolic link, followed by a member."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, target
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo(member))
    return content.getvalue()


def test_a_link_may_stand_before_its_target(tmp_path):
    assert _extract(_link_and("x", target="x"), tmp_path, "a.tar") == {"link": b"", "x": b""}


def test_a_member_below_a_link_is_refused(tmp_path):
    refused = _refused(_link_and("link/x", target="."), tmp_path, "a.tar")
    assert "another member has the same name" in refused


def test_encrypted_members_are_refused(tmp_path):
    content = bytearray(_zip({"secret": b"x"}))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    message = _refused(bytes(content), tmp_path)
    assert "member 'secret' is refused: it is encrypted; unpack the archive by hand" in message


@pytest.mark.parametrize("names", [("a/x", "a/x"), ("a/x", "./a//x"), ("a", "a/x"), ("a/x", "a"), ("a/", "a")])
@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_with_one_name_are_refused(tmp_path, kind, names):
    content = io.BytesIO()
    if kind == "a.zip":
        with zipfile.ZipFile(content, "w") as archive:
            for name in names:
                archive.writestr(name, b"")
    else:
        with tarfile.open(fileobj=content, mode="w") as archive:
            for name in names:
                described = tarfile.TarInfo(name.rstrip("/"))
                described.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
                archive.addfile(described)
    assert "is refused: another member has the same name" in _refused(content.getvalue(), tmp_path, kind)


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_implausible_sizes_are_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(lib.datasets.archives, "ALLOWANCE", 1000)
    monkeypatch.setattr(lib.datasets.archives, "MAX_RATIO", 20)
    content = KINDS[kind]({f"x{n}": bytes(100_000) for n in range(4)})
    assert "plausible" in _refused(content, tmp_path, kind)
    monkeypatch.setattr(lib.datasets.archives, "ALLOWANCE", 400_000)
    assert len(_extract(content, tmp_path, kind)) == 4


def test_written_bytes_count_as_well_as_declared_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(lib.datasets.archives, "ALLOWANCE", 1000)
    monkeypatch.setattr(lib.datasets.archives, "MAX_RATIO", 20)
    monkeypatch.setattr(lib.datasets.archives._Members, "expect", lambda *_: None)
    assert "unpacks to more than the plausible" in _refused(_zip({"x": bytes(100_000)}), tmp_path)


@pytest.mark.parametrize("declared", [5, 2999, 3001])
def test_a_member_that_lies_about_its_size_is_refused(tmp_path, declared):
    content = bytearray(_zip({"x": CONTENT}))
    at = content.index(b"PK\1\2")
    content[at + 24 : at + 28] = declared.to_bytes(4, "little")
    assert "damaged" in _refused(bytes(content), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_is_too_small_is_reported(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(lib.datasets.archives.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 0, 9))
    assert f"9 are free at {tmp_path}; free space there" in _refused(KINDS[kind](), tmp_path, kind)


# Damage


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_off_archive_is_never_taken_for_a_whole_one(tmp_path, kind):
    content = KINDS[kind]()
    whole = len(content.rstrip(b"\0")) if kind == "a.tar" else len(content)  # zeros are its end
    for position in [*range(0, whole, max(whole // 150, 1)), whole - 1]:
        message = _refused(content[:position], tmp_path, kind)
        assert "damaged" in message and message.endswith("; delete it and run again")


def test_a_damaged_member_is_found_without_unpacking(tmp_path):
    content = bytearray(_zip({"x": CONTENT}))
    content[1000] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(SeglossError, match="damaged"):
        check(tmp_path / "a.zip", "a.zip")


def test_a_tar_that_ends_between_two_members_is_cut_off(tmp_path):
    content = _tar({"x": CONTENT, "y": CONTENT})
    second = content.index(b"y\0\0")
    assert "damaged" in _refused(content[:second], tmp_path, "a.tar")
    with pytest.raises(SeglossError, match="damaged"):
        check(tmp_path / "a.tar", "a.tar")


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_a_flipped_bit_is_found_or_harmless(tmp_path, kind):
    content = KINDS[kind]()
    found = 0
    for position in range(0, len(content), 29):
        damaged = bytearray(content)
        damaged[position] ^= 1
        try:
            unpacked = _extract(bytes(damaged), tmp_path, kind)
        except SeglossError as fault:
            found += 1
            assert "\n" not in str(fault) and not (tmp_path / "out").exists()
        else:
            assert list(unpacked.values()) == list(FILES.values()) or set(unpacked.values()) == set(FILES.values())
            shutil.rmtree(tmp_path / "out")
    assert found > len(content) / 29 * 0.7


def test_what_is_no_archive_is_damaged(tmp_path):
    for kind in KINDS:
        assert "damaged" in _refused(b"<html>" * 400, tmp_path, kind)
        (tmp_path / kind).unlink()


def test_an_interrupted_extraction_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    (tmp_path / "a.zip").write_bytes(_zip())
    monkeypatch.setattr(lib.datasets.archives._Members, "wrote", interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract(tmp_path / "a.zip", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


# Zips without ZIP64


@pytest.mark.parametrize("turns", [1, 3])
def test_offsets_beyond_4_gib_may_be_given_modulo(tmp_path, turns):
    """A sparse file: the first member at its begin, the others and the directory behind a hole of ``turns`` * 4 GiB."""
    whole = _zip({"first": CONTENT, "second": CONTENT[::-1], "third": b"3"})
    second = whole.index(b"PK\3\4", 1)
    with (tmp_path / "a.zip").open("wb") as stream:
        stream.write(whole[:second])
        stream.seek(turns * 2**32, io.SEEK_CUR)
        stream.write(whole[second:])
    check(tmp_path / "a.zip", "a.zip")
    extract(tmp_path / "a.zip", tmp_path / "out")
    assert _files(tmp_path / "out") == {"first": CONTENT, "second": CONTENT[::-1], "third": b"3"}


def test_bytes_before_the_archive_do_no_harm(tmp_path):
    assert _extract(b"#!/bin/sh\n" + _zip(), tmp_path) == FILES


def test_names_in_other_alphabets_are_found(tmp_path):
    files = {"Läsion/β.txt": b"1", "plain": b"2"}
    assert _extract(_zip(files), tmp_path) == files
    old = _zip({"Lxsion": b"1"}).replace(b"Lxsion", "Läsion".encode("cp437"))
    assert _extract(old, tmp_path) == {"Läsion": b"1"}


def test_the_script_extracts(tmp_path):
    (tmp_path / "a.zip").write_bytes(_zip())
    command = [sys.executable, ROOT / "scripts/extract.py", "--archive", tmp_path / "a.zip", "--output"]
    done = subprocess.run([*map(str, command), str(tmp_path / "out")], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    assert _files(tmp_path / "out") == FILES
    (tmp_path / "a.zip").write_bytes(b"x")
    done = subprocess.run([*map(str, command), str(tmp_path / "out")], capture_output=True, text=True, cwd="/")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith("; delete it and run again")
