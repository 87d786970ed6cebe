"""Training through the net: exact rates for each param, an epoch at a time.

The update is Caffe's, of any of its six solvers, with the rate of each param inside it; nothing is
scaled that a solver such as Adam would scale back. All chance follows from the seed and the number
of the epoch, so that a run can be repeated, and gone on with after any epoch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.build.model import _weight_maps, from_keras, to_keras, update_keras
from zoo.build.predict import reseed
from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import SolverParameter
from zoo.net import Net
from zoo.tensorflow_import import import_tensorflow
from zoo.transfer.plan import Stage
from zoo.transfer.rates import ParamRate, moving_statistics
from zoo.transfer.solver.params import Owner, read_by_owner, variables_of
from zoo.transfer.solver.rules import RULES
from zoo.transfer.tuning.precision import building_for
from zoo.transfer.watch.watcher import Watcher

__all__ = ["Scorer", "Trainer"]


class Scorer:
    """The scores of a net for batches, with weights that can be changed."""

    def __init__(self, net: Net, blob: str) -> None:
        import_tensorflow()
        import tensorflow as tf

        self._net, self._model = net, to_keras(net, [blob])
        self._run = tf.function(lambda inputs: _flat(self._model(inputs, training=False)))

    def use(self, net: Net) -> None:
        """Score with the weights of this net from now on."""
        update_keras(net, self._model)

    def scores(self, batches: Iterable[Any]) -> NDArray[np.float32]:
        """(rows, classes), in the order of the rows."""
        found = []
        for batch in batches:
            inputs = batch[0] if isinstance(batch, tuple) else batch
            found.append(self._run(inputs).numpy())
        return np.concatenate(found)


class Trainer:
    """One stage of training.

    Parameters
    ----------
    net : where to begin; a net for inference.
    blob : the scores before any Softmax.
    stage : how to train.
    rates : of all params.
    class_weights : how much each class counts.
    """

    def __init__(
        self,
        net: Net,
        blob: str,
        stage: Stage,
        rates: Iterable[ParamRate],
        class_weights: NDArray[np.float32],
    ) -> None:
        import_tensorflow()
        import tensorflow as tf

        rates = list(rates)
        self._net, self.stage = net, stage
        self._input = next(iter(net.inputs))
        training = training_net(net, stage, moving_statistics(net, stage, rates))
        with building_for(stage.precision):
            self._model = to_keras(training, [blob])
        variables = variables_of(training, _weight_maps(self._model))
        learning = [rate for rate in rates if rate.rate and rate.owner in variables]
        self._rates = learning
        self._variables = [variables[rate.owner] for rate in learning]
        self._solver = SolverParameter(
            type=stage.solver, momentum=_momentum(stage), base_lr=1, weight_decay=stage.weight_decay
        )
        self._rule = RULES[stage.solver]
        self._history = [
            [tf.Variable(tf.zeros(each.shape), trainable=False) for each in self._variables]
            for _ in range(self._rule.histories)
        ]
        self._averages = [
            tf.Variable(each.value, trainable=False) for each in self._variables if stage.average
        ]
        self._class_weights = tf.constant(class_weights)
        self._compiled = tf.function(self._update_all)
        self.steps = 0

    @property
    def net(self) -> Net:
        """The net for inference with the weights as they are now."""
        return from_keras(self._net, self._model)

    @property
    def averaged(self) -> Net:
        """The same with the average of the weights, where the stage has one."""
        if not self._averages:
            return self.net
        maps = _weight_maps(self._model)
        arrays = {id(each): each.numpy() for map in maps.values() for each in map.variables}
        for variable, average in zip(self._variables, self._averages, strict=True):
            arrays[id(variable)] = average.numpy()
        blobs = read_by_owner(self._net, maps, arrays)
        layers = [self._net.layer(name) for name in maps]
        return self._net.with_params(
            {
                layer.name: [
                    blobs[owner].reshape(shape)
                    for owner, shape in zip(layer.owners, layer.param_shapes, strict=True)
                ]
                for layer in layers
            }
        )

    @property
    def model(self) -> Any:
        """The Keras model that is trained."""
        return self._model

    @property
    def variables(self) -> dict[Owner, Any]:
        """The variables that learn."""
        owners = [rate.owner for rate in self._rates]
        return dict(zip(owners, self._variables, strict=True))

    def epoch(
        self,
        batches: Iterable[Any],
        length: int,
        number: int,
        seed: int,
        watcher: Watcher | None = None,
    ) -> dict[str, float]:
        """Train for one epoch.

        Parameters
        ----------
        batches : pairs of inputs and labels; `length` is how many there are.
        number : which epoch of the stage it is, from 0.
        seed : what Dropout draws from.
        watcher : looks on.

        Returns
        -------
        loss and accuracy on what was trained on, as it was seen, and the factor of the rates.
        """
        self.reseed(seed, number)
        chance, mixup = np.random.default_rng([seed, number]), self.stage.mixup
        loss = right = rows = 0.0
        factor = 1.0
        for index, (inputs, labels) in enumerate(batches):
            factor = self.stage.factor(number + index / length)
            if watcher is not None:
                watcher.before(self.steps, {self._input: inputs, "label": labels})
            share = chance.beta(mixup, mixup) if mixup else 1.0
            batch_loss, batch_right = self.step(inputs, labels, factor, share)
            if watcher is not None:
                watcher.after(self.steps - 1, batch_loss)
            loss += batch_loss * len(labels)
            right += batch_right
            rows += len(labels)
        return {"loss": loss / rows, "accuracy": right / rows, "factor": factor}

    def reseed(self, seed: int, number: int) -> None:
        """Let Dropout draw what it does in this epoch of a run with this seed."""
        reseed(self._model, (seed * 100_003 + number) % 2**31)

    def step(
        self, inputs: Any, labels: Any, factor: float, share: float = 1.0
    ) -> tuple[float, float]:
        """One step at `factor` times the rates; mean loss before it, and how many were right.

        In a stage with mixup each row is mixed with its opposite in the batch and has `share`.
        """
        import tensorflow as tf

        rate = factor * self._rule.correction(self._solver, self.steps)
        loss, right = self._compiled(
            tf.convert_to_tensor(inputs),
            tf.convert_to_tensor(labels),
            tf.constant(rate, tf.float32),
            tf.constant(share, tf.float32),
        )
        self.steps += 1
        return float(loss), float(right)

    def state(self) -> dict[str, NDArray[np.float32]]:
        """What the solver remembers, and the average of the weights, for a checkpoint."""
        return {name: variable.numpy() for name, variable in self._remembered()}

    def restore(self, net: Net, state: Mapping[str, NDArray[np.float32]], steps: int) -> None:
        """Go on from a checkpoint: the weights of `net`, and what `state` gave."""
        update_keras(net, self._model)
        for name, variable in self._remembered():
            variable.assign(state[name])
        self.steps = steps

    def _remembered(self) -> Iterator[tuple[str, Any]]:
        parts = {str(part): histories for part, histories in enumerate(self._history)}
        if self._averages:
            parts["average"] = self._averages
        for part, variables in parts.items():
            for variable, rate in zip(variables, self._rates, strict=True):
                yield f"{part}/{rate.owner[0]}/{rate.owner[1]}", variable

    def _update_all(self, inputs: Any, labels: Any, rate: Any, share: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        if self.stage.mixup:
            inputs = share * inputs + (1 - share) * tf.reverse(inputs, [0])

        values = [variable.value for variable in self._variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            scores = _flat(self._model(inputs, training=True))
            loss = self.loss(scores, labels)
            if self.stage.mixup:
                loss = share * loss + (1 - share) * self.loss(scores, tf.reverse(labels, [0]))
        gradients = tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        if self.stage.clip:
            gradients, _ = tf.clip_by_global_norm(gradients, self.stage.clip)
        for index, (gradient, each) in enumerate(zip(gradients, self._rates, strict=True)):
            self._update(index, tf.convert_to_tensor(gradient), each, rate)
        for variable, average in zip(self._variables, self._averages, strict=False):
            average.assign_sub((1 - self.stage.average) * (average - variable.value))
        hit = tf.equal(tf.argmax(scores, axis=1), tf.cast(labels, tf.int64))
        return loss, tf.reduce_sum(tf.cast(hit, tf.float32))

    def loss(self, scores: Any, labels: Any) -> Any:
        """The loss that is trained, of scores of any shape with one for each class."""
        import tensorflow as tf

        scores = _flat(scores)
        classes = scores.shape[-1]
        targets = tf.one_hot(labels, classes)
        smooth = self.stage.label_smoothing
        if smooth:
            targets = targets * (1 - smooth) + smooth / classes
        losses = tf.nn.softmax_cross_entropy_with_logits(targets, scores)
        return tf.reduce_mean(losses * tf.gather(self._class_weights, labels))

    def _update(self, index: int, gradient: Any, each: ParamRate, rate: Any) -> None:
        variable = self._variables[index].value
        decay = self.stage.weight_decay * each.decay
        if decay:
            gradient = gradient + decay * variable
        remembered = [histories[index] for histories in self._history]
        step, new = self._rule.update(self._solver, gradient, remembered, rate * each.rate)
        for history, value in zip(remembered, new, strict=True):
            history.assign(value)
        variable.assign_sub(step)


def training_net(net: Net, stage: Stage, statistics: Collection[str]) -> Net:
    """The net as it is trained: with Dropout, and the BatchNorms that learn `statistics`."""
    definition = copy_without(net.definition, "layer")
    for layer in net.layers:
        message = definition.layer.add()
        message.CopyFrom(layer.definition)
        if message.type == "BatchNorm":
            message.batch_norm_param.use_global_stats = layer.name not in statistics
        if message.type == "Dropout" and stage.dropout is not None:
            message.dropout_param.dropout_ratio = stage.dropout
    return Net(definition, net.params, phase="TRAIN", shapes=net.inputs)


def _momentum(stage: Stage) -> float:
    return stage.momentum if RULES[stage.solver].momentum else 0.0


def _flat(scores: Any) -> Any:
    import tensorflow as tf

    flat = tf.reshape(scores, (-1, int(np.prod(scores.shape[1:]))))
    return tf.cast(flat, tf.float32)  # whatever the layers compute in
