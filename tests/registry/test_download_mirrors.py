"""Mirrors in order, the next one beside a stalled one, and several files at once."""

import hashlib
import time

import pytest
from flaky_server import cut, page, stall, status

from zoo.errors import DownloadError, HashMismatchError
from zoo.registry.download import Expected, Patience, download
from zoo.registry.download_all import Job, download_all

CONTENT = bytes(range(256)) * 12_000
HALF = len(CONTENT) // 2
HASHED = Expected(sha1=hashlib.sha1(CONTENT).hexdigest(), size=len(CONTENT))
SOON = Patience(connect=2, read=20, stall=0.3, attempts=2, longest_wait=0.05)


@pytest.fixture
def fetch(tmp_path):
    def run(*urls, expected=HASHED, patience=SOON, **options):
        options["parts"] = run.parts
        return download(urls, run.target, expected=expected, patience=patience, **options)

    run.target, run.parts = tmp_path / "tiny.caffemodel", tmp_path / "parts"
    return run


def paths(web):
    return [request.path for request in web.requests]


def test_the_next_mirror_is_asked_only_when_one_fails(web, fetch):
    good, other = web.serve("/good", CONTENT), web.serve("/other", CONTENT)
    missing = web.url + "/missing"
    result = fetch(missing, good, other)
    assert result.url == good
    assert result.attempts == ((missing, "HTTP 404 Not Found"),)
    assert paths(web) == ["/missing", "/good"]


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"x", CONTENT[:HALF], b"<html>sorry</html>"])
def test_a_mirror_with_another_file_is_passed_over(web, fetch, wrong):
    first, second = web.serve("/wrong", wrong), web.serve("/right", CONTENT)
    result = fetch(first, second)
    assert result.url == second
    assert result.attempts == ((first, "gave another file"),)
    assert fetch.target.read_bytes() == CONTENT


def test_a_wrong_file_and_dead_mirrors_are_told_together(web, fetch):
    first = web.serve("/wrong", b"", page())
    with pytest.raises(HashMismatchError) as error:
        fetch(first, web.url + "/missing")
    assert "HTML page" in str(error.value)
    assert "/missing: HTTP 404" in str(error.value)
    assert not fetch.target.exists()


@pytest.mark.parametrize("after", [0, HALF])
@pytest.mark.parametrize("expected", [HASHED, Expected()])
def test_a_stalled_mirror_is_overtaken(web, fetch, after, expected):
    slow = web.serve("/slow", CONTENT, stall(after))
    good = web.serve("/good", CONTENT)
    began = time.monotonic()
    assert fetch(slow, good, expected=expected).url == good
    assert time.monotonic() - began < 5
    assert fetch.target.read_bytes() == CONTENT
    # With a hash the bytes of the slow one are good for the other; without, nobody knows.
    used = f"bytes={HALF}-" if after and expected is HASHED else None
    assert web.ranges() == [None, used]


def test_a_stalled_mirror_that_ignores_ranges_is_no_worse(web, fetch):
    slow = web.serve("/slow", CONTENT, stall(HALF))
    good = web.serve("/good", CONTENT, ranges=False)
    assert fetch(slow, good).url == good
    assert fetch.target.read_bytes() == CONTENT


def test_a_mirror_that_differs_after_a_stall_gets_a_second_look(web, fetch):
    slow = web.serve("/slow", CONTENT[::-1], stall(HALF))
    good = web.serve("/good", CONTENT)
    assert fetch(slow, good).url == good
    assert fetch.target.read_bytes() == CONTENT


def test_a_mirror_that_waits_for_a_busy_server_is_overtaken(web, fetch):
    busy = web.serve("/busy", CONTENT, status(503, Retry_After="30"))
    good = web.serve("/good", CONTENT)
    began = time.monotonic()
    assert fetch(busy, good, patience=Patience(stall=0.3)).url == good
    assert time.monotonic() - began < 5


def test_a_mirror_that_moves_again_keeps_the_lead(web, fetch):
    def pause(handler, file):
        handler.begin(200, len(file.content), file.validators())
        handler.wfile.write(file.content[:HALF])
        handler.wfile.flush()
        time.sleep(0.6)
        handler.wfile.write(file.content[HALF:])

    first = web.serve("/first", CONTENT, pause)
    silent = web.serve("/silent", CONTENT, *[stall(0)] * 3)
    assert fetch(first, silent).url == first
    assert paths(web) == ["/first", "/silent"]


def test_a_slow_mirror_is_used_when_the_others_fail(web, fetch):
    first = web.serve("/first", CONTENT, stall(HALF))
    dying = web.serve("/dying", CONTENT, cut(100_000), *[status(404)] * 5)
    result = fetch(first, dying)
    assert result.url == first
    assert fetch.target.read_bytes() == CONTENT


def test_several_files_come_at_once(web, tmp_path):
    contents = {f"{number}.bin": bytes([number]) * 300_000 for number in range(6)}
    jobs = [
        Job([web.serve(f"/{name}", content, rate=1e6)], tmp_path / name, Expected(size=300_000))
        for name, content in contents.items()
    ]
    told = []
    results = download_all(jobs, parts=tmp_path / "parts", progress=lambda *step: told.append(step))
    first_done = next(index for index, (_, done, total) in enumerate(told) if done == total)
    assert len({name for name, _, _ in told[:first_done]}) > 1
    assert [result.url.rpartition("/")[2] for result in results] == list(contents)
    assert all((tmp_path / name).read_bytes() == content for name, content in contents.items())
    assert {name for name, done, total in told if done == total} == set(contents)


def test_one_file_that_fails_stops_the_others(web, tmp_path):
    jobs = [
        Job([web.serve("/slow", CONTENT, rate=5e5)], tmp_path / "slow"),
        Job([web.url + "/missing"], tmp_path / "missing"),
    ]
    began = time.monotonic()
    with pytest.raises(DownloadError, match="missing could not be fetched"):
        download_all(jobs, parts=tmp_path / "parts")
    assert time.monotonic() - began < 3
    assert not (tmp_path / "slow").exists()
