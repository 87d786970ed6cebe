"""BatchNorm and Scale put behind a layer so that nothing that is computed changes.

BatchNorm subtracts the mean of each channel and divides by its deviation; a Scale with that
deviation and that mean undoes it (batch_norm_layer.cpp, scale_layer.cpp). From there a net can be
trained on with normalised values.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import NetError, UsageError
from zoo.net import Net
from zoo.surgery.blob_names import settle_names
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import check_new_name, finished, node_named
from zoo.surgery.graph import Graph
from zoo.surgery.layer_fields import layer_of
from zoo.surgery.report import SurgeryReport, surgery_report
from zoo.surgery.rewire import put_behind

__all__ = ["insert_batch_norm"]


def insert_batch_norm(
    net: Net,
    after: str,
    mean: Sequence[float] | np.ndarray | str | Path,
    variance: Sequence[float] | np.ndarray | str | Path,
    *,
    name: str | None = None,
    eps: float = 1e-5,
) -> tuple[Net, SurgeryReport]:
    """Normalise what a layer makes by statistics, and undo that in a Scale layer.

    Parameters
    ----------
    net : the network; it is not changed.
    after : the layer, mostly a Convolution.
    mean, variance : of each channel of what it makes, or .npy files of them;
        `zoo.surgery.measure_norm` measures them.
    name : of the BatchNorm, by default "bn_" and the name of the layer; the Scale is called the
        same with "scale_".
    eps : what BatchNorm adds to the variance.

    Returns
    -------
    The new net and the report. In the TEST phase values stay as they are; in the TRAIN phase
    BatchNorm takes the statistics of each batch.

    Raises
    ------
    UsageError
        For statistics that are not one number a channel, or a name that is taken.
    NetError
        When there is no such layer, or what it makes has no channels.

    Examples
    --------
    >>> import zoo
    >>> net = zoo.load("lenet_digits").net
    >>> normed, report = insert_batch_norm(net, "conv1", [0.5] * 8, [2.0] * 8)
    >>> report.added, report.preserving
    (('bn_conv1', 'scale_conv1'), True)
    """
    operation = call_text("insert_batch_norm", after=after, name=name)
    graph = Graph(net, net.outputs)
    before = node_named(graph, after)
    shape = before.tops[0].shape if before.tops else None
    if shape is None or len(shape) < 2:
        raise NetError("what it makes has no channels to normalise", after)
    if not net.params:
        raise UsageError("the net has no weights, so nothing says what its values are; load some")
    names = (f"bn_{after}", f"scale_{after}") if name is None else (name, f"scale_{name}")
    for new in names:
        check_new_name("layer", new, [node.name for node in graph.nodes])
    means = _statistics("mean", mean, shape[1])
    variances = _statistics("variance", variance, shape[1])
    if variances.min() < 0:
        raise UsageError(f"variance: expected no number below 0, received {variances.min():g}")
    if not 0 < eps < np.inf:
        raise UsageError(f"eps: expected a number above 0, received {eps!r}")
    norm = put_behind(
        graph, before, layer_of({"name": names[0], "type": "BatchNorm", "eps": float(eps)})
    )
    stored = np.float32(eps)
    norm.params = [_blob(means), _blob(variances), np.ones(1, np.float32)]
    scale = put_behind(
        graph, norm, layer_of({"name": names[1], "type": "Scale", "bias_term": True})
    )
    deviation = np.sqrt(norm.params[1].astype(np.float64) + float(stored))
    scale.params = [_blob(deviation), _blob(means)]
    notes = settle_names(graph)
    if net.phase == "TRAIN":
        notes.append(f"{names[0]}: in the TRAIN phase it takes the statistics of each batch")
    normed = finished(graph, operation)
    return normed, surgery_report(
        operation, net, normed, preserving=net.phase == "TEST" and not _renamed(notes), notes=notes
    )


def _renamed(notes: list[str]) -> bool:
    return any("is called" in note for note in notes)


def _statistics(what: str, given: Any, channels: int) -> np.ndarray:
    """One number for each channel."""
    if isinstance(given, str | Path):
        try:
            given = np.load(given, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"{what}: cannot read {given}: {error}") from error
    try:
        numbers = np.asarray(given, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise UsageError(f"{what}: expected numbers, received {given!r}") from None
    if len(numbers) != channels or not np.isfinite(numbers).all():
        raise UsageError(
            f"{what}: expected {channels} finite numbers, one for each channel, received"
            f" {len(numbers)}"
        )
    return numbers


def _blob(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)
