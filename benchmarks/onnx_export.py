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
    """The network with its weights and any batch, as the contents of an ONNX file of opset 13."""
    graph = Graph(net)
    for layer in net.layers:
        if layer.is_source:
            graph.blobs[layer.tops[0]] = layer.tops[0]
        else:
            graph.blobs[layer.tops[0]] = OPERATIONS[layer.type](graph, layer)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *(shape or ())[1:]])
        for name, shape in net.inputs.items()
    ]
    outputs = [
        helper.make_tensor_value_info(graph.blobs[name], TensorProto.FLOAT, None)
        for name in net.outputs
    ]
    made = helper.make_graph(graph.nodes, net.name, inputs, outputs, graph.initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    contents: bytes = model.SerializeToString()
    return contents


class Graph:
    """An ONNX graph under construction; `blobs` has the newest tensor of each of Caffe's blobs."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.blobs: dict[str, str] = {}
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def node(self, operation: str, layer: Layer, *constants: np.ndarray, **attributes: Any) -> str:
        """Add a node that reads the layer's bottoms and the constants; returns its output."""
        return self.chained(
            operation, [self.blobs[name] for name in layer.bottoms], *constants, **attributes
        )

    def chained(
        self, operation: str, inputs: list[str], *constants: np.ndarray, **attributes: Any
    ) -> str:
        """The same with the tensors that it reads."""
        names = [f"constant{len(self.initializers) + index}" for index in range(len(constants))]
        self.initializers += [
            numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)
            for array, name in zip(constants, names, strict=True)
        ]
        output = f"tensor{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, [*inputs, *names], [output], **attributes))
        return output


def convolution(graph: Graph, layer: Layer) -> str:
    window = Window(layer.definition, 2)
    return graph.node(
        "Conv",
        layer,
        *graph.net.params[layer.name],
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=window.pad * 2,
        group=layer.definition.convolution_param.group,
    )


def pooling(graph: Graph, layer: Layer) -> str:
    param = layer.definition.pooling_param
    if param.global_pooling:
        return graph.node("GlobalAveragePool", layer)
    attributes = {
        "kernel_shape": [param.kernel_size] * 2,
        "strides": [param.stride] * 2,
        "pads": [param.pad] * 4,
        "ceil_mode": 1,
    }
    if param.pool == param.MAX:
        return graph.node("MaxPool", layer, **attributes)
    return graph.node("AveragePool", layer, count_include_pad=1, **attributes)


def normalisation(graph: Graph, layer: Layer) -> str:
    param = layer.definition.lrn_param
    return graph.node(
        "LRN", layer, size=param.local_size, alpha=param.alpha, beta=param.beta, bias=param.k
    )


def inner_product(graph: Graph, layer: Layer) -> str:
    flat = graph.node("Flatten", layer)
    return graph.chained("Gemm", [flat], *graph.net.params[layer.name], transB=1)


def batch_norm(graph: Graph, layer: Layer) -> str:
    mean, variance, factor = graph.net.params[layer.name]
    return graph.node(
        "BatchNormalization",
        layer,
        np.ones_like(mean),
        np.zeros_like(mean),
        mean / factor,
        variance / factor,
        epsilon=layer.definition.batch_norm_param.eps,
    )


def scale(graph: Graph, layer: Layer) -> str:
    factor, shift = (blob.reshape(1, -1, 1, 1) for blob in graph.net.params[layer.name])
    return graph.chained("Add", [graph.node("Mul", layer, factor)], shift)


OPERATIONS: dict[str, Callable[[Graph, Layer], str]] = {
    "BatchNorm": batch_norm,
    "Concat": lambda graph, layer: graph.node("Concat", layer, axis=1),
    "Convolution": convolution,
    "Dropout": lambda graph, layer: graph.blobs[layer.bottoms[0]],
    "Eltwise": lambda graph, layer: graph.node("Add", layer),
    "InnerProduct": inner_product,
    "LRN": normalisation,
    "Pooling": pooling,
    "ReLU": lambda graph, layer: graph.node("Relu", layer),
    "Scale": scale,
    "Softmax": lambda graph, layer: graph.node("Softmax", layer, axis=1),
}
