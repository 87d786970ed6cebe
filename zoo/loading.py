"""Matching the weights of a file to the layers of a net, by name, and saying what happened.

Caffe: Net::CopyTrainedLayersFrom. Same name copies, a new name starts fresh, the same name with
another shape is an error. Caffe passes over what is missing or left over without a word; here that
is an error unless a partial load is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import ShapeError, UsageError, WeightsError, did_you_mean
from zoo.layers.kind import Shape, count
from zoo.misfit import last_layers, why_misfit
from zoo.report import LoadReport

if TYPE_CHECKING:
    from zoo.connect import Layer
    from zoo.net import Net

__all__ = [
    "check_owners",
    "check_shapes",
    "match_weights",
    "owned_params",
    "read_only",
    "shared_params",
]

Weights = Mapping[str, Sequence[np.ndarray | None]]
Params = Mapping[str, Sequence[np.ndarray]]


def match_weights(
    net: Net,
    weights: Weights,
    partial: bool,
    may_be_left: frozenset[str],
) -> tuple[dict[str, list[np.ndarray]], LoadReport]:
    """The params of `net` from the blobs of a file, and the report.

    Raises
    ------
    WeightsError
        When anything is missing, left over or unfit, and `partial` is False; or when nothing at
        all fits, whatever `partial` says.
    """
    path = str(getattr(weights, "path", "weights"))
    report = replace(net.report, path=path, copied=[], reshaped=[], fresh=[], unused=[], unfit={})
    era = getattr(weights, "format", "current")
    if era in ("v0", "v1"):
        report.upgraded = [*report.upgraded, f"The weights are in Caffe's {era.upper()} format."]
    params: dict[str, list[np.ndarray]] = {}
    last = last_layers(net)
    for layer in net.layers:
        if not layer.param_shapes:
            continue
        blobs = _blobs_of(layer, weights)
        if blobs is None:
            report.fresh.append(layer.name)
            continue
        loose = layer.kind is not None and layer.kind.ones_vary
        fitted = [
            _fit(blob, shape, loose) for blob, shape in zip(blobs, layer.param_shapes, strict=False)
        ]
        if len(blobs) != len(layer.param_shapes) or any(blob is None for blob in fitted):
            report.unfit[layer.name] = _why_unfit(layer.param_shapes, blobs, layer.name in last)
            continue
        params[layer.name] = own = [blob for blob in fitted if blob is not None]
        report.copied.append(layer.name)
        if any(blob is not mine for blob, mine in zip(blobs, own, strict=True)):
            report.reshaped.append(layer.name)
    names = {layer.name for layer in net.layers}
    report.unused = [name for name in weights if name not in names]
    _check(net, report, partial, may_be_left)
    return params, report


def owned_params(net: Net) -> dict[str, list[np.ndarray | None]]:
    """The net's params with None in the place of each that another layer owns."""
    return {
        layer.name: [
            blob if owner == (layer.name, index) else None
            for index, (blob, owner) in enumerate(
                zip(net.params[layer.name], layer.owners, strict=True)
            )
        ]
        for layer in net.layers
        if layer.name in net.params
    }


def read_only(blob: np.ndarray) -> np.ndarray:
    """The same values, which cannot be changed through the net by accident."""
    if not blob.flags.writeable:
        return blob
    view = blob.view()
    view.flags.writeable = False
    return view


def check_shapes(net: Net, params: Params) -> None:
    """Raise ShapeError where blobs are not of the shapes that their layers need."""
    for name, blobs in params.items():
        wanted = [tuple(shape) for shape in net.layer(name).param_shapes]
        received = [blob.shape for blob in blobs]
        if wanted != received:
            raise ShapeError(f"needs params of shapes {wanted}, received {received}", name)


