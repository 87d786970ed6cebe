"""The ONNX format: Caffe's order of axes and names of blobs; see `zoo.exports.onnx_model`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.exports.onnx_model import onnx_model
from zoo.exports.onnx_packages import import_onnxruntime
from zoo.exports.source import Arrays, Run, Source, Written

__all__ = ["open_onnx", "write_onnx"]

# Protobuf's limit; larger models keep their weights in other files.
_LARGEST = 2**31 - 1
FIXED = "ONNX cannot compute this for free sizes; the file is for those of the definition."


def write_onnx(source: Source, path: Path) -> Written:
    """Write the file."""
    blobs = source.net.outputs if source.spec is None else [source.scores()[0]]
    model = onnx_model(source.net, blobs, source.spec)
    if model.ByteSize() > _LARGEST:
        raise UsageError(
            f"{source.net.name!r} has {source.net.param_count:,} params, more than the 2 GB of an"
            " ONNX file; export to savedmodel"
        )
    path.write_bytes(model.SerializeToString())
    free = _has_free_sizes(model)
    return Written(free, (FIXED,) if source.free_sizes and not free else ())


def open_onnx(source: Source, path: Path) -> Run:
    """Load the file; returns what runs it, in Caffe's order."""
    runtime = import_onnxruntime()
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def run(inputs: Mapping[str, np.ndarray]) -> Arrays:
        values = session.run(None, {name: inputs[name] for name in names})
        return dict(zip(source.outputs, values, strict=True))

    return run


def _has_free_sizes(model: Any) -> bool:
    """Whether an input has more sizes that are free than its batch."""
    shapes = [entry.type.tensor_type.shape for entry in model.graph.input]
    return any(size.dim_param for shape in shapes for size in shape.dim[1:])
