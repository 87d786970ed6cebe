"""Hashes of files: taken while bytes pass, compared with a promise, explained when wrong.

SHA-1 is what Caffe's model zoo has: it catches damage, not forgery. SHA-256 is taken beside it in
the same pass.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import UsageError

__all__ = ["ExpectedHash", "Hasher", "Hashes", "diagnose", "hash_file", "is_page", "parse_hash"]

_CHUNK = 1 << 20
_EXPECTED = re.compile(r"(?:(sha1|sha256)\s*[:=]\s*)?([0-9a-f]+)", re.IGNORECASE)
_DIGITS = {"sha1": 40, "sha256": 64}


@dataclass(frozen=True)
class Hashes:
    """SHA-1 and SHA-256 in lower-case hex, and the number of bytes."""

    sha1: str
    sha256: str
    size: int


class Hasher:
    """Takes both hashes of bytes that pass.

    >>> hasher = Hasher()
    >>> hasher.update(b"abc")
    >>> hasher.result().sha1
    'a9993e364706816aba3e25717850c26c9cd0d89d'
    """

    def __init__(self) -> None:
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._size = 0

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._sha1.update(chunk)
        self._sha256.update(chunk)
        self._size += len(chunk)

    def result(self) -> Hashes:
        """The hashes of all bytes so far."""
        return Hashes(self._sha1.hexdigest(), self._sha256.hexdigest(), self._size)


def hash_file(path: str | Path) -> Hashes:
    """Both hashes of a file, read in pieces, so that its size does not matter."""
    hasher = Hasher()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return hasher.result()


@dataclass(frozen=True)
class ExpectedHash:
    """A promised hash: `algorithm` is "sha1" or "sha256", `digest` lower-case hex."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"

    def received(self, hashes: Hashes) -> str:
        """The digest of the same algorithm in `hashes`."""
        return hashes.sha1 if self.algorithm == "sha1" else hashes.sha256


def parse_hash(text: str, where: str = "", algorithm: str = "") -> ExpectedHash:
    """Read a hash that a person or a card gives.

    Parameters
    ----------
    text : "sha1:<40 hex digits>", "sha256:<64 hex digits>", or the digits alone.
    where : names the place in the message.
    algorithm : the one that it has to be, where that is known.

    Raises
    ------
    UsageError
        for anything else; the message quotes it.

    Examples
    --------
    >>> str(parse_hash("A9993E364706816ABA3E25717850C26C9CD0D89D"))
    'sha1:a9993e364706816aba3e25717850c26c9cd0d89d'
    """
    found = _EXPECTED.fullmatch(text.strip())
    named, digest = ((found[1] or "").lower(), found[2].lower()) if found else ("", "")
    by_length = {length: name for name, length in _DIGITS.items()}.get(len(digest), "")
    if not by_length or named not in ("", by_length) or algorithm not in ("", by_length):
        kinds = [algorithm] if algorithm else list(_DIGITS)
        wanted = " or ".join(f"{_DIGITS[kind]} hex digits ({kind})" for kind in kinds)
        place = f"{where}: " if where else ""
        raise UsageError(f"{place}{text!r} is not a hash; expected {wanted}.")
    return ExpectedHash(by_length, digest)


def diagnose(content: str | Path | bytes) -> str:
    """What a file is instead of weights, as a sentence, or "" where nothing is known.

    Parameters
    ----------
    content : path of the file, or its first bytes (512 are enough).
    """
    if isinstance(content, bytes):
        start = content[:1024]
    else:
        with Path(content).open("rb") as file:
            start = file.read(1024)
    if not start:
        return "The file is empty."
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        return (
            "This is a Git LFS pointer, not the file itself;"
            " run `git lfs pull` where it came from, or fetch from an address that has the file."
        )
    if is_page(start):
        return (
            "This is an HTML page, not the file: the address serves a page, such as a share link."
        )
    return ""


def is_page(start: bytes) -> bool:
    """Whether a file begins as an HTML page does."""
    text = start[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or (
        text.startswith((b"<!--", b"<?xml")) and b"<html" in text
    )
