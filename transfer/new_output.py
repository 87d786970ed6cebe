"""What a command makes: whether it can be made is known before the work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from zoo.caffe.replacing import check_target
from zoo.errors import UsageError
from zoo.transfer.data_rows import printable_name

__all__ = ["check_new_file", "check_new_folder"]


def check_new_file(path: str | Path, endings: Sequence[str] = ()) -> Path:
    """Refuse what cannot be the name of a file to make, see `zoo.caffe.replacing.check_target`.

    Raises
    ------
    UsageError
        For that, and when the file is there already.
    """
    if os.fspath(path) and Path(path).exists():
        raise UsageError(f"{path} exists and was left as it is. Name another.")
    return check_target(path, endings)


def check_new_folder(directory: str | Path) -> None:
    """Refuse what cannot be the name of a model directory to make.

    Raises
    ------
    UsageError
        When something is there that would be lost, it would lie in a file, or its name, which goes
        into the model's readme, is not UTF-8.

    Examples
    --------
    >>> check_new_folder("folders/that/are/not/there")
    """
    directory = Path(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is there already, and is not replaced; name another folder")
    above = next(folder for folder in directory.absolute().parents if folder.exists())
    if not above.is_dir():
        raise UsageError(f"{directory} cannot be made: {above} is a file; name another folder")
    name = directory.absolute().name
    if printable_name(name) != name:
        raise UsageError(f"'{printable_name(name)}' is not UTF-8; give the folder another name")
