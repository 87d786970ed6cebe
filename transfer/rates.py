"""From the groups of a stage to the rate of every param, and the table that shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction

from zoo.errors import UsageError, did_you_mean
from zoo.layers.kind import count
from zoo.net import Layer, Net
from zoo.surgery.head import Head
from zoo.transfer.plan import Stage
from zoo.transfer.solver.params import Owner, learned

__all__ = ["ParamRate", "RateRow", "moving_statistics", "param_rates", "rate_table"]

_MEASURED = float("nan")


@dataclass(frozen=True)
class ParamRate:
    """How one param is trained.

    Attributes
    ----------
    owner : layer and index.
    rate : 0 for a frozen one.
    decay : what the stage's weight decay is multiplied by.
    group : the number of the group that its layer belongs to; None where none fits.
    values : how many numbers it holds.
    layer_rate : what its layer is trained at; 0 where all of it is frozen, statistics included.
    """

    owner: Owner
    rate: float
    decay: float
    group: int | None
    values: int
    layer_rate: float


@dataclass(frozen=True)
class RateRow:
    """One line of the plan: layers of one group, with the rate of their weights.

    The rate is not a number where no step is taken: the classifier of a stage on cached features is
    solved for, and statistics of batches are measured.
    """

    group: str
    layers: tuple[str, ...]
    parameters: int
    rate: float

    @property
    def frozen(self) -> bool:
        """Whether nothing of it is trained."""
        return self.rate == 0


def param_rates(net: Net, head: Head, stage: Stage) -> list[ParamRate]:
    """The rate of each param of a net in a stage.

    Raises
    ------
    UsageError
        When a pattern of the stage fits no layer with params, or nothing would be trained.
    """
    layers = [layer for layer in net.layers if layer.param_shapes]
    rates = _layer_rates(layers, head, stage)
    found = []
    for param in learned(net):
        layer = param.owner[0]
        group, rate = rates[layer]
        multiplier = param.rate
        if group is not None:
            # Within a group biases keep their ratio to the weights (Caffe's idiom: 2 to 1).
            first = _multiplier(net.layer(layer))
            multiplier = param.rate / first if first else 0.0
        found.append(
            ParamRate(param.owner, rate * multiplier, param.decay, group, count(param.shape), rate)
        )
    if not any(param.rate for param in found):
        raise UsageError(f"stage {stage.name!r} trains nothing: all rates are 0")
    return found


def moving_statistics(net: Net, stage: Stage, rates: Sequence[ParamRate]) -> frozenset[str]:
    """The BatchNorm layers whose statistics the stage learns: neither they nor their Scale frozen.

    Parameters
    ----------
    rates : of all params, see `param_rates`.
    """
    if stage.batch_norm == "stored":
        return frozenset()
    trained = {each.owner[0] for each in rates if each.rate}
    still = {each.owner[0] for each in rates if not each.layer_rate}
    found = set()
    for layer in net.layers:
        if layer.type != "BatchNorm" or layer.name in still:
            continue
        scales = {
            other.name
            for other in net.layers
            if other.type == "Scale" and set(other.bottoms) & set(layer.tops)
        }
        if scales & trained or not scales:
            found.add(layer.name)
    return frozenset(found)


def rate_table(net: Net, head: Head, stage: Stage) -> list[RateRow]:
    """The plan of a stage as it is shown before training; frozen layers come last."""
    if stage.cached:
        own = sum(map(count, net.param_shapes[head.layer]))
        others = [name for name in net.param_shapes if name != head.layer]
        frozen = RateRow("frozen", tuple(others), net.param_count - own, 0.0)
        return [RateRow("head", (head.layer,), own, _MEASURED), frozen]
    rows: dict[tuple[str, float], list[ParamRate]] = {}
    rates = param_rates(net, head, stage)
    statistics = moving_statistics(net, stage, rates)
    for param in rates:
        if param.owner[0] in statistics:
            key = ("statistics", _MEASURED)
        elif param.rate == 0:
            key = ("frozen", 0.0)
        else:
            key = (_title(stage, param, head), _weight_rate(net, head, stage, param))
        rows.setdefault(key, []).append(param)
    table = [
        RateRow(
            title,
            tuple(dict.fromkeys(param.owner[0] for param in params)),
            sum(param.values for param in params),
            rate,
        )
        for (title, rate), params in rows.items()
    ]
    return sorted(table, key=lambda row: (row.frozen, math.isnan(row.rate), -row.rate))


def _title(stage: Stage, param: ParamRate, head: Head) -> str:
    if param.group is None:
        return "lr_mult"
    if stage.groups:
        return ", ".join(stage.groups[param.group].layers)
    return "head" if param.owner[0] == head.layer else f"depth {param.group + 1}"


def _weight_rate(net: Net, head: Head, stage: Stage, param: ParamRate) -> float:
    """The rate of the weights of a param's layer, which stands for the layer in the table."""
    layers = [layer for layer in net.layers if layer.param_shapes]
    group, rate = _layer_rates(layers, head, stage)[param.owner[0]]
    return rate if group is not None else rate * _multiplier(net.layer(param.owner[0]))


