"""Params read, set, started afresh, shared and parted."""

import numpy as np
import pytest
from surgery_check import check_counts, check_round_trip, check_same, unchanged
from surgery_nets import conv, layer, product, read

import zoo
from zoo.caffe.read import parse_definition
from zoo.errors import NetError, ShapeError, UsageError
from zoo.surgery.params import reinitialise, set_params
from zoo.surgery.sharing import share, unshare

TEXT = (
    conv("conv1", "data", 4, "kernel_size: 3 weight_filler { type: 'xavier' }")
    + product("fc1", "conv1", 5)
    + product("fc2", "fc1", 5)
)
TOWERS = (
    conv("left", "data", 4, "kernel_size: 3", param="param { lr_mult: 3 }")
    + conv("right", "data", 4, "kernel_size: 3", param="param { lr_mult: 1 }")
    + 'layer { name: "both" type: "Concat" bottom: "left" bottom: "right" top: "both" }'
)


def test_arrays_of_a_net_cannot_be_changed_by_accident():
    mine = np.ones((4, 6, 3, 3), np.float32)
    net = read(TEXT)
    net = net.with_params({"conv1": [mine, net.params["conv1"][1]]})
    with pytest.raises(ValueError, match="read-only"):
        net.params["conv1"][0][0] = 1
    with pytest.raises(ValueError, match="read-only"):
        net.params["conv1"][0] *= 2
    mine[:] = 2  # which stays the caller's own to write to
    assert mine.flags.writeable


def test_with_params_gives_a_new_net_and_leaves_the_old_one():
    net = read(TEXT)
    same = unchanged(net)
    weight, bias = net.params["fc1"]
    other = net.with_params({"fc1": [2 * weight, bias]})
    np.testing.assert_array_equal(other.params["fc1"][0], 2 * weight)
    assert other.params["fc2"][0] is net.params["fc2"][0]
    same()


def test_with_params_says_what_does_not_fit():
    net = read(TEXT)
    with pytest.raises(UsageError, match="'fc3'.*Did you mean fc"):
        net.with_params({"fc3": []})
    with pytest.raises(ShapeError, match="'fc1': needs params of shapes"):
        net.with_params({"fc1": [np.zeros((5, 5)), np.zeros(5)]})


def test_a_shared_param_is_given_where_its_owner_is():
    net, _ = share(read(TOWERS), ["left", "right"])
    weight, bias = net.params["left"]
    for name in ("left", "right"):
        changed = {name: [2 * weight, bias]}
        if name == "right":
            with pytest.raises(UsageError, match="param 0 of 'right' is that of 'left'"):
                net.with_params(changed)
        else:
            np.testing.assert_array_equal(net.with_params(changed).params["right"][0], 2 * weight)


def test_one_blob_gets_a_number_an_array_or_a_file(tmp_path):
    net = read(TEXT)
    same = unchanged(net)
    array = np.arange(20, dtype=np.float64).reshape(4, 5)[:, :1].repeat(5, 1)
    array = np.vstack([array, array[:1]])
    np.save(tmp_path / "weight.npy", array)
    for values in (array, array.tolist(), tmp_path / "weight.npy", str(tmp_path / "weight.npy")):
        changed, report = set_params(net, "fc2", 0, values)
        np.testing.assert_array_equal(changed.params["fc2"][0], array)
        assert changed.params["fc2"][0].dtype == np.float32
        check_counts(net, changed, report)
        assert [str(blob) for blob in report.of("recomputed")] == ["fc2[0] (5, 5)"]
    changed, report = set_params(net, "conv1", 1, 0.5)
    assert (changed.params["conv1"][1] == 0.5).all()
    assert report.operation == "set_params(layer='conv1', index=1, values='0.5')"
    assert set_params(changed, "conv1", 1, 0.5)[1].preserving
    check_round_trip(changed, tmp_path)
    same()


