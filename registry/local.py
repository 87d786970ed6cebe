"""A model directory of the user's, and what is told of a path that is none."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import UsageError
from zoo.registry.cached import CachedModel, Record
from zoo.registry.card import Card
from zoo.registry.contents import README

__all__ = ["local_model", "refuse_path"]


def local_model(directory: str | Path) -> CachedModel:
    """The model of a directory, as it lies there.

    Raises
    ------
    UsageError
        when the directory has no readme.
    CardError
        when that describes no model.
    """
    root = Path(directory).expanduser()
    readme = _readme(root)
    if readme is None:
        raise UsageError(_told(directory))
    name = root.resolve().name
    return CachedModel(name, root, Card.read(readme), Record(name, str(root.absolute()), {}))


def refuse_path(text: str) -> None:
    """Tell that what no source knows by name is a folder or a file here.

    Raises
    ------
    UsageError
    """
    if Path(text).expanduser().exists():
        raise UsageError(_told(text))


def _told(path: str | Path) -> str:
    place = Path(path).expanduser()
    if not place.is_dir():
        return f"{path} is a file; expected the name of a model, or its directory."
    if _readme(place) is None:
        return f"{path} is a folder without {README}; expected a model directory, or a name."
    return f"{path} is a folder of yours; expected the name of a model that a source has."


def _readme(root: Path) -> Path | None:
    """The readme of a directory, whatever the case of its name."""
    found = [path for path in root.iterdir() if path.name.lower() == README and path.is_file()]
    return min(found, key=lambda path: path.name != README, default=None)
