"""Losses of forks: SmoothL1Loss (Fast R-CNN), L1Loss (NVCaffe), and pycaffe's EuclideanLoss.

Forks: smooth_L1_loss_layer.cpp, l1_loss_layer.cpp, examples/pycaffe/layers/pyloss.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, count, layer
from zoo.layers.shape import in_element_order
from zoo.layers.site import Blob, Site

__all__ = ["L1Loss", "PythonEuclideanLoss", "SmoothL1Loss"]


@layer("SmoothL1Loss")
class SmoothL1Loss(Kind):
    """Sum of w2 * f(w1 * (x - y)) over the batch: f is a parabola up to 1 / sigma^2, then a line.

    Bottoms are x and y, and then the weights w1 and w2, both or none; Fast R-CNN's first release
    had w1 alone.
    """

    bottom_count = (2, 4)
    top_count = (0, 1)
    loss_weight = 1.0

    def differentiates(self, layer: Any, index: int) -> bool:
        return index < 2

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        for index, bottom in enumerate(bottoms):
            if count(bottom) != count(bottoms[0]) or bottom[:1] != bottoms[0][:1]:
                raise ShapeError(
                    f"expected bottoms of the shape of the first, {bottoms[0]}; bottom {index}"
                    f" ({layer.bottom[index]!r}) is {bottom}",
                    layer.name,
                )
        if layer.smooth_l1_loss_param.sigma <= 0:
            raise NetError(
                f"sigma must be larger than 0, received {layer.smooth_l1_loss_param.sigma}",
                layer.name,
            )
        return [()] * len(layer.top)

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.fork_loss import SmoothL1Loss as KerasSmoothL1Loss

        loss = KerasSmoothL1Loss(site.layer.smooth_l1_loss_param.sigma, name=site.name)
        return [Blob(loss(_in_one_order(site)), top) for top in site.tops]


class _Difference(Kind):
    """A number for the difference of two blobs that hold as many values."""

    bottom_count = (2, 2)
    top_count = (0, 1)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        if count(bottoms[0]) != count(bottoms[1]):
            raise ShapeError(
                f"expected two bottoms with as many values, received {bottoms[0]} and {bottoms[1]}",
                layer.name,
            )
        return [()] * len(layer.top)


@layer("L1Loss")
class L1Loss(_Difference):
    """Sum of absolute differences over the batch."""

    loss_weight = 1.0

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.fork_loss import L1Loss as KerasL1Loss

        return [Blob(KerasL1Loss(name=site.name)(_in_one_order(site)), top) for top in site.tops]


@layer("Python:pyloss.EuclideanLossLayer")
class PythonEuclideanLoss(_Difference):
    """pycaffe's example of a loss: Caffe's EuclideanLoss, its top of shape (1,).

    Like any Python layer it counts only where `loss_weight` is written.
    """

    top_count = (1, 1)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(1,) for _ in super().tops(layer, bottoms)]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.fork_loss import AsVector
        from zoo.keras_layers.loss import EuclideanLoss

        loss = EuclideanLoss(name=f"{site.name}_sum")(_in_one_order(site))
        return [Blob(AsVector(name=site.name)(loss), (1,))]


def _in_one_order(site: Site) -> list[Any]:
    """The bottoms with their values in the same order."""
    if len({bottom.shape for bottom in site.bottoms}) == 1:
        return site.same_order()[0]
    return [in_element_order(site, index)[0] for index in range(len(site.bottoms))]
