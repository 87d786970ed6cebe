"""Which layout a cache has, and bringing an older one up to date.

Layout 1 had the weights in the directories of the models only. Everything else is the same, so that
a cache of it is read as it is; the first change turns its weights into blobs, one link at a time.
Killed in between, it is still a whole cache of layout 1, and the next change goes on.
"""

from __future__ import annotations

from pathlib import Path

from zoo.errors import UsageError
from zoo.registry.atomic import write_atomically
from zoo.registry.blobs import Blobs
from zoo.registry.cached import Record
from zoo.registry.contents import RECORD

__all__ = ["LAYOUT", "bring_up_to_date", "read_layout"]

LAYOUT = 2
_MARKER = "LAYOUT"


def read_layout(home: Path) -> int | None:
    """The layout of a cache; None where nothing was written yet.

    Raises
    ------
    UsageError
        for one that this zoo does not know.
    """
    try:
        found = (home / _MARKER).read_bytes().decode(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if found not in map(str, range(1, LAYOUT + 1)):
        raise UsageError(
            f"the cache {home} has layout {found!r}, this zoo knows those up to {LAYOUT}."
            " Use the zoo that made it, or set ZOO_HOME to another folder."
        )
    return int(found)


def bring_up_to_date(home: Path, directories: list[Path], blobs: Blobs) -> None:
    """Make a cache one of this layout; to be used under its lock for blobs.

    Parameters
    ----------
    home : its folder.
    directories : of its models.
    blobs : what it has of them.
    """
    found = read_layout(home)
    if found == LAYOUT:
        return  # another process did it
    for directory in directories if found else []:
        record = None if directory.name.startswith(".") else Record.read(directory)
        if record is not None:
            shared = blobs.share(directory, record, in_use=True)
            if shared != record:
                write_atomically(directory / RECORD, shared.to_json())
    write_atomically(home / _MARKER, f"{LAYOUT}\n".encode())