def test_values_that_do_not_fit_are_refused(tmp_path):
    net = read(TEXT)
    with pytest.raises(UsageError, match="'fc1' has 2 learned blobs.*received 2"):
        set_params(net, "fc1", 2, 0)
    with pytest.raises(NetError, match="Did you mean fc"):
        set_params(net, "fc11", 0, 0)
    with pytest.raises(UsageError, match=r"expected the shape \(4, 6, 3, 3\).*the counts agree"):
        set_params(net, "conv1", 0, np.zeros((3, 3, 6, 4)))
    with pytest.raises(UsageError, match=r"received \(3,\)$"):
        set_params(net, "conv1", 0, [1, 2, 3])
    with pytest.raises(UsageError, match="infinite or no numbers"):
        set_params(net, "conv1", 1, float("nan"))
    with pytest.raises(UsageError, match="expected numbers for conv1"):
        set_params(net, "conv1", 1, ["a"])
    with pytest.raises(UsageError, match="gone.npy: expected an array"):
        set_params(net, "conv1", 1, tmp_path / "gone.npy")
    np.savez(tmp_path / "some.npz", a=np.ones(4))
    with pytest.raises(UsageError, match="expected one array"):
        set_params(net, "conv1", 1, tmp_path / "some.npz")
    with pytest.raises(NetError, match="'conv1': has no weights yet"):
        set_params(zoo.Net(net.definition), "conv1", 0, 0)


def test_layers_start_afresh():
    net = read(TEXT)
    same = unchanged(net)
    fresh, report = reinitialise(net, ["fc*"], filler={"type": "gaussian", "std": 2}, seed=3)
    check_counts(net, fresh, report)
    assert fresh.params["conv1"][0] is net.params["conv1"][0]
    assert 1.5 < fresh.params["fc1"][0].std() < 2.5
    assert not fresh.params["fc1"][1].any()
    again, _ = reinitialise(net, "fc*", filler={"type": "gaussian", "std": 2}, seed=3)
    np.testing.assert_array_equal(fresh.params["fc2"][0], again.params["fc2"][0])
    other, _ = reinitialise(net, "fc*", filler={"type": "gaussian", "std": 2}, seed=4)
    assert (fresh.params["fc2"][0] != other.params["fc2"][0]).all()
    own, report = reinitialise(net, "conv1", seed=1)
    assert 0 < np.abs(own.params["conv1"][0]).max() <= np.sqrt(3 / 54)
    assert {blob.layer for blob in report.of("initialised")} == {"conv1"}
    same()


def test_a_definition_alone_can_be_started():
    net = zoo.Net(parse_definition(read(TEXT).to_prototxt()))
    fresh, report = reinitialise(net, "*", filler="msra")
    assert fresh.params["fc1"][0].any()
    check_counts(net, fresh, report)


def test_what_cannot_be_started_is_refused():
    net = read(TEXT + layer("ReLU", "relu", "fc2"))
    with pytest.raises(UsageError, match="name of a layer with params, received none"):
        reinitialise(net, [])
    with pytest.raises(UsageError, match="seed: expected 0 or more"):
        reinitialise(net, "*", seed=-1)
    with pytest.raises(UsageError, match="no layer with params is called 'fx1'.*Did you mean fc1"):
        reinitialise(net, "fx1")
    with pytest.raises(UsageError, match="no layer with params is called 'relu'"):
        reinitialise(net, ["conv1", "relu"])
    with pytest.raises(UsageError, match="no filler of type 'xavir'.*Did you mean xavier"):
        reinitialise(net, "fc1", filler="xavir")
    with pytest.raises(UsageError, match="filler has no field 'stdd'"):
        reinitialise(net, "fc1", filler={"type": "gaussian", "stdd": 1})


def test_shared_layers_start_together():
    net, _ = share(read(TOWERS), ["left", "right"])
    fresh, report = reinitialise(net, "left", filler="xavier")
    np.testing.assert_array_equal(fresh.params["left"][0], fresh.params["right"][0])
    assert {blob.layer for blob in report.of("initialised")} == {"left", "right"}
    check_counts(net, fresh, report)
    with pytest.raises(UsageError, match="is that of 'left'"):
        reinitialise(net, "right", filler="xavier")


