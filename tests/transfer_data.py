"""Data and a model that are small enough to try everything on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from zoo.net import Net

_PROTOTXT = """
name: "small" layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 12 dim: 12 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "left" type: "Convolution" bottom: "conv1" top: "left"
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "right" type: "Convolution" bottom: "conv1" top: "right"
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "mod/concat" type: "Concat" bottom: "left" bottom: "right" top: "mod/concat" }
layer { name: "fc" type: "InnerProduct" bottom: "mod/concat" top: "fc"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
_README = """---
name: The {name} network
caffemodel: small.caffemodel
license: BSD-2-Clause
input:
  size: [12, 12]
  mean: [100, 110, 120]
  scale: 0.01
  resize: [14, 14]
---
A small network.

@misc{small, author = {A. Author}, title = {Small}, year = {2020}}
"""


def write_small_model(folder: Path) -> Path:
    """A model directory with a branch in its network."""
    folder.mkdir(parents=True)
    (folder / "deploy.prototxt").write_text(_PROTOTXT)
    (folder / "readme.md").write_text(_README.replace("{name}", folder.name))
    (folder / "LICENSE").write_text("BSD\n")
    Net.read(folder / "deploy.prototxt").initialized().save(weights=folder / "small.caffemodel")
    return folder


def write_pictures(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """A folder of class folders; classes differ in colour, pictures in noise and size."""
    rng = np.random.default_rng(seed)
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            base = np.full(3, 60.0)
            base[number % 3] += 90
            noise = rng.normal(scale=30, size=(16 + index % 3, 20, 3))
            pixels = np.clip(base + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index:02} of {name}.png")
    return folder
