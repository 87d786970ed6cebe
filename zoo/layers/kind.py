"""What zoo knows of one kind of Caffe layer, and the registry of all kinds.

A kind keeps everything about a layer type in one place: the shapes of its tops and params, what
its params start from, what it costs, and how Keras computes it. A family of kinds shares a file.
A new kind is a class with the decorator:

    @zoo.layer("MyLayer")
    class MyLayer(Kind):
        def tops(self, layer, bottoms):
            return [bottoms[0]]

        def build(self, site):
            return [site.call(keras.layers.ReLU(), site.bottoms[0])]

Shapes are Caffe's (N, C, H, W), as tuples of int; `layer` is a `LayerParameter` message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.errors import NetError, ShapeError, UsageError

if TYPE_CHECKING:
    from zoo.layers.site import Blob, Site

__all__ = ["Kind", "Shape", "axis_of", "known_types", "layer", "lookup"]

Shape = tuple[int, ...]


class Kind:
    """One kind of layer. A subclass states `tops` and `build`; the rest has defaults.

    Class attributes
    ----------------
    bottom_count, top_count : (fewest, most) that Caffe accepts; most may be None.
    is_source : the layer makes data (Input, Data, ...), its tops are inputs of the network.
    loss_weight : what Caffe gives the first top when `loss_weight` is not written.
    """

    bottom_count: tuple[int, int | None] = (1, 1)
    top_count: tuple[int, int | None] = (1, 1)
    is_source = False
    loss_weight = 0.0

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        """Shapes of the tops. Raises ShapeError when the bottoms do not fit."""
        return [bottoms[0]]

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        """Shapes of the learned blobs, in Caffe's order."""
        return []

    def fillers(self, layer: Any) -> list[Any]:
        """One FillerParameter for each of `params`, or None for zeros."""
        return []

    def macs(self, params: Sequence[Shape], bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Multiply-accumulates of one forward pass over the given shapes."""
        return 0

    def build(self, site: Site) -> list[Blob]:
        """The tops as Keras tensors, made from ``site.bottoms``."""
        raise NetError(f"{site.layer.type} cannot be computed yet", site.layer.name)

    def check_counts(self, layer: Any) -> None:
        """Raise NetError unless the layer has as many bottoms and tops as its kind wants."""
        for word, names, (fewest, most) in (
            ("bottom", layer.bottom, self.bottom_count),
            ("top", layer.top, self.top_count),
        ):
            if len(names) < fewest or (most is not None and len(names) > most):
                wanted = (
                    f"{fewest}"
                    if fewest == most
                    else f"at least {fewest}"
                    if most is None
                    else f"{fewest} to {most}"
                )
                raise NetError(
                    f"{layer.type} needs {wanted} {word}(s), the definition gives {len(names)}",
                    layer.name,
                )


_KINDS: dict[str, Kind] = {}
_KindClass = TypeVar("_KindClass", bound=type[Kind])


def layer(*types: str) -> Callable[[_KindClass], _KindClass]:
    """Class decorator that makes a `Kind` known under one or more of Caffe's type names.

    Raises
    ------
    UsageError
        When a type is already known: a plugin must not silently change what a network means.
    """

    def register(cls: _KindClass) -> _KindClass:
        for name in types:
            if name in _KINDS:
                raise UsageError(
                    f"layer kind {name!r} is already defined by {type(_KINDS[name]).__module__}"
                )
            _KINDS[name] = cls()
        return cls

    return register


def lookup(type_name: str) -> Kind | None:
    """The kind of a type name, or None when nobody has defined it."""
    _load_families()
    return _KINDS.get(type_name)


def known_types() -> list[str]:
    """All type names that have a kind, sorted.

    >>> "Convolution" in known_types()
    True
    """
    _load_families()
    return sorted(_KINDS)


def _load_families() -> None:
    """Import the families that come with zoo; their decorators fill the registry."""
    import zoo.layers.families  # noqa: F401


def axis_of(layer: Any, axis: int, rank: int) -> int:
    """A canonical axis from one that may count from the end.

    >>> from zoo.caffe.schema.caffe_pb2 import LayerParameter
    >>> axis_of(LayerParameter(name="concat"), -1, 4)
    3
    """
    if not -rank <= axis < rank:
        raise ShapeError(
            f"axis {axis} is outside a blob of {rank} axes ({-rank}..{rank - 1})", layer.name
        )
    return axis % rank


def count(shape: Sequence[int]) -> int:
    """Number of values in a blob of this shape; 1 for a scalar."""
    return math.prod(shape)
