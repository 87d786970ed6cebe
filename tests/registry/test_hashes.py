"""Hashes of files, promises of hashes, and what a wrong file is."""

import hashlib

import pytest

from zoo.errors import UsageError
from zoo.registry.diagnose import diagnose
from zoo.registry.hashes import hash_file, parse_hash


def test_a_file_is_hashed_as_the_standard_tools_do(shared):
    hashes = hash_file(shared / "models/squeezenet_v1.0/squeezenet_v1.0.caffemodel")
    assert hashes.sha1 == "24c286ecbb82d1735fefa997d90c3538c63f0b6d"
    assert hashes.size == 5001136


def test_both_hashes_are_taken_in_one_pass(tmp_path):
    content = b"caffe" * 1_000_000
    (tmp_path / "file").write_bytes(content)
    hashes = hash_file(tmp_path / "file")
    assert hashes.sha1 == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    assert hashes.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("text", ["SHA1:" + "AB" * 20, "ab" * 20, f" sha1: {'aB' * 20} "])
def test_a_hash_is_read_in_every_spelling(text):
    assert str(parse_hash(text)) == "sha1:" + "ab" * 20


def test_the_length_tells_the_algorithm():
    assert parse_hash("0" * 64).algorithm == "sha256"


@pytest.mark.parametrize("text", ["", "TODO", "sha1:abcd", "sha1:" + "0" * 64, "md5:" + "0" * 32])
def test_anything_else_is_no_hash_and_is_quoted(text):
    with pytest.raises(UsageError, match=f"readme.md: '{text}' is not a hash; expected 40 hex"):
        parse_hash(text, "readme.md")


def test_a_hash_of_another_kind_than_its_key_is_refused():
    with pytest.raises(UsageError, match="expected 64 hex digits"):
        parse_hash("0" * 40, algorithm="sha256")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b"\xef\xbb\xbf\n  <HTML lang=en>", "HTML page"),
        (b"<?xml version='1.0'?><html xmlns='x'>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"\x0a\x09AlexNet", ""),
    ],
)
def test_a_wrong_file_is_recognised_by_its_content(content, words, tmp_path):
    (tmp_path / "file").write_bytes(content)
    for sentence in (diagnose(content), diagnose(tmp_path / "file")):
        assert words in sentence
        assert bool(words) == bool(sentence)
