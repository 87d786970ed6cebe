"""`zoo run --backward` and `zoo check-gradient`."""

import numpy as np
import pytest

import zoo
from zoo.errors import UsageError

LOSS = """\
name: "loss"
input: "x" input_shape { dim: 4 dim: 3 }
input: "label" input_shape { dim: 4 }
layer { name: "fc/1" type: "InnerProduct" bottom: "x" top: "fc/1"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "fc/1" top: "fc/1" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc/1" bottom: "label" top: "loss" }
"""
PLUGIN = """\
import keras
import zoo
from keras import ops
from zoo.layers.kind import Kind

@ops.custom_gradient
def square(x):
    return x * x, lambda upstream: 2.5 * x * upstream

@zoo.layer("BadSquare")
class BadSquare(Kind):
    def build(self, site):
        return site.elementwise(keras.layers.Lambda(square, name=site.name))
"""


@pytest.fixture
def files(tmp_path):
    """A net with a loss, its weights and its inputs."""
    (tmp_path / "net.prototxt").write_text(LOSS)
    net = zoo.Net.read(tmp_path / "net.prototxt").initialized()
    net.save(weights=tmp_path / "net.caffemodel")
    inputs = {"x": np.random.default_rng(0).normal(size=(4, 3)), "label": np.array([0, 1, 2, 4])}
    np.savez(tmp_path / "in.npz", **inputs)
    return tmp_path, net, inputs


def command(folder, *words):
    return (
        "run", "--net", folder / "net.prototxt", "--weights", folder / "net.caffemodel",
        "--input", folder / "in.npz", "-o", folder / "out.npz", *words,
    )  # fmt: skip


def test_backward_from_the_losses_adds_diffs_to_the_blobs(run_zoo, files):
    folder, net, inputs = files
    ended = run_zoo(*command(folder, "--backward", "--json"))
    assert ended.code == 0, ended.err
    blobs, params = zoo.gradients(net, inputs)
    with np.load(folder / "out.npz") as arrays:
        assert arrays.files == [
            "loss", "bottomdiff/x", "bottomdiff/fc/1", "bottomdiff/loss",
            "paramdiff/fc/1/0", "paramdiff/fc/1/1",
        ]  # fmt: skip
        np.testing.assert_allclose(arrays["bottomdiff/fc/1"], blobs["fc/1"], rtol=1e-6)
        np.testing.assert_allclose(arrays["paramdiff/fc/1/0"], params["fc/1"][0], rtol=1e-6)
    assert ended.json["blobs"]["paramdiff/fc/1/1"] == [5]


def test_an_empty_file_of_diffs_starts_from_the_losses_too(run_zoo, files):
    folder, net, inputs = files
    np.savez(folder / "none.npz")
    ended = run_zoo(*command(folder, "--backward", folder / "none.npz"))
    assert ended.code == 0, ended.err
    with np.load(folder / "out.npz") as arrays:
        expected = zoo.gradients(net, inputs)[1]["fc/1"][1]
        np.testing.assert_allclose(arrays["paramdiff/fc/1/1"], expected, rtol=1e-6)


def test_backward_from_the_diffs_of_blobs(run_zoo, files):
    folder, net, inputs = files
    start = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    np.savez(folder / "top.npz", **{"fc/1": start, "loss": np.zeros(())})
    words = ("--backward", folder / "top.npz", "--force-backward", "--blob", "fc/1")
    ended = run_zoo(*command(folder, *words))
    assert ended.code == 0, ended.err
    with np.load(folder / "out.npz") as arrays:
        weight = net.params["fc/1"][0]
        np.testing.assert_allclose(arrays["bottomdiff/x"], start @ weight, rtol=1e-4, atol=1e-6)
        expected = start.T @ inputs["x"]
        np.testing.assert_allclose(arrays["paramdiff/fc/1/0"], expected, rtol=1e-4, atol=1e-6)
        assert arrays["fc/1"].shape == (4, 5)


def test_the_training_phase_drops_values(run_zoo, files):
    folder, _, _ = files
    ended = run_zoo(*command(folder, "--backward", "--phase", "train", "--blob", "fc/1"))
    assert ended.code == 0, ended.err
    with np.load(folder / "out.npz") as arrays:
        dropped = arrays["fc/1"] == 0
        assert 0 < dropped.sum() < dropped.size
        assert not arrays["bottomdiff/fc/1"][dropped].any()


