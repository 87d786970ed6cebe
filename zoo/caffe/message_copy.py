"""Copying protobuf messages field by field, for passes that turn one message into another.

A caffemodel holds its weights in its layers. A pass that rewrites the layers therefore starts from
a copy without them instead of copying half a gigabyte only to drop it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.message import Message

__all__ = ["copy_without", "put_field"]

AnyMessage = TypeVar("AnyMessage", bound=Message)


def copy_without(message: AnyMessage, *names: str) -> AnyMessage:
    """A new message with every field of `message` that is set, except the named ones.

    >>> from zoo.caffe.schema.caffe_pb2 import LayerParameter
    >>> copy_without(LayerParameter(name="relu1", type="ReLU"), "type")
    name: "relu1"
    <BLANKLINE>
    """
    copy = type(message)()
    for field, value in message.ListFields():
        if field.name not in names:
            put_field(copy, field.name, value)
    return copy


def put_field(message: Message, path: str, value: Any) -> None:
    """Set the field at a dotted `path`; a repeated field gets `value`, or its items, appended.

    >>> from zoo.caffe.schema.caffe_pb2 import LayerParameter
    >>> layer = LayerParameter()
    >>> put_field(layer, "convolution_param.kernel_size", 3)
    >>> put_field(layer, "bottom", ["data"])
    >>> list(layer.bottom), list(layer.convolution_param.kernel_size)
    (['data'], [3])
    """
    *parents, name = path.split(".")
    target: Any = message
    for parent in parents:
        target = getattr(target, parent)
    field = target.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        scalar = isinstance(value, int | float | str | bytes)
        getattr(target, name).extend([value] if scalar else value)
    elif field.message_type is not None:
        getattr(target, name).CopyFrom(value)
    else:
        setattr(target, name, value)
