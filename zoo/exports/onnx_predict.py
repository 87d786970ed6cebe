"""Running a network forward with ONNX Runtime instead of TensorFlow.

The network goes over as `onnx_model` writes it, in memory. Nothing of TensorFlow is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from zoo.build.conventions import channels_last_axes
from zoo.build.inputs import ModelInputs, turned
from zoo.build.model import needed_layers
from zoo.errors import UnavailableError, UsageError
from zoo.exports.onnx_model import onnx_model
from zoo.exports.onnx_packages import import_onnxruntime
from zoo.exports.source import caffe_axes
from zoo.net import Net

__all__ = ["OnnxPredictor", "onnx_predictor"]

_PREDICTORS: WeakKeyDictionary[Net, dict[tuple[Any, ...], OnnxPredictor]] = WeakKeyDictionary()


def onnx_predictor(
    net: Net, blobs: Sequence[str] | None = None, device: str | None = None
) -> OnnxPredictor:
    """The `OnnxPredictor` of these blobs, made once for each net."""
    names = tuple(net.outputs if blobs is None else blobs)
    known = _PREDICTORS.setdefault(net, {})
    key = (names, device)
    if key not in known:
        known[key] = OnnxPredictor(net, names, device)
    return known[key]


class OnnxPredictor:
    """What `zoo.build.predict.Predictor` is, computed by ONNX Runtime.

    Parameters
    ----------
    net : a network; its weights are those it has now.
    blobs : names of the blobs to give out.
    device : "cpu" (also None), or "gpu:0", ... where ONNX Runtime has CUDA.

    Raises
    ------
    UnavailableError
        When onnx or onnxruntime is not installed, or there is no such device.
    UnsupportedLayersError, NetError
        When a layer has no form in ONNX.
    UsageError
        When the net is of the TRAIN phase.
    """

    def __init__(self, net: Net, blobs: Sequence[str], device: str | None = None) -> None:
        if net.phase != "TEST":
            raise UsageError(
                "ONNX Runtime computes what the TEST phase does; the engine tensorflow runs the"
                " TRAIN phase"
            )
        runtime = import_onnxruntime()
        self.net, self.blobs, self.device = net, tuple(blobs), device
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(
            onnx_model(net, self.blobs).SerializeToString(),
            options,
            providers=_providers(runtime, device),
        )
        given = {
            entry.name: SimpleNamespace(shape=_channels_last(entry.shape))
            for entry in self._session.get_inputs()
        }
        self._inputs = ModelInputs(net, needed_layers(net, self.blobs), given)
        self._names = list(given)

    def __call__(self, inputs: Mapping[str, Any], seed: int | None = None) -> dict[str, np.ndarray]:
        """Blobs for inputs, all in Caffe's order (N, C, H, W), float32; nothing is drawn by lot.

        Raises
        ------
        UsageError
            When an input is missing or not known; ShapeError when its shape does not fit.
        """
        arrays = {name: np.asarray(value, np.float32) for name, value in inputs.items()}
        self.check({name: array.shape for name, array in arrays.items()})
        values = self._session.run(None, {name: arrays[name] for name in self._names})
        return dict(zip(self.blobs, values, strict=True))

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise what `__call__` would for inputs of these shapes, (N, C, H, W)."""
        self._inputs.check(shapes)

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The same with inputs and outputs channels last, as the Keras model has them."""
        outputs = self(
            {name: turned(array, caffe_axes(array.ndim)) for name, array in inputs.items()}
        )
        return {
            name: turned(value, channels_last_axes(value.shape)) for name, value in outputs.items()
        }


def _providers(runtime: Any, device: str | None) -> list[Any]:
    """What ONNX Runtime calls a device."""
    kind, _, number = (device or "cpu").lower().partition(":")
    if kind not in ("cpu", "gpu") or not (number or "0").isdigit():
        raise UsageError(f"device must be 'cpu' or 'gpu:N', received {device!r}")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        raise UnavailableError(
            f"there is no device {device!r} for ONNX Runtime: this one computes on the CPU only."
            " Install the other with `pip install 'onnxruntime-gpu>=1.21,<2'`."
        )
    return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]


def _channels_last(shape: Sequence[int | str]) -> tuple[int | None, ...]:
    """The shape of an input in the order of the Keras model; what is named is free."""
    sizes = [size if isinstance(size, int) else None for size in shape]
    axes = (0, *range(2, len(sizes)), 1) if len(sizes) in (4, 5) else range(len(sizes))
    return tuple(sizes[axis] for axis in axes)
