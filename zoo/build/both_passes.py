"""A net compiled for running forward and backward in one go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.build.backward_builder import BackwardBuilder
from zoo.build.inputs import ModelInputs
from zoo.build.model import needed_layers
from zoo.build.need_backward import Step, backward_steps, with_named_losses, without_gradient
from zoo.build.predict import device_scope, reseed
from zoo.errors import ShapeError, UsageError
from zoo.layers.kind import Shape
from zoo.layers.site import Blob, WeightMap
from zoo.net import Net
from zoo.tensorflow_import import import_tensorflow

__all__ = ["BothPasses", "Diffs"]

Arrays = dict[str, np.ndarray]


class Diffs(NamedTuple):
    """What the two passes leave behind, in Caffe's names and order."""

    values: Arrays
    blobs: Arrays
    params: dict[str, list[np.ndarray]]


class BothPasses:
    """The passes of a net that start backward from its losses, or from given diffs.

    Parameters
    ----------
    net : the network; its weights are those it has now.
    values : blobs whose values are wanted, from the same forward pass.
    started : blobs whose diffs will be given.
    force_backward : as if the definition said so.
    device : "cpu", "gpu:0", ...; None leaves the choice to TensorFlow.

    Attributes
    ----------
    weight_maps : by layer, how its params stand in the model.
    """

    def __init__(
        self,
        net: Net,
        values: Sequence[str],
        started: Sequence[str],
        *,
        force_backward: bool = False,
        device: str | None = None,
    ) -> None:
        import_tensorflow()
        import keras

        named = with_named_losses(net)
        force = force_backward or bool(net.definition.force_backward)
        steps = _needed_steps(named, backward_steps(named.layers, force=force), values, started)
        self._phase, self._device = net.phase, device
        self._values, self._started = list(values), list(started)
        # Without the names that losses got only for this.
        made = {top for step in steps for top in step.layer.tops} - without_gradient(net.layers)
        self._names = [name for name in net.blobs if name in made]
        self._layers = net.layers
        self._learns = {step.layer.name: step.params for step in steps}
        with device_scope(device):
            built = BackwardBuilder(steps, net, values, started)
            ends = [*(blob for blob, _ in built.losses), *(built.blobs[name] for name in started)]
            wanted = [*ends, *built.reached.values(), *(built.blobs[name] for name in values)]
            self._model = keras.Model(built.inputs, [blob.tensor for blob in wanted])
        self._weights = [weight for _, weight in built.losses]
        self._blobs, self._reached = built.blobs, built.reached
        self.weight_maps: Mapping[str, WeightMap] = built.weight_maps
        self._inputs = ModelInputs(named, [step.layer for step in steps], self._model.input)
        self._compiled: Any = None

    @property
    def state(self) -> list[Any]:
        """The variables that a pass may change: running averages, generators of random numbers."""
        return list(self._model.non_trainable_variables)

    def __call__(
        self, inputs: Mapping[str, Any], diffs: Mapping[str, Any], seed: int | None = None
    ) -> Diffs:
        """Run them; `diffs` has an array for each of the blobs that are started.

        `seed` fixes what layers draw at random, see `zoo.build.predict.reseed`.
        """
        import tensorflow as tf

        arrays = self._inputs.arrays(inputs)
        shapes = self._inputs.check({name: np.shape(value) for name, value in inputs.items()}).blobs
        starts = [self._start(name, diffs[name], shapes[name]) for name in self._started]
        if self._compiled is None:
            self._compiled = tf.function(self._run, autograph=False, reduce_retracing=True)
        if seed is not None:
            reseed(self._model, seed)
        with device_scope(self._device):
            given = {name: tf.constant(array) for name, array in arrays.items()}
            values, found, of_weights = self._compiled(given, [tf.constant(s) for s in starts])
        reached = _as_caffe(self._reached, found)
        return Diffs(
            _as_caffe({name: self._blobs[name] for name in self._values}, values),
            {
                name: reached[name] if name in reached else np.zeros(shapes[name] or (), np.float32)
                for name in self._names
            },
            self._param_diffs([[tensor.numpy() for tensor in each] for each in of_weights]),
        )

    def _start(self, name: str, diff: Any, shape: Shape | None) -> np.ndarray:
        """The diff that a blob starts from, in the order of its tensor."""
        array = np.asarray(diff, np.float32)
        if array.shape != shape:
            raise ShapeError(
                f"the diff of {name!r} must have the shape that the blob has for these inputs,"
                f" {shape}; received {array.shape}"
            )
        turned = _is_turned(self._blobs[name])
        return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if turned else array

    def _run(self, inputs: dict[str, Any], diffs: list[Any]) -> tuple[Any, Any, Any]:
        """Values of the wanted blobs, gradients of those that are reached, and of the weights."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            tensors = list(self._model(inputs, training=self._phase == "TRAIN"))
        losses, given = len(self._weights), len(self._weights) + len(diffs)
        last = given + len(self._reached)
        starts = [
            tf.fill(tf.shape(loss), weight)
            for loss, weight in zip(tensors[:losses], self._weights, strict=True)
        ]
        variables = [
            [variable.value for variable in weight_map.variables]
            for weight_map in self.weight_maps.values()
        ]
        found, of_weights = tape.gradient(
            tensors[:given],
            (tensors[given:last], variables),
            output_gradients=[*starts, *diffs],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # What is gathered by index has its gradient in pieces.
        found = [tf.convert_to_tensor(gradient) for gradient in found]
        dense = [[tf.convert_to_tensor(each) for each in gradients] for gradients in of_weights]
        return tensors[last:], found, dense

    def _param_diffs(self, found: list[list[np.ndarray]]) -> dict[str, list[np.ndarray]]:
        """Diffs of all params: each layer's own, added up where params are shared."""
        own = {
            name: weight_map.to_caffe(arrays)
            for (name, weight_map), arrays in zip(self.weight_maps.items(), found, strict=True)
        }
        sums: dict[tuple[str, int], np.ndarray] = {}
        for layer in self._layers:
            for index, owner in enumerate(layer.owners):
                shape = layer.param_shapes[index]
                total = sums.setdefault(owner, np.zeros(shape, np.float32))
                if layer.name in own and self._learns[layer.name][index]:
                    total += own[layer.name][index].reshape(total.shape)
        return {
            layer.name: [
                sums[owner].reshape(shape).copy()
                for owner, shape in zip(layer.owners, layer.param_shapes, strict=True)
            ]
            for layer in self._layers
            if layer.param_shapes
        }


def _needed_steps(
    net: Net, steps: Sequence[Step], values: Sequence[str], started: Sequence[str]
) -> list[Step]:
    """The steps on which the losses, the blobs with a diff and the wanted values depend."""
    losses = [
        top
        for step in steps
        for top, start in zip(step.layer.tops, step.starts, strict=True)
        if start
    ]
    if not losses and not started:
        raise UsageError(
            f"{net.name!r} has no loss in phase {net.phase}, so the diffs of some blobs must be"
            f" given to start from. Its outputs are {', '.join(net.outputs)}."
        )
    needed = {id(layer) for layer in needed_layers(net, [*losses, *started, *values])}
    return [step for step in steps if id(step.layer) in needed]


def _as_caffe(blobs: Mapping[str, Blob], tensors: Sequence[Any]) -> Arrays:
    """Tensors in the order of these blobs as arrays in Caffe's order."""
    arrays = {}
    for (name, blob), tensor in zip(blobs.items(), tensors, strict=True):
        array = tensor.numpy()
        turned = _is_turned(blob)
        arrays[name] = np.ascontiguousarray(np.moveaxis(array, -1, 1)) if turned else array
    return arrays


def _is_turned(blob: Blob) -> bool:
    return blob.channels_last and len(blob.shape) > 2
