"""Curves for TensorBoard. Only TensorFlow writes them; TensorBoard itself need not be there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["EventsFile"]


class EventsFile:
    """A file of events in a folder; `close` it before the folder is moved."""

    def __init__(self, folder: Path) -> None:
        from zoo.tensorflow_import import import_tensorflow

        import_tensorflow()
        import tensorflow as tf

        self._tf = tf
        self._writer: Any = tf.summary.create_file_writer(str(folder))
        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = "scalars"
        metadata.data_class = 1  # DATA_CLASS_SCALAR; without it TensorBoard takes them for tensors
        self._metadata = metadata

    def add(self, values: Mapping[str, float | None], step: int) -> None:
        """Write numbers of one step; those that are no numbers are left out."""
        finite = {n: v for n, v in values.items() if v is not None and math.isfinite(v)}
        with suppress(self._tf.errors.OpError), self._writer.as_default():  # a full disk, mostly
            for name, value in finite.items():
                tensor = self._tf.constant(float(value), self._tf.float32)
                self._tf.summary.write(name, tensor, step=step, metadata=self._metadata)
            self._writer.flush()

    def close(self) -> None:
        """End the file."""
        with suppress(self._tf.errors.OpError):
            self._writer.close()
