"""`zoo run`: arrays by Caffe's names, against the library and against plain numpy."""

import numpy as np
import pytest

import zoo
from zoo.cli.npz import read_npz, write_npz
from zoo.errors import UsageError


@pytest.fixture
def given(tmp_path):
    """An npz file with two pictures of random values."""
    array = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "in.npz", data=array)
    return tmp_path / "in.npz"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.npz"


def convolved(directory, data):
    """The blob conv/a after its ReLU, by plain numpy."""
    net = zoo.Net.read(directory / "deploy.prototxt", directory / "tiny.caffemodel")
    weight, bias = net.params["conv/a"]
    patches = np.lib.stride_tricks.sliding_window_view(data, (3, 3), axis=(2, 3))
    values = np.einsum("nchwij,ocij->nohw", patches, weight, dtype=np.float64)
    return np.maximum(values + bias[:, None, None], 0)


def test_any_blob_of_a_model_comes_out_under_its_own_name(run_zoo, models, given, out):
    words = ("--source", models, "--input", given, "--blob", "conv/a", "--blob", "prob", "-o", out)
    ended = run_zoo("run", "tiny", *words)
    assert ended.code == 0, ended.err
    with np.load(out) as arrays:
        assert arrays.files == ["conv/a", "prob"]
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
        assert arrays["prob"].shape == (2, 3)
        expected = convolved(models / "tiny", np.load(given)["data"])
        np.testing.assert_allclose(arrays["conv/a"], expected, atol=1e-5)
    lines = ended.out.splitlines()
    assert lines[0] == "blob\tshape\tsmallest\tlargest"
    assert lines[1].startswith("conv/a\t2x4x6x6\t0\t")


def test_a_definition_with_weights_and_its_outputs(run_zoo, models, given, out):
    net, weights = models / "tiny" / "deploy.prototxt", models / "tiny" / "tiny.caffemodel"
    words = ("--net", net, "--weights", weights, "--input", given, "-o", out, "--json")
    assert run_zoo("run", *words).json == {"output": str(out), "blobs": {"prob": [2, 3]}}


def test_a_source_without_a_shape_gets_that_of_its_array(run_zoo, given, out, tmp_path):
    net = tmp_path / "data.prototxt"
    net.write_text(
        'layer { name: "d" type: "Data" top: "data" data_param { source: "gone" batch_size: 1 } }\n'
        'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }\n'
    )
    assert run_zoo("run", "--net", net, "--input", given, "-o", out).code == 0
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays["r"], np.maximum(np.load(given)["data"], 0))


def test_unknown_layers_are_all_named_and_nothing_is_written(run_zoo, models, given, out):
    net = models / "tiny" / "deploy.prototxt"
    net.write_text(net.read_text().replace('"ReLU"', '"Flurb"').replace('"Softmax"', '"Blarg"'))
    weights = net.parent / "tiny.caffemodel"
    ended = run_zoo("run", "--net", net, "--weights", weights, "--input", given, "-o", out)
    assert ended.code == 2
    assert "Flurb" in ended.err
    assert "Blarg" in ended.err
    assert not out.exists()


def run_tiny(run_zoo, models, given, out, *words):
    return run_zoo("run", "tiny", "--source", models, "--input", given, "-o", out, *words)


def test_an_unknown_blob_is_answered_with_the_nearest(run_zoo, models, given, out):
    ended = run_tiny(run_zoo, models, given, out, "--blob", "conv/b")
    assert ended.code == 2
    assert "Did you mean conv/a?" in ended.err
    assert not out.exists()


def test_an_array_that_no_input_has_is_exit_2(run_zoo, models, tmp_path, out):
    np.savez(tmp_path / "in.npz", dta=np.zeros((1, 3, 8, 8)))
    ended = run_tiny(run_zoo, models, tmp_path / "in.npz", out)
    assert ended.code == 2
    assert "Did you mean data?" in ended.err


def test_an_array_of_another_shape_is_exit_2(run_zoo, models, tmp_path, out):
    np.savez(tmp_path / "in.npz", data=np.zeros((1, 3, 9, 9)))
    ended = run_tiny(run_zoo, models, tmp_path / "in.npz", out)
    assert ended.code == 2
    assert "(1, 3, 9, 9)" in ended.err


def test_a_definition_alone_asks_for_weights(run_zoo, models, given, out):
    net = models / "tiny" / "deploy.prototxt"
    ended = run_zoo("run", "--net", net, "--input", given, "-o", out)
    assert ended.code == 2
    assert "--weights" in ended.err


def test_a_target_without_a_directory_is_exit_2(run_zoo, models, given, tmp_path):
    ended = run_tiny(run_zoo, models, given, tmp_path / "no" / "out.npz")
    assert ended.code == 2
    assert "make it first" in ended.err


@pytest.mark.parametrize(
    ("name", "told"), [("", "is empty"), (".", "is a folder"), ("out.txt", "ends with .npz")]
)
def test_what_can_be_no_npz_file_is_exit_2_before_the_inputs_are_read(run_zoo, name, told):
    ended = run_zoo("run", "tiny", "--input", "nowhere.npz", "-o", name)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


def test_no_gpu_is_exit_4_and_says_what_was_looked_for(run_zoo, models, given, out):
    ended = run_tiny(run_zoo, models, given, out, "--device", "gpu:99")
    assert ended.code == 4
    assert "gpu:99" in ended.err
    assert not out.exists()


def test_the_processor_can_be_asked_for(run_zoo, models, given, out):
    assert run_tiny(run_zoo, models, given, out, "--device", "cpu").code == 0


