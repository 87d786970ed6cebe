"""Where a kind builds its Keras layers: the bottoms it reads, its weights, its name.

Caffe computes in N x C x H x W, TensorFlow's CPU kernels and XLA want channels last. While a model
is built each blob therefore carries its order: blobs with four or five axes are born channels last
(convolutions, inputs), blobs that a Reshape or Flatten made are in Caffe's order, and a kind asks
for the one it needs. A blob with fewer than three axes is the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.layers.kind import Shape

__all__ = [
    "Blob",
    "Site",
    "Standing",
    "WeightMap",
    "axis_in",
    "to_caffe_order",
    "to_channels_last",
]

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Blob:
    """A blob as a Keras tensor: `shape` is Caffe's, with the batch the definition states."""

    tensor: Any
    shape: Shape
    channels_last: bool = False


@dataclass(frozen=True)
class Standing:
    """A learned blob in Caffe's layout that stands by itself, since several layers use it."""

    keras_layer: Any
    tensor: Any

    @classmethod
    def make(cls, start: np.ndarray, anchor: Any, name: str) -> Standing:
        """The blob with its first values, made a part of the model that `anchor` is in."""
        from zoo.keras_layers.standing import StandingBlob

        keras_layer = StandingBlob(start.shape, name=name)
        start_with(keras_layer, [start])
        return cls(keras_layer, keras_layer(anchor))


@dataclass(frozen=True)
class WeightMap:
    """How the params of one Caffe layer stand in one Keras layer, both ways.

    `to_keras` maps Caffe's blobs to the arrays of ``keras_layer.weights``, which need only have
    the right values in the right order, not the right axes: views that a reshape would copy may
    stay views. `to_caffe` is its inverse, from the values of `variables`; these include those of
    the blobs that stand by themselves.
    """

    keras_layer: Any
    to_keras: Callable[[Arrays], Arrays]
    to_caffe: Callable[[Arrays], Arrays]
    standing: tuple[Standing, ...] = ()
    elsewhere: tuple[tuple[int, int], ...] = ()
    """For each standing blob its index among the params, and the one that its weight would have."""

    @property
    def variables(self) -> list[Any]:
        """The Keras variables that hold the params."""
        return [
            *self.keras_layer.weights,
            *(weight for blob in self.standing for weight in blob.keras_layer.weights),
        ]

    def arrays(self, blobs: Arrays) -> Arrays:
        """Caffe's blobs as values of `variables`; like those of `to_keras` they may be views."""
        slots = {slot for _, slot in self.elsewhere}
        own = [array for slot, array in enumerate(self.to_keras(blobs)) if slot not in slots]
        return [*own, *(blobs[index] for index, _ in self.elsewhere)]


