"""A Net as boxes and arrows, before anything is drawn.

As Caffe's draw.py a layer that writes its one bottom in place stands in the box of the layer that
made it. Shapes, counts and rates are those of the definition, so no weights are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.layers.kind import count
from zoo.net import Layer, Net
from zoo.table import shape_text
from zoo.visual.blocks import Block, blocks_of
from zoo.visual.layer_text import layer_text

__all__ = ["Arrow", "Box", "Scheme", "clean", "scheme_of"]


@dataclass(frozen=True)
class Box:
    """A layer and those that change its top in place.

    Attributes
    ----------
    layers : their names; the first is the box's own.
    kind : the type of the first with its window, and the types of the others.
    shapes : of its tops, as text.
    params : learned values of all of them.
    rate : the lr_mult of its weights, that of what else it learns where they have 0; None where
        nothing is learned.
    unknown : whether zoo does not know the type.
    change : what is new about it, "" if nothing is.
    """

    layers: tuple[str, ...]
    kind: str
    shapes: tuple[str, ...]
    params: int
    rate: float | None
    unknown: bool
    change: str

    @property
    def name(self) -> str:
        return self.layers[0]

    @property
    def frozen(self) -> bool:
        """Whether training would leave its weights as they are."""
        return self.rate == 0

    @property
    def faster(self) -> bool:
        """Whether training would change its weights faster than others."""
        return self.rate is not None and self.rate > 1

    def lines(self) -> list[str]:
        """What stands in the box."""
        lines = [clean(self.name), clean(self.kind), *self.shapes]
        if self.params:
            lines.append(f"{self.params:,} params")
        if self.change:
            lines.append(clean(self.change))
        return lines


@dataclass(frozen=True)
class Arrow:
    """What one box reads of another, both by number; a later box never feeds an earlier one."""

    tail: int
    head: int
    blob: str


@dataclass(frozen=True)
class Scheme:
    """All that is drawn.

    Attributes
    ----------
    title : the network in a line, and under it what colours mean.
    boxes : in the order of the layers.
    arrows : without repetition.
    blocks : boxes that belong together.
    """

    title: tuple[str, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    blocks: tuple[Block, ...]


def scheme_of(
    net: Net, changed: Mapping[str, str] | None = None, removed: Sequence[str] = ()
) -> Scheme:
    """The boxes and arrows of a net.

    Parameters
    ----------
    net : the network; weights do not matter.
    changed : layer name to a word on what became of it.
    removed : layers that are no more, for the title.

    Examples
    --------
    >>> scheme = scheme_of(Net.read("examples/lenet_digits.prototxt"))
    >>> [box.name for box in scheme.boxes if "ReLU" in box.kind]
    ['ip1']
    """
    gathered: list[list[Layer]] = []
    makers: dict[str, int] = {}
    arrows: dict[Arrow, None] = {}
    for layer in net.layers:
        if _is_folded(layer):
            gathered[makers[layer.bottoms[0]]].append(layer)
            continue
        number = len(gathered)
        gathered.append([layer])
        arrows.update((Arrow(makers[name], number, name), None) for name in layer.bottoms)
        makers.update(dict.fromkeys(layer.tops, number))
    boxes = tuple(_box(layers, changed or {}) for layers in gathered)
    blocks = blocks_of([box.name for box in boxes], [(each.tail, each.head) for each in arrows])
    return Scheme(_title(net, boxes, removed), boxes, tuple(arrows), blocks)


def clean(text: str) -> str:
    """The text without control characters, which no drawing can hold.

    >>> clean("conv\\n1\\x00")
    'conv 1?'
    """
    text = " ".join(text.split()) if not text.isprintable() else text
    return "".join(character if character.isprintable() else "?" for character in text)


def _is_folded(layer: Layer) -> bool:
    return len(layer.bottoms) == 1 and layer.tops == layer.bottoms and layer.kind is not None


def _box(layers: Sequence[Layer], changed: Mapping[str, str]) -> Box:
    first = layers[0]
    shapes = dict.fromkeys(map(shape_text, first.top_shapes))
    changes = dict.fromkeys(
        changed[layer.name] if layer is first else f"{layer.name} {changed[layer.name]}"
        for layer in layers
        if layer.name in changed
    )
    rates = [rate for layer in layers if (rate := _rate(layer)) is not None]
    return Box(
        tuple(layer.name for layer in layers),
        " + ".join([layer_text(first), *(layer.type for layer in layers[1:])]),
        tuple(shapes),
        sum(count(shape) for layer in layers for shape in layer.param_shapes),
        max(rates, default=None),
        first.kind is None,
        ", ".join(changes),
    )


def _rate(layer: Layer) -> float | None:
    """The lr_mult of the first blob that a solver changes; BatchNorm's are not learned by one."""
    if not layer.param_shapes or layer.type == "BatchNorm":
        return None
    stated = [float(spec.lr_mult) for spec in layer.definition.param][: len(layer.param_shapes)]
    rates = [*stated, *[1.0] * (len(layer.param_shapes) - len(stated))]
    return next((rate for rate in rates if rate), 0.0)


def _title(net: Net, boxes: Sequence[Box], removed: Sequence[str]) -> tuple[str, ...]:
    lines = [
        f"{clean(net.name) or 'without a name'} ({net.phase}): {len(net.layers)} layers,"
        f" {net.param_count:,} params"
    ]
    meanings = {
        "grey: frozen (lr_mult 0)": any(box.frozen for box in boxes),
        "orange: lr_mult above 1": any(box.faster for box in boxes),
        "dashed: of an unknown type": any(box.unknown for box in boxes),
        "thick: changed": any(box.change for box in boxes),
    }
    if any(meanings.values()):
        lines.append(", ".join(meaning for meaning, used in meanings.items() if used))
    if removed:
        lines.append(f"removed: {', '.join(map(clean, removed))}")
    return tuple(lines)
