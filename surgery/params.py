"""Learned blobs given new values: by hand, or by a filler.

In Python `net.params["conv1"][0]` is the array to read and `net.with_params` gives the net with
others; these operations do the same with a report, and from a recipe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import NetError, UsageError
from zoo.layers.fillers import fill, generator
from zoo.layers.kind import count
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.layer_choice import chosen_layers
from zoo.surgery.layer_fields import filler_of
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["reinitialise", "set_params"]


def set_params(
    net: Net, layer: str, index: int, values: float | str | Path | Sequence[Any] | np.ndarray
) -> tuple[Net, SurgeryReport]:
    """Give one learned blob of a layer other values.

    Parameters
    ----------
    net : the network, with weights; it is not changed.
    layer, index : which blob; 0 is mostly the weight and 1 the bias.
    values : one number for all of it, or an array of its shape in Caffe's order, such as (out, in,
        height, width), or the path of a .npy file with one.

    Raises
    ------
    UsageError
        When there is no such layer or blob, the file cannot be read, or the values are of another
        shape; NetError when the layer has no weights yet.

    Examples
    --------
    >>> import zoo
    >>> net, report = set_params(zoo.load("lenet_digits").net, "ip2", 1, 0)
    >>> net.params["ip2"][1].any(), report.counts()["recomputed"]
    (np.False_, 5)
    """
    shapes = net.layer(layer).param_shapes
    if not 0 <= index < len(shapes):
        raise UsageError(
            f"index: {layer!r} has {len(shapes)} learned blobs, numbered from 0; received {index}"
        )
    if layer not in net.params:
        raise NetError("has no weights yet; load some, or call initialized()", layer)
    blobs = list(net.params[layer])
    blobs[index] = _array(values, shapes[index], f"{layer}[{index}]")
    after = net.with_params({layer: blobs})
    shown = str(values) if isinstance(values, float | int | str | Path) else "..."
    operation = call_text("set_params", layer=layer, index=index, values=shown)
    report = surgery_report(operation, net, after)
    report.preserving = not report.of("recomputed")
    return after, report


def reinitialise(
    net: Net,
    layers: str | list[str],
    *,
    filler: str | dict[str, Any] | None = None,
    seed: int = 0,
) -> tuple[Net, SurgeryReport]:
    """Start layers afresh, as before any training.

    Parameters
    ----------
    net : the network; it is not changed.
    layers : their names, with wildcards, such as "fc*".
    filler : what weights are drawn from instead of the definition's filler: its type, as "xavier",
        or its fields, as ``{"type": "gaussian", "std": 0.01}``. Other blobs start as the definition
        says.
    seed : what the values are drawn with.

    Raises
    ------
    UsageError
        When no layer with learned blobs is called so, the filler is not known, or the params of a
        layer are those of one that is not among them.

    Examples
    --------
    >>> import zoo
    >>> net, report = reinitialise(zoo.load("lenet_digits").net, "ip*", filler="xavier")
    >>> print(report)
    reinitialise(layers='ip*', filler='xavier', seed=0)
      kept: 4 blobs, 3,424 values
      initialised: ip1[0] (64, 256), ip1[1] (64,), ip2[0] (5, 64), ip2[1] (5,)
      dropped: ip1[0] (64, 256), ip1[1] (64,), ip2[0] (5, 64), ip2[1] (5,)
    """
    chosen = chosen_layers(net, layers, lambda each: bool(each.param_shapes), "layer with params")
    rng, message = generator(seed), None if filler is None else filler_of(filler)
    fresh = {}
    for layer in chosen:
        blobs = layer.first_values(rng)
        if message is not None:
            blobs[0] = fill(message, blobs[0].shape, rng)
        fresh[layer.name] = blobs
    after = net.with_params(fresh)
    names = {layer.name for layer in net.layers if {owner for owner, _ in layer.owners} <= {*fresh}}
    operation = call_text("reinitialise", layers=layers, filler=filler, seed=seed)
    return after, surgery_report(operation, net, after, initialised=names)


def _array(values: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """The values as a blob of that shape."""
    if isinstance(values, str | Path):
        values = _from_file(Path(values))
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise UsageError(f"values: expected numbers for {what}, received {values!r}") from None
    if array.ndim == 0:
        array = np.full(shape, array)
    if array.shape != shape:
        same = "; the counts agree, so the axes may be in another order than Caffe's"
        raise UsageError(
            f"values: expected the shape {shape} of {what}, received {array.shape}"
            + (same if array.size == count(shape) else "")
        )
    if not math.isfinite(float(array.sum(dtype=np.float64))):
        raise UsageError(f"values: some for {what} are infinite or no numbers")
    return array


def _from_file(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path}: expected an array as numpy.save writes it: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise UsageError(f"{path}: expected one array of numbers")
    return array
