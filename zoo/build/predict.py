"""Running a network forward, compiled once for each set of blobs and input shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from zoo.build.model import channels_last_axes, keras_name, needed_layers, to_keras
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import ShapeError, UnavailableError, UsageError, did_you_mean
from zoo.net import Net
from zoo.tensorflow_import import import_tensorflow

__all__ = ["Predictor", "device_scope", "predictor"]

_PREDICTORS: WeakKeyDictionary[Net, dict[tuple[Any, ...], Predictor]] = WeakKeyDictionary()


def predictor(net: Net, blobs: Sequence[str] | None = None, device: str | None = None) -> Predictor:
    """The `Predictor` of these blobs, built and compiled once for each net."""
    names = tuple(net.outputs if blobs is None else blobs)
    known = _PREDICTORS.setdefault(net, {})
    key = (names, device)
    if key not in known:
        known[key] = Predictor(net, names, device)
    return known[key]


class Predictor:
    """The values of some blobs of a net for given inputs.

    Parameters
    ----------
    net : a network; its weights are those it has now.
    blobs : names of the blobs to give out.
    device : "cpu", "gpu:0", ...; None leaves the choice to TensorFlow.
    """

    def __init__(self, net: Net, blobs: Sequence[str], device: str | None = None) -> None:
        import_tensorflow()
        self.net, self.blobs, self.device = net, tuple(blobs), device
        with device_scope(device):
            self.model = to_keras(net, self.blobs)
        self._sizes = _input_sizes(net, self.model.input)
        layers = [layer.definition for layer in needed_layers(net, self.blobs)]
        self._part = NetParameter(layer=layers)
        self._checked: set[tuple[Any, ...]] = set()
        self._compiled: dict[tuple[Any, ...], Any] = {}

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Blobs for inputs, all in Caffe's order (N, C, H, W), float32.

        Raises
        ------
        UsageError
            When an input is missing or not known; ShapeError when its shape does not fit.
        """
        arrays = {name: np.asarray(value, np.float32) for name, value in inputs.items()}
        self.check({name: array.shape for name, array in arrays.items()})
        arrays = {name: arrays[name] for name in self._sizes}
        turned = {
            name: _turn(array, channels_last_axes(array.shape)) for name, array in arrays.items()
        }
        outputs = self.predict(turned)
        return {name: _turn(value, _caffe_axes(value.ndim)) for name, value in outputs.items()}

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise what `__call__` would for inputs of these shapes, (N, C, H, W)."""
        key = tuple(shapes.items())
        if key in self._checked:
            return
        stated = self.net.inputs
        for name in shapes:
            if name not in stated:
                raise UsageError(
                    f"the net has no input {name!r}.{did_you_mean(name, stated)} Its inputs are"
                    f" {', '.join(stated)}."
                )
        for name, sizes in self._sizes.items():
            if name not in shapes:
                raise UsageError(
                    f"input {name!r} of shape {stated[name]} is missing; received"
                    f" {', '.join(shapes) or 'none'}"
                )
            _check_shape(name, shapes[name], stated[name], sizes)
        # Whatever a layer has against these sizes, it says by its name.
        Net(self._part, shapes={**stated, **shapes})
        self._checked.add(key)

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The same with inputs and outputs in the order of the model, channels last."""
        import tensorflow as tf

        with device_scope(self.device):
            tensors = {name: tf.constant(value, tf.float32) for name, value in inputs.items()}
            outputs = self._function(tensors)(tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    def _function(self, tensors: Mapping[str, Any]) -> Any:
        """The forward pass for inputs of these sizes and any batch, compiled when first needed.

        Known sizes let TensorFlow pool without copies; a free batch avoids compiling again for the
        last, smaller one. The weights stay variables: freezing them gained nothing.
        """
        import tensorflow as tf

        key = tuple((name, *tensor.shape[1:]) for name, tensor in tensors.items())
        if key not in self._compiled:
            signature = {
                name: tf.TensorSpec((None, *tensor.shape[1:]), tf.float32)
                for name, tensor in tensors.items()
            }
            self._compiled[key] = tf.function(
                self._forward, input_signature=[signature], autograph=False
            )
        return self._compiled[key]

    def _forward(self, tensors: dict[str, Any]) -> dict[str, Any]:
        given = tensors if isinstance(self.model.input, dict) else next(iter(tensors.values()))
        outputs = self.model(given, training=self.net.phase == "TRAIN")
        return outputs if isinstance(outputs, dict) else {self.blobs[0]: outputs}


def _input_sizes(net: Net, given: Any) -> dict[str, tuple[int | None, ...]]:
    """Input blobs of a model with their shapes as Keras has them, channels last."""
    if isinstance(given, dict):
        return {name: tuple(tensor.shape) for name, tensor in given.items()}
    name = next(blob for blob in net.inputs if keras_name(blob) == given.name)
    return {name: tuple(given.shape)}


def device_scope(device: str | None) -> AbstractContextManager[Any]:
    """A TensorFlow scope for "cpu" or "gpu:N".

    Raises
    ------
    UnavailableError
        When there is no such device: what was looked for and what is there.
    """
    from contextlib import nullcontext

    if device is None:
        return nullcontext()
    import tensorflow as tf

    kind, _, number = device.lower().partition(":")
    if kind not in ("cpu", "gpu") or not (number or "0").isdigit():
        raise UsageError(f"device must be 'cpu' or 'gpu:N', received {device!r}")
    found = tf.config.list_physical_devices(kind.upper())
    if int(number or 0) >= len(found):
        raise UnavailableError(
            f"there is no device {device!r}: TensorFlow sees {len(found)} {kind.upper()}(s)."
            + (
                " It needs an NVIDIA driver and a TensorFlow with CUDA"
                " (pip install 'tensorflow[and-cuda]'); `zoo doctor` says what is missing."
                if kind == "gpu"
                else ""
            )
        )
    return tf.device(f"/{kind.upper()}:{number or 0}")  # type: ignore[no-any-return]


def _turn(array: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    return array if axes is None else np.ascontiguousarray(array.transpose(axes))


def _caffe_axes(rank: int) -> tuple[int, ...] | None:
    return (0, rank - 1, *range(1, rank - 1)) if rank in (4, 5) else None


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
