"""What a drawing marks: what surgery did, or where a net differs from another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from zoo.net import Layer, Net
from zoo.surgery.report import SurgeryReport

__all__ = ["Changed", "changes", "difference"]

Changed: TypeAlias = Mapping[str, str] | SurgeryReport | Net


def changes(net: Net, changed: Changed | None) -> tuple[dict[str, str], list[str]]:
    """Layers of a net with a word on what is new about them, and the layers that are gone.

    Parameters
    ----------
    net : the network as it is now.
    changed : what says so: words by layer, the report of an operation, or the net as it was.
    """
    if changed is None:
        return {}, []
    if isinstance(changed, Net):
        return difference(net, changed)
    if isinstance(changed, SurgeryReport):
        return _of_report(changed), list(changed.removed)
    return dict(changed), []


def difference(net: Net, other: Net) -> tuple[dict[str, str], list[str]]:
    """The layers of a net that another has not, or otherwise, and those that only the other has.

    Weights are compared where both nets have them.

    Examples
    --------
    >>> net = Net.read("examples/lenet_digits.prototxt")
    >>> difference(net.reshape({"data": (2, 1, 28, 28)}), net)[0]["conv1"]
    'other shape'
    """
    before = {layer.name: layer for layer in other.layers}
    words = {layer.name: _word(net, layer, other, before.get(layer.name)) for layer in net.layers}
    return {name: word for name, word in words.items() if word}, [
        name for name in before if name not in words
    ]


def _word(net: Net, layer: Layer, other: Net, before: Layer | None) -> str:
    if before is None:
        return "added"
    if layer.definition != before.definition:
        return "changed"
    shapes = (layer.top_shapes, layer.param_shapes)
    if shapes != (before.top_shapes, before.param_shapes):
        return "other shape"
    name = layer.name
    if name in net.params and name in other.params:
        pairs = zip(net.params[name], other.params[name], strict=True)
        if not all(np.array_equal(one, two, equal_nan=True) for one, two in pairs):
            return "other weights"
    return ""


def _of_report(report: SurgeryReport) -> dict[str, str]:
    words = {blob.layer: blob.fate for blob in report.blobs if blob.fate not in ("kept", "dropped")}
    return (
        words
        | dict.fromkeys(report.renamed.values(), "renamed")
        | dict.fromkeys(report.added, "added")
    )
