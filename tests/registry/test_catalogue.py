"""Several sources as one: finding, listing, searching."""

from pathlib import Path

import pytest

from zoo.errors import DownloadError, UnknownModelError, UsageError
from zoo.registry.catalogue import Registry
from zoo.registry.fetch import fetch


def names(entries):
    return [entry.name for entry in entries]


def given(entries):
    """The entries that do not ship with zoo."""
    return [entry for entry in entries if entry.source not in ("embedded", "catalogue")]


def copy_model(models: Path, name: str, to: Path, **changes: str) -> None:
    to.mkdir(parents=True)
    for file in (models / name).iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    readme = to / "readme.md"
    text = readme.read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    readme.write_text(text)


def test_everything_is_listed_with_its_facts(models):
    entries = given(Registry(models).list())
    assert names(entries) == ["other", "tiny"]
    tiny = entries[1]
    assert (tiny.title, tiny.license, tiny.size) == ("The Tiny Model", "BSD-2-Clause", 307200)
    assert (tiny.source, tiny.cached, tiny.card.name) == (str(models), False, "The Tiny Model")


def test_a_server_is_listed_without_touching_weights(server):
    assert names(given(Registry(server.url).list())) == ["other", "tiny"]
    assert not any(path.endswith(".caffemodel") for path in server.requests)


def test_a_cached_model_is_marked_and_listed_without_its_source(models):
    fetch("tiny", models)
    assert [entry.cached for entry in given(Registry(models).list())] == [False, True]
    entry = given(Registry().list())[0]
    assert (entry.name, entry.cached, entry.source, entry.size) == (
        "tiny",
        True,
        str(models),
        307200,
    )


def test_one_bad_card_does_not_hide_the_others(models):
    (models / "tiny" / "readme.md").write_text("no card\n")
    entries = given(Registry(models).list())
    assert names(entries) == ["other", "tiny"]
    assert entries[1].card is None
    assert "no model metadata" in entries[1].problem


def test_the_first_source_wins(models, tmp_path):
    copy_model(models, "tiny", tmp_path / "second" / "tiny", Tiny="Second")
    sources = [tmp_path / "second", models]
    assert Registry(sources).find("tiny").card.name == "The Second Model"
    assert Registry(sources[::-1]).find("tiny").card.name == "The Tiny Model"
    assert names(given(Registry(sources).list())) == ["tiny", "other"]


@pytest.mark.parametrize("name", ["tiny", "TINY", "The Tiny Model", "the tiny model"])
def test_a_model_is_found_by_name_and_by_title(models, server, name):
    for source in (models, server.url):
        assert Registry(source).find(name).name == "tiny"


def test_a_small_file_is_read_without_a_fetch(server, own_zoo_home):
    found = Registry(server.url).find("tiny")
    assert found.text("deploy.prototxt").startswith('name: "tiny"')
    assert list(own_zoo_home.iterdir()) == []


def test_an_unknown_model_suggests_names_of_all_sources(models, server):
    with pytest.raises(UnknownModelError) as error:
        Registry([models, server.url]).find("tinny")
    assert error.value.exit_code == 4
    assert error.value.suggestions[0] == "tiny"
    assert "Did you mean tiny" in str(error.value)
    assert server.url in str(error.value)


def test_a_path_is_no_name(models):
    with pytest.raises(UsageError, match="--source"):
        Registry(models).find("models/tiny")


def test_a_dead_source_is_passed_over_and_mentioned(models, closed_port):
    dead = f"http://127.0.0.1:{closed_port}/"
    registry = Registry([dead, models])
    assert registry.find("tiny").name == "tiny"
    assert registry.unreachable == {dead: "connection refused"}
    with pytest.raises(UnknownModelError, match="could not be reached: connection refused"):
        registry.find("tinny")


def test_only_dead_sources_are_an_error_with_every_reason(closed_port, server):
    server.faults["*"] = 503
    dead = f"http://127.0.0.1:{closed_port}/"
    for ask in (Registry([dead, server.url]).list, lambda: Registry([dead, server.url]).find("x")):
        with pytest.raises(DownloadError) as error:
            ask()
        assert error.value.attempts[0] == (dead, "connection refused")
        assert error.value.attempts[1][0] == server.url
        assert error.value.attempts[1][1].startswith("HTTP 503")


def test_a_host_without_a_name_is_said_so():
    with pytest.raises(DownloadError, match="the name of the host is not known"):
        Registry("http://no-such-host.invalid/").list()


def test_given_sources_come_before_those_of_zoo(models):
    names = [source.name for source in Registry(models).sources]
    assert names == [str(models), "embedded", "catalogue"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tiny", ["tiny"]),
        ("TINY model", ["tiny"]),
        ("model", ["other", "tiny"]),
        ("segmentation", ["other"]),
        ("non-commercial", ["other"]),
        ("reads tiny", ["tiny"]),
    ],
)
def test_search_finds_every_word_anywhere(models, query, expected):
    assert names(given(Registry(models).search(query).entries)) == expected


def test_search_ranks_name_before_title_before_text(models):
    copy_model(models, "other", models / "a_text", Reads="tiny")
    copy_model(models, "other", models / "b_title", Other="tiny")
    assert names(given(Registry(models).search("tiny").entries)) == ["tiny", "b_title", "a_text"]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("gogle", "bvlc_googlenet"),
        ("alexnt", "alexnet_cvgj"),
        ("squezenet", "squeezenet_deep_compression"),
        ("segmentaion fcn32s pascalcontext", "fcn32s_pascalcontext"),
        ("tinny", "tiny"),
    ],
)
def test_search_forgives_a_slip(models, query, best):
    assert Registry(models).search(query).entries[0].name == best


@pytest.mark.parametrize(
    ("query", "best"), [("googlenet", "bvlc_googlenet"), ("vgg_face", "vgg_face")]
)
def test_a_whole_name_comes_first(models, query, best):
    assert Registry(models).search(query).entries[0].name == best


def test_a_word_that_stands_somewhere_is_taken_as_it_is(models):
    found = names(Registry(models).search("face").entries)
    assert "vgg_face" in found[:6]
    assert not {"pelee_coco", "parsenet_pascal"} & set(found)


def test_search_without_a_match_gives_near_names(models):
    result = Registry(models).search("tinyxqzw")
    assert list(result.entries) == []
    assert result.near[0] == "tiny"
