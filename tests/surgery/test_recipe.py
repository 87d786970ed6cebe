"""Recipes: read with lines, applied, checked, and replayed to the same bytes."""

import hashlib
import json

import jsonschema
import numpy as np
import pytest
import yaml
from PIL import Image

import zoo
from zoo.cli.main import main
from zoo.errors import UsageError, VerificationError
from zoo.registry.card import Card
from zoo.surgery import recipe as recipe_module
from zoo.surgery.apply import apply_recipe
from zoo.surgery.check import check_step, difference
from zoo.surgery.operations import OPERATIONS, arguments_of, recipe_schema
from zoo.surgery.recipe import Applied, Step, perform, read_recipe

GOOD = """\
name: digits at every place
description: An example.
steps:
  - rename_layer: {old: ip1, new: hidden}
  - fully_convolutional
  - set_params:
      layer: conv1
      index: 1
      values: 0.5
"""


@pytest.fixture
def write(tmp_path):
    def write_recipe(text, name="recipe.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_recipe


@pytest.fixture(scope="module")
def lenet():
    return zoo.load("lenet_digits")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_steps_have_lines_and_arguments(write):
    recipe = read_recipe(write(GOOD))
    assert (recipe.name, recipe.description) == ("digits at every place", "An example.")
    assert [(step.operation, step.line) for step in recipe.steps] == [
        ("rename_layer", 4),
        ("fully_convolutional", 5),
        ("set_params", 6),
    ]
    assert recipe.steps[2].arguments == {"layer": "conv1", "index": 1, "values": 0.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: [", r"recipe.yaml:1: this is no YAML"),
        ("", "expected `steps:`"),
        ("steps: []", "expected `steps:`"),
        ("stepps: [fold]", r"recipe.yaml:1: field 'stepps' .* Did you mean steps\?"),
        ("- fold\n- remove_leyer: {layer: x}", r"yaml:2: .* Did you mean remove_layer\?"),
        ("- fold: {kep: [x]}", r"yaml:1: fold: there is no argument 'kep'. Did you mean keep\?"),
        ("- remove_layer", r"remove_layer: layer is missing. It takes layer\."),
        ("- remove_layer: norm1", "expected arguments by name, received 'norm1'"),
        ("- remove_layer: {layer: 3}", "layer: expected string, received 3"),
        ("- rename_layer: {old: a, new: b, blobs: 1}", "blobs: expected boolean, received 1"),
        ("- {fold: {}, cut: {blob: x}}", "expected one operation"),
        ("- &a [x]\n- *a", "yaml:2: aliases"),
        ("- fold: {keep: [prob, 1]}", r"keep\[1\]: expected string, received 1"),
        ("- graft: {donor: x, match: {conv1: 5}}", r"match\.conv1: expected string or null"),
        ("- heads: {at: x, heads: [1]}", r"heads\[0\]: expected string, received 1"),
        ("- swap_layer: {layer: x, type: ReLU, params: {1: b}}", "expected names .* received 1"),
        ("- change_input: {size: [true, 3]}", r"size\[0\]: expected integer, received True"),
        ("- fold_preprocessing: {scale: .nan}", "scale: expected number, received nan"),
        ("- fold_preprocessing: {scale: 1e-3}", r"'1e-3', a text in YAML; .* as in 1\.0e-5"),
        ("- cut: {blob: a,\n    blob: b}", "yaml:2: 'blob' is there twice"),
        ("steps: [fold]\nname: x\nsteps: [fold]", "yaml:3: 'steps' is there twice"),
        ("name: [x]\nsteps: [fold]", r"yaml:1: name: expected a text, received \['x'\]"),
        ("- fold: " + "{a: " * 60 + "1" + "}" * 60, "yaml:1: .* more than 50 deep"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_with_its_line(write, text, said):
    with pytest.raises(UsageError, match=said):
        read_recipe(write(text))


def test_a_recipe_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(UsageError, match=r"none.yaml cannot be read"):
        read_recipe(tmp_path / "none.yaml")


def test_a_step_that_does_not_apply_names_line_and_layer(write, lenet):
    recipe = read_recipe(write("steps:\n  - fold\n  - remove_layer: {layer: pol1}"))
    with pytest.raises(UsageError, match=r"yaml:3: remove_layer: .*'pol1'. Did you mean pool1\?"):
        list(perform(lenet.net, recipe))


def test_every_operation_is_described_and_the_schema_takes_what_the_reader_takes(write):
    jsonschema.Draft202012Validator.check_schema(recipe_schema())
    validator = jsonschema.Draft202012Validator(recipe_schema())
    validator.validate(yaml.safe_load(GOOD))
    for wrong in (
        "steps: [{remove_layer: {layer: 3}}]",
        "steps: [cut]",
        "steps: [{foldd: {}}]",
        "steps: [{fold: {keep: [3]}}]",
        "steps: [{graft: {donor: x, match: {a: 3}}}]",
    ):
        assert list(validator.iter_errors(yaml.safe_load(wrong)))
    for name in OPERATIONS:
        for argument in arguments_of(name).values():
            assert argument.kinds or argument.name in ("value", "images"), (name, argument)


def test_a_recipe_makes_a_model_that_says_where_it_comes_from(write, lenet, tmp_path):
    made = apply_recipe(write(GOOD), lenet, tmp_path / "made", check=True)
    assert [check.preserving for check in made.checks] == [True, True, False]
    assert [check.largest <= 1e-5 for check in made.checks] == [True, True, False]
    model = zoo.load(tmp_path / "made")
    assert model.labels == lenet.labels
    assert model.net.layer("hidden-conv").type == "Convolution"
    assert model.spec.size == lenet.spec.size
    card = Card.read(tmp_path / "made/readme.md")
    (weights,) = lenet.directory.glob("*.caffemodel")
    sha1 = hashlib.sha1(weights.read_bytes(), usedforsecurity=False).hexdigest()
    assert card.metadata["derived_from"] == f"lenet_digits@sha1:{sha1}"
    assert card.license == lenet.card.license
    assert card.metadata["recipe"] == "recipe.yaml"
    assert "rename_layer(old='ip1', new='hidden')" in (tmp_path / "made/readme.md").read_text()


def test_the_recipe_of_a_result_makes_the_same_bytes_again(write, lenet, tmp_path):
    steps = "steps:\n  - replace_head: {classes: 7, seed: 3}\n  - low_rank: {layer: ip1, rank: 9}\n"
    apply_recipe(write(steps), lenet, tmp_path / "one")
    apply_recipe(tmp_path / "one/recipe.yaml", "lenet_digits", tmp_path / "two")
    for file in ("model.caffemodel", "deploy.prototxt", "readme.md", "recipe.yaml"):
        assert sha256(tmp_path / "one" / file) == sha256(tmp_path / "two" / file)


def test_a_result_can_be_published_and_carries_its_recipe(write, tmp_path, run_recipe_command):
    run_recipe_command("surgery", "apply", write(GOOD), "lenet_digits", "-o", tmp_path / "made")
    done = run_recipe_command("publish", tmp_path / "made", "--to", tmp_path / "place")
    assert done[0] == 0, done
    assert (tmp_path / "place/made/recipe.yaml").read_text() == GOOD
    run_recipe_command("fetch", "made", "--source", tmp_path / "place")
    assert zoo.load("made").card.metadata["recipe"] == "recipe.yaml"


def test_weights_come_from_another_model(write, tmp_path):
    apply_recipe(write("steps: [replace_head: {classes: 7}]"), "lenet_digits", tmp_path / "other")
    steps = f"- reinitialise: {{layers: conv*}}\n- graft: {{donor: {tmp_path / 'other'}}}\n"
    made = apply_recipe(write(steps, "second.yaml"), "lenet_digits", tmp_path / "made")
    first = zoo.load("lenet_digits").net.params["conv1"][0]
    np.testing.assert_array_equal(made.net.params["conv1"][0], first)
    derived = Card.read(tmp_path / "made/readme.md").metadata["derived_from"]
    assert [name.partition("@")[0] for name in derived] == ["lenet_digits", "other"]


def test_a_head_may_be_a_definition_alone(write, tmp_path):
    head = write(
        'input: "code" input_shape { dim: 1 dim: 64 } layer { name: "two" type: "InnerProduct"'
        ' bottom: "code" top: "two" inner_product_param { num_output: 2 } }',
        "head.prototxt",
    )
    recipe = write(f"- heads: {{at: ip1, heads: [{head}]}}")
    made = apply_recipe(recipe, "lenet_digits", tmp_path / "made")
    assert set(made.net.outputs) == {"prob", "two"}


def test_what_is_folded_into_the_net_is_not_done_to_pictures_again(write, lenet, tmp_path):
    steps = "- fold_preprocessing: {mean: 0, scale: 0.00390625}"
    apply_recipe(write(steps), lenet, tmp_path / "raw", check=True)
    model = zoo.load(tmp_path / "raw")
    assert (lenet.spec.scale, model.spec.scale) == (0.00390625, 1)
    pixels = np.random.default_rng(0).integers(0, 255, (28, 28), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    results = [list(each.classify([tmp_path / "noise.png"]))[0] for each in (lenet, model)]
    first, second = ([p.score for p in result.predictions] for result in results)
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_a_broken_promise_writes_nothing(write, lenet, tmp_path, monkeypatch):
    def lies(net, **arguments):
        other = net.with_params({"ip2": [2 * blob for blob in net.params["ip2"]]})
        return other, zoo.surgery.SurgeryReport("fold()", preserving=True)

    monkeypatch.setattr(recipe_module, "operation", lambda name: lies)
    with pytest.raises(VerificationError, match=r"yaml:1: fold promises .* at most 1e-05"):
        apply_recipe(write("- fold"), lenet, tmp_path / "made", check=True)
    assert not list(tmp_path.glob("*made*"))


def test_other_files_that_a_recipe_reads_are_named_with_their_hashes(
    write, lenet, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    np.save("bias.npy", np.ones(8))
    (tmp_path / "rules.yaml").write_text("ip1: ip1\n")
    steps = "- set_params: {layer: conv1, index: 1, values: bias.npy}\n"
    steps += "- graft: {donor: lenet_digits, match: rules.yaml}\n"
    made = apply_recipe(write(steps), lenet, tmp_path / "made")
    assert "recipe.yaml also takes bias.npy, rules.yaml, which the directory has not" in made.notes
    told = (tmp_path / "made/readme.md").read_text()
    sha1 = hashlib.sha1((tmp_path / "bias.npy").read_bytes(), usedforsecurity=False).hexdigest()
    assert f"It also takes `bias.npy` (sha1:{sha1}), `rules.yaml` (sha1:" in told


def test_the_folder_one_is_in_is_no_output(write, lenet, tmp_path, monkeypatch):
    recipe = write("- fold")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="is the folder you are in"):
        apply_recipe(recipe, lenet, ".")
    assert (tmp_path / "here").is_dir()


@pytest.mark.parametrize(
    ("after", "largest"),
    [([np.nan, 2, 0], 0.0), ([1, 2, np.inf], np.inf), ([np.nan, 1, 0], 0.5)],
    ids=["the same", "another place", "another number"],
)
def test_what_is_no_number_counts_where_it_is(after, largest):
    before = np.array([np.nan, 2, 0], np.float32)
    assert difference(before, np.array(after, np.float32)) == largest


def test_an_output_that_is_there_stays(write, lenet, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        apply_recipe(write("- fold"), lenet, tmp_path / "made")
    assert (tmp_path / "made/mine.txt").read_text() == "mine"


def test_a_net_that_reads_other_inputs_is_not_compared(lenet):
    after, report = zoo.surgery.fully_convolutional(lenet.net, size=[44, 60])
    found = check_step(Applied(Step("fully_convolutional", {}, 1), lenet.net, after, report))
    assert (found.differences, found.largest, found.broken) == ({}, None, False)
    assert str(found) == "not compared: the net after it reads other inputs"


@pytest.fixture
def run_recipe_command(capsys):
    def run(*words):
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


def test_the_command_prints_the_directory_and_the_reports(write, tmp_path, run_recipe_command):
    words = ("surgery", "apply", write(GOOD), "lenet_digits", "-o", tmp_path / "made")
    code, printed, told = run_recipe_command(*words, "--check")
    assert (code, printed) == (0, f"{tmp_path / 'made'}\n")
    assert "rename_layer(old='ip1', new='hidden')" in told
    assert "prob by 0.0e+00, as promised" in told
    code, printed, _ = run_recipe_command(*words[:-1], tmp_path / "again", "--check", "--json")
    document = json.loads(printed)
    assert [step["line"] for step in document["steps"]] == [4, 5, 6]
    assert document["steps"][0]["check"] == {
        "differences": {"prob": 0.0},
        "preserving": True,
        "reason": "",
    }


def test_the_operations_are_listed(run_recipe_command):
    code, printed, _ = run_recipe_command("surgery", "list")
    assert code == 0
    assert "remove_layer layer\n" in printed
    facts = json.loads(run_recipe_command("surgery", "list", "--json")[1])
    assert set(facts) == set(OPERATIONS)
    assert json.loads(run_recipe_command("surgery", "schema")[1]) == recipe_schema()
    assert run_recipe_command("surgery", "apply", "x.yaml")[0] == 2
    assert run_recipe_command("surgery", "list", "more")[0] == 2
