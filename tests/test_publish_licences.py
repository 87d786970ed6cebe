"""A model that was made from another: which one is recorded, and its licence is held to."""

import pytest
from publishable import FROM_LENET, SHA1, fill_in, flaws_of, write_digits

from zoo.publishing import publish
from zoo.registry.card import Card
from zoo.registry.cite import collect


@pytest.fixture
def digits(tmp_path):
    return write_digits(tmp_path)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "published"


@pytest.fixture
def source(tmp_path):
    """A folder with a model for research only, and one that was made from it."""
    root = tmp_path / "sources"
    write_digits(root, "for_research")
    fill_in(root / "for_research", license="CC-BY-NC-4.0", sha1=SHA1)
    write_digits(root, "middle")
    fill_in(
        root / "middle",
        license="CC-BY-4.0",
        sha1=SHA1,
        derived_from=f"for_research@sha1:{SHA1}",
    )
    return root


@pytest.mark.parametrize("origin", ["for_research", "middle"])
def test_weights_for_research_only_do_not_become_free(digits, place, source, origin):
    fill_in(digits, license="MIT", derived_from=f"{origin}@sha1:{SHA1}")
    [flaw] = flaws_of(digits, place, sources=source)
    assert "MIT does not agree with that of for_research" in flaw
    assert "CC-BY-NC-4.0 forbids commercial use" in flaw
    assert "--despite-source-license" in flaw


def test_a_licence_that_agrees_is_recorded_with_that_of_the_source(digits, place, source):
    fill_in(digits, license="CC-BY-NC-4.0", derived_from=f"for_research@sha1:{SHA1}")
    publish(digits, str(place), sources=source)
    card = Card.read(place / "my_digits/readme.md")
    assert card.value("derived_from_license") == "CC-BY-NC-4.0"


def test_despite_the_licence_of_the_source_the_card_says_why(digits, place, source):
    fill_in(digits, license="MIT", derived_from=f"for_research@sha1:{SHA1}")
    reason = "its authors allowed it\nin a letter"
    publish(digits, str(place), sources=source, despite_source_license=reason)
    card = Card.read(place / "my_digits/readme.md")
    told = "its authors allowed it in a letter"
    assert card.value("despite_source_license") == told
    [sentence] = [line for line in card.body.splitlines() if line.startswith("Licence of the")]
    assert "published as MIT despite for_research (CC-BY-NC-4.0)" in sentence
    assert sentence.endswith(f"The reason given: {told}")
    assert Card.read(digits / "readme.md").text() == card.text()
    publish(digits, str(place), sources=source, despite_source_license="a contract", update=True)
    text = (place / "my_digits/readme.md").read_text()
    assert text.count("Licence of the source:") == 1
    assert "a contract" in text
    assert "letter" not in text
    publish(digits, str(place), sources=source, update=True)
    assert (place / "my_digits/readme.md").read_text() == text


def test_the_catalogue_knows_licences_of_sources_too(digits, place):
    origin = "finetune_flickr_style@sha1:b61b5cef7d771b53b0c488e78d35ccadc073e9cf"
    fill_in(digits, license="BSD-3-Clause", derived_from=origin)
    assert "non-commercial forbids commercial use" in flaws_of(digits, place)[0]


def test_a_source_that_nobody_knows_here_is_taken_as_stated(digits, place):
    fill_in(
        digits,
        license="GPL-3.0-only",
        derived_from=["theirs@sha1:01234567", FROM_LENET],
        derived_from_license=["GPL-3.0-only", "Apache-2.0"],
    )
    publish(digits, str(place))
    assert Card.read(place / "my_digits/readme.md").metadata["derived_from_license"] == [
        "GPL-3.0-only",
        "Apache-2.0",
    ]


def test_sources_that_name_each_other_end(digits, place, source):
    fill_in(source / "for_research", derived_from=f"middle@sha1:{SHA1}")
    fill_in(digits, license="MIT", derived_from=f"middle@sha1:{SHA1}")
    assert len(flaws_of(digits, place, sources=source)) == 1


def test_a_source_with_its_hash_is_cited_too_and_none_is_none(digits, place):
    fill_in(digits, derived_from=FROM_LENET)
    publish(digits, str(place))
    collected = collect(["my_digits"], str(place))
    assert [(work.role, work.reference.key) for work in collected.works] == [
        ("model", "me2026digits"),
        ("source", "lecun1998gradient"),
        ("source", "alpaydin1998digits"),
    ]
    fill_in(digits, derived_from="none", derived_from_license=None)
    publish(digits, str(place), update=True)
    collected = collect(["my_digits"], str(place))
    assert ([work.role for work in collected.works], collected.notes) == (["model"], [])
