"""A model ready for use: its net, its Keras model, its preprocessing, its labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from zoo.caffe.data_source import is_data_source
from zoo.caffe.deploy import preprocessing, to_deploy
from zoo.caffe.lines import layer_lines_of_file
from zoo.caffe.mean import channel_mean, read_mean
from zoo.caffe.read import read_definition
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.upgrade import upgrade
from zoo.classification import Classification, Progress, classify_images, score_blob
from zoo.errors import UsageError, WeightsError
from zoo.input_spec import InputSpec
from zoo.labels import check_labels, read_labels
from zoo.layers.kind import known_types
from zoo.net import Net
from zoo.prepare import prepare
from zoo.preprocess import Preprocessor
from zoo.registry.cached import CachedModel
from zoo.registry.card import Card
from zoo.report import LoadReport

if TYPE_CHECKING:
    import keras

__all__ = ["LoadedModel", "deployable", "load_directory"]


@dataclass
class LoadedModel:
    """What `zoo.load` gives.

    Attributes
    ----------
    name, directory : the model and where its files lie.
    card : its readme.
    net : definition and weights in Caffe's terms.
    spec : how a picture becomes its input; None where nothing says so.
    labels : one name for each output, or None.
    notes : what was assumed, in sentences.
    """

    name: str
    directory: Path
    card: Card
    net: Net
    spec: InputSpec | None = None
    labels: list[str] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def report(self) -> LoadReport:
        """What became of the definition and the weights: upgraded, ignored, copied, ..."""
        return self.net.report

    @cached_property
    def model(self) -> keras.Model:
        """The whole network as a keras.Model, see `zoo.to_keras`."""
        from zoo.build.model import to_keras

        return to_keras(self.net)

    @cached_property
    def preprocess(self) -> Preprocessor:
        """From pictures to the model's input, (n, height, width, channels).

        Raises
        ------
        UsageError
            When neither the card nor a training definition says how.
        """
        if self.spec is None:
            raise UsageError(
                f"nothing says how a picture becomes the input of {self.name}. Add a section to the"
                f" front matter of {self.directory / 'readme.md'}:\n"
                "input:\n  size: [height, width]\n  channels: BGR\n  mean: [104, 117, 123]\n"
                "  scale: 1\n  resize: [256, 256]"
            )
        return Preprocessor(self.spec)

    def classify(
        self,
        images: Iterable[str | Path] | str | Path,
        *,
        top: int = 5,
        crops: int = 1,
        batch_size: int = 32,
        device: str | None = None,
        engine: str = "tensorflow",
        progress: Progress | None = None,
    ) -> Iterator[Classification]:
        """The best classes of each picture, see `zoo.classification.classify_images`."""
        if isinstance(images, str | Path):
            images = [images]
        return classify_images(
            self,
            images,
            top=top,
            crops=crops,
            batch_size=batch_size,
            device=device,
            engine=engine,
            progress=progress,
        )


def load_directory(
    files: CachedModel,
    *,
    partial: bool = False,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> LoadedModel:
    """Load the model whose files lie in one directory.

    Raises
    ------
    ParseError, NetError, WeightsError
    UsageError
        When the card's labels are not as many as the outputs.
    """
    net, notes = deployable(
        read_definition(files.deploy, known_types()),
        shapes,
        path=files.deploy,
        lines=layer_lines_of_file(files.deploy),
    )
    training = _training_definition(files)
    if files.weights is None:
        raise WeightsError(
            f"{files.name} comes without weights: {files.directory} has no .caffemodel"
        )
    only_training = {layer.name for layer in training.layer} if training else set()
    net = net.load_weights(files.weights, partial=partial, may_be_left=only_training)
    loaded = LoadedModel(files.name, files.directory, files.card, net, notes=notes)
    loaded.spec = _spec(loaded, training)
    loaded.notes += _score_note(net)
    loaded.labels = _labels(loaded, files)
    return loaded


def deployable(
    definition: NetParameter, shapes: Mapping[str, Sequence[int]] | None = None, **origin: Any
) -> tuple[Net, list[str]]:
    """A net for inference from a deploy or a training definition, and what was changed.

    `origin` is the path and the lines of the definition, see `zoo.prepare.prepare`.
    """
    definition, report = prepare(definition, **origin)
    if any(is_data_source(layer) for layer in definition.layer):
        definition, report.deployed = to_deploy(definition)
    return Net(definition, shapes=shapes, report=report), list(report.deployed)


def _training_definition(files: CachedModel) -> NetParameter | None:
    """train_val.prototxt of both phases, where the model has one that can be read."""
    if files.train_val is None:
        return None
    return upgrade(read_definition(files.train_val, known_types()))[0]


def _spec(loaded: LoadedModel, training: NetParameter | None) -> InputSpec | None:
    """The card's `input:` section, else what the training definition's data layer does."""
    stated = loaded.card.metadata.get("input")
    if isinstance(stated, dict) and "mean_file" in stated and "mean" not in stated:
        mean = _mean_of_file(loaded, str(stated["mean_file"]))
        if mean is None or loaded.card.input is None:
            loaded.notes.append(
                f"The card subtracts the mean picture {stated['mean_file']}, which is not there;"
                " state the mean of each channel as `mean` in its input section."
            )
            return None
        in_order = mean[::-1] if loaded.card.input.channels == "RGB" else mean
        return replace(loaded.card.input, mean=tuple(in_order))
    if loaded.card.input is not None:
        return loaded.card.input
    facts: dict[str, Any] | None = preprocessing(training) if training is not None else None
    if facts is None:
        return None
    assumed = facts.pop("assumed", [])
    height_width = _input_size(loaded.net)
    facts.setdefault("size", height_width)
    if "mean_file" in facts:
        facts["mean"] = _mean_of_file(loaded, facts.pop("mean_file"))
    if facts["size"] is None or facts["mean"] is None:
        return None
    if _input_channels(loaded.net) == 1:  # a Data layer does not say how many its pictures have
        facts |= {"channels": "GRAY", "mean": facts["mean"][:1]}
    loaded.notes.append(
        " ".join(
            [
                "The card has no input section; preprocessing is that of train_val.prototxt.",
                *assumed,
            ]
        )
    )
    return InputSpec.from_mapping(facts, "train_val.prototxt")


def _mean_of_file(loaded: LoadedModel, name: str) -> list[float] | None:
    """The mean of each channel, blue first, of a mean file beside the card; None where none lies.

    So Caffe's examples/cpp_classification takes a mean file for a deployed network.
    """
    path = loaded.directory / PurePosixPath(name).name
    if not path.is_file():
        return None
    loaded.notes.append(f"The mean of each channel is that of all pixels of {path.name}.")
    return channel_mean(read_mean(path))


def _score_note(net: Net) -> list[str]:
    try:
        blob, is_probability = score_blob(net)
    except UsageError:
        return []
    return [] if is_probability else [f"{blob} holds logits; scores are their softmax."]


def _input_size(net: Net) -> list[int] | None:
    shape = next(iter(net.inputs.values()), ())
    return list(shape[2:]) if len(shape) == 4 else None


def _input_channels(net: Net) -> int | None:
    shape = next(iter(net.inputs.values()), ())
    return shape[1] if len(shape) == 4 else None


def _labels(loaded: LoadedModel, files: CachedModel) -> list[str] | None:
    """The labels, if they are as many as the outputs; a list that the card names must be."""
    if files.labels is None:
        return None
    try:
        blob, _ = score_blob(loaded.net)
    except UsageError:
        return None
    outputs = (loaded.net.blobs[blob] or (0, 0))[1]
    labels = read_labels(files.labels)
    if loaded.card.labels is not None:
        check_labels(labels, outputs, files.labels)
    elif len(labels) != outputs:
        loaded.notes.append(
            f"{files.labels.name} has {len(labels)} labels for {outputs} outputs and was not used."
        )
        return None
    return labels
