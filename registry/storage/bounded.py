"""Pieces that end with an error when they are more than a file of their kind may have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from zoo.errors import DownloadError
from zoo.registry.storage import Stream

__all__ = ["LARGEST_CARD", "LARGEST_COMPANION", "bounded", "whole"]

LARGEST_CARD = 16 << 20
LARGEST_COMPANION = 256 << 20
"""Bytes of a definition, of labels, of a mean: all that is not weights."""


def whole(pieces: Iterable[bytes], label: str, limit: int = LARGEST_CARD) -> bytes:
    """All pieces as one.

    >>> whole([b"a", b"b"], "x")
    b'ab'
    """
    return b"".join(_limited(pieces, label, limit))


@contextmanager
def bounded(stream: Stream, label: str, limit: int) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """The stream, which may give no more than `limit` bytes, nor more than it announces.

    Raises
    ------
    DownloadError
        when it does, while the pieces are read.
    """
    with stream as (pieces, size):
        if size is not None and size > limit:
            raise _too_much(label, limit)
        yield _limited(pieces, label, limit if size is None else size), size


def _limited(pieces: Iterable[bytes], label: str, limit: int) -> Iterator[bytes]:
    left = limit
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise _too_much(label, limit)
        yield piece


def _too_much(label: str, limit: int) -> DownloadError:
    reason = f"more than the {limit} bytes that are expected at most"
    return DownloadError(f"{label}: {reason}", [(label, reason)])
