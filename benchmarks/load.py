"""From the files of a 244 MB AlexNet to a model that is ready to run, and to its first output.

Each way runs in a fresh process a time, which first loads and runs a small AlexNet, so that all
code is imported, and then the large one; the files are in the system's cache for all. For zoo ready
means that the Keras model stands with its weights, for the others that their net or session does.
The first output includes what each leaves until then: zoo compiles, OpenCV lays out its memory.
Memory is the highest that the process reached, less what it had before; of it, pages of a mapped
file can be taken back by the system at any time.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.forward import random_input
from benchmarks.networks import alexnet, network, write
from benchmarks.processes import memory, paired_ratio, reset_peak_memory, run_fresh
from benchmarks.tables import against, table
from benchmarks.ways import NAMES, WAYS

__all__ = ["rows", "section"]

RUNS = 5
SMALL = 16


def measure(way: str, small: Path, large: Path) -> dict[str, float]:
    """One load and one output in this process."""
    load, picture = WAYS[way], random_input(1, 227)
    load(small)(picture)
    reset_peak_memory()
    before = memory("VmRSS")
    started = time.perf_counter()
    forward = load(large)
    ready = time.perf_counter()
    peak_ready = memory("VmHWM")
    forward(picture)
    first = time.perf_counter()
    return {
        "ready_ms": 1000 * (ready - started),
        "first_ms": 1000 * (first - started),
        "peak_mib": peak_ready - before,
        "first_peak_mib": memory("VmHWM") - before,
    }


def rows(runs: int = RUNS) -> list[dict[str, Any]]:
    """Measure every way, in turns.

    Returns
    -------
    One row a way: ``way``, ``ready_ms``, ``ready_min_ms``, ``first_ms``, ``peak_mib``,
    ``first_peak_mib`` (medians but for the minimum), ``file_mib``, and ``ratio``, the time of zoo
    until ready relative to this way's.
    """
    results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS if way != "zoo_plain"}
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        write(network(alexnet(SMALL)), small)
        write(network(alexnet()), large)
        file_mib = (large / "net.caffemodel").stat().st_size / 2**20
        for _ in range(runs):
            for way, found in results.items():
                found.append(run_fresh("benchmarks.load", way, str(small), str(large)))
    ready = {way: [[one["ready_ms"]] for one in found] for way, found in results.items()}
    return [
        {
            "way": way,
            **{key: statistics.median(one[key] for one in found) for key in found[0]},
            "ready_min_ms": min(one["ready_ms"] for one in found),
            "file_mib": file_mib,
            "ratio": paired_ratio(ready["zoo"], ready[way]),
        }
        for way, found in results.items()
    ]


def section() -> str:
    """File to ready model."""
    found = rows()
    aims = {"opencv": 2.0}
    lines = []
    for row in found:
        peak = f"{row['peak_mib']:.0f}"
        if row["way"] == "zoo":
            peak += f" ({against(row['peak_mib'] / row['file_mib'], 2.2)} times the file)"
        lines.append(
            (
                NAMES[row["way"]],
                f"{row['ready_ms']:.0f} ({row['ready_min_ms']:.0f})",
                against(row["ratio"], aims.get(row["way"])),
                f"{row['first_ms']:.0f}",
                peak,
            )
        )
    header = ("way", "ready, ms", "zoo / this", "first output, ms", "peak memory, MiB")
    return (
        f"## From file to ready model\n\nAlexNet, a caffemodel of {found[0]['file_mib']:.0f} MiB."
        " Aims: at most 2 times OpenCV's time, peak memory at most 2.2 times the file.\n\n"
        + table(header, lines)
    )


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
