"""Pictures of a run as PNG: curves, the confusion matrix, calibration.

No window system is needed: figures are drawn by Matplotlib's Agg alone. Names of classes are drawn
as they are, never read as formulas.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.transfer.run_report.charts import Chart

if TYPE_CHECKING:
    from zoo.transfer.evaluate import Evaluation

__all__ = ["draw_calibration", "draw_chart", "draw_confusion"]

_MOST_NAMED = 40
_MOST_NUMBERED = 20


def draw_chart(chart: Chart) -> bytes:
    """A PNG of the curves."""
    figure = _figure(6.4, 3.6)
    axes = figure.add_subplot()
    for number, line in enumerate(chart.lines):
        colour = f"C{number % 10}"
        for index, part in enumerate(line.parts):
            x, y = zip(*part, strict=True)
            marker = "o" if len(part) < 3 else ""
            axes.plot(x, y, marker=marker, color=colour, linewidth=1.4, markersize=3)
            if not index:
                axes.lines[-1].set_label(_plain(line.label))
    for name, level in chart.levels:
        axes.axhline(level, color="0.5", linewidth=1, linestyle="--")
        place = {"xy": (1, level), "xycoords": ("axes fraction", "data")}
        axes.annotate(f" {name}", **place, va="center", fontsize=8, parse_math=False)
    for start in chart.starts:
        axes.axvline(start, color="0.6", linewidth=1, linestyle=":")
    axes.set_title(chart.title, parse_math=False)
    axes.set_xlabel(chart.x)
    axes.set_ylabel(chart.y)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return _png(figure)


def draw_confusion(evaluation: Evaluation) -> bytes:
    """A PNG of how often each class was said to be each, as shares of the rows of a class."""
    counts = np.array(evaluation.confusion)
    names = [each.label for each in evaluation.classes]
    size = min(9.0, 2.6 + 0.34 * len(names))
    figure = _figure(size + 0.8, size)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(picture, ax=axes, label="share of the class", shrink=0.8)
    if len(names) <= _MOST_NAMED:
        for axis, rotation in ((axes.xaxis, 90), (axes.yaxis, 0)):
            axis.set_ticks(range(len(names)))
            axis.set_ticklabels(_shortened(names), rotation=rotation, parse_math=False)
    if len(names) <= _MOST_NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.5 else "black"
                place = {"ha": "center", "va": "center", "fontsize": 8}
                axes.text(column, row, str(count), color=colour, **place)
    axes.set_xlabel("said")
    axes.set_ylabel("is")
    return _png(figure)


def draw_calibration(evaluation: Evaluation) -> bytes:
    """A PNG of accuracy by confidence: right on the diagonal, where said and true agree."""
    bins = evaluation.calibration
    figure = _figure(4.4, 4.4)
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color="0.6", linewidth=1, linestyle="--")
    most = max(each.count for each in bins)
    axes.bar(
        [each.confidence for each in bins],
        [each.accuracy for each in bins],
        width=0.06,
        color=[(0.2, 0.45, 0.7, 0.25 + 0.75 * each.count / most) for each in bins],
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    axes.set_title(f"calibration error (ECE) {evaluation.calibration_error:.3f}")
    return _png(figure)


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # Scripts that the font does not have show as boxes; the tables have them as text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _plain(label: str) -> str:
    """A label of a legend, where formulas cannot be switched off and a leading _ hides it."""
    return label.replace("$", r"\$") if not label.startswith("_") else f" {label}"


def _shortened(names: Sequence[str]) -> list[str]:
    return [name if len(name) <= 24 else f"{name[:23]}…" for name in names]
