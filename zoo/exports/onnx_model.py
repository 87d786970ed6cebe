"""A Net as an ONNX model: Caffe's order of axes and Caffe's names of blobs.

The batch is free, and where the network is fully convolutional so are the spatial sizes. Inputs and
outputs are named after their blobs; in between, tensors are named after the layer that makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.build.builder import check_supported
from zoo.build.free_sizes import is_spatially_free
from zoo.build.model import needed_layers
from zoo.errors import NetError, did_you_mean
from zoo.exports.onnx_graph import (
    FLOAT,
    IR_VERSION,
    ONNX_KINDS,
    OPSET,
    UINT8,
    Graph,
    OnnxSite,
    SizesNeeded,
)
from zoo.exports.onnx_packages import import_onnx
from zoo.exports.onnx_picture import picture_input, probabilities
from zoo.exports.source import PICTURE, PROBABILITIES
from zoo.input_spec import InputSpec
from zoo.layers.kind import Shape, kind_name
from zoo.net import Layer, Net
from zoo.scores import score_blob

__all__ = ["check_onnx", "onnx_model"]


def onnx_model(net: Net, blobs: Sequence[str] | None = None, spec: InputSpec | None = None) -> Any:
    """The network, or as much of it as the wanted blobs need, as an ``onnx.ModelProto``.

    Parameters
    ----------
    net : the network; layers without weights start from their fillers.
    blobs : names of the blobs to give out; the network's outputs by default.
    spec : with it the input is `picture` and the output `probabilities`, see `zoo.exports.source`;
        `blobs` is then the one blob of scores.

    Raises
    ------
    UnsupportedLayersError, NetError
        All layers that cannot be written, before anything is.
    UsageError
        When a blob does not exist.
    UnavailableError
        When onnx is not installed.

    Examples
    --------
    >>> import zoo
    >>> model = onnx_model(zoo.load("lenet_digits").net)
    >>> [output.name for output in model.graph.output]
    ['prob']
    """
    names = list(net.outputs if blobs is None else blobs)
    layers = needed_layers(net, names)
    check_onnx(layers)
    params = net.initialized().params
    try:
        writer = _Writer(layers, params, spec is None and is_spatially_free(layers), spec)
    except SizesNeeded:
        writer = _Writer(layers, params, False, spec)
    if spec is None:
        writer.give_out({name: len(net.blobs[name] or ()) for name in names})
    else:
        writer.give_probabilities(net)
    return writer.model(net.name)


def check_onnx(layers: Sequence[Layer]) -> None:
    """Raise one error that names every layer that cannot be written to ONNX."""
    import zoo.exports.onnx_families  # noqa: F401

    check_supported(layers)
    kinds: dict[str, list[str]] = {}
    for layer in layers:
        kind = kind_name(layer.definition)
        if not layer.is_source and kind not in ONNX_KINDS:
            kinds.setdefault(kind, []).append(layer.name)
    if kinds:
        lines = [
            f"  {kind} ({len(names)}): {', '.join(map(repr, names))}"
            f"{did_you_mean(kind, ONNX_KINDS, '; nearest: ')}"
            for kind, names in kinds.items()
        ]
        raise NetError(
            f"{len(kinds)} kind(s) of layer cannot be written to ONNX, so nothing was:\n"
            + "\n".join(lines)
            + "\nTo go on: export to another format, cut the network before the first of them, or"
            " say how the kind is written with register_onnx (see docs/exports.md)."
        )


class _Writer:
    """Walks the layers in order and keeps the newest tensor of every blob."""

    def __init__(
        self, layers: Sequence[Layer], params: Any, free: bool, spec: InputSpec | None
    ) -> None:
        self.graph = Graph({name for layer in layers for name in layer.tops})
        self.blobs: dict[str, str] = {}
        self.inputs: dict[str, Any] = {}
        self.outputs: list[Any] = []
        self._params, self._free, self._spec = params, free, spec
        self._stored: dict[tuple[Any, ...], str] = {}
        for layer in layers:
            if layer.is_source:
                self._add_inputs(layer)
            else:
                self._add_layer(layer)

    def give_out(self, ranks: Mapping[str, int]) -> None:
        """Blobs of so many axes, under their names, as outputs."""
        for blob, rank in ranks.items():
            # A tensor has one name, so a blob that is an input too gets another as an output.
            name = self.graph.unique(blob) if blob in self.inputs else blob
            self._give(self.blobs[blob], name, rank)

    def give_probabilities(self, net: Net) -> None:
        """The one output of an export with preprocessing."""
        blob, ready = score_blob(net)
        self._give(probabilities(self._add, self.blobs[blob], ready), PROBABILITIES, 2)

    def _give(self, tensor: str, name: str, rank: int) -> None:
        self.graph.node("Identity", [tensor], [name])
        info = import_onnx().helper.make_tensor_value_info(name, FLOAT, [None] * rank)
        self.outputs.append(info)

    def model(self, title: str) -> Any:
        """The model as far as it is written."""
        onnx = import_onnx()
        used = {name for node in self.graph.nodes for name in node.input}
        graph = onnx.helper.make_graph(
            self.graph.nodes,
            title or "net",
            [entry for name, entry in self.inputs.items() if name in used],
            self.outputs,
            self.graph.constants,
        )
        return onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="zoo",
        )

    def _add_inputs(self, layer: Layer) -> None:
        info = import_onnx().helper.make_tensor_value_info
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True):
            if shape is None:
                continue
            if self._spec is None:
                self.inputs[top] = info(top, FLOAT, self._sizes(top, shape))
                self.blobs[top] = top
            else:
                free = [f"{PICTURE}_{axis}" for axis in range(3)]
                self.inputs[PICTURE] = info(PICTURE, UINT8, [*free, 3])
                self.blobs[top] = picture_input(self._add, PICTURE, self._spec)

    def _add(self, operation: str, *inputs: Any, **attributes: Any) -> str:
        return self.graph.several(PICTURE, operation, 1, *inputs, **attributes)[0]

    def _sizes(self, name: str, shape: Shape) -> list[int | str]:
        """Sizes of an input; a name stands for one that is free."""
        sizes: list[int | str] = list(shape)
        free = range(2, len(shape)) if self._free and len(shape) in (4, 5) else ()
        for axis in {*range(min(1, len(shape))), *free}:
            sizes[axis] = f"{name}_{axis}"
        return sizes

    def _add_layer(self, layer: Layer) -> None:
        site = OnnxSite(
            self.graph,
            layer,
            [self.blobs[name] for name in layer.bottoms],
            self._params.get(layer.name, []),
            self._stored,
            self._free,
        )
        tops = ONNX_KINDS[kind_name(layer.definition)](site)
        self.blobs.update(zip(layer.tops, tops, strict=True))
