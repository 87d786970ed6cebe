"""`--engine onnxruntime` of `zoo run` and `zoo classify`."""

import sys

import numpy as np
import pytest


@pytest.fixture
def inputs(tmp_path):
    path = tmp_path / "in.npz"
    np.savez(path, data=np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32))
    return path


def test_run_writes_the_same_blobs_by_either_engine(tiny, inputs, tmp_path, run_zoo):
    blobs = {}
    for engine in ("tensorflow", "onnxruntime"):
        target = tmp_path / f"{engine}.npz"
        words = ("run", "tiny", "--input", inputs, "--blob", "conv/a", "--blob", "prob")
        assert run_zoo(*words, "-o", target, "--engine", engine).code == 0
        with np.load(target) as stored:
            blobs[engine] = dict(stored)
    assert set(blobs["tensorflow"]) == {"conv/a", "prob"}
    for name, values in blobs["tensorflow"].items():
        np.testing.assert_allclose(blobs["onnxruntime"][name], values, atol=1e-5)


def test_classify_names_the_same_classes_by_either_engine(tiny, pictures, run_zoo):
    picture = pictures / "a colour.png"
    plain = run_zoo("classify", "tiny", picture, "--json").json
    other = run_zoo("classify", "tiny", picture, "--json", "--engine", "onnxruntime").json
    labels = [[each["label"] for each in document[0]["predictions"]] for document in (plain, other)]
    assert labels[0] == labels[1]
    assert len(labels[0]) == 3


def test_a_missing_runtime_ends_with_4(tiny, inputs, tmp_path, run_zoo, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    words = ("run", "tiny", "--input", inputs, "-o", tmp_path / "out.npz")
    done = run_zoo(*words, "--engine", "onnxruntime")
    assert done.code == 4
    assert "pip install 'onnx>=1.17,<2' 'onnxruntime>=1.21,<2'" in done.err
    assert not (tmp_path / "out.npz").exists()


def test_backward_excludes_another_engine(tiny, inputs, tmp_path, run_zoo):
    words = ("run", "tiny", "--input", inputs, "-o", tmp_path / "out.npz", "--backward")
    done = run_zoo(*words, "--engine", "onnxruntime")
    assert done.code == 2
    assert "--backward is computed by TensorFlow" in done.err
