"""Features of 1,000 photographs: `zoo.extract_features` beside a plain Keras script.

The photographs are JPEGs of 400 x 533 pixels and about 29 KB, made here; the network is SqueezeNet
with 32 of them at a time. Each way runs in a process of its own, and they are asked in turns for
three things: to read all photographs (decode, warp, crop, subtract the mean), to run the network as
often as all of them need on a batch that is there, and both together as one does it. The limit of a
way is the slower of the first two. zoo begins with an empty cache of features each time. The Keras
script warps with TensorFlow's floating-point bilinear, which is not what Caffe's networks were
trained on.

Memory is what a process has after its last batch over what it had after its fifth, in one pass.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks import network, squeezenet
from benchmarks.processes import Peer, memory, paired_ratio
from benchmarks.tables import mark, table

__all__ = ["BATCH", "BLOB", "rows", "section"]

PICTURES, DIFFERENT, BATCH = 1000, 40, 32
ROUNDS = 3
BLOB = "fire9_concat"
MEAN = (104.0, 117.0, 123.0)
AIM = 0.85
"""At least so much of the slower of the two limits."""
_CARD = """---
name: SqueezeNet with random weights
input:
  size: [227, 227]
  resize: [256, 256]
  channels: BGR
  mean: [104, 117, 123]
---
"""


def photographs(folder: Path, count: int) -> None:
    """Write JPEGs, with as much detail as photographs have."""
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(min(count, DIFFERENT)):
        coarse = rng.integers(0, 256, (14, 10, 3), np.uint8)
        shapes = Image.fromarray(coarse).resize((400, 533), Image.Resampling.BICUBIC)
        grain = rng.normal(0, 5.5, (533, 400, 1))
        pixels = np.clip(np.asarray(shapes) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.jpg", quality=75)
    for number in range(DIFFERENT, count):
        content = (folder / f"{number % DIFFERENT:04}.jpg").read_bytes()
        # Decoders end before these bytes, but no two files are the same to a cache.
        (folder / f"{number:04}.jpg").write_bytes(content + number.to_bytes(4, "big"))


def write_model(folder: Path) -> None:
    """SqueezeNet as a model of the zoo."""
    folder.mkdir()
    network(squeezenet()).save(folder / "net.prototxt", folder / "net.caffemodel")
    (folder / "readme.md").write_text(_CARD)


@dataclass
class Way:
    """What is asked of a process; each yields after every batch."""

    read: Callable[[], Iterator[Any]]
    forward: Callable[[], Iterator[Any]]
    together: Callable[[], Iterator[Any]]


def zoo(folder: Path) -> Way:
    """As `zoo features` does it."""
    import zoo as package
    from zoo.build.predict import predictor
    from zoo.transfer.data import open_data
    from zoo.transfer.feature_inputs import input_batches
    from zoo.transfer.features import feature_batches

    def together() -> Iterator[Any]:
        shutil.rmtree(folder / "home" / "features", ignore_errors=True)
        return feature_batches(model, data, [BLOB], batch_size=BATCH)

    os.environ["ZOO_HOME"] = str(folder / "home")
    model, data = package.load(folder / "model"), open_data(folder / "photographs")
    run, batch = predictor(model.net, [BLOB]), np.zeros((BATCH, 227, 227, 3), np.float32)
    return Way(
        lambda: input_batches(model, data, BATCH),
        lambda: (run.predict({"data": batch}) for _ in range(len(data) // BATCH)),
        together,
    )


def keras_script(folder: Path) -> Way:
    """What one would write in Keras."""
    import keras
    import tensorflow as tf

    import zoo as package

    model = package.load(folder / "model")
    base = package.to_keras(model.net, [BLOB])
    features = keras.Model(base.input, keras.layers.GlobalAveragePooling2D()(base.outputs[0]))
    files = sorted(str(path) for path in (folder / "photographs").iterdir())

    def read(path: Any) -> Any:
        picture = tf.io.decode_jpeg(tf.io.read_file(path), 3)
        picture = tf.image.resize(picture, (256, 256))[14:241, 14:241, ::-1]
        return picture - tf.constant(MEAN)

    def batches() -> Any:
        rows = tf.data.Dataset.from_tensor_slices(files).map(read, tf.data.AUTOTUNE)
        return rows.batch(BATCH).prefetch(tf.data.AUTOTUNE)

    batch = tf.zeros((BATCH, 227, 227, 3))
    run = tf.function(lambda inputs: features(inputs, training=False))
    return Way(
        lambda: iter(batches()),
        lambda: (run(batch).numpy() for _ in range(len(files) // BATCH)),
        lambda: (run(each).numpy() for each in batches()),
    )


WAYS: dict[str, Callable[[Path], Way]] = {"zoo": zoo, "keras": keras_script}


def serve(way: str, folder: Path) -> None:
    """Answer questions: how long one of the three took, and by how much memory grew."""
    asked = WAYS[way](folder)
    for task in (asked.forward, asked.together):
        next(task())
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        task = getattr(asked, json.loads(line)["task"])
        started, early = time.perf_counter(), 0.0
        for number, _ in enumerate(task()):
            if number == 5:
                early = memory("VmRSS")
        seconds = time.perf_counter() - started
        print(json.dumps({"s": seconds, "grown": memory("VmRSS") - early}), flush=True)


def rows(pictures: int = PICTURES, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measure both, in turns.

    Returns
    -------
    One row a way: ``way``; ``read``, ``forward`` and ``together``, pictures a second at the median;
    ``share``, the last relative to the slower of the two before; ``ratio``, the time of zoo for all
    together relative to this way's; and ``growth_mib``.
    """
    times: dict[str, dict[str, list[list[float]]]] = {}
    grown: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        photographs(folder / "photographs", pictures)
        write_model(folder / "model")
        peers = {
            way: stack.enter_context(Peer("benchmarks.pipeline", way, str(folder))) for way in WAYS
        }
        for way in WAYS:
            times[way] = {"read": [], "forward": [], "together": []}
        for _ in range(rounds):
            for task in ("read", "forward", "together"):
                for way, peer in peers.items():
                    answer = peer.ask(task=task)
                    times[way][task].append([answer["s"]])
                    if task == "together":
                        grown[way] = max(grown.get(way, 0.0), answer["grown"])
    return [
        {
            "way": way,
            **{
                task: pictures / statistics.median(one for (one,) in found)
                for task, found in tasks.items()
            },
            "share": statistics.median(
                max(read[0], forward[0]) / together[0]
                for read, forward, together in zip(*tasks.values(), strict=True)
            ),
            "ratio": paired_ratio(times["zoo"]["together"], tasks["together"]),
            "growth_mib": grown[way],
        }
        for way, tasks in times.items()
    ]


def section() -> str:
    """Features of many photographs."""
    lines = [
        (
            {"zoo": "zoo", "keras": "a Keras script"}[row["way"]],
            *(f"{row[task]:.0f}" for task in ("read", "forward", "together")),
            f"{row['share']:.2f}" + (mark(row["share"] >= AIM) if row["way"] == "zoo" else ""),
            f"{row['ratio']:.2f}",
            f"{row['growth_mib']:.0f}",
        )
        for row in rows()
    ]
    header = ("way", "read only, pictures/s", "forward only", "together", "of the slower limit")
    return (
        f"## Data pipeline\n\nSqueezeNet's {BLOB} averaged for {PICTURES:,} JPEGs of 400 x 533"
        f" pixels. Aim: at least {AIM} of the slower of reading only and forward only; memory that"
        " does not grow over a pass.\n\n"
        + table((*header, "zoo / this", "memory grown, MiB"), lines)
    )


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
