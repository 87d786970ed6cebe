"""Blobs that come from another net, in a report.

A report compares the net before an operation with the net after it, so what came from a third one
looks new there. Here it is told where it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from zoo.net import Net
from zoo.surgery.report import BlobFate, SurgeryReport, surgery_report

__all__ = ["Donor", "report_with_donors"]

# A net and the name of its layer.
Donor = tuple[Net, str]


def report_with_donors(
    operation: str,
    before: Net,
    after: Net,
    donors: Mapping[str, Donor],
    notes: Iterable[str] = (),
) -> SurgeryReport:
    """A report in which layers of the new net have their params from layers of other nets.

    Parameters
    ----------
    operation, before, after, notes : as `surgery_report` takes them.
    donors : layers of the new net, each with a net and the name of its layer there.
    """
    fresh = [layer for layer in donors if layer in after.param_shapes]
    report = surgery_report(operation, before, after, initialised=fresh, notes=notes)
    fates = tuple(
        _given(fate, *donors[fate.layer])
        if fate.fate == "initialised" and fate.layer in donors
        else fate
        for fate in report.blobs
    )
    return replace(report, blobs=fates)


def _given(fate: BlobFate, donor: Net, layer: str) -> BlobFate:
    if layer not in donor.params:
        return fate
    shape = donor.param_shapes[layer][fate.index]
    kind = "moved" if shape == fate.shape else "reshaped"
    return replace(fate, fate=kind, origin=f"{donor.name or 'the donor'}:{layer}", old_shape=shape)
