"""What is frozen stays as it is to the last bit, and that is proven."""

import hashlib
import json

import numpy as np
import pytest
from tuning_nets import small_net

import zoo
from zoo.cli.main import main
from zoo.errors import VerificationError
from zoo.transfer.plan import Group, Stage
from zoo.transfer.rates import rate_table
from zoo.transfer.tuning import training
from zoo.transfer.tuning.frozen import check_frozen, fingerprints, frozen_params

BATCH_NORM = """
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
"""
CARD = """\
---
name: Small
caffemodel: small.caffemodel
license: MIT
input: {size: [6, 6], channels: GRAY, mean: [128], scale: 0.01}
---
@misc{small, author = {A}, title = {Small}, year = {2020}}
"""
PLAN = """\
stages:
  - {name: head, train: head}
  - name: upper
    epochs: 1
    batch_norm: batch
    mirror: false
    groups: [{layers: [head], rate: 0.01}]
"""


@pytest.fixture
def words(tmp_path):
    """The command that tunes the head of a net with BatchNorm."""
    folder = tmp_path / "small"
    folder.mkdir()
    text = small_net(BATCH_NORM)[0].to_prototxt().replace("dim: 2 dim: 6", "dim: 1 dim: 6")
    text = text.replace("dim: 2\n", "dim: 1\n")
    (folder / "deploy.prototxt").write_text(text)
    (folder / "readme.md").write_text(CARD)
    (folder / "LICENSE").write_text("MIT License\n")
    net = zoo.Net.read(folder / "deploy.prototxt").initialized(seed=5)
    statistics = [np.array([1, 2, 3, 4], np.float32), np.ones(4, np.float32) * 7, [999.98]]
    net = net.with_params({"bn": [np.asarray(each, np.float32) for each in statistics]})
    net.save(weights=folder / "small.caffemodel")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (20, 6, 6), np.uint8)
    np.savez(tmp_path / "data.npz", data=pictures, label=np.arange(20) % 2)
    (tmp_path / "plan.yaml").write_text(PLAN)
    data = str(tmp_path / "data.npz")
    plan = str(tmp_path / "plan.yaml")
    output = str(tmp_path / "run")
    return ["finetune", str(folder), data, "--val", data, "--stages", plan, "-o", output]


def test_the_proof_is_in_the_metrics_statistics_included(words, tmp_path):
    assert main(words) == 0
    assert (tmp_path / "run" / "LICENSE").read_text() == "MIT License\n"
    source, tuned = zoo.load(tmp_path / "small").net, zoo.load(tmp_path / "run").net
    frozen = json.loads((tmp_path / "run" / "metrics.json").read_text())["frozen"]
    for stage in ("head", "upper"):
        assert set(frozen[stage]) == {"conv", "bn", "scale"}
        for layer, stated in frozen[stage].items():
            for net in (source, tuned):
                blobs = b"".join(blob.tobytes() for blob in net.params[layer])
                assert hashlib.sha256(blobs).hexdigest() == stated


def test_statistics_that_move_although_they_are_frozen_end_the_run(
    words, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(training, "moving_statistics", lambda *_: {"bn"})
    assert main(words) == 3
    assert "bn should be frozen, but changed" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_single_bit_is_seen():
    net, _ = small_net()
    stage = Stage("s")
    frozen = frozen_params(net, [("fc_3", 0), ("fc_3", 1)])
    assert {layer for layer, _ in frozen} == {"conv"}
    before = fingerprints(net, frozen)
    check_frozen(before, net, frozen, stage)
    bias = net.params["conv"][1].copy()
    bias[2] = np.nextafter(bias[2], np.float32(1))
    changed = net.with_params({"conv": [net.params["conv"][0], bias]})
    with pytest.raises(VerificationError, match=f"conv.*{before['conv']}"):
        check_frozen(before, changed, frozen, stage)


def test_biases_of_which_the_weights_are_trained_can_be_frozen_alone():
    net, _ = small_net()
    frozen = frozen_params(net, [("conv", 0), ("fc_3", 0), ("fc_3", 1)])
    assert frozen == [("conv", 1)]


@pytest.mark.parametrize(
    ("patterns", "batch_norm", "expected"),
    [
        (["*"], "batch", "statistics"),
        (["*"], "stored", "frozen"),
        (["fc*", "conv"], "batch", "statistics"),
        (["fc*"], "batch", "frozen"),
    ],
)
def test_the_table_says_which_statistics_are_learned(patterns, batch_norm, expected):
    net, head = small_net(BATCH_NORM)
    stage = Stage("s", groups=(Group(tuple(patterns), 0.1),), batch_norm=batch_norm)
    rows = {layer: row for row in rate_table(net, head, stage) for layer in row.layers}
    assert rows["bn"].group == expected
    assert rows["bn"].frozen == (expected == "frozen")
    assert sum(row.parameters for row in rate_table(net, head, stage)) == net.param_count
