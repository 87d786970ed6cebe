"""The filters of a net's first layer before and after training, as pictures of the same scale."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.errors import NetError
from zoo.net import Net
from zoo.registry.atomic import write_atomically
from zoo.visual.filter_planes import filters
from zoo.visual.grid import enlarged, normalised, tiled

__all__ = ["first_filters", "write_filters"]

_MOST = 256
_LEAST_SIDE = 320  # of the picture


def first_filters(net: Net) -> str | None:
    """The name of the first convolution; None where there is none that shows anything."""
    for layer in net.layers:
        if layer.type == "Convolution" and layer.name in net.params:
            shape = net.params[layer.name][0].shape
            return layer.name if np.prod(shape[2:]) > 1 else None
    return None


def write_filters(folder: Path, before: Net, after: Net, *, is_rgb: bool = False) -> None:
    """Write ``filters_before.png`` and ``filters_after.png``, where there are filters to show.

    Parameters
    ----------
    is_rgb : whether the nets read red first; in Caffe blue is first, mostly.
    """
    layer = first_filters(before)
    if layer is None or layer not in after.params:
        return
    try:
        planes = np.stack([filters(net, layer, _MOST) for net in (before, after)])
    except NetError:  # weights that are NaN
        return
    if is_rgb and planes.shape[-1] == 3 and planes.ndim == 5:
        planes = planes[..., ::-1]
    shown = np.rint(255 * normalised(planes)).astype(np.uint8)
    for when, pixels in zip(("before", "after"), shown, strict=True):
        stream = io.BytesIO()
        picture = Image.fromarray(enlarged(tiled(pixels), _LEAST_SIDE))
        picture.save(stream, "PNG", optimize=True)
        write_atomically(folder / f"filters_{when}.png", stream.getvalue())
