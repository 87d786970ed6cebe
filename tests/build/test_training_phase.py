"""Whole networks in the TRAIN phase: losses and statistics as Caffe's, Dropout by a seed."""

import csv
import json

import numpy as np
import pytest
from reference import SHARED

from zoo.api import run
from zoo.build.model import from_keras, to_keras
from zoo.net import Net

FOLDER = SHARED / "golden" / "solvers"
CASES = sorted(path.parent.name for path in FOLDER.glob("*/init.caffemodel"))


def first_step(case):
    """The net of a training run before its first step, and the last batch that this step reads."""
    folder = FOLDER / case
    facts = json.loads((folder / "case.json").read_text())
    rows = np.load(folder / facts["data"] / "data.npz")
    end = facts["batch_size"] * facts["iter_size"]
    batch = {name: rows[name][end - facts["batch_size"] : end] for name in rows.files}
    net = Net.read(
        folder / "net.prototxt",
        folder / "init.caffemodel",
        phase="train",
        shapes={name: array.shape for name, array in batch.items()},
    )
    return net, {name: batch[name] for name in net.inputs}


def losses(net):
    """The tops that count in the loss, with their weights."""
    return {
        layer.tops[0]: list(layer.definition.loss_weight)[0]
        if layer.definition.loss_weight
        else layer.kind.loss_weight
        for layer in net.layers
        if layer.kind.loss_weight
    }


def test_all_34_training_runs_are_compared(shared):
    assert len(CASES) == 34


@pytest.mark.parametrize("case", CASES)
def test_the_first_loss_is_that_of_caffe(shared, case):
    net, batch = first_step(case)
    weights = losses(net)
    tops = run(net, batch, list(weights))
    total = sum(weights[name] * float(tops[name]) for name in weights)
    with (FOLDER / case / "trajectory.tsv").open() as file:
        first = next(csv.DictReader(file, delimiter="\t"))
    assert total == pytest.approx(float(first["loss_last_subbatch"]), rel=1e-4, abs=1e-4)


def test_one_step_leaves_the_running_averages_of_caffe(shared):
    net, batch = first_step("sgd_bn")
    stored = np.load(FOLDER / "sgd_bn" / "trajectory.npz")
    model = to_keras(net)
    model({**batch, "data": np.moveaxis(batch["data"], 1, -1)}, training=True)
    for index, blob in enumerate(from_keras(net, model).params["bn1"]):
        expected = stored[f"w1:bn1/{index}"]
        np.testing.assert_allclose(blob, expected, atol=1e-4 * max(1, np.abs(expected).max()))


DROPOUT = """
input: "data" input_shape { dim: 50 dim: 8 dim: 4 dim: 4 }
layer { name: "one" type: "Dropout" bottom: "data" top: "one" dropout_param { dropout_ratio: 0.3 } }
layer { name: "two" type: "Dropout" bottom: "data" top: "two" }
layer { name: "bn" type: "BatchNorm" bottom: "one" top: "bn" }
layer { name: "drawn" type: "Pooling" bottom: "data" top: "drawn"
        pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 } }
"""


@pytest.fixture
def dropout(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(DROPOUT)
    return lambda phase: Net.read(path, phase=phase).initialized()


ONES = {"data": np.ones((50, 8, 4, 4), np.float32)}


def test_dropout_scales_what_it_keeps(dropout):
    tops = run(dropout("train"), ONES, ["one", "two"], seed=1)
    for name, ratio in (("one", 0.3), ("two", 0.5)):
        assert set(np.unique(tops[name])) == {0, np.float32(1 / (1 - ratio))}
        assert np.mean(tops[name] == 0) == pytest.approx(ratio, abs=0.03)
    np.testing.assert_array_equal(run(dropout("test"), ONES, ["one"])["one"], ONES["data"])


def test_a_seed_gives_the_same_values_again(dropout):
    data = {"data": np.random.default_rng(0).uniform(size=(50, 8, 4, 4))}
    net = dropout("train")
    first = run(net, data, ["one", "two", "drawn"], seed=7)
    other = run(net, data, ["one", "two", "drawn"], seed=8)
    again = run(dropout("train"), data, ["one", "drawn"], seed=7)
    for name, top in again.items():
        np.testing.assert_array_equal(top, first[name])
        assert not np.array_equal(top, other[name])
    assert not np.array_equal(first["one"] == 0, first["two"] == 0)
    unseeded = [run(net, data, ["one"])["one"] for _ in range(2)]
    assert not np.array_equal(*unseeded)


def test_statistics_of_the_batch_may_be_asked_for_in_any_phase(tmp_path):
    """Nothing may be folded into the convolution then."""
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "data" input_shape { dim: 4 dim: 2 dim: 5 dim: 5 }\n'
        'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param'
        ' { num_output: 3 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }\n'
        'layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn"'
        " batch_norm_param { use_global_stats: false } }\n"
        'layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" }\n'
    )
    data = {"data": np.random.default_rng(0).normal(size=(4, 2, 5, 5))}
    for phase in ("test", "train"):
        top = run(Net.read(path, phase=phase).initialized(), data)["scale"]
        np.testing.assert_allclose(top.mean((0, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(top.std((0, 2, 3)), 1, atol=1e-3)


@pytest.mark.parametrize(
    "path", ["mnist/lenet_train_test", "siamese/mnist_siamese_train_test",
             "cifar10/cifar10_quick_train_test"]
)  # fmt: skip
def test_published_training_definitions_run(shared, path):
    """Shared branches, several data sources, and losses without probabilities."""
    shapes = {"data": (4, 3, 32, 32), "label": (4,)}
    if "mnist" in path:
        shapes = {"data": (4, 1, 28, 28), "label": (4,), "pair_data": (4, 2, 28, 28), "sim": (4,)}
    prototxt = shared / "prototxt" / "BVLC+caffe" / "examples" / f"{path}.prototxt"
    net = Net.read(prototxt, phase="train", shapes=shapes).initialized()
    rng = np.random.default_rng(0)
    inputs = {name: rng.integers(0, 2, shape) for name, shape in net.inputs.items()}
    for name, top in run(net, inputs).items():
        assert top.shape == ()
        assert 0 < float(top) < 100, name
