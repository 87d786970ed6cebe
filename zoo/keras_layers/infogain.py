"""The infogain loss: a cross entropy that counts every class, by a matrix of weights.

Caffe: infogain_loss_layer.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.keras_layers.loss import (
    SMALLEST_PROBABILITY,
    Loss,
    classes_last,
    counted_labels,
    divisor_of,
)

__all__ = ["InfogainLoss"]


@keras.saving.register_keras_serializable("zoo")
class InfogainLoss(Loss):
    """Mean of -sum over classes of H[label, class] * log(softmax(scores)[class]).

    Inputs are scores, labels, and with `own_matrix` False the matrix H, of classes * classes values
    in any shape. Otherwise H is a weight that does not learn. The other parameters are those of
    `zoo.keras_layers.loss.SoftmaxWithLoss`.
    """

    settings = ("axis", "channels_last", "normalization", "ignore_label", "own_matrix")

    def __init__(
        self,
        axis: int = 1,
        channels_last: bool = False,
        normalization: str = "VALID",
        ignore_label: int | None = None,
        own_matrix: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.channels_last = axis, channels_last
        self.normalization, self.ignore_label = normalization, ignore_label
        self.own_matrix = own_matrix

    def build(self, input_shape: Sequence[Any]) -> None:
        if self.own_matrix:
            classes = input_shape[0][-1 if self.channels_last else self.axis]
            self.matrix = self.add_weight(
                name="matrix", shape=(classes, classes), initializer="identity", trainable=False
            )

    def call(self, inputs: Sequence[Any]) -> Any:
        scores, labels = inputs[:2]
        logarithms = ops.log_softmax(classes_last(scores, self.axis, self.channels_last), axis=-1)
        # The floor shows in the number; the gradient is that of the softmax without it.
        floor = ops.maximum(logarithms, math.log(SMALLEST_PROBABILITY))
        logarithms = logarithms + ops.stop_gradient(floor - logarithms)
        labels, counts = counted_labels(labels, self.ignore_label)
        classes = ops.shape(logarithms)[1]
        matrix = self.matrix if self.own_matrix else ops.reshape(inputs[2], (classes, classes))
        weights = ops.take(ops.stop_gradient(matrix), labels, axis=0)
        divisor = divisor_of(
            self.normalization,
            outer=math.prod(ops.shape(scores)[: self.axis]),
            full=ops.shape(labels)[0],
            valid=ops.sum(counts),
        )
        return -ops.sum(ops.sum(weights * logarithms, axis=1) * counts) / divisor