def test_layers_share_the_values_of_the_first(tmp_path):
    net = read(TOWERS)
    same = unchanged(net)
    shared, report = share(net, ["right", "left"])
    assert shared.layer("right").owners == (("left", 0), ("left", 1))
    np.testing.assert_array_equal(shared.params["right"][0], net.params["left"][0])
    specs = [list(shared.layer(name).definition.param) for name in ("left", "right")]
    assert specs[0] == specs[1]  # Caffe refuses other rates for the same param
    assert [spec.name for spec in specs[0]] == ["left_w", "left_b"]
    assert report.notes == ("right: lr_mult and decay_mult are those of left now",)
    assert {str(blob) for blob in report.of("moved")} == {
        "right[0] (4, 6, 3, 3) from left",
        "right[1] (4,) from left",
    }
    assert not report.preserving
    check_counts(net, shared, report)
    check_round_trip(shared, tmp_path)
    # An HDF5 file holds what is shared once.
    shared.save(weights=tmp_path / "shared.caffemodel.h5")
    again = zoo.Net(shared.definition).load_weights(tmp_path / "shared.caffemodel.h5")
    np.testing.assert_array_equal(again.params["right"][0], net.params["left"][0])
    same()


def test_parted_layers_compute_the_same_and_go_their_own_way(tmp_path):
    net, _ = share(read(TOWERS), ["left", "right"])
    parted, report = unshare(net, "left")
    assert report.preserving
    check_counts(net, parted, report)
    check_same(net, parted)
    check_round_trip(parted, tmp_path)
    assert parted.layer("right").owners == (("right", 0), ("right", 1))
    weight, bias = parted.params["left"]
    other = parted.with_params({"left": [2 * weight, bias]})
    np.testing.assert_array_equal(other.params["right"][0], weight)
    assert share(parted, ["left", "right"])[1].preserving


def test_the_others_go_on_sharing():
    three = TOWERS + conv("third", "data", 4, "kernel_size: 3")
    net, _ = share(read(three), ["left", "right", "third"])
    parted, _ = unshare(net, "left")
    assert parted.layer("third").owners == (("right", 0), ("right", 1))


def test_some_of_the_blobs_can_be_shared():
    net = read(TOWERS)
    shared, report = share(net, ["left", "right"], ["weights"])
    assert shared.layer("right").owners == (("left", 0), ("right", 1))
    np.testing.assert_array_equal(shared.params["right"][1], net.params["right"][1])
    check_counts(net, shared, report)


def test_a_definition_alone_can_share():
    net = zoo.Net(parse_definition(read(TOWERS).to_prototxt()))
    shared, report = share(net, ["left", "right"])
    assert shared.layer("right").owners == (("left", 0), ("left", 1))
    check_counts(net, shared, report)


def test_what_cannot_be_shared_is_refused():
    net = read(TOWERS + conv("big", "data", 5, "kernel_size: 3", param="param { name: 'w' }"))
    with pytest.raises(UsageError, match="two or more different"):
        share(net, ["left", "left"])
    with pytest.raises(NetError, match="'both': has no params"):
        share(net, ["left", "both"])
    with pytest.raises(NetError, match="'big': has params of shapes"):
        share(net, ["left", "big"])
    with pytest.raises(NetError, match="Did you mean left"):
        share(net, ["lefd", "right"])
    with pytest.raises(UsageError, match="'w' is the name of a param of 'big'"):
        share(net, ["left", "right"], ["w", "b"])
    for names in ([], ["a", "a"], ["a", "b", "c"], ["a", ""]):
        with pytest.raises(UsageError, match="expected 1 to 2 different"):
            share(net, ["left", "right"], names)
    shared, _ = share(net, ["left", "right"])
    with pytest.raises(NetError, match="'left': shares its params already"):
        share(shared, ["left", "right"])
    with pytest.raises(NetError, match="'big': shares no params"):
        unshare(shared, "big")
