"""Files that appear under their name only when they are complete.

What is written goes to a name beside the target, is brought to the disk, and is renamed. What was
there before stays until then, and stays for good when anything fails on the way.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import UnavailableError, UsageError

__all__ = ["check_target", "replacing", "staged"]


def check_target(path: str | os.PathLike[str], endings: Sequence[str] = ()) -> Path:
    """Refuse, before any work, what cannot be the name of a file to write.

    Parameters
    ----------
    path : the file.
    endings : what it may end with, such as ``(".npz",)``; empty where any name will do.

    Raises
    ------
    UsageError : the name is empty, is that of a folder, lies in a folder that is not there, or ends
        otherwise.

    Examples
    --------
    >>> check_target("maps.png", (".svg", ".png")).name
    'maps.png'
    """
    target = Path(path)
    if not os.fspath(path):
        raise UsageError("the name of the file to write is empty")
    if target.is_dir():
        raise UsageError(f"{path} is a folder; name a file in it")
    if endings and target.suffix.lower() not in endings:
        wanted = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise UsageError(f"{path}: name a file that ends with {wanted}")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no directory {target.parent}; make it first")
    return target


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name to write a file to, which takes the place of ``path`` when the block has succeeded.

    Raises
    ------
    UsageError : ``path`` is a folder, or lies in one that is not there.
    UnavailableError : the disk or a permission is in the way.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "mean.npy"
    >>> with replacing(target) as partial:
    ...     _ = partial.write_bytes(b"done")
    ...     target.exists()
    False
    >>> target.read_bytes()
    b'done'
    """
    path = Path(path)
    # Its own name, so that two writers do not share one; not from tempfile, which makes files that
    # only their owner may read.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with _told(path):
            yield partial
            _bring_to_disk(partial)
            os.replace(partial, path)
    finally:
        with suppress(OSError):  # mostly because it is renamed by now
            partial.unlink()


@contextmanager
def staged(targets: Sequence[Path], *, force: bool = False) -> Iterator[list[Path]]:
    """Places to write files to and to look at them, before they get their names all together.

    Parameters
    ----------
    targets : the files or folders to make, all in one folder that exists.
    force : replace files that are there; without it they are an error.

    Yields
    ------
    A path for each target, of the same name, in a folder of its own beside them.

    Raises
    ------
    UsageError : a target exists, or its folder does not.
    UnavailableError : the disk or a permission is in the way.
    """
    existing = [str(target) for target in targets if target.exists()]
    if existing and not force:
        raise UsageError(
            f"{', '.join(existing)} exists and was left as it is. Name another file, or replace it"
            " with --force (force=True)."
        )
    with _told(targets[0]):
        folder = tempfile.TemporaryDirectory(prefix=".zoo-", dir=targets[0].parent)
    with folder as place:
        files = [Path(place) / target.name for target in targets]
        yield files
        with _told(targets[0]):
            for file, target in zip(files, targets, strict=True):
                _take_place(file, target)


def _take_place(file: Path, target: Path) -> None:
    """Rename a file, or a folder; for a folder the one that is there has to give way first."""
    if not (file.is_dir() and target.is_dir()):
        os.replace(file, target)
        return
    before = file.with_name(f"{file.name}.before")
    os.replace(target, before)
    try:
        os.replace(file, target)
    except OSError:
        os.replace(before, target)
        raise


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say which file could not be written, and why."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}. Name a file in a folder that"
            " exists."
        ) from error
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror or error}") from error


def _bring_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
