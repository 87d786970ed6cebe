"""What zoo knows of one kind of Caffe layer, and the registry of all kinds.

A kind keeps everything about a layer type in one place: the shapes of its tops and params, what
its params start from, what it costs, and how Keras computes it. A family of kinds shares a file.
A new kind is a class with the decorator:

    @zoo.layer("MyLayer")
    class MyLayer(Kind):
        def tops(self, layer, bottoms):
            return [bottoms[0]]

        def build(self, site):
            return site.elementwise(keras.layers.ReLU(name=site.name))

Shapes are Caffe's (N, C, H, W), as tuples of int; `layer` is a `LayerParameter` message. Parameters
that Caffe's schema does not have are read by `Kind.settings`; docs/plugins.md tells how.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from zoo.errors import NetError, ShapeError, UsageError
from zoo.layers.reach import Reaches, same_place

if TYPE_CHECKING:
    import numpy as np

    from zoo.layers.site import Blob, Site

__all__ = [
    "Kind",
    "Shape",
    "all_or_nothing",
    "axis_of",
    "kind_name",
    "known_types",
    "layer",
    "lookup",
    "outside_files",
]

Shape = tuple[int, ...]


class Kind:
    """One kind of layer. A subclass states `tops` and `build`; the rest has defaults.

    Class attributes
    ----------------
    bottom_count, top_count : (fewest, most) that Caffe accepts; most may be None.
    is_source : the layer makes data (Input, Data, ...), its tops are inputs of the network.
    loss_weight : what Caffe gives the first top when `loss_weight` is not written.
    param : the message field of its own that definitions have for it, such as "bend_param"; set
        by the decorator.
    defaults : the fields in `param` with the values that they have where they are not written.
    ones_vary : forks store the learned blobs with more or fewer axes of size 1.
    """

    bottom_count: tuple[int, int | None] = (1, 1)
    top_count: tuple[int, int | None] = (1, 1)
    is_source = False
    loss_weight = 0.0
    param: ClassVar[str | None] = None
    defaults: ClassVar[Mapping[str, Any]] = {}
    ones_vary = False

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

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        """From which places of each bottom one place of the tops is computed."""
        return [same_place(bottom, tops[0]) if tops else "whole" for bottom in bottoms]

    def build(self, site: Site) -> list[Blob]:
        """The tops as Keras tensors, made from ``site.bottoms``."""
        raise NetError(f"{site.layer.type} cannot be computed yet", site.layer.name)

    def differentiates(self, layer: Any, index: int) -> bool:
        """Whether bottom `index` can have a gradient; labels and indices cannot."""
        return True

    def stops_gradient(self, layer: Any) -> tuple[set[int], set[int]]:
        """Bottoms and tops through which Caffe sends no gradient, though it could.

        Checks of the gradient leave them alone.
        """
        return set(), set()

    def example(
        self, layer: Any, bottoms: Sequence[Shape], index: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Random values that bottom `index` may have, for checks of the gradient.

        Without a gradient they are zeros and ones, which do for labels, flags and indices.
        """
        if not self.differentiates(layer, index):
            return rng.integers(0, 2, bottoms[index])
        return rng.standard_normal(bottoms[index])

    def settings(self, layer: Any) -> dict[str, Any]:
        """What the definition says in the field `param`, and the `defaults` for the rest.

        Raises
        ------
        NetError
            When a field is written that is not in `defaults`, or a value is of another type.
        """
        from zoo.layers.settings import read_settings

        return read_settings(layer, self.param, self.defaults)

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


def layer(*types: str, param: str | None = None) -> Callable[[_KindClass], _KindClass]:
    """Class decorator that makes a `Kind` known under one or more of Caffe's type names.

    Parameters
    ----------
    types : type names; "Python:module.Class" stands for a Python layer.
    param : a message field of the layer that Caffe's schema does not have, such as "bend_param".
        Definitions may write it, and `Kind.settings` reads it.

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
        if param is not None:
            cls.param = param
        _KINDS.update((name, cls()) for name in types)
        return cls

    return register


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """Forget the kinds that were registered inside when it ends with an error."""
    _load_families()
    before = dict(_KINDS)
    try:
        yield
    except BaseException:
        _KINDS.clear()
        _KINDS.update(before)
        raise


def kind_name(layer: Any) -> str:
    """The name under which the kind of a layer is looked up: its type, or of what Python it is.

    >>> from zoo.caffe.schema.caffe_pb2 import LayerParameter
    >>> python = {"module": "rpn.proposal_layer", "layer": "ProposalLayer"}
    >>> kind_name(LayerParameter(type="Python", python_param=python))
    'Python:rpn.proposal_layer.ProposalLayer'
    """
    if layer.type != "Python" or not layer.python_param.layer:
        return str(layer.type)
    return f"Python:{layer.python_param.module}.{layer.python_param.layer}"


def lookup(type_name: str) -> Kind | None:
    """The kind of that name, or None when neither zoo nor an installed package defines it."""
    _load_families()
    if type_name not in _KINDS:
        from zoo.layers.plugins import load_entry_points

        load_entry_points()
    return _KINDS.get(type_name)


def known_types() -> dict[str, str | None]:
    """All names that have a kind, sorted, each with the `param` of its own if it has one.

    >>> "Convolution" in known_types()
    True
    """
    _load_families()
    return {name: _KINDS[name].param for name in sorted(_KINDS)}


def outside_files() -> set[str]:
    """The files of the kinds that do not come with zoo."""
    modules = {type(kind).__module__ for kind in _KINDS.values()}
    outside = [sys.modules.get(name) for name in modules if not name.startswith("zoo.")]
    return {str(getattr(module, "__file__", None)) for module in outside}


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
