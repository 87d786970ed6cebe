"""Kinds that choose pictures of a batch: Filter and BatchReindex.

Caffe: filter_layer.cpp, batch_reindex_layer.cpp. How many pictures Filter lets through is known
only when they come; the shape it states has all of them, as Caffe's has before its first pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, count, layer
from zoo.layers.reach import Reaches, same_place
from zoo.layers.site import Blob, Site

__all__ = ["BatchReindex", "Filter"]


@layer("Filter")
class Filter(Kind):
    """The pictures of each bottom for which the last bottom, the selector, is not 0."""

    bottom_count = (2, None)
    top_count = (1, None)

    def check_counts(self, layer: Any) -> None:
        super().check_counts(layer)
        if len(layer.top) != len(layer.bottom) - 1:
            raise NetError(
                f"expected one top for each bottom but the selector, {len(layer.bottom) - 1};"
                f" the definition gives {len(layer.top)}",
                layer.name,
            )

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        *blobs, selector = bottoms
        if not selector or count(selector[1:]) != 1:
            raise ShapeError(
                f"expected a selector of one number a picture, (N,), received {selector}",
                layer.name,
            )
        for blob in blobs:
            if blob[:1] != selector[:1]:
                raise ShapeError(
                    f"expected a batch of {selector[0]}, as the selector has, received {blob}",
                    layer.name,
                )
        return blobs

    def differentiates(self, layer: Any, index: int) -> bool:
        return index < len(layer.bottom) - 1

    def example(
        self, layer: Any, bottoms: Sequence[Shape], index: int, rng: np.random.Generator
    ) -> np.ndarray:
        if index == len(bottoms) - 1:
            return np.ones(bottoms[index])
        return super().example(layer, bottoms, index, rng)

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return [same_place(blob, blob) for blob in bottoms[:-1]] + ["whole"]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.selection import Filter as KerasFilter

        tensors = [bottom.tensor for bottom in site.bottoms]
        made = KerasFilter(name=site.name)(tensors)
        return [
            Blob(tensor, top, bottom.channels_last)
            for tensor, top, bottom in zip(made, site.tops, site.bottoms, strict=False)
        ]


@layer("BatchReindex")
class BatchReindex(Kind):
    """The pictures of the first bottom in the order that the second, a list of indices, gives."""

    bottom_count = (2, 2)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        blob, indices = bottoms
        if len(indices) != 1 or not blob:
            raise ShapeError(
                f"expected a batch and a list of indices, (M,), received {blob} and {indices}",
                layer.name,
            )
        return [(*indices, *blob[1:])]

    def differentiates(self, layer: Any, index: int) -> bool:
        return index == 0

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.selection import BatchReindex as KerasBatchReindex

        bottom, indices = site.bottoms
        chosen = KerasBatchReindex(name=site.name)([bottom.tensor, indices.tensor])
        return [Blob(chosen, site.tops[0], bottom.channels_last)]
