"""InnerProduct to Convolution with the same numbers, and back.

An InnerProduct over a blob of C channels, h rows and w columns is a Convolution with a kernel of
h x w that covers it (Caffe's examples/net_surgery; Long, Shelhamer, Darrell, "Fully Convolutional
Networks for Semantic Segmentation"). On the size that the net was made for it gives one place; on a
larger picture a map, each place of which sees what the classifier would see there.
"""

from __future__ import annotations

from collections.abc import Mapping

from zoo.errors import NetError, UsageError, did_you_mean
from zoo.layers.kind import Shape, axis_of
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.cast_layers import (
    convolution_of,
    inner_product_of,
    rename,
    window_of,
)
from zoo.surgery.covering import covering
from zoo.surgery.flat_layers import PASSED, changed_tops, flattens, shapes_behind
from zoo.surgery.graph import Graph, Node, Value
from zoo.surgery.input_shape import change_input
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["classifier", "fully_convolutional"]


def fully_convolutional(
    net: Net, size: int | list[int] | None = None, names: dict[str, str] | None = None
) -> tuple[Net, SurgeryReport]:
    """Make every InnerProduct a Convolution, so that the net takes pictures of other sizes.

    A Flatten or Reshape in front of one goes. A global pooling that leads to the outputs alone
    becomes a window of the size that it has now.

    Parameters
    ----------
    net : a network whose InnerProducts read pictures, or what such InnerProducts make.
    size : rows and columns of its new input, one number for a square; as before by default.
    names : new names of layers; by default "-conv" is put behind the old one. A blob that is
        called like its layer goes with it.

    Returns
    -------
    The new net, which gives (N, classes, 1, 1) on the old size, and the report.

    Raises
    ------
    NetError
        When there is nothing to cast; when an InnerProduct reads no rows and columns; when a layer
        behind one would compute something else.

    Examples
    --------
    >>> import zoo
    >>> net, report = fully_convolutional(zoo.load("lenet_digits").net, size=64)
    >>> net.layer("ip1-conv").param_shapes[0], net.blobs["prob"]
    ((64, 16, 4, 4), (1, 5, 10, 10))
    """
    graph = Graph(net, net.outputs)
    casting = _ToConvolutions(graph, _checked_names(net, names, "InnerProduct"))
    for node in graph.nodes:
        casting.visit(node)
    casting.finish()
    if not (casting.renamed or casting.notes):
        raise NetError(
            f"{net.name!r} has no InnerProduct and no global pooling to cast: it is fully"
            " convolutional already"
        )
    cast = graph.net([])
    cast = cast if size is None else change_input(cast, size)[0]
    return cast, surgery_report(
        call_text("fully_convolutional", size=size, names=names),
        net,
        cast,
        origins={new: old for old, new in casting.renamed.items()},
        preserving=size is None,
        notes=casting.notes + _blobs_note(casting.renamed, casting.blobs),
    )


def classifier(
    net: Net, size: int | list[int] | None = None, names: dict[str, str] | None = None
) -> tuple[Net, SurgeryReport]:
    """Make the Convolutions that cover their whole bottom InnerProducts: the way back.

    Parameters
    ----------
    net : a network; its last Convolutions have no padding and give one place.
    size : rows and columns on which they do, if these are not those of its input now.
    names : new names of layers; by default "-conv" is taken off the end of the old one, or "-fc"
        put there.

    Returns
    -------
    The new net, which gives (N, classes), and the report.

    Raises
    ------
    NetError
        When no Convolution covers its whole bottom with only such layers behind it that take
        (N, C) too.

    Examples
    --------
    >>> import zoo
    >>> net, _ = fully_convolutional(zoo.load("lenet_digits").net)
    >>> net, _ = classifier(net)
    >>> net.layer("ip1").type, net.blobs["prob"]
    ('InnerProduct', (1, 5))
    """
    sized = net if size is None else change_input(net, size)[0]
    graph, found = covering(sized)
    if not found:
        raise NetError(
            f"{net.name!r}: no Convolution without padding and groups covers its whole bottom with"
            f" nothing behind it that needs rows and columns, on inputs of {sized.inputs}; give the"
            " size on which one does"
        )
    wanted = _checked_names(net, names, "Convolution")
    renamed: dict[str, str] = {}
    blobs: list[str] = []
    for node in found:
        old = node.name
        node.definition = inner_product_of(node.definition)
        node.params = [blob.reshape(len(blob), -1) for blob in node.params[:1]] + node.params[1:]
        usual = old.removesuffix("-conv") if old.endswith("-conv") else f"{old}-fc"
        renamed[old] = wanted.get(old, usual)
        if rename(graph, node, renamed[old]):
            blobs.append(old)
    cast = graph.net([])
    return cast, surgery_report(
        call_text("classifier", size=size, names=names),
        net,
        cast,
        origins={new: old for old, new in renamed.items()},
        preserving=size is None,
        notes=_blobs_note(renamed, blobs),
    )


