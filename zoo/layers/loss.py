"""Kinds that compare what a network says with labels: losses, and Accuracy.

Caffe: loss_layer.cpp and the layers derived from it, accuracy_layer.cpp. Tops are scalars, shape
(), over the batch that comes; they do not contain the loss weight. A loss may be written without a
top; Caffe then counts it, but the definition has no name for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import ShapeError
from zoo.layers.kind import Kind, Shape, axis_of, count, layer
from zoo.layers.shape import in_element_order
from zoo.layers.site import Blob, Site

__all__ = [
    "Accuracy",
    "ContrastiveLoss",
    "EuclideanLoss",
    "HingeLoss",
    "Loss",
    "MultinomialLogisticLoss",
    "SigmoidCrossEntropyLoss",
    "check_positions",
    "normalization_of",
    "scores_and_labels",
]


class Loss(Kind):
    """Two bottoms of one batch, one scalar."""

    bottom_count = (2, 2)
    top_count = (0, 1)
    loss_weight = 1.0

    def differentiates(self, layer: Any, index: int) -> bool:
        return index == 0

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        first, second = bottoms[:2]
        if not first or not second or first[0] != second[0]:
            raise ShapeError(
                f"expected bottoms of the same batch (axis 0), received {first} and {second}",
                layer.name,
            )
        self.check(layer, bottoms)
        shapes: list[Shape] = [(), first]
        return shapes[: len(layer.top)]

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        """Raise ShapeError when bottoms of one batch do not fit each other."""
        raise NotImplementedError

    def scalar(self, site: Site, tensors: list[Any], keras_layer: Any) -> list[Blob]:
        """The loss as the blob of the first top, if that has a name."""
        return [Blob(keras_layer(tensors), ()) for _ in site.tops[:1]]


@layer("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(Loss):
    """Sigmoid of each score, and its cross entropy with a target from 0 to 1."""

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        _check_counts(layer, bottoms)

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.loss import SigmoidCrossEntropyLoss as KerasSigmoidCrossEntropyLoss

        param = site.layer.loss_param
        default = "VALID" if param.HasField("normalize") and param.normalize else "BATCH_SIZE"
        loss = KerasSigmoidCrossEntropyLoss(
            normalization_of(param, default),
            param.ignore_label if param.HasField("ignore_label") else None,
            name=site.name,
        )
        return self.scalar(site, _aligned(site), loss)


@layer("EuclideanLoss")
class EuclideanLoss(Loss):
    """Sum of squared differences, divided by twice the batch."""

    def differentiates(self, layer: Any, index: int) -> bool:
        return True

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        _check_counts(layer, bottoms)

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.loss import EuclideanLoss as KerasEuclideanLoss

        return self.scalar(site, _aligned(site), KerasEuclideanLoss(name=site.name))


@layer("HingeLoss")
class HingeLoss(Loss):
    """One against all others: a margin of 1 for each score, on the side that the label says."""

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        _check_one_label(layer, bottoms[1])

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.loss import HingeLoss as KerasHingeLoss

        param = site.layer.hinge_loss_param
        loss = KerasHingeLoss(param.Norm.Name(param.norm), name=site.name)
        return self.scalar(site, [in_element_order(site, index)[0] for index in (0, 1)], loss)


@layer("ContrastiveLoss")
class ContrastiveLoss(Loss):
    """Draws the two blobs of a pair together if the third says similar, else apart to a margin."""

    bottom_count = (3, 3)

    def differentiates(self, layer: Any, index: int) -> bool:
        return index < 2

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        first, second, similar = bottoms
        vectors = all(len(shape) >= 2 and count(shape[2:]) == 1 for shape in (first, second))
        if not vectors or first[1] != second[1]:
            raise ShapeError(
                f"expected two bottoms of one vector a pair, (N, C), received {first} and {second}",
                layer.name,
            )
        if count(similar) != first[0]:
            raise ShapeError(
                f"expected one number a pair, ({first[0]},), as third bottom, received {similar}",
                layer.name,
            )

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.loss import ContrastiveLoss as KerasContrastiveLoss

        param = site.layer.contrastive_loss_param
        loss = KerasContrastiveLoss(param.margin, param.legacy_version, name=site.name)
        tensors = [in_element_order(site, index)[0] for index in range(3)]
        return self.scalar(site, tensors, loss)


@layer("MultinomialLogisticLoss")
class MultinomialLogisticLoss(Loss):
    """Cross entropy of probabilities that the bottom already holds."""

    def example(
        self, layer: Any, bottoms: Sequence[Shape], index: int, rng: np.random.Generator
    ) -> np.ndarray:
        if index == 0:
            return rng.uniform(0.1, 1.0, bottoms[0])
        return super().example(layer, bottoms, index, rng)

    def check(self, layer: Any, bottoms: Sequence[Shape]) -> None:
        _check_one_label(layer, bottoms[1])

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.loss import MultinomialLogisticLoss as KerasMultinomialLogisticLoss

        loss = KerasMultinomialLogisticLoss(name=site.name)
        return self.scalar(site, [in_element_order(site, index)[0] for index in (0, 1)], loss)


@layer("Accuracy")
class Accuracy(Kind):
    """Share of labels among the `top_k` highest scores; a second top has it for each class."""

    bottom_count = (2, 2)
    top_count = (1, 2)

    def differentiates(self, layer: Any, index: int) -> bool:
        return False

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param, scores = layer.accuracy_param, bottoms[0]
        check_positions(layer, param.axis, bottoms)
        classes = scores[axis_of(layer, param.axis, len(scores))]
        if not 1 <= param.top_k <= classes:
            raise ShapeError(
                f"expected top_k from 1 to the {classes} classes, received {param.top_k}",
                layer.name,
            )
        shapes: list[Shape] = [(), (classes,)]
        return shapes[: len(layer.top)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.loss import Accuracy as KerasAccuracy

        param = site.layer.accuracy_param
        scores, labels, axis, last = scores_and_labels(site, param.axis)
        accuracy = KerasAccuracy(
            axis,
            last,
            param.top_k,
            param.ignore_label if param.HasField("ignore_label") else None,
            per_class=len(site.tops) == 2,
            name=site.name,
        )
        outputs = accuracy([scores, labels])
        tensors = outputs if len(site.tops) == 2 else [outputs]
        return [Blob(tensor, top) for tensor, top in zip(tensors, site.tops, strict=True)]


def normalization_of(param: Any, default: str) -> str:
    """The name of the normalisation that is written, or else the default."""
    if not param.HasField("normalization"):
        return default
    return str(param.NormalizationMode.Name(param.normalization))


def scores_and_labels(site: Site, axis: int) -> tuple[Any, Any, int, bool]:
    """Scores and labels with positions in the same order, Caffe's axis, and whether it is last."""
    bottom = site.bottoms[0]
    axis = axis_of(site.layer, axis, len(bottom.shape))
    last = bottom.channels_last and axis == 1
    scores = bottom.tensor if last else site.caffe_order(0)
    return scores, in_element_order(site, 1)[0], axis, last


