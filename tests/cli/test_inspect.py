"""`zoo inspect`: golden text, stable keys, and every bad input a new user has."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import zoo

PLAIN = """\
layer	type	bottoms	tops	shape	weights	params	MACs	bytes	field	stride	offset
input	Input		data	1x3x8x8				768	1	1	0
conv/a	Convolution	data	conv/a	1x4x6x6	4x3x3x3, 4	112	3.89 k	576	3	1	0
relu	ReLU	conv/a	(in place)	1x4x6x6					3	1	0
ip	InnerProduct	conv/a	ip	1x3	3x144, 3	435	432	12	all		
prob	Softmax	ip	prob	1x3				12	all		

network	TinyNet (TEST)
definition	{place}
inputs	data 1x3x8x8
outputs	prob 1x3
layers	5
params	547
multiply-accumulates	4,320
activations	1.4 kB

upgraded	Input(s) 'data' became the Input layer 'input'.
"""  # noqa: W291
TRAINING = """\
name: "TinyNet"
layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "gone_lmdb" batch_size: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 } }
layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" include { phase: TRAIN } }
layer { name: "extra" type: "ReLU" bottom: "ip" top: "extra" include { stage: "more" } }
layer { name: "deep" type: "ReLU" bottom: "ip" top: "deep" include { min_level: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture
def definition(models):
    return models / "tiny" / "deploy.prototxt"


@pytest.fixture
def training(tmp_path):
    path = tmp_path / "train_val.prototxt"
    path.write_text(TRAINING)
    return path


def layers_of(ended):
    assert ended.code == 0, ended.err
    return [layer["name"] for layer in ended.json["layers"]]


def test_a_definition_as_plain_text(run_zoo, definition):
    shown = run_zoo("inspect", "--net", definition)
    assert shown.out == PLAIN.format(place=definition)
    assert (shown.code, shown.err) == (0, "")


def test_a_model_that_is_not_fetched_is_read_from_its_source(run_zoo, models, own_zoo_home):
    shown = run_zoo("inspect", "tiny", "--source", models)
    assert shown.out == PLAIN.format(place=models / "tiny" / "deploy.prototxt")
    assert list(own_zoo_home.iterdir()) == []


def test_a_model_in_the_cache(run_zoo, tiny):
    assert run_zoo("inspect", "tiny").out == PLAIN.format(place=tiny / "deploy.prototxt")


def test_a_directory_of_a_model(run_zoo, models):
    place = models / "tiny" / "deploy.prototxt"
    assert run_zoo("inspect", models / "tiny").out == PLAIN.format(place=place)


def test_json_has_what_programs_need(run_zoo, definition):
    facts = run_zoo("inspect", "--net", definition, "--json").json
    assert list(facts) == [
        "name", "phase", "inputs", "outputs", "layers", "blobs", "param_count", "macs",
        "activation_bytes", "unsupported", "receptive_fields", "report", "definition", "weights",
    ]  # fmt: skip
    assert facts["layers"][1] == {
        "name": "conv/a",
        "type": "Convolution",
        "bottoms": ["data"],
        "tops": ["conv/a"],
        "params": [[4, 3, 3, 3], [4]],
        "macs": 3888,
        "param_count": 112,
        "activation_bytes": 576,
        "line": 4,
    }
    assert facts["receptive_fields"]["conv/a"] == {
        "size": [3, 3], "stride": [1, 1], "start": [0, 0], "whole": False,
    }  # fmt: skip
    assert facts["report"]["upgraded"] == ["Input(s) 'data' became the Input layer 'input'."]
    assert facts["blobs"]["ip"] == [1, 3]
    assert (facts["param_count"], facts["macs"], facts["unsupported"]) == (547, 4320, [])


def test_phase_level_and_stage_choose_layers(run_zoo, training):
    words = ("inspect", "--net", training, "--input", "data=2,3,4,4", "--json")
    assert layers_of(run_zoo(*words)) == ["data", "ip", "loss"]
    assert layers_of(run_zoo(*words, "--phase", "train")) == ["data", "ip", "drop", "loss"]
    assert "extra" in layers_of(run_zoo(*words, "--stage", "more"))
    assert "deep" in layers_of(run_zoo(*words, "--level", "2"))


def test_train_reads_the_training_definition_of_a_model(run_zoo, models, training):
    training.rename(models / "tiny" / "train_val.prototxt")
    words = ("inspect", "tiny", "--source", models, "--phase", "train", "--input", "data=2,3,4,4")
    shown = run_zoo(*words, "--json")
    assert "drop" in layers_of(shown)
    assert shown.json["definition"].endswith("tiny/train_val.prototxt")


def test_weights_that_fit_are_reported(run_zoo, definition):
    words = ("inspect", "--net", definition, "--weights", definition.parent / "tiny.caffemodel")
    assert "copied\t2 layers copied from tiny.caffemodel.\n" in run_zoo(*words).out
    assert run_zoo(*words, "--json").json["weights"]["copied"] == ["conv/a", "ip"]


def test_what_has_no_effect_is_told_with_its_lines(run_zoo, training, tmp_path):
    training.write_text(
        TRAINING.replace('top: "ip"\n', 'top: "ip" pooling_param { pool: MAX }\n').replace(
            "num_output: 3", 'num_output: 3 weight_filler { type: "xavier" }'
        )
    )
    shapes = {"data": (2, 3, 4, 4)}
    zoo.Net.read(training, shapes=shapes).initialized().save(weights=tmp_path / "w.caffemodel")
    words = ("--net", training, "--weights", tmp_path / "w.caffemodel", "--input", "data=2,3,4,4")
    told = run_zoo("inspect", *words).out.splitlines()
    assert (
        "left out\t3 layers of other phases, levels or stages: drop (line 6), extra (line 7),"
        " deep (line 8)." in told
    )
    assert "ignored\tweight_filler gives way to the weights: ip (line 4)." in told
    assert "ignored\tpooling_param means nothing to InnerProduct: ip (line 4)." in told
    assert (
        "ignored\tthe Data source is not opened; its arrays are given, ready transformed: data"
        " (line 2)." in told
    )
    assert "copied\t1 layer copied from w.caffemodel." in told


def test_old_layers_and_choices_of_implementation_are_told(run_zoo, tmp_path):
    path = tmp_path / "old.prototxt"
    path.write_text(
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
        'layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1\n'
        "  convolution_param { num_output: 2 kernel_size: 3 engine: CUDNN } }\n"
        'layers { name: "drop" type: DROPOUT bottom: "conv" top: "conv" }\n'
    )
    report = run_zoo("inspect", "--net", path, "--json").json["report"]
    assert report["upgraded"] == [
        "2 V1 layer(s) were rewritten in the current format.",
        "blobs_lr of 1 V1 layer(s) became lr_mult of their param.",
        "Input(s) 'data' became the Input layer 'input'.",
    ]
    assert report["ignored"] == [
        "engine: CUDNN changes no result, and zoo chooses for itself: conv (line 2).",
        "Dropout passes everything on in the TEST phase: drop (line 4).",
    ]


def test_the_fork_a_network_was_written_for_is_told(run_zoo, tmp_path):
    path = tmp_path / "ssd.prototxt"
    path.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'
        'layer { name: "n" type: "Normalize" bottom: "data" top: "n" }\n'
    )
    assert "dialect\tSSD, by Normalize.\n" in run_zoo("inspect", "--net", path).out


@pytest.mark.parametrize(
    ("path", "params", "macs"),
    [
        ("BVLC+caffe/models/bvlc_alexnet/deploy.prototxt", 60_965_224, 724_406_816),
        ("BVLC+caffe/models/bvlc_googlenet/deploy.prototxt", 6_998_552, 1_582_671_872),
    ],
)
def test_the_counts_that_lectures_teach(run_zoo, shared, path, params, macs):
    facts = run_zoo("inspect", "--net", shared / "prototxt" / path, "--json").json
    assert (facts["param_count"], facts["macs"]) == (params, macs)
    assert sum(layer["param_count"] for layer in facts["layers"]) == params
    assert sum(layer["macs"] for layer in facts["layers"]) == macs
    assert sum(layer["activation_bytes"] for layer in facts["layers"]) == facts["activation_bytes"]


def test_vgg16_has_the_params_of_its_paper(run_zoo, shared):
    facts = run_zoo("inspect", "--net", shared / "golden/nets/vgg16.prototxt", "--json").json
    assert facts["param_count"] == 138_357_544


def test_the_table_fits_a_terminal_of_100_columns(shared, own_zoo_home):
    definition = shared / "prototxt/BVLC+caffe/models/bvlc_googlenet/deploy.prototxt"
    command = [sys.executable, "-m", "zoo", "inspect", "--net", str(definition)]
    code = f"import pty; pty.spawn({command})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).splitlines()
    assert all(len(row.rstrip()) <= 100 for row in rows[: rows.index("")])
    shown = "conv1/7x7_s2 Convolution 10x64x112x112 9,472 118 M 3.21 M 7 2"
    assert shown in [" ".join(row.split()) for row in rows]


def test_a_source_without_a_shape_asks_for_it(run_zoo, training):
    ended = run_zoo("inspect", "--net", training)
    assert (ended.code, ended.out) == (2, "")
    assert "--shape data=" in ended.err


@pytest.mark.parametrize("option", ["--shape", "--input"])
def test_a_shape_that_is_given_takes_effect(run_zoo, definition, option):
    facts = run_zoo("inspect", "--net", definition, option, "data=1,3,12,12", "--json").json
    assert (facts["inputs"], facts["blobs"]["conv/a"]) == ({"data": [1, 3, 12, 12]}, [1, 4, 10, 10])


@pytest.mark.parametrize("command", ["inspect", "run", "convert", "check-gradient"])
def test_the_shape_of_what_is_no_input_is_refused(run_zoo, definition, tmp_path, command):
    weights = definition.parent / "tiny.caffemodel"
    np.savez(tmp_path / "in.npz", data=np.zeros((1, 3, 8, 8), np.float32))
    words = {
        "inspect": ("--net", definition),
        "run": ("--net", definition, "--weights", weights, "--input", tmp_path / "in.npz"),
        "convert": ("--net", definition, "--weights", weights),
        "check-gradient": (definition,),
    }[command]
    words += ("-o", tmp_path / "out.npz") if command == "run" else ()
    words += ("-o", tmp_path / "out.caffemodel") if command == "convert" else ()
    ended = run_zoo(command, *words, "--shape", "dta=1,3,8,8")
    assert (ended.code, ended.out) == (2, "")
    assert "no input is named 'dta'. Did you mean data? Expected data." in ended.err
    assert not list(tmp_path.glob("out.*"))


def test_what_an_unknown_layer_makes_can_be_given_a_shape(run_zoo, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'
        'layer { name: "n" type: "Nobody" bottom: "data" top: "n" }\n'
    )
    shown = run_zoo("inspect", "--net", path, "--shape", "n=1,5", "--json")
    assert shown.json["blobs"]["n"] == [1, 5]


def test_a_typo_is_found_with_line_and_column(run_zoo, definition):
    definition.write_text(definition.read_text().replace("kernel_size", "kernal_size"))
    ended = run_zoo("inspect", "--net", definition)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"zoo: {definition}:5:37: ")
    assert "Did you mean kernel_size?" in ended.err


