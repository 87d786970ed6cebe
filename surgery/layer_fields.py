"""Fields of a layer from plain values, as a recipe or a program gives them.

Names and values are those of prototxt: ``{"pool": "AVE", "kernel_size": 3}``. The fields of the
`*_param` message of the layer's own type may be given without its name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from zoo.caffe.read import parse_definition
from zoo.caffe.schema.caffe_pb2 import FillerParameter, LayerParameter
from zoo.errors import UsageError, did_you_mean
from zoo.layers.kind import known_types, lookup

__all__ = ["filler_of", "layer_of", "own_param", "put_field_at", "put_fields"]

# The `*_param` of a type is named after it (inner_product_param), except for these.
_PARAMS = {
    "ConvolutionDepthwise": "convolution_param",
    "Deconvolution": "convolution_param",
    "DepthwiseConvolution": "convolution_param",
    "Im2col": "convolution_param",
    "LSTM": "recurrent_param",
    "RNN": "recurrent_param",
    "SoftmaxWithLoss": "loss_param",
    "SyncBN": "bn_param",
}
# What a value of each kind of field has to be, by protobuf's number for the kind.
_WHOLE = (int, "a whole number")
_NUMBER = ((int, float), "a number")
_TYPES: dict[int, tuple[Any, str]] = {
    FieldDescriptor.CPPTYPE_BOOL: (bool, "true or false"),
    FieldDescriptor.CPPTYPE_DOUBLE: _NUMBER,
    FieldDescriptor.CPPTYPE_FLOAT: _NUMBER,
    FieldDescriptor.CPPTYPE_INT32: _WHOLE,
    FieldDescriptor.CPPTYPE_INT64: _WHOLE,
    FieldDescriptor.CPPTYPE_STRING: (str, "a text"),
    FieldDescriptor.CPPTYPE_UINT32: _WHOLE,
    FieldDescriptor.CPPTYPE_UINT64: _WHOLE,
}


def layer_of(described: str | Mapping[str, Any]) -> LayerParameter:
    """A layer from the text of prototxt, with or without ``layer { }``, or from a mapping.

    >>> layer_of('name: "norm" type: "LRN" lrn_param { local_size: 3 }').lrn_param.local_size
    3
    >>> layer_of({"name": "norm", "type": "LRN", "local_size": 3}).lrn_param.local_size
    3
    """
    if isinstance(described, Mapping):
        layer = LayerParameter(type=str(described.get("type", "")))
        put_fields(layer, described)
    elif isinstance(described, str):
        text = described.strip()
        if not text.removeprefix("layer").lstrip().startswith("{"):
            text = f"layer {{ {text} }}"
        layers = parse_definition(text, "<layer>", known_types()).layer
        if len(layers) != 1:
            raise UsageError(f"expected the definition of one layer, received {len(layers)}")
        layer = layers[0]
    else:
        raise UsageError(f"expected a layer as prototxt or as a mapping, received {described!r}")
    if not layer.name or not layer.type:
        raise UsageError("the definition of a layer needs a name and a type")
    if lookup(layer.type) is None:
        raise UsageError(
            f"layer {layer.name!r}: no kind of layer is called {layer.type!r}."
            f"{did_you_mean(layer.type, known_types())}"
        )
    return layer


def own_param(layer_type: str) -> str | None:
    """The field that a type of layer has for itself.

    >>> own_param("InnerProduct"), own_param("Deconvolution"), own_param("Split")
    ('inner_product_param', 'convolution_param', None)
    """
    if not layer_type:
        return None
    wanted = f"{layer_type}param".lower()
    named = (
        field.name
        for field in LayerParameter.DESCRIPTOR.fields
        if field.name.replace("_", "") == wanted
    )
    return _PARAMS.get(layer_type) or next(named, None)


def put_fields(layer: LayerParameter, fields: Mapping[str, Any]) -> None:
    """Set fields of a layer; what is None is cleared.

    Raises
    ------
    UsageError
        For a field that is not known, or a value of another type.
    """
    for path, value in fields.items():
        put_field_at(layer, str(path), value)


def put_field_at(layer: LayerParameter, path: str, value: Any) -> str:
    """Set the field at a dotted path, such as "dropout_ratio" or "param.0.lr_mult".

    Returns
    -------
    The full path, as in "dropout_param.dropout_ratio".

    Raises
    ------
    UsageError
        For a field that is not known, or a value of another type.
    """
    first = path.partition(".")[0]
    own = own_param(layer.type)
    if first not in layer.DESCRIPTOR.fields_by_name and own is not None:
        path = f"{own}.{path}"
    *parents, name = path.split(".")
    message: Any = layer
    where = layer.name or layer.type or "the layer"
    for parent in parents:
        message = _inside(message, parent, where)
        where = f"{where}.{parent}"
    if name.isdigit():
        raise UsageError(f"{where}: {name} is a place, expected the name of a field behind it")
    _put(message, name, value, where)
    return path


def filler_of(filler: str | Mapping[str, Any] | FillerParameter) -> FillerParameter:
    """A filler from its type alone, or from its fields.

    >>> filler_of({"type": "gaussian", "std": 0.01}).std == filler_of("xavier").std
    False
    """
    if isinstance(filler, FillerParameter):
        return filler
    message = FillerParameter()
    fields = {"type": filler} if isinstance(filler, str) else filler
    if not isinstance(fields, Mapping):
        raise UsageError(f"filler: expected its type or its fields, received {filler!r}")
    for name, value in fields.items():
        _put(message, str(name), value, "filler")
    return message


def _inside(message: Any, name: str, where: str) -> Any:
    """The message in a field, or at a place of a repeated one."""
    if not hasattr(message, "DESCRIPTOR"):
        if not name.isdigit() or int(name) >= len(message):
            all_of_them = ", as in [{lr_mult: 0}, {lr_mult: 0}]" if where.endswith(".param") else ""
            raise UsageError(
                f"{where} has {len(message)} entries, none is called {name!r}; give a list of all"
                f" as the value of {where.rpartition('.')[2]!r}{all_of_them}"
            )
        return message[int(name)]
    field = _field(message, name, where)
    if field.message_type is None:
        raise UsageError(f"{where}.{name} holds no fields")
    return getattr(message, name)


def _field(message: Any, name: str, where: str) -> Any:
    known = message.DESCRIPTOR.fields_by_name
    if name not in known:
        raise UsageError(
            f"{where} has no field {name!r}.{did_you_mean(name, known)} Fields that Caffe's schema"
            " does not have can be given in the text of a whole layer."
        )
    return known[name]


def _put(message: Any, name: str, value: Any, where: str) -> None:
    field = _field(message, name, where)
    where = f"{where}.{name}"
    if value is None:
        message.ClearField(name)
    elif field.is_repeated:
        message.ClearField(name)
        for item in value if isinstance(value, list | tuple) else [value]:
            if field.message_type is None:
                _checked(getattr(message, name).append, field, item, where)
            else:
                _put_all(getattr(message, name).add(), item, where)
    elif field.message_type is not None:
        getattr(message, name).SetInParent()
        _put_all(getattr(message, name), value, where)
    else:
        _checked(lambda good: setattr(message, name, good), field, value, where)


def _put_all(message: Any, fields: Any, where: str) -> None:
    if not isinstance(fields, Mapping):
        raise UsageError(f"{where}: expected fields with values, received {fields!r}")
    for name, value in fields.items():
        _put(message, str(name), value, where)


def _checked(put: Any, field: Any, value: Any, where: str) -> None:
    if field.enum_type is not None:
        names = list(field.enum_type.values_by_name)
        if value not in names:
            raise UsageError(
                f"{where}: expected one of {', '.join(names)}, received {value!r}."
                f"{did_you_mean(str(value).upper(), names)}"
            )
        put(field.enum_type.values_by_name[value].number)
        return
    wanted, word = _TYPES[field.cpp_type]
    try:
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise TypeError
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        put(value)
    except (TypeError, ValueError):
        raise UsageError(f"{where}: expected {word}, received {value!r}") from None
