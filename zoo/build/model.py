"""From a Net to a functional keras.Model.

The model computes in channels-last order: blobs of four or five axes have their channels last at
its inputs and outputs, all others are as Caffe has them. Its batch is free, and where the network
is fully convolutional so are the spatial sizes. Each Keras layer bears the name of its Caffe layer;
Keras forbids `/` in names, see `keras_name`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from zoo.build.builder import Builder, check_supported
from zoo.build.conventions import keras_name
from zoo.errors import NetError, UsageError, did_you_mean
from zoo.layers.site import WeightMap
from zoo.net import Layer, Net
from zoo.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

__all__ = [
    "from_keras",
    "needed_layers",
    "to_keras",
    "update_keras",
]

# How the params of each Caffe layer stand in a model, for the way back.
_WEIGHT_MAPS: WeakKeyDictionary[Any, dict[str, WeightMap]] = WeakKeyDictionary()


def to_keras(net: Net, blobs: Sequence[str] | None = None) -> keras.Model:
    """Build the network, or as much of it as the wanted blobs need.

    Parameters
    ----------
    net : the network; layers without weights start from their fillers.
    blobs : names of the blobs to give out; the network's outputs by default.

    Returns
    -------
    A functional model. Input: one tensor, or a dict by blob name where the network has several.
    Output: one tensor, or a dict by blob name. Pictures are (n, height, width, channels).

    Raises
    ------
    UnsupportedLayersError
        All layers that cannot be computed, before anything is built.
    UsageError
        When a blob does not exist.

    Examples
    --------
    >>> import zoo
    >>> net = zoo.load("lenet_digits").net
    >>> zoo.to_keras(net, blobs=["ip1"]).output_shape
    (None, 64)
    """
    import_tensorflow()
    import keras

    names = list(blobs) if blobs is not None else net.outputs
    if not names:
        raise UsageError(
            "there are no blobs to give out: the outputs of the net are"
            f" {', '.join(net.outputs) or 'none, since some layer reads every blob'}; name the"
            " blobs that you want"
        )
    layers = needed_layers(net, names)
    check_supported(layers)
    builder = Builder(layers, names, net.phase, net.initialized().params)
    outputs = {name: builder.output(name) for name in names}
    with warnings.catch_warnings():
        # Inputs go by the names of blobs, which may have the slashes that Keras forbids.
        warnings.filterwarnings("ignore", "When providing `inputs` as a dict")
        model = keras.Model(
            inputs=_alone(builder.inputs),
            outputs=_alone(outputs),
            name=keras_name(net.name),
        )
    _WEIGHT_MAPS[model] = builder.weight_maps
    return model


def from_keras(net: Net, model: keras.Model) -> Net:
    """The net with the weights that the model has now, after training for instance.

    Parameters
    ----------
    net : the network that `model` was built from.
    model : what `to_keras` returned.

    Raises
    ------
    UsageError
        When the model was not made by `to_keras`.
    """
    params = {}
    for name, weight_map in _weight_maps(model).items():
        arrays = [variable.numpy() for variable in weight_map.variables]
        params[name] = [
            np.ascontiguousarray(blob, np.float32).reshape(shape)
            for blob, shape in zip(
                weight_map.to_caffe(arrays), net.layer(name).param_shapes, strict=True
            )
        ]
    return net.with_params(params)


def update_keras(net: Net, model: keras.Model) -> None:
    """Give a model the weights of a net, the other way of `from_keras`.

    Parameters
    ----------
    net : a network with weights, of the same layers as the one that `model` was built from.
    model : what `to_keras` returned.

    Raises
    ------
    UsageError
        When the model was not made by `to_keras`.
    """
    from zoo.keras_layers.tensors import tensor_of

    for name, weight_map in _weight_maps(model).items():
        arrays = weight_map.arrays([np.asarray(blob, np.float32) for blob in net.params[name]])
        for variable, array in zip(weight_map.variables, arrays, strict=True):
            variable.assign(tensor_of(array, variable.shape))


def _weight_maps(model: Any) -> dict[str, WeightMap]:
    maps = _WEIGHT_MAPS.get(model)
    if maps is None:
        raise UsageError("this model was not built by zoo.to_keras, so its layers have no Caffe")
    return maps


def needed_layers(net: Net, blobs: Sequence[str]) -> list[Layer]:
    """The layers that the final values of these blobs depend on, in order."""
    for name in blobs:
        if name not in net.blobs:
            raise UsageError(
                f"no blob is named {name!r} in {net.name!r}.{did_you_mean(name, net.blobs)}"
                " `zoo inspect` lists all of them."
            )
    wanted = set(blobs)
    needed = []
    for layer in reversed(net.layers):
        if wanted.intersection(layer.tops):
            wanted.difference_update(layer.tops)
            wanted.update(layer.bottoms)
            needed.append(layer)
    return (needed if any(layer.is_source for layer in needed) else [*needed, _source(net)])[::-1]


def _source(net: Net) -> Layer:
    """A source for blobs that depend on none: a Keras model has an input."""
    for layer in net.layers:
        if layer.is_source:
            return layer
    raise NetError(f"{net.name!r} has no input, so it cannot be run; add an Input layer")


def _alone(tensors: dict[str, Any]) -> Any:
    """One tensor by itself, several as the dict."""
    return tensors if len(tensors) > 1 else next(iter(tensors.values()))
