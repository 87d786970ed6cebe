"""Blob by blob: a net against recorded values, or against another net, device or engine.

Blobs are compared in the order in which layers compute them, so that the first that differs is
where to look: what stands behind it differs because of it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from zoo.api import run
from zoo.blob_difference import BlobDifference, distances
from zoo.difference_hints import explain
from zoo.errors import UsageError
from zoo.loaded import LoadedModel
from zoo.net import Layer, Net
from zoo.recorded import Recorded, sampled, writers
from zoo.report import named_layers

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """What `zoo.compare` found.

    Attributes
    ----------
    blobs : one difference for each blob, in the order of the layers.
    tolerance : the largest `relative` that agrees.
    hints : sentences about the first blob that differs.
    unmatched : names in the reference that are no blob of the net.
    """

    blobs: tuple[BlobDifference, ...]
    tolerance: float
    hints: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every blob is within the tolerance."""
        return self.first is None

    @cached_property
    def first(self) -> BlobDifference | None:
        """The first blob that differs."""
        return next((each for each in self.blobs if not each.agrees), None)

    @property
    def summary(self) -> str:
        """The result in sentences."""
        if self.first is None:
            worst = max(self.blobs, key=lambda each: each.relative)
            return (
                f"All {len(self.blobs)} blob(s) agree within {self.tolerance:g}; the farthest is"
                f" {worst.blob!r}, {worst.relative:.2g}."
            )
        count = sum(not each.agrees for each in self.blobs)
        return " ".join(
            [
                f"{count} of {len(self.blobs)} blob(s) differ by more than {self.tolerance:g}.",
                _first_sentence(self.first),
                *self.hints,
            ]
        )

    def __str__(self) -> str:
        rows = [
            f"{each.blob}: {each.verdict}, max abs {each.max_abs:.3g}, relative {each.relative:.3g}"
            for each in self.blobs
        ]
        return "\n".join([*rows, self.summary])


def compare(
    net: Net | LoadedModel,
    reference: Mapping[str, Any] | Net | LoadedModel | None,
    inputs: Mapping[str, Any] | None = None,
    *,
    tolerance: float = 1e-4,
    **how: Any,
) -> Comparison:
    """Compare the blobs of a net with recorded ones or with those of another net.

    Parameters
    ----------
    net : a network with weights.
    reference : blob name to array in Caffe's order, as `numpy.load` gives them, or another network
        whose blobs of the same names are compared; None is `net` itself, run on the CPU in the
        plain way. Recorded names may begin with ``blob:`` or ``out/``, and an array of one axis
        may hold every k-th value of a blob.
    inputs : input blob name to array. What is missing is taken from the recorded blobs, where
        names may begin with ``in/``; what both have is compared too.
    tolerance : the largest difference, in units of the largest value of the reference blob.
    how : how `net` is run, see `zoo.run`: ``device``, for instance.

    Raises
    ------
    UsageError
        When an input is missing, or there is no blob in common.

    Examples
    --------
    >>> import numpy as np, zoo
    >>> net = zoo.load("lenet_digits").net
    >>> recorded = zoo.run(net, {"data": np.ones((1, 1, 28, 28))}, ["conv1", "ip2"])
    >>> compare(net, recorded, {"data": np.ones((1, 1, 28, 28))}).agrees
    True
    >>> compare(net, recorded, {"data": np.full((1, 1, 28, 28), 2)}).first.blob
    'conv1'
    """
    net = _net_of(net)
    given = {name: np.asarray(array, np.float32) for name, array in (inputs or {}).items()}
    if reference is None or isinstance(reference, Net | LoadedModel):
        recorded = _run_reference(net, reference, given)
    else:
        recorded = Recorded.of(net, reference)
    arrays = {**recorded.inputs, **given}
    computed = run(net, arrays, list(recorded.blobs), **how) if recorded.blobs else {}
    pairs = [
        *(
            _Pair(name, given[name], recorded.inputs[name], True)
            for name in recorded.inputs
            if name in given
        ),
        *(_Pair(name, computed[name], value, False) for name, value in recorded.blobs.items()),
    ]
    if not pairs:
        raise UsageError(_nothing_in_common(net, recorded.unmatched))
    blobs = tuple(_difference(net, pair, tolerance) for pair in pairs)
    hints = next(
        (
            _hints(net, blobs, place, pair)
            for place, pair in enumerate(pairs)
            if not blobs[place].agrees
        ),
        [],
    )
    return Comparison(blobs, tolerance, tuple(hints), tuple(recorded.unmatched))


