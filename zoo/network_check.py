"""Whether the files of a model directory fit each other: everything that does not, in one list.

Its definitions are read, its weights are loaded strictly, its input section is held against the
net's input and its labels against the outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.caffe.lines import layer_lines_of_file
from zoo.caffe.read import read_definition
from zoo.caffe.upgrade import upgrade
from zoo.errors import CardError, NetError, ParseError, UsageError
from zoo.input_spec import InputSpec
from zoo.labels import check_labels, read_labels
from zoo.layers.kind import known_types
from zoo.loaded import deployable
from zoo.net import Net
from zoo.registry.card import Card
from zoo.registry.contents import definition_file, labels_file, train_val_file
from zoo.registry.publish_plan import Flaw
from zoo.scores import score_blob

__all__ = ["network_flaws"]

_CHANNELS = {"BGR": 3, "RGB": 3, "GRAY": 1}


def network_flaws(
    card: Card, directory: Path, names: Sequence[str], weights: Path | None
) -> list[Flaw]:
    """Everything that does not fit.

    Parameters
    ----------
    card : what the readme says.
    names : the files of the directory that are published.
    weights : the file of weights; None where there is none.

    Returns
    -------
    Flaws, those of the definition first; empty where all fits.
    """
    try:
        definition = directory / definition_file(names, card)
    except CardError as error:
        return [Flaw(card.path, card.line("prototxt"), _without(card.path, error))]
    training = train_val_file(names)
    try:
        net = _read(definition)
        only_training = _layers_of(directory / training) if training else set()
    except (ParseError, NetError) as error:
        return [_flaw_of(definition, error)]
    flaws = []
    if weights is not None:
        try:
            net = net.load_weights(weights, may_be_left=only_training)
        except UsageError as error:
            flaws.append(Flaw(str(weights), None, _without(str(weights), error)))
    flaws += [Flaw(card.path, line, text) for line, text in _input(card, net)]
    return [*flaws, *_labels(card, net, directory, names)]


def _read(definition: Path) -> Net:
    net, _ = deployable(
        read_definition(definition, known_types()),
        path=definition,
        lines=layer_lines_of_file(definition),
    )
    return net


def _layers_of(path: Path) -> set[str]:
    """The layers of a training definition, of which the weights may have more than the other."""
    return {layer.name for layer in upgrade(read_definition(path, known_types()))[0].layer}


def _input(card: Card, net: Net) -> Iterator[tuple[int, str]]:
    """What the input section says against what the net reads, where that is a picture."""
    pictures = {name: shape for name, shape in net.inputs.items() if _is_picture(shape)}
    if not pictures:
        return
    blob, shape = next(iter(pictures.items()))
    try:
        spec = card.input
    except CardError:
        return  # said by `card_flaws`
    line = card.line("input")
    if spec is None:
        yield (
            line,
            "input: missing. Say how a picture becomes the input of the network:"
            f" 'input: {{size: {list(shape[2:])}, channels: {'BGR' if shape[1] == 3 else 'GRAY'},"
            " mean: [...]}'.",
        )
        return
    if _CHANNELS[spec.channels] != shape[1]:
        yield (
            line,
            f"input: channels: {spec.channels} are {_CHANNELS[spec.channels]}, but the network"
            f" reads {shape[1]} in {blob}.",
        )
    if spec.size != tuple(shape[2:]) and not _takes(net, blob, spec):
        yield (
            line,
            f"input: size: {list(spec.size)}, but the network reads {list(shape[2:])} in {blob}.",
        )


def _is_picture(shape: Sequence[int] | None) -> bool:
    return shape is not None and len(shape) == 4 and shape[1] in _CHANNELS.values()


def _takes(net: Net, blob: str, spec: InputSpec) -> bool:
    """Whether the net, fully convolutional, can be given pictures of that size."""
    batch, channels = net.inputs[blob][:2]
    try:
        net.reshape({blob: (batch, channels, *spec.size)})
    except NetError:
        return False
    return True


def _labels(card: Card, net: Net, directory: Path, names: Sequence[str]) -> Iterator[Flaw]:
    try:
        named, there = card.labels, labels_file(names, card)
    except CardError:
        return  # said by `card_flaws`
    if there is None:
        if named is not None:
            yield Flaw(card.path, card.line("labels"), f"labels: {named} is not there.")
        return
    outputs = _outputs(card, net)
    try:
        labels = read_labels(directory / there)
        if outputs is not None:
            check_labels(labels, outputs, directory / there)
    except UsageError as error:
        yield _flaw_of(directory / there, error)


def _outputs(card: Card, net: Net) -> int | None:
    """How many classes come out; None where the outputs are no scores of classes."""
    try:
        shape = net.blobs[score_blob(net)[0]]
    except UsageError:
        maps = [net.blobs[name] for name in net.outputs]
        is_segmentation = "segmentation" in (card.value("task") or "").lower()
        shape = maps[0] if is_segmentation and len(maps) == 1 else None
    return shape[1] if shape is not None and len(shape) > 1 else None


def _flaw_of(path: Path, error: UsageError) -> Flaw:
    """An error as a flaw, its place taken out of its text."""
    if isinstance(error, ParseError):
        place = ":".join(str(part) for part in (error.path, error.line, error.column) if part)
        return Flaw(error.path, error.line, _without(place, error))
    return Flaw(str(path), None, _without(str(path), error))


def _without(place: str, error: Exception) -> str:
    return str(error).removeprefix(f"{place}: ")
