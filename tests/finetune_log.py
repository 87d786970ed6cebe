"""Comparing the logs of two runs of fine-tuning."""

from __future__ import annotations

from typing import Any

__all__ = ["without_times"]

_TIMES = {"seconds", "images_per_second", "waited"}


def without_times(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records without what depends on the machine."""
    return [{key: record[key] for key in record.keys() - _TIMES} for record in log]
