"""Pooling in ONNX, with Caffe's rounding and clipping.

Caffe: pooling_layer.cpp. Sizes round up, a last window that would start behind the padded picture
is dropped, and AVE divides by the part of a window inside it. ONNX says the same since opset 19 and
ONNX Runtime computes it so since version 1.21; where sizes are known nothing hangs on that.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from zoo.exports.onnx_graph import FLOAT, OnnxSite, register_onnx

__all__: list[str] = []

LOWEST = float(np.finfo(np.float32).min)


@register_onnx("Pooling")
def pooling(site: OnnxSite) -> list[str]:
    param = site.message.pooling_param
    if param.pool == param.STOCHASTIC:
        square = site.add("Mul", site.bottom, site.bottom)
        return [_ratio(site, _average(site, square), _average(site, site.bottom))]
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


def _ratio(site: OnnxSite, part: str, whole: str) -> str:
    """part / whole, 0 where the whole is not positive."""
    positive = site.add("Greater", whole, 0.0)
    return site.add("Where", positive, site.add("Div", part, whole), 0.0)


def _maximum(site: OnnxSite) -> list[str]:
    windows = _Windows(site)
    tops = site.several("MaxPool", len(site.layer.tops), site.bottom, **windows.attributes)
    if len(tops) > 1:
        # ONNX counts through the whole tensor, Caffe through one picture of one channel.
        height, width = (site.sizes(site.bottom, [axis]) for axis in (2, 3))
        place = site.add("Mod", tops[1], site.add("Mul", height, width))
        tops[1] = site.add("Cast", place, to=FLOAT)
    return [
        windows.with_missing(top, value) for top, value in zip(tops, (LOWEST, -1.0), strict=False)
    ]


def _average(site: OnnxSite, tensor: str) -> str:
    if site.message.pooling_param.global_pooling:
        return site.add("GlobalAveragePool", tensor)
    windows = _Windows(site)
    if windows.are_the_picture:
        return site.add("GlobalAveragePool", tensor)
    padded = any(windows.pads)
    # Without padding ONNX counts what Caffe does: the part of a window inside the picture.
    include = int(padded or any(windows.missing))
    pooled = site.add("AveragePool", tensor, count_include_pad=include, **windows.attributes)
    if not include or windows.shares is None or (windows.shares == 1).all():
        return pooled
    return site.add("Div", windows.with_missing(pooled, 0.0), windows.shares)


class _Windows:
    """The windows of a pooling layer as ONNX says them.

    Attributes
    ----------
    attributes : of the operator. Where sizes are free they ask it to round up; else they have the
        padding behind the picture that gives as many windows, which needs no rounding.
    pads : of the layer, (height, width).
    missing : how many windows along each axis start behind the picture, where ONNX has none.
    shares : the part of each window inside the padded picture, (H', W'), None for free sizes;
        Caffe lets it be negative.
    """

    def __init__(self, site: OnnxSite) -> None:
        self._site = site
        param, kind = site.message.pooling_param, cast(Any, site.layer.kind)
        if param.global_pooling:
            site.fix_sizes()
        window = kind.window(site.message, site.shape())
        rounds_up = param.round_mode == param.CEIL
        self.pads = window["pad"]
        self.missing = [0, 0]
        self.shares: np.ndarray | None = None
        self.attributes = {
            "kernel_shape": window["kernel"],
            "strides": window["stride"],
            "pads": [*self.pads, *self.pads],
        }
        if not rounds_up:
            return
        leaps = any(s > k and not p for k, s, p in zip(*window.values(), strict=True))
        if site.free and not leaps:
            self.attributes["ceil_mode"] = 1
        else:
            self._place(list(zip(*window.values(), strict=True)))

    def _place(self, window: list[tuple[int, int, int]]) -> None:
        """Put as many windows as Caffe does over a picture whose size is known."""
        sizes = zip(self._site.fixed_shape()[2:], self._site.top_shape()[2:], strict=True)
        ends, shares = [], []
        for axis, ((size, windows), (kernel, stride, pad)) in enumerate(
            zip(sizes, window, strict=True)
        ):
            start = np.arange(windows) * stride - pad
            self.missing[axis] = int(start[-1] >= size)
            last = int(start[windows - 1 - self.missing[axis]])
            ends.append(max(0, last + kernel - size))
            shares.append((np.minimum(start + kernel, size + pad) - start) / kernel)
        self.attributes["pads"] = [*self.pads, *ends]
        self.shares = np.outer(*shares).astype(np.float32)

    @property
    def are_the_picture(self) -> bool:
        """Whether there is one window, which is the picture; its operator is quicker."""
        whole = tuple(self.attributes["kernel_shape"]) == self._site.shape()[2:]
        return whole and not self._site.free and not any(self.pads)

    def with_missing(self, tensor: str, value: float) -> str:
        """The tensor with this value for the windows that ONNX does not have."""
        if not any(self.missing):
            return tensor
        return self._site.add("Pad", tensor, [0] * 6 + self.missing, value)
