"""What an operation did to the learned blobs of a Net, and whether that is all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from zoo.layers.kind import Shape, count
from zoo.net import Net

__all__ = ["FATES", "BlobFate", "SurgeryReport", "surgery_report"]

FATES = ("kept", "moved", "reshaped", "recomputed", "initialised", "dropped")


@dataclass(frozen=True)
class BlobFate:
    """What became of one learned blob.

    Attributes
    ----------
    fate : "kept": same layer, same values; "moved": the same values in another layer; "reshaped":
        values of another shape; "recomputed": other values of the same shape; "initialised":
        filled anew; "dropped": gone.
    layer, index : where it is in the new net; for what was dropped, where it was in the old one.
    shape : in the new net, None where it was dropped.
    origin : the layer of the old net that it comes from, None where it was initialised.
    old_shape : in the old net, None where it was initialised.
    """

    fate: str
    layer: str
    index: int
    shape: Shape | None
    origin: str | None
    old_shape: Shape | None

    @property
    def values(self) -> int:
        """How many numbers it holds, or held where it was dropped."""
        return count(self.shape if self.shape is not None else self.old_shape or ())

    def __str__(self) -> str:
        where = f"{self.layer}[{self.index}]"
        if self.fate == "moved":
            return f"{where} {self.shape} from {self.origin}"
        if self.fate == "reshaped":
            source = "" if self.origin == self.layer else f"{self.origin} "
            return f"{where} {self.shape} from {source}{self.old_shape}"
        return f"{where} {self.old_shape if self.shape is None else self.shape}"


@dataclass
class SurgeryReport:
    """What an operation did; `str` gives it as text.

    Attributes
    ----------
    operation : what was asked for, as a call.
    blobs : the fate of every learned blob of the old net and the new one.
    added, removed, renamed : layers; the renamed from old name to new.
    preserving : whether the new net must compute what the old one did, up to rounding.
    notes : what else was changed or assumed, in sentences.
    """

    operation: str
    blobs: tuple[BlobFate, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    preserving: bool = False
    notes: tuple[str, ...] = ()

    def of(self, fate: str) -> list[BlobFate]:
        """The blobs with that fate."""
        return [blob for blob in self.blobs if blob.fate == fate]

    def counts(self) -> dict[str, int]:
        """How many values have each fate; all but the dropped add up to the new net's."""
        return {fate: sum(blob.values for blob in self.of(fate)) for fate in FATES}

    def sentences(self) -> list[str]:
        """A line for each fate that some blob has, for the layers, and the notes."""
        lines = []
        for fate in FATES:
            blobs = self.of(fate)
            if blobs and fate == "kept":
                lines.append(f"kept: {len(blobs)} blobs, {self.counts()[fate]:,} values")
            elif blobs:
                lines.append(f"{fate}: {', '.join(map(str, blobs))}")
        for what, names in (("added", self.added), ("removed", self.removed)):
            if names:
                lines.append(f"{what}: {', '.join(names)}")
        if self.renamed:
            lines.append("renamed: " + ", ".join(f"{a} to {b}" for a, b in self.renamed.items()))
        return lines + list(self.notes)

    def to_dict(self) -> dict[str, object]:
        """The same for JSON."""
        return {
            "operation": self.operation,
            "counts": self.counts(),
            **{fate: [str(blob) for blob in self.of(fate)] for fate in FATES if fate != "kept"},
            "added": list(self.added),
            "removed": list(self.removed),
            "renamed": dict(self.renamed),
            "preserving": self.preserving,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return "\n".join([self.operation, *(f"  {line}" for line in self.sentences())])


def surgery_report(
    operation: str,
    before: Net,
    after: Net,
    *,
    origins: Mapping[str, str] | None = None,
    initialised: Collection[str] = (),
    renamed: Mapping[str, str] | None = None,
    preserving: bool = False,
    notes: Iterable[str] = (),
) -> SurgeryReport:
    """Compare two nets blob by blob.

    Parameters
    ----------
    operation : what was asked for.
    before, after : the nets; without weights only shapes are compared.
    origins : layers of the new net whose blobs come from a layer of another name in the old one.
    initialised : layers of the new net whose blobs are new whatever the old net has.
    renamed : layers that only have another name, from old to new.

    Examples
    --------
    >>> import zoo
    >>> net = zoo.load("lenet_digits").net
    >>> report = surgery_report("nothing", net, net, preserving=True)
    >>> report.counts()["kept"] == net.param_count
    True
    """
    renamed = dict(renamed or {})
    origins = {**{new: old for old, new in renamed.items()}, **(origins or {})}
    fates = []
    taken: set[tuple[str, int]] = set()
    old_shapes = before.param_shapes
    for layer, shapes in after.param_shapes.items():
        origin = origins.get(layer, layer)
        for index, shape in enumerate(shapes):
            known = old_shapes.get(origin, [])
            if layer in initialised or index >= len(known):
                fates.append(BlobFate("initialised", layer, index, shape, None, None))
                continue
            taken.add((origin, index))
            fate = _fate(before, after, origin, layer, index)
            fates.append(BlobFate(fate, layer, index, shape, origin, known[index]))
    fates += [
        BlobFate("dropped", layer, index, None, layer, shape)
        for layer, shapes in old_shapes.items()
        for index, shape in enumerate(shapes)
        if (layer, index) not in taken
    ]
    old, new = ([layer.name for layer in net.layers] for net in (before, after))
    return SurgeryReport(
        operation,
        tuple(fates),
        tuple(name for name in new if name not in old and name not in renamed.values()),
        tuple(name for name in old if name not in new and name not in renamed),
        renamed,
        preserving,
        tuple(notes),
    )


def _fate(before: Net, after: Net, origin: str, layer: str, index: int) -> str:
    if before.param_shapes[origin][index] != after.param_shapes[layer][index]:
        return "reshaped"
    if origin in before.params and layer in after.params:
        old, new = before.params[origin][index], after.params[layer][index]
        if old is not new and not np.array_equal(old, new):
            return "recomputed"
    return "kept" if origin == layer else "moved"
