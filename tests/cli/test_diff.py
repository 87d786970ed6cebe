"""`zoo diff`: golden text, JSON, and every bad input a new user has."""

import pytest

import zoo
from zoo.surgery.params import set_params

TEXT = """\
layers only in A	relu
layer	field	A	B
ip	inner_product_param.num_output	3	2
layer	blob	shape	relative	cosine	max abs	verdict
conv/a	1	4	inf	0.000000	0.5	differs
ip	0	3x144 / 2x144				other shape
ip	1	3 / 2				other shape
--- {a}
+++ {b}
"""


@pytest.fixture
def pair(models, tmp_path):
    """Two snapshots: the model's own, and one with other biases, fewer classes and no ReLU."""
    directory = models / "tiny"
    old = zoo.Net.read(directory / "deploy.prototxt", directory / "tiny.caffemodel")
    text = old.to_prototxt().replace("num_output: 3", "num_output: 2")
    relu = 'layer {\n  name: "relu"\n  type: "ReLU"\n  bottom: "conv/a"\n  top: "conv/a"\n}\n'
    (tmp_path / "new.prototxt").write_text(text.replace(relu, ""))
    new = zoo.Net.read(tmp_path / "new.prototxt")
    new = new.with_params({"conv/a": old.params["conv/a"]}).initialized()
    set_params(new, "conv/a", 1, 0.5)[0].save(weights=tmp_path / "new.caffemodel")
    return directory / "tiny.caffemodel", tmp_path / "new.caffemodel"


def test_it_prints_layers_fields_weights_and_a_patch(run_zoo, pair):
    ended = run_zoo("diff", *pair)
    assert ended.code == 0
    lines = ended.out.splitlines()
    wanted = TEXT.format(a=pair[0], b=pair[1]).splitlines()
    assert lines[: len(wanted)] == wanted
    changed = [line for line in lines[len(wanted) :] if line[0] in "-+"]
    assert changed[:3] == ["-layer {", '-  name: "relu"', '-  type: "ReLU"']
    assert changed[-2:] == ["-    num_output: 3", "+    num_output: 2"]
    assert "note: 1 of 4 blobs of weights are the same" in ended.err


def test_json_has_all_of_it(run_zoo, pair):
    found = run_zoo("diff", *pair, "--json").json
    assert found["same"] is False
    assert found["only_in_a"] == ["relu"]
    assert found["weights"][1]["relative"] is None  # from zeros, which JSON has no number for
    assert found["fields"][0]["new"] == 2


def test_models_definitions_and_files_can_be_mixed(run_zoo, models, tmp_path):
    directory = models / "tiny"
    ended = run_zoo("diff", directory, directory / "tiny.caffemodel", "--json")
    assert ended.code == 0
    assert ended.json["weights"]
    assert all(each["verdict"] == "same" for each in ended.json["weights"])
    words = ["--weights", directory / "tiny.caffemodel"]
    ended = run_zoo("diff", directory / "deploy.prototxt", directory, *words)
    assert ended.code == 0
    assert "nothing differs" in ended.err
    assert ended.out == ""
    ended = run_zoo("diff", directory / "deploy.prototxt", directory)
    assert "has no weights, so none are compared" in ended.err


def test_what_does_not_go_together_is_refused(run_zoo, models):
    directory = models / "tiny"
    for words, message in (
        (["tiny"], "required: B"),
        ([directory, directory, "--weights", "x.caffemodel"], "--weights is for a definition"),
        (["a.prototxt", directory, "--with-weights", "x"], "--with-weights is for a definition"),
        ([directory, "gone.prototxt"], "cannot read the definition gone.prototxt"),
        ([directory, "gone.caffemodel"], "gone.caffemodel"),
    ):
        ended = run_zoo("diff", *words)
        assert ended.code == 2
        assert message in ended.err


def test_weights_that_are_not_compared_are_not_the_same(run_zoo, models):
    definition = models / "tiny/deploy.prototxt"
    ended = run_zoo("diff", models / "tiny/tiny.caffemodel", definition, "--json")
    assert (ended.code, ended.json["same"], ended.json["weights_compared"]) == (0, None, False)
    told = run_zoo("diff", models / "tiny/tiny.caffemodel", definition)
    assert "note: nothing else differs" in told.err
    both = run_zoo("diff", definition, definition, "--json").json
    assert (both["same"], both["weights_compared"]) == (True, False)
    both = run_zoo("diff", models / "tiny", models / "tiny", "--json").json
    assert (both["same"], both["weights_compared"]) == (True, True)
