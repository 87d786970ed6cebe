"""The cache: its layout is a contract, and a model in it is whole or not there."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from zoo.errors import (
    HashMismatchError,
    UnavailableError,
    UnknownModelError,
    UsageError,
    VerificationError,
)
from zoo.registry.cache import Cache
from zoo.registry.cache_folder import delete
from zoo.registry.cached import CachedModel
from zoo.registry.fetch import fetch


@pytest.fixture
def cache(models) -> Cache:
    """A cache with the model `tiny`."""
    fetch("tiny", models)
    return Cache()


def test_the_layout_is_a_contract(cache, own_zoo_home, models):
    content = (models / "tiny/tiny.caffemodel").read_bytes()
    files = {str(p.relative_to(own_zoo_home)) for p in own_zoo_home.rglob("*") if p.is_file()}
    assert files == {
        "LAYOUT",
        f"blobs/sha256/{hashlib.sha256(content).hexdigest()}",
        "locks/.blobs.lock",
        "locks/tiny.lock",
        "models/tiny/readme.md",
        "models/tiny/deploy.prototxt",
        "models/tiny/tiny.caffemodel",
        "models/tiny/zoo.json",
    }
    assert (own_zoo_home / "LAYOUT").read_text() == "2\n"
    record = json.loads((own_zoo_home / "models/tiny/zoo.json").read_text())
    assert sorted(record) == [
        "files", "format", "name", "source", "verified_against", "verified_at", "weights",
    ]  # fmt: skip
    assert sorted(record["files"]["readme.md"]) == ["mtime_ns", "sha1", "sha256", "size"]
    assert record["format"] == 1


def test_zoo_home_decides_and_the_platform_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "here"))
    assert Cache().home == tmp_path / "here"
    assert Cache(tmp_path / "there").home == tmp_path / "there"
    monkeypatch.setenv("ZOO_HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "platform"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Cache().home.name == "zoo"
    assert Cache().home.is_relative_to(tmp_path)


def test_looking_creates_nothing(tmp_path):
    cache = Cache(tmp_path / "cache")
    assert cache.models() == []
    assert cache.get("tiny") is None
    assert cache.free_bytes() > 0
    assert cache.describe()["writable"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["TINY", "The Tiny Model", "the tiny model"])
def test_a_model_is_found_in_any_case_and_by_its_title(cache, name):
    assert cache.get(name).name == "tiny"


@pytest.mark.parametrize("name", ["../tiny", "/tmp/tiny", ".tiny", "a/b", ""])
def test_a_path_is_refused_as_a_name(cache, name):
    for action in (cache.path, cache.get, cache.remove, cache.verify):
        with pytest.raises(UsageError):
            action(name)


def test_a_cached_model_knows_its_files(cache):
    model = cache.get("tiny")
    assert model.weights == model.directory / "tiny.caffemodel"
    assert model.prototxt() == model.deploy == model.directory / "deploy.prototxt"
    assert model.train_val is None
    assert model.labels is None
    (model.directory / "labels.txt").write_text("a\n")
    (model.directory / "train_val.prototxt").write_text("")
    assert model.labels == model.directory / "labels.txt"
    assert model.prototxt("train_val") == model.train_val
    with pytest.raises(UsageError, match="expected 'deploy' or 'train_val'"):
        model.prototxt("solver")


@pytest.mark.parametrize(
    "record", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "name": "tiny"}', None, "\udcff"]
)
def test_a_directory_without_a_valid_record_is_no_model(cache, record):
    path = cache.path("tiny") / "zoo.json"
    if record is None:
        path.unlink()
    else:
        path.write_bytes(record.encode("utf-8", "surrogateescape"))
    assert cache.get("tiny") is None
    assert cache.models() == []


def test_a_record_cannot_name_files_elsewhere(cache):
    path = cache.path("tiny") / "zoo.json"
    record = json.loads(path.read_text())
    record["files"]["../../../secret"] = record["files"].pop("readme.md")
    path.write_text(json.dumps(record))
    assert cache.get("tiny") is None


def test_verify_hashes_everything_and_says_when(cache):
    before = cache.get("tiny").record
    os.utime(cache.path("tiny") / "readme.md")
    hashes = cache.verify("tiny")
    assert sorted(hashes) == ["deploy.prototxt", "readme.md", "tiny.caffemodel"]
    assert hashes["tiny.caffemodel"].sha1 == before.files["tiny.caffemodel"].sha1
    after = cache.get("tiny").record
    assert after.files["readme.md"].mtime_ns != before.files["readme.md"].mtime_ns
    assert after.verified_at >= before.verified_at


def test_verify_names_the_damaged_file_with_both_hashes(cache):
    model = cache.get("tiny")
    content = bytearray(model.weights.read_bytes())
    content[7] ^= 1
    stamp = model.weights.stat().st_mtime_ns
    model.weights.chmod(0o600)
    model.weights.write_bytes(content)
    os.utime(model.weights, ns=(stamp, stamp))
    assert model.damage() == ""  # size and time are right: only hashing shows it
    with pytest.raises(HashMismatchError) as error:
        cache.verify("tiny")
    assert error.value.exit_code == 3
    expected = model.record.files["tiny.caffemodel"].sha1
    assert error.value.expected == expected
    for text in (str(model.weights), expected, error.value.received, "zoo fetch tiny --force"):
        assert text in str(error.value)
    assert "deploy.prototxt" not in str(error.value)


def test_verify_names_a_missing_file(cache):
    cache.get("tiny").deploy.unlink()
    with pytest.raises(VerificationError, match=r"deploy\.prototxt: missing"):
        cache.verify("tiny")


def test_damage_is_seen_by_size_and_by_time(cache):
    model = cache.get("tiny")
    os.utime(model.deploy)
    assert model.damage() == ""
    model.deploy.write_text(model.deploy.read_text().replace("tiny", "tony"))
    assert "its sha256 has changed" in model.damage()
    model.deploy.write_text("")
    assert "has 0 bytes" in model.damage()
    model.deploy.unlink()
    assert "cannot be read" in model.damage()


def test_remove_frees_and_forgets(cache, own_zoo_home):
    size = sum(f.stat().st_size for f in cache.path("tiny").iterdir())
    assert cache.remove("The Tiny Model") == size
    assert cache.models() == []
    assert list((own_zoo_home / "models").iterdir()) == []
    with pytest.raises(UnknownModelError):
        cache.remove("tiny")


def test_remove_also_removes_what_is_no_model_any_more(cache):
    (cache.path("tiny") / "zoo.json").unlink()
    cache.remove("tiny")
    assert not cache.path("tiny").exists()


def test_of_two_removals_at_once_the_second_finds_no_model(cache):
    ended = []

    def remove():
        with pytest.raises(UnknownModelError):
            cache.remove("tiny")
        ended.append(True)

    second = threading.Thread(target=remove)
    with cache.lock("tiny"):
        second.start()
        time.sleep(0.2)  # it found the model and waits for its turn
        delete(cache.path("tiny"))
    second.join(5)
    assert ended == [True]


def test_what_another_process_took_away_meanwhile_is_said_to_be_gone(cache):
    with pytest.raises(UnavailableError, match="by another process") as error, cache.explained():
        (cache.home / "models/gone").stat()
    assert "ZOO_HOME" not in str(error.value)


def test_a_model_that_is_not_here_suggests_the_nearest(cache):
    with pytest.raises(UnknownModelError, match="Did you mean tiny"):
        cache.verify("tinny")


def test_describe_counts(cache, own_zoo_home):
    facts = cache.describe()
    assert facts["home"] == str(own_zoo_home)
    assert (facts["models"], facts["writable"], facts["problem"]) == (1, True, "")
    assert facts["bytes"] == cache.get("tiny").size


@pytest.mark.parametrize("marker", ["7", "two", ""])
def test_a_cache_of_another_layout_is_refused_and_left_alone(cache, models, marker):
    (cache.home / "LAYOUT").write_text(f"{marker}\n")
    before = sorted(cache.home.rglob("*"))
    for action in (cache.models, lambda: cache.get("tiny"), lambda: fetch("other", models)):
        with pytest.raises(UsageError, match=f"layout '{marker}', this zoo knows those up to 2"):
            action()
    assert "set ZOO_HOME" in cache.describe()["problem"]
    assert sorted(cache.home.rglob("*")) == before


def test_a_replacement_killed_between_its_renames_is_undone_by_whoever_looks(cache):
    cache.path("tiny").rename(cache.home / "models" / f".old-tiny-{'0' * 32}")
    assert cache.get("tiny").damage() == ""
    assert [p.name for p in (cache.home / "models").iterdir()] == ["tiny"]


def test_sweeping_leaves_the_fetches_of_other_models_alone(cache):
    mine = cache.home / "models" / f".partial-tiny-{'0' * 32}"
    theirs = cache.home / "models" / f".partial-tiny-two-{'0' * 32}"
    mine.mkdir()
    theirs.mkdir()
    with cache.lock("tiny"):
        assert not mine.exists()
        assert theirs.exists()


def test_a_failed_replacement_puts_the_old_copy_back(cache, monkeypatch):
    real, model = Path.rename, cache.get("tiny")

    def rename(path, target):
        if path.name.startswith(".partial-"):
            raise OSError(errno.EIO, "Input/output error")
        return real(path, target)

    with cache.lock("tiny"), cache.staging("tiny") as directory:
        monkeypatch.setattr(Path, "rename", rename)
        with pytest.raises(UnavailableError, match="Input/output error"):
            cache.install(directory, model.record)
    monkeypatch.undo()
    assert CachedModel.read(model.directory).record == model.record
    assert [p.name for p in (cache.home / "models").iterdir()] == ["tiny"]


def test_a_cache_below_a_file_names_the_folder_and_the_way_out(tmp_path, models):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")
    with pytest.raises(UnavailableError) as error:
        fetch("tiny", models, cache=cache)
    assert error.value.exit_code == 4
    assert str(cache.home) in str(error.value)
    assert "Set ZOO_HOME" in str(error.value)
    assert cache.describe()["writable"] is False


def test_a_changed_time_is_hashed_once_and_then_noted(cache):
    model = cache.get("tiny")
    os.utime(model.weights, ns=(1, 1))
    assert cache.damage(model) == ""
    noted = cache.get("tiny").record
    assert noted.files["tiny.caffemodel"].mtime_ns == 1
    assert noted.verified_at == model.record.verified_at
    with cache.lock("tiny"):  # while somebody works on the model it is not waited for
        os.utime(model.weights, ns=(2, 2))
        assert cache.damage(cache.get("tiny")) == ""
    assert cache.get("tiny").record == noted


READ = """
import json, sys
from zoo.registry.cache import Cache
from zoo.registry.fetch import fetch
cache = Cache()
result = fetch("tiny")
print(json.dumps([result.downloaded, sorted(cache.verify("tiny")), cache.describe()["writable"]]))
"""


def test_a_cache_that_may_not_be_written_is_read_and_verified(cache, own_zoo_home):
    before = sorted(own_zoo_home.rglob("*"))
    os.utime(cache.get("tiny").weights)  # has to be hashed, and cannot be noted
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
               'mount --bind "$ZOO_HOME" "$ZOO_HOME" && mount -o remount,bind,ro "$ZOO_HOME"'
               ' && exec "$@"', "sh", sys.executable, "-c", READ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this system lets nobody mount a folder read-only")
    assert done.stderr == ""
    downloaded, verified, writable = json.loads(done.stdout)
    assert (downloaded, writable) == (False, False)
    assert verified == ["deploy.prototxt", "readme.md", "tiny.caffemodel"]
    assert sorted(own_zoo_home.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_without_write_permission_names_the_folder_and_the_way_out(cache, models):
    for path in (cache.home / "models", cache.home / "locks", cache.home):
        path.chmod(0o500)
    try:
        assert not fetch("tiny", models).downloaded
        assert cache.verify("tiny")
        with pytest.raises(UnavailableError, match=r"Permission denied.*Set ZOO_HOME"):
            fetch("other", models)
        with pytest.raises(UnavailableError, match="Permission denied"):
            cache.remove("tiny")
        assert cache.describe()["writable"] is False
        (cache.home / "models").chmod(0)
        assert "Permission denied" in cache.describe()["problem"]
    finally:
        for path in (cache.home, cache.home / "models", cache.home / "locks"):
            path.chmod(0o700)
