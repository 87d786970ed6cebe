"""One file from the stream of a storage to its place, or not at all.

For places that are no web servers, such as folders; `zoo.registry.download` knows the web better.
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

from zoo.errors import DownloadError, VerificationError
from zoo.registry.diagnose import diagnose, mismatch
from zoo.registry.hashes import Expected, ExpectedHash, Hasher, Hashes
from zoo.registry.storage import Stream

__all__ = ["Address", "Progress", "receive"]

Progress = Callable[[str, int, int | None], None]
"""Called with the name of a file, the bytes that came and the bytes to come, None if unknown."""


@dataclass(frozen=True)
class Address:
    """A place of a file: `label` is what messages call it, `open` begins to read it."""

    label: str
    open: Callable[[], Stream]


def receive(
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
            promised = Expected.of(expected, size or announced)
            if promised.broken_by(hashes):
                raise mismatch(partial, target.name, address.label, promised, hashes)
            if explain and not expected and (found := diagnose(partial, target.name)):
                raise VerificationError(f"{target.name} from {address.label} was not kept. {found}")
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
