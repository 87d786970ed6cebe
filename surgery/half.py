"""Weights of half precision, for files of half the size.

A float16 has 11 bits where a float32 has 24: a weight between 6e-5 and 65504 changes by at most
1/2048 of itself, smaller ones by more, and those below 3e-8 become 0. Caffe computes in float32 all
the same. `Net.save(weights="net.caffemodel.h5", half=True)` stores them so.
"""

from __future__ import annotations

import numpy as np

from zoo.caffe.hdf5 import halved
from zoo.net import Net
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["half_precision"]


def half_precision(net: Net) -> tuple[Net, SurgeryReport]:
    """Round all params to float16; they are float32 of such values then.

    Parameters
    ----------
    net : the network, with weights; it is not changed.

    Raises
    ------
    WeightsError
        When a param holds a number beyond 65504: the layer is named.

    Examples
    --------
    >>> import zoo
    >>> net, report = half_precision(zoo.load("lenet_digits").net)
    >>> bool((net.params["ip1"][0].astype("float16") == net.params["ip1"][0]).all())
    True
    """
    params = {
        name: [
            halved(blob, f"layer {name!r}, blob {index}").astype(np.float32)
            for index, blob in enumerate(blobs)
        ]
        for name, blobs in net.params.items()
    }
    after = net.with_params(params)
    report = surgery_report("half_precision()", net, after, notes=_losses(net, after))
    report.preserving = not report.of("recomputed")
    return after, report


def _losses(net: Net, after: Net) -> list[str]:
    """What was lost, in sentences."""
    worst, where, zeros = 0.0, "", 0
    for name, blobs in net.params.items():
        for old, new in zip(blobs, after.params[name], strict=True):
            there = old != 0
            zeros += int(np.count_nonzero(there & (new == 0)))
            if there.any():
                error = float((np.abs(new - old)[there] / np.abs(old)[there]).max())
                worst, where = max((worst, where), (error, name))
    notes = [f"the largest relative error of a weight is {worst:.3g}, in {where}"] if where else []
    return notes + ([f"{zeros:,} weights below 3e-8 became 0"] if zeros else [])
