"""One file, from the first address that gives it to its place, or not at all.

While it streams it has a temporary name and is hashed; only when its size and its hashes are right
it gets its own name. What does not fit is deleted and explained.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import DownloadError, HashMismatchError, VerificationError
from zoo.registry.hashes import ExpectedHash, Hasher, Hashes, diagnose
from zoo.registry.storage import Stream

__all__ = ["Address", "Progress", "download"]

Progress = Callable[[str, int, int | None], None]
"""Called with the name of a file, the bytes that came and the bytes to come, None if unknown."""


@dataclass(frozen=True)
class Address:
    """A place of a file: `label` is what messages call it, `open` begins to read it."""

    label: str
    open: Callable[[], Stream]


def download(
    addresses: Sequence[Address],
    target: Path,
    *,
    expected: Sequence[ExpectedHash] = (),
    size: int | None = None,
    explain: bool = True,
    progress: Progress | None = None,
) -> Hashes:
    """Bring a file to `target`.

    Parameters
    ----------
    addresses : tried in order; the next one only when the one before cannot give the file.
    expected : hashes that it must have.
    size : bytes that it should have, for messages.
    explain : refuse a page, a Git LFS pointer or an empty file where no hash is expected.
    progress : is told how far it is.

    Raises
    ------
    HashMismatchError, VerificationError
        when what came is not the file.
    DownloadError
        when no address gave it; one line for each.
    """
    partial = target.with_name(target.name + ".partial")
    attempts: list[tuple[str, str]] = []
    try:
        for address in addresses:
            try:
                hashes, announced = _stream(address, partial, target.name, progress)
            except DownloadError as error:
                attempts += error.attempts or [(address.label, str(error))]
                continue
            _check(partial, target.name, address.label, hashes, expected, size or announced)
            if explain and not expected:
                _refuse_what_is_no_file(partial, target.name, address.label)
            os.replace(partial, target)
            return hashes
    finally:
        partial.unlink(missing_ok=True)
    tried = "".join(f"\n  {label}: {reason}" for label, reason in attempts)
    raise DownloadError(
        f"{target.name} could not be fetched, so nothing was kept. Tried:{tried}\n"
        "Try again later, or give a --source that has it.",
        attempts,
    )


def _stream(
    address: Address, partial: Path, name: str, progress: Progress | None
) -> tuple[Hashes, int | None]:
    hasher, done = Hasher(), 0
    report = progress or (lambda *_: None)
    with address.open() as (pieces, total), partial.open("wb") as file:
        _require_space(partial.parent, name, total)
        report(name, 0, total)
        for piece in _read(pieces, address.label):
            file.write(piece)
            hasher.update(piece)
            done += len(piece)
            report(name, done, total)
        if total is not None and done != total:
            reason = f"cut short: {done} of {total} bytes came"
            raise DownloadError(f"{address.label}: {reason}", [(address.label, reason)])
        file.flush()
        os.fsync(file.fileno())
    return hasher.result(), total


def _read(pieces: Iterator[bytes], label: str) -> Iterator[bytes]:
    """The pieces; trouble of the source must not look like trouble of our own disk."""
    try:
        yield from pieces
    except OSError as error:
        reason = error.strerror or str(error)
        raise DownloadError(f"{label}: {reason}", [(label, reason)]) from None


def _require_space(directory: Path, name: str, total: int | None) -> None:
    free = shutil.disk_usage(directory).free
    if total is not None and total > free:
        raise OSError(errno.ENOSPC, f"{name} has {total} bytes, {free} are free")


def _check(
    partial: Path,
    name: str,
    label: str,
    hashes: Hashes,
    expected: Sequence[ExpectedHash],
    size: int | None,
) -> None:
    for promise in expected:
        received = promise.received(hashes)
        if received == promise.digest:
            continue
        sizes = "" if size in (None, hashes.size) else f", {size} bytes"
        diagnosis = diagnose(partial)
        advice = diagnosis or (
            "Either it was damaged on the way, which fetching again cures, or the file there has"
            " changed since the card was written; then ask its author which one is right."
        )
        raise HashMismatchError(
            f"{name} from {label} is not the file that its card describes, so nothing was kept.\n"
            f"  expected {promise.algorithm} {promise.digest}{sizes}\n"
            f"  received {promise.algorithm} {received}, {hashes.size} bytes\n{advice}",
            algorithm=promise.algorithm,
            expected=promise.digest,
            received=received,
        )


def _refuse_what_is_no_file(partial: Path, name: str, label: str) -> None:
    if diagnosis := diagnose(partial):
        raise VerificationError(f"{name} from {label} was not kept. {diagnosis}")
