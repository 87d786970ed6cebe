"""Kinds that join blobs, part them, or compare values along an axis, in ONNX.

Formulas: zoo/layers/combine.py, along_axis.py and the Caffe files named there.
"""

from __future__ import annotations

from typing import Any

from zoo.exports.onnx_graph import END, FLOAT, INT64, OnnxSite, register_onnx
from zoo.layers.kind import axis_of

__all__: list[str] = []


@register_onnx("Eltwise")
def eltwise(site: OnnxSite) -> list[str]:
    param = site.message.eltwise_param
    if param.operation == param.MAX:
        return [site.add("Max", *site.bottoms)]
    if param.operation == param.PROD:
        product = site.bottom
        for bottom in site.bottoms[1:]:
            product = site.add("Mul", product, bottom)
        return [product]
    coefficients = param.coeff or [1.0] * len(site.bottoms)
    terms = [
        site.affine(bottom, coefficient, 0)
        for bottom, coefficient in zip(site.bottoms, coefficients, strict=True)
    ]
    # Add, not Sum, is what ONNX Runtime fuses into the convolution before it.
    return [site.add("Add" if len(terms) == 2 else "Sum", *terms)]


@register_onnx("Concat")
def concat(site: OnnxSite) -> list[str]:
    axis = _kind(site).axis(site.message, site.rank())
    return [site.add("Concat", *site.bottoms, axis=axis) if len(site.bottoms) > 1 else site.bottom]


@register_onnx("Slice")
def slice_(site: OnnxSite) -> list[str]:
    axis, pieces = _kind(site).axis(site.message, site.rank()), len(site.layer.tops)
    points = list(site.message.slice_param.slice_point)
    if pieces == 1:
        return [site.bottom]
    if not points:
        return site.several("Split", pieces, site.bottom, axis=axis, num_outputs=pieces)
    bounds = [0, *points, END]
    return [
        site.cut(site.bottom, axis, start, end)
        for start, end in zip(bounds[:-1], bounds[1:], strict=True)
    ]


@register_onnx("Split")
def split(site: OnnxSite) -> list[str]:
    return [site.bottom] * len(site.layer.tops)


@register_onnx("Silence")
def silence(site: OnnxSite) -> list[str]:
    return []


@register_onnx("Tile")
def tile(site: OnnxSite) -> list[str]:
    param = site.message.tile_param
    axis = axis_of(site.message, param.axis, site.rank())
    return [site.add("Concat", *[site.bottom] * param.tiles, axis=axis)]


@register_onnx("ArgMax")
def argmax(site: OnnxSite) -> list[str]:
    param = site.message.argmax_param
    if param.HasField("axis"):
        axis = axis_of(site.message, param.axis, site.rank())
        indices, values = _largest(site, site.bottom, axis)
        return [values if param.out_max_val else indices]
    # (N, 1 or 2, top_k), and as many more axes of size 1 as the bottom has.
    flat = site.add("Flatten", site.bottom)
    parts = _largest(site, flat, 1)[: 2 if param.out_max_val else 1]
    axes = [1, *range(3, max(3, site.rank()))]
    parts = [site.add("Unsqueeze", part, axes) for part in parts]
    return [site.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]]


def _largest(site: OnnxSite, tensor: str, axis: int) -> list[str]:
    """Where the `top_k` largest values along an axis stand, and what they are.

    Of equal values Caffe takes the one with the larger index, ONNX the other: hence from behind.
    """
    turned = site.cut(tensor, axis, -1, -END, -1)
    values, places = site.several(
        "TopK", 2, turned, [site.message.argmax_param.top_k], axis=axis, largest=1, sorted=1
    )
    last = site.add("Cast", site.sizes(tensor, [axis]), to=FLOAT)
    from_behind = site.add("Add", site.add("Cast", places, to=FLOAT), 1.0)
    return [site.add("Sub", last, from_behind), values]


@register_onnx("Softmax")
def softmax(site: OnnxSite) -> list[str]:
    axis = axis_of(site.message, site.message.softmax_param.axis, site.rank())
    return [site.add("Softmax", site.bottom, axis=axis)]


@register_onnx("Reduction")
def reduction(site: OnnxSite) -> list[str]:
    param = site.message.reduction_param
    axes = list(range(axis_of(site.message, param.axis, site.rank()), site.rank()))
    tensor, operation = site.bottom, "ReduceSum"
    if param.operation == param.ASUM:
        tensor = site.add("Abs", tensor)
    elif param.operation == param.SUMSQ:
        tensor = site.add("Mul", tensor, tensor)
    if param.operation == param.MEAN:
        operation = "ReduceMean"
    return [site.affine(site.add(operation, tensor, axes, keepdims=0), param.coeff, 0)]


@register_onnx("BatchReindex")
def batch_reindex(site: OnnxSite) -> list[str]:
    index = site.add("Cast", site.bottoms[1], to=INT64)
    return [site.add("Gather", site.bottom, index)]


@register_onnx("Filter")
def filter_(site: OnnxSite) -> list[str]:
    *tensors, selector = site.bottoms
    flat = site.add("Reshape", selector, [-1])
    kept = site.add("Not", site.add("Equal", flat, 0.0))
    return [site.add("Compress", tensor, kept, axis=0) for tensor in tensors]


@register_onnx("Parameter")
def parameter(site: OnnxSite) -> list[str]:
    return [site.params[0]]


def _kind(site: OnnxSite) -> Any:
    return site.layer.kind
