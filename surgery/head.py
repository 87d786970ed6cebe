"""A new classifier in the place of the old one.

Caffe's way to fine-tune (examples/finetune_flickr_style): the last layer gets a new name, so that
no weights are copied into it, as many outputs as there are classes, and a rate ten times that of
the others, twenty for its biases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import FillerParameter, LayerParameter, ParamSpec
from zoo.errors import NetError, UsageError
from zoo.net import Net
from zoo.scores import score_blob
from zoo.surgery.graph import Graph, Node, Value

__all__ = ["Head", "before_head", "replace_head"]

_CLASSIFIERS = ("InnerProduct", "Convolution")
_PASSED_OVER = ("Softmax", "Sigmoid", "Dropout", "Pooling", "Flatten", "Reshape", "Split")
_DEADLY = ("ReLU", "ReLU6")


@dataclass(frozen=True)
class Head:
    """The classifier of a net, and what was done to put it there.

    Attributes
    ----------
    layer : its name.
    replaced : the name of the layer that stood there before.
    features : the blob that it reads.
    scores : the blob with one score a class, before any Softmax.
    classes : how many.
    averaged : whether it is a convolution of single pixels whose scores are averaged over the
        picture, so that it is a linear function of the averaged features.
    changes : what else was changed, in sentences.
    """

    layer: str
    replaced: str
    features: str
    scores: str
    classes: int
    averaged: bool
    changes: tuple[str, ...] = ()


def replace_head(
    net: Net,
    classes: int,
    name: str | None = None,
    *,
    filler: FillerParameter | None = None,
    lr_mult: tuple[float, float] = (10, 20),
    seed: int = 0,
) -> tuple[Net, Head]:
    """Give a net a fresh classifier for other classes.

    Parameters
    ----------
    net : a network for inference, with weights, that ends in one score a class; auxiliary
        classifiers that do not lead there are left out.
    classes : how many outputs the new one has.
    name : of the new layer; by default the old name with the number of classes behind it.
    filler : what its weights are drawn from; by default a gaussian of standard deviation 0.01.
        Biases start at 0.
    lr_mult : of its weights and its biases, for training with a solver.
    seed : what the weights are drawn with.

    Returns
    -------
    The new net, and what was done.

    Raises
    ------
    UsageError
        For fewer than two classes, a name that is taken, or a net without a classifier.

    Examples
    --------
    >>> import zoo
    >>> net, head = replace_head(zoo.load("lenet_digits").net, classes=7)
    >>> head.layer, head.features, net.blobs["prob"]
    ('ip2_7', 'ip1', (1, 7))
    """
    if classes < 2:
        raise UsageError(f"classes: expected 2 or more, received {classes}")
    blob, _ = score_blob(net)
    graph = Graph(net, [blob])
    wanted = next(iter(value for value in graph.kept if value.blob == blob))
    path = list(_up_to_classifier(graph, wanted))
    old = path[-1]
    changes = _drop_other_ends(graph)
    changes += _clean(graph, path)
    head = _new_layer(net, old, classes, name, filler, lr_mult)
    averaged = _is_averaged(old, path)
    changes += _without_padding(head, averaged)
    changes += _probabilities(path)
    features, scores = old.bottoms[0], _scores(graph, path, wanted)
    old.definition, old.params = head, []
    fresh = graph.net([]).initialized(seed)
    report = Head(
        head.name, old.layer.name, features.blob, scores.blob, classes, averaged, tuple(changes)
    )
    return fresh, report


def before_head(net: Net, head: Head) -> Net:
    """The part of a net that computes the features of its classifier, which it ends in."""
    graph = Graph(net, [])
    position = next(i for i, node in enumerate(graph.nodes) if node.name == head.layer)
    graph.kept.add(graph.nodes[position].bottoms[0])
    graph.nodes = graph.nodes[:position]
    for node in graph.unneeded():
        graph.nodes.remove(node)
    return graph.net([])


def _up_to_classifier(graph: Graph, value: Value) -> Iterator[Node]:
    """The layers from the last one back to the classifier."""
    while True:
        node = graph.maker(value)
        yield node
        if node.type in _CLASSIFIERS:
            if node.shares:
                raise UsageError(
                    f"the classifier {node.name!r} shares its params with another layer, so it"
                    " cannot be replaced alone"
                )
            return
        if node.type not in (*_PASSED_OVER, *_DEADLY) or not node.bottoms:
            raise UsageError(
                f"no classifier was found: {value.blob!r} is made by {node.name!r}, a {node.type};"
                " expected an InnerProduct or a Convolution, with nothing but pooling, ReLU,"
                " Dropout or Softmax behind it"
            )
        value = node.bottoms[0]


def _drop_other_ends(graph: Graph) -> list[str]:
    gone = graph.unneeded()
    for node in gone:
        graph.nodes.remove(node)
    names = ", ".join(node.name for node in gone)
    return [f"{names}: left out, since the scores do not depend on it"] if gone else []


def _clean(graph: Graph, path: list[Node]) -> list[str]:
    """Take out what would keep a fresh classifier from learning."""
    changes = []
    for node in [node for node in path if node.type in _DEADLY]:
        graph.nodes.remove(node)
        path.remove(node)
        graph.merge(node.tops[0], node.bottoms[0])
        changes.append(
            f"{node.name}: the {node.type} behind the classifier was removed; it passes no gradient"
            " for scores below 0, so that a fresh classifier dies"
        )
    return changes


def _new_layer(
    net: Net,
    old: Node,
    classes: int,
    name: str | None,
    filler: FillerParameter | None,
    lr_mult: tuple[float, float],
) -> LayerParameter:
    name = name or f"{old.name}_{classes}"
    if name in {layer.name for layer in net.layers}:
        raise UsageError(
            f"there is a layer called {name!r} already, whose weights would be taken for those of"
            " the new one; choose another name"
        )
    new = copy_without(old.definition, "name", "param", "blobs")
    new.name = name
    settings = new.inner_product_param if new.type == "InnerProduct" else new.convolution_param
    if new.convolution_param.group > 1:
        raise UsageError(f"the classifier {old.name!r} is a convolution in groups")
    settings.num_output = classes
    settings.weight_filler.CopyFrom(filler or FillerParameter(type="gaussian", std=0.01))
    settings.bias_filler.CopyFrom(FillerParameter(type="constant"))
    new.param.append(ParamSpec(lr_mult=lr_mult[0], decay_mult=1))
    if settings.bias_term:
        new.param.append(ParamSpec(lr_mult=lr_mult[1], decay_mult=0))
    return new


def _is_averaged(old: Node, path: list[Node]) -> bool:
    """Whether the head is linear in averages; raises where it is not linear in features at all."""
    if old.type == "InnerProduct":
        if old.definition.inner_product_param.axis != 1:
            raise NetError("a classifier has to have axis 1", old.name)
        return False
    shape = old.tops[0].shape or ()
    if all(size == 1 for size in shape[2:]):
        return False
    kernel = old.layer.param_shapes[0][2:]
    pools = [node for node in path if node.type == "Pooling"]
    averages = [node for node in pools if node.definition.pooling_param.pool == 1]
    if any(size != 1 for size in kernel) or len(pools) != 1 or not averages:
        raise UsageError(
            f"the classifier {old.name!r} gives {shape[2:]} scores a class that are not simply"
            " averaged; only a convolution of 1 x 1 before a global average pooling can be"
            " replaced, or one that reads its whole bottom"
        )
    return True


def _without_padding(head: LayerParameter, averaged: bool) -> list[str]:
    """Zeros around a picture of which single pixels are classified only dilute the average."""
    param = head.convolution_param
    if not averaged or not (any(param.pad) or param.pad_h or param.pad_w):
        return []
    for field in ("pad", "pad_h", "pad_w"):
        param.ClearField(field)
    return [f"{head.name}: reads no border of zeros any more, which says nothing of the picture"]


def _probabilities(path: list[Node]) -> list[str]:
    if path[0].type != "Sigmoid":
        return []
    path[0].definition.type = "Softmax"
    return [f"{path[0].name}: a Softmax instead of a Sigmoid, since one class is right"]


def _scores(graph: Graph, path: list[Node], wanted: Value) -> Value:
    """The value before the Softmax, where there is one."""
    ends = [node for node in path if node.type in ("Softmax", "Sigmoid")]
    if ends:
        return ends[-1].bottoms[0]
    return next(value for node in path for value in node.tops)
