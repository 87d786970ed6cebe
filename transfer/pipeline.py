"""Batches of training data through tf.data: decoded, warped, cropped, augmented in parallel.

The work is done by the same functions that prepare a picture for `zoo classify`, bit for bit as
OpenCV and Caffe, in TensorFlow's threads. What is drawn at random for a row follows from the seed,
the number of the pass and the row, so that neither threads nor a resumed run change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError, ZooError
from zoo.input_spec import InputSpec
from zoo.preprocess import Preprocessor
from zoo.transfer.augment import Augment

if TYPE_CHECKING:
    from zoo.transfer.data import Dataset

__all__ = ["Pipeline"]

Floats = NDArray[np.float32]


class Pipeline:
    """Passes over a dataset; made by :meth:`zoo.transfer.data.Dataset.pipeline`.

    Iterating gives (inputs, labels), numpy arrays of shape (n, height, width, channels) and (n,) or
    (n, k), and raises what is wrong with a row as it is. Keras takes `tf_data`, inside `telling`.
    Each iteration of either is the next pass, beginning with number `epoch`. Without labels there
    are only inputs. `waited` is how many seconds of the last pass over this object its reader had
    to wait for data.
    """

    def __init__(
        self,
        data: Dataset,
        spec: InputSpec,
        *,
        batch_size: int,
        shuffle: bool,
        augment: Augment | None,
        seed: int,
        epoch: int,
    ) -> None:
        if batch_size < 1:
            raise UsageError(f"batch_size: expected 1 or more, received {batch_size}.")
        self.data, self.spec, self.epoch = data, spec, epoch
        self._batch_size, self._shuffle, self._seed = batch_size, shuffle, seed
        self._augment = augment
        self._prepare = Preprocessor(spec)
        self._finish = Preprocessor(replace(spec, resize=None))
        self._failure: ZooError | None = None
        self.waited = 0.0
        self._shape = data.rows.shape or (*spec.size, len(spec.mean))
        self.tf_data = self._build()

    def __len__(self) -> int:
        return -(-len(self.data) // self._batch_size)

    def __iter__(self) -> Iterator[Any]:
        self.waited = 0.0
        with self.telling():
            batches = self.tf_data.as_numpy_iterator()
            while True:
                asked = perf_counter()
                batch = next(batches, None)
                self.waited += perf_counter() - asked
                if batch is None:
                    return
                yield batch

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Raise what was wrong with a row, instead of what TensorFlow makes of it."""
        self._failure = None
        try:
            yield
        except Exception:
            if self._failure is None:
                raise
            raise self._failure from None

    def row(self, index: int, epoch: int = 0) -> Floats:
        """One row as it goes to the network, without TensorFlow.

        Returns
        -------
        float32 array of shape (height, width, channels).

        Raises
        ------
        ImageError
            When it cannot be decoded; names the row.
        """
        if not self.data.is_pictures:
            return np.asarray(self.data.read(index), np.float32)
        pixels = self.data.picture(index, gray=self.spec.channels == "GRAY")
        if self._augment is None:
            prepared: Floats = self._prepare(pixels)[0]
            return prepared
        rng = np.random.default_rng([self._seed, epoch, int(self.data.indices[index])])
        finished: Floats = self._finish(self._augment(pixels, self.spec, rng))[0]
        return finished

    def _order(self) -> NDArray[np.int64]:
        """Pairs of pass and row of the pass that begins."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = np.arange(len(self.data))
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permutation(order)
        return np.stack([np.full_like(order, epoch), order], axis=1)

    def _row(self, place: NDArray[np.int64]) -> Floats:
        try:
            return self.row(int(place[1]), int(place[0]))
        except ZooError as error:
            self._failure = self._failure or error
            raise

    def _build(self) -> Any:
        import tensorflow as tf

        labels = self.data.labels

        def load(place: Any) -> Any:
            inputs = tf.numpy_function(self._row, [place], tf.float32)
            inputs.set_shape(self._shape)
            return (inputs, tf.gather(known, place[1])) if known is not None else inputs

        def begin(_: Any) -> Any:
            order = tf.numpy_function(self._order, [], tf.int64)
            order.set_shape((None, 2))
            return tf.data.Dataset.from_tensor_slices(order)

        known = None if labels is None else tf.constant(labels)
        places = tf.data.Dataset.from_tensors(0).flat_map(begin)
        rows = places.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        batches = rows.batch(self._batch_size).prefetch(tf.data.AUTOTUNE)
        return batches.apply(tf.data.experimental.assert_cardinality(len(self)))
