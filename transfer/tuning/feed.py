"""Training rows as a stage wants them: shuffled, augmented, weighted by class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.input_spec import InputSpec
from zoo.surgery.head import Head
from zoo.transfer.augment import Augment
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import PartProgress, nothing
from zoo.transfer.plan import Stage

__all__ = ["Feed"]

_LEAST_STEPS = 16  # of an epoch: few rows are passed through several times


@dataclass
class Feed:
    """What is trained on, for which classifier.

    Attributes
    ----------
    head : the classifier.
    spec : how pictures become inputs.
    train : the rows.
    seed : of all chance.
    progress : called with what is done now, how many batches of it, and of how many.
    """

    head: Head
    spec: InputSpec
    train: Dataset
    seed: int
    progress: PartProgress = field(default=nothing, kw_only=True)

    def epoch(self, stage: Stage, number: int) -> tuple[Iterator[Any], int]:
        """Batches to train on, and how many."""
        augment = Augment(stage.mirror, stage.crop, stage.scale, stage.colour)
        plain = not (stage.mirror or stage.crop or stage.colour or stage.scale != (1.0, 1.0))
        per_pass = -(-len(self.train) // stage.batch_size)
        passes = -(-_LEAST_STEPS // per_pass)
        pipeline = self.train.pipeline(
            self.spec,
            batch_size=stage.batch_size,
            shuffle=True,
            augment=None if plain else augment,
            seed=self.seed,
            epoch=number * passes,
        )
        batches, length = (batch for _ in range(passes) for batch in pipeline), passes * per_pass
        what = f"{stage.name}, epoch {number + 1} of {stage.epochs}"
        return self.counted(batches, length, what), length

    def counted(self, batches: Iterable[Any], length: int, what: str) -> Iterator[Any]:
        """The same batches; what is done with them is told while it is."""
        for done, batch in enumerate(batches):
            self.progress(what, done, length)
            yield batch
        self.progress(what, length, length)

    def class_weights(self, stage: Stage) -> NDArray[np.float32]:
        """How much a row of each class counts; 1 on average."""
        counts = np.maximum(self.train.class_counts, 1)
        if not stage.balance:
            return np.ones(len(counts), np.float32)
        return (len(self.train) / (len(counts) * counts)).astype(np.float32)
