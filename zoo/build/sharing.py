"""Which layers of a model share their params, and how.

In Caffe any param may use the blob of another (`param { name }`), blob by blob, and with
`share_mode: PERMISSIVE` where only the counts agree. Layers of equal settings that share all their
params become one Keras layer, as one would write it in Keras. Other shared blobs stand by
themselves, see `zoo.keras_layers.standing`. The owner of a blob need not be a part of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.net import Layer

__all__ = ["Sharing"]

Owner = tuple[str, int]
_NO_SETTINGS = ("name", "bottom", "top", "param", "propagate_down", "include", "exclude", "phase")


class Sharing:
    """What is shared among some layers of a net.

    Attributes
    ----------
    twins : name of a layer to that of the earlier one whose Keras layer it uses.
    joined : all layers with a twin, the earlier ones included.
    standing : blobs that several Keras layers use, by their owners.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.twins: dict[str, str] = {}
        self.standing: set[Owner] = set()
        firsts: list[Layer] = []
        used: set[Owner] = set()
        for layer in layers:
            twin = next((first for first in firsts if _are_twins(first, layer)), None)
            if twin is not None:
                self.twins[layer.name] = twin.name
                continue
            firsts.append(layer)
            for owner in layer.owners:
                if owner in used:
                    self.standing.add(owner)
                used.add(owner)
        self.joined = {*self.twins, *self.twins.values()}


def _are_twins(one: Layer, other: Layer) -> bool:
    """Whether one Keras layer computes both: all params shared, settings and bottoms equal."""
    if not one.owners or one.owners != other.owners or one.type != other.type:
        return False
    shapes = [
        (layer.param_shapes, [shape and shape[1:] for shape in layer.bottom_shapes])
        for layer in (one, other)
    ]
    return bool(shapes[0] == shapes[1] and _settings(one) == _settings(other))


def _settings(layer: Layer) -> Any:
    """The definition of a layer without its name, its rates, and what its weights start from."""
    message: Any = type(layer.definition)()
    message.CopyFrom(layer.definition)
    for field in _NO_SETTINGS:
        message.ClearField(field)
    for field, value in message.ListFields():
        if field.message_type is None or field.is_repeated:
            continue
        for inner in field.message_type.fields:
            if inner.message_type is not None and inner.message_type.name == "FillerParameter":
                value.ClearField(inner.name)
    return message
