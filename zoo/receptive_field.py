"""Which pixels of the picture each value of each blob is computed from.

Sizes and strides are those of the literature: windows count with the padding they reach into, and
with all pixels between the first and the last that they read. Layers say what they read in
`Kind.reach`; here that is followed from the picture on, along each axis alone. Where branches meet,
the field is the union of theirs (an inception module). After a Deconvolution neighbouring values
see fields that repeat after a few places, so an axis keeps one period of them, exactly.

What is true by arithmetic only, such as statistics that BatchNorm takes in the TRAIN phase over all
pictures, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from zoo.connect import Layer
from zoo.layers.reach import Reach, Reaches
from zoo.net import Net

__all__ = ["ReceptiveField", "receptive_fields"]

_LONGEST_PERIOD = 4096


@dataclass(frozen=True)
class _Axis:
    """One axis of the picture: place i sees the pixels lows[i] to highs[i].

    Behind the period that `lows` and `highs` hold, the same follows `step` pixels further on; a
    `step` of 0 says that all places see the same. None: which place sees which pixels is not known.
    """

    lows: tuple[int, ...]
    highs: tuple[int, ...]
    step: int | None

    def at(self, place: int) -> tuple[int, int]:
        turns, index = divmod(place, len(self.lows))
        shift = turns * (self.step or 0)
        return self.lows[index] + shift, self.highs[index] + shift

    @property
    def size(self) -> int:
        return max(high - low for low, high in zip(self.lows, self.highs, strict=True)) + 1

    @property
    def stride(self) -> Fraction | None:
        return Fraction(self.step, len(self.lows)) if self.step else None


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that the values of one blob see, in an order of (height, width).

    Attributes
    ----------
    size : pixels from the first to the last that one value sees, the padding included; where
        values differ in that (Deconvolution), the most; at least so many where values are in no
        rows and columns any more (behind Flatten).
    stride : pixels from one value's field to that of the next; None where all see the same, and
        where values are in no rows and columns.
    start : the first pixel that the value at place 0 sees, negative in the padding; None where
        values are in no rows and columns.
    whole : whether each value sees the whole picture.
    """

    axes: tuple[_Axis, ...]
    whole: bool = False

    @property
    def size(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)

    @property
    def stride(self) -> tuple[Fraction | None, ...]:
        return tuple(axis.stride for axis in self.axes)

    @property
    def start(self) -> tuple[int | None, ...]:
        return tuple(None if axis.step is None else axis.lows[0] for axis in self.axes)

    def pixels(self, *place: int) -> tuple[tuple[int, int], ...]:
        """The first and the last pixel, along each axis, that the value at a place sees.

        Examples
        --------
        >>> from zoo import Net
        >>> field = receptive_fields(Net.read("examples/lenet_digits.prototxt"))["conv2"]
        >>> field.size, field.start, field.pixels(0, 7)
        ((14, 14), (0, 0), ((0, 13), (14, 27)))
        """
        return tuple(axis.at(index) for axis, index in zip(self.axes, place, strict=True))


def receptive_fields(net: Net) -> dict[str, ReceptiveField | None]:
    """The field of every blob, by its name; None where it sees no picture or cannot be known.

    Pixels are those of the inputs with the spatial axes of the first input that has any. A blob
    that layers write in place has the field of the last of them.

    Examples
    --------
    >>> from zoo import Net
    >>> fields = receptive_fields(Net.read("examples/lenet_digits.prototxt"))
    >>> fields["pool2"].size, fields["pool2"].stride, fields["ip1"].whole
    ((16, 16), (Fraction(4, 1), Fraction(4, 1)), True)
    """
    picture = next((shape[2:] for shape in net.inputs.values() if len(shape) > 2), ())
    fields: dict[str, Any] = {}
    for layer in net.layers:
        if layer.is_source:
            fields.update(_source_fields(layer, picture))
        else:
            fields.update(dict.fromkeys(layer.tops, _field_of(layer, fields, picture)))
    return {name: field or None for name, field in fields.items()}


