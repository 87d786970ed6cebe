"""From a training definition to one that can be deployed.

Caffe's users wrote deploy.prototxt by hand from train_val.prototxt. `to_deploy` makes the same
changes: data layers become Input layers, what compares with labels goes, the classifier's loss
becomes the probabilities that it computes inside. What the data layer says about pictures is in
`preprocessing`.
"""

from __future__ import annotations

from collections.abc import Iterator

from zoo.caffe.data_source import is_data_source, preprocessing, top_shape
from zoo.caffe.dataflow import (
    CLASSIFIER_LOSSES,
    Made,
    Makers,
    endings,
    is_loss,
    makers,
    reach,
    trained,
    unread,
)
from zoo.caffe.message_copy import copy_without
from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.errors import NetError

__all__ = ["preprocessing", "to_deploy"]


def to_deploy(net: NetParameter) -> tuple[NetParameter, list[str]]:
    """Make a definition that needs no data, no labels and no loss.

    Parameters
    ----------
    net : in the current format, filtered to the TEST phase (`filter_net`); it is not changed.

    Returns
    -------
    deploy : a new message. Each data source is an Input layer, without shape where none is known.
        SoftmaxWithLoss is a Softmax named "prob" where that name is free, SigmoidCrossEntropyLoss
        a Sigmoid; other losses, measures and whatever only fed them are gone. Of several
        classifiers those with the largest loss weight stay, and the last is the main one. Where
        the phase has no loss, what Accuracy judges gets the Softmax. Rules for phases and stages
        are gone too.
    notes : what was changed, dropped and assumed, in sentences.

    Raises
    ------
    NetError
        A layer reads a blob that no layer before it makes, nothing would be left, or the net is in
        an old format.

    Examples
    --------
    >>> from google.protobuf import text_format
    >>> net = text_format.Parse('''
    ...     layer { name: "data" type: "ImageData" top: "data" top: "label"
    ...             transform_param { crop_size: 227 } }
    ...     layer { name: "fc8" type: "InnerProduct" bottom: "data" top: "fc8" }
    ...     layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" top: "loss" }
    ... ''', NetParameter())
    >>> deploy, notes = to_deploy(net)
    >>> [(layer.type, layer.name) for layer in deploy.layer]
    [('Input', 'data'), ('InnerProduct', 'fc8'), ('Softmax', 'prob')]
    >>> print(notes[0])
    Data source 'data' (ImageData) became an Input for 'data' of shape 1 x 3 x 227 x 227.
    """
    if net.layers:
        raise NetError(
            f"the net has {len(net.layers)} `layers` in an old format; upgrade() it first."
        )
    made_by = makers(net)
    judges = endings(net, made_by)
    heads, present = _heads(net, made_by, judges)
    outputs = [index for index in unread(net, made_by) if index not in judges]
    roots = [(index, 0) for index in (*heads, *present)] + _predictions(net, made_by, judges)
    roots += [(index, top) for index in outputs for top in range(len(net.layer[index].top))]
    wanted = reach(made_by, roots, heads)
    kept = {index for index, _ in wanted}
    if all(is_data_source(net.layer[index]) for index in kept):
        raise NetError("nothing would be left: every layer is data, a loss or a measure.")

    new_heads = _name_heads(net, heads, kept)
    deploy = copy_without(net, "layer", "state")
    notes = []
    for index, layer in enumerate(net.layer):
        tops = [position for position in range(len(layer.top)) if (index, position) in wanted]
        if index in new_heads:
            deploy.layer.append(new_heads[index])
            notes.append(_head_note(layer, new_heads[index]))
        elif is_data_source(layer):
            notes += _add_inputs(deploy, layer, tops)
        elif index in kept:
            notes += _add_kept(deploy, layer, tops)
    return deploy, notes + _dropped(net, kept, judges, present)


def _heads(net: NetParameter, made_by: Makers, judges: set[int]) -> tuple[list[int], list[int]]:
    """Losses to replace by the activation that they compute, and activations already there.

    A phase may have no loss, only Accuracy: then that shows where the classifier ends.
    """
    has_loss = any(is_loss(net.layer[index]) for index in judges)
    types = CLASSIFIER_LOSSES if has_loss else ("Accuracy",)
    candidates = [i for i in sorted(judges) if net.layer[i].type in types and made_by[i]]
    heaviest = max((_loss_weight(net.layer[index]) for index in candidates), default=0.0)
    read = {made for i, bottoms in enumerate(made_by) if i not in judges for made in bottoms}
    heads: list[int] = []
    present: list[int] = []
    for index in candidates:
        bottom = made_by[index][:1]
        activation = _activation(net.layer[index])
        there = [
            other
            for other, layer in enumerate(net.layer)
            if (layer.type, layer.softmax_param.axis)
            == (activation.type, activation.softmax_param.axis)
            and made_by[other] == bottom
        ]
        if (index, 1) in read:
            heads.append(index)
        elif _loss_weight(net.layer[index]) < heaviest:
            continue
        elif there:
            present.append(there[0])
        elif net.layer[index].type != "Accuracy":
            heads.append(index)
        elif all(made_by[other][:1] != bottom for other in heads):
            if net.layer[bottom[0][0]].type in CLASSIFIER_LOSSES.values():
                present.append(bottom[0][0])
            else:
                heads.append(index)
    return heads, present


def _loss_weight(layer: LayerParameter) -> float:
    return layer.loss_weight[0] if layer.loss_weight else 1.0


