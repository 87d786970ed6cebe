"""Caffe's HDF5 files: the weights, ``.caffemodel.h5``, and what all of them have in common.

Weights lie as ``Net::ToHDF5`` and ``Net::CopyTrainedLayersFromHDF5`` (caffe/net.cpp) have them: a
group ``data`` with a group for each layer, in which each param is a dataset named by its number. A
param that several layers share is written once, by the layer that owns it; the numbers of the
others are left out.

HDF5 separates groups by ``/``, so a layer whose name holds one cannot be written: Caffe aborts, and
here it is refused with words. Values that lie in the file as they are in memory become views into
its map, as those of a binary caffemodel; any others are converted, as HDF5 does for Caffe.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.caffe.blob import checked_shape
from zoo.caffe.hdf5_layout import HDF5File
from zoo.caffe.replacing import replacing
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.stored_layers import Blobs, StoredLayers
from zoo.errors import ParseError, WeightsError

__all__ = [
    "created_hdf5",
    "halved",
    "read_dataset",
    "read_hdf5_weights",
    "write_dataset",
    "write_hdf5_weights",
]


# A layer of Caffe has a handful of params; the limit keeps a number from asking for a long list.
_MOST_BLOBS = 1000
_HARD_TO_NAME = ("", ".")


def read_hdf5_weights(path: Path, mapping: mmap.mmap) -> StoredLayers:
    """The layers of a ``.caffemodel.h5``, in the order of their names, as HDF5 keeps them.

    Parameters
    ----------
    path : the file, for error messages.
    mapping : the file as memory, into which blobs are views.

    Raises
    ------
    ParseError : not an HDF5 file of weights, or a damaged one.
    WeightsError : a blob that Caffe could not hold.
    """
    file = HDF5File(mapping, path)
    found = file.links(file.root) or {}
    layers = file.links(found["data"]) if "data" in found else None
    if layers is None:
        raise ParseError(_no_weights(found), path)
    blobs = {name: _layer_blobs(file, name, address) for name, address in layers.items()}
    blobs = {name: of_layer for name, of_layer in blobs.items() if of_layer}
    return StoredLayers("hdf5", tuple(layers), {}, blobs)


def write_hdf5_weights(
    path: str | os.PathLike[str],
    net: NetParameter,
    weights: Mapping[str, Sequence[ArrayLike | None]],
    *,
    half: bool = False,
) -> None:
    """Write weights as Caffe's HDF5 snapshots have them.

    Parameters
    ----------
    path : the file to make or to replace.
    net : the definition in the current format; each of its layers gets a group.
    weights : layer name -> blobs in Caffe's shapes, any numeric type, stored as float32; None for
        a blob that another layer owns.
    half : store float16, of half the size, which HDF5 turns into float32 when Caffe reads it.

    Raises
    ------
    WeightsError : HDF5 cannot name a layer, two layers have one name, a blob holds no numbers, or
        some too large for float16.
    UnavailableError : the disk or a permission is in the way.
    """
    names = [layer.name for layer in net.layer]
    _check_names(names)
    with replacing(path) as partial, created_hdf5(partial) as file:
        data = file.create_group("data")
        for name in names:
            # As bytes, which is what Caffe gives: HDF5 keeps a str that is not ASCII in a kind of
            # group that its first versions do not have.
            group = data.create_group(name.encode())
            for index, blob in enumerate(weights.get(name, ())):
                if blob is not None:
                    array = np.asarray(blob)
                    if array.dtype.kind not in "fiub":
                        raise WeightsError(
                            f"layer {name!r}, blob {index}: {array.dtype} are no weights"
                        )
                    if half:
                        array = halved(array, f"layer {name!r}, blob {index}")
                    write_dataset(group, str(index), array, half=half)


def halved(array: NDArray[Any], what: str) -> NDArray[np.float16]:
    """Numbers rounded to float16.

    Raises
    ------
    WeightsError : a number is too large; `what` it belongs to is said.
    """
    with np.errstate(over="ignore"):
        stored = array.astype("<f2")
    lost = ~np.isfinite(stored) & np.isfinite(array)
    if lost.any():
        raise WeightsError(
            f"{what}: {array[lost][0]:g} is beyond float16, whose largest number is 65504;"
            " keep this net in float32. Sums of a BatchNorm go away with fold"
        )
    return stored


def read_dataset(file: HDF5File, address: int) -> NDArray[np.float32]:
    """A dataset of numbers as float32: a view into the file where it lies there as such.

    Raises
    ------
    ParseError, WeightsError : no numbers, a shape that Caffe cannot have, or values that are not
        in the file.
    """
    dataset = file.dataset(address)
    if dataset is None or dataset.dtype is None or dataset.dtype.kind not in "fiu":
        raise WeightsError("no dataset of numbers")
    checked_shape([*dataset.shape], math.prod(dataset.shape))
    values = file.values(dataset)
    with np.errstate(over="ignore"):  # a double too large for a float is infinite, as in Caffe
        array = values.astype("<f4", order="C", copy=False)
    array.flags.writeable = False
    return array


@contextmanager
def created_hdf5(path: Path) -> Iterator[Any]:
    """A new h5py.File in the layout that every HDF5 library reads, those of Caffe's days too."""
    import h5py

    with h5py.File(path, "w", libver="earliest") as file:
        yield file


