"""What is in a dataset, and what is wrong with it: `zoo data inspect`.

Every picture is decoded once, in threads; only counts and hashes are kept. Pictures are the same
when their pixels are, whatever their files are called.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zoo.errors import ImageError
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import Progress, nothing

__all__ = ["DataReport", "inspect_data"]

_TINY = 64
"""Pictures with a shorter side are told: most networks warp them to several times their size."""
_UNBALANCED = 5
"""How many times as many rows the largest class may have as the smallest."""


@dataclass
class DataReport:
    """What `inspect_data` found.

    Attributes
    ----------
    rows, kind : how many, and of what source.
    class_counts : class to rows; empty where labels are no classes.
    label_range : least and greatest of each label, where labels are numbers to be met.
    heights, widths : least, median and greatest of the pictures that could be read.
    mean, deviation : of blue, green and red, 0..255, over all pixels of all pictures.
    corrupt : key to reason, of each that cannot be read.
    grey, cmyk, transparent, tiny : keys; grey are those whose three channels are the same.
    duplicates : groups of keys with the same pixels.
    shared : pairs of keys, here and in the validation data, with the same pixels.
    problems : what should be looked at, in sentences.
    """

    rows: int
    kind: str
    class_counts: dict[str, int] = field(default_factory=dict)
    label_range: list[tuple[float, float]] = field(default_factory=list)
    heights: tuple[float, float, float] = (0, 0, 0)
    widths: tuple[float, float, float] = (0, 0, 0)
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    corrupt: dict[str, str] = field(default_factory=dict)
    grey: list[str] = field(default_factory=list)
    cmyk: list[str] = field(default_factory=list)
    transparent: list[str] = field(default_factory=list)
    tiny: list[str] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Seen:
    """What one row turned out to be."""

    error: str | None
    height: int = 0
    width: int = 0
    total: tuple[float, ...] = ()
    squares: tuple[float, ...] = ()
    mode: str = ""
    is_grey: bool = False
    digest: bytes = b""


def inspect_data(
    data: Dataset,
    validation: Dataset | None = None,
    *,
    progress: Progress = nothing,
) -> DataReport:
    """Look at every row of a dataset, and for the same pictures in the validation data.

    Parameters
    ----------
    data : what is looked at.
    validation : pictures that must not be in `data` too.
    progress : called with the number of rows that are done and of all.
    """
    report = DataReport(len(data), data.kind)
    if data.has_classes:
        report.class_counts = dict(zip(data.classes, data.class_counts, strict=True))
    elif data.labels is not None and len(data):
        ends = (data.labels.min(axis=0), data.labels.max(axis=0))
        report.label_range = list(zip(*(map(float, end) for end in ends), strict=True))
    if data.is_pictures:
        digests = _look(data, report, progress)
        report.duplicates = [keys for keys in digests.values() if len(keys) > 1]
        if validation is not None and validation.is_pictures:
            report.shared = _shared(digests, validation)
    report.problems = list(_problems(report, data, validation))
    return report


def _look(data: Dataset, report: DataReport, progress: Progress) -> dict[bytes, list[str]]:
    """Fill in what the pictures say; returns the keys of each content."""
    digests: defaultdict[bytes, list[str]] = defaultdict(list)
    sides: list[tuple[int, int]] = []
    pixels, total, squares = 0, np.zeros(3), np.zeros(3)
    for done, (key, seen) in enumerate(zip(data.keys, _seen(data), strict=True), 1):
        progress(done, len(data))
        if seen.error is not None:
            report.corrupt[key] = seen.error
            continue
        digests[seen.digest].append(key)
        sides.append((seen.height, seen.width))
        pixels += seen.height * seen.width
        total += seen.total
        squares += seen.squares
        _note_kind(report, key, seen)
    if sides:
        report.heights, report.widths = map(_spread, np.array(sides).T)
        report.mean = tuple((total / pixels).tolist())
        variance = np.maximum(squares / pixels - (total / pixels) ** 2, 0)
        report.deviation = tuple(np.sqrt(variance).tolist())
    return digests


def _note_kind(report: DataReport, key: str, seen: _Seen) -> None:
    for keys, belongs in (
        (report.grey, seen.is_grey),
        (report.cmyk, seen.mode == "CMYK"),
        (report.transparent, seen.mode in ("RGBA", "LA", "PA")),
        (report.tiny, min(seen.height, seen.width) < _TINY),
    ):
        if belongs:
            keys.append(key)


def _spread(sides: NDArray[np.int64]) -> tuple[float, float, float]:
    return float(sides.min()), float(np.median(sides)), float(sides.max())


def _seen(data: Dataset) -> Iterator[_Seen]:
    """Each row in order; no more of them at a time than there are threads to look at them."""
    workers = min(8, os.cpu_count() or 1)
    places = iter(range(len(data)))
    with ThreadPoolExecutor(workers, "zoo-inspect") as pool:
        waiting = [pool.submit(_look_at, data, i) for i in islice(places, 2 * workers)]
        while waiting:
            done = waiting.pop(0)
            waiting += [pool.submit(_look_at, data, i) for i in islice(places, 1)]
            yield done.result()


def _look_at(data: Dataset, index: int) -> _Seen:
    try:
        pixels = data.picture(index)
    except ImageError as error:
        return _Seen(str(error))
    flat = pixels.reshape(-1, 3)
    counts = np.stack([np.bincount(channel, minlength=256) for channel in flat.T])
    return _Seen(
        None,
        pixels.shape[0],
        pixels.shape[1],
        tuple(counts @ np.arange(256)),
        tuple(counts @ np.arange(256) ** 2),
        _mode(data, index),
        bool((flat == flat[:, :1]).all()),
        hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest(),
    )


def _mode(data: Dataset, index: int) -> str:
    """Pillow's word for the colours of the file."""
    stored = data.read(index)
    if not isinstance(stored, Path | bytes):
        return ""
    with Image.open(io.BytesIO(stored) if isinstance(stored, bytes) else stored) as image:
        return image.mode


