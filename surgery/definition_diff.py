"""What differs between two definitions: a patch of their text, and the fields of their layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from typing import Any

import numpy as np

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.caffe.write import prototxt_text

__all__ = ["FieldChange", "changed_fields", "patch"]

# What says where a layer stands, not what it does.
_WIRING = ("name", "bottom", "top", "blobs")
# Repeated fields have no default in the schema; Caffe's base_conv_layer.cpp gives them these.
_IMPLIED = {
    "convolution_param.pad": 0,
    "convolution_param.stride": 1,
    "convolution_param.dilation": 1,
}
_MARK = "\0"


@dataclass(frozen=True)
class FieldChange:
    """A field of a layer that both definitions have, with two values.

    Attributes
    ----------
    layer : its name.
    field : the dotted path, such as "convolution_param.num_output" or "param.0.lr_mult".
    old, new : the values; what is not written has its default, or None where there is none.
    """

    layer: str
    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.layer}.{self.field}: {self.old} to {self.new}"


def patch(a: NetParameter, b: NetParameter, name_a: str, name_b: str) -> str:
    """The unified diff of two definitions as they are written, empty where nothing differs.

    Lines of different layers are never taken for one another, however alike they are.

    >>> print(patch(*(NetParameter(name=name) for name in "xy"), "old", "new"), end="")
    --- old
    +++ new
    @@ -1 +1 @@
    -name: "x"
    +name: "y"
    """
    lines = unified_diff(list(_marked(a)), list(_marked(b)), name_a, name_b)
    headings = list(islice(lines, 2))
    return "".join(headings) + "".join(
        line if line.startswith("@@") else line[0] + line.partition(_MARK)[2] for line in lines
    )


def changed_fields(a: NetParameter, b: NetParameter) -> list[FieldChange]:
    """The fields with other values in layers of the same name; a default is a value like others."""
    others = {layer.name: layer for layer in b.layer}
    changes = []
    for layer in a.layer:
        if layer.name not in others:
            continue
        old, new = _values(layer), _values(others[layer.name])
        for field in {**old, **new}:
            # What one definition does not write has the default that the other names.
            default = (old.get(field) or new[field])[1]
            values = [side.get(field, (default, None))[0] for side in (old, new)]
            if values[0] != values[1]:
                changes.append(FieldChange(layer.name, field, *values))
    return changes


def _marked(definition: NetParameter) -> Iterator[str]:
    """The lines of a definition, each behind the name of its layer."""
    parts = [("", copy_without(definition, "layer"))]
    parts += [(repr(layer.name), NetParameter(layer=[layer])) for layer in definition.layer]
    for name, part in parts:
        for line in prototxt_text(part).split("\n")[:-1]:
            yield f"{name}{_MARK}{line}\n"


def _values(layer: LayerParameter) -> dict[str, tuple[Any, Any]]:
    """The fields that a layer writes: path to value and default."""
    return dict(_fields(copy_without(layer, *_WIRING, "foreign_param"), "")) | {
        foreign.name: (foreign.text.strip(), None) for foreign in layer.foreign_param
    }


def _fields(message: Any, path: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for field, value in message.ListFields():
        name = f"{path}{field.name}"
        if field.message_type is None and field.is_repeated:
            values = [_plain(field, each) for each in value]
            yield name, (values[0] if len(values) == 1 else values, _IMPLIED.get(name))
        elif field.message_type is None:
            yield name, (_plain(field, value), _plain(field, field.default_value))
        elif field.is_repeated:
            for index, each in enumerate(value):
                yield from _fields(each, f"{name}.{index}.")
        else:
            yield from _fields(value, f"{name}.")


def _plain(field: Any, value: Any) -> Any:
    """A value as prototxt has it: names of enums, and floats with no more digits than they need."""
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return float(str(np.float32(value))) if field.type == field.TYPE_FLOAT else value