def _aligned(site: Site) -> list[Any]:
    """Two bottoms whose values stand in the same order."""
    if site.bottoms[0].shape == site.bottoms[1].shape:
        return site.same_order()[0]
    return [in_element_order(site, index)[0] for index in (0, 1)]


def check_positions(layer: Any, axis: int, bottoms: Sequence[Shape]) -> None:
    """One label for every position of the scores, whose classes are on an axis."""
    scores, labels = bottoms[:2]
    axis = axis_of(layer, axis, len(scores))
    positions = count(scores[:axis]) * count(scores[axis + 1 :])
    if count(labels) != positions:
        raise ShapeError(
            f"expected {positions} labels, one for each position of the scores {scores} with"
            f" classes on axis {axis}; received {count(labels)}, shape {labels}",
            layer.name,
        )


def _check_counts(layer: Any, bottoms: Sequence[Shape]) -> None:
    if count(bottoms[0]) != count(bottoms[1]):
        raise ShapeError(
            f"expected two bottoms with as many values, received {bottoms[0]} and {bottoms[1]}",
            layer.name,
        )


def _check_one_label(layer: Any, labels: Shape) -> None:
    if count(labels) != labels[0]:
        raise ShapeError(
            f"expected one label for each of the {labels[0]} in the batch, received {labels}",
            layer.name,
        )
