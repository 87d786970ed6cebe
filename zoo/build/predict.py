"""Running a network forward, compiled once for each set of blobs and input shapes.

What is run is folded for the blobs that are asked for, see `zoo.surgery.fold`; the models that
`zoo.to_keras` gives are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary
from zlib import crc32

import numpy as np

from zoo.build.inputs import ModelInputs, turned
from zoo.build.model import needed_layers, to_keras
from zoo.errors import UnavailableError, UsageError
from zoo.net import Net
from zoo.surgery.affine import AFFINE_TYPES
from zoo.surgery.fold import fold
from zoo.tensorflow_import import import_tensorflow

__all__ = ["Predictor", "device_scope", "predictor", "reseed"]

_PREDICTORS: WeakKeyDictionary[Net, dict[tuple[Any, ...], Predictor]] = WeakKeyDictionary()


def predictor(net: Net, blobs: Sequence[str] | None = None, device: str | None = None) -> Predictor:
    """The `Predictor` of these blobs, built and compiled once for each net."""
    names = tuple(net.outputs if blobs is None else blobs)
    known = _PREDICTORS.setdefault(net, {})
    key = (names, device)
    if key not in known:
        known[key] = Predictor(_for_inference(net, names), names, device)
    return known[key]


def _for_inference(net: Net, blobs: Sequence[str]) -> Net:
    """The net folded as far as these blobs allow, or as it is where that would save nothing."""
    layers = needed_layers(net, blobs)
    if not any(layer.type in AFFINE_TYPES for layer in layers):
        return net
    return fold(net.initialized(), keep=blobs)[0]


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
        # The net is not kept: its weights would lie in memory beside those of the model.
        self.blobs, self.device, self._phase = tuple(blobs), device, net.phase
        with device_scope(device):
            self.model = to_keras(net, self.blobs)
        self._inputs = ModelInputs(net, needed_layers(net, self.blobs), self.model.input)
        self._compiled: dict[tuple[Any, ...], Any] = {}

    def __call__(self, inputs: Mapping[str, Any], seed: int | None = None) -> dict[str, np.ndarray]:
        """Blobs for inputs, all in Caffe's order (N, C, H, W), float32.

        `seed` fixes what layers draw at random, see `reseed`.

        Raises
        ------
        UsageError
            When an input is missing or not known; ShapeError when its shape does not fit.
        """
        arrays = self._inputs.arrays(inputs)
        if seed is not None:
            reseed(self.model, seed)
        outputs = self.predict(arrays)
        return {name: turned(value, _caffe_axes(value.ndim)) for name, value in outputs.items()}

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise what `__call__` would for inputs of these shapes, (N, C, H, W)."""
        self._inputs.check(shapes)

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
        last, smaller one. The weights stay variables: constants gain a few percent at batch 1 for
        five times the time to compile and many times the memory.
        """
        import tensorflow as tf

        key = tuple((name, *tensor.shape[1:]) for name, tensor in tensors.items())
        if key not in self._compiled:
            signature = {
                name: tf.TensorSpec((None, *tensor.shape[1:])[: tensor.ndim], tf.float32)
                for name, tensor in tensors.items()
            }
            self._compiled[key] = tf.function(
                self._forward, input_signature=[signature], autograph=False
            )
        return self._compiled[key]

    def _forward(self, tensors: dict[str, Any]) -> dict[str, Any]:
        given = tensors if isinstance(self.model.input, dict) else next(iter(tensors.values()))
        outputs = self.model(given, training=self._phase == "TRAIN")
        return outputs if isinstance(outputs, dict) else {self.blobs[0]: outputs}


def reseed(model: Any, seed: int) -> None:
    """Let the layers that draw at random draw what this seed says from now on.

    Each layer draws other values, and the same ones whatever else is in the model.
    """
    for layer in model.layers:
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign([(seed + crc32(layer.name.encode())) % 2**31, 0])


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


def _caffe_axes(rank: int) -> tuple[int, ...] | None:
    return (0, rank - 1, *range(1, rank - 1)) if rank in (4, 5) else None