def shared_params(net: Net, params: Params) -> dict[str, list[np.ndarray]]:
    """Params in which those that layers share are as their owners have them."""
    shared = {name: list(blobs) for name, blobs in params.items()}
    for layer in net.layers:
        for index, (owner, blob) in enumerate(layer.owners):
            if owner != layer.name and {owner, layer.name} <= shared.keys():
                values = shared[owner][blob]
                shared[layer.name][index] = values.reshape(layer.param_shapes[index])
    return shared


def check_owners(net: Net, params: Params) -> None:
    """Refuse new values that would be lost, since another layer owns the param.

    Raises
    ------
    UsageError
    """
    for name, blobs in params.items():
        for index, (owner, blob) in enumerate(net.layer(name).owners):
            if owner in params or owner not in net.params:
                continue
            if not np.array_equal(blobs[index].ravel(), net.params[owner][blob].ravel()):
                raise UsageError(
                    f"param {index} of {name!r} is that of {owner!r}: give its new values there, or"
                    " unshare the layers first"
                )


def _blobs_of(layer: Layer, weights: Weights) -> list[np.ndarray | None] | None:
    """The layer's own blobs, and where it has none those of the layers that own its shared params.

    A binary file holds what layers share once for each of them, an HDF5 file only the owner's.
    """
    blobs = list(weights.get(layer.name, ()))
    blobs += [None] * (len(layer.owners) - len(blobs))
    for index, (owner, position) in enumerate(layer.owners):
        theirs = weights.get(owner, ())
        shared = theirs[position] if owner != layer.name and position < len(theirs) else None
        if blobs[index] is None and shared is not None:
            shape = layer.param_shapes[index]  # of as many values, where sharing is permissive
            blobs[index] = shared.reshape(shape) if shared.size == count(shape) else shared
    there = layer.name in weights or all(blob is not None for blob in blobs)
    return blobs if there else None


def _fit(blob: np.ndarray | None, shape: Shape, loose: bool) -> np.ndarray | None:
    """The blob in the wanted shape, if it is that shape but for the legacy's leading ones.

    If `loose`, axes of size 1 do not matter wherever they are.
    """
    if blob is None or blob.shape == shape:
        return blob
    if blob.ndim == 4 and (1,) * (4 - len(shape)) + shape == blob.shape:
        return blob.reshape(shape)
    if loose and [size for size in blob.shape if size > 1] == [size for size in shape if size > 1]:
        return blob.reshape(shape)
    return None


def _why_unfit(wanted: Sequence[Shape], blobs: Sequence[np.ndarray | None], last: bool) -> str:
    received = [None if blob is None else blob.shape for blob in blobs]
    there = [shape for shape in received if shape is not None]
    shown = there if received[: len(there)] == there else received
    reason = f"needs {[tuple(shape) for shape in wanted]}, the file has {shown}"
    return f"{reason}; {why_misfit(wanted, there, last)}"


def _check(net: Net, report: LoadReport, partial: bool, may_be_left: frozenset[str]) -> None:
    if net.param_shapes and not report.copied:
        raise WeightsError(
            f"{report.path}: not one layer of the file fits the definition {net.name!r}; these are"
            " the weights of another network.\n" + _trouble(report, report.unused)
        )
    left_over = [name for name in report.unused if name not in may_be_left]
    if partial or not (report.fresh or report.unfit or left_over):
        return
    raise WeightsError(
        f"{report.path} does not fit the definition {net.name!r}:\n"
        + _trouble(report, left_over)
        + "\nTo copy what fits by name and start the rest fresh, ask for a partial load (--partial,"
        " partial=True)."
    )


def _trouble(report: LoadReport, left_over: list[str]) -> str:
    rows = [f"  {name}: {reason}" for name, reason in report.unfit.items()]
    rows += [
        f"  {name}: not in the file{did_you_mean(name, left_over, '; nearest: ')}"
        for name in report.fresh
    ]
    rows += [f"  {name}: in the file, not in the definition" for name in left_over]
    return "\n".join(rows[:20] + [f"  and {len(rows) - 20} more"] * (len(rows) > 20))
