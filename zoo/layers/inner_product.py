"""InnerProduct: a matrix product over everything behind an axis.

Caffe: inner_product_layer.cpp. A spatial bottom is flattened in the order C, H, W; Keras flattens
H, W, C, so the weight's columns are put into that order instead of moving the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from zoo.errors import NetError
from zoo.layers.kind import Kind, Shape, axis_of, count, layer
from zoo.layers.site import Blob, Site

__all__ = ["InnerProduct"]


@layer("InnerProduct")
class InnerProduct(Kind):
    """(N, ...) to (N, num_output) for the usual axis 1."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        if layer.inner_product_param.num_output < 1:
            raise NetError("num_output is missing or 0", layer.name)
        axis = axis_of(layer, layer.inner_product_param.axis, len(bottoms[0]))
        return [(*bottoms[0][:axis], layer.inner_product_param.num_output)]

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param = layer.inner_product_param
        inputs = count(bottoms[0][axis_of(layer, param.axis, len(bottoms[0])) :])
        weight = (inputs, param.num_output) if param.transpose else (param.num_output, inputs)
        return [weight, (param.num_output,)] if param.bias_term else [weight]

    def fillers(self, layer: Any) -> list[Any]:
        return [layer.inner_product_param.weight_filler, layer.inner_product_param.bias_filler]

    def macs(self, params: Sequence[Shape], bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0]) * tops[0][-1]

    def build(self, site: Site) -> list[Blob]:
        import keras

        from zoo.keras_layers.shape import Reshape

        param = site.layer.inner_product_param
        axis = axis_of(site.layer, param.axis, len(site.bottoms[0].shape))
        rows, columns = self._rows(site, axis)

        def make() -> Any:
            return keras.layers.Dense(param.num_output, use_bias=param.bias_term, name=site.name)

        dense = site.weighted(
            make,
            partial(weight_to_keras, transposed=param.transpose, columns=columns),
            partial(weight_to_caffe, transposed=param.transpose, columns=columns),
        )
        top = dense(rows)
        if axis == 0:
            top = Reshape([param.num_output], [None], name=f"{site.name}_vector")(top)
        return [Blob(top, site.tops[0])]

    def _rows(self, site: Site, axis: int) -> tuple[Any, Shape | None]:
        """The tensor whose last axis is multiplied; (C, H, W) if its values lie in H, W, C."""
        import keras

        from zoo.keras_layers.shape import Reshape

        bottom, name = site.bottoms[0], f"{site.name}_flat"
        if axis == 0:
            # One row of the whole batch, which must be the one that the definition states.
            row = Reshape([1, count(bottom.shape)], [None, None], name=name)
            return row(site.caffe_order()), None
        if axis == 1:
            if len(bottom.shape) < 3:
                return bottom.tensor, None
            columns = bottom.shape[1:] if bottom.channels_last else None
            return keras.layers.Flatten(name=name)(bottom.tensor), columns
        if axis == len(bottom.shape) - 1:
            return site.caffe_order(), None
        kept = bottom.shape[1:axis]
        rows = keras.layers.Reshape((*kept, count(bottom.shape[axis:])), name=name)
        return rows(site.caffe_order()), None


def weight_to_keras(
    blobs: list[np.ndarray], *, transposed: bool, columns: Shape | None
) -> list[np.ndarray]:
    """(out, in) to (in, out); `columns` is the (C, H, W) that the input is flattened from."""
    weight = blobs[0] if transposed else blobs[0].T
    if columns is not None and count(columns[1:]) > 1:
        # Left as a view of four axes: merging them here would copy, and slowly.
        weight = np.moveaxis(weight.reshape(*columns, -1), 0, -2)
    return [weight, *blobs[1:]]


def weight_to_caffe(
    arrays: list[np.ndarray], *, transposed: bool, columns: Shape | None
) -> list[np.ndarray]:
    """The inverse of `weight_to_keras`."""
    weight = arrays[0]
    if columns is not None and count(columns[1:]) > 1:
        cube = weight.reshape(*columns[1:], columns[0], -1)
        weight = np.moveaxis(cube, -2, 0).reshape(weight.shape)
    return [weight if transposed else weight.T, *arrays[1:]]
