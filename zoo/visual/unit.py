"""Which unit of a blob is meant."""

from __future__ import annotations

from zoo.build.model import needed_layers
from zoo.errors import UsageError
from zoo.net import Net
from zoo.table import shape_text

__all__ = ["check_unit"]


def check_unit(net: Net, blob: str, unit: int) -> None:
    """Refuse a blob or a unit, a channel of it, that is not there.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> check_unit(Net.read("examples/lenet_digits.prototxt"), "conv1", 7)
    """
    needed_layers(net, [blob])
    shape = net.blobs[blob]
    units = shape[1] if shape is not None and len(shape) > 1 else 0
    if not 0 <= unit < units:
        have = f"they go from 0 to {units - 1}" if units else "it has none"
        raise UsageError(f"blob {blob!r} of shape {shape_text(shape)} has no unit {unit}: {have}")
