"""Reading a binary caffemodel: where its layers and their blobs lie.

A caffemodel is one NetParameter whose layers carry ``blobs``. protobuf's own parser makes a second
copy of every weight; here only the headers are walked (`zoo.caffe.wire`), and each packed ``data``
field becomes a read-only numpy view into the map.

All three formats that Caffe has had are read: ``layer`` (current), ``layers`` (V1), and V1 with a
``layer`` inside (V0). Several layers of one name: the last counts, as in
``Net::CopyTrainedLayersFrom``, which takes each in turn.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.caffe.blob import read_blob
from zoo.caffe.schema.caffe_pb2 import (
    LayerParameter,
    NetParameter,
    V0LayerParameter,
    V1LayerParameter,
)
from zoo.caffe.stored_layers import Blobs, StoredLayers
from zoo.caffe.wire import LENGTH, VARINT, Wire
from zoo.errors import WeightsError

__all__ = ["read_binary_layers"]

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


def read_binary_layers(path: Path, mapping: mmap.mmap) -> StoredLayers:
    """The layers of a binary caffemodel of any format.

    Raises
    ------
    ParseError : the file is cut, damaged, or something else.
    WeightsError : it has no layers, or a blob contradicts itself.
    """
    wire = Wire(mapping, path)
    layers = _scan_net(wire)
    return StoredLayers(
        _format_of(layers, path),
        tuple(layer.name for layer in layers),
        {layer.name: layer.type for layer in layers},
        {layer.name: _named_blobs(wire, layer) for layer in layers if layer.blobs},
    )


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


def _named_blobs(wire: Wire, layer: _Layer) -> Blobs:
    """The blobs of a layer; an error says which one it is about."""
    blobs: Blobs = []
    for index, (start, stop) in enumerate(layer.blobs):
        try:
            blobs.append(read_blob(wire, start, stop))
        except WeightsError as error:
            raise WeightsError(
                f"{wire.path}: layer {layer.name!r}, blob {index}: {error}"
            ) from None
    return blobs
