"""index.json: one request lists a folder of models, and an index out of date decides nothing."""

import hashlib
import json
import os
import time

import pytest

from zoo.errors import DownloadError, UnavailableError, UsageError
from zoo.registry.catalogue import Registry
from zoo.registry.fetch import fetch
from zoo.registry.index import LARGEST_INDEX, read_index
from zoo.registry.publish_index import write_index
from zoo.registry.storage.folder import FolderSource


@pytest.fixture
def indexed(server, models):
    (models / "labels.txt").write_text("a\nb\n")
    (models / "tiny/readme.md").write_text(
        (models / "tiny/readme.md").read_text().replace("sha1:", "tags: [small, grey]\nsha1:")
    )
    write_index(models)
    return server


def listed(source):
    return [entry for entry in Registry(source).list() if entry.source not in WITH_ZOO]


WITH_ZOO = ("embedded", "catalogue")


def test_an_index_says_what_a_list_shows(models, indexed):
    index = json.loads((models / "index.json").read_text())
    assert (index["format"], index["version"]) == ("zoo index", 1)
    assert index["shared"] == {"labels.txt": 4}
    other, tiny = index["models"]
    card = (models / "tiny/readme.md").read_bytes()
    weights = (models / "tiny/tiny.caffemodel").read_bytes()
    assert tiny == {
        "name": "tiny",
        "title": "The Tiny Model",
        "license": "BSD-2-Clause",
        "license_spdx": "BSD-2-Clause",
        "size": len(weights),
        "sha1": hashlib.sha1(weights, usedforsecurity=False).hexdigest(),
        "tags": ["small", "grey"],
        "card_sha256": hashlib.sha256(card).hexdigest(),
        "files": {path.name: path.stat().st_size for path in sorted((models / "tiny").iterdir())},
    }
    assert (other["task"], other["license_spdx"]) == ("segmentation", "LicenseRef-non-commercial")


def test_a_list_is_one_request_and_says_the_same_as_the_cards(indexed, models):
    expected = [(e.name, e.title, e.license, e.size, e.task) for e in listed(models)]
    indexed.requests.clear()
    entries = listed(indexed.url)
    assert [(e.name, e.title, e.license, e.size, e.task) for e in entries] == expected
    assert indexed.requests == ["/index.json"]
    assert entries[1].card.name == "The Tiny Model"
    assert indexed.requests == ["/index.json", "/tiny/readme.md"]


def test_a_model_is_found_by_its_title_without_reading_every_card(indexed):
    found = Registry(indexed.url).find("the tiny model")
    assert found.name == "tiny"
    assert indexed.requests == ["/index.json", "/tiny/readme.md"]
    assert [entry.name for entry in Registry(indexed.url).search("grey").entries] == ["tiny"]


def test_a_fetch_asks_for_nothing_but_the_files(indexed):
    result = fetch("tiny", indexed.url)
    assert sorted(result.files) == [
        "deploy.prototxt",
        "labels.txt",
        "readme.md",
        "tiny.caffemodel",
    ]
    assert not [path for path in indexed.requests if path.endswith("/")]
    assert len(indexed.requests) <= 6


def test_an_entry_whose_card_has_changed_is_not_used(indexed, models):
    write_new_weights(models)
    (models / "tiny/extra.txt").write_text("x")
    result = fetch("tiny", indexed.url)
    assert "extra.txt" in result.files
    assert "small.caffemodel" in result.files


def write_new_weights(models):
    """Another model under the same name, as a revision without a new index leaves it."""
    (models / "tiny/tiny.caffemodel").rename(models / "tiny/small.caffemodel")
    (models / "tiny/small.caffemodel").write_bytes(b"new")
    digest = hashlib.sha1(b"new", usedforsecurity=False).hexdigest()
    text = (models / "tiny/readme.md").read_text()
    lines = [
        {"sha1": f"sha1: {digest}", "caffemodel": "caffemodel: small.caffemodel"}.get(
            line.partition(":")[0], line
        )
        for line in text.splitlines()
    ]
    (models / "tiny/readme.md").write_text("\n".join(lines) + "\n")


def test_a_definition_that_has_changed_alone_is_fetched_as_it_is(indexed, models):
    (models / "tiny/deploy.prototxt").write_text('name: "newer and longer than it was"\n' * 9)
    result = fetch("tiny", indexed.url)
    assert b"newer" in (result.directory / "deploy.prototxt").read_bytes()


