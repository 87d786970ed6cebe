"""Reading the weights of a 240 MB AlexNet: zoo, protobuf, and OpenCV's importer of Caffe models.

    python -m benchmarks.weights

The model is made here, of AlexNet's layers and random weights: 61 million values, 244 MB. Each way
of reading runs in processes of its own, which import what it needs, read a small model once, and
then read the large one; the file is in the system's cache for all of them. The time is from the
path to all layers' arrays. Memory is the highest that the process reached while it read, less what
it had before: of it, pages of the mapped file can be taken back by the system at any time.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter, NetParameter
from zoo.caffe.weights import read_weights
from zoo.caffe.write import write_caffemodel, write_prototxt

__all__ = ["rows"]

ROOT = Path(__file__).parents[1]
RUNS = 7

# name, outputs, kernel, stride, pad, group; a pooling follows the first, second and fifth
CONVOLUTIONS = (
    ("conv1", 96, 11, 4, 0, 1),
    ("conv2", 256, 5, 1, 2, 2),
    ("conv3", 384, 3, 1, 1, 1),
    ("conv4", 384, 3, 1, 1, 2),
    ("conv5", 256, 3, 1, 1, 2),
)
POOLED = ("conv1", "conv2", "conv5")


def alexnet(divisor: int = 1) -> tuple[NetParameter, dict[str, list[np.ndarray]]]:
    """AlexNet's definition and random weights, with every number of outputs divided."""
    random = np.random.default_rng(0)
    net = NetParameter(name="alexnet")
    weights: dict[str, list[np.ndarray]] = {}
    data = net.layer.add(name="data", type="Input", top=["data"])
    data.input_param.shape.add(dim=[1, 3, 227, 227])

    def add(name: str, kind: str, top: str = "") -> LayerParameter:
        bottom = net.layer[-1].top[0]
        return net.layer.add(name=name, type=kind, bottom=[bottom], top=[top or name])

    def fill(name: str, *shape: int) -> None:
        weight = random.standard_normal(shape, np.float32) * np.float32(0.01)
        weights[name] = [weight, np.zeros(shape[0], np.float32)]

    channels = 3
    for name, outputs, kernel, stride, pad, group in CONVOLUTIONS:
        param = add(name, "Convolution").convolution_param
        param.num_output, param.group = outputs // divisor, group
        param.kernel_size.append(kernel)
        param.stride.append(stride)
        param.pad.append(pad)
        fill(name, outputs // divisor, channels // group, kernel, kernel)
        channels = outputs // divisor
        add(f"relu_{name}", "ReLU", top=name)
        if name in POOLED:
            pool = add(f"pool_{name}", "Pooling").pooling_param
            pool.kernel_size, pool.stride = 3, 2
    inputs = channels * 6 * 6
    for name, outputs in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        add(name, "InnerProduct").inner_product_param.num_output = outputs // divisor
        fill(name, outputs // divisor, inputs)
        inputs = outputs // divisor
    add("prob", "Softmax")
    return net, weights


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


def memory(kind: str) -> float:
    """Memory of this process in MiB: VmRSS is that in use, VmHWM the highest since it was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{kind}:")).split()[1]) / 1024


def measure(way: str, small: Path, large: Path) -> dict[str, float]:
    """One reading in this process, after one of a small model that loads all code."""
    read = WAYS[way][1]
    read(small)
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = memory("VmRSS")
    started = time.perf_counter()
    read(large)
    seconds = time.perf_counter() - started
    return {"milliseconds": 1000 * seconds, "peak_mib": memory("VmHWM") - before}


def rows(runs: int = RUNS) -> list[dict[str, Any]]:
    """Measure every way, in turns so that a busy moment hits all of them alike.

    Returns
    -------
    One row a way: ``benchmark``, ``case``, ``median_ms``, ``min_ms``, ``max_ms``, ``peak_mib``,
    ``file_mib``, ``runs``, and ``opencv_ratio``, how many times as fast as OpenCV it is (None
    where OpenCV is not installed or has no Caffe importer any more).
    """
    ways = [way for way in WAYS if way != "opencv" or _opencv_reads_caffe()]
    results: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        for place, divisor in ((small, 16), (large, 1)):
            place.mkdir()
            net, weights = alexnet(divisor)
            write_prototxt(place / "net.prototxt", net)
            write_caffemodel(place / "net.caffemodel", net, weights)
        file_mib = (large / "net.caffemodel").stat().st_size / 2**20
        for _ in range(runs):
            for way in ways:
                command = [sys.executable, "-m", "benchmarks.weights", way, str(small), str(large)]
                done = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
                )
                results[way].append(json.loads(done.stdout))
    medians = {
        way: statistics.median(one["milliseconds"] for one in ones) for way, ones in results.items()
    }
    return [
        {
            "benchmark": "weights of a 244 MB AlexNet",
            "case": WAYS[way][0],
            "median_ms": medians[way],
            "min_ms": min(one["milliseconds"] for one in results[way]),
            "max_ms": max(one["milliseconds"] for one in results[way]),
            "peak_mib": statistics.median(one["peak_mib"] for one in results[way]),
            "file_mib": file_mib,
            "runs": runs,
            "opencv_ratio": medians["opencv"] / medians[way] if "opencv" in medians else None,
        }
        for way in ways
    ]


def _opencv_reads_caffe() -> bool:
    try:
        import cv2
    except ImportError:
        return False
    return hasattr(cv2.dnn, "readNetFromCaffe")


def main() -> None:
    if len(sys.argv) == 4:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
        return
    print(
        f"{'median ms':>10} {'min':>8} {'max':>8} {'peak MiB':>9} {'x OpenCV':>9}  way of reading"
    )
    for row in rows():
        ratio = f"{row['opencv_ratio']:.1f}" if row["opencv_ratio"] else "-"
        print(
            f"{row['median_ms']:10.2f} {row['min_ms']:8.2f} {row['max_ms']:8.2f}"
            f" {row['peak_mib']:9.1f} {ratio:>9}  {row['case']}"
        )


if __name__ == "__main__":
    main()
