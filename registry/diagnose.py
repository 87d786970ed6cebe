"""What a file is that is not the one that was wanted, told from its first bytes, size and hashes.

Most of what people fetch instead of weights is one of a few things: the page of a share link, an
empty file, a Git LFS pointer, half of the file, the archive around it, or another model.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

from zoo.errors import HashMismatchError
from zoo.registry.hashes import Expected, Hashes

__all__ = ["KnownHash", "diagnose", "is_page", "mismatch"]

KnownHash = Callable[[str], str | None]
"""The name of the model whose weights have a hash, None where nobody knows."""

_START = 1 << 12
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_POINTER = re.compile(rb"^oid sha256:([0-9a-f]{64})\nsize (\d+)$", re.MULTILINE)
_ARCHIVES = (
    (b"PK\x03\x04", "a zip archive", (".zip", ".npz", ".keras")),
    (b"\x1f\x8b", "a gzip file", (".gz", ".tgz")),
    (b"BZh", "a bzip2 file", (".bz2", ".tbz2")),
    (b"\xfd7zXZ\x00", "an xz file", (".xz", ".txz")),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", (".7z",)),
    (b"Rar!\x1a\x07", "a rar archive", (".rar",)),
)
_TAR_MAGIC = slice(257, 262)
_DAMAGED = (
    "Either it was damaged on the way, which fetching again cures, or the file there has changed"
    " since the card was written; then ask its author which one is right."
)


def diagnose(content: str | Path | bytes, name: str = "") -> str:
    """What a file is instead of weights, as a sentence, or "" where nothing is known.

    Parameters
    ----------
    content : path of the file, or its first bytes (4096 are enough).
    name : what it should be called; an archive with the name of one is nothing to tell.

    Examples
    --------
    >>> diagnose(b"PK\\x03\\x04...", "tiny.caffemodel")[:24]
    'This is a zip archive, n'
    >>> diagnose(b"PK\\x03\\x04...", "tiny.zip")
    ''
    """
    start = content[:_START] if isinstance(content, bytes) else _beginning(Path(content))
    if not start:
        return "The file is empty."
    if start.startswith(b"version https://git-lfs.github.com/spec/"):
        return f"This is a Git LFS pointer{_pointed_at(start)}, not the file itself;" + (
            " run `git lfs pull` where it came from, or fetch from an address that has the file."
        )
    if is_page(start):
        found = _TITLE.search(start)
        title = " ".join(unescape(found[1].decode("utf-8", "replace")).split()) if found else ""
        return f"This is an HTML page{f' ({title!r})' if title else ''}, not the file:" + (
            " the address serves a page, such as a share link."
        )
    for magic, kind, endings in (*_ARCHIVES, (b"", "a tar archive", (".tar",))):
        is_kind = start.startswith(magic) if magic else start[_TAR_MAGIC] == b"ustar"
        if is_kind and not name.lower().endswith(endings):
            return f"This is {kind}, not the file itself, which may be inside."
    return ""


def is_page(start: bytes) -> bool:
    """Whether a file begins as an HTML page does."""
    text = start[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or (
        text.startswith((b"<!--", b"<?xml")) and b"<html" in text
    )


def mismatch(
    path: Path,
    name: str,
    label: str,
    expected: Expected,
    hashes: Hashes,
    content_type: str = "",
    known_hash: KnownHash | None = None,
) -> HashMismatchError:
    """The error for a file that is not the one promised: both hashes, both sizes, what it is.

    Parameters
    ----------
    path : where it lies now.
    name : what it should become.
    label : where it came from, as messages show it.
    expected, hashes : what was promised, and what came.
    content_type : what the server called it.
    known_hash : tells the name of a model by the hash of its weights.
    """
    promise = expected.broken_by(hashes)
    algorithm, wanted = (promise.algorithm, promise.digest) if promise else ("sha1", "")
    received = promise.received(hashes) if promise else hashes.sha1
    wanted_size = "" if expected.size in (None, hashes.size) else f", {expected.size} bytes"
    kind = f", {content_type}" if content_type.isprintable() and content_type else ""
    return HashMismatchError(
        f"{name} from {label} is not the file that its card describes, so nothing was kept.\n"
        f"  expected {f'{algorithm} {wanted}' if wanted else 'a file'}{wanted_size}\n"
        f"  received {algorithm} {received}, {hashes.size} bytes{kind}\n"
        f"{_explanation(path, name, expected, hashes, known_hash)}",
        algorithm=algorithm,
        expected=wanted,
        received=received,
    )


def _explanation(
    path: Path, name: str, expected: Expected, hashes: Hashes, known_hash: KnownHash | None
) -> str:
    if found := diagnose(path, name):
        return found
    for digest in (hashes.sha256, hashes.sha1):
        model = known_hash(digest) if known_hash else None
        if model:
            return f"This is the file of another model: {model}."
    if expected.size is not None and hashes.size < expected.size:
        return (
            f"The file is cut short: {expected.size - hashes.size} of {expected.size} bytes are"
            " missing. Fetching again cures it, unless the address has only this much."
        )
    return _DAMAGED


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_START)


def _pointed_at(start: bytes) -> str:
    found = _POINTER.search(start.replace(b"\r\n", b"\n"))
    return f" (to sha256 {found[1].decode()}, {found[2].decode()} bytes)" if found else ""
