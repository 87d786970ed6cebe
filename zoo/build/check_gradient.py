"""Comparing the gradients of layers with finite differences, for whoever adds a layer.

Caffe: test_gradient_check_util.hpp. Each layer of a net is looked at alone, on random values. The
objective is the sum of its tops, each value times a random number; the gradient by `zoo.gradients`
is compared with how the objective changes when one value is moved a step up and a step down. They
agree if they differ by no more than a threshold times the larger of the two, or times 1 where both
are smaller.

Where a function has a kink within the step, as max pooling has wherever two values are close, a
tenth of the step has to agree, or that to one side only. Caffe leaves out values near a kink that
the caller names; `kink` does that here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from zoo.build.both_passes import Diffs
from zoo.build.builder import check_supported
from zoo.build.single_layer import SingleLayer
from zoo.errors import UsageError, did_you_mean
from zoo.net import Layer, Net

__all__ = ["GradientCheck", "check_gradients"]


@dataclass(frozen=True)
class GradientCheck:
    """How the gradient of one bottom or param of a layer compares with finite differences.

    Attributes
    ----------
    layer, type : of the layer.
    part : "bottom" or "param", and `index` which; `blob` is the name of the bottom.
    checked : how many of its values were moved.
    difference : the largest, as a share of the larger of both gradients, or of 1.
    place : where in the blob that is, with both gradients there, `computed` and `estimated`.
    passed : whether it is within the threshold.
    """

    layer: str
    type: str
    part: str
    index: int
    blob: str
    checked: int
    difference: float
    place: tuple[int, ...]
    computed: float
    estimated: float
    passed: bool


def check_gradients(
    net: Net,
    layers: Sequence[str] | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    step: float = 1e-2,
    threshold: float = 1e-3,
    kink: float | None = None,
    points: int = 50,
    seed: int = 0,
) -> list[GradientCheck]:
    """Compare the gradients of each layer with finite differences.

    Parameters
    ----------
    net : the network; its phase counts. Learned params that it has no values for are random.
    layers : names of layers; without them all that have a gradient.
    inputs : blob name to array, (N, C, H, W), for bottoms that random values do not do for.
    step : how far a value is moved.
    threshold : how much gradients may differ, as a share of the larger one, or of 1.
    kink : values whose amount is within a step of this are left out.
    points : at most so many values of a blob are moved, chosen at random.
    seed : of the random values.

    Raises
    ------
    UsageError
        When a layer is not known or has no gradient, or an input is not known; ShapeError,
        UnsupportedLayersError.

    Examples
    --------
    >>> import zoo
    >>> net = zoo.Net.read("examples/lenet_digits.prototxt")
    >>> [(check.part, check.index, check.passed) for check in zoo.check_gradients(net, ["ip2"])]
    [('bottom', 0, True), ('param', 0, True), ('param', 1, True)]
    """
    given = {name: np.asarray(array, np.float32) for name, array in (inputs or {}).items()}
    for name in given:
        if name not in net.blobs:
            raise UsageError(
                f"an array is given for {name!r}, but there is no such blob."
                f"{did_you_mean(name, net.blobs)}"
            )
    chosen = [net.layer(name) for name in layers] if layers is not None else net.layers
    check_supported(chosen)
    settings = _Settings(step, threshold, kink, points)
    checks = []
    for layer in chosen:
        found = list(_checks(net, layer, given, seed, settings))
        if not found and layers is not None:
            raise UsageError(f"layer {layer.name!r} ({layer.type}) has no gradient to check")
        checks += found
    return checks


@dataclass(frozen=True)
class _Settings:
    step: float
    threshold: float
    kink: float | None
    points: int


@dataclass(frozen=True)
class _Point:
    """One value that was moved."""

    place: tuple[int, ...]
    computed: float
    estimated: float

    @property
    def difference(self) -> float:
        """As a share of the larger gradient, or of 1; infinite where one is not finite."""
        scale = max(abs(self.computed), abs(self.estimated), 1.0)
        difference = abs(self.computed - self.estimated) / scale
        return difference if np.isfinite(difference) else float("inf")


def _checks(
    net: Net, layer: Layer, given: Mapping[str, np.ndarray], seed: int, settings: _Settings
) -> Iterator[GradientCheck]:
    """The checks of one layer; none where it has nothing that a gradient goes to."""
    if layer.is_source or not layer.bottoms or not (layer.tops or _is_loss(layer)):
        return
    alone = SingleLayer(net, layer, given, seed)
    if not alone.bottoms and not alone.learned:
        return
    base = alone.run()
    rng = np.random.default_rng(seed)
    for index, name in alone.bottoms.items():
        points = _moved(alone, base, alone.values[name], base.blobs[name], settings, rng)
        yield _check(layer, "bottom", index, layer.bottoms[index], points, settings)
    for index in alone.learned:
        gradient = base.params[layer.name][index]
        points = _moved(alone, base, alone.params[index], gradient, settings, rng)
        yield _check(layer, "param", index, "", points, settings)


def _is_loss(layer: Layer) -> bool:
    return layer.kind is not None and layer.kind.loss_weight != 0


def _check(
    layer: Layer,
    part: str,
    index: int,
    blob: str,
    points: Sequence[_Point],
    settings: _Settings,
) -> GradientCheck:
    worst = max(points, key=lambda point: point.difference, default=_Point((), 0.0, 0.0))
    return GradientCheck(
        layer.name,
        layer.type,
        part,
        index,
        blob,
        len(points),
        worst.difference,
        worst.place,
        worst.computed,
        worst.estimated,
        worst.difference <= settings.threshold,
    )


def _moved(
    alone: SingleLayer,
    base: Diffs,
    array: np.ndarray,
    gradient: np.ndarray,
    settings: _Settings,
    rng: np.random.Generator,
) -> list[_Point]:
    """Values of a bottom or param moved one after the other; `array` is one of the layer's."""
    chosen = np.sort(rng.permutation(array.size)[: settings.points])
    points = []
    for place in [np.unravel_index(number, array.shape) for number in chosen]:
        value = float(array[place])
        if settings.kink is not None and abs(abs(value) - settings.kink) <= settings.step:
            continue
        found = (
            _Point(tuple(int(axis) for axis in place), float(gradient[place]), estimated)
            for estimated in _estimates(alone, base, array, place, settings.step)
        )
        first = next(found)
        agreeing = (
            point for point in chain([first], found) if point.difference <= settings.threshold
        )
        points.append(next(agreeing, first))
    return points


def _estimates(
    alone: SingleLayer, base: Diffs, array: np.ndarray, place: tuple[int, ...], step: float
) -> Iterator[float]:
    """How the objective changes with a value: by the step, by a tenth of it, to one side only."""
    value = array[place]
    for size in (step, step / 10):
        moves, changes = [], []
        for signed in (size, -size):
            array[place] = value + signed
            moves.append(float(array[place]) - float(value))
            changes.append(alone.change(base, alone.run()))
        array[place] = value
        yield _slope(changes[0] - changes[1], moves[0] - moves[1])
    # To one side of a tenth only: of more, a curve would pass for a kink.
    yield from map(_slope, changes, moves)


def _slope(change: float, move: float) -> float:
    """Their ratio; not a number where the step is too small to move a large value."""
    return change / move if move else float("nan")
