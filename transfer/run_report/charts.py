"""What is drawn as curves: a fine-tuning run by stage and epoch, Caffe's training by iteration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.transfer.run_report.history import History, Point

__all__ = ["Chart", "Line", "history_charts", "stage_charts"]

Record = Mapping[str, Any]
Places = tuple[tuple[float, float], ...]

_MOST_LINES = 16


@dataclass(frozen=True)
class Line:
    """A curve; `parts` that do not hang together share its colour."""

    label: str
    parts: tuple[Places, ...]


@dataclass(frozen=True)
class Chart:
    """Some curves over one axis.

    Attributes
    ----------
    name : of the file of its picture.
    title, x, y : what is written on it.
    lines : the curves.
    levels : what the curves are compared with, drawn across.
    starts : where training was begun again, drawn upright.
    """

    name: str
    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    levels: tuple[tuple[str, float], ...] = ()
    starts: tuple[float, ...] = ()

    @property
    def summary(self) -> str:
        """The chart in words, for those who do not see it."""
        ends = [
            f"{line.label} {line.parts[-1][-1][1]:.4g}"
            for line in self.lines
            if line.parts and line.parts[-1]
        ]
        return f"{self.title}: curves of {self.y} by {self.x}; at the end {', '.join(ends)}"


def stage_charts(log: Sequence[Record], levels: Mapping[str, float]) -> list[Chart]:
    """Loss, accuracy and rate of each stage that has more than one epoch.

    Parameters
    ----------
    log : the records of the epochs.
    levels : accuracies to compare with, by name; that of a stage is not drawn across itself.
    """
    charts: list[Chart] = []
    for number, stage in enumerate(dict.fromkeys(each["stage"] for each in log), 1):
        records = [each for each in log if each["stage"] == stage]
        if len(records) < 2:
            continue
        others = tuple((name, value) for name, value in levels.items() if name != stage)
        for key, title, own_levels in (
            ("loss", "loss", ()),
            ("accuracy", "accuracy", others),
            ("factor", "rates", ()),
        ):
            labels = {key: "training", f"val_{key}": "validation"}
            if key == "factor":
                labels = {key: "rates are multiplied by"}
            lines = [_line(label, records, "epoch", name) for name, label in labels.items()]
            known = tuple(line for line in lines if line.parts)
            if known:
                name = f"stage_{number}_{title}"
                chart = Chart(name, f"{stage}: {title}", "epoch", title, known, own_levels)
                charts.append(chart)
    return charts


def history_charts(history: History) -> list[Chart]:
    """Losses, other outputs and rate of a training of Caffe's."""
    train, tests = history.train, history.tests
    weighted = {name for point in history.points for name in point.weights}
    groups: dict[str, list[Line]] = {"loss": _losses(history), "outputs": [], "shares": []}
    for point_list, words in ((train, "training"), *_by_net(tests)):
        for name in dict.fromkeys(name for point in point_list for name in point.outputs):
            line = _points_line(f"{name}, {words}", point_list, name)
            groups[_group(name, weighted, line)].append(line)
    groups["rate"] = [_points_line("rate", train, None, "rate")]
    titles = {
        "loss": ("Loss", "loss"),
        "shares": ("Accuracy and other shares", "share"),
        "outputs": ("Other outputs", "value"),
        "rate": ("Rate", "rate"),
    }
    starts = tuple(float(start.iteration or 0) for start in history.starts[1:])
    return [
        Chart(name, title, "iteration", y, known[:_MOST_LINES], (), starts)
        for name, (title, y) in titles.items()
        if (known := tuple(line for line in groups[name] if line.parts))
    ]


def _losses(history: History) -> list[Line]:
    """The smoothed loss, and the mean ones of tests that computed it."""
    lines = [_points_line("loss on average, training", history.train, None, "loss")]
    return [
        *lines,
        *(_points_line(f"loss on average, {words}", points, None, "loss")
          for points, words in _by_net(history.tests)),
    ]  # fmt: skip


def _by_net(tests: Sequence[Point]) -> list[tuple[list[Point], str]]:
    """The tests of each network, and what they are called."""
    nets = sorted({point.net for point in tests})
    return [
        ([point for point in tests if point.net == net], f"test {net}" if nets[1:] else "test")
        for net in nets
    ]


def _group(name: str, weighted: set[str], line: Line) -> str:
    if name in weighted or "loss" in name.rpartition("/")[2].lower():
        return "loss"
    values = [y for part in line.parts for _, y in part]
    return "shares" if all(0 <= value <= 1 for value in values) else "outputs"


def _line(label: str, records: Iterable[Record], x: str, y: str) -> Line:
    places = [(float(each[x]), float(each[y])) for each in records if each.get(y) is not None]
    return Line(label, _parts(places))


def _points_line(label: str, points: Iterable[Point], output: str | None, field: str = "") -> Line:
    """An output, or a number of the point itself, cut where training was begun again."""
    runs: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        value = point.outputs.get(output) if output is not None else getattr(point, field)
        if value is not None:
            runs.setdefault(point.run, []).append((float(point.iteration), float(value)))
    return Line(label, tuple(part for run in runs.values() for part in _parts(run)))


def _parts(places: Iterable[tuple[float, float]]) -> tuple[Places, ...]:
    """Cut where a value is no number."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in places:
        if math.isfinite(y):
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return tuple(tuple(part) for part in parts if part)
