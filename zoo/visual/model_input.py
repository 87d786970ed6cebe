"""One picture as a model is given it, and as a person would see that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.api import load
from zoo.errors import UsageError
from zoo.input_spec import InputSpec
from zoo.loaded import LoadedModel
from zoo.resize import Bytes

__all__ = ["as_seen", "input_of", "loaded_model"]


def loaded_model(model: LoadedModel | str | Path) -> LoadedModel:
    """The model itself, or the one of that name; it must take pictures and nothing else.

    Raises
    ------
    UsageError
        When it has several inputs, or nothing says how a picture becomes its input.
    """
    model = model if isinstance(model, LoadedModel) else load(model)
    if len(model.net.inputs) != 1:
        raise UsageError(
            f"{model.name} has the inputs {', '.join(model.net.inputs)}; pictures are made with"
            " models of one input"
        )
    return model


def input_of(model: LoadedModel, image: Any) -> dict[str, NDArray[np.float32]]:
    """The input blob for one picture, in Caffe's order (1, channels, height, width)."""
    return {next(iter(model.net.inputs)): model.preprocess.caffe([image])}


def as_seen(batch: NDArray[Any], spec: InputSpec) -> Bytes:
    """Inputs as pictures again: without mean and scale, (n, height, width, 3), RGB.

    Parameters
    ----------
    batch : (n, channels, height, width), as `spec` makes it.

    Examples
    --------
    >>> from zoo.preprocess import Preprocessor
    >>> spec = InputSpec((1, 1), "BGR", mean=(104, 117, 123), scale=0.017)
    >>> blue = np.array([[[250, 20, 10]]], np.uint8)
    >>> as_seen(Preprocessor(spec).caffe([blue]), spec).tolist()
    [[[[10, 20, 250]]]]
    """
    pixels = np.moveaxis(np.asarray(batch, np.float64), 1, -1) / (spec.scale or 1) + spec.mean
    bytes_ = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    if spec.channels == "GRAY":
        return np.repeat(bytes_, 3, axis=-1)
    return np.ascontiguousarray(bytes_[..., ::-1]) if spec.channels == "BGR" else bytes_
