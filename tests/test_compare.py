"""Blobs are compared in order, the first that differs is named, and what is wrong with it told."""

import numpy as np
import pytest

import zoo
from zoo.difference_hints import explain
from zoo.errors import UsageError
from zoo.recorded import sampled

DEFINITION = """\
name: "Small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "left" type: "Convolution" bottom: "conv1" top: "left"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "right" type: "Convolution" bottom: "conv1" top: "right"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "both" type: "Concat" bottom: "left" bottom: "right" top: "both" }
layer { name: "ip" type: "InnerProduct" bottom: "both" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""
BLOBS = ["conv1", "left", "right", "both", "ip"]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare") / "small.prototxt"
    path.write_text(DEFINITION)
    return zoo.Net.read(path).initialized(seed=1)


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    return rng.uniform(-120, 130, (2, 3, 9, 9)).astype(np.float32)


@pytest.fixture(scope="module")
def recorded(net, picture):
    return {"data": picture, **zoo.run(net, {"data": picture}, BLOBS)}


def changed(net, layer):
    return net.with_params({layer: [1.01 * blob for blob in net.params[layer]]})


def test_a_net_agrees_with_its_own_records(net, recorded):
    found = zoo.compare(net, recorded)
    assert found.agrees
    assert [each.blob for each in found.blobs] == BLOBS
    assert all(each.verdict == "same" for each in found.blobs)
    assert "All 5 blob(s) agree within 0.0001" in found.summary


def test_the_first_blob_that_differs_is_named_with_its_layer_and_line(net, recorded):
    found = zoo.compare(changed(net, "right"), recorded)
    assert [each.blob for each in found.blobs if not each.agrees] == ["right", "both", "ip"]
    assert found.first.blob == "right"
    assert found.first.layers == ("right (Convolution, line 9)",)
    assert found.first.relative == pytest.approx(0.01, rel=1e-3)
    assert "The first is 'right', made by right (Convolution, line 9)" in found.summary


def test_a_blob_written_in_place_names_all_its_layers(net, recorded):
    found = zoo.compare(changed(net, "conv1"), recorded)
    assert found.first.layers == ("conv1 (Convolution, line 4)", "relu1 (ReLU, line 6)")
    assert "made by conv1 (Convolution, line 4), then relu1 (ReLU, line 6)" in found.summary


def test_layers_between_what_agrees_and_what_differs_are_named(net, recorded):
    sparse = {name: recorded[name] for name in ("data", "left", "ip")}
    found = zoo.compare(changed(net, "right"), sparse)
    assert "lie 5 layers: conv1 (line 4), relu1 (line 6), right (line 9)" in found.summary


def test_the_figures_are_what_they_say(net, recorded):
    off = {**recorded, "ip": recorded["ip"] + 0.5}
    last = zoo.compare(net, off).blobs[-1]
    largest = np.abs(off["ip"]).max()
    assert last.max_abs == pytest.approx(0.5, rel=1e-5)
    assert last.relative == pytest.approx(0.5 / largest, rel=1e-5)
    assert last.ulp == pytest.approx(0.5 / np.spacing(largest), rel=1e-5)
    mine, other = recorded["ip"].ravel(), off["ip"].ravel()
    cosine = mine @ other / np.linalg.norm(mine) / np.linalg.norm(other)
    assert last.cosine == pytest.approx(cosine, abs=1e-5)


def test_a_tolerance_of_ones_own(net, recorded):
    assert zoo.compare(changed(net, "right"), recorded, tolerance=0.02).agrees


def test_a_wrong_mean_is_found_at_the_input(net, recorded, picture):
    shifted = picture + np.array([1.5, 0, -3], np.float32)[:, None, None]
    found = zoo.compare(net, recorded, {"data": shifted})
    assert (found.first.blob, found.first.is_input) == ("data", True)
    assert "A constant is added to each channel: +1.5, +0, -3." in found.summary
    assert "it is -1.5, +0, +3 away from it. Look at the mean file" in found.summary


def test_without_recorded_inputs_it_is_said_that_they_would_tell(net, recorded, picture):
    blobs = {name: recorded[name] for name in BLOBS}
    found = zoo.compare(net, blobs, {"data": picture + 2})
    assert found.first.blob == "conv1"
    assert "No input was compared" in found.summary


HINTS = {
    "reversed": (lambda x: x[:, ::-1], ["its channels stand in reverse order"]),
    "scaled": (lambda x: x / 255, ["0.00392157 (1/255) times the reference"]),
    "large": (lambda x: x * 255, ["255 (255) times the reference"]),
    "rotated": (lambda x: x.swapaxes(2, 3), ["its rows and columns are exchanged"]),
    "mirrored": (lambda x: x[..., ::-1], ["it is mirrored from left to right"]),
    "upside down": (lambda x: x[:, :, ::-1], ["it is upside down"]),
    "reversed without mean": (
        lambda x: (x + np.array([104, 117, 123.0])[:, None, None])[:, ::-1],
        ["its channels stand in reverse order", "each channel: +104, +117, +123"],
    ),
    "to one without mean": (
        lambda x: (x + np.array([104, 117, 123.0])[:, None, None]) / 255,
        ["1/255", "each channel: +0.4078, +0.4588, +0.4824"],
    ),
    "standard deviations": (
        lambda x: x / np.array([58.4, 57.1, 57.4])[:, None, None],
        ["+0.0171, +0.0175, +0.0174 (by channel) times the reference"],
    ),
    "noise": (
        lambda x: x + 2 + np.random.default_rng(1).normal(0, 0.5, x.shape),
        ["of the difference"],
    ),
    "a mean picture": (
        lambda x: x + np.random.default_rng(1).normal(0, 9, x.shape[1:]),
        ["One and the same picture is added to all 2", "Look at the mean file"],
    ),
    "nan": (lambda x: np.where(x > 100, np.nan, x), ["NaN and 0 infinite values"]),
    "channels last": (lambda x: x.transpose(0, 2, 3, 1), ["Its channels are last"]),
    "one picture": (lambda x: x[:1], ["It holds 1 pictures, the reference 2."]),
}


@pytest.mark.parametrize("name", HINTS)
def test_what_is_wrong_with_an_input_is_told(picture, name):
    change, words = HINTS[name]
    told = " ".join(explain(change(picture), picture, is_input=True))
    for word in words:
        assert word in told


def test_what_has_no_plain_reason_gets_none(picture):
    other = np.random.default_rng(5).uniform(-120, 130, picture.shape)
    assert explain(other, picture, is_input=True) == []
    assert explain(picture[:, ::-1], picture, is_input=False) == []


@pytest.mark.parametrize("style", ["blob:{}", "out/{}"])
def test_recorded_names_may_have_the_prefixes_in_use(net, recorded, style):
    arrays = {style.format(name): recorded[name] for name in BLOBS}
    arrays |= {"in/data": recorded["data"], "topdiff/ip": recorded["ip"]}
    found = zoo.compare(net, arrays)
    assert found.agrees
    assert len(found.blobs) == 5
    assert found.unmatched == ("topdiff/ip",)


def test_every_kth_value_is_enough(net, recorded):
    arrays = {"data": recorded["data"], "conv1": recorded["conv1"].ravel()[::7]}
    assert zoo.compare(net, arrays).agrees
    found = zoo.compare(changed(net, "conv1"), arrays)
    assert found.first.relative == pytest.approx(0.01, rel=1e-2)
    assert found.first.shape == (2, 4, 7, 7)


def test_a_number_of_values_that_tells_no_step_is_another_shape():
    blob = np.zeros((2, 10))
    assert sampled(blob, np.zeros(2)).shape == (2, 10)


def test_not_a_number_never_agrees(net, recorded):
    broken = {**recorded, "ip": np.full_like(recorded["ip"], np.nan)}
    found = zoo.compare(net, broken)
    assert found.first.verdict == "not finite"
    assert "The reference has 10 NaN" in found.summary


def test_another_shape_is_said(net, recorded):
    found = zoo.compare(net, {**recorded, "both": recorded["both"][:, :3]})
    assert found.first.verdict == "other shape"
    assert "its shape is (2, 4, 7, 7), that of the reference (2, 3, 7, 7)" in found.summary


def test_two_nets(net, picture):
    assert zoo.compare(net, net, {"data": picture}).agrees
    found = zoo.compare(net, changed(net, "left"), {"data": picture})
    assert found.first.blob == "left"
    assert "It is 0.990099 times the reference." in found.summary


def test_two_devices(net, picture):
    assert zoo.compare(net, None, {"data": picture}, device="cpu").agrees


def test_nothing_in_common_is_an_error(net, picture):
    with pytest.raises(UsageError, match="nothing to compare.*has fc8;.*both, ip"):
        zoo.compare(net, {"fc8": np.zeros(3)}, {"data": picture})


def test_photographs_of_real_caffe_and_a_mean_that_is_off(shared):
    model = zoo.load(shared / "models" / "squeezenet_v1.0")
    golden = np.load(shared / "golden" / "squeezenet" / "cat.npz")
    assert zoo.compare(model, golden).agrees
    wrong = golden["data"] + np.array([0, 0.3, -1], np.float32)[:, None, None]
    found = zoo.compare(model, golden, {"data": wrong})
    assert found.first.blob == "data"
    assert "it is +0, -0.3, +1 away from it" in found.summary


@pytest.mark.parametrize("name", ["relu", "conv_group2", "net_inception"])
def test_layers_of_real_caffe(shared, name):
    folder = shared / "golden" / "layers"
    weights = folder / f"{name}.caffemodel"
    net = zoo.Net.read(folder / f"{name}.prototxt", weights if weights.exists() else None)
    assert zoo.compare(net, np.load(folder / f"{name}.npz")).agrees
