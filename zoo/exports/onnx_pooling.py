"""Pooling in ONNX, whose ceil_mode and count_include_pad mean what Caffe does.

Caffe: pooling_layer.cpp. A last window that would start behind the padded picture is dropped, and
AVE divides by the part of the window inside it; ONNX says the same since opset 19, ONNX Runtime
computes it so in every opset.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.exports.onnx_graph import FLOAT, OnnxSite, register_onnx

__all__: list[str] = []

LOWEST = float(np.finfo(np.float32).min)


@register_onnx("Pooling")
def pooling(site: OnnxSite) -> list[str]:
    param = site.message.pooling_param
    if param.pool == param.STOCHASTIC:
        return [_stochastic(site)]
    if param.pool == param.AVE:
        return [_average(site, site.bottom)]
    if param.global_pooling and len(site.layer.tops) == 1:
        return [site.add("GlobalMaxPool", site.bottom)]
    return _maximum(site)


@register_onnx("SPP")
def spp(site: OnnxSite) -> list[str]:
    """Each level pools into its bins, over a picture padded to whole ones."""
    param, (height, width) = site.message.spp_param, site.fixed_shape()[2:]
    levels = []
    for level in range(param.pyramid_height):
        bins = 2**level
        kernel = [-(-size // bins) for size in (height, width)]
        rest = [size * bins - old for size, old in zip(kernel, (height, width), strict=True)]
        before, after = [(more + 1) // 2 for more in rest], [more // 2 for more in rest]
        window = {"kernel_shape": kernel, "strides": kernel, "pads": [*before, *after]}
        levels.append(_binned(site, window))
    if len(levels) == 1:
        return levels
    return [site.add("Concat", *(site.add("Flatten", level) for level in levels), axis=1)]


def _binned(site: OnnxSite, window: dict[str, Any]) -> str:
    param = site.message.spp_param
    if param.pool == param.MAX:
        return site.add("MaxPool", site.bottom, **window)
    window["count_include_pad"] = 1
    if param.pool == param.AVE:
        return site.add("AveragePool", site.bottom, **window)
    square = site.add("Mul", site.bottom, site.bottom)
    totals = [site.add("AveragePool", tensor, **window) for tensor in (square, site.bottom)]
    return _ratio(site, *totals)


def _window(site: OnnxSite) -> dict[str, Any]:
    """The attributes of a pooling operator."""
    kind = site.layer.kind
    if site.message.pooling_param.global_pooling:
        site.fix_sizes()
    window = kind.window(site.message, site.shape())  # type: ignore[union-attr]
    return {
        "kernel_shape": window["kernel"],
        "strides": window["stride"],
        "pads": window["pad"] * 2,
        "ceil_mode": int(_rounds_up(site)),
    }


def _rounds_up(site: OnnxSite) -> bool:
    param = site.message.pooling_param
    return bool(param.round_mode == param.CEIL)


def _leaps(attributes: dict[str, Any]) -> bool:
    """Whether the last window may start outside: Caffe keeps it when there is no pad at all."""
    return bool(attributes["ceil_mode"]) and any(
        stride > kernel and not pad
        for kernel, stride, pad in zip(
            attributes["kernel_shape"], attributes["strides"], attributes["pads"], strict=False
        )
    )


def _maximum(site: OnnxSite) -> list[str]:
    attributes, missing = _placed(site)
    tops = site.several("MaxPool", len(site.layer.tops), site.bottom, **attributes)
    if len(tops) > 1:
        # ONNX counts through the whole tensor, Caffe through one picture of one channel.
        height, width = (site.sizes(site.bottom, [axis]) for axis in (2, 3))
        place = site.add("Mod", tops[1], site.add("Mul", height, width))
        tops[1] = site.add("Cast", place, to=FLOAT)
    return [
        _with_missing(site, top, missing, value)
        for top, value in zip(tops, (LOWEST, -1.0), strict=False)
    ]


def _average(site: OnnxSite, tensor: str) -> str:
    if site.message.pooling_param.global_pooling:
        return site.add("GlobalAveragePool", tensor)
    attributes = _window(site)
    if not _leaps(attributes):
        padded = int(any(attributes["pads"]))
        return site.add("AveragePool", tensor, count_include_pad=padded, **attributes)
    attributes, missing = _placed(site)
    pooled = site.add("AveragePool", tensor, count_include_pad=1, **attributes)
    return site.add("Div", _with_missing(site, pooled, missing, 0.0), _shares(site))


def _placed(site: OnnxSite) -> tuple[dict[str, Any], list[int]]:
    """The attributes, and how many windows along each axis start behind the picture.

    ONNX has no window that does, so the sizes must be known, and these windows are put behind.
    """
    attributes = _window(site)
    if not _leaps(attributes):
        return attributes, [0, 0]
    ends, missing = [], []
    for size, windows, kernel, stride, pad in _geometry(site):
        outside = int((windows - 1) * stride - pad >= size)
        last = (windows - 1 - outside) * stride - pad
        ends.append(max(0, last + kernel - size))
        missing.append(outside)
    attributes |= {"ceil_mode": 0, "pads": [*attributes["pads"][:2], *ends]}
    return attributes, missing


def _with_missing(site: OnnxSite, tensor: str, missing: list[int], value: float) -> str:
    return site.add("Pad", tensor, [0] * 6 + missing, value) if any(missing) else tensor


def _shares(site: OnnxSite) -> np.ndarray:
    """The part of each window inside the padded picture, (H', W'); Caffe lets it be negative."""
    parts = []
    for size, windows, kernel, stride, pad in _geometry(site):
        start = np.arange(windows) * stride - pad
        parts.append((np.minimum(start + kernel, size + pad) - start) / kernel)
    return np.outer(*parts).astype(np.float32)


def _geometry(site: OnnxSite) -> list[tuple[int, ...]]:
    """For each axis its size, the number of windows, kernel, stride and pad."""
    attributes = _window(site)
    columns = (site.fixed_shape()[2:], site.top_shape()[2:], attributes["kernel_shape"])
    rest = (attributes["strides"], attributes["pads"][:2])
    return list(zip(*columns, *rest, strict=True))


def _stochastic(site: OnnxSite) -> str:
    """In TEST the values of a window weigh as much as they are large: sum(x * x) / sum(x)."""
    square = site.add("Mul", site.bottom, site.bottom)
    return _ratio(site, _average(site, square), _average(site, site.bottom))


def _ratio(site: OnnxSite, part: str, whole: str) -> str:
    """part / whole, 0 where the whole is not positive."""
    positive = site.add("Greater", whole, 0.0)
    return site.add("Where", positive, site.add("Div", part, whole), 0.0)