# In a walk, beside fields: None for what cannot be known, this for values that see no picture.
_NO_PICTURE = False


def _source_fields(layer: Layer, picture: Sequence[int]) -> dict[str, Any]:
    """A pixel sees itself; labels and whatever is no picture see none."""
    pixel = ReceptiveField((_Axis((0,), (0,), 1),) * len(picture))
    return {
        top: pixel if picture and shape is not None and shape[2:] == picture else _NO_PICTURE
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True)
    }


def _field_of(layer: Layer, fields: dict[str, Any], picture: Sequence[int]) -> Any:
    """The union of what the layer reads of its bottoms."""
    if layer.kind is None or None in layer.bottom_shapes:
        return None
    tops: Sequence[Any] = layer.top_shapes
    reaches = layer.kind.reach(layer.definition, layer.bottom_shapes, tops)  # type: ignore[arg-type]
    seen = [
        _seen(fields[bottom], reach, picture)
        for bottom, reach in zip(layer.bottoms, reaches, strict=True)
        if fields[bottom] is not _NO_PICTURE and reach != "nothing"
    ]
    if not seen:
        return _NO_PICTURE
    union = seen[0]
    for field in seen[1:]:
        union = _union(union, field, tops[0][2:], picture)
    return union


def _seen(field: ReceptiveField | None, reach: Reaches, picture: Sequence[int]) -> Any:
    if field is None or field.whole:
        return field
    if isinstance(reach, str):
        return _whole(picture) if reach == "whole" else _somewhere(field.size)
    if any(axis.step is None for axis in field.axes):
        # Values in no rows and columns keep what each of them sees; windows mean nothing there.
        return field if all(each == Reach() for each in reach) else None
    if len(reach) != len(field.axes):
        return None
    axes = [_through(axis, each) for axis, each in zip(field.axes, reach, strict=True)]
    return None if None in axes else ReceptiveField(tuple(axes))  # type: ignore[arg-type]


def _through(axis: _Axis, reach: Reach) -> _Axis | None:
    """What a window over places sees of the picture that these places see."""
    places = len(axis.lows) * reach.zoom
    period = places // math.gcd(places, reach.step)
    if period > _LONGEST_PERIOD:
        return None
    windows = [reach.places(place) for place in range(period)]
    return _Axis(
        tuple(axis.at(first)[0] for first, _ in windows),
        tuple(axis.at(last)[1] for _, last in windows),
        (axis.step or 0) * period * reach.step // places,
    )


def _union(
    one: ReceptiveField | None,
    other: ReceptiveField | None,
    sizes: Sequence[int],
    picture: Sequence[int],
) -> ReceptiveField | None:
    """What two branches see together; `sizes` are the places of the blob along each axis."""
    if one is None or other is None:
        return None
    if one.whole or other.whole:
        return _whole(picture)
    if any(axis.step is None for axis in (*one.axes, *other.axes)):
        return _somewhere([max(pair) for pair in zip(one.size, other.size, strict=True)])
    strides_agree = one.stride == other.stride
    axes = []
    for a, b, places in zip(one.axes, other.axes, sizes, strict=True):
        period = math.lcm(len(a.lows), len(b.lows)) if strides_agree else places
        if period > _LONGEST_PERIOD:
            return None
        pairs = [(a.at(place), b.at(place)) for place in range(period)]
        lows = tuple(min(first[0], second[0]) for first, second in pairs)
        highs = tuple(max(first[1], second[1]) for first, second in pairs)
        axes.append(_Axis(lows, highs, (a.step or 0) * period // len(a.lows)))
    union = ReceptiveField(tuple(axes))
    return union if strides_agree else _somewhere(union.size)


def _whole(picture: Sequence[int]) -> ReceptiveField:
    return ReceptiveField(tuple(_Axis((0,), (size - 1,), 0) for size in picture), whole=True)


def _somewhere(sizes: Sequence[int]) -> ReceptiveField:
    """Fields of these sizes, it is not known where."""
    return ReceptiveField(tuple(_Axis((0,), (size - 1,), None) for size in sizes))
