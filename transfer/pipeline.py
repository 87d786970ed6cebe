"""Batches of training data: decoded, warped, cropped, augmented in parallel, ahead of their use.

The work is done by the same functions that prepare a picture for `zoo classify`, bit for bit as
OpenCV and Caffe, in threads: Pillow and numpy let others run while they compute. TensorFlow's own
operations would be slower at this arithmetic. What is drawn at random for a row follows from the
seed, the number of the pass and the row, so that neither threads nor a resumed run change it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError, ZooError
from zoo.input_spec import InputSpec
from zoo.preprocess import Preprocessor
from zoo.resize import Bytes
from zoo.transfer.augment import Augment
from zoo.transfer.databases.ahead import ahead
from zoo.transfer.databases.parallel import in_order

if TYPE_CHECKING:
    from zoo.transfer.data import Dataset

__all__ = ["Pipeline"]

Floats = NDArray[np.float32]


class Pipeline:
    """Passes over a dataset; made by :meth:`zoo.transfer.data.Dataset.pipeline`.

    Iterating gives (inputs, labels), numpy arrays of shape (n, height, width, channels) and (n,) or
    (n, k), and raises what is wrong with a row as it is. Keras takes `tf_data`, inside `telling`.
    Each iteration of either is the next pass, beginning with number `epoch`. Without labels there
    are only inputs. `waited` is how many seconds of the last pass its reader had to wait for data.
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
        self._straight = Preprocessor(replace(spec, resize=None))
        self._failure: ZooError | None = None
        self._shape = data.rows.shape or (*spec.size, len(spec.mean))
        self.waited = 0.0

    def __len__(self) -> int:
        return -(-len(self.data) // self._batch_size)

    def __iter__(self) -> Iterator[Any]:
        self.waited = 0.0
        with closing(ahead(self._batches(self._order()))) as batches:
            while True:
                asked = perf_counter()
                batch = next(batches, None)
                self.waited += perf_counter() - asked
                if batch is None:
                    return
                yield batch

    @cached_property
    def tf_data(self) -> Any:
        """The same as a `tf.data.Dataset`."""
        import tensorflow as tf

        signature: Any = tf.TensorSpec((None, *self._shape), tf.float32)
        if self.data.labels is not None:
            labels = self.data.labels
            signature = (signature, tf.TensorSpec((None, *labels.shape[1:]), labels.dtype))
        batches = tf.data.Dataset.from_generator(self._noting, output_signature=signature)
        return batches.apply(tf.data.experimental.assert_cardinality(len(self)))

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
            return self._values(index)
        finished: Floats = self._prepare.finished([self._cut(index, epoch)])[0]
        return finished

    def _values(self, index: int) -> Floats:
        return np.asarray(self.data.read(index), np.float32)

    def _cut(self, index: int, epoch: int) -> Bytes:
        """A picture of the input's size, before mean and scale."""
        pixels = self.data.picture(index, gray=self.spec.channels == "GRAY")
        if self._augment is None:
            return self._prepare.central(pixels)
        rng = np.random.default_rng([self._seed, epoch, int(self.data.indices[index])])
        return self._straight.central(self._augment(pixels, self.spec, rng))

    def _order(self) -> NDArray[np.int64]:
        """Pairs of pass and row of the pass that begins."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = np.arange(len(self.data))
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permutation(order)
        return np.stack([np.full_like(order, epoch), order], axis=1)

    def _batches(self, order: NDArray[np.int64]) -> Iterator[Any]:
        """The batches of a pass."""
        rows: Iterator[Any] = in_order(self._row, order, 2 * self._batch_size)
        for start in range(0, len(order), self._batch_size):
            places = order[start : start + self._batch_size, 1]
            some = list(islice(rows, len(places)))
            inputs = self._prepare.finished(some) if self.data.is_pictures else np.stack(some)
            yield inputs if self.data.labels is None else (inputs, self.data.labels[places])

    def _row(self, place: NDArray[np.int64]) -> Floats | Bytes:
        epoch, index = map(int, place)
        return self._cut(index, epoch) if self.data.is_pictures else self._values(index)

    def _noting(self) -> Iterator[Any]:
        try:
            yield from self
        except ZooError as error:
            self._failure = error
            raise
