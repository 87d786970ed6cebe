"""Forward passes: zoo, OpenCV's dnn module and ONNX Runtime on the same network and input.

Each runs in a process of its own that is kept alive, and all are asked in turn. A call goes from a
float32 array in Caffe's order, (N, C, H, W), to a numpy array of the output: for zoo that is what
`zoo.run` does, with both turns between Caffe's order and channels last. Networks with BatchNorm run
unfolded too. Every way uses as many threads as it chooses by itself. Before a time is taken all
must give the same output. ONNX Runtime gets the file that `zoo convert` writes.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks import NETWORKS, network, write
from benchmarks.processes import Peer, paired_ratio
from benchmarks.tables import against, mark, table
from benchmarks.ways import NAMES, WAYS

__all__ = ["random_input", "rows", "section"]

# batch: rounds, calls in a round
BATCHES = {1: (10, 8), 32: (5, 1)}
TOLERANCE = 1e-3
# At most so many times the time of ONNX Runtime, by batch.
ONNX_AIMS = {1: 1.5, 32: 1.15}
# At batch 32 at least so many times as fast as OpenCV, and as the network that is not folded.
OPENCV_AIM, FOLD_AIMS = 1.3, {"ResNet-50": 1.3}


def random_input(batch: int, size: int) -> np.ndarray:
    """The same pictures for all."""
    return np.random.default_rng(0).standard_normal((batch, 3, size, size), np.float32)


def difference(output: np.ndarray, reference: np.ndarray) -> float:
    """The largest difference, relative to the largest value."""
    return float(
        np.abs(output.reshape(reference.shape) - reference).max() / np.abs(reference).max()
    )


def serve(way: str, folder: Path, size: int) -> None:
    """Answer questions: the output once for {"batch", "save"}, times for {"batch", "calls"}."""
    forward = WAYS[way](folder)
    inputs = {batch: random_input(batch, size) for batch in BATCHES}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        array = inputs[question["batch"]]
        answer: Any = []
        if "save" in question:
            np.save(question["save"], forward(array))
        for _ in range(question.get("calls", 0)):
            started = time.perf_counter()
            forward(array)
            answer.append(1000 * (time.perf_counter() - started))
        print(json.dumps(answer), flush=True)


def rows(names: Sequence[str] = tuple(NETWORKS)) -> list[dict[str, Any]]:
    """Measure the named networks.

    Returns
    -------
    One row a network and batch: ``network``, ``batch``; ``median_ms`` and ``min_ms``, way to time;
    ``ratios``, way to its time relative to ONNX Runtime's; ``over_opencv``, the time of zoo
    relative to OpenCV's; ``fold_gain``, that of the unfolded network relative to zoo's, or None;
    and ``difference``, the largest of zoo's output from the others.

    Raises
    ------
    RuntimeError
        When the outputs are not the same.
    """
    found = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            net = network(NETWORKS[name]())
            write(net, Path(folder))
            size = (net.inputs["data"] or ())[2]
            folds = any(layer.type == "BatchNorm" for layer in net.layers)
            peers = {
                way: stack.enter_context(Peer("benchmarks.forward", way, folder, str(size)))
                for way in WAYS
                if folds or way != "zoo_plain"
            }
            for batch in BATCHES:
                row = _row(name, batch, peers, Path(folder))
                print(json.dumps(row), file=sys.stderr, flush=True)
                found.append(row)
    return found


def _row(name: str, batch: int, peers: dict[str, Peer], folder: Path) -> dict[str, Any]:
    outputs = {}
    for way, peer in peers.items():
        peer.ask(batch=batch, save=str(folder / way), calls=1)
        outputs[way] = np.load(folder / f"{way}.npy")
    apart = max(difference(outputs["zoo"], output) for output in outputs.values())
    if apart > TOLERANCE:
        raise RuntimeError(f"{name}, batch {batch}: the outputs differ by {apart:.1e}")
    rounds, calls = BATCHES[batch]
    times: dict[str, list[list[float]]] = {way: [] for way in peers}
    for _ in range(rounds):
        for way, peer in peers.items():
            # Threads of the one before may still spin for a moment.
            time.sleep(0.05)
            # The first call wakes the process up.
            times[way].append(peer.ask(batch=batch, calls=calls + 1)[1:])
    every = {way: [each for one in found for each in one] for way, found in times.items()}
    plain = times.get("zoo_plain")
    return {
        "network": name,
        "batch": batch,
        "median_ms": {way: statistics.median(found) for way, found in every.items()},
        "min_ms": {way: min(found) for way, found in every.items()},
        "ratios": {way: paired_ratio(found, times["onnx_runtime"]) for way, found in times.items()},
        "over_opencv": paired_ratio(times["zoo"], times["opencv"]),
        "fold_gain": paired_ratio(plain, times["zoo"]) if plain else None,
        "difference": apart,
    }


def section() -> str:
    """The forward passes: a table of times, and one of ratios."""
    times, ratios = [], []
    for row in rows():
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


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
