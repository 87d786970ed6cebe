"""What the solver does with gradients, and what it remembers of them.

Caffe: SGDSolver::ApplyUpdate, ClipGradients, Normalize, Regularize (sgd_solver.cpp). Gradients are
clipped by their norm over all params, then divided by `iter_size`, then regularised; a rule then
gets them with the rate of each param.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.errors import UsageError
from zoo.layers.site import WeightMap
from zoo.net import Net
from zoo.transfer.solver.params import Owner, Param, read_by_owner, write_by_owner
from zoo.transfer.solver.rules import RULES

__all__ = ["Update"]


class Update:
    """The update of the params of one network.

    Parameters
    ----------
    solver : what to do.
    net : the network, and `params` its params in Caffe's order.
    weight_maps, variables : where they stand, see `TrainingModel`.
    history : the blobs of a solver state; zeros without one.

    Raises
    ------
    UsageError
        When the history is not that of this solver and network.
    """

    def __init__(
        self,
        solver: SolverParameter,
        net: Net,
        params: Sequence[Param],
        weight_maps: Mapping[str, WeightMap],
        variables: Mapping[Owner, Any],
        history: Sequence[np.ndarray] | None = None,
    ) -> None:
        self._solver, self._rule = solver, RULES[solver.type]
        self._net, self._weight_maps = net, weight_maps
        self._params = {param.owner: param for param in params}
        self._variables = {owner: variables[owner] for owner in self._params}
        self._moving: set[Owner] = set()
        """Params that go on moving without a gradient, by what is remembered of them."""
        if history is None:
            self._history = [self._zeros() for _ in range(self._rule.histories)]
        else:
            parts = _by_owner(history, params, self._rule.histories)
            self._history = [self._restored(blobs) for blobs in parts]

    def _zeros(self) -> dict[Owner, Any]:
        import tensorflow as tf

        return {
            owner: tf.Variable(tf.zeros(variable.shape), trainable=False)
            for owner, variable in self._variables.items()
        }

    def _restored(self, blobs: Mapping[Owner, np.ndarray]) -> dict[Owner, Any]:
        import tensorflow as tf

        self._moving.update(owner for owner, blob in blobs.items() if np.any(blob))
        arrays = write_by_owner(self._net, self._weight_maps, blobs)
        return {
            owner: tf.Variable(arrays[id(variable)].reshape(variable.shape), trainable=False)
            for owner, variable in self._variables.items()
        }

    @property
    def history(self) -> list[np.ndarray]:
        """The blobs of a solver state."""
        blobs = []
        for remembered in self._history:
            arrays = {
                id(self._variables[owner]): each.numpy() for owner, each in remembered.items()
            }
            found = read_by_owner(self._net, self._weight_maps, arrays)
            blobs += [found[owner] for owner in self._params]
        return blobs

    def norm(self, gradients: Mapping[Owner, Any]) -> Any:
        """Of all gradients together, as a tensor; 0 where nothing is clipped, or nothing learns."""
        import tensorflow as tf

        if self._solver.clip_gradients < 0 or not gradients:
            return tf.constant(0.0)
        return tf.sqrt(tf.add_n([tf.reduce_sum(each * each) for each in gradients.values()]))

    def apply(self, gradients: Mapping[Owner, Any], norm: Any, rate: Any) -> None:
        """Change params and history, as a part of a TensorFlow function.

        Parameters
        ----------
        gradients : of the params that have one, summed over `iter_size` batches.
        norm : what `norm` gave for them.
        rate : the learning rate, times the rule's correction.
        """
        import tensorflow as tf

        limit, scale = self._solver.clip_gradients, 1 / self._solver.iter_size
        if limit >= 0:
            scale = scale * tf.where(norm > limit, limit / norm, 1.0)
        for owner, param in self._params.items():
            variable = self._variables[owner].value
            gradient = gradients.get(owner)
            decay = self._solver.weight_decay * param.decay
            if gradient is None:
                if not decay and owner not in self._moving:
                    continue
                gradient = tf.zeros_like(variable)
            elif not (isinstance(scale, float) and scale == 1):
                gradient = gradient * scale
            if decay:
                l1 = self._solver.regularization_type == "L1"
                gradient = gradient + decay * (tf.sign(variable) if l1 else variable)
            remembered = [history[owner] for history in self._history]
            step, new = self._rule.update(self._solver, gradient, remembered, rate * param.rate)
            for variable_of_history, value in zip(remembered, new, strict=True):
                variable_of_history.assign(value)
            variable.assign_sub(step)


def _by_owner(
    history: Sequence[np.ndarray], params: Sequence[Param], histories: int
) -> list[dict[Owner, np.ndarray]]:
    """The blobs of a solver state by the params that they belong to."""
    if len(history) != histories * len(params):
        raise UsageError(
            f"the solver state has {len(history)} history blobs; this solver and network need"
            f" {histories * len(params)} ({histories} for each of {len(params)} params), so it is"
            " that of another solver or network"
        )
    found = []
    for first in range(0, len(history), len(params)):
        part = history[first : first + len(params)]
        for blob, param in zip(part, params, strict=True):
            if blob.size != np.prod(param.shape, dtype=int):
                layer, index = param.owner
                raise UsageError(
                    f"the solver state has a history of shape {blob.shape} for param {index} of"
                    f" layer {layer!r}, whose shape is {param.shape}: it is that of another network"
                )
        found.append(dict(zip([param.owner for param in params], part, strict=True)))
    return found
