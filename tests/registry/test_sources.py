"""The user's own sources: kept in one file, searched by every command, told apart by name."""

import hashlib
import threading

import pytest

from zoo.errors import ParseError, UnavailableError, UnknownModelError, UsageError
from zoo.registry.address import parse_address
from zoo.registry.catalogue import Registry
from zoo.registry.fetch import fetch
from zoo.registry.sources import (
    add_source,
    config_path,
    configured_sources,
    remove_source,
    source_place,
)


def write_model(root, name, weights=b"weights"):
    """A model without a network."""
    directory = root / name
    directory.mkdir(parents=True)
    digest = hashlib.sha1(weights, usedforsecurity=False).hexdigest()
    (directory / "readme.md").write_text(
        f"---\nname: The {name.title()} Model\ncaffemodel: {name}.caffemodel\nlicense: MIT\n"
        f"sha1: {digest}\n---\nText.\n"
    )
    (directory / f"{name}.caffemodel").write_bytes(weights)


@pytest.fixture
def config(own_zoo_home):
    return own_zoo_home / "config.toml"


@pytest.fixture
def two(tmp_path):
    """Two folders that both have a `tiny`, the second with other weights."""
    write_model(tmp_path / "lab", "tiny")
    write_model(tmp_path / "home", "tiny", weights=b"other weights")
    write_model(tmp_path / "home", "alone")
    add_source("lab", str(tmp_path / "lab"))
    add_source("home", str(tmp_path / "home"))
    return tmp_path


def test_sources_are_kept_in_order_and_forgotten(config, tmp_path, monkeypatch):
    assert configured_sources() == {}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    assert add_source("mine", "models") == str(tmp_path / "models")
    add_source("lab", "https://models.lab.example/caffe/")
    add_source("lab", "https://models.lab.example/caffe/")
    assert config.read_text() == (
        f'[sources]\nmine = "{tmp_path}/models"\nlab = "https://models.lab.example/caffe/"\n'
    )
    assert list(configured_sources()) == ["mine", "lab"]
    assert remove_source("mine") == str(tmp_path / "models")
    assert configured_sources() == {"lab": "https://models.lab.example/caffe/"}


def test_whatever_else_the_file_holds_stays(config):
    text = (
        "# mine\n[other] # not ours\nx = 1\n\n[ sources ] # of the lab\r\n"
        '"old" = "https://old.example/" # gone soon\n\n# the end\n[last]\ny = [\n]'
    )
    config.write_bytes(text.encode())
    add_source("new", 'https://new.example/a"b\\c')
    line = 'new = "https://new.example/a\\"b\\\\c"\n'
    assert config.read_bytes().decode() == text.replace("soon\n", f"soon\n{line}")
    remove_source("old")
    assert configured_sources() == {"new": 'https://new.example/a"b\\c'}
    assert b"# mine\n[other] # not ours\nx = 1\n" in config.read_bytes()
    config.write_text("[other]\nx = 1")
    add_source("new", "https://new.example/")
    assert config.read_text() == '[other]\nx = 1\n\n[sources]\nnew = "https://new.example/"\n'


def test_a_file_written_in_another_way_is_left_to_its_author(config):
    text = 'sources = {lab = "https://lab.example/"}\n'
    config.write_text(text)
    assert configured_sources() == {"lab": "https://lab.example/"}
    for change in (lambda: add_source("b", "https://b.example/"), lambda: remove_source("lab")):
        with pytest.raises(UsageError, match="by hand"):
            change()
    assert config.read_text() == text


@pytest.mark.parametrize(
    ("name", "address", "words"),
    [
        ("Lab", "https://x.example/", "cannot be the name"),
        ("a/b", "https://x.example/", "cannot be the name"),
        ("", "https://x.example/", "cannot be the name"),
        ("embedded", "https://x.example/", "something else"),
        ("x", "nowhere", "does not exist"),
        ("x", "", "is empty"),
        ("x", "nonsense://y", "are not known"),
        ("x", "https://me:secret@x.example/", "password"),
        ("x", "https://x.example/?access_token=secret", "password"),
    ],
)
def test_what_cannot_be_a_source_is_refused(config, name, address, words):
    with pytest.raises(UsageError, match=words) as error:
        add_source(name, address)
    assert "secret" not in str(error.value)
    assert not config.exists()


def test_a_name_that_is_taken_is_not_taken_again(config):
    add_source("lab", "https://a.example/")
    with pytest.raises(UsageError, match="a source 'lab' already"):
        add_source("lab", "https://b.example/")
    with pytest.raises(UsageError, match=r"no source 'lap'.*Did you mean lab"):
        remove_source("lap")
    assert configured_sources() == {"lab": "https://a.example/"}


@pytest.mark.parametrize(
    "text",
    [
        "sources = 3",
        "[sources]\nlab = 3\n",
        '[sources]\n"../x" = "https://x.example/"\n',
        "[sources",
        "a = " + "[" * 5000,
    ],
)
def test_a_file_that_makes_no_sense_is_named(config, text):
    config.write_text(text)
    with pytest.raises(ParseError, match=r"config\.toml"):
        configured_sources()
    with pytest.raises(ParseError, match=r"config\.toml"):
        add_source("lab", "https://a.example/")
    assert config.read_text() == text


