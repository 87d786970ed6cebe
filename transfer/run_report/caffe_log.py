"""Reading the log of a training by Caffe, old or new, whole or cut off.

A line of glog is ``I0930 14:23:45.123456 12345 solver.cpp:218] text``. Caffe's texts are those of
src/caffe/solver.cpp from its first release, in 2013, to 1.0, and of NVIDIA's fork; lines without
glog's head, and those that `zoo train` prints, are read as well. What Caffe says of other things is
passed over. A line that begins like one of these and is not whole is broken: it is counted and left
out, and a line that was glued to the one before it is read for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from zoo.errors import UsageError
from zoo.transfer.run_report.caffe_texts import CaffeTexts
from zoo.transfer.run_report.history import History

__all__ = ["parse_caffe_log", "read_caffe_log"]

_HEAD = re.compile(
    r"(?P<level>[IWEF])(?P<date>\d{4}|\d{8}) (?P<time>\d\d:\d\d:\d\d\.\d{6}) +\d+ [\w.+-]+:\d+\] ?"
)
_LIKE_HEAD = re.compile(r"[IWEF](\d{4}|\d{8}) \d\d:|.*\.cpp:\d+\]")
_YEAR = re.compile(r"Log file created at: (\d{4})/")
_SOLVER = re.compile(r"Initializing solver from parameters:")
_LIKE_OURS = re.compile(
    r"Iteration \d+(?![\d:])|(Train|Test) net output|Test (score #|loss:)|iteration \d+:"
)
_BEGINNINGS = (
    "Iteration 0",
    "Train net output #",
    "Test net output #",
    "Test score #",
    "Test loss:",
)
_GARBAGE = re.compile(r"[\ufffd\0-\x08\x0e-\x1a\x1c-\x1f]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MOST_SHOWN = 10


def read_caffe_log(path: str | Path) -> History:
    """Read a log.

    Raises
    ------
    UsageError
        When the file cannot be read, or nothing of a training stands in it.
    """
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            history = parse_caffe_log(file)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    if not history.points and not history.starts:
        raise UsageError(
            f"{path}: none of its {history.lines} lines is one of a training; expected the log of"
            " `caffe train`, with lines such as 'Iteration 100, loss = 0.5'"
        )
    return history


def parse_caffe_log(lines: Iterable[str]) -> History:
    """Read the lines of a log.

    Examples
    --------
    >>> history = parse_caffe_log([
    ...     "I0930 14:23:45.123456 77 solver.cpp:239] Iteration 100 (20 iter/s, 5s/100 iters), loss"
    ...     " = 0.5",
    ...     "I0930 14:23:45.123500 77 solver.cpp:258]     Train net output #0: loss = 0.4 (* 1 ="
    ...     " 0.4 loss)",
    ...     "I0930 14:23:45.1235"])
    >>> history.train[0].iteration, history.train[0].loss, history.train[0].pace
    (100, 0.5, 20.0)
    >>> history.train[0].outputs, history.skipped
    ({'loss': 0.4}, 1)
    """
    reader = _Reader()
    for line in lines:
        reader.read(_COLOUR.sub("", line.rstrip("\r\n")))
    return reader.history


class _Reader:
    def __init__(self) -> None:
        self.history = History()
        self._texts = CaffeTexts(self.history)
        self._clock = _Clock()
        self._solver: list[str] | None = None
        self._last_broken = 0

    def read(self, line: str) -> None:
        self.history.lines += 1
        year = _YEAR.match(line)
        if year:
            self._clock.year = int(year[1])
        heads = list(_HEAD.finditer(line))
        if not heads:
            self._headless(line)
            return
        self._solver = None
        last, ends = heads[-1], [head.end() for head in heads[:-1]]
        cut = [line[: heads[0].start()]]
        cut += [line[end : head.start()] for end, head in zip(ends, heads[1:], strict=True)]
        if any(_is_broken(text.strip()) for text in cut):  # nobody knows what is missing there
            self._count_broken(line)
        self._texts.seconds = self._clock.seconds(last["date"], last["time"])
        self._text(last["level"], line[last.end() :].strip(), line)

    def _headless(self, line: str) -> None:
        if _LIKE_HEAD.match(line):
            self._count_broken(line)
        elif self._texts.take(line.strip()):
            self._solver = None
        elif self._solver is not None:
            self._solver.append(line)
            self.history.solver = "\n".join(self._solver).strip()
        elif _LIKE_OURS.match(line.strip()) or _GARBAGE.search(line):
            self._count_broken(line)

    def _text(self, level: str, text: str, line: str) -> None:
        if level == "F":
            self.history.failures.append(text)
        elif _SOLVER.match(text):
            self._solver = []
        elif not self._texts.take(text) and _is_broken(text):
            self._count_broken(line)

    def _count_broken(self, line: str) -> None:
        if self._last_broken == self.history.lines:
            return
        self._last_broken = self.history.lines
        self.history.skipped += 1
        if len(self.history.broken) < _MOST_SHOWN:
            self.history.broken.append((self.history.lines, line.strip()[:300]))


class _Clock:
    """Seconds since the first line; glog leaves out the year, which may end meanwhile."""

    def __init__(self) -> None:
        self.year = 2016  # a leap year, so that every date exists
        self._first: datetime | None = None
        self._last: datetime | None = None

    def seconds(self, date: str, time: str) -> float | None:
        year = int(date[:4]) if len(date) == 8 else self.year
        try:
            now = datetime.strptime(f"{year}{date[-4:]} {time}", "%Y%m%d %H:%M:%S.%f")
        except ValueError:  # no such day
            return None
        if self._last is not None and now < self._last - timedelta(days=180):
            self.year = year + 1
            now = now.replace(year=year + 1)
        self._first = self._first or now
        self._last = now
        return (now - self._first).total_seconds()


def _is_broken(text: str) -> bool:
    """Whether a text that is none of those below was one once, or is no text at all."""
    is_cut = bool(text) and any(beginning.startswith(text) for beginning in _BEGINNINGS)
    return is_cut or bool(_LIKE_OURS.match(text) or _GARBAGE.search(text))
