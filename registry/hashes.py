"""Hashes of files: taken while bytes pass, and compared with a promise.

SHA-1 is what Caffe's model zoo has: it catches damage, not forgery. SHA-256 is taken beside it in
the same pass.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import UsageError

__all__ = ["Expected", "ExpectedHash", "Hasher", "Hashes", "hash_file", "parse_hash"]

_CHUNK = 1 << 22
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


def hash_file(path: str | Path, progress: Callable[[int], None] = lambda done: None) -> Hashes:
    """Both hashes of a file, read in pieces, so that its size does not matter.

    SHA-1 is taken in a thread of its own: hashlib lets other threads run meanwhile, so that both
    cost no more time than the slower one. `progress` is told the bytes that are done.
    """
    from concurrent.futures import ThreadPoolExecutor  # a cached fetch hashes nothing

    sha1, sha256, size = hashlib.sha1(usedforsecurity=False), hashlib.sha256(), 0
    with Path(path).open("rb") as file, ThreadPoolExecutor(1, "zoo sha1") as beside:
        while chunk := file.read(_CHUNK):
            waiting = beside.submit(sha1.update, chunk)
            sha256.update(chunk)
            waiting.result()
            size += len(chunk)
            progress(size)
    return Hashes(sha1.hexdigest(), sha256.hexdigest(), size)


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


@dataclass(frozen=True)
class Expected:
    """What a file has to be; None where nothing is known. Digests are lower-case hex.

    Examples
    --------
    >>> Expected(sha1="ab" * 20).hashes
    (ExpectedHash(algorithm='sha1', digest='abababababababababababababababababababab'),)
    """

    sha1: str | None = None
    sha256: str | None = None
    size: int | None = None

    @classmethod
    def of(cls, promises: Iterable[ExpectedHash], size: int | None = None) -> Expected:
        """From the hashes that a card gives."""
        return cls(**{promise.algorithm: promise.digest for promise in promises}, size=size)

    @property
    def hashes(self) -> tuple[ExpectedHash, ...]:
        """The promised hashes, none where only a size, or nothing, is promised."""
        known = (("sha1", self.sha1), ("sha256", self.sha256))
        return tuple(ExpectedHash(algorithm, digest) for algorithm, digest in known if digest)

    def broken_by(self, hashes: Hashes) -> ExpectedHash | None:
        """The first hash that a file does not have; None where all are right."""
        return next((one for one in self.hashes if one.received(hashes) != one.digest), None)

    def kept_by(self, hashes: Hashes) -> bool:
        """Whether a file is what was promised, as far as anything was."""
        return self.size in (None, hashes.size) and self.broken_by(hashes) is None


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
