"""The report of an operation after which a net wants other pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from zoo.surgery.report import SurgeryReport

__all__ = ["InputReport", "input_report"]


@dataclass(kw_only=True)
class InputReport(SurgeryReport):
    """What was done, and what the old net has to be given to compute the same.

    Attributes
    ----------
    blob : the input.
    """

    blob: str
    _earlier: Callable[[np.ndarray], np.ndarray] | None = None

    def earlier_input(self, picture: np.ndarray) -> np.ndarray:
        """What the old net has to be given to compute what the new one does of `picture`.

        `preserving` is about these two. Arrays are (N, C, H, W).
        """
        return picture if self._earlier is None else self._earlier(picture)


def input_report(
    report: SurgeryReport, blob: str, earlier: Callable[[np.ndarray], np.ndarray] | None
) -> InputReport:
    """The same report, with the way from new pictures to old ones."""
    known: dict[str, Any] = {field.name: getattr(report, field.name) for field in fields(report)}
    return InputReport(**known, blob=blob, _earlier=earlier)
