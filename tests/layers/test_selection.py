"""Filter, BatchReindex, Embed and Parameter."""

import numpy as np
import pytest
from check_layer import run_layer, shapes_of

from zoo.api import run
from zoo.errors import NetError, ShapeError
from zoo.net import Net

RNG = np.random.default_rng(17)
FILTER = 'type: "Filter" bottom: "a" bottom: "b" bottom: "s" top: "x" top: "y"'
REINDEX = 'type: "BatchReindex" bottom: "a" bottom: "i" top: "x"'


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("selector", [[1, 0, 2, -1], [0, 0, 0, 0.5], [1, 1, 1, 1], [0, 0, 0, 0]])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1, 1)], ids=str)
def test_filter_keeps_the_pictures_that_are_selected(selector, shape):
    first, second = values(4, 3, 5, 2), values(4, 6)
    chosen = np.float32(selector)
    tops = run_layer(FILTER, first, second, chosen.reshape(shape))
    np.testing.assert_array_equal(tops[0], first[chosen != 0])
    np.testing.assert_array_equal(tops[1], second[chosen != 0])


def test_filter_says_what_does_not_fit():
    with pytest.raises(ShapeError, match="one number a picture"):
        shapes_of(FILTER, (4, 3), (4, 2), (4, 2))
    with pytest.raises(ShapeError, match="a batch of 4"):
        shapes_of(FILTER, (4, 3), (3, 2), (4, 1))
    with pytest.raises(NetError, match="one top for each bottom but the selector, 2"):
        shapes_of('type: "Filter" bottom: "a" bottom: "b" bottom: "s" top: "x"', (4,), (4,), (4,))


@pytest.mark.parametrize("indices", [[2, 0, 3, 3, 1], [1], [0, 1, 2, 3]])
@pytest.mark.parametrize("shape", [(4, 3, 5, 2), (4, 3), (4,)], ids=str)
def test_batch_reindex_takes_pictures_in_any_order(indices, shape):
    x = values(*shape)
    assert shapes_of(REINDEX, shape, (len(indices),)) == [(len(indices), *shape[1:])]
    (top,) = run_layer(REINDEX, x, np.float32(indices))
    np.testing.assert_array_equal(top, x[indices])


def test_batch_reindex_wants_a_list_of_indices():
    with pytest.raises(ShapeError, match=r"list of indices, \(M,\)"):
        shapes_of(REINDEX, (4, 3), (4, 1))


@pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 2, 3), (2, 1, 3, 2)], ids=str)
@pytest.mark.parametrize("bias", ["true", "false"])
def test_embed_looks_rows_up(shape, bias):
    numbers = RNG.integers(0, 7, shape)
    params = [values(7, 4)] + [values(4)] * (bias == "true")
    layer = (
        'type: "Embed" bottom: "x" top: "y"'
        f" embed_param {{ num_output: 4 input_dim: 7 bias_term: {bias} }}"
    )
    assert shapes_of(layer, shape) == [(*shape, 4)]
    (top,) = run_layer(layer, numbers, params=params)
    np.testing.assert_allclose(top, params[0][numbers] + sum(params[1:]), rtol=1e-6)


def test_embed_wants_both_sizes():
    for param, word in (("num_output: 4", "input_dim"), ("input_dim: 4", "num_output")):
        with pytest.raises(NetError, match=f"{word} is missing"):
            shapes_of(f'type: "Embed" bottom: "x" top: "y" embed_param {{ {param} }}', (5,))


PARAMETER = """
layer { name: "first" type: "Parameter" top: "p" parameter_param { shape { dim: 2 dim: 3 } } }
input: "x" input_shape { dim: 2 dim: 3 }
layer { name: "sum" type: "Eltwise" bottom: "x" bottom: "p" top: "y" }
layer { name: "twice" type: "Power" bottom: "p" top: "z" power_param { scale: 2 } }
"""


def test_a_parameter_is_a_blob_that_depends_on_nothing(tmp_path):
    (tmp_path / "net.prototxt").write_text(PARAMETER)
    net, x, p = Net.read(tmp_path / "net.prototxt"), values(2, 3), values(2, 3)
    assert run(net, {"x": x}, ["p"])["p"].tolist() == np.zeros((2, 3)).tolist()
    net = net.with_params({"first": [p]})
    np.testing.assert_allclose(run(net, {"x": x}, ["y"])["y"], x + p)
    np.testing.assert_allclose(run(net, {"x": x}, ["z"])["z"], 2 * p)


def test_a_parameter_alone_cannot_be_run(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 2 } } }'
    )
    with pytest.raises(NetError, match="has no input, so it cannot be run; add an Input layer"):
        run(Net.read(path), {})


@pytest.mark.parametrize("shape", ["", "shape { dim: 0 }", "shape { dim: 2 dim: -1 }"])
def test_a_parameter_needs_a_shape(shape):
    with pytest.raises(NetError, match="expected a shape"):
        shapes_of(f'type: "Parameter" top: "p" parameter_param {{ {shape} }}')
