"""The tensors of a model, made layer by layer from those of a net."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.build.conventions import channels_last_axes, keras_name
from zoo.build.free_sizes import is_spatially_free
from zoo.build.sharing import Sharing
from zoo.caffe.weights import drop_pages
from zoo.errors import NetError, UnsupportedLayersError
from zoo.layers.kind import known_types
from zoo.layers.site import Blob, Site, Standing, WeightMap, to_caffe_order, to_channels_last
from zoo.net import Layer

__all__ = ["Builder", "check_supported"]


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
        if len(tops) != len(layer.tops):
            raise NetError(
                f"`build` of {type(layer.kind).__name__} gives {len(tops)} blob(s) for"
                f" {len(layer.tops)} top(s); expected one for each",
                layer.name,
            )
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
