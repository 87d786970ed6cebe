"""A training step of SqueezeNet at batch 32: `zoo.train` beside a plain Keras script.

Each runs in a process of its own, and they are asked in turns. Both train the same network on the
same pictures with SGD, momentum and dropout; a step of zoo is one of its whole loop, with the
turning of the batch from Caffe's order, the loss read back and Caffe's rules for each param. The
Keras script has its pictures in Keras's order and calls `train_on_batch`. Memory is what a process
has after the last round over what it had after the first.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks import squeezenet
from benchmarks.processes import Peer, memory, paired_ratio
from benchmarks.tables import mark, table

__all__ = ["CAFFE_MS", "rows", "section"]

BATCH, CLASSES, SIZE = 32, 1000, 227
ROUNDS, STEPS = 5, 4
CAFFE_MS = {2: 1800, 4: 1100}
"""What a step took real Caffe 1.0 with OpenBLAS, by threads, on a machine where TensorFlow's
forward pass took 100 to 170 ms."""
CAFFE_AIM = 3
"""At least so many times as fast as Caffe."""
_SOLVER = (
    'net: "net.prototxt" base_lr: 0.001 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0002'
    ' max_iter: 1000000 snapshot_prefix: "snap"'
)

Steps = Callable[[int], Any]


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """The batch, (n, c, h, w), and its labels."""
    rng = np.random.default_rng(0)
    data = rng.standard_normal((BATCH, 3, SIZE, SIZE), np.float32)
    return data, rng.integers(0, CLASSES, BATCH).astype(np.float32)


def zoo(folder: Path) -> Steps:
    """The loop of `zoo.train`."""
    from zoo.caffe.write import write_prototxt
    from zoo.transfer.caffe_training import CaffeSolver

    net = squeezenet()
    net.layer[0].top.append("label")
    net.layer[0].input_param.shape[0].dim[0] = BATCH
    net.layer[0].input_param.shape.add(dim=[BATCH])
    net.layer[-1].type, net.layer[-1].top[:] = "SoftmaxWithLoss", ["loss"]
    net.layer[-1].bottom.append("label")
    write_prototxt(folder / "net.prototxt", net)
    (folder / "solver.prototxt").write_text(_SOLVER)
    data, labels = pictures()

    def batches(*arguments: Any, **settings: Any) -> Iterator[dict[str, np.ndarray]]:
        return repeat({"data": data, "label": labels})

    return CaffeSolver("solver.prototxt", folder=folder, open_source=batches).step


def keras_script(folder: Path) -> Steps:
    """What one would write in Keras."""
    import keras
    from keras import layers

    def convolution(tensor: Any, outputs: int, kernel: int, **settings: Any) -> Any:
        settings = {"activation": "relu", "padding": "same", **settings}
        return layers.Conv2D(outputs, kernel, kernel_initializer="he_normal", **settings)(tensor)

    inputs = keras.Input((SIZE, SIZE, 3))
    tensor = convolution(inputs, 96, 7, strides=2, padding="valid")
    tensor = layers.MaxPooling2D(3, 2)(tensor)
    for number, squeeze in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        squeezed = convolution(tensor, squeeze, 1)
        one = convolution(squeezed, 4 * squeeze, 1)
        tensor = layers.Concatenate()([one, convolution(squeezed, 4 * squeeze, 3)])
        if number in (4, 8):
            # Caffe rounds the size up.
            tensor = layers.MaxPooling2D(3, 2, padding="same" if number == 4 else "valid")(tensor)
    tensor = convolution(layers.Dropout(0.5)(tensor), CLASSES, 1)
    tensor = layers.GlobalAveragePooling2D()(layers.ZeroPadding2D(1)(tensor))
    model = keras.Model(inputs, tensor)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.001, 0.9, weight_decay=0.0002), loss)
    data, labels = pictures()
    turned = np.ascontiguousarray(data.transpose(0, 2, 3, 1))

    def steps(count: int) -> None:
        for _ in range(count):
            model.train_on_batch(turned, labels)

    return steps


WAYS: dict[str, Callable[[Path], Steps]] = {"zoo": zoo, "keras": keras_script}


def serve(way: str) -> None:
    """Answer questions: the time of each of so many steps, and the memory in use."""
    with tempfile.TemporaryDirectory() as folder:
        step = WAYS[way](Path(folder))
        step(2)
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            times = []
            for _ in range(json.loads(line)["steps"]):
                started = time.perf_counter()
                step(1)
                times.append(1000 * (time.perf_counter() - started))
            print(json.dumps({"times": times, "mib": memory("VmRSS")}), flush=True)


def rows(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measure both, in turns.

    Returns
    -------
    One row a way: ``way``, ``median_ms``, ``min_ms``, ``ratio``, the time of zoo relative to this
    way's, and ``growth_mib``, by how much its memory grew.
    """
    with ExitStack() as stack:
        peers = {way: stack.enter_context(Peer("benchmarks.training", way)) for way in WAYS}
        answers: dict[str, list[Any]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, peer in peers.items():
                answers[way].append(peer.ask(steps=STEPS))
    times = {way: [answer["times"] for answer in found] for way, found in answers.items()}
    return [
        {
            "way": way,
            "median_ms": statistics.median(each for one in times[way] for each in one),
            "min_ms": min(each for one in times[way] for each in one),
            "ratio": paired_ratio(times["zoo"], times[way]),
            "growth_mib": answers[way][-1]["mib"] - answers[way][0]["mib"],
        }
        for way in WAYS
    ]


def section() -> str:
    """A training step."""
    found = rows()
    lines = [
        (
            {"zoo": "zoo train", "keras": "a Keras script"}[row["way"]],
            f"{row['median_ms']:.0f} ({row['min_ms']:.0f})",
            f"{row['ratio']:.2f}",
            f"{row['growth_mib']:.0f}",
        )
        for row in found
    ]
    caffe = CAFFE_MS[4]
    faster = caffe / found[0]["median_ms"]
    header = ("way", "ms a step", "zoo / this", "memory grown, MiB")
    return (
        "## Training\n\nA step of SqueezeNet at batch 32: forward, backward, update. Real Caffe"
        f" took {caffe} ms with 4 threads where it was measured; zoo is"
        f" {faster:.1f}{mark(faster >= CAFFE_AIM)} times as fast here. Aim: {CAFFE_AIM:g} times."
        "\n\n" + table(header, lines)
    )


if __name__ == "__main__":
    serve(sys.argv[1])
