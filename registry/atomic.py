"""Writing a file, or putting a folder in place, so that it is there whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

__all__ = ["swap_folder", "write_atomically"]


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write to a temporary name beside `path`, then rename; what was there stays until then."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def swap_folder(staged: Path, target: Path, aside: Path) -> bool:
    """Put a folder in place of another, which is put back if that fails.

    Returns
    -------
    Whether there was another: it lies at `aside` now, for the caller to delete.
    """
    there = target.exists()
    if there:
        target.rename(aside)
    try:
        staged.rename(target)
    except OSError:
        if there:
            aside.rename(target)
        raise
    return there
