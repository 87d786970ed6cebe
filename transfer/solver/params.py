"""The params of a network under training: one of each, whichever layers share it.

Caffe: Net::AppendParam (src/caffe/net.cpp). Each param has a rate and a decay of its own; where
layers share it, what any of them says counts. Statistics of BatchNorm never learn
(batch_norm_layer.cpp, LayerSetUp).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.errors import NetError
from zoo.layers.kind import Shape
from zoo.layers.site import WeightMap
from zoo.net import Layer, Net

__all__ = [
    "Owner",
    "Param",
    "layer_params",
    "learned",
    "read_by_owner",
    "variables_of",
    "write_by_owner",
]

Owner = tuple[str, int]
Blobs = Mapping[Owner, np.ndarray]


@dataclass(frozen=True)
class Param:
    """A param that the solver updates.

    Attributes
    ----------
    owner : layer and index under which it is known.
    shape : Caffe's.
    rate, decay : what the solver's are multiplied by.
    """

    owner: Owner
    shape: Shape
    rate: float
    decay: float


def learned(net: Net) -> list[Param]:
    """All params in Caffe's order, that of the histories in a solver state.

    Raises
    ------
    NetError
        When layers that share a param say different rates or decays of it, or when statistics of
        BatchNorm are to learn.
    """
    found: dict[Owner, Param] = {}
    stated: dict[tuple[Owner, str], float] = {}
    for layer in net.layers:
        for index, owner in enumerate(layer.owners):
            for name in ("lr_mult", "decay_mult"):
                _state(stated, layer, index, owner, name)
            found[owner] = Param(
                owner,
                found[owner].shape if owner in found else layer.param_shapes[index],
                stated.get((owner, "lr_mult"), 1.0),
                stated.get((owner, "decay_mult"), 1.0),
            )
    return list(found.values())


def _state(
    stated: dict[tuple[Owner, str], float], layer: Layer, index: int, owner: Owner, name: str
) -> None:
    """Keep what a layer says of one of its params, if it says anything."""
    spec = layer.definition.param[index] if index < len(layer.definition.param) else None
    said = spec is not None and spec.HasField(name)
    value = float(getattr(spec, name)) if said else 0.0
    if layer.type == "BatchNorm" and name == "lr_mult":
        if said and value != 0:
            raise NetError(
                f"param {index} has lr_mult {value:g}, but it is a statistic of the data; Caffe"
                " takes only 0 there",
                layer.name,
            )
        said = True
    if said and stated.setdefault((owner, name), value) != value:
        raise NetError(
            f"param {index} is shared with layer {owner[0]!r}, which says {name}"
            f" {stated[owner, name]:g}; here it is {value:g}. Write the same at both places.",
            layer.name,
        )


def variables_of(net: Net, weight_maps: Mapping[str, WeightMap]) -> dict[Owner, Any]:
    """The variable that holds each param.

    Raises
    ------
    NetError
        When a kind of layer mixes several params in one variable.
    """
    found: dict[Owner, Any] = {}
    for name, weight_map in weight_maps.items():
        layer, variables = net.layer(name), weight_map.variables
        # Each variable full of its own number shows which one a param comes from.
        marks = [np.full(each.shape, index, np.float32) for index, each in enumerate(variables)]
        for owner, blob in zip(layer.owners, weight_map.to_caffe(marks), strict=True):
            if blob.size == 0 or (blob != blob.flat[0]).any():
                raise NetError("params that are mixed in one variable cannot be trained", name)
            found[owner] = variables[int(blob.flat[0])]
    return found


def write_by_owner(
    net: Net, weight_maps: Mapping[str, WeightMap], values: Blobs
) -> dict[int, np.ndarray]:
    """Values of params, or of something of their shapes, as those of the variables, by their id."""
    found: dict[int, np.ndarray] = {}
    for name, weight_map in weight_maps.items():
        layer = net.layer(name)
        blobs = [
            np.asarray(values[owner], np.float32).reshape(shape)
            for owner, shape in zip(layer.owners, layer.param_shapes, strict=True)
        ]
        for variable, array in zip(weight_map.variables, weight_map.arrays(blobs), strict=True):
            found[id(variable)] = array
    return found


def read_by_owner(
    net: Net, weight_maps: Mapping[str, WeightMap], values: Mapping[int, np.ndarray]
) -> dict[Owner, np.ndarray]:
    """The inverse of `write_by_owner`, for the params that stand in the model."""
    found: dict[Owner, np.ndarray] = {}
    for name, weight_map in weight_maps.items():
        layer = net.layer(name)
        arrays = [values[id(variable)] for variable in weight_map.variables]
        for index, blob in enumerate(weight_map.to_caffe(arrays)):
            if layer.owners[index] not in found:
                shape = layer.param_shapes[index]
                found[layer.owners[index]] = np.ascontiguousarray(blob, np.float32).reshape(shape)
    return found


def layer_params(net: Net, blobs: Blobs) -> dict[str, Sequence[np.ndarray]]:
    """Params by owner as those of all layers, as a Net has them."""
    return {
        layer.name: [
            blobs[owner].reshape(shape)
            for owner, shape in zip(layer.owners, layer.param_shapes, strict=True)
        ]
        for layer in net.layers
        if layer.param_shapes
    }
