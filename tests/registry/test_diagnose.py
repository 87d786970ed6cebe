"""What came instead of the file, told in words."""

import io
import tarfile
import zipfile

import pytest

from zoo.registry.diagnose import diagnose, mismatch
from zoo.registry.hashes import Expected, hash_file


def zipped():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("tiny.caffemodel", b"weights")
    return target.getvalue()


def tarred(mode):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        archive.addfile(tarfile.TarInfo("tiny.caffemodel"))
    return target.getvalue()


POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 307200\n"
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>Google Drive -\n Quota &amp; more</title>", "Quota & more"),
        (b"<html>" + b"x" * 9000, "HTML page"),
        (POINTER, f"to sha256 {'0' * 64}, 307200 bytes"),
        (POINTER.replace(b"\n", b"\r\n"), "307200 bytes"),
        (zipped(), "a zip archive"),
        (tarred("w"), "a tar archive"),
        (tarred("w:gz"), "a gzip file"),
        (tarred("w:bz2"), "a bzip2 file"),
        (tarred("w:xz"), "an xz file"),
        (b"\x0a\x09AlexNet", ""),
    ],
)
def test_a_file_is_recognised_by_its_beginning(content, words, tmp_path):
    (tmp_path / "file").write_bytes(content)
    for sentence in (diagnose(content, "a.caffemodel"), diagnose(tmp_path / "file")):
        assert words in sentence
        assert bool(words) == bool(sentence)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.zip", zipped()), ("A.TAR", tarred("w")), ("a.tar.gz", tarred("w:gz"))],
)
def test_an_archive_that_is_called_one_is_nothing_to_tell(name, content):
    assert diagnose(content, name) == ""


def explained(tmp_path, content, expected, known_hash=None):
    path = tmp_path / "part"
    path.write_bytes(content)
    kind = "text/plain"
    return mismatch(path, "a.caffemodel", "u", expected, hash_file(path), kind, known_hash)


def test_a_mismatch_has_both_hashes_both_sizes_and_the_type(tmp_path):
    error = explained(tmp_path, b"weights", Expected(sha1="a" * 40, size=9))
    received = hash_file(tmp_path / "part")
    assert error.received == received.sha1
    for part in ("a" * 40, received.sha1, "9 bytes", "7 bytes", "text/plain", "nothing was kept"):
        assert part in str(error)


def test_a_wrong_sha256_is_told_though_the_sha1_is_right(tmp_path):
    (tmp_path / "part").write_bytes(b"weights")
    sha1 = hash_file(tmp_path / "part").sha1
    error = explained(tmp_path, b"weights", Expected(sha1=sha1, sha256="b" * 64))
    assert (error.algorithm, error.expected) == ("sha256", "b" * 64)


def test_another_known_model_is_named(tmp_path):
    (tmp_path / "part").write_bytes(b"weights")
    known = {hash_file(tmp_path / "part").sha1: "bvlc_googlenet"}
    error = explained(tmp_path, b"weights", Expected(sha1="a" * 40), known.get)
    assert "the file of another model: bvlc_googlenet" in str(error)


def test_half_of_a_file_is_called_so(tmp_path):
    assert "3 of 10 bytes are missing" in str(
        explained(tmp_path, b"weights", Expected(sha1="a" * 40, size=10))
    )
    assert "fetching again cures" in str(explained(tmp_path, b"weights", Expected(sha1="a" * 40)))


def test_a_wrong_size_without_a_hash_is_a_mismatch_too(tmp_path):
    error = explained(tmp_path, b"weights", Expected(size=10))
    assert "expected a file, 10 bytes" in str(error)
    assert error.expected == ""
