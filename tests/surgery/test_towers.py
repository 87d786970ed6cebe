"""Siamese towers, several heads on a trunk, and two nets side by side."""

import numpy as np
import pytest
from reference import relative_error
from surgery_check import check_counts, check_files, check_round_trip
from surgery_nets import conv, data, layer, net_of, product, random_inputs

import zoo
from zoo.errors import NetError, ShapeError, UsageError
from zoo.surgery.cut import cut, cut_off
from zoo.surgery.towers import heads, merge, siamese

NET = (
    data("2 3 8 8")
    + conv("conv1", "data")
    + layer("BatchNorm", "norm", "conv1", top="conv1")
    + layer("ReLU", "relu1", "conv1", top="conv1")
    + product("ip", "conv1", 5)
)


def test_both_towers_compute_what_the_net_did(tmp_path):
    net = net_of(NET)
    towers, report = siamese(net)
    check_counts(net, towers, report)
    assert towers.outputs == ["ip", "ip_p"]
    assert towers.param_count == 2 * net.param_count
    inputs = random_inputs(towers)
    found = check_round_trip(towers, tmp_path, inputs)
    for end in ("", "_p"):
        expected = zoo.run(net, {"data": inputs[f"data{end}"]})["ip"]
        assert relative_error(found[f"ip{end}"], expected) < 1e-6
    again, _ = siamese(net, ["left", "right"])
    assert list(again.inputs) == ["left", "right"]
    assert again.layers[0].name == "left"


def test_every_param_of_the_second_tower_is_that_of_the_first():
    towers, report = siamese(net_of(NET))
    for each in (each for each in towers.layers if each.type != "BatchNorm"):
        owner = each.name.removesuffix("_p")
        assert each.owners == tuple((owner, index) for index in range(len(each.param_shapes)))
    names = [spec.name for spec in towers.layer("ip_p").definition.param]
    assert names == ["ip_w", "ip_b"]
    # Caffe takes all that is written of BatchNorm's params away.
    assert not towers.layer("norm_p").definition.param
    assert report.notes == ("norm: each tower has its own statistics",)
    assert {each.origin for each in report.of("moved")} == {"conv1", "norm", "ip"}
    changed = towers.with_params({"ip": [2 * blob for blob in towers.params["ip"]]})
    np.testing.assert_array_equal(changed.params["ip_p"][0], changed.params["ip"][0])


def test_caffes_own_siamese_net_comes_out(shared):
    folder = shared / "prototxt/BVLC+caffe/examples/siamese"
    theirs = zoo.Net.read(
        folder / "mnist_siamese_train_test.prototxt",
        shapes={"pair_data": (2, 2, 28, 28), "sim": (2,)},
    )
    ours, _ = siamese(zoo.Net.read(folder / "mnist_siamese.prototxt"))
    ours = ours.reshape(dict.fromkeys(ours.inputs, (2, 1, 28, 28)))
    for each in ours.layers:
        if not each.is_source:
            other = theirs.layer(each.name)
            assert (each.type, each.bottoms, each.tops) == (other.type, other.bottoms, other.tops)
            assert [spec.name for spec in each.definition.param] == [
                spec.name for spec in other.definition.param
            ]
            assert each.owners == other.owners


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        (NET + data("2", "label") + layer("Accuracy", "a", "ip label"), None, "one input"),
        (NET, ["data"], "names of two"),
        (NET, [], "names of two"),
        (NET, ["data", "data"], "names of two"),
        (NET, ["data", "conv1"], "blob called 'conv1'|layer called 'conv1'"),
    ],
)
def test_towers_that_make_no_sense_are_refused(text, inputs, message):
    with pytest.raises(UsageError, match=message):
        siamese(net_of(text), inputs)


def head_net(classes, name="score", seed=5):
    return net_of(data("1 4 6 6", "features") + product(name, "features", classes), seed)


def test_heads_compute_on_the_trunk_beside_each_other(tmp_path):
    trunk, _ = cut(net_of(NET), "conv1")
    definition = tmp_path / "fresh.prototxt"
    definition.write_text(
        data("1 4 6 6", "in") + product("fresh", "in", 2, 'weight_filler { type: "xavier" }')
    )
    many, report = heads(trunk, "conv1", [head_net(3, "style"), str(definition)], seed=4)
    check_counts(trunk, many, report)
    inputs = random_inputs(trunk)
    found = check_files(many, inputs, tmp_path)
    features = zoo.run(trunk, inputs)["conv1"]
    expected = zoo.run(head_net(3, "style"), {"features": features})["style"]
    assert relative_error(found["style"], expected) < 1e-5
    assert found["fresh"].any()
    assert [each.layer for each in report.of("initialised")] == ["fresh", "fresh"]
    assert [each.layer for each in report.of("moved")] == ["style", "style"]


def test_the_head_that_is_there_stays_and_prefixes_keep_names_apart():
    net = net_of(NET)
    with pytest.raises(NetError, match="layer called 'ip'; give a prefix"):
        heads(net, "conv1", [head_net(3, "ip")])
    many, _ = heads(net, "conv1", {"a/": head_net(3, "ip"), "b/": head_net(4, "ip", 6)})
    inputs = random_inputs(net)
    found = zoo.run(many, inputs)
    assert {name: value.shape[1] for name, value in found.items()} == {
        "ip": 5,
        "a/ip": 3,
        "b/ip": 4,
    }
    assert relative_error(found["ip"], zoo.run(net, inputs)["ip"]) < 1e-6


def test_heads_that_do_not_fit_are_refused():
    net = net_of(NET)
    with pytest.raises(ShapeError, match="'ip' is"):
        heads(net, "ip", [head_net(3)])
    with pytest.raises(UsageError, match="no blob is named 'conv'"):
        heads(net, "conv", [head_net(3)])
    with pytest.raises(UsageError, match="one or more heads"):
        heads(net, "conv1", [])
    shared = net_of(NET.replace("inner_product_param", 'param { name: "w" } inner_product_param'))
    with pytest.raises(NetError, match="shared param called 'w'"):
        heads(
            shared,
            "conv1",
            [
                net_of(
                    data("1 4 6 6", "f")
                    + product("other", "f", 5).replace("inner", 'param { name: "w" } inner')
                )
            ],
        )


def test_two_nets_side_by_side_read_the_same_picture(tmp_path):
    one, two = net_of(NET), net_of(NET, seed=9)
    both, report = merge(one, two, prefix="other_")
    check_counts(one, both, report)
    assert list(both.inputs) == ["data"]
    inputs = random_inputs(one)
    found = check_files(both, inputs, tmp_path)
    assert relative_error(found["ip"], zoo.run(one, inputs)["ip"]) < 1e-5
    assert relative_error(found["other_ip"], zoo.run(two, inputs)["ip"]) < 1e-5
    part = cut_off(two, "conv1")[0]
    apart, _ = merge(one, part, prefix="p_")
    assert sorted(apart.inputs) == ["data", "p_conv1"]


def test_nets_of_two_phases_do_not_go_together():
    with pytest.raises(NetError, match="phase TEST, one TRAIN"):
        merge(net_of(NET), net_of(NET, phase="TRAIN"), "x_")
