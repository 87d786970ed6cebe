"""Small models whose weights the tests choose."""

import pytest

import zoo

CARD = """\
---
name: Seeing
caffemodel: seeing.caffemodel
license: MIT
task: classification
input:
  size: [{height}, {width}]
  channels: {channels}
  mean: {mean}
  labels: labels.txt
---
"""
COUNTS = {"BGR": 3, "RGB": 3, "GRAY": 1}


@pytest.fixture
def make_model(tmp_path):
    """A loaded model: its layers as text, params, size of its pictures and names of its classes."""

    def make(layers, params, size=(8, 8), channels="GRAY", labels=("cat", "dog"), mean=0):
        directory = tmp_path / "seeing"
        directory.mkdir()
        height, width = size
        head = (
            f'name: "Seeing" input: "data" input_shape {{ dim: 1 dim: {COUNTS[channels]}'
            f" dim: {height} dim: {width} }}\n"
        )
        (directory / "deploy.prototxt").write_text(head + layers)
        net = zoo.Net.read(directory / "deploy.prototxt").with_params(params).initialized(seed=1)
        net.save(weights=directory / "seeing.caffemodel")
        card = CARD.format(height=height, width=width, channels=channels, mean=mean)
        (directory / "readme.md").write_text(card)
        (directory / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
        return zoo.load(directory)

    return make
