"""Layers chosen by names with wildcards, as `fc*`, among those of one sort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from zoo.connect import Layer
from zoo.errors import UsageError, did_you_mean
from zoo.net import Net

__all__ = ["chosen_layers"]


def chosen_layers(
    net: Net, patterns: str | Sequence[str], fits: Callable[[Layer], bool], what: str
) -> list[Layer]:
    """The layers of a net that fit and whose names match a pattern, in order.

    Parameters
    ----------
    patterns : names of layers, with the wildcards of file names; one or several.
    fits : whether a layer is of the sort that is meant.
    what : that sort in words, for the error.

    Raises
    ------
    UsageError
        When a pattern matches no such layer, or there is none.

    Examples
    --------
    >>> import zoo
    >>> net = zoo.load("lenet_digits").net
    >>> [layer.name for layer in chosen_layers(net, "ip*", lambda layer: True, "layer")]
    ['ip1', 'ip2']
    """
    if not patterns:
        raise UsageError(f"layers: expected the name of a {what}, received none")
    known = {layer.name: layer for layer in net.layers if fits(layer)}
    found: set[str] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matched = [name for name in known if name == pattern or fnmatchcase(name, pattern)]
        if not matched:
            raise UsageError(
                f"no {what} is called {pattern!r}.{did_you_mean(pattern, known)}"
                f" There {'are' if known else 'is'} {', '.join(known) or 'none'}."
            )
        found.update(matched)
    return [layer for name, layer in known.items() if name in found]
