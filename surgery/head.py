"""A new classifier in the place of the old one.

Caffe's way to fine-tune (examples/finetune_flickr_style): the last layer gets a new name, so that
no weights are copied into it, as many outputs as there are classes, and a rate ten times that of
the others, twenty for its biases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from zoo.caffe.schema.caffe_pb2 import FillerParameter
from zoo.errors import UsageError, did_you_mean
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import check_new_name, check_whole, finished
from zoo.surgery.graph import Graph
from zoo.surgery.head_layer import fit_ends, is_averaged, new_classifier, without_deadly_layers
from zoo.surgery.head_paths import Classifier, classifiers, keep_only
from zoo.surgery.report import SurgeryReport, surgery_report

__all__ = ["Head", "before_head", "replace_head"]

_AUXILIARY = ("drop", "rebuild")


@dataclass(kw_only=True)
class Head(SurgeryReport):
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
    auxiliaries : the names of the auxiliary classifiers that were rebuilt.
    """

    layer: str
    replaced: str
    features: str
    scores: str
    classes: int
    averaged: bool
    auxiliaries: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[str, ...]:
        """What else was changed, in sentences."""
        return self.notes


def replace_head(
    net: Net,
    classes: int,
    name: str | None = None,
    *,
    auxiliary: str = "drop",
    filler: str | Mapping[str, Any] | FillerParameter | None = None,
    lr_mult: Sequence[float] = (10, 20),
    seed: int = 0,
) -> tuple[Net, Head]:
    """Give a net a fresh classifier for other classes.

    Works on definitions for deployment as on those for training, whose losses and measures stay.

    Parameters
    ----------
    net : a network that ends in one score a class; it is not changed.
    classes : how many outputs the new one has.
    name : of the new layer; by default the old name with the number of classes behind it.
    auxiliary : what becomes of the other classifiers that a net like GoogLeNet has: "drop" leaves
        them out with all that only they need, "rebuild" replaces each of them too. Loss weights
        stay as they are.
    filler : what the weights are drawn from, by its type or its fields; by default a gaussian of
        standard deviation 0.01. Biases start at 0.
    lr_mult : of its weights and its biases, for training with a solver.
    seed : what the weights are drawn with.

    Returns
    -------
    The new net, and what was done.

    Raises
    ------
    UsageError
        For fewer than two classes or a name that is taken.
    NetError
        For a net without a classifier, and for one that cannot be replaced; it says why.

    Examples
    --------
    >>> import zoo
    >>> net, head = replace_head(zoo.load("lenet_digits").net, classes=7)
    >>> head.layer, head.features, net.blobs["prob"]
    ('ip2_7', 'ip1', (1, 7))
    """
    _check(classes, auxiliary)
    graph = Graph(net, net.outputs if auxiliary == "rebuild" else [])
    main, *others = classifiers(graph, net)
    notes = []
    if auxiliary == "drop":
        notes += keep_only(graph, main, others)
        others = []
    heads = [main, *others]
    names = _names(net, heads, classes, name)
    averaged = [is_averaged(head.node, head.path) for head in heads]
    for head, new_name, average in zip(heads, names, averaged, strict=True):
        notes += without_deadly_layers(graph, head)
        definition, changes = new_classifier(
            head.node, new_name, classes, filler, lr_mult, averaged=average
        )
        notes += changes + fit_ends(graph, head, classes)
        head.node.definition, head.node.params = definition, []
    operation = call_text(
        "replace_head",
        classes=classes,
        name=name,
        auxiliary="rebuild" if auxiliary == "rebuild" else None,
    )
    fresh = finished(graph, operation)
    if net.params:
        filled = fresh.initialized(seed)
        fresh = fresh.with_params({each: filled.params[each] for each in names})
    report = surgery_report(operation, net, fresh, notes=notes)
    return fresh, Head(
        **{field.name: getattr(report, field.name) for field in fields(report)},
        layer=names[0],
        replaced=main.node.layer.name,
        features=main.node.bottoms[0].blob,
        scores=main.scores.blob,
        classes=classes,
        averaged=averaged[0],
        auxiliaries=tuple(names[1:]),
    )


def before_head(net: Net, head: Head) -> Net:
    """The part of a net that computes the features of its classifier, which it ends in."""
    graph = Graph(net, [])
    position = next(i for i, node in enumerate(graph.nodes) if node.name == head.layer)
    graph.kept.add(graph.nodes[position].bottoms[0])
    graph.nodes = graph.nodes[:position]
    for node in graph.unneeded():
        graph.nodes.remove(node)
    return graph.net([])


def _check(classes: object, auxiliary: str) -> None:
    check_whole("classes", classes, 2)
    if auxiliary not in _AUXILIARY:
        raise UsageError(
            f"auxiliary: expected {' or '.join(_AUXILIARY)}, received {auxiliary!r}."
            f"{did_you_mean(str(auxiliary), _AUXILIARY)}"
        )


def _names(net: Net, heads: list[Classifier], classes: int, name: str | None) -> list[str]:
    """What the new layers are called, the main one first."""
    names = [f"{head.node.name}_{classes}" for head in heads]
    if name is not None:
        check_new_name("layer", name, ())
        names[0] = name
    taken = {layer.name for layer in net.layers}
    for index, new in enumerate(names):
        if new in taken or new in names[:index]:
            raise UsageError(
                f"there is a layer called {new!r} already, whose weights would be taken for those"
                " of the new one; choose another name"
            )
    return names
