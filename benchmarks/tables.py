"""Tables of results in Markdown, with what misses its aim marked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["against", "mark", "table"]


def against(ratio: float, aim: float | None) -> str:
    """A ratio, marked when there is an aim."""
    return f"{ratio:.2f}" + ("" if aim is None else mark(ratio <= aim))


def mark(met: bool) -> str:
    """What follows a figure that has an aim."""
    return "" if met else " **missed**"


def table(header: Iterable[Any], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
