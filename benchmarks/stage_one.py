"""The first stage of fine-tuning: an epoch on cached features beside one through the backbone.

SqueezeNet with a fresh classifier of 10 classes on 256 pictures that are in memory, in batches of
32; each way in a process of its own, asked in turns. An epoch through the backbone is, for zoo, one
forward pass of all pictures up to the classifier, which is less than training the classifier that
way would take; for the Keras script it is `fit` with the backbone frozen. On cached features zoo
makes one evaluation of loss and gradient over all rows, the Keras script `fit` of a Dense layer.
The whole stage is zoo's: to convergence, with the penalty chosen by cross-validation.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks import network, squeezenet
from benchmarks.pipeline import BATCH, BLOB
from benchmarks.processes import Peer
from benchmarks.tables import mark, table

__all__ = ["rows", "section"]

PICTURES, CLASSES, ROUNDS = 256, 10, 5
AIM = 50
"""At least so many times as fast on cached features."""

Tasks = dict[str, Callable[[], float]]


def data() -> tuple[np.ndarray, np.ndarray]:
    """Pictures, channels last, and their labels."""
    rng = np.random.default_rng(0)
    pictures = 50 * rng.standard_normal((PICTURES, 227, 227, 3), np.float32)
    return pictures, np.arange(PICTURES) % CLASSES


def seconds(task: Callable[[], Any]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def zoo(folder: Path) -> Tasks:
    """The first stage of `zoo.fine_tune`."""
    from zoo.net import Net
    from zoo.surgery.head import replace_head
    from zoo.transfer.tuning import softmax_regression
    from zoo.transfer.tuning.linear_stage import head_features

    net, head = replace_head(Net.read(folder / "net.prototxt", folder / "net.caffemodel"), CLASSES)
    pictures, labels = data()
    batches = [pictures[start : start + BATCH] for start in range(0, PICTURES, BATCH)]
    features = head_features(net, head, batches)

    def cached() -> float:
        calls, minimum = 0, softmax_regression._minimum

        def counted(loss: Any, *arguments: Any) -> Any:
            def evaluated(place: Any) -> Any:
                nonlocal calls
                calls += 1
                return loss(place)

            return minimum(evaluated, *arguments)

        softmax_regression._minimum = counted
        try:
            fit = softmax_regression.fit_linear
            return seconds(lambda: fit(features, labels, CLASSES, folds=1)) / calls
        finally:
            softmax_regression._minimum = minimum

    return {
        "through": lambda: seconds(lambda: head_features(net, head, batches)),
        "cached": cached,
        "whole": lambda: seconds(lambda: softmax_regression.fit_linear(features, labels, CLASSES)),
    }


def keras_script(folder: Path) -> Tasks:
    """What one would write in Keras."""
    import keras

    from zoo.build.model import to_keras
    from zoo.net import Net

    base = to_keras(Net.read(folder / "net.prototxt", folder / "net.caffemodel"), [BLOB])
    base.trainable = False
    features = keras.layers.GlobalAveragePooling2D()(base.outputs[0])
    pooled = keras.Model(base.inputs, features)
    top = keras.layers.Dense(CLASSES)
    whole = keras.Model(base.inputs, top(features))
    inputs = keras.Input(features.shape[1:])
    alone = keras.Model(inputs, top(inputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for model in (whole, alone):
        model.compile(keras.optimizers.SGD(0.001, 0.9), loss)
    pictures, labels = data()
    known = pooled.predict(pictures, batch_size=BATCH, verbose=0)

    def epoch(model: Any, rows: np.ndarray) -> float:
        return seconds(lambda: model.fit(rows, labels, batch_size=BATCH, verbose=0))

    return {"through": lambda: epoch(whole, pictures), "cached": lambda: epoch(alone, known)}


WAYS: dict[str, Callable[[Path], Tasks]] = {"zoo": zoo, "keras": keras_script}


def serve(way: str, folder: Path) -> None:
    """Answer every line on stdin with the seconds of each task."""
    tasks = WAYS[way](folder)
    for task in tasks.values():
        task()
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        print(json.dumps({name: task() for name, task in tasks.items()}), flush=True)


def rows(rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measure both, in turns.

    Returns
    -------
    One row a way: ``way``; ``through``, ``cached`` and, for zoo, ``whole``, seconds at the median;
    ``faster``, how many times an epoch on cached features is as fast, the median over the rounds.
    """
    answers: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        network(squeezenet()).save(folder / "net.prototxt", folder / "net.caffemodel")
        peers = {way: stack.enter_context(Peer("benchmarks.stage_one", way, name)) for way in WAYS}
        for _ in range(rounds):
            for way, peer in peers.items():
                answers[way].append(peer.ask())
    return [
        {
            "way": way,
            **{task: statistics.median(one[task] for one in found) for task in found[0]},
            "faster": statistics.median(one["through"] / one["cached"] for one in found),
        }
        for way, found in answers.items()
    ]


def section() -> str:
    """An epoch of the first stage."""
    lines = [
        (
            {"zoo": "zoo", "keras": "a Keras script"}[row["way"]],
            f"{row['through']:.2f}",
            f"{1000 * row['cached']:.1f}",
            f"{row['faster']:.0f}" + (mark(row["faster"] >= AIM) if row["way"] == "zoo" else ""),
            f"{row['whole']:.2f}" if "whole" in row else "",
        )
        for row in rows()
    ]
    header = ("way", "through the backbone, s", "on cached features, ms", "times as fast")
    return (
        f"## Stage 1 on cached features\n\nAn epoch of training a new classifier of SqueezeNet on"
        f" {PICTURES} pictures. Aim: at least {AIM} times as fast on cached features. The whole"
        " stage is to convergence, with the penalty chosen by cross-validation.\n\n"
        + table((*header, "whole stage, s"), lines)
    )


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
