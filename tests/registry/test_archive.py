"""One file out of real archives, good and hostile; nothing else is ever written."""

import io
import random
import stat
import tarfile
import zipfile

import pytest

from zoo.errors import VerificationError
from zoo.registry.hashes import hash_file
from zoo.registry.storage import archive as module
from zoo.registry.storage.archive import extract_member

CONTENT = bytes(range(256)) * 50


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as opened:
        for name, content in members.items():
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return path


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


MAKERS = {
    "zip": zip_of,
    "tar": lambda path, members: tar_of(path, members, "w"),
    "tar.gz": tar_of,
    "tar.bz2": lambda path, members: tar_of(path, members, "w:bz2"),
    "tar.xz": lambda path, members: tar_of(path, members, "w:xz"),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("member", ["models/x.caffemodel", "x.caffemodel"])
def test_a_member_is_found_by_its_path_or_its_name(tmp_path, kind, member):
    packed = MAKERS[kind](
        tmp_path / "whatever", {"readme.txt": b"x", "models/x.caffemodel": CONTENT, "z": b"z" * 99}
    )
    target = tmp_path / "out/weights"
    target.parent.mkdir()
    hashes = extract_member(packed, member, target, label="packed")
    assert target.read_bytes() == CONTENT
    assert hashes == hash_file(target)
    assert [path.name for path in target.parent.iterdir()] == ["weights"]


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_member_that_is_not_there_lists_what_is(tmp_path, kind):
    packed = MAKERS[kind](tmp_path / "a", {"b.caffemodel": b"b", "c.caffemodel": b"c"})
    with pytest.raises(VerificationError, match=r"does not hold x\. In it: b\.caffemodel, c\."):
        extract_member(packed, "x", tmp_path / "t", label="packed")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_name_that_two_members_have_is_not_guessed(tmp_path, kind):
    packed = MAKERS[kind](tmp_path / "a", {"1/x": b"b", "2/x": b"c"})
    with pytest.raises(VerificationError, match=r"has 2 files called x. In it: 1/x, 2/x"):
        extract_member(packed, "x", tmp_path / "t", label="packed")
    extract_member(packed, "2/x", tmp_path / "t", label="packed")
    assert (tmp_path / "t").read_bytes() == b"c"


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..\\x", "C:/x"])
def test_a_path_that_leads_out_is_refused(tmp_path, kind, name):
    packed = MAKERS[kind](tmp_path / "a", {name: b"evil"})
    with pytest.raises(VerificationError, match="leads out of the archive"):
        extract_member(packed, name, tmp_path / "t", label="packed")
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_of_a_tar_are_refused(tmp_path, kind):
    packed = tar_of(tmp_path / "a", {link("x", "/etc/passwd", kind): b""})
    with pytest.raises(VerificationError, match="is a link or no file"):
        extract_member(packed, "x", tmp_path / "t", label="packed")


def test_a_link_of_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("x")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a", "w") as opened:
        opened.writestr(info, "/etc/passwd")
    with pytest.raises(VerificationError, match="is a link"):
        extract_member(tmp_path / "a", "x", tmp_path / "t", label="packed")


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_more_bytes_than_the_card_said_are_not_written(tmp_path, kind):
    packed = MAKERS[kind](tmp_path / "a", {"x": CONTENT})
    with pytest.raises(VerificationError, match="12800 bytes where at most 100 are expected"):
        extract_member(packed, "x", tmp_path / "t", label="packed", size=100)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(module, "_HARMLESS", 1 << 20)
    packed = MAKERS[kind](tmp_path / "a", {"x": bytes(64 << 20)})
    with pytest.raises(VerificationError, match="at most|far more than it should"):
        extract_member(packed, "x", tmp_path / "t", label="packed")


def test_a_bomb_before_the_member_is_refused_too(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_HARMLESS", 1 << 20)
    packed = tar_of(tmp_path / "a", {"bomb": bytes(64 << 20), "x": b"x"})
    with pytest.raises(VerificationError, match="far more than it should"):
        extract_member(packed, "x", tmp_path / "t", label="packed")


def test_a_name_of_many_megabytes_is_refused(tmp_path):
    packed = tar_of(tmp_path / "a", {"x" * (2 << 20): b"x"})
    with pytest.raises(VerificationError, match="header of"):
        extract_member(packed, "x", tmp_path / "t", label="packed")


def test_a_size_that_a_zip_lies_about_is_found_out(tmp_path):
    packed = zip_of(tmp_path / "a", {"x": CONTENT})
    content = bytearray(packed.read_bytes())
    place = content.rindex(b"PK\x01\x02") + 24
    content[place : place + 4] = (100).to_bytes(4, "little")
    packed.write_bytes(content)
    with pytest.raises(VerificationError):
        extract_member(packed, "x", tmp_path / "t", label="packed", size=100)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 but broken", b"\x1f\x8b broken", b"<!DOCTYPE html>", b"x" * 2000],
    ids=["empty", "zip", "gzip", "page", "text"],
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(VerificationError, match="packed"):
        extract_member(tmp_path / "a", "x", tmp_path / "t", label="packed")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_a_cut_archive_is_no_file(tmp_path, kind):
    noise = random.Random(0).randbytes(60000)
    packed = MAKERS[kind](tmp_path / "a", {"x": noise})
    packed.write_bytes(packed.read_bytes()[:-20000])
    with pytest.raises(VerificationError):
        extract_member(packed, "x", tmp_path / "t", label="packed")
