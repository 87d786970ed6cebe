"""Everything that is wrong with a card, by line."""

import pytest

from zoo.errors import UsageError
from zoo.registry.card import Card
from zoo.registry.lint import Problem, find_readmes, lint, lint_file

GOOD = {
    "name": "A",
    "caffemodel": "a.caffemodel",
    "caffemodel_url": "http://h/a.caffemodel",
    "license": "MIT",
    "sha1": "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
    "gist_id": "034c6ac3865563b69e60",
    "caffe_commit": "bc614d1bd91896e3faceaf40b23b72dab47d44f5",
    "size_bytes": "12",
}


def card_of(**changes):
    facts = {**GOOD, **changes}
    lines = [f"{key}: {value}\n" for key, value in facts.items() if value is not None]
    return Card.parse(f"---\n{''.join(lines)}---\n", "a/readme.md")


def test_a_good_card_has_no_problems():
    assert lint(card_of()) == []
    assert lint(card_of(sha1=None, sha256="ab" * 32, gist_id=None)) == []


@pytest.mark.parametrize(
    ("key", "value", "line", "text"),
    [
        ("name", None, 2, "there is no 'name'"),
        ("license", None, 2, "there is no 'license', so nobody may use the weights"),
        ("license", "", 5, "'license' has no value"),
        ("sha1", None, 2, "there is neither 'sha1' nor 'sha256'"),
        ("sha1", "405fc5", 6, "'sha1' is no hash of 40 hex digits: '405fc5'"),
        ("sha256", "ab" * 20, 10, "'sha256' is no hash of 64 hex digits"),
        ("caffemodel", "../a.caffemodel", 3, "'caffemodel' is not the name of a file"),
        ("caffemodel", "VGG", 3, "has no extension; expected such as VGG.caffemodel"),
        ("caffemodel_url", "ask me", 4, "'caffemodel_url' is no address: 'ask me'"),
        ("caffemodel_url", "https://yadi.sk/d/x", 4, "leads to no file: it is a page of Yandex"),
        ("gist_id", "12", 7, "'gist_id' is no id of a gist, 20 or 32 hex digits: '12'"),
        ("caffe_commit", "a pull request", 8, "'caffe_commit' is no commit"),
        ("size_bytes", "12 MB", 9, "'size_bytes' is no number of bytes: '12 MB'"),
        ("input", "{size: [1, -2], channels: BGR}", 10, "input section"),
        ("labels", "[a, b]", 2, "labels: expected the name of a file"),
    ],
)
def test_each_fault_is_told_with_its_line(key, value, line, text):
    problems = lint(card_of(**{key: value}))
    assert [problem.line for problem in problems if text in problem.text] == [line]
    assert problems == sorted(problems, key=lambda problem: problem.line)


def test_no_weights_are_one_problem_and_not_two():
    (problem,) = lint(card_of(caffemodel=None, caffemodel_url=None, sha1=None))
    assert problem == Problem(
        2,
        "there is neither 'caffemodel' nor 'caffemodel_url', so no weights are named",
        "caffemodel",
    )


def test_what_was_repaired_in_reading_is_a_problem_too():
    assert lint(card_of(name="A: net"))[0].text.startswith("'name' is not YAML")


def test_every_model_of_a_readme_is_looked_at():
    rows = "".join(f"| {n} | {n}.caffemodel | {'ab' * 20} | MIT |\n" for n in ("a", "b"))
    table = f"| name | caffemodel | sha1 | license |\n|---|---|---|---|\n{rows}"
    problems = lint(Card.parse(table.replace("b.caffemodel", "b")))
    assert [problem.line for problem in problems if "no extension" in problem.text] == [4]


def test_readmes_are_found_in_a_model_and_in_a_folder_of_models(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "README.md").write_text("x")
    (tmp_path / "b" / "readme.md").write_text("x")
    found = [tmp_path / "a" / "README.md", tmp_path / "b" / "readme.md"]
    assert find_readmes(tmp_path) == found
    assert find_readmes(tmp_path / "a") == find_readmes(found[0]) == found[:1]
    (tmp_path / "c").mkdir()
    for nothing in ("c", "nowhere"):
        with pytest.raises(UsageError, match=r"no readme\.md here"):
            find_readmes(tmp_path / nothing)


def test_a_readme_that_is_no_card_is_one_problem(tmp_path):
    path = tmp_path / "readme.md"
    path.write_text("---\nname: x\ninput:\n  size: [1\n---\n")
    card, (problem,) = lint_file(path)
    assert (card, problem.line) == (None, 3)
    assert problem.text.startswith("the value of 'input' is not YAML")
    assert lint_file(tmp_path / "none.md")[1][0].text == "cannot be read: No such file or directory"
