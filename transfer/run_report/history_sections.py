"""The parts of the report of a training of Caffe's: by `zoo train`, or from a log."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from statistics import median
from typing import Any
from xml.etree.ElementTree import Element

from zoo.transfer.run_report.history import History, Point
from zoo.transfer.run_report.page import element, facts, section, table

__all__ = ["history_section", "number_rows", "numbers_section", "text_section"]

_NUMBERS = ("what", "first", "last", "least", "at", "greatest", "at")


def history_section(history: History, given: Mapping[str, Any]) -> Element:
    """How far it came, from what, and how fast; `given` is the run.json of `zoo train`."""
    paces = [point.pace for point in history.train if point.pace and math.isfinite(point.pace)]
    times = [point.seconds for point in history.points if point.seconds is not None]
    weights = [
        ", ".join(str(each[key]) for key in ("name", "sha256", "license") if each.get(key))
        for each in given.get("weights", ())
    ]
    restarts = [
        (str(start.run), str(start.iteration if start.iteration is not None else ""), _from(start))
        for start in history.starts
    ]
    return section(
        "The run",
        facts(
            [
                ("came to iteration", f"{history.iteration:,}"),
                ("ended", history.ended or "it says nothing of an end"),
                ("starts", str(len(history.starts))),
                ("tests", f"{len(history.tests):,}" if history.tests else "none"),
                ("started from", "; ".join(weights)),
                ("seed", str(given["seed"]) if given.get("seed") is not None else ""),
                ("begun", ", ".join(each["begun"] for each in given.get("starts", ()))),
                ("iterations a second", f"{median(paces):.3g}" if paces else ""),
                ("seconds", f"{max(times):,.0f}" if times else ""),
                (
                    "last snapshot",
                    PurePath((history.snapshots or [""])[-1]).name,
                ),
                ("lines", f"{history.lines:,}" if history.lines else ""),
                ("broken lines, not read", f"{history.skipped:,}" if history.skipped else ""),
            ]
        ),
        table(("start", "iteration", "from"), restarts, numbers=(0, 1)) if restarts[1:] else None,
    )


def numbers_section(history: History) -> Element | None:
    """Every output at first, before anything was learned, at last, and at its extremes."""
    rows = list(number_rows(history))
    if not rows:
        return None
    return section("Numbers", table(_NUMBERS, rows, numbers=range(1, len(_NUMBERS))))


def text_section(history: History) -> Element | None:
    """The solver, and the lines of a log that are broken."""
    if not history.solver and not history.broken:
        return None
    broken = "\n".join(f"{number}: {text}" for number, text in history.broken)
    return section(
        "Texts",
        element("h3", "Solver") if history.solver else None,
        element("pre", history.solver) if history.solver else None,
        element("h3", "The first broken lines") if broken else None,
        element("pre", broken) if broken else None,
    )


def _from(start: Any) -> str:
    weights = [PurePath(path).name for path in start.weights]
    return PurePath(start.resumed_from).name if start.resumed_from else ", ".join(weights)


def number_rows(history: History) -> Iterator[tuple[str, ...]]:
    """A row for each output of training and of each test."""
    nets = sorted({point.net for point in history.tests})
    for words, points in (
        ("training", history.train),
        *((f"test {net}", [each for each in history.tests if each.net == net]) for net in nets),
    ):
        named = dict.fromkeys(name for point in points for name in point.outputs)
        yield from _row(f"loss on average, {words}", [(each, each.loss) for each in points])
        for name in named:
            yield from _row(f"{name}, {words}", [(each, each.outputs.get(name)) for each in points])


def _row(title: str, places: Sequence[tuple[Point, float | None]]) -> Iterator[tuple[str, ...]]:
    known = [(point, value) for point, value in places if value is not None]
    if not known:
        return
    finite = [(value, point.iteration) for point, value in known if math.isfinite(value)]
    cells: list[str] = []
    for ends in (min(finite, default=None), max(finite, key=lambda each: each[0], default=None)):
        cells += [f"{ends[0]:.6g}", str(ends[1])] if ends else ["", ""]
    yield (title, f"{known[0][1]:.6g}", f"{known[-1][1]:.6g}", *cells)
