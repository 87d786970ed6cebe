"""Where the values of a blob lie on the picture, so that scores of two strides can be added.

A value lies at the centre of the pixels that it sees. A Deconvolution puts values between others,
a Crop takes as many away in front as its offset says; Caffe's coord_map.py computes that offset in
the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from zoo.errors import NetError
from zoo.layers.kind import Shape
from zoo.receptive_field import ReceptiveField
from zoo.surgery.graph import Graph, Value

__all__ = ["Place", "missing", "offsets", "pixels", "place_of", "single_blobs", "upscaled"]


@dataclass(frozen=True)
class Place:
    """Where value (0, 0) lies, in pixels, how far it is to the next, and how many there are."""

    centre: tuple[Fraction, ...]
    stride: Fraction
    size: tuple[int, ...]

    def upscaled(self, factor: int, kernel: int) -> Place:
        """Behind a Deconvolution without padding."""
        back = self.stride * (kernel - 1) / (2 * factor)
        size = tuple(factor * (each - 1) + kernel for each in self.size)
        return Place(tuple(each - back for each in self.centre), self.stride / factor, size)

    def padded(self, pad: int) -> Place:
        """With so many more values all around."""
        centre = tuple(each - pad * self.stride for each in self.centre)
        return Place(centre, self.stride, tuple(each + 2 * pad for each in self.size))


def pixels(shape: Sequence[int]) -> Place:
    """The place of a picture (N, C, H, W)."""
    return Place((Fraction(0), Fraction(0)), Fraction(1), tuple(shape[2:]))


def place_of(field: ReceptiveField | None, shape: Shape | None) -> Place | None:
    """The place of a blob; None where its values are in no rows and columns of one distance."""
    if field is None or field.whole or shape is None or len(shape) != 4 or len(field.axes) != 2:
        return None
    tall, wide = field.stride
    if tall is None or tall != wide:
        return None
    centre = tuple(Fraction(low + high, 2) for low, high in field.pixels(0, 0))
    return Place(centre, tall, tuple(shape[2:]))


def upscaled(coarse: Place, fine: Place) -> tuple[int, Place]:
    """The kernel of a bilinear Deconvolution that puts values exactly over finer ones.

    Interpolation by an even factor takes a kernel of twice as many, in the middle between whose
    values it lies; where those of `fine` are met instead, a kernel of one less.

    Raises
    ------
    NetError
        When neither does.

    Examples
    --------
    >>> scores = Place((Fraction(13), Fraction(13)), Fraction(32), (4, 4))
    >>> kernel, place = upscaled(scores, pixels((1, 3, 97, 97)))
    >>> kernel, place.centre[0], place.size
    (63, Fraction(-18, 1), (159, 159))
    """
    factor = int(coarse.stride / fine.stride)
    usual = 2 * factor - factor % 2
    for kernel in (usual, 4 * factor - 1 - usual):
        place = coarse.upscaled(factor, kernel)
        if all(offset.denominator == 1 for offset in _between(place, fine)):
            return kernel, place
    raise NetError(
        f"scores {coarse.stride} pixels apart cannot be put over those {fine.stride} pixels apart:"
        f" they lie at {_text(coarse.centre)} and {_text(fine.centre)}"
    )


def missing(blob: Place, reference: Place, spare: int) -> int:
    """The padding that a blob needs to cover a reference, with values to spare behind it.

    On a picture of another size there may be that many more to cover, since pooling rounds up.
    """
    ahead = [int(offset) for offset in _between(reference, blob)]
    behind = [
        own - offset - other
        for own, offset, other in zip(blob.size, ahead, reference.size, strict=True)
    ]
    return max(0, -min(ahead), spare - min(behind))


def offsets(blob: Place, reference: Place) -> list[int]:
    """The offsets of the Crop that puts a blob over a reference: one, if it is the same for both.

    Raises
    ------
    NetError
        When the blob does not cover the reference.
    """
    if missing(blob, reference, 0):
        raise NetError(
            f"{blob.size} scores from pixel {_text(blob.centre)} on do not cover {reference.size}"
            f" places from {_text(reference.centre)} on; give a larger pad"
        )
    between = [int(offset) for offset in _between(reference, blob)]
    return between[:1] if len(set(between)) == 1 else between


def _between(place: Place, start: Place) -> list[Fraction]:
    """How many values of `start` lie in front of the first of `place`."""
    return [(a - b) / start.stride for a, b in zip(place.centre, start.centre, strict=True)]


def _text(centre: Sequence[Fraction]) -> str:
    return f"({', '.join(f'{float(each):g}' for each in centre)})"


def single_blobs(graph: Graph) -> list[str]:
    """The blobs through which everything goes on its way to the last layer, in their order."""
    last_read = {value: number for number, node in enumerate(graph.nodes) for value in node.bottoms}
    found: dict[str, None] = {}
    waiting: set[Value] = set()
    for number, node in enumerate(graph.nodes):
        waiting = {value for value in (*waiting, *node.tops) if last_read.get(value, 0) > number}
        if len(waiting) == 1:
            found.update((value.blob, None) for value in waiting)
    return list(found)
