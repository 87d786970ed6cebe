"""Reading a ``.caffemodel``: layer name -> arrays in Caffe's shapes, without copying them.

A caffemodel is one NetParameter whose layers carry ``blobs``. protobuf's own parser makes a second
copy of every weight; here the file is mapped into memory, only the headers are walked (`zoo.caffe.
wire`), and each packed ``data`` field becomes a read-only numpy view into the map. Reading a model
of any size takes about a millisecond; the weights come from disk when they are first used.

All three formats that Caffe has had are read: ``layer`` (current), ``layers`` (V1), and V1 with a
``layer`` inside (V0). Several layers of one name: the last counts, as in
``Net::CopyTrainedLayersFrom``, which takes each in turn.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.caffe import sniff
from zoo.caffe.blob import read_blob
from zoo.caffe.schema.caffe_pb2 import (
    LayerParameter,
    NetParameter,
    V0LayerParameter,
    V1LayerParameter,
)
from zoo.caffe.wire import LENGTH, VARINT, Wire
from zoo.errors import ParseError, UnavailableError, WeightsError, did_you_mean

__all__ = ["WeightFile", "drop_pages", "read_weights"]

_NET_LAYER = NetParameter.LAYER_FIELD_NUMBER
_NET_LAYERS = NetParameter.LAYERS_FIELD_NUMBER
_V0_IN_V1 = V1LayerParameter.LAYER_FIELD_NUMBER

# Longer than any name in use; it bounds what a file can make of its size in memory.
_LONGEST_NAME = 1024


@dataclass(frozen=True)
class _LayerFields:
    """Where a layer message of one format keeps what is read here."""

    format: str
    name: int
    type: int
    blobs: int


def _fields_of(format: str, message: Any) -> _LayerFields:
    return _LayerFields(
        format, message.NAME_FIELD_NUMBER, message.TYPE_FIELD_NUMBER, message.BLOBS_FIELD_NUMBER
    )


_CURRENT = _fields_of("current", LayerParameter)
_V1 = _fields_of("v1", V1LayerParameter)
_V0 = _fields_of("v0", V0LayerParameter)


@dataclass(slots=True)
class _Layer:
    """One layer of the file: its name, its type, and where each of its blobs lies."""

    format: str
    name: str = ""
    type: str = ""
    blobs: list[tuple[int, int]] = field(default_factory=list)


class WeightFile(Mapping[str, list[NDArray[np.float32]]]):
    """The weights in one file: layer name -> blobs, for the layers that have any, in file order.

    Blobs are float32 arrays in Caffe's shape and order (a convolution's weight is ``(out, in/group,
    kernel height, kernel width)``). They are read-only, C-contiguous, and most are views into the
    file, not aligned to four bytes, since protobuf aligns nothing: numpy and TensorFlow read them
    as they are. The map lives as long as any view of it does, and closes by itself. A file that
    is replaced by renaming another over it stays readable; one must not be cut short while mapped.

    Attributes
    ----------
    path : the file.
    format : ``"current"``, ``"v1"`` or ``"v0"``.
    layer_names : every layer of the file, with blobs or without.
    types : layer name -> type as the file has it: ``Convolution`` (current), ``CONVOLUTION`` (V1),
        ``conv`` (V0).
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
        wire = Wire(mapping, path)
        layers = _scan_net(wire)
        self.format = _format_of(layers, path)
        self.layer_names = tuple(layer.name for layer in layers)
        self.types = {layer.name: layer.type for layer in layers}
        self._blobs = {layer.name: _named_blobs(wire, layer) for layer in layers if layer.blobs}
        self.nbytes = sum(blob.nbytes for blobs in self._blobs.values() for blob in blobs)

    def __getitem__(self, layer: str) -> list[NDArray[np.float32]]:
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


def drop_pages(blob: NDArray[np.float32]) -> None:
    """Give back the memory of a blob that lies in a mapped file; one that does not is left alone.

    Unpacked and double blobs were copied when they were read, so they do not lie in the file.
    """
    owner: Any = blob
    while isinstance(owner, np.ndarray):
        owner = owner.base
    mapping = owner.obj if isinstance(owner, memoryview) else owner
    if not isinstance(mapping, mmap.mmap):
        return
    start = _address(blob) - _address(np.frombuffer(mapping, np.uint8))
    # Inner pages only: those at the ends hold other blobs too.
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    last = min(start + blob.nbytes, len(mapping)) // mmap.PAGESIZE * mmap.PAGESIZE
    if 0 <= first < last:
        mapping.madvise(mmap.MADV_DONTNEED, first, last - first)


