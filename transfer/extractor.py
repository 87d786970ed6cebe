"""A network as a scikit-learn transformer: pictures in, features out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from zoo.exports.engine import predictor_by
from zoo.loaded import LoadedModel
from zoo.transfer.features import check_blobs, loaded, pooled

__all__ = ["FeatureExtractor"]


class FeatureExtractor(TransformerMixin, BaseEstimator):
    """Blobs of a model as features, for a scikit-learn Pipeline.

    Parameters
    ----------
    model : what `zoo.load` takes, or a loaded model. A name or a path is loaded when it is first
        needed, and keeps clones and pickles small.
    blobs : the name of a blob, or of several, whose features are put beside each other.
    pool : over the plane of each blob: "avg", "max" or "none".
    batch_size : pictures in a forward pass.
    engine, device : see `zoo.run`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> pipeline = make_pipeline(
    ...     FeatureExtractor("lenet_digits", "ip1"), LogisticRegression()
    ... )
    >>> pictures = [np.full((28, 28), value, np.uint8) for value in (0, 10, 200, 250)]
    >>> pipeline.fit(pictures, ["dark", "dark", "light", "light"]).predict(pictures).tolist()
    ['dark', 'dark', 'light', 'light']
    """

    def __init__(
        self,
        model: LoadedModel | str | Path,
        blobs: str | Sequence[str],
        pool: str = "avg",
        batch_size: int = 32,
        engine: str = "tensorflow",
        device: str | None = None,
    ) -> None:
        self.model = model
        self.blobs = blobs
        self.pool = pool
        self.batch_size = batch_size
        self.engine = engine
        self.device = device

    def fit(self, X: Any = None, y: Any = None) -> FeatureExtractor:
        """Nothing is learned; says at once what is wrong with the arguments."""
        check_blobs(self._model(), self._names(), self.pool)
        return self

    def transform(self, X: Sequence[Any]) -> NDArray[np.float32]:
        """Features of pictures: paths, bytes of files, Pillow images or uint8 arrays.

        Returns
        -------
        float32 array of shape (n, features).

        Raises
        ------
        ImageError
            When a picture cannot be read: every row needs its features.
        """
        model, names = self._model(), self._names()
        check_blobs(model, names, self.pool)
        run = predictor_by(self.engine, model.net, list(dict.fromkeys(names)), self.device)
        source = next(iter(model.net.inputs))
        parts = []
        for start in range(0, len(X), self.batch_size):
            batch = model.preprocess(list(X[start : start + self.batch_size]))
            outputs = run.predict({source: batch})
            rows = [pooled(outputs[name], self.pool).reshape(len(batch), -1) for name in names]
            parts.append(np.concatenate(rows, axis=1))
        return np.concatenate(parts) if parts else np.empty((0, self._width(model)), np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """What each column is: BLOB_0, BLOB_1, ..."""
        names = [
            f"{name}_{column}"
            for name in self._names()
            for column in range(self._columns(self._model(), name))
        ]
        return np.array(names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        """There is nothing to fit."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        """The parameters; a model that was loaded by name is loaded again."""
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_loaded", None)
        return state

    def _names(self) -> list[str]:
        return [self.blobs] if isinstance(self.blobs, str) else list(self.blobs)

    def _model(self) -> LoadedModel:
        if isinstance(self.model, LoadedModel):
            return self.model
        known = getattr(self, "_loaded", None)
        if known is None or known[0] != self.model:
            self._loaded = known = (self.model, loaded(self.model))
        return known[1]

    def _columns(self, model: LoadedModel, name: str) -> int:
        shape = model.net.blobs[name] or (0, 0)
        return int(np.prod(shape[1:] if self.pool == "none" else shape[1:2]))

    def _width(self, model: LoadedModel) -> int:
        return sum(self._columns(model, name) for name in self._names())
