"""TensorFlow's SavedModel: a folder with one signature, `serving_default`.

Pictures are channels last. Outputs have the names of Caffe's blobs; inputs too, but for characters
that TensorFlow does not take in the name of an argument, which become underscores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.build.conventions import channels_last_axes
from zoo.exports.source import Arrays, Run, Source, Written

__all__ = ["argument_names", "open_saved_model", "save_folder", "write_saved_model"]


def write_saved_model(source: Source, path: Path) -> Written:
    """Write the folder; its variables can be trained on."""
    save_folder(source, source.model(), path)
    return Written(free_sizes=source.free_sizes)


def save_folder(source: Source, model: Any, path: Path, *, fixed_sizes: bool = False) -> None:
    """Save a model of the source, for any batch, and if need be for the sizes of the definition."""
    import tensorflow as tf

    served = tf.Module()
    # The variables themselves: TFLite takes what it finds behind a model for changeable.
    served.weights = [variable.value for variable in model.variables]
    function = _concrete_function(source, model, fixed_sizes)
    tf.saved_model.save(served, str(path), signatures={"serving_default": function})


def open_saved_model(source: Source, path: Path) -> Run:
    """Load the folder; returns what runs it, in Caffe's order."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]
    arguments = argument_names(source)

    def run(inputs: Mapping[str, np.ndarray]) -> Arrays:
        given = source.keras_inputs(inputs)
        tensors = {arguments[name]: tf.constant(array) for name, array in given.items()}
        return source.from_keras(signature(**tensors))

    # The functions of a SavedModel live no longer than what was loaded.
    run.loaded = loaded  # type: ignore[attr-defined]
    return run


def _concrete_function(source: Source, model: Any, fixed_sizes: bool) -> Any:
    """The model as one function with named arguments and outputs."""
    import tensorflow as tf

    names = argument_names(source)
    tensors = model.input if isinstance(model.input, dict) else {next(iter(names)): model.input}
    specs = {
        names[name]: tf.TensorSpec(
            _fixed(source, name) if fixed_sizes else tensor.shape, tensor.dtype, name=names[name]
        )
        for name, tensor in tensors.items()
    }

    def forward(**arguments: Any) -> dict[str, Any]:
        given = {name: arguments[names[name]] for name in tensors}
        only = given if isinstance(model.input, dict) else next(iter(given.values()))
        outputs = model(only, training=False)
        return outputs if isinstance(outputs, dict) else {source.outputs[0]: outputs}

    return tf.function(forward, autograph=False).get_concrete_function(**specs)


def _fixed(source: Source, name: str) -> tuple[int | None, ...]:
    """The shape of an input as the definition has it, channels last, with a free batch."""
    shape = source.net.inputs[name]
    axes = channels_last_axes(shape) or range(len(shape))
    return (None, *(shape[axis] for axis in axes[1:]))


def argument_names(source: Source) -> dict[str, str]:
    """The inputs and their names as arguments.

    >>> import zoo
    >>> argument_names(Source(zoo.load("lenet_digits").net))
    {'data': 'data'}
    """
    names: dict[str, str] = {}
    for blob in source.inputs:
        name = re.sub(r"\W", "_", blob)
        names[blob] = name if name not in names.values() else f"{name}_{len(names)}"
    return names
