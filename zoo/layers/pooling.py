"""Pooling: MAX, AVE and STOCHASTIC with Caffe's rounding, over windows or the whole picture.

Caffe: pooling_layer.cpp. Sizes round up (unless round_mode says FLOOR), and with padding along
either axis a last window that would start behind the padded picture is dropped along both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.reach import Reaches, windows
from zoo.layers.site import Blob, Site

__all__ = ["Pooling", "pooled_size"]


def pooled_size(
    size: int, kernel: int, stride: int, pad: int, ceil: bool, other_padded: bool = False
) -> int:
    """Number of windows along one axis, as Caffe counts them.

    `other_padded` says that there is padding along the other axis: then Caffe drops windows that
    start behind the picture along this one too.

    >>> pooled_size(112, 3, 2, 0, ceil=True)
    56
    >>> pooled_size(5, 2, 2, 1, ceil=True)
    3
    >>> pooled_size(8, 1, 2, 0, ceil=True), pooled_size(8, 1, 2, 0, ceil=True, other_padded=True)
    (5, 4)
    """
    room = size + 2 * pad - kernel
    windows = (-(-room // stride) if ceil else room // stride) + 1
    if (pad or other_padded) and (windows - 1) * stride >= size + pad:
        windows -= 1
    return windows


@layer("Pooling")
class Pooling(Kind):
    """(N, C, H, W) to (N, C, H', W'); a second top of MAX pooling is the mask."""

    top_count = (1, 2)

    def window(self, layer: Any, bottom: Shape) -> dict[str, tuple[int, int]]:
        """kernel, stride and pad as (height, width)."""
        param = layer.pooling_param
        if len(bottom) != 4:
            raise ShapeError(f"expected a blob of 4 axes, received {bottom}", layer.name)
        stride = _pair(layer, "stride", "stride_h", "stride_w")
        pad = _pair(layer, "pad", "pad_h", "pad_w")
        if param.global_pooling:
            if any(map(param.HasField, ("kernel_size", "kernel_h", "kernel_w"))):
                raise NetError("global_pooling excludes a kernel size", layer.name)
            if any(pad) or stride != (1, 1):
                raise NetError("global_pooling goes with pad 0 and stride 1 only", layer.name)
            return {"kernel": bottom[2:], "stride": (1, 1), "pad": (0, 0)}
        kernel = _pair(layer, "kernel_size", "kernel_h", "kernel_w")
        if min(kernel) < 1 or min(stride) < 1:
            raise ShapeError(
                f"kernel and stride must be at least 1, received {kernel} and {stride}", layer.name
            )
        if any(p >= k for p, k in zip(pad, kernel, strict=True)):
            raise ShapeError(f"pad {pad} must be smaller than the kernel {kernel}", layer.name)
        if any(pad) and param.pool == param.STOCHASTIC:
            raise NetError(f"STOCHASTIC pooling takes no padding, received {pad}", layer.name)
        return {"kernel": kernel, "stride": stride, "pad": pad}

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param, bottom = layer.pooling_param, bottoms[0]
        if len(layer.top) > 1 and param.pool != param.MAX:
            raise NetError("only MAX pooling has a mask as second top", layer.name)
        window = self.window(layer, bottom)
        if param.global_pooling:
            sizes: tuple[int, ...] = (1, 1)
        else:
            ceil, padded = param.round_mode == param.CEIL, any(window["pad"])
            sizes = tuple(
                pooled_size(size, kernel, stride, pad, ceil, padded)
                for size, kernel, stride, pad in zip(bottom[2:], *window.values(), strict=True)
            )
        if min(sizes) < 1:
            raise ShapeError(
                f"a window of {window['kernel']} does not fit an input of {bottom[2:]}", layer.name
            )
        return [(*bottom[:2], *sizes)] * len(layer.top)

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        if layer.pooling_param.global_pooling:
            return ["whole"]
        window = self.window(layer, bottoms[0])
        return [windows(window["kernel"], window["stride"], window["pad"])]

    def stops_gradient(self, layer: Any) -> tuple[set[int], set[int]]:
        return set(), {1}

    def build(self, site: Site) -> list[Blob]:
        picture = site.channels_last()
        makers = [self._values, self._mask]
        pools = [make(site) for make in makers[: len(site.tops)]]
        return [
            Blob(pool(picture), top, channels_last=True)
            for pool, top in zip(pools, site.tops, strict=True)
        ]

    def _values(self, site: Site) -> Any:
        """The Keras layer of the first top."""
        import keras

        from zoo.keras_layers import special_pooling
        from zoo.keras_layers.pooling import CaffePooling2D, GlobalMaxPooling

        param = site.layer.pooling_param
        if param.pool == param.STOCHASTIC:
            if param.global_pooling:
                return special_pooling.SpatialPyramidPooling("stochastic", 1, name=site.name)
            return special_pooling.StochasticPooling2D(*self._settings(site), name=site.name)
        maximum = param.pool == param.MAX
        if param.global_pooling:
            if maximum:
                return GlobalMaxPooling(name=site.name)
            return keras.layers.GlobalAveragePooling2D(keepdims=True, name=site.name)
        mode = "max" if maximum else "average"
        return CaffePooling2D(mode, *self._settings(site), name=site.name)

    def _mask(self, site: Site) -> Any:
        """The Keras layer of the second top."""
        from zoo.keras_layers.special_pooling import GlobalPoolingMask, PoolingMask

        name = f"{site.name}_mask"
        if site.layer.pooling_param.global_pooling:
            return GlobalPoolingMask(name=name)
        return PoolingMask("max", *self._settings(site), name=name)

    def _settings(self, site: Site) -> tuple[Any, ...]:
        """Kernel, stride, pad and the rounding as the Keras layers take them."""
        param = site.layer.pooling_param
        window = self.window(site.layer, site.bottoms[0].shape)
        rounding = "ceil" if param.round_mode == param.CEIL else "floor"
        return (*window.values(), rounding)


def _pair(layer: Any, both: str, tall: str, wide: str) -> tuple[int, int]:
    """Height and width, given by one number or by one each."""
    param = layer.pooling_param
    given = [param.HasField(name) for name in (tall, wide)]
    # The one exception of Caffe's: kernel_size beside only one of the others is what counts.
    if not any(given) or (both == "kernel_size" and param.HasField(both) and not all(given)):
        return getattr(param, both), getattr(param, both)
    if param.HasField(both) or not all(given):
        raise NetError(f"expected {both}, or {tall} and {wide} without it", layer.name)
    return getattr(param, tall), getattr(param, wide)