def test_a_deploy_net_says_why_all_is_zero(run_zoo, files):
    folder, _, inputs = files
    label = 'input: "label" input_shape { dim: 4 }\n'
    deploy = LOSS.replace(label, "").rpartition("layer {")[0]
    (folder / "net.prototxt").write_text(deploy)
    np.savez(folder / "in.npz", x=inputs["x"])
    np.savez(folder / "top.npz", **{"fc/1": np.ones((4, 5))})
    ended = run_zoo(*command(folder, "--backward", folder / "top.npz"))
    assert ended.code == 0
    assert "every gradient is zero" in ended.err
    assert "--force-backward" in ended.err
    forced = run_zoo(*command(folder, "--backward", folder / "top.npz", "--force-backward"))
    assert forced.err.count("zero") == 0
    nothing = run_zoo(*command(folder, "--backward"))
    assert nothing.code == UsageError.exit_code
    assert "has no loss" in nothing.err


def test_options_that_belong_together_are_asked_for(run_zoo, files):
    folder, _, _ = files
    assert "belongs to --backward" in run_zoo(*command(folder, "--force-backward")).err
    words = ("lenet_digits", "--phase", "train", "--input", folder / "in.npz")
    ended = run_zoo("run", *words, "-o", folder / "out.npz")
    assert ended.code == UsageError.exit_code
    assert "--phase train needs --net" in ended.err


def test_a_good_network_passes_the_check(run_zoo, files):
    folder, _, _ = files
    ended = run_zoo("check-gradient", folder / "net.prototxt", "--phase", "train", "--points", 5)
    assert ended.code == 0, ended.err
    lines = [line.split("\t") for line in ended.out.splitlines()]
    assert lines[0][:4] == ["layer", "type", "of", "values"]
    assert [line[:4] + line[-1:] for line in lines[1:]] == [
        ["fc/1", "InnerProduct", "bottom 0 (x)", "5", "ok"],
        ["fc/1", "InnerProduct", "param 0", "5", "ok"],
        ["fc/1", "InnerProduct", "param 1", "5", "ok"],
        ["drop", "Dropout", "bottom 0 (fc/1)", "5", "ok"],
        ["loss", "SoftmaxWithLoss", "bottom 0 (fc/1)", "5", "ok"],
    ]


@pytest.mark.usefixtures("kinds_restored")
def test_a_wrong_gradient_ends_with_3_and_is_named(run_zoo, tmp_path):
    (tmp_path / "bad_square.py").write_text(PLUGIN)
    (tmp_path / "net.prototxt").write_text(
        'input: "x" input_shape { dim: 4 dim: 3 }\n'
        'layer { name: "tanh" type: "TanH" bottom: "x" top: "t" }\n'
        'layer { name: "square" type: "BadSquare" bottom: "t" top: "s" }\n'
    )
    words = ("check-gradient", tmp_path / "net.prototxt", "--plugin", tmp_path / "bad_square.py")
    ended = run_zoo(*words)
    assert ended.code == 3
    assert "layer 'square', bottom 0 (t)" in ended.err
    assert "tanh" not in ended.err
    assert ended.out.splitlines()[-1].endswith("FAILED")
    facts = run_zoo(*words, "--json").json
    assert facts["passed"] is False
    assert [check["passed"] for check in facts["checks"]] == [True, False]
    assert run_zoo(*words, "--layer", "tanh").code == 0
    assert run_zoo(*words, "--threshold", "0.5").code == 0


def test_values_for_the_check_come_from_a_file(run_zoo, files):
    folder, _, _ = files
    words = ("check-gradient", folder / "net.prototxt", "--layer", "loss")
    np.savez(folder / "logits.npz", **{"fc/1": np.eye(4, 5), "label": np.array([4, 3, 2, 1])})
    assert run_zoo(*words, "--input", folder / "logits.npz").code == 0
    assert run_zoo(*words, "--step", "0").code == UsageError.exit_code


def test_a_layer_that_is_not_there_is_answered_with_those_that_are(run_zoo, files):
    words = ("check-gradient", files[0] / "net.prototxt", "--layer", "nosuch")
    ended = run_zoo(*words)
    assert (ended.code, ended.out) == (2, "")
    assert "no layer named 'nosuch'." in ended.err
    assert "fc/1" in ended.err
