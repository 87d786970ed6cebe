"""Rows of arrays: ``.npz``, ``.npy``, HDF5, and Caffe's list of HDF5 files.

An array of uint8 with one or three channels holds pictures, colours in the order BGR: (n, height,
width), (n, height, width, channels), or Caffe's (n, channels, height, width). Which of the two is
told by where the 1 or 3 stands; where both ends could be channels, HDF5 counts as Caffe's. All else
are values that go to the network as they are. Nothing is read before it is asked for.
"""

from __future__ import annotations

import math
import os
import shutil
import struct
import tempfile
import zipfile
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.transfer.data_rows import RawPicture, Rows, class_labels, named_labels

__all__ = [
    "DATA_NAMES",
    "LABEL_NAMES",
    "named_array",
    "read_hdf5",
    "read_npy",
    "read_npz",
    "rows_of_arrays",
]

DATA_NAMES = ("data", "images", "x", "x_train", "arr_0")
LABEL_NAMES = ("label", "labels", "y", "y_train", "targets", "arr_1")
_CHANNELS = (1, 3)
_LOCAL_HEADER = 30  # of a zip file, before the name


def read_npz(path: Path) -> Rows:
    """The arrays `data` and `label` of a file that `numpy.savez` made.

    Raises
    ------
    UsageError
        When it is damaged, or has no such arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            arrays = {info.filename[:-4]: _member(path, archive, info) for info in members}
    except (OSError, ValueError, zipfile.BadZipFile, struct.error) as error:
        raise UsageError(f"{path} cannot be read as .npz: {error}") from None
    return rows_of_arrays("npz", [(path, arrays)], caffe_first=False)


def read_npy(path: Path) -> Rows:
    """One array of pictures or values, without labels.

    Raises
    ------
    UsageError
        When it is damaged.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as .npy: {error}") from None
    return rows_of_arrays("npy", [(path, {"data": array})], caffe_first=False)


def read_hdf5(paths: Sequence[Path]) -> Rows:
    """The datasets `data` and `label` of HDF5 files, one file behind the other.

    Raises
    ------
    UsageError
        When a file is damaged or has no such datasets, or the files do not fit together.
    """
    import h5py

    files = []
    for path in paths:
        try:
            file = h5py.File(path, "r")
        except OSError:
            there = path.is_file()
            reason = "it is no HDF5 file, or damaged" if there else "there is no such file"
            raise UsageError(f"{path} cannot be read as HDF5: {reason}") from None
        files.append(
            (path, {key: file[key] for key in file if isinstance(file[key], h5py.Dataset)})
        )
    return rows_of_arrays("hdf5", files, caffe_first=True)


def rows_of_arrays(
    kind: str, parts: Sequence[tuple[Path, Mapping[str, Any]]], caffe_first: bool
) -> Rows:
    """The rows of arrays that files hold by name, one file behind the other.

    Parameters
    ----------
    kind : of the source.
    parts : the files, and the arrays in each, a row of the data along their first axis.
    caffe_first : whether channels are before the plane where both could be.

    Raises
    ------
    UsageError
        When there is no array of data, or they do not fit together.
    """
    data = [named_array(arrays, DATA_NAMES, path, needed=True) for path, arrays in parts]
    labels = [named_array(arrays, LABEL_NAMES, path, needed=False) for path, arrays in parts]
    sizes = {array.shape[1:] for array in data}
    if len(sizes) > 1:
        raise UsageError(f"{parts[0][0]}: its files hold rows of several shapes: {sizes}")
    for (path, _), array, label in zip(parts, data, labels, strict=True):
        if not array.shape or label is not None and not label.shape:
            raise UsageError(f"{path}: expected arrays with a row for each picture, not one number")
        if label is not None and len(label) != len(array):
            raise UsageError(f"{path}: {len(array)} rows, but {len(label)} labels")
    where = str(parts[0][0])
    ends = np.cumsum([len(array) for array in data]).tolist()
    if not ends[-1]:
        raise UsageError(f"{where} holds no row")
    layout = _layout(data, caffe_first)
    values, classes = (None, ()) if any(x is None for x in labels) else _labels(labels, where)
    return Rows(
        kind,
        _keys(parts, ends[-1]),
        _Reader(data, ends, layout),
        values,
        classes,
        shape=None if layout.is_picture else layout.row_shape(data[0].shape[1:]),
    )


