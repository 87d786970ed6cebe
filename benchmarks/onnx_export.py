"""A Net in ONNX, as far as the measured networks need it, for ONNX Runtime to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from zoo.layers.convolution import Window
from zoo.net import Layer, Net

__all__ = ["to_onnx"]


def to_onnx(net: Net) -> bytes:
    """The network with its weights and any batch, as an ONNX file of opset 13."""
    graph = _Graph()
    blobs = {}
    for layer in net.layers:
        if layer.is_source:
            blobs[layer.tops[0]] = layer.tops[0]
        elif layer.type == "Dropout":
            blobs[layer.tops[0]] = blobs[layer.bottoms[0]]
        else:
            bottoms = [blobs[name] for name in layer.bottoms]
            params = graph.constants(layer.name, net.params.get(layer.name, []))
            blobs[layer.tops[0]] = OPERATIONS[layer.type](graph, layer, bottoms, params)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape[1:]])
        for name, shape in net.inputs.items()
    ]
    outputs = [
        helper.make_tensor_value_info(blobs[name], TensorProto.FLOAT, None) for name in net.outputs
    ]
    made = helper.make_graph(graph.nodes, net.name, inputs, outputs, graph.initializers)
    opset = helper.make_opsetid("", 13)
    contents: bytes = helper.make_model(made, opset_imports=[opset], ir_version=8).SerializeToString()
    return contents


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def node(self, operation: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node and return its output."""
        output = f"tensor{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def constants(self, name: str, arrays: list[np.ndarray]) -> list[str]:
        """Names for arrays, which become part of the file."""
        names = [f"{name}/{index}" for index in range(len(arrays))]
        self.initializers += [
            numpy_helper.from_array(np.ascontiguousarray(array), each)
            for array, each in zip(arrays, names, strict=True)
        ]
        return names
