"""Running a network forward and backward: the diffs that Caffe leaves in blobs and params."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from zoo.build.both_passes import BothPasses, Diffs
from zoo.net import Net

__all__ = ["gradients", "run_both_ways"]

_KNOWN: WeakKeyDictionary[Net, dict[tuple[Any, ...], BothPasses]] = WeakKeyDictionary()


def gradients(
    net: Net,
    inputs: Mapping[str, Any],
    top_diffs: Mapping[str, Any] | None = None,
    *,
    force_backward: bool = False,
    device: str | None = None,
    seed: int | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, list[np.ndarray]]]:
    """Run a net forward and backward: the diffs of its blobs and params as Caffe has them.

    As in Caffe the definition decides what gets a gradient: what lies between a param with a rate
    and a loss, or whatever ``propagate_down`` says; everything with ``force_backward: true``. The
    net's phase decides what Dropout and BatchNorm do.

    Parameters
    ----------
    net : the network, with weights.
    inputs : input blob name to array, (N, C, H, W), as for `zoo.run`.
    top_diffs : blob name to an array of the blob's shape, the diff from which it starts. Without
        one each loss starts from its loss weight. A blob that other layers read gets theirs added.
    force_backward : as if the definition said ``force_backward: true``. A definition without any
        loss gives nothing but zeros without it.
    device : "cpu" or "gpu:0"; None leaves the choice to TensorFlow.
    seed : as for `zoo.run`; the same one draws the same values there and here.

    Returns
    -------
    Blob name to diff, and layer name to the diffs of its params, float32 in Caffe's shapes. What
    gets no gradient is zero; labels, indices and their like, which cannot have one, are left out.
    A blob that layers write in place has the diff of its first value. Layers that share a param
    all have the sum.

    Raises
    ------
    UsageError
        When the net has no loss and no `top_diffs` are given, or a name is not known; ShapeError
        when an array does not fit; UnsupportedLayersError, UnavailableError.

    Examples
    --------
    >>> import numpy as np, zoo
    >>> net = zoo.load("lenet_digits").net
    >>> picture, score = np.ones((1, 1, 28, 28)), np.eye(5)[[2]]
    >>> blobs, params = zoo.gradients(net, {"data": picture}, {"ip2": score}, force_backward=True)
    >>> blobs["data"].shape, [diff.shape for diff in params["ip2"]]
    ((1, 1, 28, 28), [(5, 64), (5,)])
    """
    found = run_both_ways(
        net, inputs, top_diffs, [], force_backward=force_backward, device=device, seed=seed
    )
    return found.blobs, found.params


def run_both_ways(
    net: Net,
    inputs: Mapping[str, Any],
    top_diffs: Mapping[str, Any] | None = None,
    values: Sequence[str] | None = None,
    *,
    force_backward: bool = False,
    device: str | None = None,
    seed: int | None = None,
) -> Diffs:
    """`gradients`, and the values that some blobs had in the same forward pass.

    `values` names these blobs; None means the network's outputs. The rest is as for `gradients`.
    The passes are built and compiled once for each net.
    """
    diffs = top_diffs or {}
    wanted = tuple(net.outputs if values is None else values)
    key = (wanted, tuple(diffs), force_backward, device)
    known = _KNOWN.setdefault(net, {})
    if key not in known:
        known[key] = BothPasses(
            net, wanted, tuple(diffs), force_backward=force_backward, device=device
        )
    return known[key](inputs, diffs, seed)
