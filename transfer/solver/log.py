"""The events of a run as lines: in Caffe's own words, or in short ones.

Caffe's lines are those of its last release, with the files and line numbers that stand there, so
that programs which read Caffe's logs read these too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

from zoo.transfer.solver.events import (
    AfterTest,
    BeforeTest,
    Clipped,
    Displayed,
    Ended,
    Event,
    Found,
    Lowered,
    Message,
    Score,
    Scores,
    Snapshotted,
    Started,
)

__all__ = ["caffe_log_lines", "plain_lines"]

Line = tuple[str, str]


def caffe_log_lines(event: Event) -> list[str]:
    """An event as Caffe logs it, each line with level, time, thread, file and number."""
    now = datetime.now()
    stamp = f"{now:%m%d %H:%M:%S.%f} {threading.get_native_id():>5}"
    warns = isinstance(event, Found) or (isinstance(event, Message) and event.kind == "warning")
    level = "W" if warns else "I"
    return [f"{level}{stamp} {place}] {text}" for place, text in _caffe_lines(event)]


def _caffe_lines(event: Event) -> Iterator[Line]:
    """Place and text of each line."""
    match event:
        case Message():
            yield from (("solver.cpp:45", line) for line in event.text.splitlines())
        case Found():
            yield from (("solver.cpp:45", line) for line in str(event.finding).splitlines())
        case Started():
            yield "caffe.cpp:248", "Starting Optimization"
            yield "solver.cpp:293", f"Solving {event.name}"
            yield "solver.cpp:294", f"Learning Rate Policy: {event.policy}"
        case Displayed():
            yield from _displayed(event)
        case Lowered():
            text = f"MultiStep Status: Iteration {event.iteration}, step = {event.step}"
            yield "sgd_solver.cpp:46", text
        case Clipped():
            yield (
                "sgd_solver.cpp:93",
                f"Gradient clipping: scaling down gradients (L2 norm {event.norm:g} >"
                f" {event.limit:g}) by scale factor {event.limit / event.norm:g}",
            )
        case BeforeTest():
            text = f"Iteration {event.iteration}, Testing net (#{event.number})"
            yield "solver.cpp:347", text
        case AfterTest():
            if event.loss is not None:
                yield "solver.cpp:400", f"Test loss: {event.loss:g}"
            yield from _outputs("solver.cpp:414", "Test", event.outputs)
        case Snapshotted():
            hdf5 = event.weights.suffix == ".h5"
            kind = "HDF5" if hdf5 else "binary proto"
            yield (
                f"solver.cpp:{474 if hdf5 else 464}",
                f"Snapshotting to {kind} file {event.weights}",
            )
            text = f"Snapshotting solver state to {kind} file {event.state}"
            yield f"sgd_solver.cpp:{298 if hdf5 else 284}", text
        case Ended():
            if event.stopped:
                yield "solver.cpp:315", "Optimization stopped early."
            else:
                yield "solver.cpp:332", "Optimization Done."
            yield "caffe.cpp:259", "Optimization Done."


def _displayed(event: Displayed) -> Iterator[Line]:
    if event.rate is None:
        yield "solver.cpp:327", f"Iteration {event.iteration}, loss = {event.loss:g}"
        return
    yield from (("net.cpp:593", line) for line in event.debug)
    pace = event.iterations / event.seconds if event.seconds else 0.0
    yield (
        "solver.cpp:239",
        f"Iteration {event.iteration} ({pace:g} iter/s, {event.seconds:g}s/{event.every}"
        f" iters), loss = {event.loss:g}",
    )
    yield from _outputs("solver.cpp:258", "Train", event.outputs)
    yield "sgd_solver.cpp:112", f"Iteration {event.iteration}, lr = {event.rate:g}"


def _outputs(place: str, phase: str, scores: Scores) -> Iterator[Line]:
    for number, score in enumerate(scores):
        text = f"    {phase} net output #{number}: {score.name} = {score.value:g}"
        if score.weight:
            text += f" (* {score.weight:g} = {score.weight * score.value:g} loss)"
        yield place, text


def plain_lines(event: Event) -> list[str]:
    """An event in short words; nothing for those of which others say more."""
    match event:
        case Displayed(rate=None):
            return [f"iteration {event.iteration}: loss {event.loss:.6g}"]
        case Displayed():
            pace = event.iterations / event.seconds if event.iterations and event.seconds else None
            return [
                *event.debug,
                f"iteration {event.iteration}: loss {event.loss:.6g}, rate {event.rate:.6g}"
                + (f", {pace:.3g} a second" if pace else ""),
            ]
        case AfterTest():
            loss = f", loss {event.loss:.6g}" if event.loss is not None else ""
            return [f"test {event.number} at {event.iteration}: {_named(event.outputs)}{loss}"]
        case Snapshotted():
            return [f"snapshot {event.state}"]
        case Clipped():
            return [
                f"iteration {event.iteration}: gradients clipped from norm {event.norm:.6g}"
                f" to {event.limit:g}"
            ]
        case Lowered():
            return [f"iteration {event.iteration}: step {event.step} of the rate"]
        case Ended(stopped=True):
            return [f"stopped after {event.iteration} iterations"]
        case _:
            return []


def _named(scores: Scores, most: int = 8) -> str:
    shown: list[Score] = list(scores[:most])
    more = f" and {len(scores) - most} more" if len(scores) > most else ""
    return ", ".join(f"{score.name} {score.value:.6g}" for score in shown) + more
