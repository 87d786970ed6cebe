"""The net in memory: blobs, order, sharing, and what is refused."""

import numpy as np
import pytest

from zoo.errors import MissingShapeError, NetError, ShapeError, UsageError
from zoo.net import Net

DATA = """layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
"""


def conv(name, bottom, top, extra="", param=""):
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" {param}'
        f" convolution_param {{ num_output: 3 kernel_size: 3 pad: 1 {extra} }} }}\n"
    )


def relu(name, bottom, top):
    return f'layer {{ name: "{name}" type: "ReLU" bottom: "{bottom}" top: "{top}" }}\n'


@pytest.fixture
def read(tmp_path):
    def read(text, **options):
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return Net.read(path, **options)

    return read


def test_outputs_are_the_blobs_that_nobody_reads(read):
    net = read(DATA + conv("a", "data", "a") + relu("r", "a", "a") + conv("b", "data", "b"))
    assert net.outputs == ["a", "b"]
    assert net.blobs == dict.fromkeys(("data", "a", "b"), (2, 3, 8, 8))


def test_a_bottom_that_nobody_makes_is_named_with_the_nearest(read):
    with pytest.raises(NetError, match=r"layer 'b': bottom 'datta'.*Did you mean data"):
        read(DATA + conv("b", "datta", "b"))


def test_a_top_made_twice_is_refused_unless_in_place(read):
    with pytest.raises(NetError, match="layer 'b': top 'a' is already made"):
        read(DATA + conv("a", "data", "a") + conv("b", "data", "a"))


def test_a_layer_that_does_not_fit_is_named_with_both_shapes(read):
    text = DATA + (
        'layer { name: "small" type: "Pooling" bottom: "data" top: "small"'
        " pooling_param { kernel_size: 2 stride: 2 } }\n"
        'layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "small" top: "sum" }'
    )
    with pytest.raises(ShapeError, match=r"layer 'sum'.*\(2, 3, 8, 8\).*\(2, 3, 4, 4\)"):
        read(text)


def test_a_missing_bottom_is_counted(read):
    with pytest.raises(NetError, match="ReLU needs 1 bottom"):
        read('layer { name: "r" type: "ReLU" top: "r" }')


@pytest.mark.parametrize("source", ["Data", "ImageData", "HDF5Data", "Python"])
def test_a_source_that_cannot_be_opened_asks_for_its_shape(read, source):
    text = f'layer {{ name: "source" type: "{source}" top: "data" top: "label" }}'
    with pytest.raises(MissingShapeError, match=r"--shape data=.*shapes=\{'data'") as caught:
        read(text)
    assert caught.value.blobs == ("data", "label")
    net = read(text, shapes={"data": (4, 3, 5, 5), "label": (4,)})
    assert net.inputs == {"data": (4, 3, 5, 5), "label": (4,)}


def test_the_label_of_a_database_has_the_batch_of_its_data(read):
    text = 'layer { name: "db" type: "Data" top: "data" top: "label" }'
    assert read(text, shapes={"data": (7, 3, 5, 5)}).inputs["label"] == (7,)


def test_an_unknown_kind_hides_shapes_and_is_listed(read):
    net = read(
        DATA
        + 'layer { name: "odd" type: "Oddity" bottom: "data" top: "odd" oddity_param { a: 1 } }\n'
        + relu("r", "odd", "r")
        + 'layer { name: "py" type: "Python" bottom: "data" top: "py" }\n'
    )
    assert net.unsupported == {"Oddity": ["odd"], "Python": ["py"]}
    assert net.blobs["r"] is None


def test_shared_params_count_for_each_layer_and_have_one_value(read):
    shared = 'param { name: "w" } param { name: "b" }'
    text = DATA + conv("a", "data", "a", param=shared) + conv("b", "data", "b", param=shared)
    net = read(text).initialized()
    assert net.param_count == 2 * (3 * 3 * 9 + 3)
    assert net.layer("b").owners == (("a", 0), ("a", 1))
    assert np.shares_memory(net.params["a"][0], net.params["b"][0])


