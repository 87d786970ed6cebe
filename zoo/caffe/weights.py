"""The weights of a trained network: layer name -> arrays in Caffe's shapes, without copying them.

Both of Caffe's formats are read, told apart by their first bytes: the binary ``.caffemodel``, of
any era (`zoo.caffe.caffemodel`), and ``.caffemodel.h5`` (`zoo.caffe.hdf5`). The file is mapped into
memory and its blobs are views into the map. Reading a binary model of any size takes about a
millisecond; the weights come from disk when they are first used.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.caffe import sniff
from zoo.caffe.caffemodel import read_binary_layers
from zoo.caffe.hdf5 import read_hdf5_weights
from zoo.caffe.hdf5_layout import HDF5_SIGNATURE
from zoo.caffe.mapped_file import drop_pages, map_file
from zoo.caffe.stored_layers import Blobs
from zoo.errors import ParseError, WeightsError

__all__ = ["WeightFile", "drop_pages", "read_weights"]


class WeightFile(Mapping[str, Blobs]):
    """The weights in one file: layer name -> blobs, for the layers that have any, in file order.

    Blobs are float32 arrays in Caffe's shape and order (a convolution's weight is ``(out, in/group,
    kernel height, kernel width)``). They are read-only, C-contiguous, and most are views into the
    file, not aligned to four bytes, since protobuf aligns nothing: numpy and TensorFlow read them
    as they are. The map lives as long as any view of it does, and closes by itself. A file that
    is replaced by renaming another over it stays readable; one must not be cut short while mapped.

    An HDF5 file holds a blob that layers share once. A layer all of whose blobs are another's has
    none here; one that has some of its own has None in the place of each that is another's.

    Attributes
    ----------
    path : the file.
    format : ``"current"``, ``"v1"`` or ``"v0"``, which are binary, or ``"hdf5"``.
    layer_names : every layer of the file, with blobs or without.
    types : layer name -> type as the file has it: ``Convolution`` (current), ``CONVOLUTION`` (V1),
        ``conv`` (V0). HDF5 files have no types.
    nbytes : bytes of all the arrays together.

    Examples
    --------
    >>> weights = read_weights("alexnet.caffemodel")            # doctest: +SKIP
    >>> [blob.shape for blob in weights["conv2"]]               # doctest: +SKIP
    [(256, 48, 5, 5), (256,)]
    """

    def __init__(self, path: Path, mapping: mmap.mmap) -> None:
        self.path = path
        self._mapping = mapping
        is_hdf5 = mapping[: len(HDF5_SIGNATURE)] == HDF5_SIGNATURE
        stored = (read_hdf5_weights if is_hdf5 else read_binary_layers)(path, mapping)
        self.format, self.layer_names, self.types = stored.format, stored.names, stored.types
        self._blobs = stored.blobs
        self.nbytes = sum(
            blob.nbytes for blobs in self._blobs.values() for blob in blobs if blob is not None
        )

    def __getitem__(self, layer: str) -> Blobs:
        return self._blobs[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs)

    def __len__(self) -> int:
        return len(self._blobs)

    def __repr__(self) -> str:
        return (
            f"WeightFile({str(self.path)!r}: {self.format} format, {len(self.layer_names)} layers,"
            f" {len(self)} with weights, {self.nbytes // 4} values)"
        )

    def drop_pages(self, blob: NDArray[np.float32] | None = None) -> None:
        """Give back the memory that using weights has filled; they stay readable.

        A loader that calls this after each layer needs no more memory than one layer takes,
        whatever the size of the file. A page that is touched again comes back from the file.

        Parameters
        ----------
        blob : the blob that is done with; without it, the whole file.
        """
        if blob is None:
            self._mapping.madvise(mmap.MADV_DONTNEED)
        else:
            drop_pages(blob)


def read_weights(path: str | os.PathLike[str]) -> WeightFile:
    """The weights of a ``.caffemodel`` or ``.caffemodel.h5``, as views into the file.

    Parameters
    ----------
    path : a binary caffemodel of any of Caffe's three formats, or one in HDF5, whatever its name.

    Returns
    -------
    WeightFile : a mapping of layer name to a list of float32 arrays in Caffe's shapes.

    Raises
    ------
    ParseError : the file is cut, damaged, or something else; says which and what to do.
    WeightsError : there is no such file, it has no layers, or a blob contradicts itself.
    UnavailableError : the system does not let the file be read.
    """
    path = Path(path)
    mapping = map_file(path, error=WeightsError)
    try:
        return WeightFile(path, mapping)
    except (ParseError, WeightsError) as error:
        other = sniff.describe(mapping[:4096])
        if other is None:
            raise
        raise ParseError(other, path) from error
