"""InnerProducts as two smaller ones."""

import numpy as np
import pytest
from opencv_reference import opencv_values
from surgery_check import check_counts, check_round_trip, check_same, unchanged
from surgery_nets import layer, product, random_inputs, read

import zoo
from zoo.caffe.read import parse_definition
from zoo.errors import NetError, UsageError
from zoo.surgery.low_rank import low_rank

TALL = layer("Pooling", "pool", "data", "pooling_param { pool: AVE kernel_size: 9 }")
KINDS = {
    "wide": product("fc", "data", 7),
    "tall": TALL + product("fc", "pool", 20),
    "transposed": product("fc", "data", 7, "transpose: true"),
    "tall and transposed": TALL + product("fc", "pool", 20, "transpose: true"),
    "no bias": product("fc", "data", 7, "bias_term: false"),
    "axis 2": product("fc", "data", 7, "axis: 2"),
    "last axis": product("fc", "data", 7, "axis: -1"),
}


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_the_full_rank_computes_the_same(text, tmp_path):
    net = read(text)
    same = unchanged(net)
    rank = min(net.param_shapes["fc"][0])
    full, report = low_rank(net, "fc", rank)
    assert report.preserving
    assert full.blobs["fc"] == net.blobs["fc"]
    assert full.param_shapes["fc_L"] != full.param_shapes["fc_U"]
    assert len(full.params["fc_L"]) == 1
    check_counts(net, full, report)
    check_same(net, full)
    check_round_trip(full, tmp_path)
    same()


@pytest.mark.parametrize("text", KINDS.values(), ids=KINDS)
def test_a_lower_rank_is_the_best_that_numpy_finds(text):
    net = read(text)
    transposed = net.layer("fc").definition.inner_product_param.transpose
    small, report = low_rank(net, "fc", rank=3)
    assert not report.preserving
    check_counts(net, small, report)

    def matrix(name):
        weight = small.params[name][0] if name in small.params else net.params[name][0]
        return weight.T if transposed else weight

    values = np.linalg.svd(matrix("fc"), compute_uv=False)
    lost = np.linalg.norm(matrix("fc_U") @ matrix("fc_L") - matrix("fc"))
    assert lost == pytest.approx(np.linalg.norm(values[3:]), rel=1e-4)
    assert f"{lost / np.linalg.norm(values):.3g} of its norm" in report.notes[1]


def test_an_error_asks_for_the_smallest_rank():
    net = read(KINDS["wide"])
    values = np.linalg.svd(net.params["fc"][0], compute_uv=False)
    for error in (0.0, 0.2, 0.5, 0.9):
        small, _ = low_rank(net, "fc", error=error)
        rank = small.param_shapes["fc_L"][0][0]
        assert np.linalg.norm(values[rank:]) <= error * np.linalg.norm(values)
        assert np.linalg.norm(values[rank - 1 :]) > error * np.linalg.norm(values)
    zero = net.with_params({"fc": [0 * net.params["fc"][0], net.params["fc"][1]]})
    assert low_rank(zero, "fc", error=0.1)[0].param_shapes["fc_L"] == [(1, 486)]


def test_the_factors_are_those_of_fast_rcnn():
    net = read(KINDS["wide"])
    small, _ = low_rank(net, "fc", rank=4)
    left, values, right = np.linalg.svd(net.params["fc"][0], full_matrices=False)
    first, (second, bias) = small.params["fc_L"][0], small.params["fc_U"]
    np.testing.assert_allclose(np.abs(first), np.abs(values[:4, None] * right[:4]), atol=1e-4)
    np.testing.assert_allclose(np.abs(second), np.abs(left[:, :4]), atol=1e-4)
    np.testing.assert_array_equal(bias, net.params["fc"][1])


def test_rates_stay_and_layers_behind_read_the_same_blob(tmp_path):
    net = read(
        product("fc", "data", 7, param="param { lr_mult: 3 } param { lr_mult: 5 }")
        + layer("ReLU", "relu", "fc", top="fc")
        + product("end", "fc", 3)
    )
    small, report = low_rank(net, "fc", rank=2)
    rates = {each.name: [p.lr_mult for p in each.definition.param] for each in small.layers}
    assert (rates["fc_L"], rates["fc_U"]) == ([3], [3, 5])
    assert report.notes[0] == "fc: rank 2 of 7 has 993 params instead of 3,409 (29.1%)"
    inputs = random_inputs(small)
    (theirs,) = opencv_values(small, inputs, ["end"], tmp_path).values()
    np.testing.assert_allclose(theirs, zoo.run(small, inputs)["end"], atol=1e-5)


def test_a_definition_alone_takes_a_rank_and_no_error():
    net = zoo.Net(parse_definition(read(KINDS["wide"]).to_prototxt()))
    small, report = low_rank(net, "fc", rank=2)
    assert small.param_shapes == {"fc_L": [(2, 486)], "fc_U": [(7, 2), (7,)]}
    check_counts(net, small, report)
    with pytest.raises(NetError, match="'fc': has no weights"):
        low_rank(net, "fc", error=0.1)


@pytest.mark.parametrize("rank", [0, -1, 8])
def test_a_rank_that_the_matrix_does_not_have_is_refused(rank):
    with pytest.raises(UsageError, match=f"expected 1 to 7.*received {rank}"):
        low_rank(read(KINDS["wide"]), "fc", rank=rank)


def test_what_makes_no_sense_is_refused():
    net = read(KINDS["wide"] + layer("ReLU", "relu", "fc") + layer("TanH", "fc_L", "data"))
    with pytest.raises(UsageError, match="a rank or an error"):
        low_rank(net, "fc")
    with pytest.raises(UsageError, match="a rank or an error"):
        low_rank(net, "fc", 2, error=0.1)
    with pytest.raises(UsageError, match="less than 1, received 1"):
        low_rank(net, "fc", error=1)
    with pytest.raises(NetError, match="'relu': is a ReLU"):
        low_rank(net, "relu", 2)
    with pytest.raises(NetError, match="'fc': fc_L is there already"):
        low_rank(net, "fc", 2)
