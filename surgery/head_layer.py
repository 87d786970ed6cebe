"""The new classifier itself, and what behind it has to fit the number of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import FillerParameter, LayerParameter, ParamSpec
from zoo.errors import NetError, UsageError
from zoo.surgery.graph import Graph, Node
from zoo.surgery.head_paths import DEADLY, Classifier
from zoo.surgery.layer_fields import filler_of
from zoo.surgery.source_shape import state_shape

__all__ = ["fit_ends", "is_averaged", "new_classifier", "without_deadly_layers"]


def new_classifier(
    old: Node,
    name: str,
    classes: int,
    filler: str | Mapping[str, Any] | FillerParameter | None,
    lr_mult: Sequence[float],
    *,
    averaged: bool,
) -> tuple[LayerParameter, list[str]]:
    """The definition of the layer that takes the place of an old one, and what is new in it."""
    if old.shares:
        raise NetError(
            "the classifier shares its params with another layer, so it cannot be replaced alone;"
            " unshare them first",
            old.name,
        )
    new = copy_without(old.definition, "name", "param", "blobs")
    new.name = name
    settings = new.inner_product_param if new.type == "InnerProduct" else new.convolution_param
    if new.convolution_param.group > 1:
        raise NetError("the classifier is a convolution in groups", old.name)
    settings.num_output = classes
    settings.weight_filler.CopyFrom(
        FillerParameter(type="gaussian", std=0.01) if filler is None else filler_of(filler)
    )
    settings.bias_filler.CopyFrom(FillerParameter(type="constant"))
    rates = list(lr_mult) if isinstance(lr_mult, Sequence) else []
    if len(rates) != 2 or not all(isinstance(rate, int | float) for rate in rates):
        raise UsageError(f"lr_mult: expected two numbers, as in [10, 20], received {lr_mult!r}")
    new.param.append(ParamSpec(lr_mult=rates[0], decay_mult=1))
    if settings.bias_term:
        new.param.append(ParamSpec(lr_mult=rates[1], decay_mult=0))
    return new, _without_padding(new, averaged)


def is_averaged(old: Node, path: list[Node]) -> bool:
    """Whether the head is linear in averages; raises where it is not linear in features at all."""
    if old.type == "InnerProduct":
        if old.definition.inner_product_param.axis != 1:
            raise NetError("a classifier has to have axis 1", old.name)
        return False
    shape = old.tops[0].shape or ()
    if all(size == 1 for size in shape[2:]):
        return False
    kernel = old.layer.param_shapes[0][2:]
    pools = [node for node in path if node.type == "Pooling"]
    averages = [node for node in pools if node.definition.pooling_param.pool == 1]
    if any(size != 1 for size in kernel) or len(pools) != 1 or not averages:
        raise NetError(
            f"the classifier gives {shape[2:]} scores a class that are not simply averaged; only a"
            " convolution of 1 x 1 before a global average pooling can be replaced, or one that"
            " reads its whole bottom",
            old.name,
        )
    return True


def without_deadly_layers(graph: Graph, head: Classifier) -> list[str]:
    """Take out what would keep a fresh classifier from learning."""
    notes = []
    for node in [node for node in head.path if node.type in DEADLY]:
        graph.nodes.remove(node)
        head.path.remove(node)
        top, bottom = node.tops[0], node.bottoms[0]
        graph.merge(top, bottom)
        for end in head.ends:
            end.value = bottom if end.value is top else end.value
        notes.append(
            f"{node.name}: the {node.type} behind the classifier was removed; it passes no gradient"
            " for scores below 0, so that a fresh classifier dies"
        )
    return notes


def fit_ends(graph: Graph, head: Classifier, classes: int) -> list[str]:
    """Let what reads the scores be right for so many classes."""
    notes = []
    if head.path[0].type == "Sigmoid":
        head.path[0].definition.type = "Softmax"
        head.path[0].definition.ClearField("sigmoid_param")
        notes.append(
            f"{head.path[0].name}: a Softmax instead of a Sigmoid, since one class is right"
        )
    for judge in head.judges:
        notes += _fit_judge(graph, judge, classes)
    return notes


def _fit_judge(graph: Graph, judge: Node, classes: int) -> list[str]:
    top_k = judge.definition.accuracy_param.top_k
    if judge.type == "Accuracy" and top_k > classes:
        graph.nodes.remove(judge)
        return [
            f"{judge.name}: removed, since the best {top_k} of {classes} classes are always right"
        ]
    if judge.type == "InfogainLoss":
        return [f"{judge.name}: needs a matrix of {classes} x {classes} for the new classes"]
    if judge.type == "SigmoidCrossEntropyLoss":
        labels = judge.bottoms[1]
        shape = (*(labels.shape or (1,))[:1], classes, *(labels.shape or ())[2:])
        return state_shape(graph.maker(labels), labels, shape)
    return []


def _without_padding(head: LayerParameter, averaged: bool) -> list[str]:
    """Zeros around a picture of which single pixels are classified only dilute the average."""
    param = head.convolution_param
    if not averaged or not (any(param.pad) or param.pad_h or param.pad_w):
        return []
    for field in ("pad", "pad_h", "pad_w"):
        param.ClearField(field)
    return [f"{head.name}: reads no border of zeros any more, which says nothing of the picture"]
