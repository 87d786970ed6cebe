"""npz files of blobs: numpy's own format, keys are Caffe's blob names.

`numpy.savez` takes names as keyword arguments and so refuses a blob called `file`; it also adds
`.npz` to a name. Blob names may contain slashes, which an npz, being a zip, keeps as they are.
"""

from __future__ import annotations

import os
import uuid
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zoo.errors import UnavailableError, UsageError

__all__ = ["read_npz", "write_npz"]

_KINDS = "fiub"  # floats, signed and unsigned integers, booleans


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file as float32, by name.

    Raises
    ------
    UsageError
        When it is no npz file of numbers.
    """
    wanted = "expected an npz file, such as numpy.savez('in.npz', data=array) writes"
    try:
        if not zipfile.is_zipfile(path):
            with open(path, "rb"):
                raise UsageError(f"{path} is not an npz file; {wanted}.")
        with np.load(path, allow_pickle=False) as arrays:
            blobs = {name: arrays[name] for name in arrays.files}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path} holds what is no array of numbers: {error}; {wanted}.") from error
    for name, array in blobs.items():
        if array.dtype.kind not in _KINDS:
            raise UsageError(f"{path}: {name!r} holds {array.dtype}; expected numbers.")
    return {name: np.asarray(array, np.float32) for name, array in blobs.items()}


def write_npz(path: str | Path, blobs: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name; what was there before stays whole until the new file is.

    Raises
    ------
    UnavailableError
        When the place cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        try:
            with zipfile.ZipFile(temporary, "x", allowZip64=True) as archive:
                for name, array in blobs.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror or error}. Nothing was changed there."
        ) from error
