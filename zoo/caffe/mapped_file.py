"""Files as read-only memory: nothing is read before it is used, and it can be given back."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ParseError, UnavailableError, UsageError, did_you_mean

__all__ = ["drop_pages", "map_file"]


def map_file(
    path: Path, suffix: str = ".caffemodel", error: type[UsageError] = UsageError
) -> mmap.mmap:
    """The file as read-only memory.

    Parameters
    ----------
    path : the file.
    suffix : how files of its kind are mostly called; some of those are named where there is none.
    error : what to raise when there is no such file.

    Raises
    ------
    UsageError : or `error`: there is no file there.
    ParseError : it is empty.
    UnavailableError : the system does not let it be read.
    """
    try:
        _check_is_file(path, suffix, error)
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise ParseError("the file is empty. Fetch it again.", path)
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as problem:
        raise UnavailableError(f"{path} cannot be read: {problem.strerror}") from problem


def drop_pages(blob: NDArray[np.float32]) -> None:
    """Give back the memory of a blob that lies in a mapped file; one that does not is left alone.

    Unpacked and double blobs were copied when they were read, so they do not lie in the file.
    """
    owner: Any = blob
    while isinstance(owner, np.ndarray):
        owner = owner.base
    mapping = owner.obj if isinstance(owner, memoryview) else owner
    if not isinstance(mapping, mmap.mmap):
        return
    start = _address(blob) - _address(np.frombuffer(mapping, np.uint8))
    # Inner pages only: those at the ends hold other blobs too.
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    last = min(start + blob.nbytes, len(mapping)) // mmap.PAGESIZE * mmap.PAGESIZE
    if 0 <= first < last:
        mapping.madvise(mmap.MADV_DONTNEED, first, last - first)


def _check_is_file(path: Path, suffix: str, error: type[UsageError]) -> None:
    """Refuse what is no file, with the names of files that may have been meant."""
    kind = suffix.removeprefix(".")
    if path.is_dir():
        inside = sorted(entry.name for entry in path.glob(f"*{suffix}"))
        hint = f" Give one of the files in it: {', '.join(inside[:5])}." if inside else ""
        raise error(f"{path} is a folder, not a {kind}.{hint}")
    if not path.exists():
        beside = [entry.name for entry in path.parent.glob(f"*{suffix}")]
        raise error(f"there is no file {path}.{did_you_mean(path.name, beside)}")
    if not path.is_file():  # opening a pipe would wait for a writer
        raise error(f"{path} is not a regular file, so it cannot be a {kind}")


def _address(array: NDArray[Any]) -> int:
    """Where in memory an array begins."""
    return int(array.__array_interface__["data"][0])
