"""What a watcher knows of a run so far; the rules read it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from zoo.transfer.watch.look import Input, Look
from zoo.transfer.watch.subject import Subject

__all__ = ["Course", "Labels", "Point"]

_LATEST = 100
_EARLY = 10
_LOOKS = 4


@dataclass(frozen=True)
class Point:
    """Losses, and accuracies where they are known, on rows to train on and on others."""

    iteration: int
    train_loss: float
    loss: float
    train_accuracy: float | None = None
    accuracy: float | None = None


@dataclass
class Labels:
    """The labels that came by.

    Attributes
    ----------
    counts : by class.
    batches, uniform : batches of several rows, and those of them in which all labels are equal.
    """

    counts: np.ndarray
    batches: int = 0
    uniform: int = 0

    def take(self, labels: np.ndarray) -> None:
        """Count those of a batch; what is no class is left out."""
        flat = np.asarray(labels).ravel().astype(np.int64)
        flat = flat[(flat >= 0) & (flat < len(self.counts))]
        self.counts += np.bincount(flat, minlength=len(self.counts))
        if len(flat) >= 4:
            self.batches += 1
            self.uniform += int((flat == flat[0]).all())

    @property
    def entropy(self) -> float:
        """The loss of a net that knows nothing but how often each class comes."""
        shares = self.counts[self.counts > 0] / max(self.counts.sum(), 1)
        return float(-(shares * np.log(shares)).sum())


@dataclass
class Course:
    """A run, or a stage of one.

    Attributes
    ----------
    subject : the network.
    labels : those that came by; None where no classes are told apart.
    balanced : whether rare classes count more.
    iteration : of the last loss.
    first : the first loss.
    early, losses : the first ones, and the latest.
    count : how many there were.
    first_look, looks : the first look, and the latest.
    inputs : of the first batch.
    points : what was found on validation rows.
    """

    subject: Subject
    labels: Labels | None = None
    balanced: bool = False
    iteration: int = 0
    first: float = math.nan
    early: list[float] = field(default_factory=list)
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=_LATEST))
    count: int = 0
    first_look: Look | None = None
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=_LOOKS))
    inputs: list[Input] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def take_loss(self, iteration: int, loss: float) -> None:
        """Add the loss of an iteration."""
        if not self.count:
            self.first = loss
        if self.count < _EARLY:
            self.early.append(loss)
        self.iteration = iteration
        self.losses.append(loss)
        self.count += 1

    def take_look(self, look: Look) -> None:
        """Add a look."""
        self.first_look = self.first_look or look
        self.looks.append(look)

    def latest(self, number: int) -> np.ndarray:
        """The latest losses, so many or fewer."""
        return np.array(list(self.losses)[-number:])

    def fresh_head(self) -> bool:
        """Whether the classifier began with random weights."""
        main = self.subject.main
        return main is not None and main.layer in self.subject.fresh

    def is_falling(self) -> bool:
        """Whether the loss has come down, or is far below that of a net that knows nothing."""
        recent, early = float(self.latest(20).mean()), float(np.mean(self.early))
        expected = self.subject.expected
        return recent < 0.9 * early or (expected is not None and recent < 0.5 * expected)
