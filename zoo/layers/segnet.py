"""Upsample and BN, which SegNet's fork brought, and what other forks mean by the same names.

Upsample: upsample_layer.cpp of caffe-segnet puts values back where MAX pooling found them; in ports
of YOLO, where it has one bottom, it repeats them. BN: bn_layer.cpp of caffe-segnet has two blobs
and no running statistics; that of yjxiong's fork and of PSPNet has four. The names in `bn_param`
say whose it is; an empty one is taken for the latter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.caffe.schema.caffe_pb2 import FillerParameter
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.reach import Reach, Reaches
from zoo.layers.site import Blob, Site, axis_in

__all__ = ["BN", "Upsample"]


@layer("Upsample")
class Upsample(Kind):
    """(N, C, H, W) and the mask of a MAX pooling to the size that was pooled; 0 elsewhere.

    Without a mask each value is repeated. Where the mask names a place twice, the later one stays.
    """

    bottom_count = (1, 2)

    def scale(self, layer: Any) -> tuple[int, int]:
        """How many times as high and wide the top is."""
        param = layer.upsample_param
        if param.HasField("scale_h") != param.HasField("scale_w") or (
            param.HasField("scale_h") and param.HasField("scale")
        ):
            raise NetError("upsample_param needs scale, or scale_h and scale_w", layer.name)
        if param.HasField("scale_h"):
            return param.scale_h, param.scale_w
        return param.scale, param.scale

    def sizes(self, layer: Any, bottom: Shape) -> tuple[int, int]:
        """Height and width of the top."""
        param = layer.upsample_param
        if param.HasField("upsample_h") != param.HasField("upsample_w"):
            raise NetError("upsample_h and upsample_w go together", layer.name)
        if param.HasField("upsample_h"):
            return param.upsample_h, param.upsample_w
        scale = self.scale(layer)
        if any(pad and by != 2 for pad, by in zip(self.pads(layer), scale, strict=True)):
            raise NetError("pad_out_h and pad_out_w go with a scale of 2", layer.name)
        height, width = (
            size * by - pad
            for size, by, pad in zip(bottom[2:], scale, self.pads(layer), strict=True)
        )
        return height, width

    def pads(self, layer: Any) -> tuple[int, int]:
        """How many rows and columns less come out, 0 or 1, since pooling rounded up."""
        return int(layer.upsample_param.pad_out_h), int(layer.upsample_param.pad_out_w)

    def differentiates(self, layer: Any, index: int) -> bool:
        return index == 0

    def example(
        self, layer: Any, bottoms: Sequence[Shape], index: int, rng: np.random.Generator
    ) -> np.ndarray:
        if index == 0:
            return rng.standard_normal(bottoms[0])
        places = rng.permutation(math.prod(self.sizes(layer, bottoms[0])))
        plane = places[: math.prod(bottoms[0][2:])].reshape(bottoms[0][2:])
        return np.broadcast_to(plane, bottoms[1]).astype(float)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        if len(bottom) != 4 or any(other != bottom for other in bottoms):
            raise ShapeError(
                "expected a blob of 4 axes, and the mask of the pooling in the same shape;"
                f" received {', '.join(map(str, bottoms))}",
                layer.name,
            )
        sizes = self.sizes(layer, bottom)
        if min(sizes) < 1:
            raise ShapeError(f"{sizes} is no size for a top", layer.name)
        if len(bottoms) == 1 and (
            layer.upsample_param.HasField("upsample_h") or any(self.pads(layer))
        ):
            raise NetError(
                "upsample_h, upsample_w, pad_out_h and pad_out_w need the mask of the pooling as"
                " second bottom",
                layer.name,
            )
        return [(*bottom[:2], *sizes)]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        if layer.upsample_param.HasField("upsample_h"):
            return ["whole"] * len(bottoms)
        one = tuple(Reach(by, 1, by - 1, by) for by in self.scale(layer))
        return [one] * len(bottoms)

    def build(self, site: Site) -> list[Blob]:
        import keras

        from zoo.keras_layers.unpooling import Unpooling

        if len(site.bottoms) == 1:
            repeat = keras.layers.UpSampling2D(
                self.scale(site.layer), interpolation="nearest", name=site.name
            )
            return [Blob(repeat(site.channels_last()), site.tops[0], channels_last=True)]
        if site.layer.upsample_param.HasField("upsample_h"):
            unpool = Unpooling(self.sizes(site.layer, site.bottoms[0].shape), name=site.name)
        else:
            unpool = Unpooling(
                scale=self.scale(site.layer), less=self.pads(site.layer), name=site.name
            )
        tensor = unpool([site.channels_last(0), site.channels_last(1)])
        return [Blob(tensor, site.tops[0], channels_last=True)]


@layer("BN", "SyncBN")
class BN(Kind):
    """Batch normalisation with scale and shift in one layer, blobs (1, C, 1, 1)."""

    top_count = (1, 3)
    ones_vary = True

    def is_segnet(self, layer: Any) -> bool:
        """Whether this is SegNet's, with the two blobs scale and shift."""
        param = layer.bn_param
        return any(param.HasField(name) for name in ("scale_filler", "shift_filler", "bn_mode"))

    def inference(self, layer: Any) -> bool:
        """Whether the statistics are already folded into SegNet's scale and shift."""
        return bool(layer.bn_param.bn_mode == layer.bn_param.INFERENCE)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        if len(bottom) < 2:
            raise ShapeError(
                f"{layer.type} needs channels on axis 1, received a blob of shape {bottom}",
                layer.name,
            )
        if len(layer.top) > 1 and (not self.is_segnet(layer) or self.inference(layer)):
            raise NetError(
                "only SegNet's BN in LEARN mode has mean and variance as further tops", layer.name
            )
        return [bottom, *[(1, bottom[1], 1, 1)] * (len(layer.top) - 1)]

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(1, bottoms[0][1], 1, 1)] * (2 if self.is_segnet(layer) else 4)

    def fillers(self, layer: Any) -> list[Any]:
        param = layer.bn_param
        if self.is_segnet(layer):
            return [param.scale_filler, param.shift_filler]
        return [param.slope_filler, param.bias_filler, None, FillerParameter(value=1.0)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.normalization import Affine
        from zoo.keras_layers.unpooling import BatchAffine

        bottom, param = site.bottoms[0], site.layer.bn_param
        channels = bottom.shape[1]
        axis = axis_in(1, len(bottom.shape), bottom.channels_last)

        def make() -> Any:
            if not self.is_segnet(site.layer):
                return _normalization(axis, param, site.name)
            if self.inference(site.layer):
                return Affine(axis, (channels,), scale=True, shift=True, name=site.name)
            return BatchAffine(axis, statistics=len(site.tops) - 1, name=site.name)

        def to_caffe(arrays: list[np.ndarray]) -> list[np.ndarray]:
            return [array.reshape(1, channels, 1, 1) for array in arrays]

        norm = site.weighted(make, _flat, to_caffe)
        tensors = norm(bottom.tensor)
        if len(site.tops) == 1:
            return [Blob(tensors, site.tops[0], bottom.channels_last)]
        lasts = [bottom.channels_last, *[False] * (len(site.tops) - 1)]
        return [Blob(*made) for made in zip(tensors, site.tops, lasts, strict=True)]


def _flat(blobs: list[np.ndarray]) -> list[np.ndarray]:
    return [blob.reshape(-1) for blob in blobs]


def _normalization(axis: int, param: Any, name: str) -> Any:
    """Keras's layer with slope, bias, running mean and running variance; not trained if frozen."""
    import keras

    return keras.layers.BatchNormalization(
        axis=axis,
        momentum=param.momentum,
        epsilon=param.eps,
        trainable=not param.frozen,
        name=name,
    )
