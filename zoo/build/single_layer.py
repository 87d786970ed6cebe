"""One layer of a net by itself, at random values, with an objective and its gradient."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from zoo.build.both_passes import BothPasses, Diffs
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape
from zoo.layers.site import WeightMap
from zoo.net import Layer, Net

__all__ = ["SingleLayer"]

_OF_THE_NET = ("bottom", "top", "param", "propagate_down", "loss_weight", "include", "exclude")


class SingleLayer:
    """A layer in a net of its own. The objective is the sum of its tops times random numbers.

    Parameters
    ----------
    net : the network that the layer is in.
    layer : a layer with bottoms, of a known kind.
    given : values for bottoms by blob name; those of others are random.
    seed : of the random values.

    Attributes
    ----------
    layer : the layer.
    values : the bottoms' values, by names of their own.
    params : the layer's params, as in Caffe.
    bottoms : the bottoms that have a gradient, by index, with their names in `values`.
    learned : the params that have a gradient, by index.

    Raises
    ------
    NetError
        When shapes are not known; ShapeError when an array does not fit.
    """

    def __init__(self, net: Net, layer: Layer, given: Mapping[str, np.ndarray], seed: int) -> None:
        rng = np.random.default_rng([seed, zlib.crc32(layer.name.encode())])
        kind, shapes = _known(layer)
        alone = _net_of(layer, kind, shapes, net)
        inner = alone.layers[-1]
        blind_bottoms, blind_tops = kind.stops_gradient(inner.definition)
        self.layer = layer
        self.values = {
            name: _value(layer, kind, shapes, index, given, rng)
            for index, name in enumerate(inner.bottoms)
        }
        self.bottoms = {
            index: name
            for index, name in enumerate(inner.bottoms)
            if kind.differentiates(inner.definition, index) and index not in blind_bottoms
        }
        self._passes = BothPasses(alone, inner.tops, inner.tops)
        self._start = [(variable, variable.numpy()) for variable in self._passes.state]
        self._map = self._passes.weight_maps.get(layer.name)
        self._weights = {
            name: rng.uniform(-1, 1, shape or ()) * (index not in blind_tops)
            for index, (name, shape) in enumerate(zip(inner.tops, inner.top_shapes, strict=True))
        }
        self.learned = [] if self._map is None else _learned(self._map)
        self.params = [blob.copy() for blob in alone.initialized().params.get(layer.name, [])]
        if layer.name not in net.params:
            # Fillers often give zeros, which would hide much.
            for index in self.learned:
                noise = rng.normal(0, 0.1, self.params[index].shape)
                self.params[index] += noise.astype(np.float32)

    def run(self) -> Diffs:
        """Tops, and the gradient of the objective, at the present values and params.

        Whatever a pass changes is first put back, so that dropout always drops the same values.
        """
        for variable, array in self._start:
            variable.assign(array)
        if self._map is not None:
            arrays = self._map.to_keras(self.params)
            for variable, array in zip(self._map.variables, arrays, strict=True):
                variable.assign(np.ascontiguousarray(array).reshape(variable.shape))
        return self._passes(self.values, self._weights)

    def change(self, before: Diffs, after: Diffs) -> float:
        """By how much the objective is larger after than before."""
        return sum(
            float(np.sum(weight * (after.values[top].astype(np.float64) - before.values[top])))
            for top, weight in self._weights.items()
        )


def _known(layer: Layer) -> tuple[Kind, list[Shape]]:
    """Kind and shapes of the bottoms, where nothing hides them."""
    shapes = [shape for shape in layer.bottom_shapes if shape is not None]
    if layer.kind is None or len(shapes) < len(layer.bottoms):
        raise NetError("its shapes are not known, as a kind before it is not supported", layer.name)
    return layer.kind, shapes


def _net_of(layer: Layer, kind: Kind, shapes: list[Shape], net: Net) -> Net:
    """The layer behind an input for each bottom, all with names that differ."""
    message = LayerParameter()
    message.CopyFrom(layer.definition)
    for field in _OF_THE_NET:
        message.ClearField(field)
    definition = NetParameter(name=layer.name, force_backward=True)
    for index, shape in enumerate(shapes):
        name = f"bottom{index}"
        source = definition.layer.add(name=f"{layer.name} {name}", type="Input", top=[name])
        source.input_param.shape.add(dim=shape)
        message.bottom.append(name)
    tops = max(len(layer.tops), int(kind.loss_weight != 0))
    message.top.extend(f"top{index}" for index in range(tops))
    definition.layer.append(message)
    params = {layer.name: net.params[layer.name]} if layer.name in net.params else None
    return Net(definition, params, phase=net.phase)


def _value(
    layer: Layer,
    kind: Kind,
    shapes: list[Shape],
    index: int,
    given: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """What a bottom holds: the array that is given for its blob, or random values."""
    name = layer.bottoms[index]
    if name not in given:
        return kind.example(layer.definition, shapes, index, rng).astype(np.float32)
    if given[name].shape != shapes[index]:
        raise ShapeError(
            f"bottom {name!r} needs an array of shape {shapes[index]}, received"
            f" {given[name].shape}",
            layer.name,
        )
    return given[name].copy()


def _learned(weight_map: WeightMap) -> list[int]:
    """Which of Caffe's params solvers change."""
    marks = [
        np.full(variable.shape, variable.trainable, np.float32) for variable in weight_map.variables
    ]
    return [index for index, blob in enumerate(weight_map.to_caffe(marks)) if np.any(blob)]
