"""Parameter: a learned blob as a top.

Caffe: parameter_layer.hpp. The blob starts from zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.site import Blob, Site

__all__ = ["Parameter"]


@layer("Parameter")
class Parameter(Kind):
    """A blob of the shape that the definition states, the same for every input."""

    bottom_count = (0, 0)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = tuple(layer.parameter_param.shape.dim)
        if min(shape, default=1) < 1 or not layer.parameter_param.HasField("shape"):
            raise NetError(f"expected a shape of sizes from 1 on, received {shape}", layer.name)
        return [shape]

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return self.tops(layer, bottoms)

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.standing import StandingBlob

        def make() -> Any:
            return StandingBlob(site.tops[0], name=site.name)

        return [Blob(site.weighted(make, list, list)(site.anchor), site.tops[0])]
