"""A network compiled for training: its losses and outputs, and the gradients that Caffe has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.build.inputs import ModelInputs
from zoo.build.need_backward import Step, backward_steps, loss_weights, with_named_losses
from zoo.build.predict import device_scope, reseed
from zoo.errors import UsageError
from zoo.layers.site import to_caffe_order
from zoo.net import Net
from zoo.tensorflow_import import import_tensorflow
from zoo.transfer.databases import Batch
from zoo.transfer.solver.biases import bias_gradient, biased_outputs
from zoo.transfer.solver.debug import Watch
from zoo.transfer.solver.params import Owner, variables_of
from zoo.transfer.solver.training_builder import TrainingBuilder

__all__ = ["Passes", "TrainingModel"]


class Passes(NamedTuple):
    """What a pass forward and backward leaves behind, as tensors.

    Attributes
    ----------
    loss : all losses, each times its weight.
    outputs : values of the network's outputs.
    gradients : of the params that learn.
    watched : see `zoo.transfer.solver.debug`; empty where nothing is.
    """

    loss: Any
    outputs: list[Any]
    gradients: dict[Owner, Any]
    watched: Any


class TrainingModel:
    """A network with variables for its params.

    Parameters
    ----------
    net : in the phase to train, with weights.
    device : "cpu", "gpu:0", ...; None leaves the choice to TensorFlow.
    watched : whether the means of all blobs and diffs are wanted, as `debug_info` prints them.

    Attributes
    ----------
    weights : by blob, what it counts in the loss.
    outputs : names of the network's outputs, in the order in which Caffe prints them.
    weight_maps : by layer, how its params stand in the model.
    variables : the variable of each param.
    learning : the params that get a gradient.

    Raises
    ------
    UsageError
        When the network has no loss.
    """

    def __init__(self, net: Net, device: str | None = None, *, watched: bool = False) -> None:
        import_tensorflow()
        import keras

        named = with_named_losses(net)
        self.weights = weights_of(named)
        losses = [top for top, weight in self.weights.items() if weight]
        if not losses:
            raise UsageError(
                f"{net.name!r} has no loss in phase {net.phase}, so there is nothing to train"
            )
        self.outputs = sorted(named.outputs)
        # What ends in a layer without tops, such as Silence, is trained and decays as well.
        ends = [name for layer in named.layers if not layer.tops for name in layer.bottoms]
        steps = backward_steps(named.layers, force=bool(named.definition.force_backward))
        with device_scope(device):
            values = dict.fromkeys([*losses, *self.outputs, *ends])
            built = TrainingBuilder(steps, named, list(values), watched=watched)
            self.weight_maps = dict(built.weight_maps)
            self.variables = variables_of(named, self.weight_maps)
            self.learning = _learning(steps, self.variables)
            self._watch = Watch(built, named, self.learning) if watched else None
            biased = biased_outputs(named, self.weight_maps)
            self._biases = [owner for owner in biased if owner in self.learning]
            parts = {
                "starting": [blob.tensor for blob, _ in built.losses],
                "losses": [built.blobs[name].tensor for name in losses],
                "outputs": [
                    to_caffe_order(built.blobs[name], f"output_{index}")
                    for index, name in enumerate(self.outputs)
                ],
                "ends": [built.blobs[name].tensor for name in ends],
                "biased": [biased[owner] for owner in self._biases],
                "made": self._watch.made if self._watch else [],
                "read": self._watch.read if self._watch else [],
            }
            self._model = keras.Model(built.inputs, parts)
        self._starts = [weight for _, weight in built.losses]
        self._loss_weights = [self.weights[name] for name in losses]
        self._trains = net.phase == "TRAIN"
        self._inputs = ModelInputs(named, named.layers, self._model.input)

    @property
    def keras_model(self) -> Any:
        """The Keras model that is trained; its variables change with each step."""
        return self._model

    @property
    def starting(self) -> list[Any]:
        """The tensors of the Keras model that gradients start from."""
        return list(self._model.output["starting"])

    def total(self, values: Sequence[Any]) -> Any:
        """What the values of `starting` count together."""
        import tensorflow as tf

        return tf.add_n(
            [
                weight * tf.reduce_sum(value)
                for value, weight in zip(values, self._starts, strict=True)
            ]
        )

    def debug_lines(self, numbers: Sequence[float]) -> list[str]:
        """What Caffe prints for `Passes.watched`."""
        return self._watch.lines(numbers) if self._watch else []

    def arrays(self, batch: Batch) -> dict[str, np.ndarray]:
        """A batch as the model takes it. Raises UsageError, ShapeError where it does not fit."""
        return self._inputs.arrays(batch)

    def reseed(self, seed: int) -> None:
        """Let layers that draw at random draw what this seed says from now on."""
        reseed(self._model, seed)

    @property
    def generators(self) -> dict[str, list[int]]:
        """Where the random numbers of each layer are."""
        return {name: state.numpy().tolist() for name, state in self._generators().items()}

    @generators.setter
    def generators(self, states: dict[str, list[int]]) -> None:
        for name, state in self._generators().items():
            if name in states:
                state.assign(states[name])

    def _generators(self) -> dict[str, Any]:
        return {
            layer.name: layer.seed_generator.state
            for layer in self._model.layers
            if getattr(layer, "seed_generator", None) is not None
        }

    def passes(self, inputs: dict[str, Any]) -> Passes:
        """Forward and backward for a batch, as a part of a TensorFlow function."""
        import tensorflow as tf

        others = [owner for owner in self.learning if owner not in self._biases]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([self.variables[owner].value for owner in self.learning])
            parts = self._model(inputs, training=self._trains)
        starts = [
            tf.fill(tf.shape(loss), weight)
            for loss, weight in zip(parts["starting"], self._starts, strict=True)
        ]
        found, of_biased, diffs = tape.gradient(
            parts["starting"],
            ([self.variables[owner].value for owner in others], parts["biased"], parts["read"]),
            output_gradients=starts,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # What is gathered by index has its gradient in pieces.
        by_owner = dict(zip(others, map(tf.convert_to_tensor, found), strict=True))
        by_owner |= dict(zip(self._biases, map(bias_gradient, of_biased), strict=True))
        loss = tf.add_n(
            [
                weight * tf.reduce_sum(value)
                for value, weight in zip(parts["losses"], self._loss_weights, strict=True)
            ]
        )
        watched: Any = ()
        if self._watch is not None:
            watched = self._watch.numbers(parts["made"], diffs, self.variables, by_owner)
        return Passes(loss, parts["outputs"], by_owner, watched)


def weights_of(net: Net) -> dict[str, float]:
    """What each blob counts in the loss; 0 for most."""
    return {
        top: weight
        for layer in net.layers
        for top, weight in zip(layer.tops, loss_weights(layer), strict=True)
    }


def _learning(steps: Sequence[Step], variables: Mapping[Owner, Any]) -> list[Owner]:
    """The params that some layer has a gradient of; statistics of the data have none."""
    owners = [
        owner
        for step in steps
        for owner, learns in zip(step.layer.owners, step.params, strict=True)
        if learns and variables[owner].trainable
    ]
    return list(dict.fromkeys(owners))
