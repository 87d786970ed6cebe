"""Measures everything and writes RESULTS.md: `make bench`, a quarter of an hour."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import cold, forward, load, weights

__all__ = ["main"]

HERE = Path(__file__).parent
PACKAGES = ("tensorflow", "keras", "opencv-python-headless", "onnxruntime", "numpy", "protobuf")
NAMES = {"zoo": "zoo", "opencv": "OpenCV dnn", "onnx_runtime": "ONNX Runtime"}


def main() -> None:
    """Measure, and replace RESULTS.md when all of it is there."""
    console = Console(stderr=True)
    parts = []
    for section in (forward_section, load_section, weights_section, cold_section):
        console.print(f"measuring: {section.__name__.removesuffix('_section')}")
        parts.append(section())
    target = HERE / "RESULTS.md"
    temporary = target.with_suffix(".new")
    reasons = (HERE / "where_the_time_goes.md").read_text().strip()
    temporary.write_text("\n\n".join([introduction(), *parts, reasons]) + "\n")
    temporary.replace(target)


def introduction() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        "# Results\n\n"
        "Written by `make bench`; README.md beside this file tells how each figure is taken."
        f" Measured with {os.cpu_count()} CPU cores ({platform.machine()}), Python"
        f" {platform.python_version()}, {versions}. Times change with the machine and the hour;"
        " ratios are of times taken in turns, in one run. An aim that is missed is marked, and the"
        " last section says where the time goes."
    )


def forward_section() -> str:
    """The forward passes: a row a network and batch."""
    lines = []
    for row in forward.rows():
        opencv_aim, onnx_aim = (1.0, None) if row["batch"] == 1 else (1 / 1.2, 1.25)
        lines.append(
            (
                row["network"],
                str(row["batch"]),
                *(f"{row[f'{way}_median_ms']:.1f} ({row[f'{way}_min_ms']:.1f})" for way in NAMES),
                against(row["opencv_ratio"], opencv_aim),
                against(row["onnx_runtime_ratio"], onnx_aim),
                f"{row['difference']:.0e}",
            )
        )
    header = ("network", "batch", *(f"{name}, ms" for name in NAMES.values()))
    header += ("zoo / OpenCV", "zoo / ONNX Runtime", "largest difference")
    return (
        "## Forward\n\n"
        "Median time of a call and, in brackets, the shortest; the ratios are of times. Aims: at"
        " batch 32 at most 0.83 of OpenCV's time (1.2 times as fast) and 1.25 of ONNX Runtime's;"
        " at batch 1 at most OpenCV's.\n\n" + table(header, lines)
    )


def load_section() -> str:
    """File to ready model."""
    found = load.rows()
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


def weights_section() -> str:
    """Reading weights."""
    lines = [
        (
            row["way"],
            f"{row['median_ms']:.2f} ({row['min_ms']:.2f})",
            f"{row['times_opencv']:.1f}" + mark(row["times_opencv"] >= 5)
            if row["way"].startswith("zoo")
            else f"{row['times_opencv']:.1f}",
            f"{row['peak_mib']:.0f}",
        )
        for row in weights.rows()
    ]
    header = ("way", "ms", "times as fast as OpenCV", "peak memory, MiB")
    return (
        "## Reading weights\n\nThe same file, from its path to the arrays of all layers. Aim: at"
        " least 5 times as fast as OpenCV's reader, without a copy.\n\n" + table(header, lines)
    )


def cold_section() -> str:
    """The first prediction of a new process."""
    lines = [
        (
            NAMES[row["way"]],
            f"{row['median_ms']:.0f} ({row['min_ms']:.0f})",
            f"{row['ratio']:.1f}",
        )
        for row in cold.rows()
    ]
    return (
        "## First prediction of a cold process\n\nSqueezeNet, from the start of the interpreter to"
        " the output.\n\n" + table(("way", "ms", "zoo / this"), lines)
    )


def against(ratio: float, aim: float | None) -> str:
    """A ratio, marked when there is an aim."""
    return f"{ratio:.2f}" + ("" if aim is None else mark(ratio <= aim))


def mark(met: bool) -> str:
    return "" if met else " **missed**"


def table(header: Iterable[Any], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