def test_bytes_that_are_no_text_and_folders_are_named(config):
    config.write_bytes(b"\xff")
    with pytest.raises(ParseError, match="UTF-8"):
        configured_sources()
    config.unlink()
    config.mkdir()
    with pytest.raises(UnavailableError, match="cannot be read"):
        configured_sources()


def test_many_at_once_lose_nothing(config):
    names = [f"source-{number}" for number in range(12)]
    threads = [
        threading.Thread(target=add_source, args=(name, f"https://{name}.example/"))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(configured_sources()) == sorted(names)


def test_without_a_setting_the_file_is_the_platforms(monkeypatch):
    monkeypatch.delenv("ZOO_CONFIG")
    assert config_path().parts[-2:] == ("zoo", "config.toml")


# Finding models in them.


def test_own_sources_come_after_the_given_and_before_those_of_zoo(two):
    write_model(two / "given", "alone", weights=b"given")
    write_model(two / "home", "lenet_digits")
    assert Registry().find("alone").source.name == str(two / "home")
    assert Registry(two / "given").find("alone").source.name == str(two / "given")
    assert Registry().find("lenet_digits").source.name == str(two / "home")
    assert Registry().find("embedded/lenet_digits").source.name == "embedded"
    assert Registry().find("catalogue/vgg16").source.name == "catalogue"
    assert Registry().find("bvlc_googlenet").source.name == "catalogue"


def test_a_name_in_two_sources_has_to_be_qualified(two):
    for name in ("tiny", "TINY", "the tiny model"):
        with pytest.raises(UsageError, match="2 sources have a model .*: write lab/tiny or home/"):
            Registry().find(name)
    assert Registry().find("home/tiny").source.name == str(two / "home")
    assert Registry().find("lab/The Tiny Model").source.name == str(two / "lab")
    assert Registry(two / "home").find("tiny").source.name == str(two / "home")


def test_a_list_shows_both_of_two_with_their_sources(two):
    names = [entry.name for entry in Registry().list()][:3]
    assert names == ["lab/tiny", "alone", "home/tiny"]
    fetch("home/tiny")
    cached = {entry.name: entry.cached for entry in Registry().list()[:3]}
    assert cached == {"lab/tiny": False, "alone": False, "home/tiny": True}


def test_a_qualified_model_is_fetched_from_its_source_only(two):
    result = fetch("home/tiny")
    assert (result.name, result.source) == ("tiny", str(two / "home"))
    assert result.model.weights.read_bytes() == b"other weights"
    assert not fetch("home/tiny").downloaded
    with pytest.raises(UsageError, match=f"another model called tiny, from {two / 'home'}"):
        fetch("lab/tiny")
    assert fetch("lab/tiny", force=True).source == str(two / "lab")
    pinned = f"lab/tiny@sha1:{result.model.record.files['tiny.caffemodel'].sha1}"
    with pytest.raises(UsageError):
        fetch(pinned, sources=[str(two)], sha1="0")


def test_a_qualified_model_is_fetched_over_http(two, serve):
    server = serve(two / "lab")
    add_source("web", server.url)
    assert fetch("web/tiny").source == server.url
    server.requests.clear()
    assert not fetch("web/tiny").downloaded
    assert server.requests == []
    assert source_place("web") == server.url


def test_an_address_may_begin_with_a_source(two):
    assert parse_address("lab/tiny@sha1:01234567").source == "lab"
    assert parse_address("embedded/lenet_digits").kind == "name"
    with pytest.raises(UsageError, match=r"no such folder.*Did you mean lab"):
        parse_address("labb/tiny")


def test_what_a_source_lacks_is_told_with_its_nearest(two):
    with pytest.raises(UnknownModelError, match=r"in home .*Did you mean alone"):
        Registry().find("home/alnoe")
    with pytest.raises(UsageError, match=r"no source 'hom'.*Did you mean home"):
        Registry().find("hom/tiny")
    with pytest.raises(UnknownModelError, match="or home .*"):
        Registry().find("no such thing anywhere")


def test_a_source_that_cannot_be_used_now_stops_no_other(two):
    (two / "lab").rename(two / "unmounted")
    registry = Registry()
    assert registry.find("tiny").source.name == str(two / "home")
    assert "does not exist" in registry.unreachable["lab"]
    with pytest.raises(UnavailableError, match="lab cannot be used"):
        registry.find("lab/tiny")
    assert [entry.name for entry in registry.list()][:2] == ["alone", "tiny"]
    assert source_place("lab") == "lab"


def test_a_dead_server_among_the_sources_is_mentioned(two, closed_port):
    add_source("dead", f"http://127.0.0.1:{closed_port}/")
    result = fetch("alone")
    assert "could not be reached (connection refused)" in result.note
