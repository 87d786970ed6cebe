"""Reading the weights of a 240 MB AlexNet: zoo, protobuf, and OpenCV's importer of Caffe models.

The model is made here, of AlexNet's layers and random weights: 61 million values, 244 MB. Each way
of reading runs in processes of its own, which import what it needs, read a small model once, and
then read the large one; the file is in the system's cache for all of them. The time is from the
path to all layers' arrays. Memory is the highest that the process reached while it read, less what
it had before: of it, pages of the mapped file can be taken back by the system at any time.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks import alexnet, network, write
from benchmarks.processes import memory, reset_peak_memory, run_fresh
from benchmarks.tables import mark, table
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.weights import read_weights

__all__ = ["rows", "section"]

RUNS = 7
SMALL = 16


def scan(folder: Path) -> None:
    read_weights(folder / "net.caffemodel")


def scan_and_sum(folder: Path) -> None:
    for blobs in read_weights(folder / "net.caffemodel").values():
        for blob in blobs:
            blob.sum()


def scan_sum_and_drop(folder: Path) -> None:
    weights = read_weights(folder / "net.caffemodel")
    for blobs in weights.values():
        for blob in blobs:
            blob.sum()
            weights.drop_pages(blob)


def protobuf(folder: Path) -> None:
    net = NetParameter.FromString((folder / "net.caffemodel").read_bytes())
    for layer in net.layer:
        for blob in layer.blobs:
            np.array(blob.data, np.float32)


def opencv(folder: Path) -> None:
    import cv2

    cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(folder / "net.caffemodel"))


WAYS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "scan": ("zoo: read_weights", scan),
    "scan_and_sum": ("zoo: read_weights, then every weight summed", scan_and_sum),
    "scan_sum_and_drop": ("zoo: the same, each layer's pages dropped after use", scan_sum_and_drop),
    "protobuf": ("protobuf: parse, then numpy arrays", protobuf),
    "opencv": ("OpenCV: dnn.readNetFromCaffe", opencv),
}


def measure(way: str, small: Path, large: Path) -> dict[str, float]:
    """One reading in this process, after one of a small model that loads all code."""
    read = WAYS[way][1]
    read(small)
    reset_peak_memory()
    before = memory("VmRSS")
    started = time.perf_counter()
    read(large)
    seconds = time.perf_counter() - started
    return {"milliseconds": 1000 * seconds, "peak_mib": memory("VmHWM") - before}


def rows(runs: int = RUNS) -> list[dict[str, Any]]:
    """Measure every way, in turns so that a busy moment hits all of them alike.

    Returns
    -------
    One row a way: ``way``, ``median_ms``, ``min_ms``, ``peak_mib``, ``file_mib``, and
    ``times_opencv``, how many times as fast as OpenCV it is.
    """
    results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        write(network(alexnet(SMALL)), small)
        write(network(alexnet()), large)
        file_mib = (large / "net.caffemodel").stat().st_size / 2**20
        for _ in range(runs):
            for way, found in results.items():
                found.append(run_fresh("benchmarks.weights", way, str(small), str(large)))
    medians = {
        way: statistics.median(one["milliseconds"] for one in ones) for way, ones in results.items()
    }
    return [
        {
            "way": WAYS[way][0],
            "median_ms": medians[way],
            "min_ms": min(one["milliseconds"] for one in results[way]),
            "peak_mib": statistics.median(one["peak_mib"] for one in results[way]),
            "file_mib": file_mib,
            "times_opencv": medians["opencv"] / medians[way],
        }
        for way in WAYS
    ]


def section() -> str:
    """Reading"""
    lines = [
        (
            row["way"],
            f"{row['median_ms']:.2f} ({row['min_ms']:.2f})",
            f"{row['times_opencv']:.1f}" + mark(row["times_opencv"] >= 5)
            if row["way"].startswith("zoo")
            else f"{row['times_opencv']:.1f}",
            f"{row['peak_mib']:.0f}",
        )
        for row in rows()
    ]
    header = ("way", "ms", "times as fast as OpenCV", "peak memory, MiB")
    return (
        "## Reading weights\n\nThe same file, from its path to the arrays of all layers. Aim: at"
        " least 5 times as fast as OpenCV's reader, without a copy.\n\n" + table(header, lines)
    )


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
