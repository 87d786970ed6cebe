"""The `.keras` format: the model that zoo builds, saved by Keras, and its weights taken back.

Inputs and outputs are channels last, as of `zoo.to_keras`, outputs a dict by blob name where there
are several. Whoever loads the file needs zoo's layers: `import zoo.keras_layers` registers them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.build.model import from_keras, to_keras
from zoo.errors import ParseError, UnavailableError, WeightsError
from zoo.exports.source import Arrays, Run, Source, Written
from zoo.net import Net
from zoo.tensorflow_import import import_tensorflow

__all__ = ["open_keras", "weights_from_keras", "write_keras"]


def write_keras(source: Source, path: Path) -> Written:
    """Write the file."""
    source.model().save(path)
    return Written(free_sizes=source.free_sizes)


def open_keras(source: Source, path: Path) -> Run:
    """Load the file; returns what runs it, in Caffe's order."""
    model = load_keras(path)

    def run(inputs: Mapping[str, np.ndarray]) -> Arrays:
        given = source.keras_inputs(inputs)
        only = next(iter(given.values())) if len(model.inputs) == 1 else given
        return source.from_keras(model(only, training=False))

    return run


def load_keras(path: str | Path) -> Any:
    """A model of a `.keras` file, with zoo's layers known.

    Raises
    ------
    ParseError
        When Keras cannot read it.
    """
    import_tensorflow()
    import keras

    import zoo.keras_layers  # noqa: F401

    if not Path(path).is_file():
        raise UnavailableError(f"{path}: there is no such file")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "When providing `inputs` as a dict")
            return keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError, ImportError) as error:
        raise ParseError(f"Keras cannot load this as a model: {error}", path) from error


def weights_from_keras(net: Net, path: str | Path) -> Net:
    """The net with the weights of a saved Keras model, after training for instance.

    Parameters
    ----------
    net : the network that the model was built from; its weights need not be there.
    path : a `.keras` file: an export, with preprocessing or without, or ``model.save(...)`` of
        what `zoo.to_keras` returned. Layers are found by the names of Caffe's.

    Raises
    ------
    WeightsError
        All layers of the net that the model does not have, or has with other weights.
    ParseError
        When Keras cannot read the file.

    Examples
    --------
    >>> import tempfile, zoo
    >>> net = zoo.load("lenet_digits").net
    >>> path = Path(tempfile.mkdtemp()) / "lenet.keras"
    >>> zoo.to_keras(net).save(path)
    >>> again = weights_from_keras(net, path)
    >>> bool((again.params["conv1"][0] == net.params["conv1"][0]).all())
    True
    """
    found = {layer.name: layer for layer in _layers(load_keras(path))}
    model = to_keras(net)
    problems = []
    weighted = [layer for layer in model.layers if layer.weights]
    for layer in weighted:
        other = found.get(layer.name)
        wanted = [tuple(weight.shape) for weight in layer.weights]
        received = [] if other is None else [tuple(weight.shape) for weight in other.weights]
        if other is None:
            problems.append(f"  {layer.name}: there is no layer of that name")
        elif received != wanted:
            problems.append(f"  {layer.name}: expected weights {wanted}, received {received}")
        else:
            layer.set_weights(other.get_weights())
    if problems:
        raise WeightsError(
            f"{path} is not a model of {net.name!r}: {len(problems)} of {len(weighted)} layers with"
            " weights do not fit.\n" + "\n".join(problems)
        )
    return from_keras(net, model)


def _layers(model: Any) -> Iterator[Any]:
    """All layers of a model, those of the models within it too."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _layers(layer)
