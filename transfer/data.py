"""Training data, wherever it lies: opened by what is there, read a row at a time.

A folder of class folders, a list or a CSV of files, arrays in ``.npz``, ``.npy``, HDF5 or
``.mat``, and what Caffe's data layers read: LMDB, LevelDB, the list of an ImageData or an HDF5Data
layer. Only keys and labels are kept in memory, but for ``.mat``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.errors import ImageError, UnavailableError, UsageError
from zoo.images import read_image
from zoo.input_spec import InputSpec
from zoo.resize import Bytes, gray_from_bgr
from zoo.transfer.augment import Augment
from zoo.transfer.data_arrays import read_hdf5, read_npy, read_npz
from zoo.transfer.data_databases import read_database
from zoo.transfer.data_files import read_csv, read_folder, read_list
from zoo.transfer.data_matlab import read_mat
from zoo.transfer.data_rows import Labels, RawPicture, Rows, class_name, renumbered

if TYPE_CHECKING:
    from zoo.transfer.pipeline import Pipeline

__all__ = ["Dataset", "open_data"]


@dataclass(frozen=True)
class Dataset:
    """Rows of training data in a fixed order.

    Attributes
    ----------
    path : where it lies.
    rows : the source with all its rows.
    indices : which of them belong here, in which order.
    labels : (n,) int64, numbers of classes from 0; or (n, k) float32, numbers to be met; None
        where the source has none.
    classes : names of the classes by number; of the columns where labels are several numbers.
    """

    path: Path
    rows: Rows
    indices: NDArray[np.int64]
    labels: Labels | None
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        classes = f", {len(self.classes)} classes" if self.has_classes else ""
        return f"Dataset({str(self.path)!r}: {self.kind}, {len(self)} rows{classes})"

    @property
    def kind(self) -> str:
        """What the source is: folder, list, csv, npz, npy, hdf5, mat, lmdb or leveldb."""
        return self.rows.kind

    @property
    def has_classes(self) -> bool:
        """Whether the label of a row is the number of a class."""
        return self.labels is not None and self.labels.ndim == 1

    @property
    def is_pictures(self) -> bool:
        """Whether rows are pictures; other values go to the network as they are."""
        return self.rows.shape is None

    @property
    def keys(self) -> list[str]:
        """What each row is called: the path in a folder or list, the key of a database."""
        return [self.rows.keys[index] for index in self.indices]

    @property
    def files(self) -> list[Path] | None:
        """The file of each row, where rows are files."""
        files = self.rows.files
        return None if files is None else [files[index] for index in self.indices]

    @property
    def class_counts(self) -> list[int]:
        """How many rows each class has."""
        if self.labels is None or self.labels.ndim != 1:
            return []
        numbers = self.labels.astype(np.int64)
        counts: list[int] = np.bincount(numbers, minlength=len(self.classes)).tolist()
        return counts

    def read(self, index: int) -> RawPicture:
        """One row as it is stored: a path, the bytes of a picture, or an array."""
        return self.rows.read(int(self.indices[index]))

    def picture(self, index: int, *, gray: bool = False) -> Bytes:
        """One row, decoded.

        Returns
        -------
        uint8 array of shape (height, width, 3), BGR; or (height, width) if `gray`.

        Raises
        ------
        ImageError
            When it cannot be decoded, or is no picture; names the row.
        """
        stored = self.read(index)
        where = f"{self.path}, {self.rows.keys[int(self.indices[index])]}"
        if isinstance(stored, Path):
            return read_image(stored, gray=gray)
        if isinstance(stored, bytes):
            try:
                return read_image(stored, gray=gray)
            except ImageError as error:
                raise ImageError(f"{where}: {error}") from error
        if stored.dtype != np.uint8:
            raise ImageError(f"{where}: values of shape {stored.shape}, and no picture")
        pixels: Bytes = stored.astype(np.uint8, copy=False)
        if pixels.ndim == 3:
            return gray_from_bgr(pixels) if gray else pixels
        return pixels if gray else np.repeat(pixels[:, :, None], 3, axis=2)

    def subset(self, indices: ArrayLike) -> Dataset:
        """Some rows, in this order; classes keep their numbers.

        Examples
        --------
        >>> data.subset([0, 1, 2])     # doctest: +SKIP
        Dataset('photos': folder, 3 rows, 10 classes)
        """
        chosen = np.asarray(indices, np.int64)
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, indices=self.indices[chosen], labels=labels)

    def split(self, share: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Two parts without a common row, the second with this share of each class.

        Raises
        ------
        UsageError
            When `share` is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise UsageError(f"share: expected a number between 0 and 1, received {share}.")
        order = np.random.default_rng(seed).permutation(len(self))
        groups = np.zeros(len(self), np.int64)
        if self.labels is not None and self.labels.ndim == 1:
            groups = self.labels.astype(np.int64)
        second = np.zeros(len(self), bool)
        for group in np.unique(groups):
            members = order[groups[order] == group]
            second[members[: round(share * len(members))]] = True
        return self.subset(np.flatnonzero(~second)), self.subset(np.flatnonzero(second))

    def check_labels(self, outputs: int) -> None:
        """Refuse labels that a network with so many outputs cannot learn.

        Raises
        ------
        UsageError
            Names the row.
        """
        if self.labels is None:
            raise UsageError(f"{self.path} has no labels")
        if self.labels.ndim == 2:
            if self.labels.shape[1] != outputs:
                raise UsageError(
                    f"{self.path}: rows have {self.labels.shape[1]} labels, the network"
                    f" {outputs} outputs"
                )
            return
        beyond = np.flatnonzero(self.labels >= outputs)
        if len(beyond):
            raise UsageError(
                f"{self.path}: label {int(self.labels[beyond[0]])} of {self.keys[beyond[0]]}, but"
                f" the network has {outputs} outputs; labels go from 0 to {outputs - 1}. Give the"
                " network a head with more outputs, or renumber the labels."
            )

    def pipeline(
        self,
        spec: InputSpec,
        *,
        batch_size: int = 32,
        shuffle: bool = False,
        augment: Augment | None = None,
        seed: int = 0,
        epoch: int = 0,
    ) -> Pipeline:
        """Batches for a Keras model, decoded and prepared in parallel; as a tf.data.Dataset too.

        Parameters
        ----------
        spec : what the model wants of a picture.
        batch_size : rows in a batch; the last may have fewer.
        shuffle : another order in each pass.
        augment : how pictures may differ; None for the central crop, as in
            :class:`zoo.preprocess.Preprocessor`.
        seed : order and augmentation follow from it and the number of the pass alone.
        epoch : the number of the first pass.
        """
        from zoo.transfer.pipeline import Pipeline

        return Pipeline(
            self,
            spec,
            batch_size=batch_size,
            shuffle=shuffle,
            augment=augment,
            seed=seed,
            epoch=epoch,
        )


def open_data(path: str | Path, *, classes: Sequence[str] | None = None) -> Dataset:
    """Open training data by what lies there.

    Parameters
    ----------
    path : a folder of class folders or of pictures; a list (``path label``, several or fractional
        labels too) or ``.csv``; ``.npz``, ``.npy``, ``.h5``, ``.mat``; the folder of an LMDB or a
        LevelDB; a text file that lists HDF5 files.
    classes : names of the classes by number, as other data has them (``classes=train.classes`` for
        validation data); data that have numbers and no names, as Caffe's lists, keep the numbers.
        None: those that are there, in the order of their names.

    Raises
    ------
    UsageError
        When there is nothing, it is damaged, files are missing (all are named), labels make no
        sense, or there is a class that is not among `classes`, or whose name is not UTF-8.
    UnavailableError
        When it cannot be read.
    """
    path = Path(path)
    rows = _rows(path)
    names = tuple(class_name(name, str(path)) for name in rows.classes)
    data = Dataset(path, rows, np.arange(len(rows.keys)), rows.labels, names)
    if classes is None or not data.has_classes:
        return data
    if rows.is_numbered and not any(name.isdecimal() for name in classes):
        data.check_labels(len(classes))
        return replace(data, classes=tuple(classes))
    labels = renumbered(np.asarray(data.labels), data.classes, classes, str(path))
    return replace(data, labels=labels, classes=tuple(classes))


def _rows(path: Path) -> Rows:
    if path.is_dir():
        if (path / "data.mdb").is_file() or (path / "CURRENT").is_file():
            return read_database(path)
        return read_folder(path)
    if not path.is_file():
        raise UsageError(
            f"{path}: there is no such file or folder. Training data is a folder of class folders,"
            " a list of files, .csv, .npz, .npy, .h5, .mat, an LMDB or a LevelDB."
        )
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {error.strerror or error}") from error
    if head.startswith(b"\x89HDF\r\n"):
        return read_hdf5([path])
    if head.startswith(b"PK\x03\x04"):
        return read_npz(path)
    if head.startswith(b"\x93NUMPY"):
        return read_npy(path)
    if head.startswith(b"MATLAB ") or path.suffix.lower() == ".mat":
        return read_mat(path)
    if path.suffix == ".mdb" or head[16:20] == b"\xde\xc0\xef\xbe":
        return read_database(path.parent if path.name == "data.mdb" else path)
    if b"\0" in head:
        raise UsageError(
            f"{path}: no training data in a known format; it begins with {head[:16]!r}"
        )
    return _listed(path)


def _listed(path: Path) -> Rows:
    if path.suffix.lower() in (".csv", ".tsv"):
        return read_csv(path)
    words = path.read_text(encoding="utf-8", errors="replace").split()
    if words and all(word.endswith((".h5", ".hdf5")) for word in words):
        beside = [(path.parent / word, Path(word)) for word in words]
        return read_hdf5([near if near.is_file() else far for near, far in beside])
    return read_list(path)
