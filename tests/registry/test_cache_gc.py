"""What could go is listed first, and only what nobody needs goes."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from zoo.errors import UsageError
from zoo.registry.cache import Cache
from zoo.registry.cache_gc import collect, find_waste, last_used
from zoo.registry.cache_info import cache_facts
from zoo.registry.fetch import fetch
from zoo.registry.usage import record_use

DAY = timedelta(days=1)


@pytest.fixture
def cache(models) -> Cache:
    """A cache with `tiny`, `twin` with the same weights, and `other`."""
    shutil.copytree(models / "tiny", models / "twin")
    for name in ("tiny", "twin"):
        fetch(name, models)
    other = models / "other"
    (other / "other.caffemodel").write_bytes(b"other" * 500)
    readme = (other / "readme.md").read_text()
    (other / "readme.md").write_text(
        "\n".join(line for line in readme.splitlines() if not line.startswith("sha1"))
    )
    fetch("other", models, accept_license=True)
    return Cache()


def age(cache, name, days):
    """Let a model look as if it was not used for some days."""
    model = cache.get(name)
    long_ago = datetime.now(UTC) - days * DAY
    record = (model.directory / "zoo.json").read_text()
    (model.directory / "zoo.json").write_text(
        record.replace(model.record.verified_at, long_ago.isoformat(timespec="seconds"))
    )
    status = model.weights.stat()
    os.utime(model.weights, ns=(int(long_ago.timestamp() * 1e9), status.st_mtime_ns))


def names(wastes):
    return [(waste.kind, waste.name) for waste in wastes]


def test_a_clean_cache_has_nothing_to_collect(cache):
    assert find_waste(cache) == []
    assert collect(cache, []) == (0, [])


def test_a_blob_that_no_model_has_goes_with_its_bytes(cache):
    shutil.rmtree(cache.path("other"))  # by hand, as people do
    (waste,) = find_waste(cache)
    assert (waste.kind, waste.bytes, waste.why) == ("blob", 2500, "no model has it")
    assert waste.path.exists()
    assert collect(cache, [waste]) == (2500, [])
    assert not waste.path.exists()
    assert [cache.verify(name) and name for name in ("tiny", "twin")] == ["tiny", "twin"]


def test_a_blob_that_is_wanted_again_meanwhile_stays(cache, models):
    shutil.rmtree(cache.path("other"))
    wastes = find_waste(cache)
    fetch("other", models, accept_license=True)
    assert collect(cache, wastes) == (0, wastes)
    cache.verify("other")


def test_parts_go_unless_a_process_works_on_them(cache):
    cache.parts.mkdir()
    for name in ("sha1-aa.part", "sha1-aa.json", "sha1-bb.part", "sha1-bb.json", "sha1-cc.json"):
        (cache.parts / name).write_bytes(b"x" * 5000)
    with (cache.parts / "sha1-bb.part").open("rb") as live:
        fcntl.flock(live, fcntl.LOCK_EX)
        wastes = find_waste(cache)
        assert [waste.name for waste in wastes] == ["sha1-aa.json", "sha1-aa.part", "sha1-cc.json"]
        assert cache_facts(cache).partials == 2
        freed, left = collect(cache, wastes)
    assert (freed, left) == (15_000, [])
    assert sorted(os.listdir(cache.parts)) == ["sha1-bb.json", "sha1-bb.part"]


def test_a_part_that_somebody_took_up_meanwhile_stays(cache):
    cache.parts.mkdir()
    part = cache.parts / "sha1-aa.part"
    part.write_bytes(b"x")
    wastes = find_waste(cache)
    with part.open("rb") as live:
        fcntl.flock(live, fcntl.LOCK_EX)
        assert collect(cache, wastes) == (0, wastes)
    assert part.exists()


def test_young_parts_stay_where_an_age_is_given(cache):
    cache.parts.mkdir()
    for name, days in (("young.part", 1), ("old.part", 9)):
        (cache.parts / name).write_bytes(b"x")
        long_ago = time.time() - days * 86_400
        os.utime(cache.parts / name, (long_ago, long_ago))
    assert names(find_waste(cache, older_than=5 * DAY)) == [("part", "old.part")]


HOLD = """
import sys
from zoo.registry.cache import Cache
with Cache().lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held():
    """Another process that holds the lock of `tiny`."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", HOLD, "tiny"]
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.communicate()


def test_what_a_live_process_works_on_stays(cache, held):
    work = cache.home / "models" / f".partial-tiny-{'0' * 32}"
    dead = cache.home / "models" / f".partial-other-{'0' * 32}"
    for directory in (work, dead):
        directory.mkdir()
        (directory / "file").write_bytes(b"x" * 100)
    age(cache, "tiny", 50)
    wastes = find_waste(cache, older_than=30 * DAY)
    assert names(wastes) == [("model", "tiny"), ("leftover", dead.name)]
    freed, left = collect(cache, wastes)
    assert (freed, names(left)) == (100, [("model", "tiny")])
    assert work.exists()
    assert not dead.exists()
    assert cache.get("tiny").damage() == ""


def test_what_a_killed_removal_left_goes_with_its_blob(cache):
    cache.path("other").rename(cache.home / "models" / f".partial-other-{'0' * 32}")
    wastes = find_waste(cache)
    assert [waste.kind for waste in wastes] == ["leftover", "blob"]
    assert collect(cache, wastes)[1] == []
    assert find_waste(cache) == []
    assert len(cache.blobs.sizes()) == 1


def test_a_copy_that_is_to_be_put_back_is_no_waste(cache):
    cache.path("other").rename(cache.home / "models" / f".old-other-{'0' * 32}")
    assert find_waste(cache) == []
    assert cache.get("other").damage() == ""


def test_temporary_files_go(cache):
    (cache.path("tiny") / f".{'0' * 32}").write_bytes(b"x")
    (cache.home / "blobs/sha256" / f".{'0' * 32}").write_bytes(b"x")
    wastes = find_waste(cache)
    assert [waste.kind for waste in wastes] == ["leftover", "leftover"]
    collect(cache, wastes)
    assert find_waste(cache) == []
    cache.verify("tiny")


def test_models_go_that_were_not_used_for_long_and_their_blobs_with_the_last(cache):
    age(cache, "tiny", 40)
    age(cache, "other", 40)  # twin shares its inode with tiny, but was verified today
    wastes = find_waste(cache, older_than=30 * DAY)
    assert names(wastes) == [("model", "other"), ("model", "tiny")]
    assert wastes[0].why == "not used for 40 days"
    assert wastes[0].bytes > 2500
    assert wastes[1].bytes < 307_200
    age(cache, "twin", 40)
    wastes = find_waste(cache, older_than=30 * DAY)
    freed, left = collect(cache, wastes)
    assert left == []
    assert freed == sum(waste.bytes for waste in wastes) > 307_200 + 2500
    assert cache.models() == []
    assert cache.blobs.sizes() == {}


def test_models_to_keep_stay(cache):
    age(cache, "tiny", 40)
    age(cache, "other", 40)
    assert names(find_waste(cache, older_than=30 * DAY, keep=["TINY"])) == [("model", "other")]
    assert find_waste(cache, older_than=50 * DAY) == []
    with pytest.raises(UsageError, match=r"--keep tinny.*Did you mean tiny"):
        find_waste(cache, older_than=DAY, keep=["tinny"])


def test_any_sign_of_use_counts(cache):
    age(cache, "tiny", 40)
    assert datetime.now(UTC) - last_used(cache.get("tiny"), cache.home) > 39 * DAY
    record_use("tiny", cache.home)
    assert datetime.now(UTC) - last_used(cache.get("tiny"), cache.home) < DAY
    age(cache, "other", 40)
    weights = cache.get("other").weights
    os.utime(weights, ns=(time.time_ns(), weights.stat().st_mtime_ns))  # somebody reads them
    assert datetime.now(UTC) - last_used(cache.get("other"), cache.home) < DAY


def test_the_facts_of_a_cache(cache):
    facts = cache_facts(cache)
    assert (facts.layout, facts.models, facts.blobs, facts.writable) == (2, 3, 2, True)
    assert facts.bytes_shared == 307_200
    own = {path.stat().st_ino: path.stat().st_size
           for folder in ("models", "blobs") for path in (cache.home / folder).rglob("*")
           if path.is_file()}  # fmt: skip
    assert facts.bytes == sum(own.values())
    assert (facts.waste_bytes, facts.feature_bytes) == (0, 0)
    (cache.home / "features/key").mkdir(parents=True)
    (cache.home / "features/key/rows.f32").write_bytes(bytes(12))
    assert cache_facts(cache).feature_bytes == 12


def test_the_facts_of_no_cache_create_nothing(tmp_path):
    facts = cache_facts(Cache(tmp_path / "none"))
    assert (facts.layout, facts.models, facts.bytes, facts.waste_bytes) == (None, 0, 0, 0)
    assert list(tmp_path.iterdir()) == []
