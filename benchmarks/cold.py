"""The first prediction of a cold process: from its start to SqueezeNet's output for a picture.

That is what a command such as `zoo classify` makes its user wait for: the interpreter, the imports,
the model and one forward pass with all that it compiles. The files are in the system's cache.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import paired_ratio, run_fresh
from benchmarks.tables import table
from benchmarks.ways import NAMES, WAYS

__all__ = ["rows", "section"]

RUNS = 5


def rows(runs: int = RUNS) -> list[dict[str, Any]]:
    """Measure every way, in turns.

    Returns
    -------
    One row a way: ``way``, ``median_ms``, ``min_ms``, and ``ratio``, the time of zoo relative to
    this way's.
    """
    from benchmarks.networks import network, squeezenet, write

    times: dict[str, list[list[float]]] = {way: [] for way in WAYS if way != "zoo_plain"}
    with tempfile.TemporaryDirectory() as folder:
        write(network(squeezenet()), Path(folder))
        for _ in range(runs):
            for way, found in times.items():
                started = time.perf_counter()
                run_fresh("benchmarks.cold", way, folder)
                found.append([1000 * (time.perf_counter() - started)])
    return [
        {
            "way": way,
            "median_ms": statistics.median(one for (one,) in found),
            "min_ms": min(one for (one,) in found),
            "ratio": paired_ratio(times["zoo"], found),
        }
        for way, found in times.items()
    ]


def section() -> str:
    """The first prediction of a new process."""
    lines = [
        (
            NAMES[row["way"]],
            f"{row['median_ms']:.0f} ({row['min_ms']:.0f})",
            f"{row['ratio']:.1f}",
        )
        for row in rows()
    ]
    return (
        "## First prediction of a cold process\n\nSqueezeNet, from the start of the interpreter to"
        " the output.\n\n" + table(("way", "ms", "zoo / this"), lines)
    )


if __name__ == "__main__":
    picture = np.zeros((1, 3, 227, 227), np.float32)
    print(json.dumps(float(WAYS[sys.argv[1]](Path(sys.argv[2]))(picture).sum())))
