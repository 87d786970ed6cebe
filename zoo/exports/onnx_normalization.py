"""LRN, BatchNorm, Scale, Bias, MVN and their relatives in ONNX.

Formulas: zoo/layers/normalization.py and the Caffe files named there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from zoo.exports.onnx_graph import OnnxSite, register_onnx

__all__: list[str] = []


@register_onnx("LRN")
def lrn(site: OnnxSite) -> list[str]:
    """x / (k + alpha / n * sum of x^2)^beta.

    ONNX has an operator of that name, which ONNX Runtime takes three times as long for.
    """
    param = site.message.lrn_param
    square, size = site.add("Mul", site.bottom, site.bottom), param.local_size
    if param.norm_region == param.ACROSS_CHANNELS:
        channels = np.arange(site.shape()[1])
        near = np.abs(channels[:, None] - channels[None]) <= size // 2
        weight = near.astype(np.float32)[:, :, None, None] * np.float32(param.alpha / size)
        scale = site.add("Conv", square, weight, np.full(len(channels), param.k, np.float32))
    else:
        edge = (size - 1) // 2
        average = site.add(
            "AveragePool",
            square,
            kernel_shape=[size, size],
            pads=[edge] * 4,
            count_include_pad=1,
        )
        # Within a channel Caffe computes with k = 1 whatever is written.
        scale = site.affine(average, param.alpha, 1.0)
    return [site.add("Div", site.bottom, _power(site, scale, param.beta))]


def _power(site: OnnxSite, tensor: str, exponent: float) -> str:
    if not math.isclose(exponent, 0.75):
        return site.add("Pow", tensor, exponent)
    # Two square roots are several times as quick as a power, and 3/4 is what nets use.
    root = site.add("Sqrt", tensor)
    return site.add("Mul", root, site.add("Sqrt", root))


@register_onnx("BatchNorm")
def batch_norm(site: OnnxSite) -> list[str]:
    param = site.message.batch_norm_param
    if param.HasField("use_global_stats") and not param.use_global_stats:
        return [_by_the_batch(site, param.eps)]
    mean, variance = _statistics(site.blobs)
    if site.rank() < 2:
        centred = site.add("Sub", site.bottom, mean)
        return [site.add("Div", centred, np.sqrt(variance + np.float32(param.eps)))]
    ones, zeros = np.ones_like(mean), np.zeros_like(mean)
    return [
        site.add("BatchNormalization", site.bottom, ones, zeros, mean, variance, epsilon=param.eps)
    ]


def _statistics(blobs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance from sums and their factor; a factor of 0 makes both 0."""
    factor = float(blobs[2].reshape(-1)[0])
    share = np.float32(0 if factor == 0 else 1 / factor)
    return blobs[0] * share, blobs[1] * share


def _by_the_batch(site: OnnxSite, eps: float) -> str:
    axes = [axis for axis in range(site.rank()) if axis != 1]
    centred = site.add("Sub", site.bottom, site.add("ReduceMean", site.bottom, axes))
    variance = site.add("ReduceMean", site.add("Mul", centred, centred), axes)
    return site.add("Div", centred, site.add("Sqrt", site.add("Add", variance, eps)))


@register_onnx("Scale")
def scale(site: OnnxSite) -> list[str]:
    axis, shape = _place(site)
    bias = site.message.scale_param.bias_term
    if len(site.bottoms) == 1 and axis == 1 and len(shape) == 1 and site.rank() > 2:
        # Of the operators that do this ONNX Runtime folds this one into a convolution.
        channels = np.zeros(shape, np.float32)
        shift = site.params[1] if bias else channels
        return [
            site.add(
                "BatchNormalization",
                site.bottom,
                site.params[0],
                shift,
                channels,
                np.ones_like(channels),
                epsilon=0.0,
            )
        ]
    if len(site.bottoms) == 2:
        factor: Any = _spread(site, site.bottoms[1], axis, len(shape))
    else:
        factor = _broadcast(site.blobs[0], axis, site.rank())
    product = site.add("Mul", site.bottom, factor)
    if not bias:
        return [product]
    return [site.add("Add", product, _broadcast(site.blobs[-1], axis, site.rank()))]


@register_onnx("Bias")
def bias(site: OnnxSite) -> list[str]:
    axis, shape = _place(site)
    if len(site.bottoms) == 2:
        return [site.add("Add", site.bottom, _spread(site, site.bottoms[1], axis, len(shape)))]
    return [site.add("Add", site.bottom, _broadcast(site.blobs[0], axis, site.rank()))]


def _place(site: OnnxSite) -> tuple[int, tuple[int, ...]]:
    """The axis at which the blob of a Scale or Bias lies, and its shape."""
    kind: Any = site.layer.kind
    shapes = [site.shape(index) for index in range(len(site.bottoms))]
    place: tuple[int, tuple[int, ...]] = kind.blob_shape(site.message, shapes)
    return place


def _broadcast(blob: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """The blob with axes of size 1 behind, so that it lies from `axis` on."""
    return blob.reshape(*blob.shape, *(1,) * (rank - axis - blob.ndim))


def _spread(site: OnnxSite, tensor: str, axis: int, axes: int) -> str:
    """The same for a tensor of so many axes."""
    behind = site.rank() - axis - axes
    return site.add("Unsqueeze", tensor, list(range(axes, axes + behind))) if behind else tensor


@register_onnx("MVN")
def mvn(site: OnnxSite) -> list[str]:
    param = site.message.mvn_param
    axes = list(range(1 if param.across_channels else 2, site.rank()))
    centred = site.add("Sub", site.bottom, site.add("ReduceMean", site.bottom, axes))
    if not param.normalize_variance:
        return [centred]
    variance = site.add("ReduceMean", site.add("Mul", centred, centred), axes)
    deviation = site.add("Add", site.add("Sqrt", variance), param.eps)
    return [site.add("Div", centred, deviation)]
