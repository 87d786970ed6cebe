"""Several models in one readme, and versions that a merge conflict left."""

import pytest

from zoo.errors import CardError
from zoo.registry.card import Card
from zoo.registry.plan import plan_fetch

AGE = {"name": "age", "caffemodel": "a.caffemodel", "caffemodel_url": "http://h/a.caffemodel"}
SEX = {"name": "sex", "caffemodel": "s.caffemodel", "caffemodel_url": "http://h/s.caffemodel"}


def lines_of(facts):
    return "".join(f"{key}: {value}\n" for key, value in facts.items())


def row_of(facts):
    return f"| {' | '.join(facts.values())} |\n"


TITLES = row_of({key: key for key in AGE}) + "|---|---|---|\n"
SEVERAL = {
    "two fenced blocks": f"---\n{lines_of(AGE)}---\ntext\n---\n{lines_of(SEX)}---\n",
    "one fenced block": f"---\n{lines_of(AGE)}{lines_of(SEX)}---\n",
    "two headings": f"# Age\n\n{lines_of(AGE)}\n# Sex\n\n{lines_of(SEX)}\nText.\n",
    "a list": "---\n"
    + "".join(
        f"- name: {each['name']}\n  caffemodel: {each['caffemodel']}\n"
        f"  caffemodel_url: {each['caffemodel_url']}\n"
        for each in (AGE, SEX)
    )
    + "---\n",
    "a table": f"{TITLES}{row_of(AGE)}{row_of(SEX)}",
    "two tables": f"{TITLES}{row_of(AGE)}\n{TITLES}{row_of(SEX)}",
}


@pytest.mark.parametrize("text", SEVERAL.values(), ids=SEVERAL)
def test_all_models_are_given_and_one_is_asked_for(text):
    card = Card.parse(text, "readme.md")
    assert card.models == [AGE, SEX]
    assert (card.name, card.caffemodel, card.metadata) == (None, None, {})
    assert any("2 models are described" in warning.text for warning in card.warnings)
    for name in ("sex", "SEX", "s.caffemodel", "s"):
        assert card.model(name).metadata == SEX
    with pytest.raises(CardError, match=r"readme.md: describes 2 models, and none.*: age, sex\."):
        card.model()
    with pytest.raises(CardError, match=r"none is 'sax'\. Did you mean sex\?"):
        card.model("sax")
    with pytest.raises(CardError, match="describes 2 models"):
        plan_fetch(card, [])
    assert plan_fetch(card.model("sex"), []).weights == "s.caffemodel"


@pytest.mark.parametrize("text", SEVERAL.values(), ids=SEVERAL)
def test_a_change_is_of_one_model(text):
    card = Card.parse(text)
    with pytest.raises(CardError, match=r"choose one with Card\.model"):
        card.with_values(caffemodel="x")
    changed = card.model("sex").with_values(caffemodel="x.caffemodel")
    assert changed.text() == text.replace("s.caffemodel", "x.caffemodel").replace(
        "http://h/x.caffemodel", "http://h/s.caffemodel"
    )
    assert changed.metadata == {**SEX, "caffemodel": "x.caffemodel"}
    if text != SEVERAL["a list"]:  # a key given once there would belong to both
        added = card.model("sex").with_values(sha1="12")
        assert Card.parse(added.text()).models == [AGE, {**SEX, "sha1": "12"}]


@pytest.mark.parametrize(
    "block",
    [
        "caffemodel: a\ncaffemodel: b\ncaffemodel_url: http://h/a\ncaffemodel_url: http://h/b\n",
        "caffemodel: a\ncaffemodel_url: http://h/a\ncaffemodel: b\ncaffemodel_url: http://h/b\n",
        "caffemodel: [a, b]\ncaffemodel_url:\n  - http://h/a\n  - http://h/b\n",
    ],
)
def test_weights_that_are_given_twice_in_a_block_share_the_rest(block):
    card = Card.parse(f"---\nname: Both\n{block}license: MIT\n---\n")
    assert (card.name, card.license, card.caffemodel) == ("Both", "MIT", None)
    assert [(each["caffemodel"], each["caffemodel_url"]) for each in card.models] == [
        ("a", "http://h/a"),
        ("b", "http://h/b"),
    ]
    assert card.model("b").license == "MIT"
    with pytest.raises(CardError, match=r"Put that of each model between two lines"):
        card.model("b").with_values(license="BSD")


def test_a_second_address_is_a_mirror_and_stays_when_the_first_changes():
    text = "---\ncaffemodel: a\ncaffemodel_url: http://h/a\ncaffemodel_url: http://g/x\n---\n"
    card = Card.parse(text)
    assert (card.models, card.caffemodel_url) == ([], "http://h/a")
    assert "the others are its mirrors" in card.warnings[0].text
    changed = card.with_values(caffemodel_url="http://i/a")
    assert changed.text() == text.replace("http://h/a", "http://i/a")


def test_two_pairs_in_text_are_two_models_called_as_their_weights():
    card = Card.parse(
        "# Demo\n- caffemodel: a_net.caffemodel |caffemodel_url: http://h/a_net.caffemodel\n"
        "- caffemodel: b_net.caffemodel | caffemodel_url: http://h/b_net.caffemodel.\n"
    )
    assert [each["name"] for each in card.models] == ["a_net", "b_net"]
    assert card.model("b_net").caffemodel_url == "http://h/b_net.caffemodel"
    assert card.model("b_net").name == "b_net"


