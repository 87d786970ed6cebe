"""Signals that a run obeys between two iterations. Caffe: src/caffe/util/signal_handler.cpp."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

__all__ = ["EFFECTS", "Effect", "obeying"]

Effect = Literal["stop", "snapshot", "none"]
EFFECTS: tuple[Effect, ...] = ("stop", "snapshot", "none")


@contextmanager
def obeying(
    request: Callable[[Effect], None], sigint: Effect = "stop", sighup: Effect = "snapshot"
) -> Iterator[None]:
    """Turn SIGINT and SIGHUP into requests; a second SIGINT that is to stop interrupts at once.

    Only the main thread of a program can do this.
    """
    effects = {signal.SIGINT: sigint, signal.SIGHUP: sighup}
    stopping = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        effect = effects[signal.Signals(number)]
        if number == signal.SIGINT and effect == "stop":
            if stopping:
                raise KeyboardInterrupt
            stopping = True
        request(effect)

    before = {number: signal.signal(number, handle) for number in effects}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
