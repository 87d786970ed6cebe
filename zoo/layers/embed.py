"""Embed: a learned row for each number.

Caffe: embed_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.site import Blob, Site

__all__ = ["Embed"]


@layer("Embed")
class Embed(Kind):
    """Whole numbers below input_dim, in any shape, to rows of a weight (input_dim, num_output)."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param = layer.embed_param
        for word in ("num_output", "input_dim"):
            if getattr(param, word) < 1:
                raise NetError(f"{word} is missing or 0", layer.name)
        return [(*bottoms[0], param.num_output)]

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param = layer.embed_param
        weight = (param.input_dim, param.num_output)
        return [weight, (param.num_output,)] if param.bias_term else [weight]

    def differentiates(self, layer: Any, index: int) -> bool:
        return False

    def fillers(self, layer: Any) -> list[Any]:
        return [layer.embed_param.weight_filler, layer.embed_param.bias_filler]

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.embed import Embed as KerasEmbed

        param = site.layer.embed_param

        def make() -> Any:
            return KerasEmbed(
                param.input_dim, param.num_output, use_bias=param.bias_term, name=site.name
            )

        embed = site.weighted(make, list, list)
        return [Blob(embed(site.caffe_order()), site.tops[0])]
