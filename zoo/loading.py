"""Matching the weights of a file to the layers of a net, by name, and saying what happened.

Caffe: Net::CopyTrainedLayersFrom. Same name copies, a new name starts fresh, the same name with
another shape is an error. Caffe passes over what is missing or left over without a word; here that
is an error unless a partial load is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import WeightsError, did_you_mean
from zoo.layers.kind import Shape, count

if TYPE_CHECKING:
    from zoo.net import Net

__all__ = ["LoadReport", "match_weights"]


@dataclass
class LoadReport:
    """What became of each layer when weights were loaded.

    Attributes
    ----------
    path : the file the weights came from.
    copied : layers whose blobs all came from the file.
    fresh : layers with params for which the file has nothing.
    unused : layers of the file that the definition does not have.
    unfit : layers of both whose blobs differ, with the reason.
    """

    path: str
    copied: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    unfit: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        rows = [f"{len(self.copied)} layers copied from {Path(self.path).name}"]
        if self.fresh:
            rows.append(f"fresh (not in the file): {', '.join(self.fresh)}")
        if self.unused:
            rows.append(f"unused (not in the definition): {', '.join(self.unused)}")
        rows += [f"does not fit: {name}: {reason}" for name, reason in self.unfit.items()]
        return "\n".join(rows)


def match_weights(
    net: Net,
    weights: Mapping[str, Sequence[np.ndarray]],
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
    report = LoadReport(str(getattr(weights, "path", "weights")))
    params: dict[str, list[np.ndarray]] = {}
    for layer in net.layers:
        if not layer.param_shapes:
            continue
        blobs = _blobs_of(layer, weights)
        if blobs is None:
            report.fresh.append(layer.name)
            continue
        fitted = [_fit(blob, shape) for blob, shape in zip(blobs, layer.param_shapes, strict=False)]
        if len(blobs) != len(layer.param_shapes) or any(blob is None for blob in fitted):
            report.unfit[layer.name] = _why_unfit(layer.param_shapes, blobs)
            continue
        params[layer.name] = [blob for blob in fitted if blob is not None]
        report.copied.append(layer.name)
    names = {layer.name for layer in net.layers}
    report.unused = [name for name in weights if name not in names]
    _check(net, report, partial, may_be_left)
    return params, report


def _blobs_of(
    layer: object, weights: Mapping[str, Sequence[np.ndarray]]
) -> Sequence[np.ndarray] | None:
    """The layer's own blobs, or those of the layers that own its shared params."""
    name, owners = layer.name, layer.owners  # type: ignore[attr-defined]
    if name in weights:
        return weights[name]
    if all(owner != name and owner in weights for owner, _ in owners):
        return [weights[owner][index] for owner, index in owners]
    return None


def _fit(blob: np.ndarray, shape: Shape) -> np.ndarray | None:
    """The blob in the wanted shape, if it is that shape but for the legacy's leading ones."""
    if blob.shape == shape:
        return blob
    if blob.ndim == 4 and (1,) * (4 - len(shape)) + shape == blob.shape:
        return blob.reshape(shape)
    return None


def _why_unfit(wanted: Sequence[Shape], blobs: Sequence[np.ndarray]) -> str:
    received = [blob.shape for blob in blobs]
    reason = f"needs {[tuple(shape) for shape in wanted]}, the file has {received}"
    if len(wanted) == len(received) and all(
        count(one) == count(other) for one, other in zip(wanted, received, strict=True)
    ):
        reason += (
            "; the counts agree, so this may be InnerProduct weights for a Convolution or the"
            " other way round: use the definition that the weights were trained with"
        )
    return reason


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
