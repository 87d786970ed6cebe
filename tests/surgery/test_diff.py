"""What differs between two nets: a patch that applies, fields with their defaults, weights."""

import json
import math
import re

import numpy as np
import pytest
from surgery_nets import conv, layer, product, read

import zoo
from zoo.caffe.read import parse_definition
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.errors import ParseError, UsageError, WeightsError
from zoo.surgery.diff import diff
from zoo.surgery.params import set_params

OLD = (
    conv("conv", "data", 4, "kernel_size: 3", param="param { lr_mult: 1 }")
    + layer("ReLU", "relu", "conv", top="conv")
    + layer("Pooling", "pool", "conv", "pooling_param { kernel_size: 2 stride: 2 }")
    + product("fc", "pool", 5)
)
NEW = (
    conv("conv", "data", 4, "kernel_size: 3 stride: 1 pad: 1", param="param { lr_mult: 2 }")
    + layer("ReLU", "relu", "conv", "relu_param { negative_slope: 0.1 }", top="conv")
    + layer("Pooling", "pool", "conv", "pooling_param { kernel_size: 2 stride: 2 pool: AVE }")
    + product("fc_new", "pool", 5)
    + layer("Softmax", "prob", "fc_new")
)


def applied(text, patch):
    """A text after a unified diff: each line that the patch keeps or drops has to be there."""
    lines, result, place = text.splitlines(keepends=True), [], 0
    for line in patch.splitlines(keepends=True)[2:]:
        if line.startswith("@@"):
            start, length = re.match(r"@@ -(\d+)(?:,(\d+))?", line).groups()
            start = int(start) - (length != "0")
            result += lines[place:start]
            place = start
        elif line[0] == "+":
            result.append(line[1:])
        else:
            assert lines[place] == line[1:]
            place += 1
            result += [line[1:]] if line[0] == " " else []
    return "".join(result + lines[place:])


def test_the_patch_makes_one_definition_of_the_other():
    old, new = read(OLD), read(NEW)
    for a, b in ((old, new), (new, old), (old, read(""))):
        found = diff(a, b)
        assert applied(a.to_prototxt(), found.patch) == b.to_prototxt()


def test_lines_of_different_layers_are_not_taken_for_one_another():
    first, second = (
        layer("Pooling", name, "data", "pooling_param { kernel_size: 2 }") for name in "ab"
    )
    found = diff(read(first + second), read(second))
    changed = [line for line in found.patch.splitlines()[3:] if line[0] != " "]
    alone = "layer {" + read(first).to_prototxt().split("layer {")[2]
    assert changed == [f"-{line}" for line in alone.splitlines()]


def test_fields_are_compared_with_the_defaults_of_what_is_not_written():
    found = diff(read(OLD), read(NEW))
    assert (found.only_in_a, found.only_in_b) == (("fc",), ("fc_new", "prob"))
    assert {(each.layer, each.field, each.old, each.new) for each in found.fields} == {
        ("conv", "param.0.lr_mult", 1, 2),
        ("conv", "convolution_param.pad", 0, 1),
        ("relu", "relu_param.negative_slope", 0, 0.1),
        ("pool", "pooling_param.pool", "MAX", "AVE"),
    }
    explicit = OLD.replace("kernel_size: 2", "kernel_size: 2 pool: MAX pad: 0")
    found = diff(read(OLD), read(explicit))
    assert found.fields == ()
    assert "+    pool: MAX" in found.patch


def test_types_and_fields_that_caffe_does_not_have_are_compared():
    texts = [
        f'layer {{ name: "odd" type: "{kind}" top: "x" odd_param {{ size: {size} }} }}'
        for kind, size in (("Odd", 1), ("Odder", 2))
    ]
    found = diff(*(zoo.Net(parse_definition(text)) for text in texts))
    assert [(each.field, each.old, each.new) for each in found.fields] == [
        ("type", "Odd", "Odder"),
        ("odd_param", "size: 1", "size: 2"),
    ]


def test_weights_are_measured_as_numpy_does():
    a, b = read(OLD, seed=1), read(OLD, seed=2)
    for each in diff(a, b).weights:
        old, new = (net.params[each.layer][each.index].astype(float).ravel() for net in (a, b))
        norm = np.linalg.norm
        assert each.relative == pytest.approx(norm(new - old) / norm(old))
        assert each.cosine == pytest.approx(old @ new / norm(old) / norm(new))
        assert each.max_abs == pytest.approx(np.abs(new - old).max())
        assert each.verdict == "differs"
    found = diff(a, a)
    assert found.same
    assert {each.verdict for each in found.weights} == {"same"}
    assert str(found) == "nothing differs"


def test_large_blobs_are_measured_in_pieces(monkeypatch):
    a, b = read(OLD, seed=1), read(OLD, seed=2)
    whole = diff(a, b).weights
    monkeypatch.setattr("zoo.surgery.weight_diff._PIECE", 7)
    for one, other in zip(diff(a, b).weights, whole, strict=True):
        assert one.relative == pytest.approx(other.relative)
        assert one.max_abs == other.max_abs


