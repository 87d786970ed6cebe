"""A training step of SqueezeNet at batch 32: `zoo.train`, a plain Keras script and real Caffe.

Each runs in a process of its own, and they are asked in turns. Both train the same network on the
same pictures with SGD, momentum and dropout; a step of zoo is one of its whole loop, with the
turning of the batch from Caffe's order, the loss read back and Caffe's rules for each param. The
Keras script has its pictures in Keras's order and calls `train_on_batch`. Memory is what a process
has after the last round over what it had after the first.

Real Caffe was timed on another machine, of which only the time of TensorFlow's forward pass is
known. So a forward pass is timed here as well, and both are compared by how many forward passes of
their machine a step takes.
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
CAFFE_MS, FORWARD_MS = 1100, (100, 170)
"""What a step took real Caffe 1.0 with OpenBLAS and 4 threads, and TensorFlow's forward pass of the
same batch on the same machine."""
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


def keras_model() -> Any:
    """The network as one would write it in Keras."""
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
    return keras.Model(inputs, tensor)


def keras_script(folder: Path) -> Steps:
    """What one would write in Keras."""
    import keras

    model = keras_model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.001, 0.9, weight_decay=0.0002), loss)
    data, labels = pictures()
    turned = np.ascontiguousarray(data.transpose(0, 2, 3, 1))

    def steps(count: int) -> None:
        for _ in range(count):
            model.train_on_batch(turned, labels)

    return steps


def forward(folder: Path) -> Steps:
    """TensorFlow's forward pass alone."""
    import tensorflow as tf

    run = tf.function(keras_model())
    turned = tf.constant(pictures()[0].transpose(0, 2, 3, 1))

    def steps(count: int) -> None:
        for _ in range(count):
            run(turned).numpy()

    return steps


WAYS: dict[str, Callable[[Path], Steps]] = {
    "zoo": zoo,
    "keras": keras_script,
    "forward": forward,
}


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
    names = {
        "zoo": "zoo train",
        "keras": "a Keras script",
        "forward": "TensorFlow's forward pass alone",
    }
    lines = [
        (
            names[row["way"]],
            f"{row['median_ms']:.0f} ({row['min_ms']:.0f})",
            f"{row['ratio']:.2f}",
            f"{row['growth_mib']:.0f}",
        )
        for row in found
    ]
    header = ("way", "ms a step", "zoo / this", "memory grown, MiB")
    return (
        "## Training\n\nA step of SqueezeNet at batch 32: forward, backward, update."
        f" {_beside_caffe(found)}\n\n{table(header, lines)}"
    )


def _beside_caffe(found: list[dict[str, Any]]) -> str:
    """How many times as fast as real Caffe, plainly and by forward passes of each machine."""
    ways = {row["way"]: row for row in found}
    step, passes = ways["zoo"]["median_ms"], ways["forward"]["ratio"]
    quick, slow = (CAFFE_MS / each for each in FORWARD_MS)
    faster = CAFFE_MS / step
    return (
        f"Aim: {CAFFE_AIM} times as fast as real Caffe, which took {CAFFE_MS} ms with 4 threads on"
        f" another machine: zoo takes {step:.0f} ms here, {faster:.1f}{mark(faster >= CAFFE_AIM)}"
        " times as fast. TensorFlow's forward pass took"
        f" {FORWARD_MS[0]} to {FORWARD_MS[1]} ms there and {ways['forward']['median_ms']:.0f} ms"
        f" here. In forward passes of its own machine a step took Caffe {slow:.1f} to {quick:.1f}"
        f" and takes zoo {passes:.1f}: {slow / passes:.1f} to {quick / passes:.1f} times as fast."
    )


if __name__ == "__main__":
    serve(sys.argv[1])
