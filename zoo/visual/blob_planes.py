"""What a network makes of a picture, blob by blob."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.build.model import needed_layers
from zoo.build.predict import predictor
from zoo.errors import UsageError
from zoo.loaded import LoadedModel
from zoo.visual.model_input import input_of, loaded_model

__all__ = ["activations"]


def activations(
    model: LoadedModel | str | Path, image: Any, blob: str, *, device: str | None = None
) -> NDArray[np.float32]:
    """The values of a blob for one picture.

    Parameters
    ----------
    model : a loaded model, or what `zoo.load` takes.
    image : a path, the bytes of a file, a Pillow image, or a uint8 array, BGR.
    blob : the name of a blob.
    device : see `zoo.run`.

    Returns
    -------
    (channels, height, width), to be put in a `grid`; (channels,) where each channel is one value.

    Raises
    ------
    UsageError
        When there is no such blob; ImageError when the picture cannot be read.

    Examples
    --------
    >>> activations("lenet_digits", "examples/digits/two.png", "conv1").shape
    (8, 24, 24)
    >>> activations("lenet_digits", "examples/digits/two.png", "prob").shape
    (5,)
    """
    model = loaded_model(model)
    needed_layers(model.net, [blob])
    given = input_of(model, image)
    values = predictor(model.net, [blob], device)(given)[blob]
    if values.ndim < 2 or len(values) != 1:
        raise UsageError(
            f"blob {blob!r} has the shape {values.shape} for one picture, so it is not about"
            " pictures one by one. Take another blob; `zoo inspect` shows the shapes."
        )
    maps: NDArray[np.float32] = values[0]
    in_planes = maps.ndim > 2 and maps[0].size > 1
    return maps.reshape(-1, *maps.shape[-2:]) if in_planes else maps.ravel()
