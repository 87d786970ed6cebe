"""The model that is trained: gradients as Caffe has them, one variable for each shared param."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from zoo.build.backward_builder import BackwardBuilder
from zoo.build.builder import Builder
from zoo.build.need_backward import Step
from zoo.layers.site import Blob, Standing
from zoo.net import Layer, Net

__all__ = ["TrainingBuilder"]


class TrainingBuilder(BackwardBuilder):
    """Builds the layers of some steps.

    Parameters
    ----------
    steps : the layers, and what of each goes backward.
    net : where their params are.
    values : blobs whose values are wanted.
    watched : whether each value that a layer reads is a tensor of its own, to see its diff.

    Attributes
    ----------
    made_blobs : (layer, blob, its value when this layer had made it), in order; if `watched`.
    read_blobs : (layer, blob, what the layer read) of those that get a diff; if `watched`.
    """

    def __init__(
        self, steps: Sequence[Step], net: Net, values: Collection[str], *, watched: bool = False
    ) -> None:
        self._watched = watched
        self.made_blobs: list[tuple[str, str, Blob]] = []
        self.read_blobs: list[tuple[str, str, Blob]] = []
        super().__init__(steps, net, values, ())
        if watched:
            self.made_blobs[:0] = [
                (layer.name, top, Blob(self.inputs[top], shape or (), False))
                for layer in net.layers
                for top, shape in zip(layer.tops, layer.top_shapes, strict=True)
                if layer.is_source and top in self.inputs
            ]

    def bottom(self, layer: Layer, index: int) -> Blob:
        blob = super().bottom(layer, index)
        if not (self._watched and self._steps[id(layer)].bottoms[index]):
            return blob
        from keras import ops

        blob = replace(blob, tensor=ops.copy(blob.tensor))
        self.read_blobs.append((layer.name, layer.bottoms[index], blob))
        return blob

    def made(self, layer: Layer, tops: Sequence[Blob]) -> None:
        super().made(layer, tops)
        if self._watched:
            made = [(layer.name, top, self.blobs[top]) for top in layer.tops]
            self.made_blobs.extend(made)

    def shared(self, layer: Layer) -> Any:
        """The Keras layer of the layer whose params this one uses."""
        return Builder.shared(self, layer)

    def standing(self, layer: Layer) -> dict[int, Standing]:
        """The params of a layer that layers with other settings use too."""
        return Builder.standing(self, layer)
