"""How a model calls the layers of a net, and in which order its blobs have their axes."""

from __future__ import annotations

import re

from zoo.layers.kind import Shape

__all__ = ["channels_last_axes", "keras_name"]


def keras_name(name: str) -> str:
    """The name of a Caffe layer as a Keras layer bears it.

    Keras forbids slashes; TensorFlow's scopes take ASCII, with a letter, digit or dot first.

    >>> keras_name("fire9/concat"), keras_name("conv 1")
    ('fire9.concat', 'conv_1')
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name.replace("/", "."))
    return plain if re.match(r"[A-Za-z0-9.]", plain) else f"net{plain}"


def channels_last_axes(shape: Shape) -> tuple[int, ...] | None:
    """The transposition from a blob in Caffe's order to the order of the model, None if equal.

    >>> channels_last_axes((1, 3, 227, 227)), channels_last_axes((1, 1000))
    ((0, 2, 3, 1), None)
    """
    return (0, *range(2, len(shape)), 1) if len(shape) in (4, 5) else None
