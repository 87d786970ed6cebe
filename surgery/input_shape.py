"""Pictures of another size or with other channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zoo.errors import UsageError, did_you_mean
from zoo.layers.kind import Shape
from zoo.net import Net
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import changed_shapes, check_whole, finished
from zoo.surgery.first_readers import first_readers, picture_input, rewrite_channels
from zoo.surgery.graph import Graph
from zoo.surgery.input_report import InputReport, input_report
from zoo.surgery.report import surgery_report
from zoo.surgery.source_shape import state_shape

__all__ = ["change_input"]

Array = np.ndarray
_WAYS = ("sum", "mean", "copy", "zero")


def change_input(
    net: Net,
    size: int | Sequence[int] | None = None,
    channels: int | None = None,
    how: str | None = None,
    *,
    blob: str | None = None,
) -> tuple[Net, InputReport]:
    """Let a net read pictures of another size or with other channels.

    Parameters
    ----------
    net : the network; it is not changed.
    size : height and width, or one number for both.
    channels : how many. With fewer, the filters of channels i, i + `channels`, ... are put
        together for channel i; with more, the old channels keep their filters.
    how : for fewer channels "sum" (the default: grey pictures count as ones with equal channels),
        "mean", or "copy" to take the first filter; for more "mean" (the default: the new channels
        get the mean of all filters), "copy" to repeat the old ones in turn, or "zero".
    blob : the input, where there are several.

    Returns
    -------
    The new net and the report, with every blob that has another shape now.

    Raises
    ------
    UsageError
        For a size, a number of channels or a way that makes no sense.
    NetError
        When a layer does not fit any more, as an InnerProduct for another size; it is named.

    Examples
    --------
    >>> import zoo
    >>> net, report = change_input(zoo.load("lenet_digits").net, channels=3, how="zero")
    >>> net.inputs, net.params["conv1"][0].shape
    ({'data': (1, 3, 28, 28)}, (8, 3, 5, 5))
    """
    operation = call_text("change_input", size=size, channels=channels, how=how, blob=blob)
    graph = Graph(net, net.outputs)
    source, value = picture_input(graph, blob)
    old: Shape = value.shape or ()
    wanted = (old[0], _channels(channels, old), *_size(size, old))
    notes, earlier, preserving = [], None, wanted == old
    if wanted[1] != old[1]:
        way = _way(how, old[1], wanted[1])
        share = mixed(old[1], wanted[1], way)
        for node in first_readers(graph, value):
            rewrite_channels(
                node, wanted[1], lambda blocks: np.einsum("nc,ocx->onx", share, blocks)
            )
        earlier = _as_before(old[1], wanted[1], way)
        preserving = earlier is not None and wanted[2:] == old[2:]
        notes.append(_rule(old[1], wanted[1], way))
    elif how is not None:
        raise UsageError("how: says what becomes of the channels, so give another number of them")
    notes += state_shape(source, value, wanted)
    changed = finished(graph, operation)
    notes += changed_shapes(net, changed)
    report = surgery_report(operation, net, changed, preserving=preserving, notes=notes)
    return changed, input_report(report, value.blob, earlier)


def mixed(old: int, new: int, how: str) -> Array:
    """How much each new channel (row) takes of the filters of each old one (column).

    >>> mixed(3, 2, "sum").tolist()
    [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    >>> mixed(2, 3, "mean").tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    """
    kept = np.eye(new, old)
    if how in ("copy", "zero"):
        return np.eye(old)[np.arange(new) % old] if how == "copy" and new > old else kept
    if new > old:
        kept[old:] = 1 / old
        return kept
    added = np.eye(new)[:, np.arange(old) % new]
    return added if how == "sum" else added / added.sum(axis=1, keepdims=True)


def _size(size: int | Sequence[int] | None, old: Shape) -> Shape:
    if size is None:
        return old[2:]
    sides = (size,) * len(old[2:]) if isinstance(size, int) else tuple(size)
    if len(sides) != len(old[2:]):
        raise UsageError(
            f"size: expected one number, or {len(old[2:])} as in {list(old[2:])}, received {size!r}"
        )
    for side in sides:
        check_whole("size", side, 1)
    return sides


def _channels(channels: int | None, old: Shape) -> int:
    if channels is None:
        return old[1]
    check_whole("channels", channels, 1)
    return channels


def _way(how: str | None, old: int, new: int) -> str:
    fewer = new < old
    if how is None:
        return "sum" if fewer else "mean"
    if how not in _WAYS:
        raise UsageError(
            f"how: expected {', '.join(_WAYS)}, received {how!r}.{did_you_mean(str(how), _WAYS)}"
        )
    if how == ("zero" if fewer else "sum"):
        raise UsageError(
            f"how: {how!r} makes no sense from {old} to {new} channels; expected"
            f" {'sum, mean or copy' if fewer else 'mean, copy or zero'}"
        )
    return how


def _as_before(old: int, new: int, how: str) -> Callable[[Array], Array] | None:
    """From a picture of the new channels to one of the old that gives the same, if there is one."""
    if how == "sum":
        return lambda picture: picture[:, np.arange(old) % new]
    if how == "zero":
        return lambda picture: picture[:, :old]
    return None


def _rule(old: int, new: int, how: str) -> str:
    said = {
        "sum": "the filters of old channels that are one now were added",
        "mean": "the filters of old channels that are one now were averaged"
        if new < old
        else "new channels have the mean of the old filters",
        "copy": f"the filters of the first {new} were kept"
        if new < old
        else "new channels repeat the old filters in turn",
        "zero": "new channels have filters of zeros",
    }[how]
    return f"from {old} to {new} channels: {said}"
