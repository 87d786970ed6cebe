"""Fetching what is here already: --force, a damaged copy, a source that says something else."""

import pytest

from zoo.errors import DownloadError, HashMismatchError
from zoo.registry.fetch import fetch

WEIGHTS_PATH = "/tiny/tiny.caffemodel"


def test_force_fetches_again_and_a_bad_new_file_keeps_the_old(server, own_zoo_home):
    first = fetch("tiny", server.url)
    stamp = first.model.weights.stat().st_mtime_ns
    for fault in ("corrupted", "truncated", "dying", 500):
        server.faults[WEIGHTS_PATH] = fault
        with pytest.raises((HashMismatchError, DownloadError)):
            fetch("tiny", server.url, force=True)
        assert fetch("tiny", server.url).model.weights.stat().st_mtime_ns == stamp
    server.faults.clear()
    second = fetch("tiny", server.url, force=True)
    assert second.downloaded
    assert second.model.weights.stat().st_mtime_ns > stamp
    assert [path.name for path in (own_zoo_home / "models").iterdir()] == ["tiny"]


def test_a_damaged_copy_is_fetched_again(models):
    fetch("tiny", models).model.weights.write_bytes(b"short")
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
