"""Pictures and figures into PNG files, without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.caffe.replacing import check_target, replacing
from zoo.errors import UsageError
from zoo.resize import Bytes
from zoo.visual.grid import enlarged
from zoo.visual.place import Place

__all__ = ["Panel", "check_png", "write_panels", "write_png", "write_points", "write_vector"]

_MOST_NAMED = 40  # more names do not fit beside a figure


@dataclass(frozen=True)
class Panel:
    """One of several pictures beside each other.

    Attributes
    ----------
    title : above it.
    picture : (height, width, 3) uint8, RGB; None for the heat alone.
    heat : (rows, columns) over all of the picture, or None; the scale is shown beside it.
    place : a frame in it, or None.
    """

    title: str
    picture: Bytes | None
    heat: NDArray[Any] | None = None
    place: Place | None = None


def check_png(path: str | Path) -> Path:
    """Refuse, before any work, what is no name of a PNG in a folder that is there."""
    return check_target(path, (".png",))


def write_png(path: str | Path, picture: Bytes) -> None:
    """Write a picture, (height, width) or (height, width, 3) RGB; a small one enlarged."""
    from PIL import Image

    with replacing(check_png(path)) as partial:
        Image.fromarray(enlarged(picture)).save(partial, format="PNG")


def write_vector(path: str | Path, values: NDArray[Any], name: str) -> None:
    """A vector as Caffe's notebook shows it: its values, and below a histogram of those above 0."""
    figure = _figure((8.0, 6.0))
    flat = np.asarray(values, np.float64).ravel()
    if not np.isfinite(flat).all():
        raise UsageError(
            f"{name}: {(~np.isfinite(flat)).sum()} of {flat.size} values are not finite"
        )
    upper, lower = figure.subplots(2, 1)
    upper.plot(flat, linewidth=0.8)
    upper.set_title(name, parse_math=False)
    positive = flat[flat > 0]
    lower.hist(positive if positive.size else flat, bins=100)
    lower.set_title("values above 0" if positive.size else "values")
    _save(figure, path)


def write_panels(path: str | Path, panels: Sequence[Panel]) -> None:
    """Write pictures beside each other, with what lies over them."""
    from matplotlib.patches import Rectangle

    figure = _figure((4.2 * len(panels), 4.2))
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.set_title(panel.title, parse_math=False, fontsize=10, wrap=True)
        axes.set_axis_off()
        if panel.picture is not None:
            axes.imshow(panel.picture)
        if panel.heat is not None:
            height, width = panel.heat.shape if panel.picture is None else panel.picture.shape[:2]
            shown = axes.imshow(
                panel.heat,
                cmap="viridis" if panel.picture is None else "jet",
                alpha=1.0 if panel.picture is None else 0.5,
                extent=(-0.5, width - 0.5, height - 0.5, -0.5),
                interpolation="nearest" if panel.picture is None else "bilinear",
            )
            figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.04)
        if panel.place is not None:
            corner = (panel.place.left - 0.5, panel.place.top - 0.5)
            size = (panel.place.width, panel.place.height)
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="white", linewidth=2))
    _save(figure, path)


def write_points(path: str | Path, points: NDArray[Any], groups: Sequence[str], title: str) -> None:
    """Points of a plane, (n, 2), coloured by the group of each; "" for a point of none."""
    figure = _figure((9.0, 7.0))
    axes = figure.subplots()
    axes.set_title(title, parse_math=False, fontsize=10, wrap=True)
    axes.set(xticks=(), yticks=(), aspect="equal")
    names, numbers = np.unique(np.asarray(groups, str), return_inverse=True)
    colours = _colours(len(names))
    order = np.random.default_rng(0).permutation(len(points))  # no group lies over all others
    axes.scatter(*points[order].T, s=14, c=colours[numbers[order]], linewidths=0)
    if names.tolist() != [""] and len(names) <= _MOST_NAMED:
        handles = [axes.scatter((), (), s=24, color=colour) for colour in colours]
        # Set afterwards: a label that begins with an underscore would be left out.
        legend = figure.legend(handles, [" "] * len(names), loc="outside right upper")
        for text, name in zip(legend.get_texts(), names, strict=True):
            text.set(parse_math=False, text=name if len(name) <= 30 else f"{name[:29]}…")
    _save(figure, path)


def _colours(count: int) -> NDArray[Any]:
    """(count, 4) colours that are as far apart as so many can be."""
    from matplotlib import colormaps

    if count <= 20:
        return np.asarray(colormaps["tab10" if count <= 10 else "tab20"](range(count)))
    return np.asarray(colormaps["gist_rainbow"](np.linspace(0, 1, count)))


def _figure(size: tuple[float, float]) -> Any:
    """A figure that no window will ever show."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: str | Path) -> None:
    with replacing(check_png(path)) as partial:
        figure.savefig(partial, format="png", dpi=100)
