"""Weights are matched by name, strictly unless a partial load is asked for."""

import numpy as np
import pytest

from zoo.errors import WeightsError
from zoo.net import Net


def definition(*layers):
    text = 'input: "data" input_shape { dim: 1 dim: 2 dim: 4 dim: 4 }\n'
    for name, outputs in layers:
        text += (
            f'layer {{ name: "{name}" type: "InnerProduct" bottom: "data" top: "{name}"'
            f" inner_product_param {{ num_output: {outputs} }} }}\n"
        )
    return text


@pytest.fixture
def saved(tmp_path):
    """Reads a definition, and saves weights for it on request."""

    def make(name, *layers, weights=False):
        path = tmp_path / f"{name}.prototxt"
        path.write_text(definition(*layers))
        net = Net.read(path)
        if weights:
            net = net.initialized()
            net.save(weights=tmp_path / f"{name}.caffemodel")
        return net

    make.folder = tmp_path
    return make


def test_equal_nets_load_whole(saved):
    net = saved("net", ("fc", 3), weights=True)
    loaded = saved("net", ("fc", 3)).load_weights(saved.folder / "net.caffemodel")
    assert np.array_equal(loaded.params["fc"][0], net.params["fc"][0])
    assert str(loaded.report) == (
        "upgraded: Input(s) 'data' became the Input layer 'input'.\n"
        "copied: 1 layer copied from net.caffemodel."
    )


def test_missing_left_over_and_unfit_are_one_error(saved):
    saved("old", ("fc", 3), ("same", 2), ("gone", 1), weights=True)
    net = saved("new", ("fc", 5), ("same", 2), ("fresh", 1))
    with pytest.raises(WeightsError) as caught:
        net.load_weights(saved.folder / "old.caffemodel")
    message = str(caught.value)
    assert "fc: needs [(5, 32), (5,)], the file has [(3, 32), (3,)]" in message
    assert "only the number of outputs differs, and this is a last layer" in message
    assert "fresh: not in the file" in message
    assert "gone: in the file, not in the definition" in message
    assert "--partial" in message


def test_a_partial_load_says_what_it_did(saved):
    saved("old", ("fc", 3), ("same", 2), ("gone", 1), weights=True)
    net = saved("new", ("fc", 5), ("same", 2), ("fresh", 1))
    report = net.load_weights(saved.folder / "old.caffemodel", partial=True).report
    assert (report.copied, report.fresh, report.unused) == (["same"], ["fresh"], ["gone"])
    assert list(report.unfit) == ["fc"]
    assert report.partial
    assert "did not fit: fc: needs" in str(report)
    assert "reinitialised: fresh: not in the file" in str(report)
    assert "left over: gone: not in the definition" in str(report)


def test_layers_of_the_training_net_may_be_left_over(saved):
    saved("old", ("fc", 3), ("aux", 2), weights=True)
    net = saved("new", ("fc", 3))
    loaded = net.load_weights(saved.folder / "old.caffemodel", may_be_left=["aux"])
    assert loaded.report.unused == ["aux"]


def test_weights_of_another_network_are_refused_even_partially(saved):
    saved("old", ("other", 3), weights=True)
    net = saved("new", ("fc", 3))
    with pytest.raises(WeightsError, match="another network"):
        net.load_weights(saved.folder / "old.caffemodel", partial=True)


def test_equal_counts_in_another_shape_name_the_likely_cast(saved, tmp_path):
    saved("fc", ("fc", 3), weights=True)
    path = tmp_path / "conv.prototxt"
    path.write_text(
        'input: "data" input_shape { dim: 1 dim: 2 dim: 4 dim: 4 }\n'
        'layer { name: "fc" type: "Convolution" bottom: "data" top: "fc"'
        " convolution_param { num_output: 3 kernel_size: 4 } }"
    )
    with pytest.raises(WeightsError, match="InnerProduct weights for a Convolution"):
        Net.read(path, saved.folder / "fc.caffemodel")


def test_legacy_shapes_with_leading_ones_fit(saved):
    net = saved("net", ("fc", 3))
    weights = {"fc": [np.ones((1, 1, 3, 32), np.float32), np.ones((1, 1, 1, 3), np.float32)]}
    from zoo.loading import match_weights

    params, report = match_weights(net, weights, False, frozenset())
    assert [blob.shape for blob in params["fc"]] == [(3, 32), (3,)]
    assert (report.copied, report.reshaped) == (["fc"], ["fc"])
    assert "1 layer of them from blobs of four axes" in str(report)
