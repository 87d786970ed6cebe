"""Several classifiers in one net, and heads of definitions for training."""

import numpy as np
import pytest
from surgery_check import check_counts, check_round_trip
from surgery_nets import net_of

import zoo
from zoo.errors import NetError, UsageError
from zoo.surgery.head import Head, before_head, replace_head
from zoo.surgery.report import SurgeryReport

GOOGLENET = "prototxt/BVLC+caffe/models/bvlc_googlenet/train_val.prototxt"
SHAPES = {"data": (2, 3, 224, 224), "label": (2,)}
HEADS = ["loss1/classifier", "loss2/classifier", "loss3/classifier"]
SMALL = """
name: "small"
layer { name: "data" type: "Data" top: "data" top: "label" }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "aux" type: "InnerProduct" bottom: "conv" top: "aux"
        inner_product_param { num_output: 6 } }
layer { name: "aux_loss" type: "SoftmaxWithLoss" bottom: "aux" bottom: "label" top: "aux_loss"
        loss_weight: 0.3 }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 6 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
layer { name: "top1" type: "Accuracy" bottom: "fc" bottom: "label" top: "top1" }
layer { name: "top5" type: "Accuracy" bottom: "fc" bottom: "label" top: "top5"
        accuracy_param { top_k: 5 } }
"""


def training(text=SMALL, phase="TRAIN", label=(2,)):
    from google.protobuf import text_format

    from zoo.caffe.schema.caffe_pb2 import NetParameter

    net = zoo.Net(
        text_format.Parse(text, NetParameter()),
        phase=phase,
        shapes={"data": (2, 3, 8, 8), "label": label},
    )
    return net.initialized(1)


def googlenet(shared, phase):
    return zoo.Net.read(shared / GOOGLENET, phase=phase, shapes=SHAPES)


@pytest.mark.parametrize("phase", ["train", "test"])
def test_all_three_heads_of_googlenet_are_rebuilt(shared, phase):
    net = googlenet(shared, phase)
    new, head = replace_head(net, 20, auxiliary="rebuild")
    assert head.layer == "loss3/classifier_20"
    assert set(head.auxiliaries) == {"loss1/classifier_20", "loss2/classifier_20"}
    counts = head.counts()
    assert sum(counts.values()) - counts["dropped"] == new.param_count
    assert {blob.layer for blob in head.of("dropped")} == set(HEADS)
    assert {blob.layer for blob in head.of("initialised")} == {f"{name}_20" for name in HEADS}
    weights = [
        layer.definition.loss_weight[0] for layer in new.layers if layer.type == "SoftmaxWithLoss"
    ]
    np.testing.assert_allclose(weights, [0.3, 0.3, 1])
    assert new.outputs == net.outputs
    for name in HEADS:
        assert new.blobs[name] == (2, 20)
        rates = [spec.lr_mult for spec in new.layer(f"{name}_20").definition.param]
        assert rates == [10, 20]


@pytest.mark.parametrize("phase", ["train", "test"])
def test_the_two_auxiliary_heads_of_googlenet_are_dropped_with_all_that_is_theirs(shared, phase):
    net = googlenet(shared, phase)
    new, head = replace_head(net, 20)
    left = {layer.name for layer in new.layers}
    assert not [name for name in left if name.startswith(("loss1", "loss2"))]
    assert head.auxiliaries == ()
    assert "loss1/fc" in head.removed
    assert any("auxiliary classifiers were dropped" in change for change in head.changes)
    assert new.layer("loss3/loss3").definition.loss_weight[0] == 1
    accuracies = [layer.name for layer in new.layers if layer.type == "Accuracy"]
    assert len(accuracies) == (2 if phase == "test" else 0)
    assert list(new.inputs) == ["data", "label"]


def test_a_head_is_a_report_of_surgery_that_goes_through_files(tmp_path):
    net = training()
    new, head = replace_head(net, 7, name="styles", auxiliary="rebuild")
    assert isinstance(head, Head)
    assert isinstance(head, SurgeryReport)
    check_counts(net, new, head)
    assert head.operation == "replace_head(classes=7, name='styles', auxiliary='rebuild')"
    assert (head.layer, head.auxiliaries) == ("styles", ("aux_7",))
    assert (head.features, head.scores) == ("conv", "fc")
    assert not head.preserving
    np.testing.assert_array_equal(new.params["conv"][0], net.params["conv"][0])
    files = tmp_path / "n.prototxt", tmp_path / "n.caffemodel"
    new.save(*files)
    again = zoo.Net.read(*files, phase="train", shapes=dict(new.inputs))
    inputs = {
        "data": np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32),
        "label": np.array([6, 0], np.float32),
    }
    one, other = zoo.run(new, inputs), zoo.run(again, inputs)
    assert sorted(one) == ["aux_loss", "loss", "top1", "top5"]
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_a_best_five_of_three_classes_is_not_measured():
    new, head = replace_head(training(), 3)
    assert "top5" not in [layer.name for layer in new.layers]
    assert "top1" in [layer.name for layer in new.layers]
    assert any("top5" in change for change in head.changes)


