"""The same weights are known in every format, and others are not taken for them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.cli.main import main
from zoo.errors import ParseError, WeightsError
from zoo.identify import fingerprint, identify

NET = """
input: "data" input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }
layer { name: "conv_a" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 group: 2 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" batch_norm_param { use_global_stats: true } }
layer { name: "scale" type: "Scale" bottom: "bn" top: "scale" scale_param { bias_term: true } }
layer { name: "relu" type: "PReLU" bottom: "scale" top: "relu" }
layer { name: "up" type: "Deconvolution" bottom: "relu" top: "up"
  convolution_param { num_output: 3 kernel_size: 2 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "up" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""  # noqa: E501


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One net in each format."""
    folder = tmp_path_factory.mktemp("identify")
    (folder / "net.prototxt").write_text(NET)
    net = zoo.Net.read(folder / "net.prototxt").initialized(seed=1)
    paths = [folder / "net.caffemodel", folder / "net.caffemodel.h5"]
    for path in paths:
        net.save(weights=path)
    zoo.to_keras(net).save(folder / "net.keras")
    return [*paths, folder / "net.keras"]


def test_the_fingerprint_is_the_same_in_every_format(files):
    found = [identify(path) for path in files]
    assert len({one.fingerprint for one in found}) == 1
    assert len({one.hashes.sha256 for one in found}) == 3
    assert {one.models for one in found} == {()}
    assert {one.how for one in found} == {""}


def test_a_cached_model_is_named_whatever_the_format(tmp_path):
    model = zoo.fetch("lenet_digits").model
    net = zoo.load("lenet_digits").net
    net.save(weights=tmp_path / "x.caffemodel.h5")
    zoo.to_keras(net).save(tmp_path / "x.keras")
    for name in ("x.caffemodel.h5", "x.keras"):
        found = identify(tmp_path / name)
        assert (found.models, found.how) == (("lenet_digits",), "values")
    shutil.copy(model.weights, tmp_path / "copy")
    assert identify(tmp_path / "copy").how == "file"


def test_one_value_makes_another_fingerprint():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(8, 4, 3, 3)).astype(np.float32)
    same = kernel.transpose(2, 3, 1, 0)
    assert fingerprint([kernel]) == fingerprint([same, np.ones(8, np.float32)])
    other = kernel.copy()
    other[0, 0, 0, 0] = np.nextafter(other[0, 0, 0, 0], np.float32(9))
    assert fingerprint([kernel]) != fingerprint([other])
    assert fingerprint([kernel]) != fingerprint([kernel, kernel])
    assert fingerprint([kernel]) != fingerprint([kernel.reshape(2, -1)[:1], kernel[4:]])
    assert fingerprint([kernel[:4], kernel[4:]]) == fingerprint([kernel[4:], kernel[:4]])


def test_a_file_of_no_weights_is_said_to_be_none(tmp_path):
    (tmp_path / "page.caffemodel").write_text("<!DOCTYPE html>")
    with pytest.raises((ParseError, WeightsError)):
        identify(tmp_path / "page.caffemodel")
    with pytest.raises((ParseError, WeightsError)):
        identify(tmp_path / "missing.keras")
    shutil.make_archive(str(tmp_path / "other"), "zip", tmp_path, "page.caffemodel")
    with pytest.raises(ParseError, match="no model that Keras saved"):
        identify(tmp_path / "other.zip")


def test_the_command_names_it(files, capsys):
    weights = zoo.fetch("lenet_digits").model.weights
    assert main(["id", str(weights)]) == 0
    printed = capsys.readouterr()
    assert printed.out == "lenet_digits\n"
    assert "the very file" in printed.err
    assert main(["id", str(files[2]), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["models"], document["how"]) == ([], None)
    assert document["fingerprint"] == identify(files[0]).fingerprint


def test_keras_files_are_read_without_tensorflow(files):
    code = (
        "import sys; from zoo.identify import identify; identify(sys.argv[1]);"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(files[2])],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.stdout == "set()\n"
