"""Weights of half precision, and files of half the size."""

import h5py
import numpy as np
import pytest
from surgery_check import check_counts, unchanged
from surgery_nets import layer, product, read

import zoo
from zoo.errors import UsageError, WeightsError
from zoo.surgery.half import half_precision

TEXT = product("fc", "data", 40)


def test_weights_are_rounded_and_the_loss_is_told():
    net = read(TEXT)
    weight = net.params["fc"][0].copy()
    weight[0, :2] = 1e-9, 0
    net = net.with_params({"fc": [weight, net.params["fc"][1]]})
    same = unchanged(net)
    half, report = half_precision(net)
    np.testing.assert_array_equal(half.params["fc"][0], weight.astype(np.float16))
    assert half.params["fc"][0].dtype == np.float32
    assert report.notes == (
        "the largest relative error of a weight is 1, in fc",
        "1 weights below 3e-8 became 0",
    )
    check_counts(net, half, report)
    again, report = half_precision(half)
    assert report.preserving
    assert report.counts()["kept"] == net.param_count
    same()


def test_usual_weights_lose_one_part_in_2048():
    net = read(TEXT)
    half, report = half_precision(net)
    usual = np.abs(net.params["fc"][0]) > 1e-4
    error = np.abs(half.params["fc"][0] / net.params["fc"][0] - 1)[usual].max()
    assert 1e-4 < error <= 2**-11 * 1.001


def test_the_file_has_half_the_size_and_gives_the_same_values(tmp_path):
    net = read(TEXT)
    full, small = tmp_path / "full.caffemodel.h5", tmp_path / "half.caffemodel.h5"
    net.save(weights=full)
    net.save(weights=small, half=True)
    assert small.stat().st_size < 0.55 * full.stat().st_size
    with h5py.File(small) as file:  # as HDF5's own library, and so Caffe, has it
        assert file["data/fc/0"].dtype == np.float16
    again = zoo.Net(net.definition).load_weights(small)
    half, _ = half_precision(net)
    for received, expected in zip(again.params["fc"], half.params["fc"], strict=True):
        np.testing.assert_array_equal(received, expected)


def test_numbers_beyond_float16_are_refused_with_their_layer(tmp_path):
    net = read(layer("BatchNorm", "bn", "data"))
    mean, variance, factor = net.params["bn"]
    net = net.with_params({"bn": [mean, variance * 0 + 7e4, factor]})
    with pytest.raises(WeightsError, match="'bn', blob 1: 70000 is beyond float16"):
        half_precision(net)
    path = tmp_path / "net.caffemodel.h5"
    with pytest.raises(WeightsError, match="'bn', blob 1"):
        net.save(weights=path, half=True)
    assert not path.exists()


def test_a_binary_caffemodel_cannot_be_of_half_precision(tmp_path):
    with pytest.raises(UsageError, match=r"name a file that ends with \.caffemodel\.h5"):
        read(TEXT).save(weights=tmp_path / "net.caffemodel", half=True)
