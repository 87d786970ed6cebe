"""The run that died: one-stage fine-tuning of SqueezeNet as people first try it.

All layers at base_lr 0.001, a fresh classifier at ten times that, and the ReLU of the original
behind it. With real Caffe the loss stays at ln(10).
"""

import numpy as np
import pytest
from google.protobuf import text_format

from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.resize import resize_bilinear
from zoo.transfer.caffe_training import CaffeSolver
from zoo.transfer.data import open_data
from zoo.transfer.solver.events import Found

BATCH, CLASSIFIER = 8, "conv_final_clothes"


def naive(definition):
    """The training net: data of ours, a classifier of a new name, nothing else changed."""
    net = text_format.Parse(definition, NetParameter())
    kept = [layer for layer in net.layer if layer.type not in ("Data", "Accuracy")]
    for layer in kept:
        if layer.name == "conv_final":
            layer.name, layer.convolution_param.num_output = CLASSIFIER, 10
            for rate in (10, 20):
                layer.param.add(lr_mult=rate)
    del net.layer[:]
    net.layer.add(name="data", type="Input", top=["data", "label"])
    for shape in ((BATCH, 3, 227, 227), (BATCH,)):
        net.layer[0].input_param.shape.add(dim=shape)
    net.layer.extend(kept)
    return text_format.MessageToString(net)


def clothes(folder, count):
    """Pictures and labels, shuffled; BGR without the mean."""
    data = open_data(folder)
    chosen = np.random.default_rng(0).permutation(len(data))[:count]
    pictures = [resize_bilinear(data.picture(int(row)), (227, 227)) for row in chosen]
    x = np.stack(pictures).astype(np.float32) - (104, 117, 123)
    return x.transpose(0, 3, 1, 2).astype(np.float32), np.asarray(data.labels)[chosen]


@pytest.fixture
def dead_run(shared, tmp_path):
    """The solver of that run, and the list that its findings go to."""
    model = shared / "models" / "squeezenet_v1.0"
    (tmp_path / "net.prototxt").write_text(naive((model / "train_val.prototxt").read_text()))
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.001 lr_policy: "fixed" momentum: 0.9'
        " weight_decay: 0.0002 max_iter: 40 snapshot_after_train: false random_seed: 1"
    )
    x, labels = clothes(shared / "datasets" / "clothing-small" / "train", 160)

    def source(layer, folder, phase, *, seed=0, start=0):
        rng = np.random.default_rng(seed)
        while True:
            rows = rng.choice(len(x), BATCH, replace=False)
            yield {"data": x[rows], "label": labels[rows]}

    findings = []
    run = CaffeSolver(
        "solver.prototxt",
        [str(model / "squeezenet_v1.0.caffemodel")],
        folder=tmp_path,
        open_source=source,
        listen=lambda event: findings.append(event.finding) if isinstance(event, Found) else None,
    )
    return run, findings


def test_the_dead_one_stage_run_is_named_within_40_iterations(dead_run):
    run, findings = dead_run
    while run.iteration < 40 and "static-loss" not in {each.name for each in findings}:
        run.step(1)
    found = findings[-1]
    assert found.name == "static-loss"
    assert found.iteration < 40
    assert found.numbers["loss"] == pytest.approx(np.log(10), rel=0.05)
    assert found.where.startswith("fire9/relu")
    assert found.numbers[found.where] >= 0.8
    assert "The net is dead" in found.text
    assert "ln(10)" in found.text
    assert f"the ReLU relu_conv_final behind the classifier {CLASSIFIER}" in found.text
    assert any("zoo finetune" in remedy for remedy in found.remedies)
