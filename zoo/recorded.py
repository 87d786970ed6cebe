"""Blobs that somebody recorded, matched with the blobs of a net by their names.

A name is a blob's own, or has one of the prefixes in use: ``in/`` for what was put in, ``out/`` and
``blob:`` for what came out. A large blob may be recorded as every k-th of its values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.net import Net

__all__ = ["Recorded", "sampled", "writers"]

_PREFIXES = ("blob:", "out/", "")


@dataclass(frozen=True)
class Recorded:
    """Recorded arrays by blob name.

    Attributes
    ----------
    inputs : values put into the net's data sources.
    blobs : values computed by layers, in the order in which layers finish them.
    unmatched : names that are neither.
    """

    inputs: dict[str, np.ndarray]
    blobs: dict[str, np.ndarray]
    unmatched: list[str]

    @classmethod
    def of(cls, net: Net, arrays: Mapping[str, Any]) -> Recorded:
        """Sort arrays by what the net has of their names."""
        inputs: dict[str, np.ndarray] = {}
        blobs: dict[str, np.ndarray] = {}
        known = set()
        for blob in net.inputs:
            for key in (blob, f"in/{blob}"):
                if key in arrays and blob not in inputs:
                    inputs[blob] = np.asarray(arrays[key], np.float32)
                    known.add(key)
        for blob in writers(net):
            for key in (f"{prefix}{blob}" for prefix in _PREFIXES):
                if key in arrays and key not in known and blob not in blobs:
                    blobs[blob] = np.asarray(arrays[key], np.float32)
                    known.add(key)
        return cls(inputs, blobs, [key for key in arrays if key not in known])


def writers(net: Net) -> dict[str, list[int]]:
    """For each blob that layers compute the places of these layers, in the order of the last ones.

    A blob that layers write in place has several; what is seen of it in the end is from the last.

    >>> net = Net.read("examples/lenet_digits.prototxt")
    >>> writers(net)["ip1"], [net.layers[place].name for place in writers(net)["ip1"]]
    ([5, 6], ['ip1', 'relu1'])
    """
    found: dict[str, list[int]] = {}
    for place, layer in enumerate(net.layers):
        for top in layer.tops:
            found.setdefault(top, []).append(place)
    computed = {
        blob: places for blob, places in found.items() if not net.layers[places[-1]].is_source
    }
    return dict(sorted(computed.items(), key=lambda item: item[1][-1]))


def sampled(blob: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The blob, or every k-th of its values where the reference is so many.

    >>> sampled(np.arange(20).reshape(4, 5), np.zeros(5))
    array([ 0,  4,  8, 12, 16])
    """
    count = reference.size
    if reference.ndim != 1 or blob.ndim < 2 or not 1 < count < blob.size:
        return blob
    # -(-blob.size // step) values remain: that is `count` for these steps.
    steps = range(-(-blob.size // count), -(-blob.size // (count - 1)))
    return blob.ravel()[:: steps[0]] if len(steps) == 1 else blob
