"""The inputs on which an export is run, and how far its outputs are from the source's."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from zoo.errors import NetError
from zoo.exports.source import PICTURE, Arrays, Source
from zoo.net import Net

__all__ = ["Difference", "compare", "trial_inputs"]


@dataclass(frozen=True)
class Difference:
    """How far an output is from that of the source.

    Attributes
    ----------
    blob : the output.
    absolute : its largest difference.
    largest : its largest value.
    """

    blob: str | None = None
    absolute: float = 0.0
    largest: float = 0.0

    @property
    def relative(self) -> float:
        """The difference in units of the largest value."""
        return self.absolute / max(self.largest, 1e-30) if self.absolute else 0.0


def trial_inputs(source: Source, free_sizes: bool) -> Iterator[Arrays]:
    """A batch of one, and one of two with larger values and, where they are free, other sizes."""
    if source.spec is not None:
        height, width = source.spec.resize or source.spec.size
        rng = np.random.default_rng(0)
        for shape in ((1, height, width, 3), (2, height + 31, width * 2 + 1, 3)):
            yield {PICTURE: rng.integers(0, 256, shape).astype(np.uint8)}
        return
    yield _random(_with_batch(source.net, 1, 0), 1.0)
    yield _random(_with_batch(source.net, 2, 32 if free_sizes else 0), 50.0)


def _with_batch(net: Net, batch: int, larger: int) -> Net:
    """The net for another batch and larger pictures, or as it is where it has no such freedom."""
    shapes = {
        name: (
            batch if shape[0] == net.batch else shape[0],
            *shape[1:2],
            *(size + larger for size in shape[2:]),
        )
        for name, shape in net.inputs.items()
        if shape
    }
    try:
        return net.reshape(shapes)
    except NetError:
        return net


def _random(net: Net, spread: float) -> Arrays:
    """Values that each input may have, always the same: what its first reader can take."""
    inputs = {}
    for name, shape in net.inputs.items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        reader = next((layer for layer in net.layers if name in layer.bottoms), None)
        values = rng.standard_normal(shape) * spread
        if reader is not None and reader.kind is not None and None not in reader.bottom_shapes:
            index = reader.bottoms.index(name)
            if not reader.kind.differentiates(reader.definition, index):
                values = reader.kind.example(
                    reader.definition,
                    reader.bottom_shapes,  # type: ignore[arg-type]
                    index,
                    rng,
                )
        inputs[name] = np.asarray(values, np.float32)
    return inputs


def compare(received: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> Difference:
    """The output that is farthest from what was expected, in units of its largest value."""
    worst = Difference()
    for name, wanted in expected.items():
        found = _apart(name, received[name], wanted)
        if worst.blob is None or not found.relative <= worst.relative:
            worst = found
    return worst


def _apart(name: str, received: np.ndarray, expected: np.ndarray) -> Difference:
    if received.shape != expected.shape:
        return Difference(name, float("inf"), 1.0)
    same = (received == expected) | (np.isnan(received) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0, np.abs(received - expected))
    gap = np.nan_to_num(gap, nan=np.inf, posinf=np.inf)
    finite = np.abs(expected[np.isfinite(expected)])
    return Difference(name, float(gap.max(initial=0)), float(finite.max(initial=0)))
