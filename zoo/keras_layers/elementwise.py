"""Functions of single values, and of values in the same place, that Keras has no layer for.

Caffe: absval_layer.cpp, clip_layer.cpp, exp_layer.cpp, log_layer.cpp, power_layer.cpp,
relu_layer.cpp, swish_layer.cpp, threshold_layer.cpp, eltwise_layer.cpp. All of them work on blobs
of any shape and order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import keras
from keras import ops

__all__ = [
    "AbsVal",
    "Clip",
    "Eltwise",
    "Exp",
    "Log",
    "PReLU",
    "Power",
    "SlopedReLU",
    "Swish",
    "Threshold",
]

Sizes = tuple[int | None, ...]


class _Elementwise(keras.layers.Layer):
    """A layer whose output has the shape of its input. `settings` name its numbers."""

    settings: tuple[str, ...] = ()

    def compute_output_shape(self, input_shape: Sizes) -> Sizes:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{name: getattr(self, name) for name in self.settings}}


@keras.saving.register_keras_serializable("zoo")
class AbsVal(_Elementwise):
    """y = |x|."""

    def call(self, inputs: Any) -> Any:
        return ops.abs(inputs)


@keras.saving.register_keras_serializable("zoo")
class Clip(_Elementwise):
    """y = x, but no smaller than `minimum` and no larger than `maximum`."""

    settings = ("minimum", "maximum")

    def __init__(self, minimum: float, maximum: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.minimum, self.maximum = minimum, maximum

    def call(self, inputs: Any) -> Any:
        return ops.clip(inputs, self.minimum, self.maximum)


class _Logarithmic(_Elementwise):
    """The power or the logarithm of scale * x + shift to a base; base None is e."""

    settings = ("base", "scale", "shift")

    def __init__(
        self, base: float | None = None, scale: float = 1.0, shift: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.base, self.scale, self.shift = base, scale, shift

    @property
    def log_base(self) -> float:
        """The natural logarithm of the base."""
        return 1.0 if self.base is None else math.log(self.base)


@keras.saving.register_keras_serializable("zoo")
class Exp(_Logarithmic):
    """y = base ** (scale * x + shift)."""

    def call(self, inputs: Any) -> Any:
        return ops.exp(_affine(inputs, self.scale * self.log_base, self.shift * self.log_base))


@keras.saving.register_keras_serializable("zoo")
class Log(_Logarithmic):
    """y = logarithm of (scale * x + shift) to the base."""

    def call(self, inputs: Any) -> Any:
        outputs = ops.log(_affine(inputs, self.scale, self.shift))
        return outputs if self.base is None else outputs / self.log_base


@keras.saving.register_keras_serializable("zoo")
class Power(_Elementwise):
    """y = (scale * x + shift) ** power."""

    settings = ("power", "scale", "shift")

    def __init__(
        self, power: float = 1.0, scale: float = 1.0, shift: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.power, self.scale, self.shift = power, scale, shift

    def call(self, inputs: Any) -> Any:
        # Caffe does not look at the input where the result does not depend on it.
        if self.power == 0:
            return ops.ones_like(inputs)
        if self.scale == 0:
            base = ops.full_like(inputs, self.shift)
        else:
            base = _affine(inputs, self.scale, self.shift)
        if self.power == 1:
            return base
        return ops.square(base) if self.power == 2 else ops.power(base, self.power)


@keras.saving.register_keras_serializable("zoo")
class SlopedReLU(_Elementwise):
    """y = max(x, 0) + slope * min(x, 0) for any slope; Keras's own refuses negative ones."""

    settings = ("slope",)

    def __init__(self, slope: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slope = slope

    def call(self, inputs: Any) -> Any:
        return ops.where(inputs > 0, inputs, self.slope * inputs)


@keras.saving.register_keras_serializable("zoo")
class PReLU(_Elementwise):
    """y = x where positive, else alpha * x, with a learned alpha of the shape `slopes`.

    Keras's own has no gradient at 0; Caffe's is alpha there.
    """

    settings = ("slopes",)

    def __init__(self, slopes: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slopes = tuple(slopes)

    def build(self, input_shape: Sizes) -> None:
        self.alpha = self.add_weight(name="alpha", shape=self.slopes, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return ops.where(inputs > 0, inputs, self.alpha * inputs)


@keras.saving.register_keras_serializable("zoo")
class Swish(_Elementwise):
    """y = x * sigmoid(beta * x)."""

    settings = ("beta",)

    def __init__(self, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta = beta

    def call(self, inputs: Any) -> Any:
        return inputs * ops.sigmoid(self.beta * inputs)


@keras.saving.register_keras_serializable("zoo")
class Threshold(_Elementwise):
    """y = 1 where x is larger than the threshold, else 0. It has no gradient."""

    settings = ("threshold",)

    def __init__(self, threshold: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold

    def call(self, inputs: Any) -> Any:
        return ops.cast(inputs > self.threshold, inputs.dtype)


@keras.saving.register_keras_serializable("zoo")
class Eltwise(keras.layers.Layer):
    """Inputs of one shape, joined value by value.

    Keras's Add, Multiply and Maximum do the same, but without coefficients and not for scalars.

    Parameters
    ----------
    operation : SUM, PROD or MAX.
    coefficients : what each input is multiplied by in a SUM; None for 1.
    """

    def __init__(
        self, operation: str, coefficients: Sequence[float] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.operation = operation
        self.coefficients = None if coefficients is None else list(coefficients)

    def call(self, inputs: Sequence[Any]) -> Any:
        join = {"SUM": ops.add, "PROD": ops.multiply, "MAX": ops.maximum}[self.operation]
        coefficients = self.coefficients or [1.0] * len(inputs)
        return reduce(
            join,
            [_affine(tensor, c, 0.0) for tensor, c in zip(inputs, coefficients, strict=True)],
        )

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Sizes:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "operation": self.operation,
            "coefficients": self.coefficients,
        }


def _affine(inputs: Any, scale: float, shift: float) -> Any:
    """scale * x + shift, without the steps that change nothing."""
    scaled = inputs if scale == 1 else inputs * scale
    return scaled if shift == 0 else scaled + shift
