"""What is exported: a network alone, or with its preprocessing before it and probabilities behind.

With preprocessing the exported graph has one input, `picture`, uint8 RGB of shape (n, any height,
any width, 3), and one output, `probabilities`, of shape (n, classes), in every format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from zoo.build.conventions import channels_last_axes
from zoo.build.free_sizes import is_spatially_free
from zoo.build.inputs import turned
from zoo.build.model import needed_layers, to_keras
from zoo.errors import ShapeError, UsageError
from zoo.input_spec import InputSpec
from zoo.net import Net
from zoo.preprocess import Preprocessor
from zoo.scores import score_blob, softmax
from zoo.tensorflow_import import import_tensorflow

__all__ = ["PICTURE", "PROBABILITIES", "Arrays", "Run", "Source", "Written", "caffe_axes"]

PICTURE, PROBABILITIES = "picture", "probabilities"
Arrays: TypeAlias = dict[str, np.ndarray]
Run: TypeAlias = Callable[[Mapping[str, np.ndarray]], Arrays]


@dataclass(frozen=True)
class Written:
    """What a writer says of its file: whether it takes pictures of any size, and other notes."""

    free_sizes: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A network and, if its preprocessing is to be part of the export, how pictures become input.

    Arrays go in and come out in Caffe's order under the names of blobs; pictures under `PICTURE`.
    """

    net: Net
    spec: InputSpec | None = None

    @classmethod
    def of(cls, net: Net, preprocess: Preprocessor | InputSpec | None) -> Source:
        """The source, checked: a picture must be what the network reads.

        Raises
        ------
        UsageError
            When the net has several inputs, no scores, or reads other pictures than the spec gives.
        """
        if preprocess is None:
            return cls(net)
        spec = preprocess.spec if isinstance(preprocess, Preprocessor) else preprocess
        score_blob(net)
        if len(net.inputs) != 1:
            raise UsageError(
                f"preprocessing can be part of an export where the network has one input;"
                f" {net.name!r} has {', '.join(net.inputs)}"
            )
        name, shape = next(iter(net.inputs.items()))
        wanted = (*shape[:1], len(spec.mean), *spec.size)
        try:
            return cls(net.reshape({name: wanted}), spec)
        except ShapeError as error:
            raise UsageError(
                f"the preprocessing gives {spec.channels} pictures of {spec.size[0]} x"
                f" {spec.size[1]}, the network reads {shape}: {error}"
            ) from error

    @cached_property
    def free_sizes(self) -> bool:
        """Whether the network takes pictures of any size."""
        layers = needed_layers(self.net, self.net.outputs)
        return self.spec is None and is_spatially_free(layers)

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs: the blobs that anything reads."""
        if self.spec is not None:
            return [PICTURE]
        layers = needed_layers(self.net, self.net.outputs)
        read = {bottom for layer in layers for bottom in layer.bottoms} | set(self.net.outputs)
        return [name for name in self.net.inputs if name in read]

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return self.net.outputs if self.spec is None else [PROBABILITIES]

    def scores(self) -> tuple[str, bool]:
        """The blob of class scores, and whether it holds probabilities already."""
        return score_blob(self.net)

    def model(self) -> Any:
        """The Keras model that computes it, with an input and an output of these names."""
        if self.spec is None:
            return to_keras(self.net)
        import_tensorflow()
        import keras

        from zoo.keras_layers.picture import PictureInput

        spec, (blob, ready) = self.spec, self.scores()
        picture = keras.Input((None, None, 3), dtype="uint8", name=PICTURE)
        prepare = PictureInput(
            spec.size,
            spec.channels,
            spec.mean,
            spec.scale,
            spec.resize or spec.size,
            name="preprocessing",
        )
        scores = to_keras(self.net, [blob])(prepare(picture))
        flat = keras.layers.Flatten(name="scores" if not ready else PROBABILITIES)(scores)
        last = flat if ready else keras.layers.Softmax(name=PROBABILITIES)(flat)
        return keras.Model(picture, {PROBABILITIES: last})

    def keras_inputs(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Inputs as the Keras model takes them."""
        if self.spec is not None:
            return dict(inputs)
        return {
            name: turned(array, channels_last_axes(array.shape)) for name, array in inputs.items()
        }

    def from_keras(self, outputs: Any) -> Arrays:
        """What the Keras model gives, in Caffe's order."""
        named = outputs if isinstance(outputs, dict) else {self.outputs[0]: outputs}
        arrays = {name: np.asarray(named[name]) for name in self.outputs}
        return {name: turned(array, caffe_axes(array.ndim)) for name, array in arrays.items()}

    def reference(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """What zoo computes for inputs, without any export."""
        from zoo.build.predict import predictor

        if self.spec is None:
            return predictor(self.net)(inputs)
        pictures = [picture[:, :, ::-1] for picture in inputs[PICTURE]]
        array = Preprocessor(self.spec).caffe(pictures)
        blob, ready = self.scores()
        scores = predictor(self.net, [blob])({next(iter(self.net.inputs)): array})[blob]
        scores = scores.reshape(len(scores), -1)
        return {PROBABILITIES: scores if ready else softmax(scores)}


def caffe_axes(rank: int) -> tuple[int, ...] | None:
    """The transposition back to Caffe's order, None if equal."""
    return (0, rank - 1, *range(1, rank - 1)) if rank in (4, 5) else None
