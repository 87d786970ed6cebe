"""An ONNX graph under construction, and the place of one layer in it.

ONNX computes in Caffe's own order (N, C, H, W), so a layer is written as the operators that give
Caffe's numbers, with Caffe's weights as they are. Which operators is said, kind by kind, in the
``onnx_*`` files beside this one; nothing there needs the onnx package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from zoo.errors import NetError, UsageError
from zoo.exports.onnx_packages import import_onnx
from zoo.layers.kind import Shape
from zoo.net import Layer

__all__ = [
    "BOOL",
    "FLOAT",
    "INT32",
    "INT64",
    "ONNX_KINDS",
    "OPSET",
    "Graph",
    "OnnxSite",
    "UINT8",
    "SizesNeeded",
    "register_onnx",
]

# The first opset that says how AveragePool counts where it rounds up, and the IR it came with.
OPSET, IR_VERSION = 19, 9
# TensorProto's numbers of the types that Cast goes to.
FLOAT, UINT8, INT32, INT64, BOOL = 1, 2, 6, 7, 9
# The end of a Slice that goes to the last value.
END = 2**63 - 1

# A tensor by its name, or a constant: an array, a float32 number, or a list of int64.
Value: TypeAlias = "str | np.ndarray | float | Sequence[int]"


class SizesNeeded(Exception):
    """A layer can only be written for the spatial sizes that the definition states."""


class Graph:
    """Nodes and constants in the order in which they are added; every name is given once."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._helper = import_onnx().helper
        self._from_array = import_onnx().numpy_helper.from_array
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names = set(reserved)

    def body(self) -> Graph:
        """A graph within this one, such as the body of a loop; names stay unique."""
        inner = Graph([])
        inner._names = self._names
        return inner

    def finished(self, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
        """The graph with float32 inputs and outputs of two axes of any size."""
        info = self._helper.make_tensor_value_info
        return self._helper.make_graph(
            self.nodes,
            name,
            [info(each, FLOAT, [None, None]) for each in inputs],
            [info(each, FLOAT, [None, None]) for each in outputs],
            self.constants,
        )

    def unique(self, name: str) -> str:
        """The name, with a number behind it if it is taken."""
        candidate, number = name, 1
        while candidate in self._names:
            number += 1
            candidate = f"{name}#{number}"
        self._names.add(candidate)
        return candidate

    def constant(self, value: np.ndarray | float | Sequence[int], name: str) -> str:
        """A constant tensor; returns its name."""
        if isinstance(value, int | float):
            array = np.asarray(value, np.float32)
        else:
            array = value if isinstance(value, np.ndarray) else np.asarray(value, np.int64)
        stored = self.unique(name)
        # ascontiguousarray gives a scalar one axis.
        self.constants.append(self._from_array(np.asarray(array, order="C"), stored))
        return stored

    def several(
        self, owner: str, operation: str, count: int, *inputs: Value, **attributes: Any
    ) -> list[str]:
        """Add a node that makes `count` tensors named after `owner`; returns them."""
        outputs = [self.unique(f"{owner}:{operation}") for _ in range(count)]
        self.node(operation, inputs, outputs, **attributes)
        return outputs

    def node(
        self, operation: str, inputs: Sequence[Value], outputs: Sequence[str], **attributes: Any
    ) -> None:
        """Add a node that makes tensors of these names; an input "" is left out."""
        names = [
            value if isinstance(value, str) else self.constant(value, f"{outputs[0]}:{index}")
            for index, value in enumerate(inputs)
        ]
        self.nodes.append(
            self._helper.make_node(operation, names, outputs, name=outputs[0], **attributes)
        )


@dataclass
class OnnxSite:
    """One layer that is being written.

    Attributes
    ----------
    graph : where it goes.
    layer : the layer with its shapes, which are for the batch and the sizes of the definition.
    bottoms : the tensors it reads.
    blobs : the values of its params; `params` has them as tensors.
    stored : the tensors of params so far, by the layer and index that own them, and their shape.
    free : whether the spatial sizes are free too, or only the batch is.
    """

    graph: Graph
    layer: Layer
    bottoms: list[str]
    blobs: list[np.ndarray]
    stored: dict[tuple[Any, ...], str]
    free: bool = False

    @property
    def message(self) -> Any:
        """The LayerParameter."""
        return self.layer.definition

    @property
    def bottom(self) -> str:
        """The first bottom."""
        return self.bottoms[0]

    @property
    def params(self) -> list[str]:
        """The params as tensors, one for all layers that share it."""
        names = []
        for (owner, index), blob in zip(self.layer.owners, self.blobs, strict=True):
            key = (owner, index, blob.shape)
            if key not in self.stored:
                self.stored[key] = self.graph.constant(blob, f"{owner}/{index}")
            names.append(self.stored[key])
        return names

    def shape(self, index: int = 0) -> Shape:
        """The shape of a bottom as the definition has it. Only its rank and channels are sure."""
        return self.layer.bottom_shapes[index] or ()

    def rank(self, index: int = 0) -> int:
        """How many axes a bottom has."""
        return len(self.shape(index))

    def fixed_shape(self, index: int = 0) -> Shape:
        """The same where all but the batch must be right: the graph then has no free sizes."""
        self.fix_sizes()
        return self.shape(index)

    def top_shape(self, index: int = 0) -> Shape:
        """The shape of a top as the definition has it."""
        return self.layer.top_shapes[index] or ()

    def refuse(self, what: str) -> None:
        """Raise the error for a parameter that ONNX cannot do."""
        raise NetError(f"{self.layer.type} with {what} cannot be written to ONNX", self.layer.name)

    def fix_sizes(self) -> None:
        """Let the graph be for the spatial sizes of the definition only."""
        if self.free:
            raise SizesNeeded

    def add(self, operation: str, *inputs: Value, **attributes: Any) -> str:
        """Add a node with one output; returns it."""
        return self.several(operation, 1, *inputs, **attributes)[0]

    def several(self, operation: str, count: int, *inputs: Value, **attributes: Any) -> list[str]:
        """Add a node with `count` outputs; returns them."""
        return self.graph.several(self.layer.name, operation, count, *inputs, **attributes)

    def affine(self, tensor: str, scale: float, shift: float) -> str:
        """scale * x + shift, without the steps that change nothing."""
        scaled = tensor if scale == 1 else self.add("Mul", tensor, scale)
        return scaled if shift == 0 else self.add("Add", scaled, shift)

    def sizes(self, tensor: str, axes: Sequence[int]) -> str:
        """Sizes of a tensor along some axes, as a tensor."""
        return self.add("Gather", self.add("Shape", tensor), list(axes))

    def cut(self, tensor: str, axis: int, start: int, end: int = END, step: int = 1) -> str:
        """A part of a tensor along one axis."""
        return self.add("Slice", tensor, [start], [end], [axis], [step])


OnnxFunction = Callable[[OnnxSite], Sequence[str]]
ONNX_KINDS: dict[str, OnnxFunction] = {}


def register_onnx(*types: str) -> Callable[[OnnxFunction], OnnxFunction]:
    """Decorator that says how layers of some types are written in ONNX.

    The function gets an `OnnxSite` and returns the names of the tops' tensors.

    Raises
    ------
    UsageError
        When a type is already written by another function.

    Examples
    --------
    >>> @register_onnx("Cube")
    ... def cube(site):
    ...     return [site.add("Pow", site.bottom, 3.0)]
    >>> _ = ONNX_KINDS.pop("Cube")
    """

    def register(function: OnnxFunction) -> OnnxFunction:
        for name in types:
            if name in ONNX_KINDS:
                raise UsageError(
                    f"layers of kind {name!r} are already written to ONNX by"
                    f" {ONNX_KINDS[name].__module__}"
                )
            ONNX_KINDS[name] = function
        return function

    return register