def test_weights_of_another_network_name_the_layers(run_zoo, definition, tmp_path):
    other = tmp_path / "other.prototxt"
    other.write_text(definition.read_text().replace('"conv/a"', '"conv1"'))
    zoo.Net.read(other).initialized().save(weights=tmp_path / "other.caffemodel")
    ended = run_zoo("inspect", "--net", definition, "--weights", tmp_path / "other.caffemodel")
    assert ended.code == 2
    assert "conv/a: not in the file" in ended.err
    assert "conv1: in the file, not in the definition" in ended.err


def test_a_web_page_as_caffemodel_is_called_so(run_zoo, definition, tmp_path):
    page = tmp_path / "page.caffemodel"
    page.write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    ended = run_zoo("inspect", "--net", definition, "--weights", page)
    assert ended.code == 2
    assert "web page" in ended.err


def test_a_web_page_as_definition_is_called_so(run_zoo, tmp_path):
    page = tmp_path / "deploy.prototxt"
    page.write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    ended = run_zoo("inspect", "--net", page)
    assert ended.code == 2
    assert "web page" in ended.err


def test_unknown_layers_are_listed_and_no_error(run_zoo, definition):
    text = definition.read_text()
    definition.write_text(text.replace('"ReLU"', '"RelU6"').replace('"Softmax"', '"Flurb"'))
    shown = run_zoo("inspect", "--net", definition)
    assert shown.code == 0
    assert "unsupported RelU6\t1: relu; nearest: ReLU6\n" in shown.out
    assert "unsupported Flurb\t1: prob\n" in shown.out
    unsupported = run_zoo("inspect", "--net", definition, "--json").json["unsupported"]
    assert [kind["type"] for kind in unsupported] == ["RelU6", "Flurb"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "expected the name of a model, or --net FILE"),
        (("tiny", "--net", "x.prototxt"), "received both"),
        (("tiny", "--weights", "x.caffemodel"), "--weights belongs to --net"),
        (("deploy.prototxt",), "give it as --net deploy.prototxt"),
        (("--net", "nowhere.prototxt"), "nowhere.prototxt"),
        (("--net", "x", "--input", "data=1,1", "--input", "data=1,2"), "more than once"),
    ],
)
def test_wrong_usage(run_zoo, words, told):
    ended = run_zoo("inspect", *words)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
