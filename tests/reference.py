"""Where the reference results of real Caffe lie, reading them, and comparing blobs with them."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest

from zoo.net import Net

SHARED = Path(os.environ.get("ZOO_SHARED", Path(__file__).parents[2] / "shared"))


def require_shared() -> Path:
    """The folder of reference results: skips where it is absent, fails where it is required."""
    if (SHARED / "golden" / "README.md").is_file():
        return SHARED.resolve()
    message = f"reference results of Caffe not found at {SHARED}; set ZOO_SHARED to their folder"
    if os.environ.get("ZOO_REQUIRE_SHARED") == "1":
        pytest.fail(message)
    pytest.skip(message)


def load_fill(shared):
    """The recipe for deterministic weights and inputs that the reference runs used."""
    spec = importlib.util.spec_from_file_location("fill", shared / "golden" / "nets" / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recipe_params(fill, net, gain):
    """Weights by the recipe for every layer of a net."""
    return {
        layer.name: [
            fill.fill(layer.type, layer.name.removesuffix("_p"), index, shape, gain)
            for index, shape in enumerate(layer.param_shapes)
        ]
        for layer in net.layers
        if layer.param_shapes
    }


def recipe_inputs(fill, case):
    """Inputs by the recipe: Gaussian pictures, counted labels."""
    inputs = {}
    for name, entry in case["inputs"].items():
        shape = tuple(entry["shape"])
        if entry["kind"] == "make_input":
            inputs[name] = fill.make_input(name, shape, entry["scale"])
            if entry.get("then") == "clip(abs(x)/3, 0, 1)":
                inputs[name] = np.clip(np.abs(inputs[name]) / 3, 0, 1)
        else:
            classes = int(entry["kind"].rpartition("%")[2])
            inputs[name] = (np.arange(np.prod(shape)) % classes).reshape(shape).astype(np.float32)
    return inputs


def read_case(shared, name):
    folder = shared / "golden" / "nets"
    return json.loads((folder / f"{name}.json").read_text()), np.load(folder / f"{name}.npz")


def relative_error(received, expected):
    """The largest difference, in units of the largest expected value."""
    return float(np.abs(received - expected).max() / max(np.abs(expected).max(), 1e-30))


LAYERS = SHARED / "golden" / "layers"


def layer_cases():
    """Name to entry of the index for all cases of single layers and small nets."""
    index = LAYERS / "index.json"
    return {case["name"]: case for case in json.loads(index.read_text())} if index.is_file() else {}


def read_layer_case(name, phase):
    """The net of such a case, with its weights if it has any."""
    weights = LAYERS / f"{name}.caffemodel"
    path = weights if weights.is_file() else None
    return Net.read(LAYERS / f"{name}.prototxt", path, phase=phase)


def stored_arrays(name, part):
    """What such a case stores under `part`/, by the rest of the key."""
    with np.load(LAYERS / f"{name}.npz") as stored:
        return {
            key.removeprefix(f"{part}/"): stored[key]
            for key in stored.files
            if key.startswith(f"{part}/")
        }


def excess(received, expected, tolerance):
    """The largest difference over what is allowed; infinite where shapes or infinities differ."""
    finite = np.isfinite(expected)
    if received.shape != expected.shape or not np.array_equal(np.isfinite(received), finite):
        return np.inf
    if not finite.any():
        return 0.0
    largest = float(np.abs(received[finite] - expected[finite]).max())
    return largest / (tolerance * max(1.0, float(np.abs(expected[finite]).max())))