def test_a_model_that_is_gone_is_told_to_be_out_of_the_index(indexed, models):
    (models / "tiny").rename(models.parent / "elsewhere")
    with pytest.raises(DownloadError, match=r"lists tiny, which is not there; `zoo index`"):
        fetch("tiny", indexed.url)


def test_a_folder_on_disk_is_listed_right_whatever_the_index_says(models):
    write_index(models)
    source = FolderSource(models)
    assert source.entry("tiny").title == "The Tiny Model"
    time.sleep(0.01)
    text = (models / "tiny/readme.md").read_text()
    (models / "tiny/readme.md").write_text(text.replace("The Tiny Model", "A Newer Model!"))
    (models / "other").rename(models / "moved")
    assert [(e.name, e.title) for e in listed(models)] == [
        ("moved", "The Other Model"),
        ("tiny", "A Newer Model!"),
    ]
    assert Registry(models).find("A Newer Model!").name == "tiny"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html>",
        b'"models"',
        b'{"models": []}',
        b'{"format": "zoo index", "version": 2, "models": []}',
        b'{"format": "zoo index", "version": 1, "models": {}}',
        b"[" * 200_000,
        b" " * (LARGEST_INDEX + 1),
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_index_is_none(content, server, models):
    assert read_index(content) is None
    if len(content) <= LARGEST_INDEX:
        (models / "index.json").write_bytes(content)
        assert [entry.name for entry in listed(server.url)] == ["other", "tiny"]


def test_what_is_wrong_in_an_index_is_left_out():
    entries = [
        {"name": "good", "files": {"readme.md": 1, "../x": 2, "y": -1, "z": "3", "n": 1.5}},
        {"name": "../evil"},
        {"name": 7},
        "text",
        {
            "name": "odd",
            "title": ["x"],
            "size": True,
            "sha1": "zz",
            "sha256": "0" * 40,
            "tags": "a",
            "license": "x" * 9999,
        },
    ]
    content = json.dumps({"format": "zoo index", "version": 1, "models": entries}).encode()
    index = read_index(content)
    assert list(index.models) == ["good", "odd"]
    assert dict(index.models["good"].files) == {"readme.md": 1, "y": None, "z": None, "n": None}
    odd = index.models["odd"]
    assert (odd.title, odd.size, odd.sha1, odd.sha256, odd.tags) == ("odd", None, None, None, ())
    assert len(odd.license) == 500
    assert read_index(index.to_bytes()).models == index.models


def test_an_index_that_promises_other_weights_changes_nothing(indexed, models):
    path = models / "index.json"
    document = json.loads(path.read_text())
    for model in document["models"]:
        model.update(sha1="0" * 40, size=3)
    path.write_text(json.dumps(document))
    assert fetch("tiny", indexed.url).verified


def test_a_card_that_cannot_be_read_is_left_out_and_named(models):
    (models / "tiny/readme.md").write_bytes(b"Just prose.\n")
    result = write_index(models)
    assert result.models == ["other"]
    assert "readme.md" in result.left_out["tiny"]


def test_writing_again_gives_the_same_bytes_and_reads_no_card_twice(models, monkeypatch):
    write_index(models)
    before = (models / "index.json").read_bytes()
    from zoo.registry import publish_index

    monkeypatch.setattr(publish_index.Card, "from_bytes", None)
    write_index(models)
    assert (models / "index.json").read_bytes() == before


def test_an_index_that_cannot_be_written_leaves_the_old_one(models, monkeypatch):
    write_index(models)
    before = (models / "index.json").read_bytes()
    (models / "tiny/notes.txt").write_text("x")
    monkeypatch.setattr(os, "replace", _no_space)
    with pytest.raises(UnavailableError, match="cannot be written: No space left"):
        write_index(models)
    assert (models / "index.json").read_bytes() == before
    assert sorted(path.name for path in models.iterdir()) == ["index.json", "other", "tiny"]
    with pytest.raises(UsageError, match="no such folder"):
        write_index(models / "nothing")


def _no_space(*_):
    raise OSError(28, "No space left on device")


def test_ten_thousand_models_are_listed_by_one_request(serve, tmp_path):
    models = [
        {
            "name": f"model_{number:05d}",
            "title": f"Model number {number}",
            "license": "BSD-2-Clause",
            "size": number,
            "files": {"readme.md": 300, "deploy.prototxt": 1000, "m.caffemodel": number},
        }
        for number in range(10_000)
    ]
    document = {"format": "zoo index", "version": 1, "models": models}
    (tmp_path / "index.json").write_text(json.dumps(document))
    server = serve(tmp_path)
    assert len(listed(server.url)) == 10_000
    assert server.requests == ["/index.json"]
