"""Losses and accuracy as layers: numbers over the batch that comes, labels as an input.

Caffe: loss_layer.cpp, softmax_loss_layer.cpp, sigmoid_cross_entropy_loss_layer.cpp,
euclidean_loss_layer.cpp, hinge_loss_layer.cpp, contrastive_loss_layer.cpp,
multinomial_logistic_loss_layer.cpp, accuracy_layer.cpp. Outputs are scalars without loss weight.
Where Caffe's gradient is not that of the number it prints, the gradient here is Caffe's.

Axes are those of a tensor in Caffe's order, or, with `channels_last`, of one whose classes are on
its last axis and on axis 1 in Caffe. Labels are floats, in the same order without the class axis;
axes of size 1 in them do not matter. Everything is computed in float32, since half precision
overflows in a sum over a batch of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = [
    "Accuracy",
    "ContrastiveLoss",
    "EuclideanLoss",
    "HingeLoss",
    "Loss",
    "MultinomialLogisticLoss",
    "SigmoidCrossEntropyLoss",
    "SoftmaxWithLoss",
    "classes_last",
    "counted_labels",
    "divisor_of",
]

Sizes = tuple[int | None, ...]
# Caffe takes the logarithm of no smaller probability than these.
SMALLEST_SOFTMAX = float(np.finfo(np.float32).tiny)
SMALLEST_PROBABILITY = 1e-20


class Loss(keras.layers.Layer):
    """A layer whose output is one number. `settings` name what it was made with."""

    settings: tuple[str, ...] = ()

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Any:
        return ()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{name: getattr(self, name) for name in self.settings}}


@keras.saving.register_keras_serializable("zoo")
class SoftmaxWithLoss(Loss):
    """Mean of -log(softmax(scores)[label]) over the positions that count.

    Parameters
    ----------
    axis : Caffe's axis of the classes.
    normalization : what the sum is divided by. FULL: all positions; VALID: those not ignored;
        BATCH_SIZE: the axes in front of the classes; NONE: 1.
    ignore_label : the label of positions that do not count, or None.
    """

    settings = ("axis", "channels_last", "normalization", "ignore_label")

    def __init__(
        self,
        axis: int = 1,
        channels_last: bool = False,
        normalization: str = "VALID",
        ignore_label: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.channels_last = axis, channels_last
        self.normalization, self.ignore_label = normalization, ignore_label

    def call(self, inputs: Sequence[Any]) -> Any:
        scores, labels = inputs
        logarithms = ops.log_softmax(classes_last(scores, self.axis, self.channels_last), axis=-1)
        labels, counts = counted_labels(labels, self.ignore_label)
        picked = _at(logarithms, labels)
        # The floor shows in the number, not in the gradient, which is softmax minus one-hot.
        floor = ops.maximum(picked, math.log(SMALLEST_SOFTMAX))
        picked = picked + ops.stop_gradient(floor - picked)
        divisor = divisor_of(
            self.normalization,
            outer=math.prod(ops.shape(scores)[: self.axis]),
            full=ops.shape(labels)[0],
            valid=ops.sum(counts),
        )
        return -ops.sum(picked * counts) / divisor


@keras.saving.register_keras_serializable("zoo")
class SigmoidCrossEntropyLoss(Loss):
    """Sum of the cross entropies between sigmoid(scores) and targets from 0 to 1, divided.

    Parameters are those of `SoftmaxWithLoss`; BATCH_SIZE is the size of axis 0. A target counts as
    ignored when it is the ignored label after its fraction is cut off.
    """

    settings = ("normalization", "ignore_label")

    def __init__(
        self, normalization: str = "BATCH_SIZE", ignore_label: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.normalization, self.ignore_label = normalization, ignore_label

    def call(self, inputs: Sequence[Any]) -> Any:
        scores, targets = (ops.reshape(tensor, (-1,)) for tensor in inputs)
        _, counts = counted_labels(targets, self.ignore_label)
        terms = ops.binary_crossentropy(targets, scores, from_logits=True)
        divisor = divisor_of(
            self.normalization,
            outer=ops.shape(inputs[0])[0],
            full=ops.shape(scores)[0],
            valid=ops.sum(counts),
        )
        return ops.sum(terms * counts) / divisor


@keras.saving.register_keras_serializable("zoo")
class EuclideanLoss(Loss):
    """Sum of the squared differences of two blobs, divided by twice the batch."""

    def call(self, inputs: Sequence[Any]) -> Any:
        first, second = (ops.reshape(tensor, (-1,)) for tensor in inputs)
        return ops.sum(ops.square(first - second)) / (2 * _batch(inputs[0]))


@keras.saving.register_keras_serializable("zoo")
class HingeLoss(Loss):
    """Sum of max(0, 1 - score) of the label and max(0, 1 + score) of the others, over the batch.

    `norm` L2 squares each term.
    """

    settings = ("norm",)

    def __init__(self, norm: str = "L1", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.norm = norm

    def call(self, inputs: Sequence[Any]) -> Any:
        scores = _rows(inputs[0])
        labels, _ = counted_labels(inputs[1], None)
        signs = 1.0 - 2.0 * ops.one_hot(labels, ops.shape(scores)[1], dtype=scores.dtype)
        terms = ops.relu(1.0 + signs * scores)
        return ops.sum(terms if self.norm == "L1" else ops.square(terms)) / _batch(scores)


@keras.saving.register_keras_serializable("zoo")
class ContrastiveLoss(Loss):
    """Half the mean of distance squared for similar pairs, max(0, margin - distance) squared else.

    `legacy` has max(0, margin - distance squared) for the pairs that are not similar.
    """

    settings = ("margin", "legacy")

    def __init__(self, margin: float = 1.0, legacy: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.margin, self.legacy = margin, legacy

    def call(self, inputs: Sequence[Any]) -> Any:
        similar = ops.cast(ops.reshape(inputs[2], (-1,)), "int32") != 0
        square = ops.sum(ops.square(_rows(inputs[0]) - _rows(inputs[1])), axis=1)
        if self.legacy:
            apart = ops.relu(self.margin - square)
        else:
            apart = ops.square(ops.relu(self.margin - _distance(square)))
        return ops.sum(ops.where(similar, square, apart)) / (2 * _batch(inputs[0]))


@keras.saving.register_keras_serializable("zoo")
class MultinomialLogisticLoss(Loss):
    """Mean of -log(probability of the label) over the batch."""

    def call(self, inputs: Sequence[Any]) -> Any:
        labels, _ = counted_labels(inputs[1], None)
        picked = _at(_rows(inputs[0]), labels)
        # Smaller probabilities count as the floor, but have its gradient.
        floor = ops.stop_gradient(ops.maximum(picked, SMALLEST_PROBABILITY))
        return -ops.sum(ops.log(floor + (picked - ops.stop_gradient(picked)))) / _batch(inputs[0])


@keras.saving.register_keras_serializable("zoo")
class Accuracy(Loss):
    """Share of the positions whose label is among the `top_k` highest scores.

    A class whose score equals the label's counts as higher, as in Caffe: a network that gives all
    classes the same score is never right. With `per_class` a second output, (classes,), has the
    share for each label, 0 for labels that do not occur.
    """

    settings = ("axis", "channels_last", "top_k", "ignore_label", "per_class")

    def __init__(
        self,
        axis: int = 1,
        channels_last: bool = False,
        top_k: int = 1,
        ignore_label: int | None = None,
        per_class: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis, self.channels_last, self.top_k = axis, channels_last, top_k
        self.ignore_label, self.per_class = ignore_label, per_class

    def call(self, inputs: Sequence[Any]) -> Any:
        scores = ops.stop_gradient(classes_last(inputs[0], self.axis, self.channels_last))
        labels, counts = counted_labels(inputs[1], self.ignore_label)
        not_lower = scores >= ops.expand_dims(_at(scores, labels), 1)
        higher = ops.sum(ops.cast(not_lower, "int32"), axis=1) - 1
        right = ops.cast(higher < self.top_k, counts.dtype) * counts
        accuracy = _share(ops.sum(right), ops.sum(counts))
        if not self.per_class:
            return accuracy
        members = ops.one_hot(labels, ops.shape(scores)[1], dtype=counts.dtype)
        of_class = ops.sum(members * ops.expand_dims(right, 1), axis=0)
        in_class = ops.sum(members * ops.expand_dims(counts, 1), axis=0)
        return [accuracy, _share(of_class, in_class)]

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Any:
        scores = input_shape[0]
        return [(), (scores[-1 if self.channels_last else self.axis],)] if self.per_class else ()


def classes_last(scores: Any, axis: int, channels_last: bool) -> Any:
    """(positions, classes), the positions in Caffe's order."""
    if not channels_last:
        scores = ops.moveaxis(scores, axis, -1)
    return ops.reshape(scores, (-1, ops.shape(scores)[-1]))


