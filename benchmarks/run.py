"""Measures everything and writes RESULTS.md: `make bench`, ten minutes."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import cold, download, forward, load, training, weights
from benchmarks.ways import NAMES

__all__ = ["main"]

HERE = Path(__file__).parent
PACKAGES = ("tensorflow", "keras", "opencv-python-headless", "onnxruntime", "numpy", "protobuf")
# At most so many times the time of ONNX Runtime, by batch.
ONNX_AIMS = {1: 1.5, 32: 1.15}
# At batch 32 at least so many times as fast as OpenCV, and as the network that is not folded.
OPENCV_AIM, FOLD_AIMS = 1.3, {"ResNet-50": 1.3}
# A training step at least so many times as fast as Caffe's.
CAFFE_AIM = 3


def main() -> None:
    """Measure, and replace RESULTS.md when all of it is there."""
    console = Console(stderr=True)
    parts = []
    for section in (
        forward_section,
        load_section,
        weights_section,
        cold_section,
        training_section,
        download_section,
    ):
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
    """The forward passes: a table of times, and one of ratios."""
    times, ratios = [], []
    for row in forward.rows():
        name, batch = row["network"], row["batch"]
        times.append(
            [name, str(batch)]
            + [
                f"{row['median_ms'][way]:.1f} ({row['min_ms'][way]:.1f})"
                if way in row["median_ms"]
                else ""
                for way in NAMES
            ]
        )
        gain = row["fold_gain"]
        ratios.append(
            [
                name,
                str(batch),
                against(row["over_opencv"], 1 / OPENCV_AIM if batch == 32 else None),
                against(row["ratios"]["zoo"], ONNX_AIMS[batch]),
                against(row["ratios"]["zoo_onnx"], ONNX_AIMS[batch]),
                "" if gain is None else f"{gain:.2f}" + mark(gain >= FOLD_AIMS.get(name, 0)),
                f"{row['difference']:.0e}",
            ]
        )
    header = ("network", "batch", "zoo / OpenCV", "zoo / ONNX Runtime")
    header += ("engine / ONNX Runtime", "unfolded / zoo", "largest difference")
    return (
        "## Forward\n\n"
        "Median time of a call in ms and, in brackets, the shortest.\n\n"
        + table(("network", "batch", *NAMES.values()), times)
        + "\n\nRatios of times. Aims: at batch 32 at most"
        f" {1 / OPENCV_AIM:.2f} of OpenCV's time ({OPENCV_AIM} times as fast); at most"
        f" {ONNX_AIMS[32]} of ONNX Runtime's at batch 32 and {ONNX_AIMS[1]} at batch 1, by"
        ' TensorFlow or by `engine="onnxruntime"`; ResNet-50 folded'
        f" {FOLD_AIMS['ResNet-50']} times as fast as unfolded.\n\n" + table(header, ratios)
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


def training_section() -> str:
    """A training step."""
    found = training.rows()
    lines = [
        (
            {"zoo": "zoo train", "keras": "a Keras script"}[row["way"]],
            f"{row['median_ms']:.0f} ({row['min_ms']:.0f})",
            f"{row['ratio']:.2f}",
            f"{row['growth_mib']:.0f}",
        )
        for row in found
    ]
    caffe = training.CAFFE_MS[4]
    faster = caffe / found[0]["median_ms"]
    header = ("way", "ms a step", "zoo / this", "memory grown, MiB")
    return (
        "## Training\n\nA step of SqueezeNet at batch 32: forward, backward, update. Real Caffe"
        f" took {caffe} ms with 4 threads where it was measured; zoo is"
        f" {faster:.1f}{mark(faster >= CAFFE_AIM)} times as fast here. Aim: {CAFFE_AIM:g} times."
        "\n\n" + table(header, lines)
    )


def download_section() -> str:
    """Downloads: a table a server."""
    servers = {
        "open": "nginx on this machine. Aim: at most 1.05 of curl's time, two hashes and all.",
        "limited": f"The same, but {download.RATE} bytes a second for each connection.",
    }
    found = download.rows()
    parts = [f"## Downloads\n\nA file of {download.MEBIBYTES} MiB."]
    for server, what in servers.items():
        lines = [
            (
                row["way"],
                f"{row['median_s']:.2f} ({row['min_s']:.2f})",
                f"{row['mib_per_s']:.0f}",
                against(row["ratio"], 1.05 if (row["way"], server) == ("curl", "open") else None),
            )
            for row in found
            if row["server"] == server
        ]
        parts.append(f"{what}\n\n" + table(("way", "s", "MiB/s", "zoo / this"), lines))
    return "\n\n".join(parts)


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
