"""Who is watched: the parts of a network that rules speak of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.layers.kind import axis_of, count
from zoo.layers.loss import normalization_of
from zoo.net import Layer, Net

__all__ = ["Classifier", "Subject", "subject_of_head", "subject_of_losses"]

_CLASS_LOSSES = ("SoftmaxWithLoss", "MultinomialLogisticLoss")
_WEIGHTED = ("Convolution", "InnerProduct", "Deconvolution")
_PASSED = ("Pooling", "Dropout", "Flatten", "Reshape", "Scale", "Bias", "BatchNorm", "Softmax")


@dataclass(frozen=True)
class Classifier:
    """A layer whose scores a loss compares with labels.

    Attributes
    ----------
    layer : the name; `scores` is the last layer that changes its scores, such as a Pooling.
    relu : the ReLU behind it, through which scores below 0 get no gradient; empty where none is.
    classes : how many scores a row has.
    labels : the blob of labels; empty where the loss is not part of the net.
    weight : what its loss counts.
    """

    layer: str
    scores: str
    relu: str
    classes: int
    labels: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Subject:
    """What rules must know of a network.

    Attributes
    ----------
    classifiers : those with a loss of classes; the last is the main one.
    expected : the loss of a net that has learned nothing, the sum of ln(N); None where no rule
        gives it.
    inputs : blobs of data, without labels.
    fresh : layers whose weights were drawn at random, not loaded.
    """

    net: Net
    classifiers: tuple[Classifier, ...]
    expected: float | None
    inputs: tuple[str, ...]
    fresh: frozenset[str]

    @property
    def main(self) -> Classifier | None:
        """The classifier that counts most."""
        return max(self.classifiers, key=lambda each: each.weight, default=None)

    def is_scratch(self) -> bool:
        """Whether more layers start fresh than were loaded."""
        names = list(self.net.param_shapes)
        return 2 * len(self.fresh.intersection(names)) > len(names)


def subject_of_losses(net: Net, weights: dict[str, float], fresh: frozenset[str]) -> Subject:
    """A network with losses of its own; `weights` says by blob what it counts in the loss."""
    found, explained = [], True
    for place, layer in enumerate(net.layers):
        weight = sum(weights.get(top, 0.0) for top in layer.tops)
        if not weight:
            continue
        if layer.type in _CLASS_LOSSES:
            found.append(_classifier(net, place, layer.bottoms, weight))
            explained = explained and _is_a_mean(net, layer, found[-1].classes)
        else:
            explained = False
    classifiers = tuple(found)
    expected = sum(each.weight * math.log(each.classes) for each in classifiers)
    labels = {each.labels for each in classifiers}
    return Subject(
        net,
        classifiers,
        expected if classifiers and explained else None,
        tuple(name for name, shape in net.inputs.items() if name not in labels and len(shape) > 1),
        fresh,
    )


def subject_of_head(net: Net, scores: str, fresh: frozenset[str]) -> Subject:
    """A network for inference whose blob `scores` is trained as a classifier."""
    classifier = _classifier(net, len(net.layers), [scores], 1.0)
    return Subject(net, (classifier,), math.log(classifier.classes), tuple(net.inputs)[:1], fresh)


def _is_a_mean(net: Net, layer: Layer, classes: int) -> bool:
    """Whether the loss is the mean over all that is classified."""
    param = layer.definition.loss_param
    default = "BATCH_SIZE" if param.HasField("normalize") and not param.normalize else "VALID"
    way = normalization_of(param, default)
    shape = net.blobs[layer.bottoms[0]] or (1,)
    return classes > 1 and (
        way in ("VALID", "FULL") or way == "BATCH_SIZE" and count(shape) == shape[0] * classes
    )


def _classifier(net: Net, place: int, bottoms: Sequence[str], weight: float) -> Classifier:
    """The classifier before a loss that stands at this place."""
    scores = net.blobs[bottoms[0]] or ()
    axis = 1
    if place < len(net.layers) and net.layers[place].type == "SoftmaxWithLoss":
        loss = net.layers[place].definition
        axis = axis_of(loss, loss.softmax_param.axis, len(scores))
    maker = before = _maker(net, bottoms[0], place)
    relu = ""
    while before is not None and net.layers[before].type not in _WEIGHTED:
        layer = net.layers[before]
        if layer.type == "ReLU" and not layer.definition.relu_param.negative_slope:
            relu = relu or layer.name
        elif layer.type not in _PASSED:
            break
        before = _maker(net, layer.bottoms[0], before)
    return Classifier(
        net.layers[before].name if before is not None else "",
        net.layers[maker].name if maker is not None else "",
        relu,
        scores[axis] if len(scores) > axis else 1,
        bottoms[1] if len(bottoms) > 1 else "",
        weight,
    )


def _maker(net: Net, blob: str, before: int) -> int | None:
    """The place of the last layer before another that makes a blob."""
    return next((i for i in range(before - 1, -1, -1) if blob in net.layers[i].tops), None)
