"""A cache of the layout before this one is read as it is, and brought up to date without loss."""

import os
import shutil

import pytest

from zoo.registry.cache import Cache
from zoo.registry.cached import Record
from zoo.registry.fetch import fetch


@pytest.fixture
def old(models) -> Cache:
    """A cache of layout 1 with `tiny`, `twin` with the same weights, and `other`."""
    shutil.copytree(models / "tiny", models / "twin")
    for name in ("tiny", "twin", "other"):
        fetch(name, models, accept_license=True)
    cache = Cache()
    for name in ("tiny", "twin", "other"):
        weights = cache.get(name).weights
        content, times = weights.read_bytes(), weights.stat()
        weights.unlink()
        weights.write_bytes(content)
        os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    shutil.rmtree(cache.home / "blobs")
    (cache.home / "LAYOUT").write_text("1\n")
    return cache


def test_it_is_read_as_it_is(old):
    before = sorted(old.home.rglob("*"))
    assert [model.name for model in old.models()] == ["other", "tiny", "twin"]
    assert {old.damage(model) for model in old.models()} == {""}
    assert sorted(old.home.rglob("*")) == before
    assert (old.home / "LAYOUT").read_text() == "1\n"


def test_the_first_change_brings_it_up_to_date(old):
    assert old.remove("other") > 0
    assert (old.home / "LAYOUT").read_text() == "2\n"
    assert [model.damage() for model in old.models()] == ["", ""]
    tiny, twin = (old.get(name).weights for name in ("tiny", "twin"))
    assert tiny.samefile(twin)
    assert list(old.blobs.sizes()) == [old.get("tiny").record.files[tiny.name].sha256]
    for name in ("tiny", "twin"):
        old.verify(name)


def test_what_is_damaged_does_not_become_a_blob(old):
    old.get("tiny").weights.write_bytes(b"damaged")
    other = old.get("other").weights
    other.write_bytes(bytes(other.stat().st_size))
    with old.lock("twin"):
        pass
    assert (old.home / "LAYOUT").read_text() == "2\n"
    assert len(old.blobs.sizes()) == 1
    assert old.get("twin").damage() == ""
    assert "bytes" in old.get("tiny").damage()
    assert "sha256 has changed" in old.get("other").damage()


def test_without_hard_links_the_files_stay_where_they_are(old, monkeypatch):
    def refused(*_, **__):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    with old.lock("tiny"):
        pass
    assert (old.home / "LAYOUT").read_text() == "2\n"
    assert [model.damage() for model in old.models()] == ["", "", ""]
    assert not any(model.weights.is_symlink() for model in old.models())


def test_the_record_says_the_same_as_before(old):
    before = {path: Record.read(path) for path in old.directories()}
    with old.lock("tiny"):
        pass
    for path, record in before.items():
        now = Record.read(path)
        assert now.verified_at == record.verified_at
        assert {name: file.sha256 for name, file in now.files.items()} == {
            name: file.sha256 for name, file in record.files.items()
        }
