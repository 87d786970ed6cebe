"""Weights copied from another net, by name, by shape or by a mapping.

Caffe copies by name and passes over everything else without a word (Net::CopyTrainedLayersFrom);
here the report tells what came from where, and what did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import UsageError, WeightsError, did_you_mean
from zoo.misfit import last_layers, why_misfit
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.donors import report_with_donors
from zoo.surgery.pairing import (
    Rules,
    pairs_by_name,
    pairs_by_rules,
    pairs_by_shape,
    read_rules,
)
from zoo.surgery.partial import check_way, made_to_fit
from zoo.surgery.report import SurgeryReport

__all__ = ["GraftReport", "graft"]

_MATCHES = ("name", "shape")


@dataclass
class GraftReport(SurgeryReport):
    """What was copied.

    Attributes
    ----------
    copied : layers of the net, each with the layer of the donor that its weights come from.
    fitted : those of them whose weights had to be made to fit.
    left : layers with weights that got none.
    unused : layers of the donor that gave none.
    """

    copied: Mapping[str, str] = field(default_factory=dict)
    fitted: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """A line for the layers of each sort."""
        pairs = [new if new == old else f"{new} from {old}" for new, old in self.copied.items()]
        lines = [f"copied: {', '.join(pairs)}"]
        for what, layers in (
            ("made to fit", self.fitted),
            ("left as they were", self.left),
            ("in the donor and not used", self.unused),
        ):
            if layers:
                lines.append(f"{what}: {', '.join(layers)}")
        return lines + list(self.notes)

    def to_dict(self) -> dict[str, object]:
        """The same for JSON."""
        return super().to_dict() | {
            "copied": dict(self.copied),
            "fitted": list(self.fitted),
            "left": list(self.left),
            "unused": list(self.unused),
        }


def graft(
    net: Net,
    donor: Net,
    match: str | Path | dict[str, str | None] = "name",
    partial: str | None = None,
) -> tuple[Net, GraftReport]:
    """Copy weights from another net.

    Parameters
    ----------
    net : what gets them.
    donor : a net with weights; its definition may be quite another one.
    match : "name": layers of the same name; "shape": layers of the same type and shapes, in the
        same order in both nets; or a mapping from layers of the donor to those of the net, or the
        path of a YAML file with one. In a mapping `*` and `?` stand for anything, and in the other
        name for the same; None leaves a layer out; of several rules the first that fits counts.
    partial : what to do with a blob of another shape: "slice", "pad", "tile" or "average", see
        `zoo.surgery.partial`. By default that is an error.

    Returns
    -------
    The new net, and what came from where.

    Raises
    ------
    WeightsError
        When nothing matches, or shapes differ; each is told with what to do about it.
    UsageError
        When a rule matches nothing, or the donor has no weights.

    Examples
    --------
    >>> import zoo
    >>> donor = zoo.load("lenet_digits").net
    >>> fresh = zoo.Net(donor.definition).initialized(seed=1)
    >>> net, report = graft(fresh, donor, match={"conv*": "conv*"})
    >>> print(report)
    graft(donor='LeNetDigits', match={'conv*': 'conv*'})
      copied: conv1, conv2
      left as they were: ip1, ip2
      in the donor and not used: ip1, ip2
    """
    check_way(partial)
    if not donor.params:
        raise UsageError(f"the donor {donor.name!r} has no weights; load its caffemodel too")
    pairs = {name: old for name, old in _pairs(net, donor, match).items() if old in donor.params}
    if not pairs:
        raise WeightsError(
            f"not one layer of the donor {donor.name!r} goes with one of {net.name!r} by"
            f" {match!r}: {_some(donor)} against {_some(net)}. Give a mapping from its layers to"
            " those of the net"
        )
    new, fitted = _copies(net, donor, pairs, partial)
    grafted = net.with_params(new)
    _check_shared(grafted, new)
    operation = call_text("graft", donor=donor.name, match=match, partial=partial)
    base = report_with_donors(
        operation, net, grafted, {name: (donor, old) for name, old in pairs.items()}
    )
    # What a net without weights had there is nothing that could be lost.
    blobs = [fate for fate in base.blobs if fate.fate != "dropped" or fate.layer in net.params]
    return grafted, GraftReport(
        operation,
        tuple(blobs),
        copied=pairs,
        fitted=tuple(fitted),
        left=tuple(name for name in net.param_shapes if name not in pairs),
        unused=tuple(name for name in donor.param_shapes if name not in pairs.values()),
    )


def _pairs(net: Net, donor: Net, match: str | Path | Rules) -> dict[str, str]:
    """Layers of the net with those of the donor."""
    if isinstance(match, Mapping):
        return pairs_by_rules(net, donor, match)
    if match == "name":
        return pairs_by_name(net, donor)
    if match == "shape":
        return pairs_by_shape(net, donor)
    if Path(match).suffix in (".yaml", ".yml"):
        return pairs_by_rules(net, donor, read_rules(match))
    raise UsageError(
        f"match: expected name, shape, a mapping or a .yaml file with one, received {match!r}."
        f"{did_you_mean(str(match), _MATCHES)}"
    )


def _copies(
    net: Net, donor: Net, pairs: Mapping[str, str], way: str | None
) -> tuple[dict[str, list[np.ndarray]], list[str]]:
    """The new blobs of each layer, and the layers whose blobs had to be made to fit."""
    new: dict[str, list[np.ndarray]] = {}
    fitted, problems, last = [], [], last_layers(net)
    for name, old in pairs.items():
        wanted, received = net.param_shapes[name], donor.param_shapes[old]
        if wanted == received:
            new[name] = list(donor.params[old])
            continue
        blobs: list[Any] = [None]
        if way is not None and len(wanted) == len(received):
            blobs = [
                made_to_fit(blob, shape, way)
                for blob, shape in zip(donor.params[old], wanted, strict=True)
            ]
        if any(blob is None for blob in blobs):
            problems.append(
                f"  {name} needs {wanted}, {old} of the donor has {received};"
                f" {why_misfit(wanted, received, name in last)}"
            )
        else:
            new[name] = blobs
            fitted.append(name)
    if problems:
        how = f" as {way!r} makes them fit" if way else ""
        raise WeightsError(
            f"the weights of {donor.name!r} do not fit {net.name!r}{how}:\n"
            + "\n".join(problems)
            + "\nTo leave a layer out, match by a mapping such as {'NAME': None, '*': '*'}; to copy"
            " parts, ask for one of slice, pad, tile, average with partial."
        )
    return new, fitted


def _check_shared(net: Net, new: Mapping[str, list[np.ndarray]]) -> None:
    """A param that layers share can have come from one layer of the donor only."""
    for name, blobs in new.items():
        for index, blob in enumerate(blobs):
            if not np.array_equal(net.params[name][index], blob):
                owner = net.layer(name).owners[index][0]
                raise WeightsError(
                    f"param {index} of {name!r} is shared with {owner!r}, and the donor has other"
                    " values for each; leave one of them out of the mapping, or unshare them first"
                )


def _some(net: Net) -> str:
    names = list(net.param_shapes)
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
