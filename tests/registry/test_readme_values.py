"""Values of readmes: what YAML refuses and Markdown decorates, and what the text says."""

import pytest

from zoo.registry.card import Card


def texts(card):
    return [warning.text for warning in card.warnings]


@pytest.mark.parametrize(
    ("line", "value", "repair"),
    [
        ("name: A: net", "A: net", "not YAML"),
        ("name: *A* net", "*A* net", "not YAML"),
        ("name: 'A' \"net\"", "'A' \"net\"", "not YAML"),
        ("name: {A} net", "{A} net", "not YAML"),
        ("name: !A net", "!A net", "the tag"),
        ("name: `A net`", "A net", "backticks"),
        ("name: **A net**", "A net", "asterisks"),
        ('"name": "A: net"', "A: net", None),
        ("<b>name</b>: A net", "A net", None),
        ("<strong>name:</strong> A net", "A net", None),
        ("name: A\x0bnet", "A\x0bnet", "not YAML (unacceptable character"),
        ("name: A net #2", "A net #2", None),
        ("name: A net   # which", "A net", None),
        ("name: 'A: net'", "A: net", None),
        ("name:\tA net \t", "A net", None),
        ("name: A net<br>", "A net", "line break"),
        ("name: A\\_net", "A_net", "escapes"),
        ("name: name: A net", "A net", "repeats 'name:'"),
        ("name: [A net](http://h/a)", "A net", "its text is taken"),
        ("name: 2014", "2014", None),
        ("Name: A net", "A net", "'Name' is read as 'name'"),
        ("**Name:** A net", "A net", "'Name' is read as 'name'"),
        ("name:A net", "A net", "no blank behind its colon"),
        ("name:", None, "has no value"),
        ("name: ''", None, "has no value"),
        ("name: ~", None, "has no value"),
    ],
)
def test_a_value_is_read_as_a_person_reads_it(line, value, repair):
    card = Card.parse(f"---\ncaffemodel: a\n{line}\n---\n")
    assert (card.name, card.caffemodel) == (value, "a")
    assert [w.line for w in card.warnings] == ([] if repair is None else [3])
    assert repair is None or repair in card.warnings[0].text
    assert all("\n" not in warning.text for warning in card.warnings)
    assert card.empty_keys == ([] if value else ["name"])


@pytest.mark.parametrize(
    "written",
    [
        "[http://h/a_b?x=1](http://h/a_b?x=1)",
        "[a_b](http://h/a_b?x=1)",
        '[download](http://h/a_b?x=1 "here") (230 MB)',
        "<http://h/a_b?x=1>",
        '<a href="http://h/a_b?x=1">here</a>',
        "<a target=new href='http://h/a_b?x=1'>here</a>",
        "http://h/a\\_b?x=1",
        "'http://h/a_b?x=1'",
        "http://h/a_b?x=1",
    ],
)
@pytest.mark.parametrize(("above", "below"), [("---\n", "---\n"), ("", ""), ("# Info\n\n", "")])
def test_an_address_may_be_a_link(written, above, below):
    card = Card.parse(f"{above}name: n\ncaffemodel\\_url: {written}\n{below}")
    assert card.caffemodel_url == "http://h/a_b?x=1"
    assert "'caffemodel\\\\_url' is read as 'caffemodel_url'" in texts(card)
    assert card.with_values(caffemodel_url="http://g/c").caffemodel_url == "http://g/c"


def test_weights_that_link_to_their_address_give_it_too():
    card = Card.parse("---\ncaffemodel: [a.caffemodel](http://h/a.caffemodel)\n---\n")
    assert (card.caffemodel, card.caffemodel_url) == ("a.caffemodel", "http://h/a.caffemodel")
    assert "'caffemodel' links to an address, taken as 'caffemodel_url'" in texts(card)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("## License\n\nThis model is released for unrestricted use.\n", "unrestricted"),
        (
            "### LICENCE\nThe weights should not be used for commercial purposes.\n",
            "non-commercial",
        ),
        ("Licensed under CC0\n", "CC0"),
        ("The model is released under the MIT License.\n", "MIT License"),
        ("The scripts are released under the MIT license.\n", None),
        ("## License\nBSD 2-Clause\n", "BSD 2-Clause"),
        ("## License\nUnrestricted for any non-commercial use.\n", "non-commercial"),
        ("## Results\nNothing on licences.\n", None),
        (
            "## License\n<<<<<<< a\nUnrestricted.\n=======\nNon-commercial.\n>>>>>>> b\n",
            None,
        ),
    ],
)
def test_the_licence_in_the_text_is_told_in_short(body, told):
    card = Card.parse(f"---\nname: A\ncaffemodel: a\n---\n\n{body}")
    assert (card.license_from_body, card.license) == (told, None)


def test_a_licence_that_key_and_text_give_differently_is_told():
    text = "---\nname: A\nlicense: {}\n---\n## License\nReleased for unrestricted use.\n"
    (warning,) = Card.parse(text.format("non-commercial")).warnings
    assert (warning.line, "but the text says 'unrestricted'" in warning.text) == (3, True)
    assert Card.parse(text.format("unrestricted use")).warnings == []
