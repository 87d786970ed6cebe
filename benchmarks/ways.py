"""The ways from the files of a network to a function that runs it.

Each imports what it needs when it is called, so that a process which goes one way pays for no
other. `folder` holds net.prototxt, net.caffemodel and net.onnx of the same network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

__all__ = ["WAYS", "Forward"]

Forward = Callable[[np.ndarray], np.ndarray]


def zoo(folder: Path) -> Forward:
    from zoo.build.predict import predictor
    from zoo.net import Net

    net = Net.read(folder / "net.prototxt", folder / "net.caffemodel")
    run, output = predictor(net), net.outputs[0]
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
    "opencv": opencv,
    "onnx_runtime": onnx_runtime,
}