def _checked_names(net: Net, names: Mapping[str, str] | None, kind: str) -> dict[str, str]:
    known = [layer.name for layer in net.layers if layer.type == kind]
    for name in names or ():
        if name not in known:
            raise UsageError(f"no {kind} is named {name!r}.{did_you_mean(name, known)}")
    return dict(names or {})


def _blobs_note(renamed: Mapping[str, str], blobs: list[str]) -> list[str]:
    new = ", ".join(renamed[name] for name in blobs)
    return [f"blobs have the new names of their layers: {new}"] if blobs else []


class _ToConvolutions:
    """The way through a graph, in the order of its layers.

    `shapes` holds what values are now that were flat, (N, C, h, w); a `renamed` layer was cast, and
    maybe the one of `blobs` that is called the same was renamed with it.
    """

    def __init__(self, graph: Graph, names: Mapping[str, str]) -> None:
        self.graph, self.names = graph, names
        self.shapes: dict[Value, Shape] = {}
        self.renamed: dict[str, str] = {}
        self.blobs: list[str] = []
        self.notes: list[str] = []
        self._flattening: list[Node] = []
        self._wanted = _read_by_inner_products(graph)

    def visit(self, node: Node) -> None:
        bottoms = [self.shapes.get(value, value.shape) for value in node.bottoms]
        changed = any(value in self.shapes for value in node.bottoms)
        if node.type == "InnerProduct":
            self._cast(node, bottoms[0])
        elif flattens(node) and (changed or node.tops[0] in self._wanted):
            self._flattening.append(node)
            self.shapes[node.tops[0]] = bottoms[0] or ()
        elif changed:
            known = [shape for shape in bottoms if shape is not None]
            self.shapes.update(changed_tops(node, shapes_behind(node, known)))
        elif _is_global(node) and self._ends_alone(node):
            kernel = (bottoms[0] or ())[2:]
            node.definition = window_of(node.definition, kernel)
            self.notes.append(f"{node.name}: windows of {kernel} instead of a global pooling")

    def _cast(self, node: Node, bottom: Shape | None) -> None:
        if bottom is None or len(bottom) < 3:
            raise NetError(
                f"an InnerProduct whose bottom {node.bottoms[0].blob!r} has the shape {bottom}"
                " cannot become a Convolution: there are no rows and columns for its kernel to move"
                " over. It would have to read a picture, or what such a layer makes of one",
                node.name,
            )
        param = node.definition.inner_product_param
        if axis_of(node.definition, param.axis, len(node.layer.bottom_shapes[0] or ())) != 1:
            raise NetError(
                f"an InnerProduct with axis {param.axis} cannot become a Convolution, which sums"
                " over everything behind axis 0",
                node.name,
            )
        if node.params:
            weight = node.params[0].T if param.transpose else node.params[0]
            shaped = weight.reshape(param.num_output, *bottom[1:])
            node.params = [shaped, *node.params[1:]]
        old = node.name
        node.definition = convolution_of(node.definition, bottom[2:])
        new = self.names.get(old, f"{old}-conv")
        self.shapes[node.tops[0]] = (bottom[0], param.num_output, *(1 for _ in bottom[2:]))
        self.renamed[old] = new

    def finish(self) -> None:
        """Take out what flattened, and give what was cast its new name."""
        for node in self._flattening:
            value, top = node.bottoms[0], node.tops[0]
            last = self.graph.is_last(value) and top not in self.graph.kept
            gone, stays = (top, value) if last else (value, top)
            self.graph.nodes.remove(node)
            self.graph.merge(gone, into=stays)
            self.notes.append(f"{node.name}: left out, since rows and columns stay")
        for node in self.graph.nodes:
            old = node.name
            if old in self.renamed and rename(self.graph, node, self.renamed[old]):
                self.blobs.append(old)

    def _ends_alone(self, node: Node) -> bool:
        """Whether what a node makes is never put together with something else of the picture."""
        reached = set(node.tops)
        for other in self.graph.nodes:
            if not reached.isdisjoint(other.bottoms):
                rest = [value for value in other.bottoms if value not in reached]
                if any(not self.graph.maker(value).layer.is_source for value in rest):
                    return False
                reached.update(other.tops)
        return True


def _is_global(node: Node) -> bool:
    return node.type == "Pooling" and node.definition.pooling_param.global_pooling


def _read_by_inner_products(graph: Graph) -> set[Value]:
    """The values that an InnerProduct reads, behind layers that treat every value alone."""
    wanted: set[Value] = set()
    for node in reversed(graph.nodes):
        through = node.type in PASSED or flattens(node)
        if node.type == "InnerProduct" or (through and not wanted.isdisjoint(node.tops)):
            wanted.update(node.bottoms)
    return wanted
