"""The losses and Accuracy in ONNX: numbers over the batch that comes, for networks tested whole.

Formulas: zoo/layers/loss.py, softmax_loss.py, infogain.py and the Caffe files named there. Tops are
scalars without loss weight.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from zoo.exports.onnx_graph import FLOAT, INT64, OnnxSite, register_onnx
from zoo.layers.kind import axis_of

__all__: list[str] = []

# Caffe takes the logarithm of no smaller probability than these.
SMALLEST_SOFTMAX = float(np.log(np.finfo(np.float32).tiny))
SMALLEST_PROBABILITY = 1e-20


@register_onnx("SoftmaxWithLoss")
def softmax_with_loss(site: OnnxSite) -> list[str]:
    param = site.message.loss_param
    axis = axis_of(site.message, site.message.softmax_param.axis, site.rank())
    scores = _classes_last(site, axis)
    labels, counts = _labels(site, 1)
    logarithms = site.add("LogSoftmax", scores, axis=1)
    picked = site.add("Max", _at(site, logarithms, labels), SMALLEST_SOFTMAX)
    old = "BATCH_SIZE" if param.HasField("normalize") and not param.normalize else "VALID"
    outer = site.sizes(site.bottom, range(axis))
    total = _sum(site, site.add("Mul", site.add("Neg", picked), counts))
    loss = site.add("Div", total, _divisor(site, _normalization(param, old), outer, labels, counts))
    tops = [loss, site.add("Softmax", site.bottom, axis=axis)]
    return tops[: len(site.layer.tops)]


@register_onnx("SigmoidCrossEntropyLoss")
def sigmoid_cross_entropy_loss(site: OnnxSite) -> list[str]:
    param = site.message.loss_param
    scores, targets = _flat(site, 0), _flat(site, 1)
    numbers, counts = _labels(site, 1)
    # max(x, 0) - x * t + log(1 + exp(-|x|)), which overflows for no x
    tail = site.add("Softplus", site.add("Neg", site.add("Abs", scores)))
    linear = site.add("Sub", site.add("Relu", scores), site.add("Mul", scores, targets))
    terms = site.add("Mul", site.add("Add", linear, tail), counts)
    default = "VALID" if param.HasField("normalize") and param.normalize else "BATCH_SIZE"
    batch = site.sizes(site.bottom, [0])
    divisor = _divisor(site, _normalization(param, default), batch, numbers, counts)
    return _named(site, site.add("Div", _sum(site, terms), divisor))


@register_onnx("EuclideanLoss")
def euclidean_loss(site: OnnxSite) -> list[str]:
    apart = site.add("Sub", _flat(site, 0), _flat(site, 1))
    total = _sum(site, site.add("Mul", apart, apart))
    return _named(site, site.add("Div", total, site.affine(_batch(site), 2.0, 0)))


@register_onnx("Python:pyloss.EuclideanLossLayer")
def python_euclidean_loss(site: OnnxSite) -> list[str]:
    return [site.add("Reshape", loss, [1]) for loss in euclidean_loss(site)]


@register_onnx("HingeLoss")
def hinge_loss(site: OnnxSite) -> list[str]:
    param = site.message.hinge_loss_param
    scores = site.add("Flatten", site.bottom)
    labels, _ = _labels(site, 1)
    depth = site.sizes(scores, [1])
    # 1 - score for the label's class, 1 + score for the others
    signs = site.add("OneHot", labels, depth, np.array([1, -1], np.float32))
    terms = site.add("Relu", site.affine(site.add("Mul", signs, scores), 1, 1.0))
    if param.norm == param.L2:
        terms = site.add("Mul", terms, terms)
    return _named(site, site.add("Div", _sum(site, terms), _batch(site)))


@register_onnx("ContrastiveLoss")
def contrastive_loss(site: OnnxSite) -> list[str]:
    param = site.message.contrastive_loss_param
    rows = [site.add("Flatten", bottom) for bottom in site.bottoms[:2]]
    apart = site.add("Sub", *rows)
    square = site.add("ReduceSum", site.add("Mul", apart, apart), [1], keepdims=0)
    labels, _ = _labels(site, 2)
    similar = site.add("Not", site.add("Equal", labels, np.array(0, np.int64)))
    distance = square if param.legacy_version else site.add("Sqrt", square)
    short = site.add("Relu", site.add("Sub", param.margin, distance))
    other = short if param.legacy_version else site.add("Mul", short, short)
    total = _sum(site, site.add("Where", similar, square, other))
    return _named(site, site.add("Div", total, site.affine(_batch(site), 2.0, 0)))


@register_onnx("MultinomialLogisticLoss")
def multinomial_logistic_loss(site: OnnxSite) -> list[str]:
    labels, _ = _labels(site, 1)
    picked = _at(site, site.add("Flatten", site.bottom), labels)
    logarithm = site.add("Log", site.add("Max", picked, SMALLEST_PROBABILITY))
    total = _sum(site, site.add("Neg", logarithm))
    return _named(site, site.add("Div", total, _batch(site)))


@register_onnx("InfogainLoss")
def infogain_loss(site: OnnxSite) -> list[str]:
    param, kind = site.message.loss_param, cast(Any, site.layer.kind)
    axis = axis_of(site.message, site.message.infogain_loss_param.axis, site.rank())
    logarithms = site.add("LogSoftmax", _classes_last(site, axis), axis=1)
    logarithms = site.add("Max", logarithms, float(np.log(SMALLEST_PROBABILITY)))
    labels, counts = _labels(site, 1)
    classes = site.shape()[axis]
    if len(site.bottoms) == 3:
        matrix: Any = site.add("Reshape", site.bottoms[2], [classes, classes])
    else:
        matrix = kind.matrix(site.message, site.shape())
    weights = site.add("Gather", matrix, labels)
    terms = site.add("ReduceSum", site.add("Mul", weights, logarithms), [1], keepdims=0)
    total = _sum(site, site.add("Mul", site.add("Neg", terms), counts))
    old = "BATCH_SIZE" if param.HasField("normalize") and not param.normalize else "VALID"
    outer = site.sizes(site.bottom, range(axis))
    loss = site.add("Div", total, _divisor(site, _normalization(param, old), outer, labels, counts))
    tops = [loss, site.add("Softmax", site.bottom, axis=axis)]
    return tops[: len(site.layer.tops)]


@register_onnx("SmoothL1Loss")
def smooth_l1_loss(site: OnnxSite) -> list[str]:
    square = site.message.smooth_l1_loss_param.sigma**2
    apart = site.add("Sub", _flat(site, 0), _flat(site, 1))
    weights = [_flat(site, index) for index in range(2, len(site.bottoms))]
    if weights:
        apart = site.add("Mul", apart, weights[0])
    size = site.add("Abs", apart)
    parabola = site.add("Mul", site.add("Mul", size, size), square / 2)
    line = site.add("Sub", size, 0.5 / square)
    terms = site.add("Where", site.add("Less", size, 1 / square), parabola, line)
    if len(weights) > 1:
        terms = site.add("Mul", terms, weights[1])
    return _named(site, site.add("Div", _sum(site, terms), _batch(site)))


@register_onnx("L1Loss")
def l1_loss(site: OnnxSite) -> list[str]:
    apart = site.add("Abs", site.add("Sub", _flat(site, 0), _flat(site, 1)))
    return _named(site, site.add("Div", _sum(site, apart), _batch(site)))


@register_onnx("Accuracy")
def accuracy(site: OnnxSite) -> list[str]:
    """Share of labels among the `top_k` highest scores; equal scores count as higher."""
    param = site.message.accuracy_param
    scores = _classes_last(site, axis_of(site.message, param.axis, site.rank()))
    labels, counts = _labels(site, 1, param)
    own = site.add("Unsqueeze", _at(site, scores, labels), [1])
    not_lower = site.add("Cast", site.add("GreaterOrEqual", scores, own), to=FLOAT)
    higher = site.add("ReduceSum", not_lower, [1], keepdims=0)
    among = site.add("LessOrEqual", higher, float(param.top_k))
    right = site.add("Mul", site.add("Cast", among, to=FLOAT), counts)
    tops = [_share(site, _sum(site, right), _sum(site, counts))]
    if len(site.layer.tops) == 2:
        members = site.add("OneHot", labels, site.sizes(scores, [1]), np.array([0, 1], np.float32))
        parts = [
            site.add("ReduceSum", site.add("Mul", members, column), [0], keepdims=0)
            for column in (site.add("Unsqueeze", part, [1]) for part in (right, counts))
        ]
        tops.append(_share(site, *parts))
    return tops


def _normalization(param: Any, default: str) -> str:
    """The name of the normalisation that is written, or else the default."""
    if not param.HasField("normalization"):
        return default
    return str(param.NormalizationMode.Name(param.normalization))


def _named(site: OnnxSite, loss: str) -> list[str]:
    """The loss, if its layer has a name for it."""
    return [loss][: len(site.layer.tops)]


def _classes_last(site: OnnxSite, axis: int) -> str:
    """The scores as (positions, classes)."""
    order = [other for other in range(site.rank()) if other != axis]
    turned = site.bottom
    if order != list(range(axis)):
        turned = site.add("Transpose", turned, perm=[*order, axis])
    return site.add("Flatten", turned, axis=site.rank() - 1)


def _labels(site: OnnxSite, index: int, param: Any = None) -> tuple[str, str]:
    """Labels as int64, (positions,), and 1 where they count, 0 where they are ignored."""
    param = site.message.loss_param if param is None else param
    numbers = site.add("Cast", _flat(site, index), to=INT64)
    if not param.HasField("ignore_label"):
        ones = site.add("Expand", 1.0, site.add("Shape", numbers))
        return numbers, ones
    ignored = site.add("Equal", numbers, np.array(param.ignore_label, np.int64))
    counted = site.add("Not", ignored)
    # That of an ignored one need not be the number of a class.
    safe = site.add("Where", ignored, np.array(0, np.int64), numbers)
    return safe, site.add("Cast", counted, to=FLOAT)


def _at(site: OnnxSite, values: str, labels: str) -> str:
    """From each row of (positions, classes) the value of its label."""
    column = site.add("Unsqueeze", labels, [1])
    return site.add("Squeeze", site.add("GatherElements", values, column, axis=1), [1])


def _flat(site: OnnxSite, index: int) -> str:
    return site.add("Reshape", site.bottoms[index], [-1])


def _sum(site: OnnxSite, tensor: str) -> str:
    return site.add("ReduceSum", tensor, keepdims=0)


def _batch(site: OnnxSite) -> str:
    """The batch that came, as a number."""
    size = site.add("Gather", site.add("Shape", site.bottom), np.array(0, np.int64))
    return site.add("Cast", size, to=FLOAT)


def _divisor(site: OnnxSite, mode: str, outer: str, labels: str, counts: str) -> Any:
    """What a sum of losses is divided by; never less than 1, so that a batch may ignore all."""
    if mode == "NONE":
        return 1.0
    if mode == "VALID":
        return site.add("Max", _sum(site, counts), 1.0)
    sizes = site.add("Shape", labels) if mode == "FULL" else outer
    return site.add("Cast", site.add("ReduceProd", sizes, keepdims=0), to=FLOAT)


def _share(site: OnnxSite, part: str, whole: str) -> str:
    """part / whole, 0 where the whole is 0; both count things."""
    return site.add("Div", part, site.add("Max", whole, 1.0))