def test_zeros_and_what_only_one_has_are_told():
    net = read(OLD)
    zero = set_params(net, "conv", 1, 0)[0]
    found = {(each.layer, each.index): each for each in diff(zero, net).weights}
    assert found["conv", 1].relative == math.inf
    assert found["conv", 1].cosine == 0
    assert diff(zero, zero).same
    found = diff(net, read(NEW))
    verdicts = {(each.layer, each.index): each.verdict for each in found.weights}
    assert verdicts["fc", 0] == "only in A"
    assert verdicts["fc_new", 1] == "only in B"
    bigger = read(OLD.replace("num_output: 4", "num_output: 8"))
    verdicts = {(each.layer, each.index): each.verdict for each in diff(net, bigger).weights}
    assert verdicts["conv", 0] == verdicts["fc", 0] == "other shape"
    assert "conv[0]: other shape" in str(diff(net, bigger))


def test_snapshots_of_one_run_are_compared(tmp_path):
    net = read(OLD)
    later = set_params(net, "fc", 0, 2 * net.params["fc"][0])[0]
    net.save(weights=tmp_path / "a.caffemodel")
    later.save(weights=tmp_path / "b.caffemodel")
    found = diff(tmp_path / "a.caffemodel", tmp_path / "b.caffemodel")
    assert found.patch == ""
    [each] = found.changed_weights
    assert (each.layer, each.index) == ("fc", 0)
    assert each.relative == pytest.approx(1)
    assert each.cosine == pytest.approx(1)
    assert each.cosine <= 1


def test_hdf5_snapshots_have_no_definition(tmp_path):
    net = read(OLD)
    net.save(weights=tmp_path / "a.caffemodel.h5")
    net.save(tmp_path / "b.prototxt", tmp_path / "b.caffemodel")
    found = diff(tmp_path / "a.caffemodel.h5", tmp_path / "b.caffemodel")
    assert found.notes == (
        f"{tmp_path / 'a.caffemodel.h5'} is weights alone, so no definitions are compared",
    )
    assert found.same
    assert len(found.weights) == 4


def test_a_definition_is_compared_with_or_without_weights(tmp_path):
    net = read(OLD)
    net.save(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    found = diff(tmp_path / "a.prototxt", net)
    assert found.notes == (f"{tmp_path / 'a.prototxt'} has no weights, so none are compared",)
    assert found.weights == ()
    found = diff(tmp_path / "a.prototxt", net, weights_a=tmp_path / "a.caffemodel")
    assert found.same
    assert len(found.weights) == 4


def test_old_formats_are_the_same_as_new_ones(tmp_path):
    (tmp_path / "old.prototxt").write_text(
        'input: "data" input_dim: 1 input_dim: 1 input_dim: 4 input_dim: 4\n'
        'layers { name: "relu" type: RELU bottom: "data" top: "relu" }'
    )
    zoo.Net.read(tmp_path / "old.prototxt").save(tmp_path / "new.prototxt")
    assert diff(tmp_path / "old.prototxt", tmp_path / "new.prototxt").same


def test_the_phase_says_which_layers_count(tmp_path):
    drop = layer("Dropout", "drop", "data", "include { phase: TRAIN }")
    for name, text in (("a", OLD + drop), ("b", OLD)):
        message = zoo.caffe.read.parse_definition(text)
        (tmp_path / f"{name}.prototxt").write_text(
            str(NetParameter(layer=[read("").layers[0].definition, *message.layer]))
        )
    paths = tmp_path / "a.prototxt", tmp_path / "b.prototxt"
    assert diff(*paths).same
    assert diff(*paths, phase="train").only_in_a == ("drop",)
    with pytest.raises(UsageError, match="'test' or 'train', received 'tset'"):
        diff(*paths, phase="tset")


def test_what_is_no_number_in_both_does_not_differ():
    net = read(OLD)
    (name, blobs), *_ = net.params.items()
    broken = [blob.copy() for blob in blobs]
    broken[0].flat[0] = np.nan
    lost = net.with_params({name: broken})
    assert diff(lost, lost).same
    assert [each.verdict for each in diff(net, lost).changed_weights] == ["differs"]


def test_it_becomes_json():
    found = diff(read(OLD), read(NEW)).to_dict()
    again = json.loads(json.dumps(found))
    assert again["weights"][0]["layer"] == "conv"
    assert again["same"] is False
    assert {"layer", "field", "old", "new"} == set(again["fields"][0])


def test_what_is_no_net_is_refused(tmp_path):
    net = read(OLD)
    net.save(tmp_path / "a.prototxt", tmp_path / "a.caffemodel")
    with pytest.raises(UsageError, match="a net has its own"):
        diff(net, net, weights_a=tmp_path / "a.caffemodel")
    with pytest.raises(UsageError, match="weights are for a definition"):
        diff(net, tmp_path / "a.caffemodel", weights_b=tmp_path / "a.caffemodel")
    with pytest.raises(WeightsError, match="gone.caffemodel"):
        diff(net, tmp_path / "gone.caffemodel")
    (tmp_path / "cut.caffemodel").write_bytes((tmp_path / "a.caffemodel").read_bytes()[:-9])
    with pytest.raises(ParseError, match=r"cut\.caffemodel"):
        diff(net, tmp_path / "cut.caffemodel")
