"""Processes that are kept alive and asked in turn, so that a busy moment hits all of them alike.

A process of a benchmark is `python -m benchmarks.SUBJECT WAY ...`. It prints a JSON line when it is
ready, and another for each JSON line that it reads.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Peer", "memory", "paired_ratio", "reset_peak_memory", "run_fresh"]

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def run_fresh(module: str, *arguments: str) -> Any:
    """What a new process of a benchmark prints, after it has ended."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT
    )
    return json.loads(done.stdout)


class Peer:
    """One such process, a context manager; `ready` is what it said first."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=ENVIRONMENT,
        )
        self.ready = self._answer()

    def ask(self, **question: Any) -> Any:
        """Its answer to a question."""
        if self._process.stdin is None:
            raise RuntimeError("the process was started without a pipe")
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"a measured process ended with exit code {self._process.wait()}")
        return json.loads(line)

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate()


def paired_ratio(
    numerator: Sequence[Sequence[float]], denominator: Sequence[Sequence[float]]
) -> float:
    """The median over the rounds of the ratio of both medians of a round.

    >>> paired_ratio([[1, 1], [8, 8]], [[2, 2], [16, 16]])
    0.5
    """
    return statistics.median(
        statistics.median(one) / statistics.median(other)
        for one, other in zip(numerator, denominator, strict=True)
    )


def memory(kind: str) -> float:
    """Memory of this process in MiB: VmRSS is that in use, VmHWM the highest since it was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{kind}:")).split()[1]) / 1024


def reset_peak_memory() -> None:
    """Let VmHWM start again from the memory in use."""
    Path("/proc/self/clear_refs").write_text("5")
