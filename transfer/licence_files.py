"""The texts of a licence, which go along with what is made of a model."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["copy_licence"]

_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING", "NOTICE")


def copy_licence(source: Path, target: Path) -> None:
    """Copy those that lie in one model directory to another, where they can be written."""
    for name in _NAMES:
        if (source / name).is_file():
            shutil.copy(source / name, target / name)
            (target / name).chmod(0o644)