def test_a_device_that_makes_no_sense_is_exit_2(run_zoo, models, given, out):
    assert run_tiny(run_zoo, models, given, out, "--device", "tpu").code == 2


def test_a_training_definition_runs_in_its_phase_with_its_losses(run_zoo, tmp_path, out):
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "d" type: "Data" top: "x" top: "label" }\n'
        'layer { name: "bn" type: "BatchNorm" bottom: "x" top: "bn" }\n'
        'layer { name: "drop" type: "Dropout" bottom: "bn" top: "drop" include { phase: TRAIN } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "bn" bottom: "label" top: "loss" }\n'
    )
    shapes = {"x": (6, 40), "label": (6,)}
    net = zoo.Net.read(tmp_path / "net.prototxt", phase="train", shapes=shapes).initialized()
    net.save(weights=tmp_path / "net.caffemodel")
    inputs = {"x": np.random.default_rng(0).normal(3, 2, (6, 40)), "label": np.arange(6)}
    np.savez(tmp_path / "in.npz", **inputs)
    words = ["run", "--net", tmp_path / "net.prototxt", "--weights", tmp_path / "net.caffemodel"]
    words += ["--input", tmp_path / "in.npz", "--phase", "train", "--seed", "5", "-o", out]
    blobs = ["--blob", "bn", "--blob", "drop", "--blob", "loss"]
    assert run_zoo(*words, *blobs).code == 0
    with np.load(out) as stored:
        first = dict(stored)
    np.testing.assert_allclose(first["bn"].mean(0), 0, atol=1e-5)
    assert 0.3 < (first["drop"] == 0).mean() < 0.7
    expected = zoo.run(net, inputs, ["drop", "loss"], seed=5)
    for name, array in expected.items():
        np.testing.assert_array_equal(first[name], array)
    assert run_zoo(*words, *blobs, "--backward").code == 0
    with np.load(out) as stored:
        np.testing.assert_array_equal(stored["drop"], first["drop"])


def test_names_survive_that_numpy_itself_refuses(tmp_path):
    blobs = {
        name: np.full((1, 2), 3, np.float32) for name in ("a/b", "file", "allow_pickle", "x.y")
    }
    write_npz(tmp_path / "out", blobs)
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
    with np.load(tmp_path / "out") as arrays:
        assert sorted(arrays.files) == sorted(blobs)
        assert all((arrays[name] == 3).all() for name in blobs)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_npz(tmp_path / "out.npz", {"a": np.ones(1)})
    before = (tmp_path / "out.npz").read_bytes()
    with pytest.raises(ValueError, match="Object arrays"):
        write_npz(tmp_path / "out.npz", {"a": np.ones(1), "b": np.array([{}])})
    assert (tmp_path / "out.npz").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_arrays_of_any_numbers_are_read_as_float32(tmp_path):
    np.savez(tmp_path / "in.npz", a=np.arange(3), b=np.array([True]), c=np.ones(1, np.float16))
    arrays = read_npz(tmp_path / "in.npz")
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"PK\x03\x04 and no more"])
def test_what_is_no_npz_file_is_told(tmp_path, content):
    (tmp_path / "in.npz").write_bytes(content)
    with pytest.raises(UsageError, match="not an npz file"):
        read_npz(tmp_path / "in.npz")


def test_a_single_array_is_told_how_to_get_a_name(tmp_path):
    np.save(tmp_path / "in.npy", np.ones(1))
    with pytest.raises(UsageError, match=r"numpy\.savez"):
        read_npz(tmp_path / "in.npy")


def test_a_damaged_npz_file_is_told(tmp_path):
    np.savez_compressed(tmp_path / "in.npz", a=np.arange(1000.0))
    content = bytearray((tmp_path / "in.npz").read_bytes())
    content[60:200] = bytes(140)
    (tmp_path / "in.npz").write_bytes(content)
    with pytest.raises(UsageError, match=r"in\.npz"):
        read_npz(tmp_path / "in.npz")


def test_arrays_of_objects_and_words_are_refused(tmp_path):
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    np.savez(tmp_path / "words.npz", a=np.array(["x"]))
    for name in ("objects.npz", "words.npz"):
        with pytest.raises(UsageError, match="numbers"):
            read_npz(tmp_path / name)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_npz(tmp_path / "in.npz")


@pytest.fixture
def grown(models):
    """The model with a layer that its weights do not have."""
    net = models / "tiny" / "deploy.prototxt"
    net.write_text(net.read_text().replace('"ip"', '"new"'))
    return net


def test_weights_that_do_not_fit_are_refused_unless_a_part_is_wanted(
    run_zoo, models, grown, given, out
):
    refused = run_tiny(run_zoo, models, given, out)
    assert refused.code == 2
    assert "--partial" in refused.err
    partial = run_tiny(run_zoo, models, given, out, "--partial")
    assert partial.code == 0
    assert (
        "warning: copied: 1 layer copied from tiny.caffemodel.\nreinitialised: new: not in the file"
        in partial.err
    )
    assert out.exists()


def test_a_partial_load_of_files_and_of_a_classifier(run_zoo, models, grown, pictures):
    weights = grown.parent / "tiny.caffemodel"
    words = ("inspect", "--net", grown, "--weights", weights)
    assert run_zoo(*words).code == 2
    assert run_zoo(*words, "--partial", "--json").json["weights"]["fresh"] == ["new"]
    words = ("classify", grown.parent, pictures / "a colour.png")
    assert run_zoo(*words).code == 2
    assert "reinitialised: new: not in the file" in run_zoo(*words, "--partial").err
