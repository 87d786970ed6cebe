"""Learned blobs that stand by themselves, for layers of several kinds to read.

In Caffe any two params may share their values (`param { name }`): a weight of a convolution with
one of another convolution that has another stride, or with a Parameter layer. Layers of equal
settings are one Keras layer; otherwise the blob is a `StandingBlob`, in Caffe's layout, and each
layer that uses it is a `WithBlobs` around the Keras layer that computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["StandingBlob", "WithBlobs"]

# Which weight of a Keras layer comes from a blob, and how: reshaped to sizes, axes moved.
Slot = tuple[int, tuple[int, ...], tuple[int, ...]]


@keras.saving.register_keras_serializable("zoo")
class StandingBlob(keras.layers.Layer):
    """A weight as the output. The input is any tensor of the model and does not matter."""

    def __init__(self, shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)

    def build(self, input_shape: Any) -> None:
        self.blob = self.add_weight(name="blob", shape=self.shape, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return ops.convert_to_tensor(self.blob)

    def compute_output_shape(self, input_shape: Any) -> tuple[int, ...]:
        return self.shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable("zoo")
class WithBlobs(keras.layers.Layer):
    """A layer some of whose weights are inputs: first its own inputs, then one blob a slot.

    Parameters
    ----------
    layer : the Keras layer that computes.
    slots : for each blob the index of the weight in ``layer.weights`` that it is, the sizes to
        reshape it to, and the order to move these axes to.
    """

    def __init__(self, layer: Any, slots: Sequence[Slot], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slots = [(slot, tuple(sizes), tuple(axes)) for slot, sizes, axes in slots]
        self._inner = _Untracked(layer)

    def build(self, input_shape: Sequence[Any]) -> None:
        inner = self._inner.layer
        if not inner.built:
            inner.build(_alone(input_shape[: -len(self.slots)]))
        taken = {slot for slot, _, _ in self.slots}
        self.own = [weight for slot, weight in enumerate(inner.weights) if slot not in taken]

    def call(self, inputs: Sequence[Any], training: bool | None = None) -> Any:
        inner = self._inner.layer
        tensors, blobs = inputs[: -len(self.slots)], inputs[-len(self.slots) :]
        values = dict(enumerate(inner.weights))
        for (slot, sizes, axes), blob in zip(self.slots, blobs, strict=True):
            turned = ops.transpose(ops.reshape(blob, sizes), axes)
            values[slot] = ops.reshape(turned, inner.weights[slot].shape)
        of = {id(weight): values[slot] for slot, weight in enumerate(inner.weights)}
        takes_training = "training" in inspect.signature(inner.call).parameters
        outputs, updated = inner.stateless_call(
            [of[id(weight)] for weight in inner.trainable_variables],
            [of.get(id(weight), weight) for weight in inner.non_trainable_variables],
            _alone(tensors),
            **({"training": training} if takes_training else {}),
        )
        if training:
            self._keep(inner.non_trainable_variables, updated)
        return outputs

    def _keep(self, variables: Sequence[Any], values: Sequence[Any]) -> None:
        """Write back what training changed by itself, such as running averages."""
        own = {id(weight) for weight in self.own}
        for variable, value in zip(variables, values, strict=True):
            if id(variable) not in own:
                raise ValueError(
                    f"layer {self.name!r} shares running averages with a layer of other settings;"
                    " they cannot be kept up to date, so it cannot be trained"
                )
            variable.assign(value)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return self._inner.layer.compute_output_shape(_alone(input_shape[: -len(self.slots)]))

    def get_config(self) -> dict[str, Any]:
        inner = keras.saving.serialize_keras_object(self._inner.layer)
        return {**super().get_config(), "layer": inner, "slots": self.slots}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WithBlobs:
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})


class _Untracked:
    """A layer that Keras does not see: else the weights in its slots would count as its owner's."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer


def _alone(items: Sequence[Any]) -> Any:
    """One item by itself, several as the list."""
    return items[0] if len(items) == 1 else list(items)
