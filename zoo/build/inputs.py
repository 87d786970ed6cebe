"""What may be fed to a model: which blobs, of which shapes, and in which order of axes.

A caller's arrays are in Caffe's order (N, C, H, W); the model takes pictures channels last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.build.conventions import channels_last_axes, keras_name
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import ShapeError, UsageError, did_you_mean
from zoo.net import Layer, Net

__all__ = ["ModelInputs", "turned"]


class ModelInputs:
    """The inputs of a model that was built from some layers of a net.

    Parameters
    ----------
    net : the network.
    layers : those of its layers that the model computes.
    given : ``model.input``: one tensor, or a dict by blob name.
    """

    def __init__(self, net: Net, layers: Sequence[Layer], given: Any) -> None:
        self._stated = net.inputs
        self._sizes = _input_sizes(net, given)
        self._part = NetParameter(layer=[layer.definition for layer in layers])
        self._checked: dict[tuple[Any, ...], Net] = {}

    def arrays(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The inputs as the model takes them; raises what `check` does."""
        arrays = {name: np.asarray(value, np.float32) for name, value in inputs.items()}
        self.check({name: array.shape for name, array in arrays.items()})
        return {
            name: turned(arrays[name], channels_last_axes(arrays[name].shape))
            for name in self._sizes
        }

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> Net:
        """The layers with the shapes that all blobs have for inputs of these shapes.

        Raises
        ------
        UsageError
            When an input is missing or not known; ShapeError when its shape does not fit.
        """
        key = tuple(shapes.items())
        if key in self._checked:
            return self._checked[key]
        for name in shapes:
            if name not in self._stated:
                raise UsageError(
                    f"the net has no input {name!r}.{did_you_mean(name, self._stated)} Its inputs"
                    f" are {', '.join(self._stated)}."
                )
        for name, sizes in self._sizes.items():
            if name not in shapes:
                raise UsageError(
                    f"input {name!r} of shape {self._stated[name]} is missing; received"
                    f" {', '.join(shapes) or 'none'}"
                )
            _check_shape(name, shapes[name], self._stated[name], sizes)
        # Whatever a layer has against these sizes, it says by its name.
        self._checked[key] = Net(self._part, shapes={**self._stated, **shapes})
        return self._checked[key]


def turned(array: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """The array transposed, or as it is where `axes` is None."""
    if axes is None:
        return array
    if axes[-1] == 1 and 1 <= array.shape[1] <= 4:
        # Channel by channel: the inner loop of numpy's own way would be three steps long.
        return np.stack([array[:, channel] for channel in range(array.shape[1])], axis=-1)
    return np.ascontiguousarray(array.transpose(axes))


def _input_sizes(net: Net, given: Any) -> dict[str, tuple[int | None, ...]]:
    """Input blobs of a model with their shapes as Keras has them, channels last."""
    if isinstance(given, dict):
        return {name: tuple(tensor.shape) for name, tensor in given.items()}
    name = next(blob for blob in net.inputs if keras_name(blob) == given.name)
    return {name: tuple(given.shape)}


def _check_shape(
    name: str, received: tuple[int, ...], stated: tuple[int, ...], wanted: tuple[int | None, ...]
) -> None:
    """`received` and `stated` are in Caffe's order, `wanted` is the model's, channels last."""
    last = channels_last_axes(received)
    turned = tuple(received[axis] for axis in last) if last else received
    fits = len(turned) == len(wanted) and all(
        size in (None, have) for size, have in zip(wanted, turned, strict=True)
    )
    if not fits or 0 in received:
        free = " with any batch" if None not in wanted[1:] else " with any batch and any size"
        raise ShapeError(
            f"input {name!r}: expected an array of shape {stated}{free}, received {received}"
        )
