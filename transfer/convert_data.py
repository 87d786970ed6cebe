"""Training data in another form: LMDB and HDF5 for Caffe, a list of files for people.

A row keeps its key and its label, and the names of the classes are kept beside them. The result is
opened again and counted before it gets its name, so a picture that cannot be read is an error and
never left out.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.caffe.hdf5 import created_hdf5
from zoo.caffe.replacing import staged
from zoo.caffe.schema.caffe_pb2 import Datum
from zoo.errors import UnavailableError, UsageError, VerificationError
from zoo.resize import resize_bilinear
from zoo.transfer.data import Dataset, open_data
from zoo.transfer.data_databases import CLASSES_FILE
from zoo.transfer.data_rows import Progress, nothing, stored_name

__all__ = ["FORMS", "convert_data", "form_of"]

FORMS = ("lmdb", "hdf5", "list")
_COMMIT_EVERY = 1000
_MAP_SIZE = 1 << 40  # as Caffe: the most it may become; only what is written takes room
_KEY_BYTES = 511  # what LMDB allows

Size = tuple[int, int]
Bytes = NDArray[np.uint8]


def form_of(target: Path) -> str:
    """What the name of a target asks for.

    >>> form_of(Path("train.h5")), form_of(Path("train.txt")), form_of(Path("train_lmdb"))
    ('hdf5', 'list', 'lmdb')
    """
    forms = {".h5": "hdf5", ".hdf5": "hdf5", ".txt": "list", ".lst": "list", ".lmdb": "lmdb"}
    if target.suffix and target.suffix.lower() not in forms:
        raise UsageError(
            f"{target}: what to write is told by the end of its name: .lmdb or none for an LMDB,"
            " .h5 for HDF5, .txt for a list of files"
        )
    return forms.get(target.suffix.lower(), "lmdb")


@dataclass(frozen=True)
class _Job:
    data: Dataset
    size: Size | None
    gray: bool
    progress: Progress

    def pixels(self, index: int) -> Bytes:
        """One picture as it is stored decoded: warped, if a size is asked for."""
        pixels = self.data.picture(index, gray=self.gray)
        return resize_bilinear(pixels, self.size) if self.size else pixels

    def rows(self) -> Iterator[int]:
        for index in range(len(self.data)):
            yield index
            self.progress(index + 1, len(self.data))


def convert_data(
    data: Dataset,
    target: str | Path,
    *,
    size: Size | None = None,
    gray: bool = False,
    progress: Progress = nothing,
) -> Path:
    """Write a dataset as an LMDB, HDF5 or a list of files, as the name of the target says.

    An LMDB holds the files as they are (`encoded`), unless a size or grey is asked for, or rows are
    no files: then it holds pixels. HDF5 holds pixels, so all need one size. Pictures that are in no
    file of their own are written into a folder beside a list. Rows without labels get 0 where Caffe
    cannot do without.

    Parameters
    ----------
    target : what to make: a name ending in .lmdb, or without an ending, in .h5, or in .txt.
    size : (height, width) that pictures are warped to.
    gray : one channel instead of three.
    progress : called with the number of rows that are done and of all.

    Returns
    -------
    The target.

    Raises
    ------
    UsageError
        When the target exists, has another ending, or rows do not fit: labels that are several
        numbers into LMDB, several sizes into HDF5.
    ImageError
        When a picture cannot be read. Nothing is left behind.
    """
    target = Path(target)
    form = form_of(target)
    if not data.is_pictures:
        raise UsageError(f"{data.path} holds values that are no pictures; nothing to convert")
    job = _Job(data, size, gray, progress)
    targets = [target]
    if form == "list" and (data.files is None or size or gray):
        targets.append(target.with_suffix(""))
    with staged(targets) as places:
        if form == "lmdb":
            _write_lmdb(job, places[0])
        elif form == "hdf5":
            _write_hdf5(job, places[0])
        else:
            _write_list(job, places, target)
        _check(data, places[0], form)
    return target


def _check(data: Dataset, written: Path, form: str) -> None:
    if form == "list":  # its paths hold only where it will be
        count = len(written.read_text(encoding="utf-8", errors="surrogateescape").splitlines())
    else:
        count = len(open_data(written))
    if count != len(data):
        raise VerificationError(f"{len(data)} rows were to be written, but {count} came back")


def _write_lmdb(job: _Job, place: Path) -> None:
    try:
        import lmdb
    except ImportError as error:
        raise UnavailableError("writing LMDB needs the package lmdb: pip install lmdb") from error
    labels = _class_numbers(job.data)
    place.mkdir()
    try:
        with lmdb.open(str(place), map_size=_MAP_SIZE, lock=False) as environment:
            transaction = environment.begin(write=True)
            for index in job.rows():
                datum = _datum(job, index)
                datum.label = labels[index]
                transaction.put(_key(job.data, index), datum.SerializeToString())
                if index % _COMMIT_EVERY == _COMMIT_EVERY - 1:
                    transaction.commit()
                    transaction = environment.begin(write=True)
            transaction.commit()
    except lmdb.Error as error:
        raise UnavailableError(f"the LMDB cannot be written: {error}") from error
    if job.data.has_classes:
        names = "".join(f"{name}\n" for name in job.data.classes)
        (place / CLASSES_FILE).write_text(names, encoding="utf-8")


def _class_numbers(data: Dataset) -> list[int]:
    if data.labels is None:
        return [0] * len(data)
    if data.labels.ndim != 1:
        raise UsageError(
            f"{data.path}: a row of an LMDB has one whole number as its label, these have"
            f" {data.labels.shape[1]} number(s) to be met; write HDF5 (.h5) instead"
        )
    return [int(label) for label in data.labels]


def _key(data: Dataset, index: int) -> bytes:
    """The key as convert_imageset makes it, which keeps the order; those of a database stay."""
    key = data.rows.keys[int(data.indices[index])]
    if data.kind not in ("lmdb", "leveldb"):
        key = f"{index:08}_{key}"
    return stored_name(key)[:_KEY_BYTES]


def _datum(job: _Job, index: int) -> Datum:
    pixels = job.pixels(index)
    stored = job.data.read(index)
    if job.size is None and not job.gray and isinstance(stored, Path | bytes):
        content = stored.read_bytes() if isinstance(stored, Path) else stored
        return Datum(encoded=True, data=content)
    if job.size is None and not job.gray and isinstance(stored, np.ndarray) and stored.ndim == 2:
        pixels = stored.astype(np.uint8, copy=False)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    channels, height, width = planes.shape
    return Datum(channels=channels, height=height, width=width, data=planes.tobytes())


def _write_hdf5(job: _Job, place: Path) -> None:
    import h5py

    data, first = job.data, job.pixels(0)
    shape = (1, *first.shape) if first.ndim == 2 else (3, *first.shape[:2])
    with created_hdf5(place) as file:
        pictures = file.create_dataset("data", (len(data), *shape), np.uint8)
        for index in job.rows():
            pixels = job.pixels(index)
            if pixels.shape != first.shape:
                raise UsageError(
                    f"{data.path}: {data.keys[index]} is {pixels.shape[:2]}, {data.keys[0]}"
                    f" {first.shape[:2]} (height, width); HDF5 needs one size: give one"
                    " (--size 256,256)"
                )
            pictures[index] = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        if data.labels is not None:
            file["label"] = data.labels.astype(np.float32)
        if data.classes:
            file["label"].attrs["classes"] = list(data.classes)
        keys = list(map(stored_name, data.keys))
        file.create_dataset("key", data=keys, dtype=h5py.string_dtype())


def _write_list(job: _Job, places: list[Path], target: Path) -> None:
    data = job.data
    files = data.files if len(places) == 1 else None
    if len(places) == 2:
        places[1].mkdir()
    lines = []
    for index in job.rows():
        if files is not None:
            job.pixels(index)  # can it be read?
            name = os.path.relpath(files[index], target.parent)
        else:
            name = f"{places[1].name}/{_picture_file(job, index, places[1])}"
        lines.append(f"{name}{_label_text(data, index)}\n")
    text = "".join(lines)
    places[0].write_text(text, encoding="utf-8", errors="surrogateescape")


def _picture_file(job: _Job, index: int, folder: Path) -> str:
    """Write one picture; encoded ones as they are."""
    stored = job.data.read(index)
    if isinstance(stored, bytes) and not job.size and not job.gray:
        job.pixels(index)
        with Image.open(io.BytesIO(stored)) as image:
            name = f"{index:08}.{str(image.format).lower()}"
        (folder / name).write_bytes(stored)
        return name
    pixels = job.pixels(index)
    rgb = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    name = f"{index:08}.png"
    Image.fromarray(rgb).save(folder / name)
    return name


def _label_text(data: Dataset, index: int) -> str:
    if data.labels is None:
        return " 0"
    label = data.labels[index]
    if data.has_classes:
        return f" {int(label)}"
    return "".join(f" {value!s}" for value in label)  # 1.0, so that it is not taken for a class
