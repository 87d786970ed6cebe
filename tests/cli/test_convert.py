"""`zoo convert`: what it writes, what it says, and how it ends when it must not."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.caffe.mean import write_mean
from zoo.caffe.solver_state import SolverState, write_solver_state

ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(models):
    """Options for the definition and the weights of the small model."""
    folder = models / "tiny"
    return ["--net", folder / "deploy.prototxt", "--weights", folder / "tiny.caffemodel"]


def test_a_model_of_a_source_becomes_a_folder_of_caffes_files(run_zoo, models, tmp_path):
    out = tmp_path / "copy"
    done = run_zoo("convert", "tiny", "--source", models, "-o", out)
    assert done.code == 0
    assert done.out.splitlines() == [str(out / "deploy.prototxt"), str(out / "copy.caffemodel")]
    assert "note: outputs differ by at most 0 (0 of the largest value, " in done.err
    original = models / "tiny/tiny.caffemodel"
    assert (out / "copy.caffemodel").read_bytes() == original.read_bytes()


def test_files_become_a_caffemodel_and_json_tells(run_zoo, source, tmp_path):
    out = tmp_path / "a.caffemodel"
    facts = run_zoo("convert", *source, "-o", out, "--json").json
    assert facts["paths"] == [str(out)]
    assert facts["format"] == "caffemodel"
    assert (facts["difference"]["absolute"], facts["difference"]["relative"]) == (0, 0)
    assert facts["difference"]["blob"] == "prob"
    assert 0 < facts["difference"]["largest"] <= 1
    again = run_zoo("convert", *source[:2], "--weights", out, "-o", tmp_path / "b.caffemodel")
    assert again.code == 0
    assert (tmp_path / "b.caffemodel").read_bytes() == out.read_bytes()


def test_a_definition_of_an_old_format_is_upgraded(run_zoo, shared, tmp_path):
    old, new = shared / "golden/upgrade/v0_lenet.in.prototxt", tmp_path / "new.prototxt"
    done = run_zoo("convert", "--net", old, "-o", new, "--definition-only")
    assert (done.code, done.out) == (0, f"{new}\n")
    assert "V0 layer(s) were rewritten" in done.err
    refused = run_zoo("convert", "--net", old, "-o", new, "--definition-only")
    assert refused.code == 2
    assert "exists and was left as it is" in refused.err
    forced = run_zoo("convert", "--net", new, "-o", new, "--definition-only", "--force")
    assert "it was current already" in forced.err


def test_hdf5_refuses_the_layer_that_it_cannot_name(run_zoo, source, tmp_path):
    done = run_zoo("convert", *source, "-o", tmp_path / "a.caffemodel.h5")
    assert done.code == 2
    assert "HDF5 cannot name 1 layer(s): 'conv/a'" in done.err
    assert not list(tmp_path.glob("*.h5*"))


def test_hdf5_weights_are_taken_wherever_weights_are(run_zoo, models, tmp_path):
    folder = models / "tiny"
    text = (folder / "deploy.prototxt").read_text().replace("conv/a", "conv_a")
    (folder / "deploy.prototxt").write_text(text)
    net = zoo.Net.read(folder / "deploy.prototxt").initialized()
    net.save(weights=folder / "tiny.caffemodel.h5")
    (folder / "tiny.caffemodel").unlink()
    card = (folder / "readme.md").read_text()
    lines = [line for line in card.splitlines() if "sha1" not in line and "caffemodel" not in line]
    (folder / "readme.md").write_text("\n".join(lines))
    weights = folder / "tiny.caffemodel.h5"
    inspected = run_zoo("inspect", "--net", folder / "deploy.prototxt", "--weights", weights)
    assert inspected.code == 0
    loaded = zoo.load(folder).net
    np.testing.assert_array_equal(loaded.params["ip"][0], net.params["ip"][0])
    done = run_zoo("convert", "tiny", "--source", models, "-o", tmp_path / "back.caffemodel")
    assert done.code == 0, done.err


def test_mean_files_and_solver_states_need_no_options(run_zoo, tmp_path):
    write_mean(tmp_path / "mean.binaryproto", np.ones((3, 4, 4)))
    done = run_zoo("convert", tmp_path / "mean.binaryproto", "-o", tmp_path / "mean.npy")
    assert done.code == 0
    assert np.load(tmp_path / "mean.npy").shape == (3, 4, 4)
    write_solver_state(tmp_path / "a.solverstate", SolverState(7))
    words = ("convert", tmp_path / "a.solverstate", "-o", tmp_path / "a.solverstate.h5", "--json")
    assert run_zoo(*words).json["format"] == "solver_state"


def test_a_binary_caffemodel_alone_is_upgraded(run_zoo, shared, tmp_path):
    old, new = shared / "golden/formats/legacy_v1.caffemodel", tmp_path / "new.caffemodel"
    done = run_zoo("convert", old, "-o", new)
    assert done.code == 0
    assert "6 V1 layer(s) were rewritten in the current format." in done.err


def test_weights_of_a_trained_keras_model_flow_back(run_zoo, source, tmp_path):
    keras_file, back = tmp_path / "tiny.keras", tmp_path / "back.caffemodel"
    assert run_zoo("convert", *source, "-o", keras_file).code == 0
    done = run_zoo("convert", *source[:2], "--weights", keras_file, "-o", back)
    assert done.code == 0, done.err
    assert back.read_bytes() == Path(source[3]).read_bytes()


@pytest.mark.parametrize("name", ["a.onnx", "a.tflite", "a.keras"])
def test_formats_of_others_are_run_and_their_difference_is_told(run_zoo, source, tmp_path, name):
    done = run_zoo("convert", *source, "-o", tmp_path / name, "--json")
    assert done.code == 0, done.err
    assert done.json["format"] == name[2:]
    assert done.json["difference"]["relative"] <= 1e-4
    assert (tmp_path / name).stat().st_size > 1000


def test_preprocessing_becomes_part_of_the_graph(run_zoo, models, tmp_path):
    out = tmp_path / "pictures.keras"
    words = ("convert", "tiny", "--source", models, "-o", out, "--with-preprocess")
    done = run_zoo(*words, "--json")
    assert done.code == 0, done.err
    assert done.json["difference"]["blob"] == "probabilities"


def test_an_optional_part_that_is_missing_ends_with_its_pip_line(source, tmp_path):
    """In a process of its own, where onnx cannot be imported."""
    words = ["convert", *map(str, source), "-o", str(tmp_path / "a.onnx")]
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        f"from zoo.cli.main import main; sys.exit(main({words}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "pip install" in done.stderr
    assert not (tmp_path / "a.onnx").exists()


def test_a_result_that_is_not_the_source_ends_with_3(run_zoo, source, tmp_path, monkeypatch):
    from zoo.exports.trial import Difference

    monkeypatch.setattr("zoo.conversion._difference", lambda *_: Difference("prob", 0.5, 1.0))
    done = run_zoo("convert", *source, "-o", tmp_path / "a.caffemodel")
    assert done.code == 3
    assert "Nothing was kept" in done.err
    assert not list(tmp_path.glob("*.caffemodel"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "a.onnx"], "expected a model, or --net FILE"),
        (["tiny", "--net", "n.prototxt", "-o", "a.onnx"], "received both"),
        (["--net", "n.prototxt"], "-o/--output"),
        (["-o", "a.prototxt", "--definition-only"], "--definition-only takes --net FILE"),
        (["--net", "n", "--weights", "w", "-o", "a", "--definition-only"], "no weights"),
        (["nobody", "-o", ""], "is empty"),
        (["nobody", "-o", "no/where"], "make it first"),
        (["nobody", "-o", "no/a.onnx"], "make it first"),
        (["--net", "n", "-o", "", "--definition-only", "--force"], "is empty"),
        (["--net", "n", "-o", "a.onnx", "--with-preprocess"], "--with-preprocess takes a model"),
    ],
)
def test_mistakes_in_the_arguments_are_told(run_zoo, words, message):
    done = run_zoo("convert", *words)
    assert done.code == 2
    assert message in done.err


def test_a_file_takes_no_options_of_a_network(run_zoo, tmp_path):
    write_mean(tmp_path / "mean.npy", np.ones((3, 4, 4)))
    done = run_zoo("convert", tmp_path / "mean.npy", "-o", tmp_path / "a", "--to", "caffe")
    assert done.code == 2
    assert "goes with -o OUT alone" in done.err


def test_weights_that_are_missing_are_named(run_zoo, source, tmp_path):
    done = run_zoo("convert", *source[:2], "-o", tmp_path / "a.caffemodel")
    assert done.code == 2
    assert "no weights to save: conv/a, ip" in done.err
