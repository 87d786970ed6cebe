"""Locks on files by their own descriptors: they end with the process, and leave nothing behind."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["alone", "is_live", "is_same", "lock_file"]


def is_live(path: Path) -> bool:
    """Whether a process has locked a file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_same(path: Path, descriptor: int) -> bool:
    """Whether a path still names an open file."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock whose file is there only as long as somebody has it; waits for others.

    The file is removed while it is still locked. Who has opened it by then and waits gets the lock
    of a file without a name, which `lock_file` sees, and tries again with the file that has the
    name now: so there are never two who hold the lock of the named file.
    """
    descriptor = lock_file(path, wait=True)
    try:
        yield
    finally:
        with suppress(OSError):  # what a crash left of somebody else may not be ours to remove
            path.unlink()
        if descriptor is not None:
            os.close(descriptor)


def lock_file(path: Path, *, wait: bool = False) -> int | None:
    """The descriptor of a file, made if needed, opened and locked; None while another has it."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        if is_same(path, descriptor):
            return descriptor
        os.close(descriptor)  # it got its final name, or was removed, between both calls