def read_weights(path: str | os.PathLike[str]) -> WeightFile:
    """The weights of a ``.caffemodel``, as views into the file.

    Parameters
    ----------
    path : a binary caffemodel of any of Caffe's three formats.

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
    mapping = _map(path)
    try:
        return WeightFile(path, mapping)
    except (ParseError, WeightsError) as error:
        other = sniff.describe(mapping[:4096])
        if other is None:
            raise
        raise ParseError(other, path) from error


def _map(path: Path) -> mmap.mmap:
    """The file as read-only memory."""
    try:
        _check_is_file(path)
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise ParseError("the file is empty. Fetch it again.", path)
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {error.strerror}") from error


def _check_is_file(path: Path) -> None:
    """Refuse what is no file, with the names of files that may have been meant."""
    if path.is_dir():
        inside = sorted(entry.name for entry in path.glob("*.caffemodel"))
        hint = f" Give one of the files in it: {', '.join(inside[:5])}." if inside else ""
        raise WeightsError(f"{path} is a folder, not a caffemodel.{hint}")
    if not path.exists():
        beside = [entry.name for entry in path.parent.glob("*.caffemodel")]
        raise WeightsError(f"there is no file {path}.{did_you_mean(path.name, beside)}")
    if not path.is_file():  # opening a pipe would wait for a writer
        raise WeightsError(f"{path} is not a regular file, so it cannot be a caffemodel")


def _scan_net(wire: Wire) -> list[_Layer]:
    """The layers of the NetParameter that is the whole file, their blobs found but not read."""
    layers = []
    for number, kind, first, last in wire.fields(0, wire.size):
        if kind == LENGTH and number in (_NET_LAYER, _NET_LAYERS):
            fields = _CURRENT if number == _NET_LAYER else _V1
            layer = _Layer(fields.format)
            _scan_layer(wire, first, last, fields, layer)
            layers.append(layer)
    return layers


def _scan_layer(wire: Wire, start: int, stop: int, fields: _LayerFields, layer: _Layer) -> None:
    """Fill ``layer`` from a layer message; a V0 layer fills the V1 layer that it lies in."""
    for number, kind, first, last in wire.fields(start, stop):
        if number == fields.blobs and kind == LENGTH:
            layer.blobs.append((first, last))
        elif number == fields.name and kind == LENGTH:
            layer.name = _text(wire, first, last)
        elif number == fields.type and kind == LENGTH and fields is not _V1:
            layer.type = _text(wire, first, last)
        elif number == fields.type and kind == VARINT and fields is _V1:
            layer.type = _v1_type(first)
        elif number == _V0_IN_V1 and kind == LENGTH and fields is _V1:
            layer.format = _V0.format
            _scan_layer(wire, first, last, _V0, layer)


def _text(wire: Wire, first: int, last: int) -> str:
    """A name. protobuf checks no proto2 string, so one that is not UTF-8 has to be read too."""
    if last - first > _LONGEST_NAME:
        raise wire.error(first, f"a name of {last - first} bytes, longer than {_LONGEST_NAME}")
    text = wire.buffer[first:last]
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")  # any byte has a character: different names stay different


def _v1_type(number: int) -> str:
    """The name of a V1 layer type, or its number where Caffe has no such type."""
    value = V1LayerParameter.LayerType.DESCRIPTOR.values_by_number.get(number)
    return value.name if value is not None else str(number)


def _format_of(layers: list[_Layer], path: Path) -> str:
    """The one format of a file; V0 and V1 layers may be mixed, old and current ones may not."""
    found = {layer.format for layer in layers}
    if not found:
        raise WeightsError(
            f"{path}: there are no layers in this file, so it is not a caffemodel, or an empty one."
            " Compare its size and SHA1 with the model's card."
        )
    if len(found) > 1 and _CURRENT.format in found:
        raise WeightsError(
            f"{path}: holds `layer` and the older `layers` at once. Caffe would pass over one of"
            " them; remove the one that is not meant."
        )
    return _V0.format if _V0.format in found else found.pop()


def _named_blobs(wire: Wire, layer: _Layer) -> list[NDArray[np.float32]]:
    """The blobs of a layer; an error says which one it is about."""
    blobs = []
    for index, (start, stop) in enumerate(layer.blobs):
        try:
            blobs.append(read_blob(wire, start, stop))
        except WeightsError as error:
            raise WeightsError(
                f"{wire.path}: layer {layer.name!r}, blob {index}: {error}"
            ) from None
    return blobs


def _address(array: NDArray[Any]) -> int:
    """Where in memory an array begins."""
    return int(array.__array_interface__["data"][0])
