"""Flatten, Reshape and Crop in ONNX, whose order of values is Caffe's.

Formulas: zoo/layers/shape.py and the Caffe files named there. The batch, and sizes that are copied,
are taken from the picture that comes.
"""

from __future__ import annotations

from typing import Any

from zoo.exports.onnx_graph import OnnxSite, register_onnx

__all__: list[str] = []


@register_onnx("Flatten", "Reshape")
def reshape(site: OnnxSite) -> list[str]:
    kind: Any = site.layer.kind
    plan = kind.plan(site.message, site.shape())
    if plan.is_identity(site.rank()):
        return [site.bottom]
    plan = plan.with_free_batch(site.shape(), site.layer.top_shapes[0])
    axes = list(zip(plan.sizes, plan.copied, strict=True))
    if all(copied in (None, axis) for axis, (_, copied) in enumerate(axes)):
        target: Any = [size if copied is None else 0 for size, copied in axes]
    else:
        parts = [
            site.sizes(site.bottom, [copied]) if copied is not None else [size]
            for size, copied in axes
        ]
        target = site.add("Concat", *parts, axis=0)
    return [site.add("Reshape", site.bottom, target)]


@register_onnx("Crop")
def crop(site: OnnxSite) -> list[str]:
    kind: Any = site.layer.kind
    offsets = kind.offsets(site.message, [site.shape(0), site.shape(1)])
    axes, starts = list(offsets), list(offsets.values())
    ends = site.sizes(site.bottoms[1], axes)
    if any(starts):
        ends = site.add("Add", ends, starts)
    return [site.add("Slice", site.bottom, starts, ends, axes)]
