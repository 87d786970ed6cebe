"""Definitions, caffemodels, mean files and solver states that need no network around them."""

import numpy as np
import pytest
from google.protobuf import text_format

from zoo.caffe.mean import read_mean
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.sniff import FileKind
from zoo.caffe.solver_state import read_solver_state
from zoo.caffe.weights import read_weights
from zoo.errors import ParseError, UsageError, VerificationError, WeightsError
from zoo.file_conversion import convert_file, upgrade_definition, upgrade_weights


def parse(path):
    return text_format.Parse(path.read_text(), NetParameter())


def test_every_golden_definition_is_upgraded_as_by_caffe(shared, tmp_path):
    pairs = [
        (path, path.with_name(path.name.replace(".in.", ".out.")))
        for path in sorted((shared / "golden/upgrade").glob("*.in.prototxt"))
    ]
    pairs += [
        (
            shared / f"golden/formats/legacy_{version}.prototxt",
            shared / f"golden/formats/expected/legacy_{version}_upgraded.prototxt",
        )
        for version in ("v0", "v1")
    ]
    assert len(pairs) == 16
    for source, expected in pairs:
        target = tmp_path / source.name
        assert upgrade_definition(source, target)
        assert parse(target) == parse(expected)


def test_binary_definitions_become_text(shared, tmp_path):
    net = parse(shared / "golden/formats/legacy_v1.prototxt")
    (tmp_path / "binary").write_bytes(net.SerializeToString())
    upgrade_definition(tmp_path / "binary", tmp_path / "new.prototxt")
    assert parse(tmp_path / "new.prototxt") == parse(
        shared / "golden/formats/expected/legacy_v1_upgraded.prototxt"
    )


def test_upgrading_twice_gives_the_same_bytes_and_no_notes(shared, tmp_path):
    upgrade_definition(shared / "golden/upgrade/v0_lenet.in.prototxt", tmp_path / "once")
    assert upgrade_definition(tmp_path / "once", tmp_path / "twice") == []
    assert (tmp_path / "once").read_bytes() == (tmp_path / "twice").read_bytes()


def test_layers_of_every_phase_and_of_unknown_kinds_stay(tmp_path):
    source = tmp_path / "in.prototxt"
    source.write_text(
        'input: "data" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4\n'
        'layer { name: "a" type: "Foo" bottom: "data" top: "a" include { phase: TRAIN }\n'
        "  foo_param { depth: 3 mode: SOFT } }\n"
        'layer { name: "b" type: "ReLU" bottom: "data" top: "b" include { phase: TEST } }\n'
    )
    upgrade_definition(source, tmp_path / "out.prototxt")
    text = (tmp_path / "out.prototxt").read_text()
    assert "foo_param {\n    depth: 3 mode: SOFT\n  }" in text
    assert "phase: TRAIN" in text
    assert "phase: TEST" in text


def test_nothing_is_replaced_unless_force_is_used(shared, tmp_path):
    source = shared / "golden/upgrade/v0_lenet.in.prototxt"
    target = tmp_path / "new.prototxt"
    target.write_text("mine")
    with pytest.raises(UsageError, match="exists and was left as it is"):
        upgrade_definition(source, target)
    assert target.read_text() == "mine"
    upgrade_definition(source, target, force=True)
    assert len(parse(target).layer) > 3
    assert [path.name for path in tmp_path.iterdir()] == ["new.prototxt"]