def test_what_comes_before_the_head_of_a_training_net():
    new, head = replace_head(training(), 3)
    assert before_head(new, head).outputs == ["label", "conv"]


def test_the_heaviest_loss_is_that_of_the_main_head():
    swapped = SMALL.replace("loss_weight: 0.3", "loss_weight: 2")
    _, head = replace_head(training(swapped), 3)
    assert head.replaced == "aux"


def test_targets_of_several_classes_at_once_change_their_shape():
    text = SMALL.replace("SoftmaxWithLoss", "SigmoidCrossEntropyLoss")
    text = "".join(
        line for line in text.splitlines(True) if "Accuracy" not in line and "top_k" not in line
    )
    new, head = replace_head(training(text, label=(2, 6)), 9)
    assert new.inputs["label"] == (2, 9)
    assert any("(2, 9)" in change for change in head.changes)


def test_a_definition_alone_gets_a_head_and_no_weights():
    net = zoo.Net(read_small().definition)
    new, head = replace_head(net, 4, filler="xavier", lr_mult=[1, 2])
    assert not new.params
    definition = new.layer("fc_4").definition
    assert definition.inner_product_param.weight_filler.type == "xavier"
    assert [spec.lr_mult for spec in definition.param] == [1, 2]
    assert [blob.layer for blob in head.of("initialised")] == ["fc_4", "fc_4"]


def read_small():
    return net_of(
        """layer { name: "data" type: "Input" top: "data"
               input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
           layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
                   inner_product_param { num_output: 6 } }
           layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }"""
    )


def test_the_same_seed_gives_the_same_weights(tmp_path):
    net = read_small()
    one, _ = replace_head(net, 4, seed=5, filler={"type": "gaussian", "std": 1})
    other, _ = replace_head(net, 4, seed=5, filler={"type": "gaussian", "std": 1})
    np.testing.assert_array_equal(one.params["fc_4"][0], other.params["fc_4"][0])
    assert one.params["fc_4"][0].std() > 0.5
    check_round_trip(one, tmp_path)


def test_squeezenet_loses_the_relu_behind_its_classifier(shared):
    model = shared / "models" / "squeezenet_v1.0"
    net = zoo.Net.read(model / "deploy.prototxt", model / "squeezenet_v1.0.caffemodel")
    new, head = replace_head(net, 10)
    check_counts(net, new, head)
    assert head.averaged
    assert "relu_conv_final" in head.removed
    assert any("relu_conv_final" in change for change in head.changes)
    trained = zoo.Net.read(model / "train_val.prototxt", phase="train", shapes=SQUEEZE)
    new, head = replace_head(trained, 10)
    assert "relu_conv_final" in head.removed
    assert new.layer("loss").bottoms == ("pool_final", "label")


SQUEEZE = {"data": (2, 3, 227, 227), "label": (2,)}


@pytest.mark.parametrize("name", ["alexnet", "caffenet", "vgg16", "resnet50", "googlenet", "lenet"])
def test_the_head_of_every_classic_net_is_found(shared, name):
    net = zoo.Net.read(shared / "golden" / "nets" / f"{name}.prototxt")
    new, head = replace_head(net, 12)
    assert new.blobs[head.scores][:2] == (net.batch, 12)
    assert head.counts()["dropped"] == sum(
        int(np.prod(shape)) for shape in net.param_shapes[head.replaced]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": 0}, "2 or more"),
        ({"classes": 1}, "2 or more"),
        ({"classes": "20"}, "2 or more"),
        ({"classes": 3, "auxiliary": "rebuilt"}, "Did you mean rebuild"),
        ({"classes": 3, "lr_mult": 10}, "two numbers"),
        ({"classes": 3, "filler": {"tipe": "xavier"}}, "Did you mean type"),
        ({"classes": 3, "filler": "xaver"}, "xavier"),
        ({"classes": 3, "name": "data"}, "already"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(UsageError, match=message) as caught:
        replace_head(read_small(), **settings)
    assert caught.value.exit_code == 2


def test_a_net_without_a_classifier_says_what_it_has_instead(shared):
    nets = shared / "golden" / "nets"
    with pytest.raises(NetError, match="no classifier was found"):
        replace_head(zoo.Net.read(nets / "voc_fcn8s.prototxt"), 20)
    text = """layer { name: "data" type: "Input" top: "data"
                      input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
              layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
                      pooling_param { global_pooling: true } }"""
    with pytest.raises(NetError, match=r"'data' \(Input\)"):
        replace_head(net_of(text), 20)


def test_a_shared_classifier_is_not_replaced_alone():
    text = SMALL.replace('top: "fc"', 'top: "fc" param { name: "w" } param { name: "b" }')
    text = text.replace('top: "aux"\n', 'top: "aux" param { name: "w" } param { name: "b" }\n')
    with pytest.raises(NetError, match="shares"):
        replace_head(training(text), 3)