def _activation(judge: LayerParameter) -> LayerParameter:
    """What turns the scores that a loss or an Accuracy reads into probabilities; has no name."""
    layer = LayerParameter(type=CLASSIFIER_LOSSES.get(judge.type, "Softmax"))
    if judge.HasField("softmax_param"):
        layer.softmax_param.CopyFrom(judge.softmax_param)
    elif judge.accuracy_param.HasField("axis"):
        layer.softmax_param.axis = judge.accuracy_param.axis
    return layer


def _predictions(net: NetParameter, made_by: Makers, judges: set[int]) -> list[Made]:
    """What the other losses judge; without any loss, what sinks like HDF5Output store."""
    learned = trained(net, made_by)
    asked = [index for index in judges if is_loss(net.layer[index])]
    if not asked:
        asked = [index for index in judges if net.layer[index].type not in ("Silence", "Accuracy")]
    predictions: list[Made] = []
    for index in asked:
        if net.layer[index].type not in CLASSIFIER_LOSSES:
            bottoms = [made for made in made_by[index] if made[0] not in judges]
            predictions += [made for made in bottoms if made[0] in learned] or bottoms[:1]
    return predictions


def _name_heads(net: NetParameter, heads: list[int], kept: set[int]) -> dict[int, LayerParameter]:
    """The layers that replace losses: the last is "prob", others are named after their bottom."""
    taken = {
        name
        for index in kept - set(heads)
        for name in (net.layer[index].name, *net.layer[index].top)
    }
    layers = {}
    for index in reversed(heads):
        judge, layer = net.layer[index], _activation(net.layer[index])
        names = _head_names(judge.bottom[0], last=index == heads[-1])
        layer.name = next(name for name in names if name not in taken)
        layer.bottom.append(judge.bottom[0])
        second_top = judge.type in CLASSIFIER_LOSSES and len(judge.top) > 1
        layer.top.append(judge.top[1] if second_top else layer.name)
        layers[index] = layer
        taken |= {layer.name, layer.top[0]}
    return layers


def _head_names(bottom: str, last: bool) -> Iterator[str]:
    if last:
        yield "prob"
    yield f"{bottom}_prob"
    number = 2
    while True:
        yield f"{bottom}_prob_{number}"
        number += 1


def _head_note(judge: LayerParameter, head: LayerParameter) -> str:
    note = f"{judge.type} {judge.name!r} became {head.type} {head.name!r} on {head.bottom[0]!r}"
    if judge.type in CLASSIFIER_LOSSES:
        return f"{note}."
    return f"{note}; the phase has no loss, so a softmax over these scores is assumed."


def _add_inputs(deploy: NetParameter, source: LayerParameter, tops: list[int]) -> list[str]:
    """Add an Input layer for each top of a data source that is still read."""
    notes = []
    for position in tops:
        blob = source.top[position]
        layer = deploy.layer.add(
            name=source.name if position == tops[0] else blob, type="Input", top=[blob]
        )
        shape, assumed = top_shape(source, position)
        note = f"Data source {source.name!r} ({source.type}) became an Input for {blob!r}"
        if shape is None:
            notes.append(f"{note} without shape: the definition does not say it, so give one.")
        else:
            layer.input_param.shape.add(dim=shape)
            notes.append(" ".join([f"{note} of shape {' x '.join(map(str, shape))}.", *assumed]))
    return notes + _unread_note(source, tops)


def _add_kept(deploy: NetParameter, layer: LayerParameter, tops: list[int]) -> list[str]:
    """Add a layer that stays; an Input layer loses the tops that nothing reads any more."""
    kept = deploy.layer.add()
    kept.CopyFrom(layer)
    del kept.include[:], kept.exclude[:]
    if layer.type != "Input" or len(tops) == len(layer.top):
        return []
    kept.ClearField("top")
    kept.top.extend(layer.top[position] for position in tops)
    if len(layer.input_param.shape) > 1:
        kept.input_param.ClearField("shape")
        kept.input_param.shape.extend(layer.input_param.shape[position] for position in tops)
    return _unread_note(layer, tops)


def _unread_note(layer: LayerParameter, tops: list[int]) -> list[str]:
    left = [repr(blob) for position, blob in enumerate(layer.top) if position not in tops]
    if not left:
        return []
    return [f"Top(s) {', '.join(left)} of {layer.name!r} were dropped: nothing reads them now."]


def _dropped(net: NetParameter, kept: set[int], judges: set[int], present: list[int]) -> list[str]:
    """What went without a successor, in sentences."""
    notes, fed = [], []
    for index, layer in enumerate(net.layer):
        if index in kept or is_data_source(layer):
            continue
        if index not in judges:
            fed.append(repr(layer.name))
        elif layer.type not in CLASSIFIER_LOSSES:
            notes.append(f"{layer.type} {layer.name!r} was dropped.")
        elif any(net.layer[other].bottom[0] == layer.bottom[0] for other in present):
            notes.append(
                f"{layer.type} {layer.name!r} was dropped; its {CLASSIFIER_LOSSES[layer.type]} is"
                " already there."
            )
        else:
            notes.append(
                f"{layer.type} {layer.name!r} of loss weight {_loss_weight(layer):g} was dropped:"
                " an auxiliary classifier."
            )
    if fed:
        notes.append(f"Dropped with them, for they fed nothing else: {', '.join(fed)}.")
    return notes
