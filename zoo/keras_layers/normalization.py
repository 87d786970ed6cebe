"""LRN, MVN, BatchNorm, and scale and shift by a blob broadcast over the axes it does not have."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

__all__ = [
    "AddBroadcast",
    "Affine",
    "CaffeBatchNorm",
    "LocalResponseNormalization",
    "MeanVarianceNormalization",
]


@keras.saving.register_keras_serializable("zoo")
class LocalResponseNormalization(keras.layers.Layer):
    """x / (k + alpha / n * sum of x^2)^beta over n channels, or over n x n values of a channel.

    Shapes: (n, h, w, c) to the same. Within a channel the sum is divided by n^2.
    """

    def __init__(
        self, size: int, alpha: float, beta: float, k: float, region: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.alpha, self.beta, self.k, self.region = size, alpha, beta, k, region

    def call(self, inputs: Any) -> Any:
        squares = ops.square(inputs)
        if self.region == "across":
            average = ops.matmul(squares, self._band(inputs.shape[-1], inputs.dtype))
        else:
            edge = (self.size - 1) // 2
            padded = ops.pad(squares, [(0, 0), (edge, edge), (edge, edge), (0, 0)])
            average = ops.average_pool(padded, self.size, 1, "valid", "channels_last")
        return inputs * self._power(self.k + self.alpha * average)

    def _band(self, channels: int, dtype: str) -> Any:
        """A matrix that averages each channel with its neighbours."""
        index = ops.arange(channels)
        near = ops.abs(ops.expand_dims(index, 0) - ops.expand_dims(index, 1)) <= self.size // 2
        return ops.cast(near, dtype) / self.size

    def _power(self, scale: Any) -> Any:
        if math.isclose(self.beta, 0.75):
            # Two square roots are several times as quick as a power, and 3/4 is what nets use.
            root = ops.rsqrt(scale)
            return root * ops.sqrt(root)
        return ops.power(scale, -self.beta)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "k": self.k,
            "region": self.region,
        }


@keras.saving.register_keras_serializable("zoo")
class MeanVarianceNormalization(keras.layers.Layer):
    """(x - mean) / (sqrt(variance) + epsilon), for each picture and channel or for each picture.

    `channel_axis` None means across channels. The gradient is Caffe's, which takes epsilon for a
    part of the deviation, so that values which are all equal have one.
    """

    def __init__(
        self, channel_axis: int | None, variance: bool, epsilon: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.channel_axis, self.variance, self.epsilon = channel_axis, variance, epsilon

    def call(self, inputs: Any) -> Any:
        axes = [axis for axis in range(1, len(inputs.shape)) if axis != self.channel_axis]
        centred = inputs - ops.mean(inputs, axis=axes, keepdims=True)
        if not self.variance:
            return centred

        def divided(centred: Any) -> Any:
            deviation = ops.sqrt(ops.mean(ops.square(centred), axis=axes, keepdims=True))
            outputs = centred / (deviation + self.epsilon)

            def gradient(upstream: Any) -> Any:
                along = ops.mean(outputs * upstream, axis=axes, keepdims=True)
                return (upstream - outputs * along) / (deviation + self.epsilon)

            return outputs, gradient

        return ops.custom_gradient(divided)(centred)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channel_axis": self.channel_axis,
            "variance": self.variance,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable("zoo")
class CaffeBatchNorm(keras.layers.Layer):
    """(x - mean) / sqrt(variance + epsilon), for each channel.

    Weights are Caffe's blobs: running sums of means and of variances, and their factor. Mean and
    variance are the sums divided by the factor, 0 where that is 0. In training those of the batch
    are taken; the three blobs are multiplied by `fraction`, and the mean, the variance with
    Bessel's correction, and 1 are added to them. A frozen layer takes the stored ones.

    Parameters
    ----------
    axis : the channels; None takes all values for one channel.
    statistics : "phase" as said; "stored" and "batch" take these in training and otherwise.
    """

    def __init__(
        self,
        axis: int | None,
        epsilon: float,
        fraction: float = 0.999,
        statistics: str = "phase",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.axis, self.epsilon = axis, epsilon
        self.fraction, self.statistics = fraction, statistics

    def build(self, input_shape: Any) -> None:
        channels = 1 if self.axis is None else input_shape[self.axis]
        shapes = {"mean_sum": (channels,), "variance_sum": (channels,), "factor": (1,)}
        self.mean_sum, self.variance_sum, self.factor = (
            self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)
            for name, shape in shapes.items()
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        inputs = ops.cast(inputs, "float32")
        learns = bool(training) and self.trainable and self.statistics != "stored"
        if learns or self.statistics == "batch":
            others = [axis for axis in range(len(inputs.shape)) if axis != self.axis]
            mean, variance = ops.moments(inputs, axes=others)
            if learns:
                sizes = ops.shape(inputs)
                self._update(mean, variance, math.prod(sizes[axis] for axis in others))
        else:
            share = ops.divide_no_nan(1.0, self.factor)
            mean, variance = self.mean_sum * share, self.variance_sum * share
        if self.axis is None:
            outputs = (inputs - mean) * ops.rsqrt(variance + self.epsilon)
        else:
            outputs = ops.batch_normalization(
                inputs, mean, variance, axis=self.axis, epsilon=self.epsilon
            )
        return ops.cast(outputs, self.compute_dtype)

    def _update(self, mean: Any, variance: Any, values: Any) -> None:
        """Add the statistics of a batch with so many values a channel to the running sums."""
        values = ops.cast(values, "float32")
        unbiased = variance * values / ops.maximum(values - 1.0, 1.0)
        for running, new in (
            (self.mean_sum, ops.reshape(mean, (-1,))),
            (self.variance_sum, ops.reshape(unbiased, (-1,))),
            (self.factor, 1.0),
        ):
            running.assign(running * self.fraction + new)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "fraction": self.fraction,
            "statistics": self.statistics,
        }


@keras.saving.register_keras_serializable("zoo")
class Affine(keras.layers.Layer):
    """x * scale + shift, with blobs of `shape` that lie from `axis` on.

    Without a scale of its own the layer takes two inputs and multiplies by the second, unless it
    has only a shift.
    """

    def __init__(
        self, axis: int, shape: tuple[int, ...], scale: bool, shift: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.blob_shape = axis, tuple(shape)
        self.use_scale, self.use_shift = scale, shift

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=self.blob_shape, initializer="ones")
        if self.use_shift:
            self.shift = self.add_weight(name="shift", shape=self.blob_shape, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        if isinstance(inputs, (list, tuple)):
            outputs, second = inputs
            rank = len(outputs.shape)
            outputs = outputs * broadcast(second, self.axis, rank)
        else:
            outputs, rank = inputs, len(inputs.shape)
        if self.use_scale:
            outputs = outputs * broadcast(self.scale, self.axis, rank)
        if self.use_shift:
            outputs = outputs + broadcast(self.shift, self.axis, rank)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0] if isinstance(input_shape[0], (list, tuple)) else input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "shape": self.blob_shape,
            "scale": self.use_scale,
            "shift": self.use_shift,
        }


@keras.saving.register_keras_serializable("zoo")
class AddBroadcast(keras.layers.Layer):
    """The first input plus the second, which lies from `axis` on."""

    def __init__(self, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        first, second = inputs
        return first + broadcast(second, self.axis, len(first.shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def broadcast(blob: Any, axis: int, rank: int) -> Any:
    """The blob with axes of size 1 before and behind, so that it lies from `axis` on."""
    behind = rank - axis - len(blob.shape)
    if not behind:
        # The leading axes are added by broadcasting itself.
        return blob
    return ops.expand_dims(blob, tuple(range(-behind, 0)))
