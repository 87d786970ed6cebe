"""One training step, compiled: forward, backward and update. Caffe: Solver::Step (solver.cpp)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from zoo.build.predict import device_scope
from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.net import Net
from zoo.transfer.solver.model import TrainingModel
from zoo.transfer.solver.params import Owner, layer_params, learned, read_by_owner
from zoo.transfer.solver.rules import RULES
from zoo.transfer.solver.update import Update

__all__ = ["Done", "TrainingStep"]

Arrays = dict[str, np.ndarray]


class Done(NamedTuple):
    """What a step tells.

    Attributes
    ----------
    loss : the mean over `iter_size` batches, before the update.
    norm : of the gradients before they were clipped; 0 where nothing is.
    outputs : values of the network's outputs for the last batch, by name.
    watched : numbers of `debug_info`, still on the device.
    """

    loss: float
    norm: float
    outputs: Arrays
    watched: Any


class TrainingStep:
    """The step of one network and one solver; params and history stay on the device.

    Parameters
    ----------
    net : in the phase to train, with all its weights.
    solver : Caffe's solver.
    device : "cpu", "gpu:0", ...; None leaves the choice to TensorFlow.
    history : the blobs of a solver state; None starts with zeros.
    seed : what Dropout and its like draw from.

    Raises
    ------
    UsageError
        When the network has no loss, or the history is that of another solver or network.
    """

    def __init__(
        self,
        net: Net,
        solver: SolverParameter,
        device: str | None = None,
        *,
        history: Sequence[np.ndarray] | None = None,
        seed: int = 0,
    ) -> None:
        # Without its weights, which would lie in memory beside those of the model.
        self._net = Net(net.definition, phase=net.phase, shapes=net.inputs)
        self._solver, self.device = solver, device
        self.params = learned(net)
        self.model = TrainingModel(net, device, watched=solver.debug_info)
        self.model.reseed(seed)
        with device_scope(device):
            self.update = Update(
                solver,
                self._net,
                self.params,
                self.model.weight_maps,
                self.model.variables,
                history,
            )
        self._sums = self._accumulators() if solver.iter_size > 1 else {}
        self._compile()

    def __call__(self, batches: Sequence[Arrays], rate: float, iteration: int) -> Done:
        """Update the params once.

        Parameters
        ----------
        batches : `iter_size` of them, from `model.arrays`.
        rate : of the policy.
        iteration : updates that were made before.
        """
        import tensorflow as tf

        rate *= RULES[self._solver.type].correction(self._solver, iteration)
        with device_scope(self.device):
            given = [
                {name: tf.constant(array) for name, array in batch.items()} for batch in batches
            ]
            losses = [self._accumulate(batch) for batch in given[:-1]]
            loss, norm, outputs, watched = self._finish(given[-1], tf.constant(rate, tf.float32))
            losses.append(loss)
            total = sum(float(each) for each in losses)
            named = dict(zip(self.model.outputs, outputs, strict=True))
            return Done(total / len(batches), float(norm), named, watched)

    def loss(self, batch: Arrays) -> float:
        """That of a batch, without an update."""
        import tensorflow as tf

        with device_scope(self.device):
            return float(self._look({name: tf.constant(array) for name, array in batch.items()}))

    @property
    def net(self) -> Net:
        """The network with the weights that it has now."""
        arrays = {
            id(variable): variable.numpy()
            for weight_map in self.model.weight_maps.values()
            for variable in weight_map.variables
        }
        blobs = read_by_owner(self._net, self.model.weight_maps, arrays)
        return self._net.with_params(layer_params(self._net, blobs))

    @property
    def plain_net(self) -> Net:
        """The network without weights."""
        return self._net

    def _accumulators(self) -> dict[Owner, Any]:
        """Where the gradients of several batches are summed."""
        import tensorflow as tf

        with device_scope(self.device):
            return {
                owner: tf.Variable(tf.zeros(self.model.variables[owner].shape), trainable=False)
                for owner in self.model.learning
            }

    def _compile(self) -> None:
        import tensorflow as tf

        self._finish, self._accumulate, self._look = (
            tf.function(function, autograph=False, reduce_retracing=True)
            for function in (self._last, self._earlier, self._looked)
        )

    def _earlier(self, inputs: dict[str, Any]) -> Any:
        """A batch before the last of an iteration."""
        passes = self.model.passes(inputs)
        for owner, total in self._sums.items():
            total.assign_add(passes.gradients[owner])
        return passes.loss

    def _last(self, inputs: dict[str, Any], rate: Any) -> tuple[Any, Any, list[Any], Any]:
        """The last batch of an iteration, and the update."""
        import tensorflow as tf

        passes = self.model.passes(inputs)
        gradients = dict(passes.gradients)
        for owner, total in self._sums.items():
            gradients[owner] += total
        norm = self.update.norm(gradients)
        self.update.apply(gradients, norm, rate)
        for total in self._sums.values():
            total.assign(tf.zeros_like(total))
        return passes.loss, norm, passes.outputs, passes.watched

    def _looked(self, inputs: dict[str, Any]) -> Any:
        return self.model.passes(inputs).loss
