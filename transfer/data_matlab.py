"""Rows of arrays in a MATLAB file: ``.mat`` of any version; 7.3 is HDF5 with its axes turned round.

MATLAB keeps pictures along the last axis (height, width, channels, n) and observations along the
first (n, values). Labels are a row or a column of numbers, or cells of names. Everything is read
into memory, for the files are packed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.transfer.data_arrays import DATA_NAMES, LABEL_NAMES, named_array, rows_of_arrays
from zoo.transfer.data_rows import Rows

__all__ = ["read_mat"]

Arrays = dict[str, NDArray[Any]]


def read_mat(path: Path) -> Rows:
    """The arrays `data` and `label` of a MATLAB file.

    Raises
    ------
    UsageError
        When it is damaged, or has no such arrays.
    """
    with path.open("rb") as file:
        is_hdf5 = file.read(16).startswith(b"MATLAB 7.3")
    try:
        stored = _from_hdf5(path) if is_hdf5 else _from_matlab(path)
    except (UsageError, MemoryError):
        raise
    except Exception as error:  # scipy raises whatever a damaged file leads it to
        raise UsageError(f"{path} cannot be read as .mat: {error}") from None
    arrays = {name.lower(): array for name, array in stored.items()}
    data = named_array(arrays, DATA_NAMES, path, needed=True)
    label = named_array(arrays, LABEL_NAMES, path, needed=False)
    if label is not None:
        label = _labels(label, path)
        arrays = {"data": _rows_first(data, len(label)), "label": label}
    else:
        arrays = {"data": _rows_first(data, None)}
    return rows_of_arrays("mat", [(path, arrays)], caffe_first=False)


def _from_matlab(path: Path) -> Arrays:
    from scipy.io import loadmat

    stored: Mapping[str, Any] = loadmat(path)
    return {name: array for name, array in stored.items() if isinstance(array, np.ndarray)}


def _from_hdf5(path: Path) -> Arrays:
    import h5py

    with h5py.File(path, "r") as file:
        sets = {name: each for name, each in file.items() if isinstance(each, h5py.Dataset)}
        cells = [name for name, each in sets.items() if each.dtype.kind not in "biuf"]
        if cells:
            raise UsageError(
                f"{path}: {', '.join(cells)} cannot be read from a MATLAB file of version 7.3, only"
                " numbers can. Save it with -v7, or write labels as numbers."
            )
        return {name: np.atleast_1d(np.asarray(each).T) for name, each in sets.items()}


def _labels(stored: NDArray[Any], path: Path) -> NDArray[Any]:
    """A label for each row: cells of names as text, a row or a column of numbers as a list."""
    if stored.ndim == 2 and 1 in stored.shape:
        stored = stored.ravel()
    if stored.dtype.kind != "O":
        return stored
    cells = [np.asarray(cell) for cell in stored.ravel()]
    if any(cell.dtype.kind != "U" or cell.size != 1 for cell in cells):
        raise UsageError(f"{path}: expected labels that are numbers or names, received other cells")
    return np.array([cell.item() for cell in cells])


def _rows_first(data: NDArray[Any], count: int | None) -> NDArray[Any]:
    """The array with a row for each label, along whichever axis they lie."""
    if data.ndim < 3:
        return data.T if count is not None and count == data.shape[-1] != len(data) else data
    last = data.ndim == 4 and data.shape[2] in (1, 3) if count is None else data.shape[-1] == count
    return np.moveaxis(data, -1, 0) if last else data
