"""What a watcher says of a training run: what is wrong, where, by which numbers, and what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a run.

    Attributes
    ----------
    name : what it is called, see docs/diagnosis.md.
    text : what was seen, in a sentence.
    remedies : what to do, what helps most often first.
    iteration : updates that were made before it was seen.
    where : the layer, or the first of several; empty where it is no layer's.
    numbers : what was measured.
    size : how bad it is; only a finding that has grown is told again.
    stage : the stage of a fine-tuning, if it is one.

    Examples
    --------
    >>> found = Finding("diverging", "The loss is nan.", ("Lower the rate.",), 7, "conv1")
    >>> Finding.from_record(found.to_record()) == found
    True
    >>> print(found)
    Iteration 7: The loss is nan.
      1. Lower the rate.
    """

    name: str
    text: str
    remedies: tuple[str, ...]
    iteration: int
    where: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    size: float = 1.0
    stage: str = ""

    def __str__(self) -> str:
        when = f"{self.stage}, iteration" if self.stage else "Iteration"
        steps = (f"\n  {number}. {each}" for number, each in enumerate(self.remedies, 1))
        return f"{when} {self.iteration}: {self.text}{''.join(steps)}"

    def to_record(self) -> dict[str, Any]:
        """A record of a run's log; numbers that JSON lacks become None."""
        return {
            "finding": self.name,
            "iteration": self.iteration,
            "where": self.where,
            "text": self.text,
            "remedies": list(self.remedies),
            "numbers": {name: _plain(value) for name, value in self.numbers.items()},
            "size": self.size,
            **({"stage": self.stage} if self.stage else {}),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Finding:
        """The finding that a record tells of."""
        return cls(
            str(record["finding"]),
            str(record.get("text", "")),
            tuple(record.get("remedies", ())),
            int(record.get("iteration", 0)),
            str(record.get("where", "")),
            dict(record.get("numbers", {})),
            float(record.get("size", 1.0)),
            str(record.get("stage", "")),
        )


def _plain(value: float) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None