@dataclass
class Site:
    """One layer under construction.

    Attributes
    ----------
    layer : the LayerParameter message.
    name : the Keras name of the layer (Caffe's, with what Keras forbids replaced).
    bottoms : the blobs it reads.
    tops : Caffe shapes of what it must produce.
    params : Caffe shapes of its learned blobs.
    phase : "TRAIN" or "TEST".
    blobs : values of the learned blobs.
    shared : the Keras layer of an earlier layer with which this one shares all its params.
    standing : those of its params that stand by themselves, by their index.
    anchor : some tensor of the model, for a layer that has no bottoms.
    """

    layer: Any
    name: str
    bottoms: list[Blob]
    tops: list[Shape]
    params: list[Shape]
    phase: str = "TEST"
    blobs: Arrays = field(default_factory=list)
    shared: Any = None
    standing: dict[int, Standing] = field(default_factory=dict)
    anchor: Any = None
    weight_map: WeightMap | None = field(default=None, init=False)

    def channels_last(self, index: int = 0) -> Any:
        """Bottom `index` as a tensor with its channels last."""
        return to_channels_last(self.bottoms[index], f"{self.name}_in{index}")

    def caffe_order(self, index: int = 0) -> Any:
        """Bottom `index` as a tensor in Caffe's order of axes."""
        return to_caffe_order(self.bottoms[index], f"{self.name}_in{index}")

    def same_order(self) -> tuple[list[Any], bool]:
        """All bottoms in one order, channels last if any of them is: (tensors, channels_last)."""
        last = any(bottom.channels_last for bottom in self.bottoms)
        turn = self.channels_last if last else self.caffe_order
        return [turn(index) for index in range(len(self.bottoms))], last

    def elementwise(self, keras_layer: Any) -> list[Blob]:
        """The one bottom through a Keras layer that does not care about the order of axes."""
        bottom = self.bottoms[0]
        return [Blob(keras_layer(bottom.tensor), self.tops[0], bottom.channels_last)]

    def weighted(
        self,
        make: Callable[[], Any],
        to_keras: Callable[[Arrays], Arrays],
        to_caffe: Callable[[Arrays], Arrays],
    ) -> Any:
        """What computes with this layer's params: a new Keras layer, or the one it shares."""
        if self.standing:
            return self._with_standing(make, to_keras, to_caffe)
        keras_layer = self.shared
        if keras_layer is None:
            keras_layer = make()
            start_with(keras_layer, to_keras(self.blobs))
        self.weight_map = WeightMap(keras_layer, to_keras, to_caffe)
        return keras_layer

    def _with_standing(
        self,
        make: Callable[[], Any],
        to_keras: Callable[[Arrays], Arrays],
        to_caffe: Callable[[Arrays], Arrays],
    ) -> Any:
        """The same where some params are tensors that the Keras layer takes as inputs."""
        from zoo.keras_layers.standing import WithBlobs
        from zoo.layers.slots import Slots

        slots = Slots(self.params, list(self.standing), to_keras, to_caffe, self.layer.name)
        blobs = tuple(self.standing.values())
        keras_layer = self.shared
        if keras_layer is None:
            inner = make()
            start_with(inner, to_keras(self.blobs))
            keras_layer = WithBlobs(inner, slots.of_blobs, name=self.name)
        places = zip(self.standing, (slot for slot, _, _ in slots.of_blobs), strict=True)
        self.weight_map = WeightMap(keras_layer, to_keras, slots.to_caffe, blobs, tuple(places))
        tensors = [blob.tensor for blob in blobs]

        def call(inputs: Any) -> Any:
            listed = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            return keras_layer([*listed, *tensors])

        return call


def start_with(keras_layer: Any, arrays: Sequence[np.ndarray]) -> None:
    """Let a Keras layer that is not built yet be born with these weights.

    Made first and assigned later, large weights would be initialised and copied for nothing, which
    takes twice the time and memory. The layer's own initializers stay in its configuration.
    """
    from zoo.keras_layers.tensors import tensor_of

    waiting = list(arrays)
    own_add_weight = keras_layer.add_weight

    def add_weight(*arguments: Any, **options: Any) -> Any:
        array = waiting.pop(0)
        if not waiting:
            # The layer has all its weights now: whatever it adds later starts as it says itself.
            object.__delattr__(keras_layer, "add_weight")
        options["initializer"] = lambda shape, dtype=None: tensor_of(array, shape)
        return own_add_weight(*arguments, **options)

    object.__setattr__(keras_layer, "add_weight", add_weight)


def to_channels_last(blob: Blob, name: str) -> Any:
    """The blob's tensor with channels last, through a Permute named after `name` if need be."""
    if blob.channels_last or len(blob.shape) < 3:
        return blob.tensor
    import keras

    axes = (*range(2, len(blob.shape)), 1)
    return keras.layers.Permute(axes, name=f"{name}_channels_last")(blob.tensor)


def to_caffe_order(blob: Blob, name: str) -> Any:
    """The blob's tensor in Caffe's order, through a Permute named after `name` if need be."""
    if not blob.channels_last or len(blob.shape) < 3:
        return blob.tensor
    import keras

    last = len(blob.shape) - 1
    return keras.layers.Permute((last, *range(1, last)), name=f"{name}_caffe_order")(blob.tensor)


def axis_in(axis: int, rank: int, channels_last: bool) -> int:
    """Where Caffe's `axis` (0 or more) stands in a tensor of that order.

    >>> [axis_in(axis, 4, channels_last=True) for axis in range(4)]
    [0, 3, 1, 2]
    """
    if not channels_last or axis == 0:
        return axis
    return rank - 1 if axis == 1 else axis - 1
