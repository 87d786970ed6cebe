"""The weights of a layer as planes: what each filter looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import NetError, UsageError
from zoo.loaded import LoadedModel
from zoo.net import Layer, Net
from zoo.receptive_field import receptive_fields

__all__ = ["MOST_PLANES", "filters"]

MOST_PLANES = 48**2
"""As many as Caffe's notebook shows of a second layer."""


def filters(
    model: LoadedModel | Net | str | Path, layer: str, count: int = MOST_PLANES
) -> NDArray[Any]:
    """The weights of a layer as planes, to be put in a `grid`.

    Parameters
    ----------
    model : a loaded model, a net with weights, or what `zoo.load` takes.
    layer : the name of a layer: Convolution, Deconvolution, or an InnerProduct.
    count : so many planes at most, the first ones.

    Returns
    -------
    Where the layer reads the three colours of a picture, (n, height, width, 3), RGB. Otherwise
    (n, height, width): the planes of the first filter, of the second, and so on. Filters of an
    InnerProduct are in the rows and columns of what it reads; where that has none its whole matrix
    is one plane.

    Raises
    ------
    NetError
        When there is no such layer.
    UsageError
        When it has no weights, or none in rows and columns.

    Examples
    --------
    >>> import zoo
    >>> filters(zoo.load("lenet_digits"), "conv2").shape, filters("lenet_digits", "ip1").shape
    ((128, 5, 5), (1024, 4, 4))
    """
    if count < 1:
        raise UsageError(f"count: expected 1 or more, received {count}")
    if not isinstance(model, LoadedModel | Net):
        from zoo.api import load

        model = load(model)
    net = model if isinstance(model, Net) else model.net
    spec = None if isinstance(model, Net) else model.spec
    found = net.layer(layer)
    weights = _weights(net, found)
    if weights.ndim == 2:
        shape = found.bottom_shapes[0] or ()
        if len(shape) != 4 or weights.shape[1] != np.prod(shape[1:]):
            return weights[None]
        weights = weights.reshape(-1, *shape[1:])
    if _reads_colours(net, found, weights):
        planes = np.moveaxis(weights, 1, -1)[:count]
        is_rgb = spec is not None and spec.channels == "RGB"
        return planes if is_rgb else planes[..., ::-1]
    # One axis behind the channels makes each filter a plane.
    planes = weights if weights.ndim == 3 else weights.reshape(-1, *weights.shape[-2:])
    return planes[:count]


def _weights(net: Net, layer: Layer) -> NDArray[Any]:
    having = [name for name, shapes in net.param_shapes.items() if len(shapes[0]) > 1]
    hint = f" Layers with filters are {', '.join(having[:20])}." if having else ""
    if not layer.param_shapes:
        raise UsageError(f"layer {layer.name!r} is a {layer.type} and has no weights.{hint}")
    if layer.name not in net.params:
        raise UsageError(
            f"layer {layer.name!r} has no weights here: only the definition was read. Give the"
            " .caffemodel too."
        )
    weights = net.params[layer.name][0]
    if weights.ndim < 2:
        raise UsageError(
            f"layer {layer.name!r} is a {layer.type}, whose weights of shape {weights.shape} are in"
            f" no rows and columns.{hint}"
        )
    if not np.isfinite(weights).all():
        raise NetError(
            f"{int((~np.isfinite(weights)).sum())} of {weights.size} weights are NaN or infinite",
            layer.name,
        )
    return weights


def _reads_colours(net: Net, layer: Layer, weights: NDArray[Any]) -> bool:
    """Whether the three channels of a filter are the colours of the picture's pixels."""
    if weights.ndim != 4 or weights.shape[1] != 3 or layer.type == "Deconvolution":
        return False
    field = receptive_fields(net)[layer.bottoms[0]]
    return field is not None and set(field.size) == {1}
