"""How findings speak of numbers and layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["listed", "percent", "said"]

_MOST = 4


def listed(names: Sequence[str]) -> str:
    """Names between commas, not too many of them.

    >>> listed(["a", "b"]), listed(list("abcdef"))
    ('a, b', 'a, b, c, d and 2 more')
    """
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def said(numbers: Mapping[str, float], style: str = ".2g") -> str:
    """Layers with their numbers.

    >>> said({"conv1": 0.5, "conv2": 0.25}, ".0%")
    'conv1 (50%), conv2 (25%)'
    """
    return listed([f"{name} ({value:{style}})" for name, value in numbers.items()])


def percent(share: float) -> str:
    """A share as people say it.

    >>> percent(0.956), percent(1.0)
    ('96 %', '100 %')
    """
    return f"{share:.0%}".replace("%", " %")
