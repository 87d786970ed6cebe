"""The colours of a drawing."""

from __future__ import annotations

from zoo.visual.scheme import Box

__all__ = ["BORDER", "CHANGED", "fill_of"]

BORDER = "#404040"
CHANGED = "#c2185b"


def fill_of(box: Box) -> str:
    """Grey where nothing is learned any more, orange where faster, blue else, white without."""
    if box.rate is None:
        return "#ffffff"
    if box.frozen:
        return "#d0d0d0"
    return "#ffd9a0" if box.faster else "#d6e6f7"
