"""The commands that bring a model to others: new, publish, index, source."""

import json

import pytest
from publishable import SHA1, fill_in, write_digits


@pytest.fixture
def digits(tmp_path):
    return write_digits(tmp_path)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "published"


def test_from_a_new_directory_to_the_line_for_the_next_person(run_zoo, tmp_path, place):
    digits = write_digits(tmp_path)
    text = (digits / "readme.md").read_text()
    (digits / "readme.md").unlink()
    begun = run_zoo("new", digits, "--name", "My digits", "--from", "lenet_digits")
    assert (begun.code, begun.out) == (0, f"{digits}/readme.md\n")
    assert "filled in: name, derived_from, license, input, caffemodel, sha1" in begun.err
    tried = run_zoo("publish", digits, "--to", place, "--dry-run")
    assert tried.code == 2
    assert "readme.md:2: citation: missing" in tried.err
    (digits / "readme.md").write_text(text)
    tried = run_zoo("publish", digits, "--to", place, "--dry-run")
    assert tried.code == 0
    assert "my_digits.caffemodel\t81382\n" in tried.out
    assert "nothing was written (dry run)" in tried.err
    done = run_zoo("publish", digits, "--to", place)
    line = f"zoo fetch my_digits@sha1:{SHA1} --source {place}\n"
    assert (done.code, done.out) == (0, line)
    assert f"wrote sha1: {SHA1}" in done.err
    assert run_zoo(*line.split()[1:]).code == 0
    assert run_zoo("verify", "my_digits").code == 0


def test_publish_as_json(run_zoo, digits, place):
    facts = run_zoo("publish", digits, "--to", place, "--json").json
    assert facts["command"].startswith("zoo fetch my_digits@sha1:")
    assert facts["location"] == str(place / "my_digits")
    assert facts["written"]["sha1"] == SHA1
    assert [file["name"] for file in facts["files"]][-1] == "readme.md"
    facts = run_zoo("publish", digits, "--to", place, "--update", "--dry-run", "--json").json
    assert (facts["command"], facts["dry_run"]) == (None, True)
    again = run_zoo("publish", digits, "--to", place, "--json")
    assert again.code == 2
    assert "--update revises it" in again.json["error"]["message"]


def test_flaws_as_json_have_their_lines(run_zoo, digits, place):
    fill_in(digits, license="mine")
    done = run_zoo("publish", digits, "--to", place, "--json")
    assert (done.code, done.json["error"]["exit_code"]) == (2, 2)
    [flaw] = done.json["flaws"]
    assert (flaw["file"], flaw["line"]) == (f"{digits}/readme.md", 5)
    assert "no SPDX id" in flaw["text"]
    assert run_zoo("publish", digits, "--to", place).err.startswith("zoo: one thing has to be")


def test_a_reason_on_the_command_line_is_in_the_card(run_zoo, digits, place):
    origin = "finetune_flickr_style@sha1:b61b5cef7d771b53b0c488e78d35ccadc073e9cf"
    fill_in(digits, derived_from=origin)
    refused = run_zoo("publish", digits, "--to", place)
    assert refused.code == 2
    assert "--despite-source-license" in refused.err
    done = run_zoo("publish", digits, "--to", place, "--despite-source-license", "I asked them")
    assert done.code == 0
    assert "I asked them" in (place / "my_digits/readme.md").read_text()


def test_new_as_json_and_twice(run_zoo, tmp_path):
    facts = run_zoo("new", tmp_path / "m", "--json").json
    assert facts == {"readme": f"{tmp_path}/m/readme.md", "filled": {"name": "m"}, "notes": []}
    assert run_zoo("new", tmp_path / "m").code == 2


def test_index_counts_and_tells_what_it_left_out(run_zoo, models):
    done = run_zoo("index", models)
    assert (done.code, done.out) == (0, f"{models}/index.json\n")
    assert "1 model, " in done.err
    (models / "bad").mkdir()
    (models / "bad/readme.md").write_text("Just prose.\n")
    done = run_zoo("index", models, "--json")
    assert (done.code, done.json["models"]) == (2, 1)
    assert list(done.json["left_out"]) == ["bad"]
    assert "bad is left out" in done.err
    assert len(json.loads((models / "index.json").read_text())["models"]) == 1
    assert run_zoo("index", models / "nothing").code == 2


def test_sources_have_names(run_zoo, models, own_zoo_home):
    assert run_zoo("source", "list").out == "name\taddress\n"
    added = run_zoo("source", "add", "lab", models)
    assert (added.code, added.out) == (0, "")
    assert f"lab ({models}) added to {own_zoo_home}/config.toml" in added.err
    assert run_zoo("source", "list").out == f"name\taddress\nlab\t{models}\n"
    facts = run_zoo("source", "list", "--json").json
    assert facts["sources"] == [{"name": "lab", "address": str(models)}]
    assert run_zoo("info", "lab/tiny", "--json").json["source"] == str(models)
    assert run_zoo("fetch", "lab/tiny").code == 0
    assert run_zoo("info", "lab/tiny", "--json").json["cached"]
    removed = run_zoo("source", "remove", "lab", "--json")
    assert removed.json["address"] == str(models)
    assert run_zoo("source", "list").out == "name\taddress\n"


@pytest.mark.parametrize(
    "words", [("add", "lab"), ("add",), ("remove",), ("list", "x"), ("rename", "a"), ()]
)
def test_a_source_command_that_is_wrong_is_explained(run_zoo, words):
    done = run_zoo("source", *words)
    assert done.code == 2
    assert "source" in done.err


def test_adding_a_source_tells_what_was_typed_and_what_was_done(run_zoo, models, tmp_path):
    missing = run_zoo("source", "add", "lab", tmp_path / "nowhere")
    assert missing.code == 2
    assert f"zoo: {tmp_path}/nowhere does not exist; expected a folder" in missing.err
    assert run_zoo("source", "add", "lab", models, "--json").json["changed"] is True
    again = run_zoo("source", "add", "lab", models)
    assert (again.code, again.out) == (0, "")
    assert f"lab ({models}) is already in " in again.err
    assert run_zoo("source", "add", "lab", models, "--json").json["changed"] is False