def test_a_definition_with_a_mistake_leaves_nothing(tmp_path):
    (tmp_path / "in").write_text('layer { name: "a" type: "ReLU" relu_param { slope: 1 } }')
    with pytest.raises(ParseError, match="in:1:.*no field 'slope'"):
        upgrade_definition(tmp_path / "in", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_binary_caffemodels_are_upgraded_with_their_blobs_as_they_are(shared, tmp_path, version):
    source = shared / f"golden/formats/legacy_{version}.caffemodel"
    assert upgrade_weights(source, tmp_path / "new.caffemodel")
    message = NetParameter.FromString((tmp_path / "new.caffemodel").read_bytes())
    assert [layer.type for layer in message.layer][-1] == "Softmax"
    assert not message.layers
    blobs = next(layer.blobs for layer in message.layer if layer.name == "conv1")
    # Caffe fits legacy sizes to any shape, but no four axes to one.
    assert (blobs[1].num, blobs[1].width, blobs[1].HasField("shape")) == (1, 4, False)
    old, new = read_weights(source), read_weights(tmp_path / "new.caffemodel")
    assert new.format == "current"
    for name, stored in old.items():
        for blob, expected in zip(new[name], stored, strict=True):
            np.testing.assert_array_equal(blob, expected)


def test_hdf5_weights_alone_do_not_say_what_layers_are(shared, tmp_path):
    source = shared / "golden/formats/snap_SGD_iter_5.caffemodel.h5"
    with pytest.raises(UsageError, match="give the definition too"):
        convert_file(source, tmp_path / "a.caffemodel")


@pytest.mark.parametrize("name", ["mean.binaryproto", "mean.npy"])
@pytest.mark.parametrize("target", ["out.npy", "out.binaryproto"])
def test_mean_files_change_between_their_formats(shared, tmp_path, name, target):
    source = shared / "golden/formats" / name
    assert convert_file(source, tmp_path / target) == (FileKind.MEAN, [])
    np.testing.assert_array_equal(read_mean(tmp_path / target), read_mean(source))
    if target == "out.binaryproto":
        caffes = shared / "golden/formats/mean.binaryproto"
        assert (tmp_path / target).read_bytes() == caffes.read_bytes()


@pytest.mark.parametrize("suffix", ["", ".h5"])
@pytest.mark.parametrize("rule", ["SGD", "Adam", "AdaDelta"])
def test_solver_states_change_between_their_formats(shared, tmp_path, rule, suffix):
    source = shared / f"golden/formats/snap_{rule}_iter_5.solverstate{suffix}"
    for target in ("out.solverstate", "out.solverstate.h5"):
        assert convert_file(source, tmp_path / target)[0] is FileKind.SOLVER_STATE
        old, new = read_solver_state(source), read_solver_state(tmp_path / target)
        assert (new.iter, new.learned_net) == (old.iter, old.learned_net)
        for blob, expected in zip(new.history, old.history, strict=True):
            np.testing.assert_array_equal(blob, expected)


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("mean.npy", "a.caffemodel", "cannot be written as .caffemodel; expected .*binaryproto"),
        ("mean.npy", "a", "cannot be written as a folder"),
        ("snap_SGD_iter_5.solverstate", "a.npy", "this is a solver state"),
        ("snap_SGD_iter_5.caffemodel", "a.onnx", "converted with its definition and its weights"),
        ("snap_net.prototxt", "a.caffemodel", "is the text of a network"),
        ("list.txt", "a.npy", "is a file of another kind"),
    ],
)
def test_other_files_and_targets_are_refused(shared, tmp_path, name, target, words):
    with pytest.raises(UsageError, match=words):
        convert_file(shared / "golden/formats" / name, tmp_path / target)
    assert not list(tmp_path.iterdir())


def test_a_result_that_reads_otherwise_is_not_kept(shared, tmp_path, monkeypatch):
    from zoo.caffe.mean import write_mean

    def damage(path, mean):
        write_mean(path, np.asarray(mean) + 1)

    monkeypatch.setattr("zoo.file_conversion.write_mean", damage)
    with pytest.raises(VerificationError, match="blob 0 is not what was to be written"):
        convert_file(shared / "golden/formats/mean.npy", tmp_path / "out.binaryproto")
    assert not list(tmp_path.iterdir())


def test_a_damaged_caffemodel_is_refused(shared, tmp_path):
    content = (shared / "golden/formats/legacy_v1.caffemodel").read_bytes()
    (tmp_path / "cut.caffemodel").write_bytes(content[:-50])
    with pytest.raises((ParseError, WeightsError, UsageError)):
        convert_file(tmp_path / "cut.caffemodel", tmp_path / "new.caffemodel")
