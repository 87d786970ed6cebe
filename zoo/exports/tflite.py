"""TFLite (LiteRT): one file for phones and small machines, with one signature, `serving_default`.

Names and order of axes are those of the SavedModel. The file has nothing but operators that are
built into every runtime. Where these do not do for sizes that are free (a convolution behind a
pooling that rounds up), the file is for the sizes of the definition, and the report says so.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import NetError
from zoo.exports.saved_model import argument_names, save_folder
from zoo.exports.source import Arrays, Run, Source, Written
from zoo.tensorflow_import import silenced

__all__ = ["open_tflite", "write_tflite"]

FIXED = "TFLite cannot compute this for free sizes; the file is for those of the definition."


def write_tflite(source: Source, path: Path) -> Written:
    """Write the file, for sizes that are free where that is possible.

    Raises
    ------
    NetError
        When the network has an operator that TFLite does not have; the message names it.
    """
    model = source.model()
    if source.free_sizes:
        with suppress(_conversion_error()):
            path.write_bytes(_converted(source, model, path))
            return Written(free_sizes=True)
    try:
        fixed = source.free_sizes
        path.write_bytes(_converted(source, model, path, fixed_sizes=fixed))
    except _conversion_error() as error:
        raise NetError(
            f"TFLite has no operator for {_operators(error)}, so nothing was written. Export to"
            " savedmodel or onnx, or cut the network before it."
        ) from error
    return Written(free_sizes=False, notes=(FIXED,) if fixed else ())


def open_tflite(source: Source, path: Path) -> Run:
    """Load the file; returns what runs it, in Caffe's order."""
    import tensorflow as tf

    with warnings.catch_warnings():
        # It says that it will move to a package of its own, from which it would say the same.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(path))
        signature = interpreter.get_signature_runner("serving_default")
    arguments = argument_names(source)

    def run(inputs: Mapping[str, np.ndarray]) -> Arrays:
        given = source.keras_inputs(inputs)
        with silenced():
            outputs = signature(**{arguments[name]: given[name] for name in arguments})
        return source.from_keras(outputs)

    return run


def _converted(source: Source, model: Any, path: Path, *, fixed_sizes: bool = False) -> bytes:
    """The contents of the file, made from a SavedModel that stands beside it for a while."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory(dir=path.parent) as folder, silenced():
        save_folder(source, model, Path(folder), fixed_sizes=fixed_sizes)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        # Others would need a runtime with the Flex delegate, which few have.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        contents: bytes = converter.convert()
    return contents


def _conversion_error() -> type[Exception]:
    from tensorflow.lite.python.convert import ConverterError

    error: type[Exception] = ConverterError
    return error


def _operators(error: Any) -> str:
    """The operators that a failed conversion names, else what it says."""
    names = sorted({entry.operator.name for entry in error.errors if entry.operator.name})
    return ", ".join(names) or str(error).strip().splitlines()[0]
