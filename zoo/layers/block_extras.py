"""Small kinds that forks added between the layers of a block.

Forks: axpy_layer.cpp (SENet), crelu_layer.cpp (PVANet), l2normalization_layer.cpp, selu_layer.cpp,
reorg_layer.cpp (ports of YOLO v2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, axis_of, count, layer
from zoo.layers.reach import Reaches
from zoo.layers.site import Blob, Site, axis_in

__all__ = ["Axpy", "CReLU", "L2Normalization", "Reorg", "SELU", "Sparsify"]


@layer("Axpy")
class Axpy(Kind):
    """a * x + y, with one factor a for each channel of each picture: (N, C) or (N, C, 1, 1)."""

    bottom_count = (3, 3)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        factors, first, second = bottoms
        if first != second or factors[:2] != first[:2] or count(factors[2:]) != 1:
            raise ShapeError(
                f"expected factors (N, C, 1, 1) and two blobs (N, C, ...) of one shape, received"
                f" {factors}, {first} and {second}",
                layer.name,
            )
        return [first]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.channels import Axpy as KerasAxpy

        tensors, last = site.same_order()
        axis = axis_in(1, len(site.tops[0]), last)
        return [Blob(KerasAxpy(axis, name=site.name)(tensors), site.tops[0], last)]


@layer("CReLU")
class CReLU(Kind):
    """ReLU of x, and behind it along `concat_axis` ReLU of -x."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        axis = axis_of(layer, layer.crelu_param.concat_axis, len(bottom))
        return [(*bottom[:axis], 2 * bottom[axis], *bottom[axis + 1 :])]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        axis = axis_of(layer, layer.crelu_param.concat_axis, len(bottoms[0]))
        return super().reach(layer, bottoms, tops) if axis < 2 else ["moved"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.channels import CReLU as KerasCReLU

        param, last = site.layer.crelu_param, site.bottoms[0].channels_last
        rank = len(site.tops[0])
        axis = axis_in(axis_of(site.layer, param.concat_axis, rank), rank, last)
        return site.elementwise(KerasCReLU(axis, param.negative_slope, name=site.name))


@layer("L2Norm", "L2Normalization", "L2Normalize")
class L2Normalization(Kind):
    """The values of each picture divided by the root of the sum of their squares."""

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return ["whole"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.common_forks import L2Normalization as KerasL2Normalization

        # A picture of zeros stays one.
        norm = KerasL2Normalization(
            1, across_spatial=True, scale_shape=None, epsilon=1e-30, name=site.name
        )
        return site.elementwise(norm)


@layer("SeLu", "SELU")
class SELU(Kind):
    """The scaled exponential linear unit with its authors' two constants."""

    def build(self, site: Site) -> list[Blob]:
        import keras

        return site.elementwise(keras.layers.Activation("selu", name=site.name))


@layer("Sparsify")
class Sparsify(Kind):
    """Weighs on sparse activations while training; the blob itself stays as it is."""

    def build(self, site: Site) -> list[Blob]:
        return [site.bottoms[0]]


@layer("Reorg")
class Reorg(Kind):
    """(N, C, H, W) to (N, C * s * s, H / s, W / s), or back if `reverse`, as darknet reorders.

    Values are moved as if the bottom were the reversed top, (N, C / s / s, H * s, W * s): that is
    what YOLO v2 was trained with, though it mixes neighbours of different rows.
    """

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, param = bottoms[0], layer.reorg_param
        stride = param.stride
        if len(bottom) != 4 or stride < 1:
            raise NetError(f"expected a stride and 4 axes, received {stride}, {bottom}", layer.name)
        batch, channels, height, width = bottom
        uneven = channels % stride**2
        if uneven or (not param.reverse and (height % stride or width % stride)):
            raise ShapeError(
                f"stride {stride} must divide height and width, and its square the channels, of"
                f" {bottom}",
                layer.name,
            )
        if param.reverse:
            return [(batch, channels // stride**2, height * stride, width * stride)]
        return [(batch, channels * stride**2, height // stride, width // stride)]

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return ["moved"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.channels import Reorg as KerasReorg

        param = site.layer.reorg_param
        reorg = KerasReorg(param.stride, param.reverse, name=site.name)
        return [Blob(reorg(site.caffe_order()), site.tops[0])]
