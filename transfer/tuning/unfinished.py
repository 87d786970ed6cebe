"""The folder of a run while it is unfinished: ``.NAME.unfinished``, beside the output."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import UnavailableError, UsageError

__all__ = ["CHECKPOINT", "append", "begin", "finish", "keeping", "logging"]

CHECKPOINT = "checkpoint.npz"
_LOG = "log.jsonl"


def begin(directory: Path, resume: bool) -> Path:
    """The folder of the run while it is unfinished: a new one, or with `resume` that of before.

    Raises
    ------
    UsageError
        When a new run would take the place of one that has trained something already.
    UnavailableError
        When it cannot be made.
    """
    unfinished = directory.with_name(f".{directory.name}.unfinished")
    if resume:
        _tidy(unfinished)
        return unfinished
    log = unfinished / _LOG
    if log.is_file() and log.stat().st_size:
        raise UsageError(
            f"{unfinished} holds a run of this output that is not finished; go on with it by"
            " --resume (resume=True), or remove that folder to begin anew"
        )
    with _told(unfinished):
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(parents=True)
    return unfinished


def finish(unfinished: Path, directory: Path) -> None:
    """Give the finished run its name."""
    with _told(directory):
        _tidy(unfinished)
        os.replace(unfinished, directory)
        (directory / CHECKPOINT).unlink(missing_ok=True)


def logging(
    unfinished: Path,
    known: Sequence[dict[str, Any]],
    told: Callable[[dict[str, Any]], None] | None,
) -> Callable[[dict[str, Any]], None]:
    """Write each record as a line of JSON, behind those that a run which goes on has."""
    path = unfinished / _LOG
    with _told(path):
        lines = [json.dumps(record) + "\n" for record in known] + _findings(path)
        path.write_text("".join(lines), encoding="utf-8")

    def tell(record: dict[str, Any]) -> None:
        append(unfinished, record)
        if told is not None:
            told(record)

    return tell


def append(unfinished: Path, record: dict[str, Any]) -> None:
    """Write a record as a line at the end of the log."""
    path = unfinished / _LOG
    with _told(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


@contextmanager
def keeping(unfinished: Path) -> Iterator[None]:
    """Say that the training is kept when what comes of it cannot be written."""
    try:
        with _told(unfinished):
            yield
    except UnavailableError as error:
        raise UnavailableError(
            f"{error} The training is finished and kept; make room and go on with --resume"
            " (resume=True)."
        ) from error


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"{error.filename or path} cannot be written: {error.strerror or error}."
        ) from error


def _findings(path: Path) -> list[str]:
    """The lines of a log that tell what was seen to go wrong."""
    lines = path.read_text(encoding="utf-8").splitlines(True) if path.is_file() else []
    return [line for line in lines if line.startswith('{"finding"') and line.endswith("\n")]


def _tidy(unfinished: Path) -> None:
    """Remove what a run left behind that was killed while it wrote a file: hidden names."""
    for path in unfinished.glob(".*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