class _Pair(NamedTuple):
    """One blob of the net and of the reference."""

    name: str
    mine: np.ndarray
    reference: np.ndarray
    is_input: bool


def _net_of(net: Net | LoadedModel) -> Net:
    return net.net if isinstance(net, LoadedModel) else net


def _run_reference(
    net: Net, reference: Net | LoadedModel | None, inputs: Mapping[str, np.ndarray]
) -> Recorded:
    """The blobs that both nets compute, as the reference computes them."""
    other = net if reference is None else _net_of(reference)
    common = [name for name in writers(net) if name in writers(other)]
    device = "cpu" if reference is None else None
    blobs = run(other, inputs, common, device=device) if common else {}
    return Recorded({}, {name: blobs[name] for name in common}, [])


def _difference(net: Net, pair: _Pair, tolerance: float) -> BlobDifference:
    mine = sampled(pair.mine, pair.reference).astype(np.float64)
    reference = pair.reference.astype(np.float64)
    max_abs, relative, ulp, cosine = distances(mine, reference)
    return BlobDifference(
        pair.name,
        _layers_of(net, pair.name),
        pair.is_input,
        pair.mine.shape,
        pair.mine.shape if mine.shape == reference.shape else reference.shape,
        max_abs,
        relative,
        ulp,
        cosine,
        agrees=relative <= tolerance,
    )


def _layers_of(net: Net, blob: str) -> tuple[str, ...]:
    """The layers that write a blob, as people name them."""
    return tuple(_described(net, layer) for layer in net.layers if blob in layer.tops)


def _described(net: Net, layer: Layer) -> str:
    line = net.report.lines.get(layer.name)
    return f"{layer.name} ({layer.type}{'' if line is None else f', line {line}'})"


def _hints(net: Net, blobs: Sequence[BlobDifference], place: int, pair: _Pair) -> list[str]:
    """What can be said about the first blob that differs."""
    mine = sampled(pair.mine, pair.reference)
    said = explain(mine, pair.reference, is_input=pair.is_input)
    if pair.is_input:
        return said
    if not any(each.is_input for each in blobs):
        said.append(
            "No input was compared; where a mean or the order of channels is wrong, recorded inputs"
            " show it."
        )
    between = _layers_since(net, pair.name, {each.blob for each in blobs[:place]})
    if len(between) > 1:
        names = named_layers(between, net.report.lines)
        said.append(f"Between it and what agrees lie {len(between)} layers: {names}.")
    return said


def _layers_since(net: Net, blob: str, agreeing: Container[str]) -> list[str]:
    """The layers that lead to a blob from inputs and from blobs that agree, in order."""
    last = {name: places[-1] for name, places in writers(net).items()}
    wanted, found = {blob}, []
    for place in range(last[blob], -1, -1):
        layer = net.layers[place]
        if layer.is_source or not wanted.intersection(layer.tops):
            continue
        found.append(layer.name)
        wanted.difference_update(layer.tops)
        wanted.update(
            bottom
            for bottom in layer.bottoms
            if not (bottom in agreeing and last.get(bottom, -1) < place)
        )
    return found[::-1]


def _first_sentence(first: BlobDifference) -> str:
    if first.shape != first.reference_shape:
        amount = f"its shape is {first.shape}, that of the reference {first.reference_shape}"
    else:
        amount = f"by {first.max_abs:.4g} at most, {first.relative:.3g} of the largest value"
    if first.is_input:
        return f"The first is the input {first.blob!r}: {amount}."
    return f"The first is {first.blob!r}, made by {', then '.join(first.layers)}: {amount}."


def _nothing_in_common(net: Net, unmatched: Sequence[str]) -> str:
    has = ", ".join(list(writers(net))[-3:])
    return (
        f"there is nothing to compare: the reference has"
        f" {', '.join(unmatched[:5]) or 'no blob'}; {net.name or 'the net'} has {has}, ... Name"
        " recorded blobs as the definition does; `zoo inspect` lists them."
    )
