"""Convolution, Deconvolution and their relatives, InnerProduct and Embed in ONNX.

ONNX took the layout of weights, the meaning of pad, dilation and group, and the rounding of sizes
from Caffe, so most params go in as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.exports.onnx_graph import INT64, OnnxSite, register_onnx
from zoo.layers.kind import axis_of
from zoo.layers.window import Window

__all__: list[str] = []


@register_onnx("Convolution")
def convolution(site: OnnxSite) -> list[str]:
    return _convolved(site, "Conv", site.message.convolution_param.group)


@register_onnx("DepthwiseConvolution", "ConvolutionDepthwise")
def depthwise_convolution(site: OnnxSite) -> list[str]:
    param = site.message.convolution_param
    return _convolved(site, "Conv", param.group if param.HasField("group") else site.shape()[1])


@register_onnx("Deconvolution")
def deconvolution(site: OnnxSite) -> list[str]:
    return _convolved(site, "ConvTranspose", site.message.convolution_param.group)


def _convolved(site: OnnxSite, operation: str, group: int) -> list[str]:
    axis, window = _window(site)
    attributes = {
        "kernel_shape": window.kernel or (1,),
        "strides": window.stride or (1,),
        "pads": window.pad * 2 or (0, 0),
        "dilations": window.dilation or (1,),
        "group": group,
    }
    weight, *bias = site.params
    if not window.axes:
        weight = site.add("Unsqueeze", weight, [2])
    tops = []
    for index, bottom in enumerate(site.bottoms):
        batched = _as_batch(site, bottom, index, axis, window)
        top = site.add(operation, batched, weight, *bias, **attributes)
        tops.append(_from_batch(site, top, index, axis, window))
    return tops


def _window(site: OnnxSite) -> tuple[int, Window]:
    """The axis of the channels and the window over those behind it."""
    kind: Any = site.layer.kind
    place: tuple[int, Window] = kind.window(site.message, site.shape())
    return place


def _as_batch(site: OnnxSite, tensor: str, index: int, axis: int, window: Window) -> str:
    """The tensor with one axis before its channels and at least one behind them."""
    if axis == 1 and window.axes:
        return tensor
    sizes = site.fixed_shape(index)[axis:]
    return site.add("Reshape", tensor, [-1, *sizes, *(() if window.axes else (1,))])


def _from_batch(site: OnnxSite, tensor: str, index: int, axis: int, window: Window) -> str:
    """The inverse of `_as_batch`, for the top."""
    if axis == 1 and window.axes:
        return tensor
    sizes = site.top_shape(index)
    return site.add("Reshape", tensor, [-1, *sizes[1:]] if axis else list(sizes))


@register_onnx("InnerProduct")
def inner_product(site: OnnxSite) -> list[str]:
    param = site.message.inner_product_param
    axis = axis_of(site.message, param.axis, site.rank())
    if axis == 1:
        flat = site.bottom if site.rank() == 2 else site.add("Flatten", site.bottom)
        return [site.add("Gemm", flat, *site.params, transB=0 if param.transpose else 1)]
    flat = site.add("Reshape", site.bottom, [0] * axis + [-1])
    weight = site.params[0] if param.transpose else site.add("Transpose", site.params[0])
    product = site.add("MatMul", flat, weight)
    return [site.add("Add", product, site.params[1]) if param.bias_term else product]


@register_onnx("Embed")
def embed(site: OnnxSite) -> list[str]:
    row = site.add("Cast", site.bottom, to=INT64)
    rows = site.add("Gather", site.params[0], row)
    return [site.add("Add", rows, site.params[1]) if len(site.params) > 1 else rows]


@register_onnx("Im2col")
def im2col(site: OnnxSite) -> list[str]:
    """The patches under a kernel as channels: a convolution with kernels of a single 1."""
    axis, window = _window(site)
    channels, taps = site.shape()[axis], int(np.prod(window.kernel))
    one_each = np.eye(taps, dtype=np.float32).reshape(taps, 1, *window.kernel)
    top = site.add(
        "Conv",
        _as_batch(site, site.bottom, 0, axis, window),
        np.tile(one_each, (channels, *(1,) * (one_each.ndim - 1))),
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=window.pad * 2,
        dilations=window.dilation,
        group=channels,
    )
    return [_from_batch(site, top, 0, axis, window)]
