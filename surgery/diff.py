"""What differs between two nets: structure, hyper-parameters and weights.

A side is a `Net`, the definition of one, or a file of weights: snapshots of one run are compared by
their names of layers, without any definition but the one that a binary caffemodel holds itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from zoo.caffe.read import read_definition
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.upgrade import upgrade
from zoo.caffe.weights import read_weights
from zoo.errors import UsageError
from zoo.layers.kind import known_types
from zoo.net import Net
from zoo.prepare import prepare
from zoo.surgery.definition_diff import FieldChange, changed_fields, patch
from zoo.surgery.weight_diff import WeightDifference, weight_differences

__all__ = ["NetDifference", "diff"]

_DEFINITIONS = (".prototxt", ".pbtxt", ".pt", ".txt")


@dataclass(frozen=True)
class NetDifference:
    """What differs between two nets; `str` gives it as text.

    Attributes
    ----------
    a, b : what the two are called.
    only_in_a, only_in_b : layers by name.
    fields : hyper-parameters of layers that both have.
    patch : what makes the definition of B from that of A, as a unified diff.
    weights : every learned blob of the two; empty unless both have weights.
    has_weights : whether A has weights, and B.
    notes : what could not be compared.
    """

    a: str
    b: str
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    fields: tuple[FieldChange, ...]
    patch: str
    weights: tuple[WeightDifference, ...]
    has_weights: tuple[bool, bool]
    notes: tuple[str, ...]

    @property
    def weights_compared(self) -> bool:
        """Whether both have weights."""
        return all(self.has_weights)

    @property
    def changed_weights(self) -> list[WeightDifference]:
        """The blobs that are not the same."""
        return [each for each in self.weights if each.verdict != "same"]

    @property
    def same(self) -> bool | None:
        """Whether nothing differs; None where nothing does but one has weights, the other none."""
        if self.patch or self.changed_weights:
            return False
        return None if self.has_weights[0] != self.has_weights[1] else True

    def to_dict(self) -> dict[str, object]:
        """The same for JSON."""
        return {
            "a": self.a,
            "b": self.b,
            "same": self.same,
            "weights_compared": self.weights_compared,
            "only_in_a": list(self.only_in_a),
            "only_in_b": list(self.only_in_b),
            "fields": [asdict(each) for each in self.fields],
            "patch": self.patch,
            "weights": [{**asdict(each), "verdict": each.verdict} for each in self.weights],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [*self.notes]
        for side, layers in (("A", self.only_in_a), ("B", self.only_in_b)):
            if layers:
                lines.append(f"layers only in {side}: {', '.join(layers)}")
        lines += map(str, self.fields)
        for each in self.changed_weights:
            numbers = f"relative {each.relative:.3g}, cosine {each.cosine:.6f}"
            differs = each.verdict == "differs"
            said = f"{numbers}, max abs {each.max_abs:.3g}" if differs else each.verdict
            lines.append(f"{each.layer}[{each.index}]: {said}")
        text = "\n".join([*lines, self.patch.rstrip("\n")]).rstrip("\n")
        if self.same is None:
            text += "\nnothing else differs"
        return text or "nothing differs"


@dataclass(frozen=True)
class _Side:
    """What is known of one of the two."""

    name: str
    definition: NetParameter | None
    weights: Mapping[str, Sequence[np.ndarray | None]]


def diff(
    a: Net | str | Path,
    b: Net | str | Path,
    *,
    weights_a: str | Path | None = None,
    weights_b: str | Path | None = None,
    phase: str = "test",
) -> NetDifference:
    """Compare two nets without running them.

    Parameters
    ----------
    a, b : nets, definitions (.prototxt) or files of weights (.caffemodel, .caffemodel.h5).
    weights_a, weights_b : the weights of a definition.
    phase : "test" or "train": the layers of a definition that count.

    Raises
    ------
    UsageError
        When a file is neither, or weights are given for what has its own; ParseError, WeightsError
        when a file cannot be read.

    Examples
    --------
    >>> import zoo
    >>> from zoo.surgery.params import set_params
    >>> net = zoo.load("lenet_digits").net
    >>> found = diff(net, set_params(net, "ip2", 1, 0)[0])
    >>> [(each.layer, each.index, each.cosine) for each in found.changed_weights], found.patch
    ([('ip2', 1, 0.0)], '')
    """
    one, other = _side(a, weights_a, phase), _side(b, weights_b, phase)
    notes = [
        f"{side.name} is weights alone, so no definitions are compared"
        for side in (one, other)
        if side.definition is None
    ]
    has_weights = bool(one.weights), bool(other.weights)
    if has_weights[0] != has_weights[1]:
        without = other if one.weights else one
        notes.append(f"{without.name} has no weights, so none are compared")
    layers_a, layers_b = _layers(one), _layers(other)
    compared: tuple[NetParameter, NetParameter] | None = None
    if one.definition is not None and other.definition is not None:
        compared = one.definition, other.definition
    return NetDifference(
        one.name,
        other.name,
        tuple(name for name in layers_a if name not in set(layers_b)),
        tuple(name for name in layers_b if name not in set(layers_a)),
        tuple(changed_fields(*compared)) if compared else (),
        patch(*compared, one.name, other.name) if compared else "",
        tuple(weight_differences(one.weights, other.weights)) if all(has_weights) else (),
        has_weights,
        tuple(notes),
    )


def _layers(side: _Side) -> list[str]:
    """The names of the layers that are known; of weights alone those that have some."""
    if side.definition is None:
        return list(side.weights)
    return [layer.name for layer in side.definition.layer]


def _side(what: Net | str | Path, weights: str | Path | None, phase: str) -> _Side:
    if isinstance(what, Net):
        if weights is not None:
            raise UsageError(f"{weights}: weights are for a definition; a net has its own")
        return _Side(what.name or "net", what.definition, what.params)
    path = Path(what)
    if path.suffix in _DEFINITIONS:
        written = read_definition(path, known_types())
        definition, _ = prepare(written, phase=_phase(phase), path=path)
        return _Side(str(path), definition, {} if weights is None else read_weights(weights))
    if weights is not None:
        raise UsageError(f"{weights}: weights are for a definition (.prototxt), not for {path}")
    found = read_weights(path)
    if found.format == "hdf5":
        return _Side(str(path), None, found)
    return _Side(str(path), upgrade(read_definition(path))[0], found)


def _phase(phase: str) -> str:
    if phase.upper() not in ("TEST", "TRAIN"):
        raise UsageError(f"phase: expected 'test' or 'train', received {phase!r}")
    return phase.upper()
