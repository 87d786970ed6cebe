"""A training's history as a file: a report, its curves as a picture, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from zoo.errors import UnavailableError, UsageError
from zoo.registry.atomic import write_atomically
from zoo.transfer.new_output import check_new_file
from zoo.transfer.run_report.build import history_page
from zoo.transfer.run_report.charts import history_charts
from zoo.transfer.run_report.drawing import draw_chart
from zoo.transfer.run_report.history import History

__all__ = ["check_history_file", "write_history"]

_NUMBERS = ("phase", "run", "net", "iteration", "seconds", "rate", "pace", "loss")


def write_history(history: History, path: str | Path, title: str) -> Path:
    """Write what is known of a training; the ending of `path` says as what.

    Parameters
    ----------
    path : ``.html``, the report; ``.png``, its curves; ``.json``; ``.csv``, a row for each point.
    title : what is written over a report.

    Raises
    ------
    UsageError
        For another ending, or a file that is there already.
    UnavailableError
        When it cannot be written.
    """
    path = check_history_file(path)
    try:
        write_atomically(path, _FORMS[path.suffix.lower()](history, title))
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def check_history_file(path: str | Path) -> Path:
    """Refuse, before any work, what `write_history` cannot write.

    Raises
    ------
    UsageError
    """
    return check_new_file(path, tuple(_FORMS))


def _html(history: History, title: str) -> bytes:
    return history_page(history, title).encode("utf-8")


def _png(history: History, title: str) -> bytes:
    """All charts, one below the other."""
    charts = [Image.open(io.BytesIO(draw_chart(chart))) for chart in history_charts(history)]
    if not charts:
        raise UsageError(f"{title} has no numbers that could be drawn")
    size = (max(each.width for each in charts), sum(each.height for each in charts))
    sheet, top = Image.new("RGB", size, "white"), 0
    for each in charts:
        sheet.paste(each.convert("RGB"), (0, top))
        top += each.height
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _json(history: History, title: str) -> bytes:
    document = {"log": title, **history.to_dict()}
    return (json.dumps(_finite(document), indent=1, allow_nan=False) + "\n").encode("ascii")


def _csv(history: History, title: str) -> bytes:
    """A row for each point; what is no number is nan or inf, what is not told is empty."""
    outputs = list(dict.fromkeys(name for point in history.points for name in point.outputs))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    # An output may be called as one of the numbers is.
    writer.writerow([*_NUMBERS, *(f"{name} (output)" for name in outputs)])
    for point in history.points:
        numbers = [getattr(point, name) for name in _NUMBERS]
        writer.writerow([*numbers, *(point.outputs.get(name) for name in outputs)])
    return stream.getvalue().encode("utf-8", "backslashreplace")


def _finite(value: Any) -> Any:
    """The same in what JSON has: what is no number is null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_FORMS: dict[str, Callable[[History, str], bytes]] = {
    ".html": _html,
    ".png": _png,
    ".json": _json,
    ".csv": _csv,
}
