"""A BatchNorm put in that changes nothing, by statistics that are given or measured."""

import numpy as np
import pytest
from opencv_reference import opencv_values
from PIL import Image
from reference import relative_error
from surgery_check import check_counts, check_round_trip, check_same
from surgery_nets import PICTURE, net_of, picture

import zoo
from zoo.errors import NetError, UsageError
from zoo.surgery.fold import fold
from zoo.surgery.insert_norm import insert_batch_norm
from zoo.surgery.measure_norm import insert_measured_batch_norm, measure

NET = (
    PICTURE
    + """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 5 } }
"""
)


def test_given_statistics_change_nothing(tmp_path):
    net = net_of(NET)
    new, report = insert_batch_norm(net, "conv", [1, -2, 30, 0], [4, 0.01, 9, 0])
    check_counts(net, new, report)
    check_round_trip(new, tmp_path)
    assert report.preserving
    assert report.added == ("bn_conv", "scale_conv")
    assert [layer.name for layer in new.layers][1:5] == ["conv", "bn_conv", "scale_conv", "relu"]
    inputs = picture(net)
    check_same(net, new, inputs)
    theirs = opencv_values(new, inputs, ["fc"], tmp_path)["fc"]
    assert relative_error(theirs, zoo.run(net, inputs)["fc"]) < 1e-5
    folded, _ = fold(new)
    assert [layer.name for layer in folded.layers] == [layer.name for layer in net.layers]


def test_behind_an_inner_product_and_in_the_train_phase():
    net = net_of(NET)
    new, report = insert_batch_norm(net, "fc", np.arange(5), np.ones(5), name="norm", eps=1e-3)
    check_same(net, new, picture(net))
    assert report.added == ("norm", "scale_norm")
    train = net_of(NET, phase="TRAIN")
    _, report = insert_batch_norm(train, "fc", [0] * 5, [1] * 5)
    assert not report.preserving
    assert "statistics of each batch" in report.notes[0]


def test_measured_statistics_are_those_of_the_values(tmp_path):
    net = net_of(NET)
    pictures = np.random.default_rng(0).normal(3, 2, (70, 3, 11, 11)).astype(np.float32)
    mean, variance, count = measure(net, "conv", pictures)
    conv = net_of(NET.split('layer { name: "relu"')[0])
    conv = conv.with_params({"conv": net.params["conv"]})
    columns = np.moveaxis(zoo.run(conv, {"data": pictures})["conv"], 1, 0).reshape(4, -1)
    np.testing.assert_allclose(mean, columns.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(variance, columns.astype(np.float64).var(axis=1), rtol=1e-4)
    assert count == 70 * 81
    np.save(tmp_path / "pictures.npy", pictures)
    new, report = insert_measured_batch_norm(net, "conv", tmp_path / "pictures.npy")
    check_counts(net, new, report)
    check_same(net, new, {"data": pictures[:2]})
    assert report.operation.startswith("insert_measured_batch_norm(after='conv', images=")
    normed = zoo.run(new, {"data": pictures}, ["conv"])["conv"]
    assert normed.min() >= 0
    np.testing.assert_allclose(new.params["scale_conv"][1], mean, rtol=1e-6)


def test_pictures_of_a_folder_are_prepared_as_is_said(tmp_path):
    net = net_of(NET)
    pixels = np.random.default_rng(0).integers(0, 256, (11, 11, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    told = {"size": [11, 11], "mean": [104, 117, 123], "scale": 0.017}
    mean, _, _ = measure(net, "conv", tmp_path, told)
    ready = (pixels[:, :, ::-1] - np.array([104, 117, 123])) * 0.017
    expected, _, _ = measure(net, "conv", ready.transpose(2, 0, 1)[None].astype(np.float32))
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-5)
    raw, _, _ = measure(net, "conv", tmp_path)
    assert relative_error(raw, mean) > 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"after": "conf"}, "Did you mean conv"),
        ({"mean": [1, 2]}, "mean: expected 4"),
        ({"mean": "nowhere.npy"}, "cannot read"),
        ({"mean": ["a"]}, "expected numbers"),
        ({"variance": [1, 1, 1, -1]}, "no number below 0"),
        ({"variance": [1, 1, 1, np.nan]}, "finite"),
        ({"name": "relu"}, "already"),
        ({"eps": float("inf")}, "eps: expected a number above 0"),
    ],
)
def test_statistics_that_do_not_fit_are_refused(settings, message):
    arguments = {"after": "conv", "mean": [0] * 4, "variance": [1] * 4, **settings}
    with pytest.raises(UsageError, match=message):
        insert_batch_norm(net_of(NET), **arguments)


def test_what_cannot_be_measured_is_refused(tmp_path):
    net = net_of(NET)
    with pytest.raises(NetError, match="has channels"):
        measure(net, "data", np.zeros((1, 3, 11, 11)))
    with pytest.raises(UsageError, match="cannot read"):
        measure(net, "conv", tmp_path / "none.npy")
    with pytest.raises(UsageError):
        measure(net, "conv", tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"broken\.png"):
        measure(net, "conv", tmp_path)
    with pytest.raises(UsageError, match="no weights"):
        insert_batch_norm(zoo.Net(net.definition), "conv", [0] * 4, [1] * 4)
