"""From a Net to a functional keras.Model.

The model computes in channels-last order: blobs of four or five axes have their channels last at
its inputs and outputs, all others are as Caffe has them. Its batch is free, and where the network
is fully convolutional so are the spatial sizes. Each Keras layer bears the name of its Caffe layer;
Keras forbids `/` in names, see `keras_name`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from zoo.build.free_sizes import is_spatially_free
from zoo.build.sharing import Sharing
from zoo.caffe.weights import drop_pages
from zoo.errors import NetError, UnsupportedLayersError, UsageError, did_you_mean
from zoo.layers.kind import Shape, known_types
from zoo.layers.site import Blob, Site, Standing, WeightMap, to_caffe_order, to_channels_last
from zoo.net import Layer, Net
from zoo.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

__all__ = [
    "channels_last_axes",
    "from_keras",
    "keras_name",
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


def keras_name(name: str) -> str:
    """The name of a Caffe layer as a Keras layer bears it.

    Keras forbids slashes; TensorFlow's scopes take ASCII, with a letter, digit or dot first.

    >>> keras_name("fire9/concat"), keras_name("conv 1")
    ('fire9.concat', 'conv_1')
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name.replace("/", "."))
    return plain if re.match(r"[A-Za-z0-9.]", plain) else f"net{plain}"


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
    return (needed if any(layer.is_source for layer in needed) else [*needed, _source(net)])[::-1]


def _source(net: Net) -> Layer:
    """A source for blobs that depend on none: a Keras model has an input."""
    for layer in net.layers:
        if layer.is_source:
            return layer
    raise NetError(f"{net.name!r} has no input, so it cannot be run; add an Input layer")


def check_supported(layers: Sequence[Layer]) -> None:
    """Raise one error that names every layer of an unknown kind."""
    kinds: dict[str, list[str]] = {}
    for layer in layers:
        if layer.kind is None:
            kinds.setdefault(layer.kind_name, []).append(layer.name)
    if kinds:
        raise UnsupportedLayersError(kinds, known_types())


class Builder:
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
        self._blobs_standing: dict[tuple[str, int], Standing] = {}
        self._sharing = Sharing(layers)
        self._names: set[str] = set()
        self._free = is_spatially_free(layers)
        read = {bottom for layer in layers for bottom in layer.bottoms} | set(outputs)
        given = [top for layer in layers if layer.is_source for top in layer.tops]
        if read.isdisjoint(given):
            read.update(given[:1])
        for layer in layers:
            if layer.is_source:
                self._add_inputs(layer, read)
        for layer in layers:
            if not layer.is_source:
                self._add_layer(layer)

    @property
    def anchor(self) -> Any:
        """Some tensor of the model, for layers that read nothing but must be a part of it."""
        return next(iter(self.inputs.values()))

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
            # The batch is free; a blob that is one number has none.
            batch_shape = (None, *sizes) if shape else ()
            name = self._unique(keras_name(top))
            self.inputs[top] = keras.Input(batch_shape=batch_shape, name=name)
            self.blobs[top] = Blob(self.inputs[top], shape, last)

    def _add_layer(self, layer: Layer) -> None:
        if layer.kind is None:
            raise UnsupportedLayersError({layer.kind_name: [layer.name]}, known_types())
        site = Site(
            layer.definition,
            self._unique(keras_name(layer.name)),
            self._bottoms(layer),
            [shape for shape in layer.top_shapes if shape is not None],
            list(layer.param_shapes),
            self.phase,
            self.params.get(layer.name, []),
            self.shared(layer),
            self.standing(layer),
            self.anchor,
        )
        tops = layer.kind.build(site)
        for blob in site.blobs:
            drop_pages(blob)
        if site.weight_map is not None:
            self.weight_maps[layer.name] = site.weight_map
        self.made(layer, tops)

    def _bottoms(self, layer: Layer) -> list[Blob]:
        """What a layer reads; layers that are one Keras layer must read the same order of axes."""
        bottoms = [self.bottom(layer, index) for index in range(len(layer.bottoms))]
        if layer.name not in self._sharing.joined:
            return bottoms
        name = self._unique(f"{keras_name(layer.name)}_joined")
        return [
            Blob(to_channels_last(bottom, f"{name}{index}"), bottom.shape, len(bottom.shape) > 2)
            for index, bottom in enumerate(bottoms)
        ]

    def bottom(self, layer: Layer, index: int) -> Blob:
        """What a layer reads as its bottom `index`."""
        return self.blobs[layer.bottoms[index]]

    def made(self, layer: Layer, tops: Sequence[Blob]) -> None:
        """Keep what a layer has made."""
        self.blobs.update(zip(layer.tops, tops, strict=True))

    def shared(self, layer: Layer) -> Any:
        """The Keras layer of the layer whose params this one uses, None if it has its own."""
        twin = self._sharing.twins.get(layer.name)
        return None if twin is None else self.weight_maps[twin].keras_layer

    def standing(self, layer: Layer) -> dict[int, Standing]:
        """Those params of a layer that layers with other settings use too, by their index."""
        return {
            index: self._standing_blob(layer, index, owner)
            for index, owner in enumerate(layer.owners)
            if owner in self._sharing.standing
        }

    def _standing_blob(self, layer: Layer, index: int, owner: tuple[str, int]) -> Standing:
        if owner not in self._blobs_standing:
            name = self._unique(f"{keras_name(owner[0])}_blob{owner[1]}")
            start = self.params[layer.name][index]
            self._blobs_standing[owner] = Standing.make(start, self.anchor, name)
        return self._blobs_standing[owner]

    def _unique(self, name: str) -> str:
        candidate, number = name, 1
        while candidate in self._names:
            number += 1
            candidate = f"{name}_{number}"
        self._names.add(candidate)
        return candidate


def _alone(tensors: dict[str, Any]) -> Any:
    """One tensor by itself, several as the dict."""
    return tensors if len(tensors) > 1 else next(iter(tensors.values()))
