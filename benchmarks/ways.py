"""The ways from the files of a network to a function that runs it.

Each imports what it needs when it is called, so that a process which goes one way pays for no
other. `folder` holds net.prototxt, net.caffemodel and net.onnx of the same network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["NAMES", "WAYS", "Forward"]

Forward = Callable[[np.ndarray], np.ndarray]
NAMES = {
    "zoo": "zoo",
    "zoo_plain": "zoo, unfolded",
    "zoo_onnx": 'zoo, engine="onnxruntime"',
    "opencv": "OpenCV dnn",
    "onnx_runtime": "ONNX Runtime",
}


def _net(folder: Path) -> Any:
    from zoo.net import Net

    return Net.read(folder / "net.prototxt", folder / "net.caffemodel")


def zoo(folder: Path) -> Forward:
    from zoo.build.predict import predictor

    net = _net(folder)
    run, output = predictor(net), net.outputs[0]
    return lambda array: run({"data": array})[output]


def zoo_plain(folder: Path) -> Forward:
    from zoo.build.predict import Predictor

    net = _net(folder)
    run, output = Predictor(net, net.outputs), net.outputs[0]
    return lambda array: run({"data": array})[output]


def zoo_onnx(folder: Path) -> Forward:
    from zoo.exports.engine import predictor_by

    net = _net(folder)
    run, output = predictor_by("onnxruntime", net), net.outputs[0]
    return lambda array: run({"data": array})[output]


def opencv(folder: Path) -> Forward:
    import cv2

    net = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))

    def forward(array: np.ndarray) -> np.ndarray:
        net.setInput(array)
        return np.asarray(net.forward())

    return forward


def onnx_runtime(folder: Path) -> Forward:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "net.onnx"))
    return lambda array: np.asarray(session.run(None, {"data": array})[0])


WAYS: dict[str, Callable[[Path], Forward]] = {
    "zoo": zoo,
    "zoo_plain": zoo_plain,
    "zoo_onnx": zoo_onnx,
    "opencv": opencv,
    "onnx_runtime": onnx_runtime,
}