def _shared(digests: dict[bytes, list[str]], validation: Dataset) -> list[tuple[str, str]]:
    return [
        (digests[seen.digest][0], key)
        for key, seen in zip(validation.keys, _seen(validation), strict=True)
        if seen.error is None and seen.digest in digests
    ]


def _problems(report: DataReport, data: Dataset, validation: Dataset | None) -> Iterator[str]:
    yield from _told("that cannot be read", list(report.corrupt))
    yield from _told("in CMYK, which other programs may show in other colours", report.cmyk)
    yield from _told(f"smaller than {_TINY} pixels on a side", report.tiny)
    if 0 < len(report.grey) < report.rows - len(report.corrupt):
        yield from _told("in grey among coloured ones", report.grey)
    again = sum(len(keys) - 1 for keys in report.duplicates)
    if again:
        first = " and ".join(report.duplicates[0][:2])
        yield f"{_pictures(again)} that come again, such as {first}"
        yield from _contradictions(report, data)
    yield from _told("that are in the validation data too", [key for key, _ in report.shared])
    yield from _class_problems(report)
    if data.labels is None:
        yield "there are no labels"
    elif len(data) > 1 and bool((data.labels == data.labels[0]).all()):
        yield "all rows have the same label, so there is nothing to learn"
    if validation is not None and data.has_classes and validation.has_classes:
        unseen = sorted(set(validation.classes) - set(data.classes))
        if unseen:
            yield f"classes of the validation data that are never trained: {', '.join(unseen)}"


def _contradictions(report: DataReport, data: Dataset) -> Iterator[str]:
    """The same picture with different labels."""
    if data.labels is None:
        return
    number = {key: index for index, key in enumerate(data.keys)}
    for keys in report.duplicates:
        labels = data.labels[[number[key] for key in keys]]
        if (labels != labels[0]).any():
            yield f"the same picture has different labels: {', '.join(keys)}"


def _class_problems(report: DataReport) -> Iterator[str]:
    counts = Counter(report.class_counts)
    empty = [name for name, count in counts.items() if not count]
    if empty:
        yield f"{len(empty)} class(es) without a row: {', '.join(empty[:10])}"
    filled = [(count, name) for name, count in counts.items() if count]
    if filled and max(filled)[0] > _UNBALANCED * min(filled)[0]:
        (least, small), (most, large) = min(filled), max(filled)
        yield (
            f"classes are unbalanced: {most} rows of {large}, {least} of {small}; class weights or"
            " more pictures help"
        )


def _told(what: str, keys: Iterable[str]) -> Iterator[str]:
    keys = list(keys)
    if keys:
        shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
        yield f"{_pictures(len(keys))} {what}: {shown}"


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
