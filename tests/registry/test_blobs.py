"""One copy of each content, whatever it is called, on every kind of file system."""

import errno
import os
import shutil

import pytest

from zoo.registry.cache import Cache
from zoo.registry.fetch import fetch
from zoo.registry.hashes import Expected, hash_file


@pytest.fixture
def twins(models):
    """The models `tiny` and `twin`, which have the same weights under different names."""
    shutil.copytree(models / "tiny", models / "twin")
    (models / "twin/tiny.caffemodel").rename(models / "twin/net.caffemodel")
    readme = models / "twin/readme.md"
    readme.write_text(readme.read_text().replace("tiny.caffemodel", "net.caffemodel"))
    return models


@pytest.fixture
def cache(twins) -> Cache:
    fetch("tiny", twins)
    fetch("twin", twins)
    return Cache()


def weights(cache):
    return [cache.get(name).weights for name in ("tiny", "twin")]


def refuse(monkeypatch, *functions):
    """A file system without some kinds of links, as FAT has none."""
    for function in functions:

        def refused(*_, **__):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, function, refused)


def test_two_models_with_the_same_weights_take_the_space_once(cache):
    tiny, twin = weights(cache)
    (blob,) = cache.blobs.sizes()
    assert tiny.samefile(twin)
    assert tiny.samefile(cache.blobs.path(blob))
    assert blob == hash_file(tiny).sha256
    assert tiny.stat().st_nlink == 3
    assert [cache.get(name).damage() for name in ("tiny", "twin")] == ["", ""]


def test_blobs_are_read_only_and_what_people_edit_is_none(cache):
    assert weights(cache)[0].stat().st_mode & 0o222 == 0
    tiny, twin = cache.get("tiny").deploy, cache.get("twin").deploy
    assert tiny.read_bytes() == twin.read_bytes()
    assert not tiny.samefile(twin)
    assert tiny.stat().st_mode & 0o200


def test_weights_that_are_here_under_another_name_are_not_fetched(server, twins):
    fetch("tiny", server.url)
    server.faults["/twin/net.caffemodel"] = 500
    result = fetch("twin", server.url)
    assert result.downloaded
    assert result.verified
    assert "/twin/net.caffemodel" not in server.requests
    assert result.model.weights.samefile(Cache().get("tiny").weights)


def test_what_is_taken_from_another_model_is_hashed_first(server, twins):
    first = fetch("tiny", server.url).model.weights
    stamp = first.stat().st_mtime_ns
    rot(first)
    os.utime(first, ns=(stamp, stamp))
    result = fetch("twin", server.url)
    assert "/twin/net.caffemodel" in server.requests
    assert hash_file(result.model.weights).sha1 == result.verified[0].removeprefix("sha1:")


def rot(path):
    """What a disk does: other bytes, and nobody wrote them."""
    status = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"rot")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_fetching_one_again_mends_all_that_share_its_weights(cache, twins):
    tiny, twin = weights(cache)
    good = hash_file(tiny).sha256
    rot(tiny)
    assert hash_file(twin).sha256 != good
    fetch("tiny", twins, force=True)
    assert hash_file(twin).sha256 == hash_file(tiny).sha256 == good
    assert tiny.samefile(twin)
    for name in ("tiny", "twin"):
        cache.verify(name)
        assert cache.get(name).damage() == ""


def test_removing_one_keeps_the_weights_of_the_other(cache):
    size = weights(cache)[0].stat().st_size
    assert cache.remove("tiny") < size
    assert cache.get("twin").damage() == ""
    assert cache.remove("twin") > size
    assert cache.blobs.sizes() == {}


def test_a_new_version_takes_the_blob_of_the_old_one_away(models):
    old = fetch("tiny", models).model.record.files["tiny.caffemodel"].sha256
    (models / "tiny/tiny.caffemodel").write_bytes(b"new" * 1000)
    readme = models / "tiny/readme.md"
    sha1 = hash_file(models / "tiny/tiny.caffemodel").sha1
    lines = [f"sha1: {sha1}" if line.startswith("sha1") else line
             for line in readme.read_text().splitlines()]  # fmt: skip
    readme.write_text("\n".join(lines))
    fetch("tiny", models, force=True)
    assert old not in Cache().blobs.sizes()
    assert len(Cache().blobs.sizes()) == 1


def test_without_hard_links_there_are_symbolic_ones(twins, monkeypatch):
    refuse(monkeypatch, "link")
    fetch("tiny", twins)
    fetch("twin", twins)
    cache = Cache()
    for path in weights(cache):
        assert os.readlink(path).startswith("../../blobs/sha256/")
        assert cache.damage(cache.get(path.parent.name)) == ""
    cache.verify("tiny")
    moved = cache.home.with_name("moved")
    cache.home.rename(moved)  # what is relative moves with the folder
    cache = Cache(moved)
    assert cache.get("twin").damage() == ""
    assert cache.loose_blobs() == set()
    cache.remove("tiny")
    assert cache.get("twin").damage() == ""
    cache.remove("twin")
    assert cache.blobs.sizes() == {}


def test_without_any_links_each_model_has_its_own_copy(twins, monkeypatch):
    refuse(monkeypatch, "link", "symlink")
    fetch("tiny", twins)
    fetch("twin", twins)
    cache = Cache()
    tiny, twin = weights(cache)
    assert not tiny.is_symlink()
    assert not tiny.samefile(twin)
    assert cache.blobs.sizes() == {}
    cache.verify("tiny")
    assert cache.remove("tiny") > twin.stat().st_size


def test_a_full_folder_of_links_is_a_copy_and_no_failure(twins, monkeypatch):
    fetch("tiny", twins)

    def refused(*_, **__):
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(os, "symlink", refused)
    assert fetch("twin", twins).model.damage() == ""
    assert not weights(Cache())[0].samefile(weights(Cache())[1])


def test_taking_what_is_not_here_gives_nothing(cache, tmp_path):
    assert cache.take(Expected(sha1="0" * 40), tmp_path / "x") is None
    assert cache.take(Expected(sha256="0" * 64), tmp_path / "x") is None
    sha1 = cache.get("tiny").record.files["tiny.caffemodel"].sha1
    assert cache.take(Expected(sha1=sha1, sha256="0" * 64), tmp_path / "x") is None
    assert cache.take(Expected(sha1=sha1), tmp_path / "x").sha1 == sha1
    assert (tmp_path / "x").samefile(weights(cache)[0])


def test_hashes_are_those_of_hashlib_however_large_the_file(tmp_path):
    import hashlib

    content = os.urandom((1 << 23) + 17)
    (tmp_path / "x").write_bytes(content)
    seen = []
    hashes = hash_file(tmp_path / "x", seen.append)
    assert hashes.sha1 == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    assert hashes.sha256 == hashlib.sha256(content).hexdigest()
    assert seen[-1] == hashes.size == len(content)
    assert len(seen) > 2
