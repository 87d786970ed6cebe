"""Training rows as a stage wants them: shuffled, augmented, weighted by class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.input_spec import InputSpec
from zoo.surgery.head import Head
from zoo.transfer.augment import Augment
from zoo.transfer.data import Dataset
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
    """

    head: Head
    spec: InputSpec
    train: Dataset
    seed: int

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
        return (batch for _ in range(passes) for batch in pipeline), passes * per_pass

    def class_weights(self, stage: Stage) -> NDArray[np.float32]:
        """How much a row of each class counts; 1 on average."""
        counts = np.maximum(self.train.class_counts, 1)
        if not stage.balance:
            return np.ones(len(counts), np.float32)
        return (len(self.train) / (len(counts) * counts)).astype(np.float32)
