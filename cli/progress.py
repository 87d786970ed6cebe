"""What moves while a user waits: bytes, pictures, or only that something is going on.

It goes to stderr, only to a terminal, and is gone when the work is done. rich draws on a copy of
the stream, because TensorFlow's import takes the descriptor of stderr away for a moment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from zoo.cli.output import Output, printable

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["counting", "counting_parts", "transferring", "waiting"]


@contextmanager
def transferring(output: Output) -> Iterator[Callable[[str, int, int | None], None]]:
    """For downloads: called with a file, the bytes that came, and the bytes in all or None."""
    if not output.shows_progress:
        yield _nothing
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with _display(output, *columns) as display:
        tasks: dict[str, Any] = {}

        def report(file: str, done: int, total: int | None) -> None:
            if file not in tasks:
                for task in display.tasks:
                    display.update(task.id, visible=not task.finished)
                # What an earlier fetch had brought says nothing about the rate of this one.
                tasks[file] = display.add_task(printable(file), total=total, completed=done)
            display.update(tasks[file], completed=done, total=total)

        yield report


@contextmanager
def counting(output: Output, what: str) -> Iterator[Callable[[int, int], None]]:
    """For work of known length: called with how many are done and how many there are."""
    with counting_parts(output, what) as told:
        yield partial(told, what)


@contextmanager
def counting_parts(output: Output, what: str) -> Iterator[Callable[[str, int, int], None]]:
    """For work of several parts: called with what is done now, how much of it, and of how much.

    `what` is shown until then.
    """
    if not output.shows_progress:
        yield _nothing
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """How many a second."""

        def render(self, task: Any) -> Text:
            return Text(f"{task.speed:.1f}/s" if task.speed else "")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with _display(output, *columns) as display:
        shown, task = what, display.add_task(printable(what), total=None)

        def report(what: str, done: int, total: int) -> None:
            nonlocal shown, task
            if what != shown:  # whose rate says nothing about this one
                display.remove_task(task)
                shown, task = what, display.add_task(printable(what), total=total)
            display.update(task, completed=done, total=total)

        yield report


@contextmanager
def waiting(output: Output, what: str) -> Iterator[None]:
    """For work of unknown length: says what is being done."""
    if not output.shows_progress:
        yield
        return
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with _display(output, *columns) as display:
        display.add_task(printable(what), total=None)
        yield


@contextmanager
def _display(output: Output, *columns: Any) -> Iterator[Progress]:
    """A running display, which the output makes way for."""
    from rich.console import Console
    from rich.progress import Progress

    stream = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace")
    console = Console(file=stream, force_terminal=True, markup=False, highlight=False, emoji=False)
    display = Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    )
    with stream, display:
        output.display = display
        try:
            yield display
        finally:
            output.display = None


def _nothing(*_: Any) -> None:
    """Nobody looks."""