def _rows(blob: Any) -> Any:
    """(batch, values)."""
    shape = ops.shape(blob)
    return ops.reshape(blob, (shape[0], math.prod(shape[1:])))


def counted_labels(labels: Any, ignored: int | None) -> tuple[Any, Any]:
    """Labels as integers, (positions,), and 1 where they count, 0 where they are ignored.

    Ignored ones become 0, since theirs need not be the number of a class.
    """
    numbers = ops.cast(ops.reshape(labels, (-1,)), "int32")
    if ignored is None:
        return numbers, ops.ones_like(numbers, dtype="float32")
    counted = numbers != ignored
    return ops.where(counted, numbers, 0), ops.cast(counted, "float32")


def _at(values: Any, labels: Any) -> Any:
    """From each row of (positions, classes) the value of its label."""
    return ops.squeeze(ops.take_along_axis(values, ops.expand_dims(labels, 1), axis=1), axis=1)


def _batch(blob: Any) -> Any:
    """The batch that came, as a float."""
    return ops.cast(ops.shape(blob)[0], "float32")


def divisor_of(normalization: str, outer: Any, full: Any, valid: Any) -> Any:
    """What a sum of losses is divided by; never less than 1, so that a batch may ignore all."""
    sizes = {"FULL": full, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}
    return ops.maximum(ops.cast(sizes[normalization], "float32"), 1.0)


def _share(part: Any, whole: Any) -> Any:
    """part / whole, 0 where the whole is 0; both count things."""
    return part / ops.maximum(whole, 1.0)


def _distance(square: Any) -> Any:
    """The square root, with Caffe's gradient: that of a distance 1e-4 longer, finite at 0."""
    root = ops.stop_gradient(ops.sqrt(square))
    return root + (square - ops.stop_gradient(square)) / (2 * (root + 1e-4))