CONFLICT = """---
name: A
<<<<<<< HEAD
license: MIT
sha1: 12
=======
license: BSD
sha1: 12
>>>>>>> theirs
caffemodel: a
---
"""


def test_a_conflict_names_the_key_that_cannot_be_decided():
    card = Card.parse(CONFLICT, "readme.md")
    assert card.metadata == {"name": "A", "license": None, "sha1": "12", "caffemodel": "a"}
    assert (card.models, card.empty_keys) == ([], [])
    assert [(warning.line, warning.text) for warning in card.warnings] == [
        (3, "a merge conflict has left its marks"),
        (
            7,
            "a merge conflict leaves 'license' undecided: 'MIT' (line 4) or 'BSD' (line 7);"
            " keep one",
        ),
    ]
    card.require_decided("sha1", "caffemodel")
    with pytest.raises(CardError, match=r"readme.md:7: .*'license' undecided"):
        card.require_decided("sha1", "license")


def test_deciding_touches_the_versions_alone():
    decided = Card.parse(CONFLICT).with_values(license="ISC")
    assert decided.license == "ISC"
    assert decided.text() == CONFLICT.replace("MIT", "ISC").replace("BSD", "ISC")


@pytest.mark.parametrize(
    "text",
    [
        "<<<<<<< a\n---\nname: A\nsha1: 1\ncaffemodel: a\n---\nx\n=======\n"
        "---\nname: A\nsha1: 2\ncaffemodel: a\n---\ny\n>>>>>>> b\n",
        "<<<<<<< a\n---\nname: A\nsha1: 1\n=======\n---\nname: A\nsha1: 2\n>>>>>>> b\n"
        "caffemodel: a\n---\nx\n",
        "---\nname: A\ncaffemodel: a\n<<<<<<< a\nsha1: 1\n=======\nsha1: 2\n>>>>>>> b\n---\nx\n",
        "---\nname: A\ncaffemodel: a\n<<<<<<< a\nsha1: 1\n---\nx\n=======\nsha1: 2\n---\ny\n"
        ">>>>>>> b\n",
        "---\nname: A\n<<<<<<< a\n<<<<<<< a\n=======\n>>>>>>> c\nsha1: 1\n||||||| o\nsha1: 3\n"
        "=======\nsha1: 2\n>>>>>>> b\n=======\n>>>>>>> d\ncaffemodel: a\n---\n",
        "# Info\n\nname: A\n<<<<<<< a\nsha1: 1\n=======\nsha1: 2\n>>>>>>> b\ncaffemodel: a\n",
    ],
)
def test_a_conflict_about_more_than_a_line_is_one_model_too(text):
    card = Card.parse(text)
    assert (card.name, card.caffemodel, card.sha1) == ("A", "a", None)
    assert any("leaves 'sha1' undecided" in warning.text for warning in card.warnings)
    with pytest.raises(CardError, match="undecided"):
        plan_fetch(card, [])


def test_a_key_given_twice_has_no_value_but_the_same_twice_has():
    card = Card.parse("---\nsha1: a\nname: x\nsha1: b\nname: x\n---\n")
    assert card.metadata == {"sha1": None, "name": "x"}
    assert [(warning.line, warning.text) for warning in card.warnings] == [
        (4, "'sha1' is given twice and cannot be decided: 'a' (line 2) or 'b' (line 4); keep one")
    ]
    assert card.with_values(name="y").text() == "---\nsha1: a\nname: y\nsha1: b\nname: y\n---\n"


TWO = [{"name": "A", "caffemodel": "a", "sha1": "1"}, {"name": "B", "caffemodel": "b", "sha1": "2"}]


def test_a_fence_may_end_one_model_and_begin_the_next():
    text = "---\nname: A\ncaffemodel: a\nsha1: 1\n---\nname: B\ncaffemodel: b\nsha1: 2\n---\nText\n"
    card = Card.parse(text)
    assert (card.models, card.body) == (TWO, "Text\n")
    changed = card.model("B").with_values(sha1="3", license="MIT")
    assert changed.text() == text.replace("sha1: 2\n", "sha1: 3\nlicense: MIT\n")
    one = Card.parse("---\nname: A\ncaffemodel: a\n---\nNote: text\nname: B\n---\n")
    assert (one.models, one.name) == ([], "A")


@pytest.mark.parametrize("fence", ["---\n", ""])
def test_sections_are_models(fence):
    section = "  - name: {}\n    caffemodel: {}\n    SHA-1: {}\n"
    models = section.format("A", "a", 1) + section.format("B", "b", 2)
    card = Card.parse(f"{fence}models:\n{models}license: MIT\n{fence}")
    assert card.models == [{**each, "license": "MIT"} for each in TWO]
    assert any("inside 'models'" in warning.text for warning in card.warnings)
    with pytest.raises(CardError, match="cannot be"):
        card.model("B").with_values(sha1="3")


def test_a_section_may_be_the_one_model():
    text = "model:\n  name: A\n  caffemodel: a\n  mean: [1, 2]\n"
    card = Card.parse(text)
    assert card.models == []
    assert card.metadata == {"name": "A", "caffemodel": "a", "mean": [1, 2]}
    assert card.with_values(sha1="12").text() == f"{text}sha1: 12\n"
    assert Card.parse(
        "---\nname: A\ncaffemodel: a\nsources: {caffemodel: b}\n---\n"
    ).other_keys == {"sources": {"caffemodel": "b"}}
