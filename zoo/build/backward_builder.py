"""The model of the backward pass: the ordinary one, with gradients where Caffe has them.

Each value of a blob is a tensor of its own, so that in-place layers and layers that hand on their
bottom as it is have diffs of their own; gradients stop at the bottoms to which Caffe sends none;
and layers that share params have weights of their own, whose diffs are added up later.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from zoo.build.builder import Builder, check_supported
from zoo.build.need_backward import Step
from zoo.layers.site import Blob, Standing
from zoo.net import Layer, Net

__all__ = ["BackwardBuilder"]


class BackwardBuilder(Builder):
    """Builds the layers of some steps.

    Parameters
    ----------
    steps : the layers, and what of each goes backward.
    net : where their params are.
    values : blobs whose values are wanted.
    started : blobs whose diff is given instead of a loss weight.

    Attributes
    ----------
    losses : the values that count in the loss, with their weights.
    reached : of each blob that gets a diff the first value that does.
    """

    def __init__(
        self, steps: Sequence[Step], net: Net, values: Collection[str], started: Collection[str]
    ) -> None:
        self._steps = {id(step.layer): step for step in steps}
        self._started = started
        self.losses: list[tuple[Blob, float]] = []
        self.reached: dict[str, Blob] = {}
        layers = [step.layer for step in steps]
        check_supported(layers)
        super().__init__(layers, [*values, *started], net.phase, net.initialized().params)
        for name in started:
            self.reached.setdefault(name, self.blobs[name])

    def bottom(self, layer: Layer, index: int) -> Blob:
        from keras import ops

        blob = super().bottom(layer, index)
        if self._steps[id(layer)].bottoms[index]:
            self.reached.setdefault(layer.bottoms[index], blob)
            return blob
        return replace(blob, tensor=ops.stop_gradient(blob.tensor))

    def made(self, layer: Layer, tops: Sequence[Blob]) -> None:
        from keras import ops

        # Only copies have gradients that can be told apart.
        tops = [replace(top, tensor=ops.copy(top.tensor)) for top in tops]
        super().made(layer, tops)
        for name, top, start in zip(layer.tops, tops, self._steps[id(layer)].starts, strict=True):
            if start and name not in self._started:
                self.losses.append((top, start))
                self.reached.setdefault(name, top)

    def shared(self, layer: Layer) -> None:
        """No layer uses the weights of another."""
        return

    def standing(self, layer: Layer) -> dict[int, Standing]:
        """No param stands by itself."""
        return {}
