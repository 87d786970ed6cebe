"""FCN-32s, FCN-16s and FCN-8s made from a classifier.

Shelhamer, Long, Darrell, "Fully Convolutional Networks for Semantic Segmentation", and the nets
that its authors published (fcn.berkeleyvision.org): the classifier cast to convolutions, a padding
of 100 around the picture, score layers that start at 0, bilinear Deconvolution that does not learn,
and Crop with the offset that puts every score over its pixel.
"""

from __future__ import annotations

from fractions import Fraction

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import NetError, UsageError
from zoo.net import Net
from zoo.receptive_field import receptive_fields
from zoo.surgery.call_text import call_text
from zoo.surgery.cast import fully_convolutional
from zoo.surgery.finish import check_whole, finished
from zoo.surgery.graph import Graph
from zoo.surgery.head_paths import classifiers
from zoo.surgery.input_shape import change_input
from zoo.surgery.report import SurgeryReport, surgery_report
from zoo.surgery.score_head import SCORE, ScoreHead
from zoo.surgery.score_layers import score_layer
from zoo.surgery.score_places import Place, place_of, single_blobs

__all__ = ["fcn"]


def fcn(
    net: Net,
    classes: int,
    stride: int = 32,
    size: int | list[int] | None = None,
    pad: int = 100,
) -> tuple[Net, SurgeryReport]:
    """Make a net for segmentation of a classifier.

    Parameters
    ----------
    net : a network that classifies pictures; auxiliary classifiers, losses and labels go.
    classes : of a pixel, the background included.
    stride : 32, 16 or 8 for the FCN of that name; of a net with other strides one of those. The
        scores of each finer stride are added to those of the coarser ones.
    size : rows and columns of the input; any size can be run later.
    pad : of the first Convolution, so that small pictures leave something to score.

    Returns
    -------
    A net whose blob `score` is (N, classes, H, W), as large as the picture, and the report. The
    bilinear weights are params, which a definition alone does not hold.

    Raises
    ------
    UsageError
        For less than one class or padding, or a stride that the net does not have.
    NetError
        When the net has no classifier that can be cast, or scores cannot be put over pixels.

    Examples
    --------
    >>> import zoo
    >>> segmenting, report = fcn(zoo.load("lenet_digits").net, classes=2, stride=2)
    >>> segmenting.blobs["score_pool1"][1], segmenting.blobs["score"]
    (2, (1, 2, 28, 28))
    """
    operation = call_text("fcn", classes=classes, stride=stride, size=size)
    check_whole("classes", classes, 1)
    check_whole("pad", pad, 0)
    scoring = _scoring(net, classes, pad, operation)
    score = place_of(receptive_fields(scoring)[SCORE], scoring.blobs[SCORE])
    if score is None:
        raise NetError("the scores do not lie at equal distances over the picture", SCORE)
    head = ScoreHead(classes)
    head.build(score, _steps(scoring, score, stride), *next(iter(scoring.inputs.items())))
    segmenting = head.put_on(scoring)
    if size is not None:
        segmenting = change_input(segmenting, size)[0]
    return segmenting, surgery_report(
        operation,
        net,
        segmenting,
        initialised=[SCORE, *(layer.name for layer in head.layers)],
        notes=[f"pad {pad} around the picture", *head.notes],
    )


def _scoring(net: Net, classes: int, pad: int, operation: str) -> Net:
    """The net up to its classifier, cast and padded, with a score layer in the place of that."""
    graph = Graph(net, ())
    classifier = classifiers(graph, net)[0].node
    graph.kept = set(classifier.tops)
    for node in graph.unneeded():
        graph.nodes.remove(node)
    read = {value for node in graph.nodes for value in node.bottoms}
    graph.nodes = [node for node in graph.nodes if node.bottoms or not read.isdisjoint(node.tops)]
    trunk = finished(graph, operation)
    products = {layer.name: layer.name for layer in trunk.layers if layer.type == "InnerProduct"}
    if products:
        trunk, _ = fully_convolutional(trunk, names=products)
    definition = NetParameter()
    definition.CopyFrom(trunk.definition)
    layers = definition.layer
    first = next(layer for layer in layers if layer.type == "Convolution")
    for side in ("pad", "pad_h", "pad_w"):
        first.convolution_param.ClearField(side)
    first.convolution_param.pad.append(pad)
    old = next(layer for layer in layers if layer.name == classifier.name)
    params = {name: blobs for name, blobs in trunk.params.items() if name != classifier.name}
    old.CopyFrom(score_layer(SCORE, old.bottom[0], classes, old))
    return Net(definition, params, phase=net.phase, shapes=trunk.inputs, report=net.report)


def _steps(net: Net, score: Place, stride: int) -> list[tuple[str, Place]]:
    """The blobs with finer strides than the scores, down to the wanted one, coarse to fine.

    Of each stride it is the first blob that everything goes through.
    """
    fields = receptive_fields(net)
    finer: dict[Fraction, tuple[str, Place]] = {}
    for blob in single_blobs(Graph(net, ())):
        place = place_of(fields[blob], net.blobs[blob])
        if place is not None and place.stride < score.stride and blob not in net.inputs:
            finer.setdefault(place.stride, (blob, place))
    strides = [score.stride, *sorted(finer, reverse=True)]
    if stride not in strides:
        known = ", ".join(map(str, strides))
        raise UsageError(f"stride: {net.name!r} has the strides {known}, received {stride}")
    return [finer[each] for each in strides[1:] if each >= stride]
