"""From a Net to a functional keras.Model.

The model computes in channels-last order: blobs of four or five axes have their channels last at
its inputs and outputs, all others are as Caffe has them. Its batch is free, and where the network
is fully convolutional so are the spatial sizes. Each Keras layer bears the name of its Caffe layer;
Keras forbids `/` in names, see `keras_name`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.weights import drop_pages
from zoo.errors import NetError, UnsupportedLayersError, UsageError, did_you_mean
from zoo.layers.kind import Shape, known_types
from zoo.layers.site import Blob, Site, WeightMap, to_caffe_order, to_channels_last
from zoo.net import Layer, Net
from zoo.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

__all__ = ["channels_last_axes", "from_keras", "keras_name", "needed_layers", "to_keras"]

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
    layers = needed_layers(net, names)
    check_supported(layers)
    builder = _Builder(layers, names, net.phase, net.initialized().params)
    outputs = {name: builder.output(name) for name in names}
    model = keras.Model(
        inputs=_alone(builder.inputs),
        outputs=_alone(outputs),
        name=_model_name(net.name),
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
    maps = _WEIGHT_MAPS.get(model)
    if maps is None:
        raise UsageError("this model was not built by zoo.to_keras, so its layers have no Caffe")
    params = {}
    for name, weight_map in maps.items():
        arrays = [variable.numpy() for variable in weight_map.keras_layer.weights]
        params[name] = [
            np.ascontiguousarray(blob, np.float32).reshape(shape)
            for blob, shape in zip(
                weight_map.to_caffe(arrays), net.layer(name).param_shapes, strict=True
            )
        ]
    return net.with_params(params)


def keras_name(name: str) -> str:
    """The name of a Caffe layer as a Keras layer bears it: Keras forbids slashes.

    >>> keras_name("fire9/concat")
    'fire9.concat'
    """
    return name.replace("/", ".")


def channels_last_axes(shape: Shape) -> tuple[int, ...] | None:
    """The transposition from a blob in Caffe's order to the order of the model, None if equal.

    >>> channels_last_axes((1, 3, 227, 227)), channels_last_axes((1, 1000))
    ((0, 2, 3, 1), None)
    """
    return (0, *range(2, len(shape)), 1) if len(shape) in (4, 5) else None


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
    return needed[::-1]


def check_supported(layers: Sequence[Layer]) -> None:
    """Raise one error that names every layer of an unknown kind."""
    kinds: dict[str, list[str]] = {}
    for layer in layers:
        if layer.kind is None:
            kinds.setdefault(layer.type, []).append(layer.name)
    if kinds:
        raise UnsupportedLayersError(kinds, known_types())


def is_spatially_free(layers: Sequence[Layer]) -> bool:
    """Whether pictures of any size can go through: no shape of a param depends on it."""
    grown = {
        top: (*shape[:2], *(2 * size + 32 for size in shape[2:]))
        for layer in layers
        if layer.is_source
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True)
        if shape is not None and len(shape) in (4, 5)
    }
    part = NetParameter(layer=[layer.definition for layer in layers])
    try:
        larger = Net(part, shapes={**_source_shapes(layers), **grown})
    except NetError:
        return False
    return all(
        layer.param_shapes == other.param_shapes
        for layer, other in zip(layers, larger.layers, strict=True)
    )


def _source_shapes(layers: Sequence[Layer]) -> dict[str, Shape]:
    return {
        top: shape
        for layer in layers
        if layer.is_source
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True)
        if shape is not None
    }


class _Builder:
    """Walks the layers in order and keeps the newest value of every blob."""

    def __init__(
        self,
        layers: Sequence[Layer],
        outputs: Sequence[str],
        phase: str,
        params: Mapping[str, list[np.ndarray]],
    ) -> None:
        self.phase, self.params = phase, params
        self.blobs: dict[str, Blob] = {}
        self.inputs: dict[str, Any] = {}
        self.weight_maps: dict[str, WeightMap] = {}
        self._layers = {layer.name: layer for layer in layers}
        self._names: set[str] = set()
        self._free = is_spatially_free(layers)
        read = {bottom for layer in layers for bottom in layer.bottoms} | set(outputs)
        for layer in layers:
            if layer.is_source:
                self._add_inputs(layer, read)
            else:
                self._add_layer(layer)

    def output(self, name: str) -> Any:
        """The final value of a blob, in the order of the model's outputs."""
        blob = self.blobs[name]
        turn = to_channels_last if len(blob.shape) in (4, 5) else to_caffe_order
        return turn(blob, self._unique(f"{keras_name(name)}_output"))

    def _add_inputs(self, layer: Layer, read: set[str]) -> None:
        import keras

        for top, shape in zip(layer.tops, layer.top_shapes, strict=True):
            if top not in read or shape is None:
                continue
            last = channels_last_axes(shape) is not None
            sizes: tuple[int | None, ...] = (*shape[2:], shape[1]) if last else shape[1:]
            if last and self._free:
                sizes = (*((None,) * len(shape[2:])), shape[1])
            self.inputs[top] = keras.Input(sizes, name=self._unique(keras_name(top)))
            self.blobs[top] = Blob(self.inputs[top], shape, last)

    def _add_layer(self, layer: Layer) -> None:
        if layer.kind is None:
            raise UnsupportedLayersError({layer.type: [layer.name]}, known_types())
        site = Site(
            layer.definition,
            self._unique(keras_name(layer.name)),
            [self.blobs[name] for name in layer.bottoms],
            [shape for shape in layer.top_shapes if shape is not None],
            list(layer.param_shapes),
            self.phase,
            self.params.get(layer.name, []),
            self._shared(layer),
        )
        tops = layer.kind.build(site)
        for blob in site.blobs:
            drop_pages(blob)
        if site.weight_map is not None:
            self.weight_maps[layer.name] = site.weight_map
        self.blobs.update(zip(layer.tops, tops, strict=True))

    def _shared(self, layer: Layer) -> Any:
        """The Keras layer of the layer whose params this one uses, None if it has its own."""
        owners = {owner for owner, _ in layer.owners}
        if owners <= {layer.name}:
            return None
        owner = self._layers.get(next(iter(owners)))
        whole = tuple((owner.name, index) for index in range(len(layer.owners))) if owner else ()
        if owner is None or layer.owners != whole or not _same_settings(owner, layer):
            raise NetError(
                f"shares some of its params with {', '.join(sorted(owners - {layer.name}))}; only"
                " layers of equal settings that share all of their params can be computed",
                layer.name,
            )
        return self.weight_maps[owner.name].keras_layer

    def _unique(self, name: str) -> str:
        candidate, number = name, 1
        while candidate in self._names:
            number += 1
            candidate = f"{name}_{number}"
        self._names.add(candidate)
        return candidate


def _same_settings(one: Layer, other: Layer) -> bool:
    """Whether two layers differ in nothing but names, rates and fillers."""
    if (one.type, one.param_shapes) != (other.type, other.param_shapes):
        return False
    messages = []
    for layer in (one, other):
        message = type(layer.definition)()
        message.CopyFrom(layer.definition)
        for field in ("name", "bottom", "top", "param", "propagate_down", "include", "exclude"):
            message.ClearField(field)
        for settings in (message.convolution_param, message.inner_product_param):
            settings.ClearField("weight_filler")
            settings.ClearField("bias_filler")
        messages.append(message)
    return bool(messages[0] == messages[1])


def _alone(tensors: dict[str, Any]) -> Any:
    """One tensor by itself, several as the dict."""
    return tensors if len(tensors) > 1 else next(iter(tensors.values()))


def _model_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name) or "net"
