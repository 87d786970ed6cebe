"""Locks between processes, on any file system.

A lock of the system ends with its process, however that ends, so it is never stale; its file stays
behind, empty. Where the file system has none, as some network folders, the lock is a file that says
whose it is; `filelock` takes it over when that process of the same machine is gone.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UnavailableError

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["InUse", "acquire"]

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)


class InUse(UnavailableError):
    """Another process holds the lock, and it was not to be waited for."""


def acquire(path: Path, *, wait: bool = True) -> BaseFileLock:
    """Take a lock, to be released by its `release`.

    Parameters
    ----------
    path : of the lock; its folder has to be there.
    wait : for another process that has it.

    Raises
    ------
    InUse
        when another process has it and is not to be waited for.
    OSError
        when the folder cannot be written.
    """
    from filelock import FileLock, SoftFileLock  # reading takes no lock

    try:
        return _acquire(FileLock(path), wait)
    except NotImplementedError:
        pass  # how some versions of filelock say ENOSYS
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return _acquire(SoftFileLock(path.with_name(f"{path.name}.soft")), wait)


def _acquire(lock: BaseFileLock, wait: bool) -> BaseFileLock:
    from filelock import Timeout

    try:
        lock.acquire(blocking=wait)
    except Timeout:
        raise InUse(f"another process works on {Path(lock.lock_file).stem}") from None
    return lock
