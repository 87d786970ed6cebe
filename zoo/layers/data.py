"""Where blobs come from, and go to: Input, data sources of training definitions, HDF5Output.

Caffe: input_layer.cpp, data_layer.cpp, image_data_layer.cpp and their like. A source that reads a
database or runs Python cannot be opened here; its tops get the shapes that the user states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.errors import MissingShapeError, NetError, ShapeError
from zoo.layers.kind import Kind, Shape, layer
from zoo.layers.site import Blob, Site

__all__ = ["Source", "source_shapes"]


class Source(Kind):
    """A layer without bottoms whose tops are the inputs of the network."""

    bottom_count: tuple[int, int | None] = (0, 0)
    top_count: tuple[int, int | None] = (1, None)
    is_source = True
    label_follows = False
    """Whether the second top is one label a picture, (N,)."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        raise _missing_shape(layer, f"the {layer.type} source cannot be opened here")


def source_shapes(kind: Kind, layer: Any, given: Mapping[str, Shape]) -> list[Shape]:
    """Shapes of a source's tops: those given by the user first, else those of the definition."""
    if all(top in given for top in layer.top):
        return [given[top] for top in layer.top]
    first, *others = layer.top
    if getattr(kind, "label_follows", False) and first in given and len(others) <= 1:
        return [given[first], *((given[first][:1],) * len(others))]
    stated = kind.tops(layer, [])
    return [given.get(top, shape) for top, shape in zip(layer.top, stated, strict=True)]


@layer("Input")
class Input(Source):
    """Blobs whose shapes stand in the definition, one for all tops or one a top."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
        if not shapes:
            return super().tops(layer, bottoms)
        if len(shapes) not in (1, len(layer.top)):
            raise NetError(
                f"{len(shapes)} shapes for {len(layer.top)} tops; expected 1 or {len(layer.top)}",
                layer.name,
            )
        for shape in shapes:
            if min(shape, default=1) < 1:
                raise ShapeError(f"every size must be at least 1, received {shape}", layer.name)
        return shapes * (len(layer.top) if len(shapes) == 1 else 1)


@layer("Data", "ImageData", "WindowData")
class PictureSource(Source):
    """A database or list of pictures, with one label each as an optional second top."""

    top_count = (1, 2)
    label_follows = True


@layer("HDF5Data")
class HDF5Data(Source):
    """Rows of HDF5 files."""


@layer("HDF5Output")
class HDF5Output(Kind):
    """Writes its two bottoms to a file in Caffe. Here nothing is written: ask for the blobs."""

    bottom_count = (2, 2)
    top_count = (0, 0)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        return []

    def build(self, site: Site) -> list[Blob]:
        return []


@layer("MemoryData")
class MemoryData(Source):
    """Pictures and labels that a program hands over."""

    top_count = (2, 2)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param = layer.memory_data_param
        shape = (param.batch_size, param.channels, param.height, param.width)
        if min(shape) < 1:
            raise ShapeError(
                f"memory_data_param needs batch_size, channels, height and width; received {shape}",
                layer.name,
            )
        return [shape, shape[:1]]


@layer("DummyData")
class DummyData(Source):
    """Blobs made by a filler; here their values are given by whoever runs the network."""

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param = layer.dummy_data_param
        shapes: list[Shape] = [tuple(shape.dim) for shape in param.shape]
        if not shapes:
            shapes = list(zip(param.num, param.channels, param.height, param.width, strict=False))
        if len(shapes) not in (1, len(layer.top)):
            raise NetError(
                f"{len(shapes)} shapes for {len(layer.top)} tops; expected 1 or {len(layer.top)}",
                layer.name,
            )
        return shapes * (len(layer.top) if len(shapes) == 1 else 1)


@layer("Python")
class PythonSource(Source):
    """A Python data layer. Its code is never run; with bottoms it is not a source but unknown."""

    bottom_count = (0, None)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        param = layer.python_param
        raise _missing_shape(layer, f"the Python layer {param.module}.{param.layer} is never run")


def _missing_shape(layer: Any, why: str) -> MissingShapeError:
    first = layer.top[0]
    return MissingShapeError(
        f"{why}, so the shape of {', '.join(map(repr, layer.top))} is not known. Give it: --shape"
        f" {first}=1,3,227,227, or shapes={{{first!r}: (1, 3, 227, 227)}} in Python.",
        layer.name,
        layer.top,
    )
