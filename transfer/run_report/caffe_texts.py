"""What Caffe says while it trains, taken apart: the texts of src/caffe/solver.cpp of all releases.

Those of NVIDIA's fork and the short lines of `zoo train` are among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from zoo.transfer.run_report.history import TEST, TRAIN, History, Point, Start

__all__ = ["CaffeTexts"]

_WINDOWS = {"1.#qnan": "nan", "1.#ind": "nan", "1.#snan": "nan", "1.#inf": "inf"}


class CaffeTexts:
    """Fills a history from texts; `seconds` is set to when the next one was said."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.seconds: float | None = None
        self._train: Point | None = None
        self._test: Point | None = None

    def take(self, text: str) -> bool:
        """Take a text; whether it is one of those below."""
        for pattern, use in _TEXTS:
            found = pattern.fullmatch(text)
            if found:
                try:
                    use(self, found)
                except ValueError:  # a number that is cut off or damaged
                    return False
                return True
        return False

    def loss(self, found: re.Match[str]) -> None:
        loss = _number(found["loss"])
        pace = re.search(r"\(([\d.e+-]+) iter/s", found["more"] or "")
        point = self._iteration(int(found["iteration"]), with_loss=True)
        point.loss = loss
        point.pace = _number(pace[1]) if pace else None

    def rate(self, found: re.Match[str]) -> None:
        rate = _number(found["rate"])
        self._iteration(int(found["iteration"])).rate = rate

    def both(self, found: re.Match[str]) -> None:
        """A line of `zoo train`: iteration, loss, rate and pace."""
        numbers = [_number(text) if text else None for text in found.group("loss", "rate", "pace")]
        point = self._iteration(int(found["iteration"]), with_loss=True)
        point.loss, point.rate, point.pace = numbers

    def output(self, found: re.Match[str]) -> None:
        value = _number(found["value"])
        weight = _number(found["weight"]) if found["weight"] else None
        point = self._train if found["phase"] == "Train" else self._test
        if point is None:
            raise ValueError("its iteration is missing")
        point.add(found["name"], value, weight)

    def testing(self, found: re.Match[str]) -> None:
        iteration, net = int(found["iteration"]), int(found["net"] or 0)
        run = self._run(iteration)
        self._test = Point(TEST, iteration, run, net, seconds=self.seconds)
        self.history.points.append(self._test)

    def test_loss(self, found: re.Match[str]) -> None:
        value = _number(found["value"])
        if self._test is None:
            raise ValueError("its iteration is missing")
        self._test.loss = value

    def score(self, found: re.Match[str]) -> None:
        value = _number(found["value"])
        if self._test is None:
            raise ValueError("its iteration is missing")
        self._test.add(f"score {found['number']}", value)

    def tested(self, found: re.Match[str]) -> None:
        """A line of `zoo train`: all outputs of a test."""
        pairs = [each.rsplit(" ", 1) for each in found["outputs"].split(", ")]
        values = [(name, _number(value)) for name, value in pairs]
        self.testing(found)
        for name, value in values:
            if self._test is not None:
                self._test.add(name, value)

    def snapshot(self, found: re.Match[str]) -> None:
        if not found["state"]:
            self.history.snapshots.append(found["path"])

    def began(self, found: re.Match[str]) -> None:
        self._start()

    def resumed(self, found: re.Match[str]) -> None:
        self._start().resumed_from = found["path"]

    def tuned(self, found: re.Match[str]) -> None:
        self._start().weights.append(found["path"])

    def ended(self, found: re.Match[str]) -> None:
        if not self.history.ended:
            self.history.ended = "done" if found["how"] == "Done" else "stopped early"

    def _start(self) -> Start:
        """The start that is being told of: a new one once the last has numbers."""
        history = self.history
        runs = {point.run for point in history.points}
        if not history.starts or history.starts[-1].run in runs:
            history.starts.append(Start(len(history.starts)))
            history.ended = ""
            self._train = self._test = None
        return history.starts[-1]

    def _run(self, iteration: int) -> int:
        """The run that an iteration belongs to: a new one where iterations go back."""
        if self._train is not None and iteration < self._train.iteration:
            self._start()
        if not self.history.starts:
            self._start()
        start = self.history.starts[-1]
        if start.iteration is None:
            start.iteration = iteration
        return start.run

    def _iteration(self, iteration: int, *, with_loss: bool = False) -> Point:
        point = self._train
        if point is not None and point.iteration == iteration:
            if not with_loss or point.loss is None:
                return point
            self._start()
        run = self._run(iteration)
        self._train = Point(TRAIN, iteration, run, seconds=self.seconds)
        self.history.points.append(self._train)
        return self._train


_ITERATION = r"Iteration (?P<iteration>\d+)"
_VALUE = r"(?P<value>\S+)"
_Use = Callable[[CaffeTexts, re.Match[str]], None]
_TEXTS: tuple[tuple[re.Pattern[str], _Use], ...] = tuple(
    (re.compile(pattern), use)
    for pattern, use in (
        (
            _ITERATION + r"(?P<more>(?: \([^()]*\))?(?:, [\d./ ]*ep\w*)?), loss = (?P<loss>\S+)",
            CaffeTexts.loss,
        ),
        (_ITERATION + r", lr = (?P<rate>[^\s,]+)(?:,.*)?", CaffeTexts.rate),
        (_ITERATION + r", Testing net(?: \(#(?P<net>\d+)\))?.*", CaffeTexts.testing),
        (
            rf"(?P<phase>Train|Test) net output #\d+: (?P<name>.+) = {_VALUE}"
            r"(?: \(\* (?P<weight>\S+) = \S+ loss\))?",
            CaffeTexts.output,
        ),
        (rf"Test loss: {_VALUE}", CaffeTexts.test_loss),
        (rf"Test score #(?P<number>\d+): {_VALUE}", CaffeTexts.score),
        (
            r"Snapshotting (?P<state>solver state )?to (?:binary proto file |HDF5 file )?"
            r"(?P<path>\S.*)",
            CaffeTexts.snapshot,
        ),
        (r"(?:Restoring previous solver status|Resuming) from (?P<path>\S.*)", CaffeTexts.resumed),
        (r"Finetuning from (?P<path>\S.*)", CaffeTexts.tuned),
        (r"(?:Starting Optimization|Solving .*)", CaffeTexts.began),
        (r"Optimization (?P<how>Done|stopped early)\.", CaffeTexts.ended),
        (
            r"iteration (?P<iteration>\d+): loss (?P<loss>[^\s,]+)(?:, rate (?P<rate>[^\s,]+))?"
            r"(?:, (?P<pace>\S+) a second)?",
            CaffeTexts.both,
        ),
        (
            r"test (?P<net>\d+) at (?P<iteration>\d+): (?P<outputs>.+?)(?: and \d+ more)?",
            CaffeTexts.tested,
        ),
    )
)


def _number(text: str) -> float:
    """A number as C++ prints it: nan, -nan(ind), 1.#QNAN and the like too."""
    plain = text.lower().lstrip("+-")
    sign = "-" if text.startswith("-") else ""
    for spelling, value in _WINDOWS.items():
        if plain.startswith(spelling):
            return float(sign + value)
    if plain.startswith("nan"):
        return float("nan")
    return float(text)
