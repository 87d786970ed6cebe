"""Fetching what is here already: --force, a damaged copy, a source that says something else."""

import hashlib
import re
from pathlib import Path

import pytest

from zoo.errors import DownloadError, HashMismatchError
from zoo.registry.cache import Cache
from zoo.registry.cached import CachedModel, Record
from zoo.registry.card import Card
from zoo.registry.fetch import fetch
from zoo.registry.locate import Hints
from zoo.registry.patience import Patience
from zoo.registry.refetch import _origin, refetch

WEIGHTS_PATH = "/tiny/tiny.caffemodel"


def test_force_fetches_again_and_a_bad_new_file_keeps_the_old(server, own_zoo_home):
    first = fetch("tiny", server.url)
    stamp = first.model.weights.stat().st_mtime_ns
    for fault in ("corrupted", "truncated", "dying", 500):
        server.faults[WEIGHTS_PATH] = fault
        with pytest.raises((HashMismatchError, DownloadError)):
            fetch("tiny", server.url, force=True, patience=Patience(attempts=1))
        assert fetch("tiny", server.url).model.weights.stat().st_mtime_ns == stamp
    server.faults.clear()
    asked = server.requests.count(WEIGHTS_PATH)
    assert fetch("tiny", server.url, force=True).downloaded
    assert server.requests.count(WEIGHTS_PATH) == asked + 1
    assert [path.name for path in (own_zoo_home / "models").iterdir()] == ["tiny"]


def test_a_damaged_copy_is_fetched_again(models):
    weights = fetch("tiny", models).model.weights
    weights.chmod(0o600)
    weights.write_bytes(b"short")
    result = fetch("tiny", models)
    assert result.downloaded
    assert result.model.damage() == ""


def test_a_copy_that_the_given_source_contradicts_is_told(models, server):
    old = fetch("tiny", server.url)
    assert "was not asked" in fetch("tiny", "http://127.0.0.1:1/").note
    readme = models / "tiny/readme.md"
    readme.write_text(readme.read_text().replace(old.verified[0][5:], "f" * 40))
    result = fetch("tiny", models)
    assert not result.downloaded
    assert "f" * 40 in result.note
    assert "--force" in result.note


def test_a_damaged_model_is_fetched_again_from_where_it_came(server, models):
    model = fetch("tiny", server.url).model
    model.deploy.write_text("damaged")
    assert refetch(Cache(), model).downloaded
    assert Cache().verify("tiny")
    model.deploy.write_text("damaged")
    write_other_weights(models / "tiny")
    with pytest.raises(HashMismatchError):
        refetch(Cache(), model)  # what is there now is another model of that name
    assert model.deploy.read_text() == "damaged"


def write_other_weights(directory):
    """A new version: other weights, and a card that promises those."""
    content = (directory / "tiny.caffemodel").read_bytes() + b"more"
    (directory / "tiny.caffemodel").write_bytes(content)
    readme = directory / "readme.md"
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    readme.write_text(re.sub("sha1: .*", f"sha1: {sha1}", readme.read_text()))


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("lenet_digits", "embedded", ("lenet_digits", [], Hints())),
        ("bvlc_googlenet", "catalogue", ("bvlc_googlenet", [], Hints())),
        ("tiny", "/models", ("tiny", ["/models"], Hints())),
        ("tiny", "https://host/models", ("tiny", ["https://host/models"], Hints())),
        (f"gist-{'ab' * 10}", f"gist:{'ab' * 10}", (f"gist:{'ab' * 10}", [], Hints())),
        (f"gist-{'ab' * 10}--age", f"gist:{'ab' * 10}", (f"gist:{'ab' * 10}", [], Hints("age"))),
        ("owner--repo", "hf://owner/repo", ("hf://owner/repo", [], Hints())),
        ("tiny", "https://host/tiny.caffemodel",
         ("https://host/tiny.caffemodel", [], Hints(prototxts=("https://host/d.prototxt",)))),
    ],
)  # fmt: skip
def test_where_a_model_came_from_is_known_by_its_record(name, source, expected):
    text = f"---\nname: {name}\nprototxt: [https://host/d.prototxt]\n---\n"
    model = CachedModel(name, Path(name), Card.parse(text, "readme.md"), Record(name, source, {}))
    assert _origin(model) == expected
