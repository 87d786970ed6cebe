"""Where the classifiers of a net are: back from each loss, measure and output to the weights.

A definition for training ends in losses and measures that compare scores with labels (Caffe's
train_val.prototxt), one for deployment in the scores or their Softmax. GoogLeNet has three
classifiers, two of them auxiliary, whose losses count 0.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from zoo.errors import NetError, UnsupportedLayersError
from zoo.layers.kind import known_types
from zoo.net import Net
from zoo.surgery.graph import Graph, Node, Value

__all__ = ["DEADLY", "LOSSES", "Classifier", "End", "classifiers", "keep_only"]

DEADLY = ("ReLU", "ReLU6")
LOSSES = (
    "HingeLoss",
    "InfogainLoss",
    "MultinomialLogisticLoss",
    "SigmoidCrossEntropyLoss",
    "SoftmaxWithLoss",
)
_CLASSIFIERS = ("InnerProduct", "Convolution")
_PASSED_OVER = ("Softmax", "Sigmoid", "Dropout", "Pooling", "Flatten", "Reshape", "Split")
_PROBABILITIES = ("Softmax", "Sigmoid")


@dataclass(eq=False)
class End:
    """Where scores are used: by a loss or a measure, the judge, or as an output of the net."""

    value: Value
    judge: Node | None

    @property
    def rank(self) -> tuple[float, float]:
        """The main classifier is what the heaviest loss judges, else Accuracy, else an output."""
        if self.judge is None:
            return (0, 0)
        if self.judge.type == "Accuracy":
            return (1, 0)
        weights = self.judge.definition.loss_weight
        return (2, weights[0] if weights else 1.0)


@dataclass(eq=False)
class Classifier:
    """A layer that gives one score a class, and all the ends that its scores have.

    Attributes
    ----------
    node : the layer.
    ends : the most important one first.
    path : the layers from that end back to the classifier.
    """

    node: Node
    ends: list[End]
    path: list[Node]

    @property
    def scores(self) -> Value:
        """The value before the Softmax, where there is one."""
        ready = [node for node in self.path if node.type in _PROBABILITIES]
        return ready[-1].bottoms[0] if ready else self.path[0].tops[0]

    @property
    def judges(self) -> list[Node]:
        """The losses and measures that its scores go to."""
        return [end.judge for end in self.ends if end.judge is not None]


def classifiers(graph: Graph, net: Net) -> list[Classifier]:
    """All classifiers of a net, the main one first.

    Raises
    ------
    NetError
        When there is none, or the main one cannot be found; it says what stands there instead.
    """
    found: dict[Node, Classifier] = {}
    for number, end in enumerate(_ends(graph, net)):
        try:
            path = list(_up_to_classifier(graph, end.value))
        except NetError:
            if number == 0:
                raise
            continue
        known = found.setdefault(path[-1], Classifier(path[-1], [], path))
        known.ends.append(end)
    return list(found.values())


def keep_only(graph: Graph, main: Classifier, others: list[Classifier]) -> list[str]:
    """Leave out all that the main classifier and its ends do not depend on."""
    graph.kept.update(end.value for end in main.ends if end.judge is None)
    needed: set[Value] = set(graph.kept)
    stay: set[Node] = set(main.judges)
    for node in reversed(graph.nodes):
        if node in stay or node.layer.is_source or not needed.isdisjoint(node.tops):
            stay.add(node)
            needed.update(node.bottoms)
    made = {top for node in stay for top in node.tops}
    # What ends nowhere, as Silence does, stays with what it reads.
    stay |= {node for node in graph.nodes if not node.tops and made.issuperset(node.bottoms)} - {
        judge for other in others for judge in other.judges
    }
    gone = [node for node in graph.nodes if node not in stay]
    graph.nodes = [node for node in graph.nodes if node in stay]
    auxiliary = [other.node.name for other in others]
    notes = []
    if auxiliary:
        many = "classifiers were" if len(auxiliary) > 1 else "classifier was"
        notes.append(f"{', '.join(auxiliary)}: the auxiliary {many} dropped")
    rest = [node.name for node in gone if node.name not in auxiliary]
    if rest:
        notes.append(f"{', '.join(rest)}: left out, since the scores do not depend on it")
    return notes


def _ends(graph: Graph, net: Net) -> list[End]:
    """Where scores are used, the most important first."""
    judged = [End(node.bottoms[0], node) for node in graph.nodes if _judges(graph, node)]
    read = {value for node in graph.nodes for value in node.bottoms}
    outputs = [
        End(value, None)
        for node in graph.nodes
        for value in node.tops
        if value not in read and _may_be_scores(node, value)
    ]
    ready = [end for end in outputs if graph.maker(end.value).type in _PROBABILITIES]
    ends = [*judged, *[end for end in outputs if end not in ready], *ready]
    if not ends and net.unsupported:
        raise UnsupportedLayersError(net.unsupported, known_types())
    if not ends:
        shapes = ", ".join(f"{name} {net.blobs[name]}" for name in net.outputs)
        raise NetError(
            f"no classifier was found: {net.name!r} has no loss that compares scores with labels,"
            f" and no output with one score a class; its outputs are {shapes}"
        )
    # Of equals the last counts, as in `to_deploy`.
    return sorted(ends, key=lambda end: end.rank)[::-1]


def _judges(graph: Graph, node: Node) -> bool:
    """Whether a layer compares scores with labels that come from outside."""
    if node.type == "Accuracy" or (node.type in LOSSES and node.type != "SigmoidCrossEntropyLoss"):
        return len(node.bottoms) > 1
    # The targets of an autoencoder are computed from the picture itself.
    return (
        node.type in LOSSES
        and len(node.bottoms) > 1
        and graph.maker(node.bottoms[1]).layer.is_source
    )


def _may_be_scores(node: Node, value: Value) -> bool:
    shape = value.shape
    if node.layer.is_source or node.type == "ArgMax" or shape is None:
        return False
    return len(shape) >= 2 and prod(shape[2:]) == 1


def _up_to_classifier(graph: Graph, value: Value) -> Iterator[Node]:
    """The layers from the last one back to the classifier."""
    while True:
        node = graph.maker(value)
        yield node
        if node.type in _CLASSIFIERS:
            return
        if node.type not in (*_PASSED_OVER, *DEADLY) or not node.bottoms:
            raise NetError(
                f"no classifier was found: {value.blob!r} is made by {node.name!r} ({node.type});"
                " expected an InnerProduct or a Convolution, with nothing but pooling, ReLU,"
                " Dropout or Softmax behind it",
            )
        value = node.bottoms[0]