def test_shared_params_of_other_shapes_are_refused(read):
    first = conv("a", "data", "a", param='param { name: "w" }')
    second = first.replace('"a"', '"b"').replace("kernel_size: 3 pad: 1", "kernel_size: 1")
    with pytest.raises(ShapeError, match="layer 'b': param 0 is shared with layer 'a'"):
        read(DATA + first + second)


def test_nothing_changes_a_net_in_place(read):
    net = read(DATA + conv("a", "data", "a"))
    filled = net.initialized(seed=1)
    assert net.params == {}
    larger = filled.reshape({"data": (1, 3, 16, 16)})
    assert (net.blobs["a"], larger.blobs["a"]) == ((2, 3, 8, 8), (1, 3, 16, 16))
    zeros = [np.zeros_like(blob) for blob in filled.params["a"]]
    assert filled.with_params({"a": zeros}).params["a"][0].any() == False  # noqa: E712
    assert filled.params["a"][0].shape == (3, 3, 3, 3)


def test_fillers_are_seeded(read):
    text = DATA + conv("a", "data", "a", 'weight_filler { type: "xavier" }')
    one, same, other = (read(text).initialized(seed).params["a"][0] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.abs(one).max() <= np.sqrt(3 / 27)


def test_params_of_another_shape_are_refused(read):
    net = read(DATA + conv("a", "data", "a"))
    with pytest.raises(ShapeError, match="layer 'a': needs params"):
        net.with_params({"a": [np.zeros((1, 1, 1, 1))]})
    with pytest.raises(UsageError, match="Did you mean a"):
        net.with_params({"aa": []})


def test_macs_are_those_of_one_picture(read):
    assert read(DATA + conv("a", "data", "a")).macs == 8 * 8 * 3 * 27


def test_phases_levels_and_stages_filter(read):
    text = DATA + (
        'layer { name: "r" type: "ReLU" bottom: "data" top: "r" include { phase: TRAIN } }\n'
        'layer { name: "s" type: "ReLU" bottom: "data" top: "s" include { stage: "deep" } }\n'
        'layer { name: "l" type: "ReLU" bottom: "data" top: "l" include { min_level: 2 } }\n'
    )
    assert read(text).outputs == ["data"]
    assert read(text, phase="train").outputs == ["r"]
    assert read(text, stages=["deep"], level=2).outputs == ["s", "l"]
    with pytest.raises(UsageError, match="phase must be"):
        read(text, phase="val")


def test_the_table_has_a_row_for_each_layer(read):
    net = read(DATA + conv("a", "data", "a") + relu("r", "a", "a"))
    assert str(net) == (
        "layer  type         bottoms  tops        shape    params\n"
        "-----  -----------  -------  ----------  -------  ------\n"
        "data   Input                 data        2x3x8x8\n"
        "a      Convolution  data     a           2x3x8x8  84\n"
        "r      ReLU         a        (in place)  2x3x8x8\n"
        "unnamed (TEST): 3 layers, 84 params, 5,184 multiply-accumulates a picture"
    )
    assert repr(net) == "<Net '', TEST: 3 layers, 84 params, no weights>"


def test_a_saved_net_reads_back_equal(read, tmp_path):
    net = read(DATA + conv("a", "data", "a", 'weight_filler { type: "msra" }')).initialized()
    net.save(tmp_path / "out.prototxt", tmp_path / "out.caffemodel")
    again = Net.read(tmp_path / "out.prototxt", tmp_path / "out.caffemodel")
    assert again.definition == net.definition
    assert np.array_equal(again.params["a"][0], net.params["a"][0])
    with pytest.raises(UsageError, match="no weights to save: a"):
        read(DATA + conv("a", "data", "a")).save(weights=tmp_path / "none.caffemodel")


def test_legacy_inputs_become_input_layers(read):
    net = read('input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 4')
    assert net.inputs == {"data": (1, 3, 4, 4)}
