"""Kinds that change each value by itself: ReLU and its relatives, Power, Exp, Log, Dropout.

Caffe: neuron_layer.cpp and the layers derived from it. The top has the shape of the bottom, and
the order of axes does not matter, but for PReLU, which learns a slope per channel (axis 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from zoo.caffe.schema.caffe_pb2 import FillerParameter
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.site import Blob, Site, axis_in

__all__ = [
    "BNLL",
    "ELU",
    "AbsVal",
    "Clip",
    "Dropout",
    "Exp",
    "Log",
    "PReLU",
    "Power",
    "ReLU",
    "Sigmoid",
    "Swish",
    "TanH",
    "Threshold",
]


class _Neuron(Kind):
    """A function of each value: the subclass says which Keras layer computes it."""

    def build(self, site: Site) -> list[Blob]:
        return site.elementwise(self.function(site.layer, site.name))

    def function(self, layer: Any, name: str) -> Any:
        """The Keras layer."""
        raise NotImplementedError


@layer("ReLU")
class ReLU(_Neuron):
    """max(x, 0) + negative_slope * min(x, 0)."""

    def function(self, layer: Any, name: str) -> Any:
        import keras

        slope = layer.relu_param.negative_slope
        if slope >= 0:
            return keras.layers.ReLU(negative_slope=slope, name=name)
        from zoo.keras_layers.elementwise import SlopedReLU

        return SlopedReLU(slope, name=name)


@layer("PReLU")
class PReLU(Kind):
    """max(x, 0) + a * min(x, 0), with a learned `a` for each channel, or one for all."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[0]) < 2:
            raise ShapeError(
                f"PReLU needs channels on axis 1, received a blob of shape {bottoms[0]}",
                layer.name,
            )
        return [bottoms[0]]

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return [() if layer.prelu_param.channel_shared else (bottoms[0][1],)]

    def fillers(self, layer: Any) -> list[Any]:
        if layer.prelu_param.HasField("filler"):
            return [layer.prelu_param.filler]
        return [FillerParameter(type="constant", value=0.25)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.elementwise import PReLU as KerasPReLU

        bottom, (param,) = site.bottoms[0], site.params
        rank = len(bottom.shape)
        channel = axis_in(1, rank, bottom.channels_last)
        # One slope along every axis but the batch, and but the channels unless they share it.
        shared_axes = [axis for axis in range(1, rank) if axis != channel or not param]
        alpha = tuple(1 if axis in shared_axes else param[0] for axis in range(1, rank))

        def make() -> Any:
            return KerasPReLU(alpha, name=site.name)

        slopes = site.weighted(
            make, partial(_reshaped, shape=alpha), partial(_reshaped, shape=param)
        )
        return [Blob(slopes(bottom.tensor), site.tops[0], bottom.channels_last)]


def _reshaped(arrays: list[np.ndarray], shape: Shape) -> list[np.ndarray]:
    """The one array in a new shape."""
    return [arrays[0].reshape(shape)]


@layer("ELU")
class ELU(_Neuron):
    """x where positive, else alpha * (exp(x) - 1)."""

    def function(self, layer: Any, name: str) -> Any:
        import keras

        return keras.layers.ELU(alpha=layer.elu_param.alpha, name=name)


@layer("Sigmoid")
class Sigmoid(_Neuron):
    """1 / (1 + exp(-x))."""

    def function(self, layer: Any, name: str) -> Any:
        import keras

        return keras.layers.Activation("sigmoid", name=name)


@layer("TanH")
class TanH(_Neuron):
    """The hyperbolic tangent."""

    def function(self, layer: Any, name: str) -> Any:
        import keras

        return keras.layers.Activation("tanh", name=name)


@layer("BNLL")
class BNLL(_Neuron):
    """log(1 + exp(x)), the binomial normal log likelihood; Keras calls it softplus."""

    def function(self, layer: Any, name: str) -> Any:
        import keras

        return keras.layers.Activation("softplus", name=name)


@layer("AbsVal")
class AbsVal(_Neuron):
    """|x|."""

    def function(self, layer: Any, name: str) -> Any:
        from zoo.keras_layers.elementwise import AbsVal as KerasAbsVal

        return KerasAbsVal(name=name)


@layer("Exp")
class Exp(_Neuron):
    """base ** (shift + scale * x); the base is e where it is not written."""

    def function(self, layer: Any, name: str) -> Any:
        from zoo.keras_layers.elementwise import Exp as KerasExp

        param = layer.exp_param
        return KerasExp(_base(layer, param.base), param.scale, param.shift, name=name)


@layer("Log")
class Log(_Neuron):
    """The logarithm of (shift + scale * x); the base is e where it is not written."""

    def function(self, layer: Any, name: str) -> Any:
        from zoo.keras_layers.elementwise import Log as KerasLog

        param = layer.log_param
        base = _base(layer, param.base)
        if base == 1:
            raise NetError("there is no logarithm to base 1", layer.name)
        return KerasLog(base, param.scale, param.shift, name=name)

    def example(
        self, layer: Any, bottoms: Sequence[Shape], index: int, rng: np.random.Generator
    ) -> np.ndarray:
        return _with_positive_base(layer.log_param, rng.uniform(0.5, 2.0, bottoms[index]))


def _with_positive_base(param: Any, base: np.ndarray) -> np.ndarray:
    """The x for which scale * x + shift is this base."""
    values: np.ndarray = (base - param.shift) / (param.scale or 1.0)
    return values


def _base(layer: Any, base: float) -> float | None:
    """None for e, which Caffe writes -1."""
    if base == -1:
        return None
    if base <= 0:
        raise NetError(f"base must be larger than 0, or -1 for e; received {base}", layer.name)
    return base


@layer("Power")
class Power(_Neuron):
    """(shift + scale * x) ** power."""

    def function(self, layer: Any, name: str) -> Any:
        from zoo.keras_layers.elementwise import Power as KerasPower

        param = layer.power_param
        return KerasPower(param.power, param.scale, param.shift, name=name)

    def example(
        self, layer: Any, bottoms: Sequence[Shape], index: int, rng: np.random.Generator
    ) -> np.ndarray:
        return _with_positive_base(layer.power_param, rng.uniform(0.5, 2.0, bottoms[index]))


@layer("Clip")
class Clip(_Neuron):
    """x between min and max, which the definition must state."""

    def function(self, layer: Any, name: str) -> Any:
        from zoo.keras_layers.elementwise import Clip as KerasClip

        param = layer.clip_param
        if not (param.HasField("min") and param.HasField("max")):
            raise NetError("clip_param needs both min and max", layer.name)
        return KerasClip(param.min, param.max, name=name)


@layer("Swish")
class Swish(_Neuron):
    """x * sigmoid(beta * x)."""

    def function(self, layer: Any, name: str) -> Any:
        from zoo.keras_layers.elementwise import Swish as KerasSwish

        return KerasSwish(layer.swish_param.beta, name=name)


@layer("Threshold")
class Threshold(_Neuron):
    """1 where x is larger than the threshold, else 0."""

    def differentiates(self, layer: Any, index: int) -> bool:
        return False

    def function(self, layer: Any, name: str) -> Any:
        from zoo.keras_layers.elementwise import Threshold as KerasThreshold

        return KerasThreshold(layer.threshold_param.threshold, name=name)


@layer("Dropout")
class Dropout(_Neuron):
    """While training, zeroes a share of the values and scales the rest; else the identity."""

    def function(self, layer: Any, name: str) -> Any:
        import keras

        ratio = layer.dropout_param.dropout_ratio
        if not 0 <= ratio < 1:
            raise NetError(f"dropout_ratio must be from 0 to below 1, received {ratio}", layer.name)
        return keras.layers.Dropout(ratio, name=name)
