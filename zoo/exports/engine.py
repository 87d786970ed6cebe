"""By what a network is run: TensorFlow, or ONNX Runtime behind the same calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from zoo.build.predict import Predictor, predictor
from zoo.errors import UsageError, did_you_mean
from zoo.exports.onnx_predict import OnnxPredictor, onnx_predictor
from zoo.net import Net

__all__ = ["ENGINES", "AnyPredictor", "predictor_by"]

ENGINES = ("tensorflow", "onnxruntime")
AnyPredictor: TypeAlias = Predictor | OnnxPredictor


def predictor_by(
    engine: str, net: Net, blobs: Sequence[str] | None = None, device: str | None = None
) -> AnyPredictor:
    """The predictor of these blobs, made once for each net.

    Raises
    ------
    UsageError
        When there is no such engine.
    UnavailableError
        When it is not installed, or has no such device.
    """
    if engine == "tensorflow":
        return predictor(net, blobs, device)
    if engine == "onnxruntime":
        return onnx_predictor(net, blobs, device)
    raise UsageError(
        f"there is no engine {engine!r}.{did_you_mean(engine, ENGINES)} The engines are"
        f" {' and '.join(ENGINES)}."
    )