def _labels(parts: Sequence[Any], where: str) -> tuple[Any, tuple[str, ...]]:
    rows = [np.asarray(part).reshape(len(part), math.prod(part.shape[1:])) for part in parts]
    if len({part.shape[1] for part in rows}) > 1:
        raise UsageError(f"{where}: its files have different numbers of labels a row")
    labels = np.concatenate(rows)
    names = getattr(parts[0], "attrs", {}).get("classes")  # written by `zoo data convert`
    if labels.dtype.kind in "SUO":
        if labels.shape[1] != 1:
            raise UsageError(f"{where}: expected one name of a class a row, received several")
        return named_labels([_text(name) for name in labels.ravel()], where)
    values, classes = class_labels(labels, where)
    if names is not None and len(names) >= len(classes):
        classes = tuple(map(_text, names))
    return values, classes


def _text(value: Any) -> str:
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


def _keys(parts: Sequence[tuple[Path, Mapping[str, Any]]], count: int) -> list[str]:
    """The keys that the conversion kept, or numbers."""
    if all("key" in arrays for _, arrays in parts):
        return [_text(key) for _, arrays in parts for key in arrays["key"]]
    return [f"{index:08}" for index in range(count)]


class _Reader:
    """One row of arrays that lie one behind the other."""

    def __init__(self, arrays: Sequence[Any], ends: Sequence[int], layout: _Layout) -> None:
        self._arrays, self._ends, self._layout = arrays, ends, layout
        self._lock = Lock()  # a dataset of HDF5 must not be read from two threads at once

    def __call__(self, index: int) -> RawPicture:
        part = bisect_right(self._ends, index)
        first = self._ends[part - 1] if part else 0
        with self._lock:
            row = np.asarray(self._arrays[part][index - first])
        if self._layout.channels_first:
            row = row.transpose(1, 2, 0)
        if not self._layout.is_picture:
            return np.ascontiguousarray(row, np.float32)
        return np.ascontiguousarray(row[..., 0] if row.ndim == 3 and row.shape[2] == 1 else row)


class _Layout(NamedTuple):
    is_picture: bool
    channels_first: bool

    def row_shape(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        return (*stored[1:], stored[0]) if self.channels_first else stored


def _layout(arrays: Sequence[Any], caffe_first: bool) -> _Layout:
    shape = arrays[0].shape[1:]
    is_bytes = all(array.dtype == np.uint8 for array in arrays)
    if len(shape) != 3:
        return _Layout(is_bytes and len(shape) == 2, False)
    first, last = (size in _CHANNELS for size in (shape[0], shape[2]))
    return _Layout(is_bytes and (first or last), first > last or (caffe_first and first == last))


def named_array(
    arrays: Mapping[str, Any], names: Sequence[str], path: Path, *, needed: bool
) -> Any:
    """The first array of one of these names; None, or if `needed` an error, where there is none."""
    found = next((arrays[name] for name in names if name in arrays), None)
    if found is None and needed:
        raise UsageError(
            f"{path} has no array of pictures; expected one called {', '.join(names)}, received"
            f" {', '.join(arrays) or 'none at all'}"
        )
    return found


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """An array of an ``.npz`` without loading it: where it lies in the file, or unpacked beside."""
    if info.compress_type == zipfile.ZIP_STORED:
        with path.open("rb") as file:
            file.seek(info.header_offset)
            header = file.read(_LOCAL_HEADER)
            name, extra = struct.unpack("<HH", header[26:30])
        return _mapped(path, info.header_offset + _LOCAL_HEADER + name + extra)
    with tempfile.NamedTemporaryFile(suffix=".npy") as unpacked, archive.open(info) as stream:
        shutil.copyfileobj(stream, unpacked)
        unpacked.flush()
        return _mapped(Path(unpacked.name), 0)  # the map keeps what the name no longer does


def _mapped(path: Path, start: int) -> Any:
    with path.open("rb") as file:
        file.seek(start)
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read(file)
        if dtype.hasobject:
            raise ValueError("it holds Python objects, which are never loaded")
        if 0 in shape or not shape:
            return np.zeros(shape, dtype)
        order: Any = "F" if is_fortran else "C"
        return np.memmap(path, dtype, "r", file.tell(), shape, order)