def _multiplier(layer: Layer) -> float:
    """lr_mult of a layer's first param."""
    specs = layer.definition.param
    return float(specs[0].lr_mult) if specs else (0.0 if layer.type == "BatchNorm" else 1.0)


def _layer_rates(
    layers: Sequence[Layer], head: Head, stage: Stage
) -> dict[str, tuple[int | None, float]]:
    """Group and rate of each layer with params."""
    if stage.groups:
        return _of_groups(layers, head, stage)
    if stage.depths is None:
        return {layer.name: (None, stage.rate) for layer in layers}
    parts, spread = stage.depths
    found: dict[str, tuple[int | None, float]] = {}
    for place, layer in enumerate(layers):
        part = min(place * parts // len(layers), parts - 1)
        share = part / (parts - 1) if parts > 1 else 1.0
        found[layer.name] = (part, stage.rate * spread ** (share - 1))
    return found


def _of_groups(
    layers: Sequence[Layer], head: Head, stage: Stage
) -> dict[str, tuple[int | None, float]]:
    found: dict[str, tuple[int | None, float]] = {}
    for number, group in enumerate(stage.groups):
        for pattern in group.layers:
            fitting = _fitting(layers, head, pattern)
            if not fitting:
                names = [name for layer in layers for name in (layer.name, *layer.tops)]
                raise UsageError(
                    f"stage {stage.name!r}: {pattern!r} fits no layer with params."
                    f"{did_you_mean(pattern, names)} The layers are"
                    f" {', '.join(layer.name for layer in layers)}."
                )
            for layer in fitting:
                found.setdefault(layer.name, (number, group.rate))
    return {layer.name: found.get(layer.name, (0, 0.0)) for layer in layers}


def _fitting(layers: Sequence[Layer], head: Head, pattern: str) -> list[Layer]:
    if pattern == "head":
        return [layer for layer in layers if layer.name == head.layer]
    side, _, parts = pattern.partition(":")
    if side in ("first", "last") and parts:
        size = round(len(layers) / _parts(pattern, parts))
        return list(layers[:size] if side == "first" else layers[len(layers) - size :])
    return [
        layer
        for layer in layers
        if any(fnmatchcase(name, pattern) for name in (layer.name, *layer.tops))
    ]


def _parts(pattern: str, text: str) -> Fraction:
    """Into how many parts the layers are cut."""
    try:
        parts = Fraction(text)
    except (ValueError, ZeroDivisionError):
        parts = Fraction(0)
    if parts < 1:
        raise UsageError(
            f"layers: {pattern!r}: expected a number of parts, 1 or more, as in last:3 (the last"
            " third) or last:3/2 (the last two thirds)"
        )
    return parts
