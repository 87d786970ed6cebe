"""LRN, BatchNorm, Scale, Bias and MVN.

Caffe: lrn_layer.cpp, batch_norm_layer.cpp, scale_layer.cpp, bias_layer.cpp, mvn_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.caffe.schema.caffe_pb2 import FillerParameter
from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, axis_of, layer
from zoo.layers.reach import Reaches, windows
from zoo.layers.site import Blob, Site, axis_in

__all__ = ["LRN", "MVN", "BatchNorm", "Bias", "Scale"]


@layer("LRN")
class LRN(Kind):
    """Local response normalisation (Krizhevsky et al. 2012), across channels or within one."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        if layer.lrn_param.local_size % 2 != 1:
            raise NetError(
                f"local_size must be odd, received {layer.lrn_param.local_size}", layer.name
            )
        if len(bottoms[0]) != 4:
            raise ShapeError(f"expected a blob of 4 axes, received {bottoms[0]}", layer.name)
        return [bottoms[0]]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        param = layer.lrn_param
        if param.norm_region == param.ACROSS_CHANNELS:
            return super().reach(layer, bottoms, tops)
        return [windows((param.local_size,) * 2, (1, 1), (param.local_size // 2,) * 2)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.normalization import LocalResponseNormalization

        param = site.layer.lrn_param
        across = param.norm_region == param.ACROSS_CHANNELS
        lrn = LocalResponseNormalization(
            param.local_size,
            alpha=param.alpha,
            beta=param.beta,
            # Within a channel Caffe computes with k = 1 whatever is written.
            k=param.k if across else 1.0,
            region="across" if across else "within",
            name=site.name,
        )
        return [Blob(lrn(site.channels_last()), site.tops[0], channels_last=True)]


@layer("BatchNorm")
class BatchNorm(Kind):
    """Normalisation by stored statistics, in TRAIN those of the batch; no learned scale or shift.

    Three blobs: sums of means and of variances, and the factor that both are divided by. Training
    adds to them; no solver changes them.
    """

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        channels = bottoms[0][1] if len(bottoms[0]) > 1 else 1
        return [(channels,), (channels,), (1,)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.normalization import CaffeBatchNorm

        param, bottom = site.layer.batch_norm_param, site.bottoms[0]
        rank = len(bottom.shape)
        if rank < 1:
            raise NetError(f"cannot normalise a blob of shape {bottom.shape}", site.layer.name)
        statistics = "phase"
        if param.HasField("use_global_stats"):
            statistics = "stored" if param.use_global_stats else "batch"

        def make() -> Any:
            return CaffeBatchNorm(
                axis_in(1, rank, bottom.channels_last) if rank > 1 else None,
                epsilon=param.eps,
                fraction=param.moving_average_fraction,
                statistics=statistics,
                name=site.name,
            )

        return site.elementwise(site.weighted(make, list, list))


class _Affine(Kind):
    """What Scale and Bias share: a blob broadcast over the axes that it does not have."""

    bottom_count = (1, 2)

    def settings(self, layer: Any) -> Any:
        raise NotImplementedError

    def blob_shape(self, layer: Any, bottoms: Sequence[Shape]) -> tuple[int, Shape]:
        """The axis at which the blob starts, and its shape."""
        param, bottom = self.settings(layer), bottoms[0]
        if len(bottoms) > 1 and not bottoms[1]:
            # A second bottom with no axes at all fits anywhere, whatever the axis.
            return 0, ()
        axis = axis_of(layer, param.axis, len(bottom))
        if len(bottoms) > 1:
            second = bottoms[1]
            if second != bottom[axis : axis + len(second)]:
                raise ShapeError(
                    f"the second bottom {second} must be a part of the first, {bottom}, from axis"
                    f" {axis} on",
                    layer.name,
                )
            return axis, second
        if param.num_axes == -1:
            return axis, bottom[axis:]
        if axis + param.num_axes > len(bottom):
            raise ShapeError(
                f"num_axes {param.num_axes} from axis {axis} on leaves the blob {bottom}",
                layer.name,
            )
        return axis, bottom[axis : axis + param.num_axes]

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        self.blob_shape(layer, bottoms)
        return [bottoms[0]]

    def place(self, site: Site) -> tuple[Any, int, Shape, bool]:
        """The tensor, the axis at which the blob lies in it, the blob's shape, channels last."""
        bottom = site.bottoms[0]
        shapes = [blob.shape for blob in site.bottoms]
        axis, shape = self.blob_shape(site.layer, shapes)
        if axis == 1 and len(shape) == 1 and len(site.bottoms) == 1:
            last = bottom.channels_last
            return bottom.tensor, axis_in(1, len(bottom.shape), last), shape, last
        return site.caffe_order(), axis, shape, False


@layer("Scale")
class Scale(_Affine):
    """Product with a learned blob or a second bottom, and a learned shift if `bias_term`."""

    def settings(self, layer: Any) -> Any:
        return layer.scale_param

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = self.blob_shape(layer, bottoms)[1]
        return [shape] * ((len(bottoms) == 1) + layer.scale_param.bias_term)

    def fillers(self, layer: Any) -> list[Any]:
        param = layer.scale_param
        scale = param.filler if param.HasField("filler") else FillerParameter(value=1.0)
        return ([scale] if len(layer.bottom) == 1 else []) + [param.bias_filler]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.normalization import Affine

        tensor, axis, shape, last = self.place(site)
        two, bias = len(site.bottoms) == 2, site.layer.scale_param.bias_term

        def make() -> Any:
            return Affine(axis, shape, scale=not two, shift=bias, name=site.name)

        affine = site.weighted(make, list, list) if site.params else make()
        inputs = [tensor, site.caffe_order(1)] if two else tensor
        return [Blob(affine(inputs), site.tops[0], last)]


@layer("Bias")
class Bias(_Affine):
    """Sum with a learned blob or a second bottom."""

    def settings(self, layer: Any) -> Any:
        return layer.bias_param

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return [self.blob_shape(layer, bottoms)[1]] if len(bottoms) == 1 else []

    def fillers(self, layer: Any) -> list[Any]:
        return [layer.bias_param.filler]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.normalization import AddBroadcast, Affine

        tensor, axis, shape, last = self.place(site)
        if len(site.bottoms) == 2:
            summed = AddBroadcast(axis, name=site.name)([tensor, site.caffe_order(1)])
            return [Blob(summed, site.tops[0])]

        def make() -> Any:
            return Affine(axis, shape, scale=False, shift=True, name=site.name)

        return [Blob(site.weighted(make, list, list)(tensor), site.tops[0], last)]


@layer("MVN")
class MVN(Kind):
    """Mean and variance normalisation of each picture, per channel or across them."""

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return ["whole"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.normalization import MeanVarianceNormalization

        param, bottom = site.layer.mvn_param, site.bottoms[0]
        channel = axis_in(1, len(bottom.shape), bottom.channels_last)
        return site.elementwise(
            MeanVarianceNormalization(
                None if param.across_channels else channel,
                variance=param.normalize_variance,
                epsilon=param.eps,
                name=site.name,
            )
        )
