"""Looking into a model under training without touching it.

A look runs a few rows of a batch forward and backward through the layers and variables of the
model itself, in a function of its own: the compiled training step stays as it is. What such a run
changes by the way, the statistics of BatchNorm and the state of Dropout, is put back, so that
training goes on bit for bit as if nobody had looked.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.build.conventions import keras_name
from zoo.build.predict import device_scope
from zoo.layers.kind import Shape
from zoo.net import Layer, Net
from zoo.transfer.watch.look import Look, Scores

__all__ = ["Probe"]

Arrays = Mapping[str, np.ndarray]

_SAME_VALUES = ("Split", "Dropout", "Flatten", "Reshape", "Slice", "Concat", "Silence", "Accuracy")
_SAMPLED = 20_000  # weights of a layer, from which the size of its update is taken
_KEPT = 10_000_000  # weights of a net that are small enough to be kept from look to look
_END = 0.01  # of the range of a Sigmoid or TanH


class Probe:
    """Looks at one model.

    Parameters
    ----------
    net : the network that the model was built from.
    model : the model under training.
    ends : tensors of the model from which `loss` computes the loss.
    loss : the loss of the values of `ends` and the inputs, both as TensorFlow has them.
    learning : by layer, the variable of its weights; of the layers whose weights learn.
    scored : layers whose values are scores of classes.
    training : whether the model runs as in training.
    device : where.
    """

    def __init__(
        self,
        net: Net,
        model: Any,
        ends: Sequence[Any],
        loss: Callable[[Sequence[Any], Mapping[str, Any]], Any],
        learning: Mapping[str, Any],
        *,
        scored: Sequence[str] = (),
        training: bool = True,
        device: str | None = None,
    ) -> None:
        import keras
        import tensorflow as tf

        self._learning, self._loss, self._scored = dict(learning), loss, scored
        self._training, self._device = training, device
        self._layers = _layers(net, model)
        tensors = [tensor for _, tensor in self._layers.values()]
        with warnings.catch_warnings():
            # Inputs go by the names of blobs, which may have the slashes that Keras forbids.
            warnings.filterwarnings("ignore", "When providing `inputs` as a dict")
            self._model = keras.Model(model.input, {"layers": tensors, "ends": list(ends)})
        self._variables = [each for each in model.variables if each.trainable]
        self._kept: list[np.ndarray] = []
        self._look = tf.function(self._looked, autograph=False, reduce_retracing=True)
        self._sample = tf.function(self._sampled, autograph=False)

    def look(self, inputs: Arrays, iteration: int) -> Look:
        """Look at a batch; the first of `inputs` are the model's own."""
        import tensorflow as tf

        with device_scope(self._device):
            given = {name: tf.convert_to_tensor(array) for name, array in inputs.items()}
            seen = {name: _numpy(part) for name, part in self._look(given).items()}
        names, learning = list(self._layers), list(self._learning)
        return Look(
            iteration,
            len(next(iter(inputs.values()))),
            dict(zip(names, map(float, seen["means"]), strict=True)),
            dict(zip(self._named("ReLU"), seen["active"], strict=True)),
            dict(zip(self._named("Sigmoid", "TanH"), map(float, seen["saturated"]), strict=True)),
            dict(zip(learning, map(float, seen["gradients"]), strict=True)),
            dict(zip(learning, map(float, seen["weights"]), strict=True)),
            {name: int(np.prod(self._learning[name].shape)) for name in learning},
            frozenset(
                name for name, apart in zip(learning, seen["apart"], strict=True) if apart == 0
            ),
            scores={
                name: Scores(*map(float, numbers))
                for name, numbers in zip(self._scores(), seen["scores"], strict=True)
            },
        )

    def weights(self) -> list[np.ndarray]:
        """Some weights of each layer that learns, to see later how far they have gone."""
        with device_scope(self._device):
            return [each.numpy() for each in self._sample()]

    def updates(self, before: Sequence[np.ndarray]) -> dict[str, float]:
        """By layer, how far its weights have gone since then, relative to their size."""
        found = {}
        with np.errstate(all="ignore"):  # weights that have run away
            for name, old, new in zip(self._learning, before, self.weights(), strict=True):
                size = _length(old)
                if size:
                    found[name] = _length(new.astype(np.float64) - old) / size
        return found

    def keep(self) -> None:
        """Keep the weights, unless they are too many, for `look_back`."""
        if sum(int(np.prod(each.shape)) for each in self._variables) <= _KEPT:
            self._kept = [each.numpy() for each in self._variables]

    def look_back(self, inputs: Arrays, iteration: int) -> Look | None:
        """Look with the weights that were kept; None where none are."""
        if not self._kept:
            return None
        now = [each.numpy() for each in self._variables]
        self._assign(self._kept)
        try:
            return self.look(inputs, iteration)
        finally:
            self._assign(now)

    def _assign(self, arrays: Sequence[np.ndarray]) -> None:
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array)

    def _named(self, *types: str) -> list[str]:
        """The layers of these types that can be dead or saturated."""
        return [name for name, (layer, _) in self._layers.items() if _bends(layer) in types]

    def _scores(self) -> list[str]:
        return [name for name in dict.fromkeys(self._scored) if name in self._layers]

    def _looked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        aside = [(each, tf.identity(each.value)) for each in self._model.non_trainable_variables]
        weights = [each.value for each in self._learning.values()]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            parts = self._model(self._own(inputs), training=self._training)
            loss = self._loss(parts["ends"], inputs)
        gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        for variable, value in aside:
            variable.assign(value)
        values = {
            name: tf.cast(value, tf.float32)
            for name, value in zip(self._layers, parts["layers"], strict=True)
        }
        return {
            "means": [tf.reduce_mean(tf.abs(value)) for value in values.values()],
            "active": [self._active(name, values[name]) for name in self._named("ReLU")],
            "saturated": [
                _at_its_ends(values[name], self._layers[name][0].type)
                for name in self._named("Sigmoid", "TanH")
            ],
            "scores": [_score_numbers(values[name]) for name in self._scores()],
            "gradients": [tf.norm(tf.convert_to_tensor(each)) for each in gradients],
            "weights": [tf.norm(each) for each in weights],
            "apart": [_apart(each) for each in weights],
        }

    def _own(self, inputs: Mapping[str, Any]) -> Any:
        """The inputs of the model, which for one of a single input is that tensor."""
        named = self._model.input
        if isinstance(named, dict):
            return {name: inputs[name] for name in named}
        return next(iter(inputs.values()))

    def _active(self, name: str, value: Any) -> Any:
        """Whether each unit is above 0 anywhere."""
        import tensorflow as tf

        axis = _channel_axis(self._layers[name][0].top_shapes[0], value.shape)
        others = [each for each in range(len(value.shape)) if each != axis]
        return tf.reduce_max(value, axis=others) > 0

    def _sampled(self) -> list[Any]:
        import tensorflow as tf

        flat = [tf.reshape(each.value, (-1,)) for each in self._learning.values()]
        return [each[:: -(-each.shape[0] // _SAMPLED)] for each in flat]


def _layers(net: Net, model: Any) -> dict[str, tuple[Layer, Any]]:
    """The layers to look at, with the tensors that they make."""
    built = {layer.name: layer for layer in model.layers}
    found = {}
    for layer in net.layers:
        keras_layer = built.get(keras_name(layer.name))
        if keras_layer is None or layer.is_source or layer.type in _SAME_VALUES:
            continue
        tensor = keras_layer.output
        if not isinstance(tensor, list | tuple | dict) and "float" in str(tensor.dtype):
            found[layer.name] = (layer, tensor)
    return found


def _bends(layer: Layer) -> str:
    """The type of a layer whose units can be dead or saturated, else nothing."""
    if layer.type == "ReLU" and not layer.definition.relu_param.negative_slope:
        return "ReLU"
    return layer.type if layer.type in ("Sigmoid", "TanH") else ""


def _channel_axis(shape: Shape | None, sizes: Sequence[int | None]) -> int:
    """Where Caffe's channels are; pictures have them last."""
    last = len(sizes) - 1
    return last if shape is None or sizes[last] == shape[1:2][0] else 1


def _at_its_ends(value: Any, kind: str) -> Any:
    import tensorflow as tf

    share = (value + 1) / 2 if kind == "TanH" else value
    return tf.reduce_mean(tf.cast((share < _END) | (share > 1 - _END), tf.float32))


def _score_numbers(value: Any) -> Any:
    import tensorflow as tf

    rows = tf.reshape(value, (tf.shape(value)[0], -1))
    spread = tf.reduce_mean(tf.reduce_max(rows, axis=1) - tf.reduce_min(rows, axis=1))
    between = tf.reduce_mean(tf.math.reduce_std(rows, axis=0))
    zeros = tf.reduce_mean(tf.cast(rows == 0, tf.float32))
    return tf.stack([spread, between, zeros])


def _apart(weights: Any) -> Any:
    """How far the weights of units are apart at most; units are on the last axis."""
    import tensorflow as tf

    return tf.reduce_max(tf.reduce_max(weights, axis=-1) - tf.reduce_min(weights, axis=-1))


def _length(values: np.ndarray) -> float:
    """The norm; not by a library whose threads would wait for those of TensorFlow."""
    return float(np.sqrt(np.square(values, dtype=np.float64).sum()))


def _numpy(part: Sequence[Any]) -> list[np.ndarray]:
    return [each.numpy() for each in part]