def write_dataset(group: Any, name: str, array: NDArray[Any], *, half: bool = False) -> None:
    """Numbers as a dataset of float32 in one piece, or of float16."""
    data = np.asarray(array, "<f2" if half else "<f4", order="C")
    group.create_dataset(name, data=data, track_times=False)


def _layer_blobs(file: HDF5File, name: str, address: int) -> Blobs:
    """The blobs of one layer; an error says which one it is about."""
    members = file.links(address)
    if members is None:
        raise ParseError(f"data/{name} is not a group, as a layer has to be", file.path)
    numbers = {_number(key, name, file.path): place for key, place in members.items()}
    blobs: Blobs = [None] * (max(numbers, default=-1) + 1)
    for index, place in numbers.items():
        try:
            blobs[index] = read_dataset(file, place)
        except WeightsError as error:
            raise WeightsError(f"{file.path}: layer {name!r}, blob {index}: {error}") from None
    return blobs


def _number(key: str, layer: str, path: Path) -> int:
    if key.isascii() and key.isdecimal() and str(int(key)) == key and int(key) < _MOST_BLOBS:
        return int(key)
    raise ParseError(
        f"data/{layer}/{key} is in no file of Caffe's weights: expected the numbers 0, 1, ... of"
        " the layer's params",
        path,
    )


def _no_weights(found: Container[str]) -> str:
    """What an HDF5 file without weights is instead."""
    if "history" in found:
        return "this is a solver state (.solverstate.h5), not weights. Give the .caffemodel.h5."
    if "data" in found:
        return "this is an HDF5 file of data, as an HDF5Data layer reads it, not of weights."
    if "model_weights" in found or "layers" in found:
        return "these are weights of Keras, not of Caffe; load them into the Keras model."
    return "this HDF5 file has no group `data`, where Caffe keeps weights."


def _check_names(names: Sequence[str]) -> None:
    """Refuse layers for which HDF5 has no name of their own."""
    hard = [name for name in names if "/" in name or "\0" in name or name in _HARD_TO_NAME]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not hard and not twice:
        return
    if hard:
        which, count = hard, f"HDF5 cannot name {len(hard)} layer(s)"
        why = "a '/' separates groups there, and Caffe aborts when it writes such a network"
    else:
        which, count = twice, f"{len(twice)} name(s) are those of several layers"
        why = "HDF5 keeps one group for each name"
    listed = ", ".join(repr(name) for name in which[:5]) + (" ..." if len(which) > 5 else "")
    raise WeightsError(
        f"{count}: {listed}; {why}. Write a binary .caffemodel instead, or rename the layers in"
        " definition and weights."
    )
