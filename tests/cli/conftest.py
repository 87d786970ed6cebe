"""A small model on disk, and the command line run in this process."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.cli.main import main

DEFINITION = """\
name: "TinyNet"
input: "data"
input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv/a" type: "Convolution" bottom: "data" top: "conv/a"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv/a" top: "conv/a" }
layer { name: "ip" type: "InnerProduct" bottom: "conv/a" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
CARD = """\
---
name: Tiny [bold]model[/bold]
caffemodel: tiny.caffemodel
license: MIT
sha1: {sha1}
task: classification
input:
  size: [8, 8]
  channels: BGR
  mean: [104, 117, 123]
  resize: [12, 12]
  labels: labels.txt
---

Tells three things apart.

    @misc{{tiny, title = {{Tiny}}}}
"""


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run_zoo(capsys):
    def run(*words):
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Finished(code, captured.out, captured.err)

    return run


def write_model(root: Path, name: str = "tiny") -> Path:
    """A model directory with a network of three classes."""
    directory = root / name
    directory.mkdir(parents=True)
    (directory / "deploy.prototxt").write_text(DEFINITION)
    net = zoo.Net.read(directory / "deploy.prototxt").initialized(seed=3)
    net.save(weights=directory / "tiny.caffemodel")
    weights = (directory / "tiny.caffemodel").read_bytes()
    sha1 = hashlib.sha1(weights, usedforsecurity=False).hexdigest()
    (directory / "readme.md").write_text(CARD.format(sha1=sha1))
    (directory / "labels.txt").write_text("cat\ndog\n[red]bird[/red]\n")
    return directory


@pytest.fixture
def models(tmp_path):
    """A folder of models with the one model `tiny`."""
    write_model(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def tiny(models, run_zoo):
    """The directory of `tiny` in the cache."""
    return Path(run_zoo("fetch", "tiny", "--source", models).out.strip())


@pytest.fixture
def pictures(tmp_path):
    """Pictures of every kind of pixel that a new user has, and three that are none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    Image.fromarray(colour[..., :3]).save(folder / "a colour.png")
    Image.fromarray(colour).save(folder / "b rgba.png")
    Image.fromarray(colour[..., 0]).save(folder / "c grey.jpg")
    Image.fromarray(colour[..., 0].astype(np.uint16) * 257).save(folder / "d 16 bit.png")
    (folder / "e empty.jpg").touch()
    (folder / "f cut.png").write_bytes((folder / "a colour.png").read_bytes()[:300])
    (folder / "g text.jpg").write_text("<!DOCTYPE html><html>")
    return folder
