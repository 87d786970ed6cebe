"""The model that made a file of features, and the features that it gives for one more picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.api import load
from zoo.errors import ImageError, UnavailableError, UnknownModelError, UsageError
from zoo.input_spec import InputSpec
from zoo.loaded import LoadedModel
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import Rows
from zoo.transfer.feature_cache import Floats
from zoo.transfer.feature_file import weights_sha256
from zoo.transfer.features import Features, feature_batches

if TYPE_CHECKING:
    from zoo.registry.download import Progress

__all__ = ["model_of_features", "picture_features"]


def model_of_features(
    features: Features,
    model: str | Path | None = None,
    sources: Sequence[str] = (),
    progress: Progress | None = None,
) -> LoadedModel:
    """Load the model that made features; its preprocessing is the one they were made with.

    Parameters
    ----------
    features : what `zoo.transfer.feature_file.read_features` gave.
    model : where the model is, for features that do not say it or whose model has no source.
    sources, progress : see `zoo.load`.

    Raises
    ------
    UsageError
        When the features do not say which model made them and none is named, or the weights are
        others than those that made them.
    """
    made_by, expected = features.about.get("model"), features.about.get("model_sha256")
    name = model or made_by
    if not name:
        raise UsageError("the features do not say which model made them; name it with --model")
    try:
        found = load(name, sources, progress=progress)
    except UnknownModelError as error:
        raise UnavailableError(
            f"the features were made by {made_by!r}: {error} --model takes its directory, too."
        ) from error
    received = weights_sha256(found)
    if expected and received != expected:
        raise UsageError(
            f"the features were made by {made_by!r}, whose weights have the SHA-256 {expected};"
            f" those of {found.name!r} have {received}. Did you mean {made_by}? Name the model"
            " that made them with --model, or make the features anew with `zoo features`."
        )
    spec = features.about.get("preprocessing")
    return found if spec is None else replace(found, spec=InputSpec.from_mapping(spec, found.name))


def picture_features(
    model: LoadedModel, features: Features, blob: str, picture: str | Path
) -> Floats:
    """What a blob of `model` is for one picture, pooled as the features are.

    Raises
    ------
    ImageError
        When the picture cannot be read.
    UsageError
        When the model has no such blob.
    """
    path = Path(picture)
    one = Dataset(path, Rows("list", [path.name], lambda _: path), np.arange(1), None, ())
    pool = features.about.get("pool", "avg")
    (batch,) = feature_batches(model, one, [blob], pool)
    if batch.failures:
        raise ImageError(batch.failures[0][1])
    row: Floats = batch.arrays[blob][0]
    return row
