"""Train the model that ships with zoo: LeNet on the handwritten digits 0 to 4 of scikit-learn.

    python examples/train_lenet_digits.py registry/data/lenet_digits

The digits are those of the UCI test set "Optical Recognition of Handwritten Digits", 8 x 8 pixels,
that scikit-learn carries. Every fifth picture of a class is held out; the accuracy in the readme is
measured on those, through the same preprocessing that `zoo classify` applies.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from zoo.build.model import from_keras, to_keras
from zoo.input_spec import InputSpec
from zoo.net import Net
from zoo.preprocess import Preprocessor
from zoo.registry.card import Card
from zoo.registry.hashes import hash_file

HERE = Path(__file__).parent
NAMES = ["zero", "one", "two", "three", "four"]
SPEC = InputSpec(size=(28, 28), channels="GRAY", mean=(0,), scale=1 / 256)
README = """---
name: LeNet on handwritten digits 0 to 4
caffemodel: lenet_digits.caffemodel
license: Apache-2.0
sha1: {sha1}
sha256: {sha256}
task: classification
input:
  size: [28, 28]
  channels: GRAY
  mean: [0]
  scale: 0.00390625
  labels: labels.txt
---

A small LeNet (LeCun et al. 1998, in the form of Caffe's MNIST example) for the digits 0 to 4,
white on black. Trained by this project with `examples/train_lenet_digits.py` on the digits that
scikit-learn carries: {train} pictures of 8 x 8 pixels, enlarged to 28 x 28; the digits 5 to 9 are
left for fine-tuning.

Held-out accuracy: {accuracy:.1%} of {held_out} pictures (every fifth of a class, not trained on).

## License

The weights are under the Apache License 2.0, as zoo is. The digits come from "Optical Recognition
of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, CC BY 4.0).

## Citation

    @article{{lecun1998gradient,
        author = {{LeCun, Yann and Bottou, L{{\\'e}}on and Bengio, Yoshua and Haffner, Patrick}},
        title = {{Gradient-based learning applied to document recognition}},
        journal = {{Proceedings of the IEEE}},
        volume = {{86}},
        number = {{11}},
        pages = {{2278--2324}},
        year = {{1998}}
    }}

    @misc{{alpaydin1998digits,
        author = {{Alpaydin, E. and Kaynak, C.}},
        title = {{Optical Recognition of Handwritten Digits}},
        howpublished = {{UCI Machine Learning Repository}},
        year = {{1998}}
    }}
"""


def read_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures (n, 8, 8) uint8, labels, and which are held out, for the digits 0 to 4."""
    digits = load_digits(n_class=len(NAMES))
    pictures = np.clip(digits.images * 16, 0, 255).astype(np.uint8)
    held_out = np.zeros(len(pictures), bool)
    for label in range(len(NAMES)):
        held_out[np.flatnonzero(digits.target == label)[::5]] = True
    return pictures, digits.target, held_out


def train(net: Net, pictures: np.ndarray, labels: np.ndarray) -> Net:
    """The net with weights trained on the pictures."""
    model = to_keras(net, blobs=["ip2"])
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(pictures, labels, batch_size=32, epochs=30, shuffle=True, verbose=0)
    return from_keras(net, model)


def main(directory: Path) -> None:
    keras.utils.set_random_seed(1998)
    pictures, labels, held_out = read_digits()
    inputs = Preprocessor(SPEC)(list(pictures))
    net = train(
        Net.read(HERE / "lenet_digits.prototxt").initialized(seed=1998),
        inputs[~held_out],
        labels[~held_out],
    )
    scores = to_keras(net).predict(inputs[held_out], verbose=0)
    accuracy = float((scores.argmax(axis=1) == labels[held_out]).mean())

    directory.mkdir(parents=True, exist_ok=True)
    weights = directory / "lenet_digits.caffemodel"
    net.save(directory / "deploy.prototxt", weights)
    (directory / "labels.txt").write_text("\n".join(NAMES) + "\n")
    hashes = hash_file(weights)
    text = README.format(
        sha1=hashes.sha1,
        sha256=hashes.sha256,
        train=int((~held_out).sum()),
        held_out=int(held_out.sum()),
        accuracy=accuracy,
    )
    Card.parse(text).write(directory / "readme.md")
    for label, name in enumerate(NAMES):
        first = int(np.flatnonzero(held_out & (labels == label))[0])
        Image.fromarray(pictures[first]).save(HERE / "digits" / f"{name}.png")
    print(f"held-out accuracy {accuracy:.1%}, {weights.stat().st_size} bytes in {weights}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
