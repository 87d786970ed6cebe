"""The pieces of a download: parts, gaps, answers to ranges, and several connections."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from flaky_server import cut, status

from zoo.errors import DownloadError
from zoo.registry import transfer_filling, transfer_gaps
from zoo.registry.download import Expected, Patience, download
from zoo.registry.hashes import hash_file
from zoo.registry.patience import Patience as Limits
from zoo.registry.patience import retry_after
from zoo.registry.transfer_gaps import Gaps
from zoo.registry.transfer_hashes import FollowingHashes
from zoo.registry.transfer_lock import is_live
from zoo.registry.transfer_part import Origin, Superseded, open_part
from zoo.registry.transfer_range import Placement, Question, place, strong_validator

ROOT = Path(__file__).parents[2]
ORIGIN = Origin("http://h/a", '"v"', 3_000_000)
CONTENT = bytes(range(256)) * 40_000  # 10 MB
HASHED = Expected(sha1=hashlib.sha1(CONTENT).hexdigest())


def test_a_part_keeps_what_was_written_and_where(tmp_path):
    with open_part(tmp_path, "key") as part:
        lease = part.begin(ORIGIN, restart=False)
        assert part.missing() == [(0, 3_000_000)]
        part.write(lease, 0, b"a" * 1000)
        part.write(lease, 2_000_000, b"b" * 1000)
        assert (part.whole, part.arrived) == (1000, 2000)
        assert part.missing() == [(1000, 2_000_000), (2_001_000, 3_000_000)]
    with open_part(tmp_path, "key") as part:
        assert (part.resumed, part.origin) == (2000, ORIGIN)
        assert part.missing() == [(1000, 2_000_000), (2_001_000, 3_000_000)]


def test_bytes_behind_a_hole_count_only_when_they_were_noted(tmp_path):
    with open_part(tmp_path, "key") as part:
        lease = part.begin(ORIGIN, restart=False)
        part.write(lease, 0, b"a" * 1000)
        part.write(lease, 2_000_000, b"b" * 1000)
        noted = json.loads((tmp_path / "key.json").read_text())
        assert noted["written"] == [[0, 1000]]
        left = part.path.read_bytes()
    # As a killed process leaves it: the second write had not been noted.
    (tmp_path / "key.part").write_bytes(left)
    (tmp_path / "key.json").write_text(json.dumps(noted))
    for _ in range(2):
        with open_part(tmp_path, "key") as part:
            assert part.missing() == [(1000, 3_000_000)]
            part.begin(ORIGIN, restart=False)


def test_only_the_last_writer_writes(tmp_path):
    with open_part(tmp_path, "key") as part:
        old = part.begin(ORIGIN, restart=False)
        new = part.begin(ORIGIN, restart=False)
        part.write(new, 0, b"new")
        with pytest.raises(Superseded):
            part.write(old, 0, b"old")
        part.revoke()
        with pytest.raises(Superseded):
            part.write(new, 3, b"more")
        assert part.path.read_bytes() == b"new"


def test_a_part_has_one_owner_at_a_time(tmp_path):
    with open_part(tmp_path, "key") as first, open_part(tmp_path, "key") as second:
        assert (first.path.name, second.path.name) == ("key.part", "key-2.part")
        assert is_live(first.path)
    assert list(tmp_path.iterdir()) == []
    assert not is_live(tmp_path / "key.part")


def test_a_part_is_no_link_to_somewhere_else(tmp_path):
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / "key.part").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="Too many levels"), open_part(tmp_path, "key"):
        pass
    assert (tmp_path / "precious").read_bytes() == b"mine"


def test_hashes_follow_a_part_through_holes_and_restarts(tmp_path):
    with open_part(tmp_path, "key") as part, FollowingHashes(part) as following:
        lease = part.begin(Origin("u", "", len(CONTENT)), restart=True)
        part.write(lease, 0, b"x" * 700_000)
        time.sleep(0.05)
        lease = part.begin(Origin("u", "", len(CONTENT)), restart=True)
        half = len(CONTENT) // 2
        part.write(lease, half, CONTENT[half:])
        part.write(lease, 0, CONTENT[:half])
        assert following.result() == hash_file(part.path)
        assert following.result().sha1 == HASHED.sha1


def test_gaps_are_filled_from_the_front_and_come_back():
    gaps = Gaps([(0, 100 << 20)])
    first = gaps.take()
    gaps.split(first, 4)
    second = gaps.take()
    assert (first.start, first.stop) == (0, second.start)
    second.start += 5
    gaps.done(second)
    assert gaps.take() == second
    gaps.close()
    assert gaps.take() is None


def test_nobody_leaves_while_a_gap_may_come_back():
    gaps = Gaps([(0, 10)])
    gap = gaps.take()
    threading.Timer(0.1, gaps.done, [gap]).start()
    assert gaps.take() == gap


@pytest.mark.parametrize(
    ("status", "headers", "announced", "expected"),
    [
        (206, {"Content-Range": "bytes 10-99/100"}, None, Placement(10, 100)),
        (206, {"Content-Range": "bytes 10-99/*"}, None, Placement(10, 100)),
        (206, {"Content-Range": "bytes 0-99/100"}, None, None),
        (206, {"Content-Range": "bytes 10-99/101"}, None, None),
        (206, {}, None, None),
        (200, {"ETag": '"v"'}, 100, Placement(0, 100)),
        (200, {"ETag": '"w"'}, 100, Placement(0, 100, restart=True)),
        (200, {}, 100, Placement(0, 100)),
        (200, {}, 99, Placement(0, 99, restart=True)),
        (200, {}, None, Placement(0, None, restart=True)),
        (416, {"Content-Range": "bytes */10"}, None, None),
        (416, {"Content-Range": "bytes */100"}, None, None),
        (416, {}, None, None),
    ],
)
def test_an_answer_to_a_range_is_understood(status, headers, announced, expected):
    origin = Origin("u", '"v"', 100)
    assert place(status, headers, Question(10), origin, "u", True, announced) == expected


def test_a_file_that_is_all_there_is_complete():
    origin = Origin("u", '"v"', None)
    headers = {"Content-Range": "bytes */10"}
    found = place(416, headers, Question(10, '"v"'), origin, "u", False, None)
    assert found == Placement(total=10, complete=True)


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a"', "Last-Modified": "x"}, '"a"'),
        ({"ETag": 'W/"a"'}, ""),
        ({"ETag": "a"}, ""),
        ({"ETag": '"a\r\nX: y"'}, ""),
        ({"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, ""),
        ({"Last-Modified": "nonsense", "Date": "nonsense"}, ""),
    ],
)
def test_only_a_strong_validator_counts(headers, validator):
    assert strong_validator(headers) == validator


@pytest.mark.parametrize(("seconds", "counts"), [(0, False), (1, True)])
def test_a_date_counts_when_it_is_older_than_the_answer(seconds, counts):
    changed = "Wed, 21 Oct 2015 07:28:00 GMT"
    headers = {"Last-Modified": changed, "Date": f"Wed, 21 Oct 2015 07:28:0{seconds} GMT"}
    assert strong_validator(headers) == (changed if counts else "")


def test_waits_grow_and_are_bounded():
    waits = [Limits().wait(failures, None) for failures in range(1, 30)]
    assert 0.25 <= waits[0] <= 0.5
    assert 2 <= waits[3] <= 4
    assert max(waits) == 60
    assert Limits(longest_wait=5).wait(1, 3600.0) == 5


FAR = "Wed, 21 Oct 2015 07:28:05 +9999999999999"


@pytest.mark.parametrize("text", ["", None, "soon", "-5", "1e9", "²", "Wed, 99 Foo", FAR])
def test_what_is_no_pause_is_ignored(text):
    assert retry_after(text) is None


def test_a_date_that_has_passed_is_no_pause():
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.fixture
def several(monkeypatch):
    """Let a file of 10 MB be large enough for several connections."""
    monkeypatch.setattr(transfer_filling, "_LARGE", 1 << 20)
    monkeypatch.setattr(transfer_filling, "_SLOW", 0.1)
    monkeypatch.setattr(transfer_filling, "_LOOK_FOR", 0.1)
    monkeypatch.setattr(transfer_gaps, "_SMALLEST", 1 << 18)


@pytest.fixture
def fetch(tmp_path):
    def run(*urls, expected=HASHED):
        patience = Patience(attempts=2, longest_wait=0.1)
        target, parts = tmp_path / "out", tmp_path / "parts"
        found = download(urls, target, expected=expected, parts=parts, patience=patience)
        assert target.read_bytes() == CONTENT
        assert list(parts.iterdir()) == []
        return found

    return run


def test_several_connections_bring_the_same_file(web, fetch, several):
    fetch(web.serve("/a", CONTENT, rate=8e6), expected=Expected())
    asked = [request for request in web.requests if request.range]
    assert len(asked) > 4
    assert {request.headers["If-Range"] for request in asked} == {f'"{HASHED.sha1}"'}


def no_second_connection(handler, file):
    handler.send_whole(b"busy", 429)


def answer_first(handler, file):
    handler.send_file(file)


@pytest.mark.parametrize(
    "fault", [no_second_connection, cut(1000), status(404), status(200)], ids=range(4)
)
def test_a_server_that_wants_one_connection_gets_one(web, fetch, several, fault):
    fetch(web.serve("/a", CONTENT, answer_first, fault, fault, fault, rate=8e6))


@pytest.mark.parametrize("how", [{"etag": ""}, {"etag": 'W/"1"'}, {"ranges": False}])
def test_a_file_that_could_change_unseen_comes_over_one(web, fetch, several, how):
    fetch(web.serve("/a", CONTENT, rate=16e6, **how))
    assert web.ranges() == [None]


def test_a_file_that_changes_meanwhile_is_not_mixed(web, tmp_path, several):
    def change(handler, file):
        web.serve("/a", CONTENT[::-1], rate=8e6)
        handler.send_file(web.files["/a"])

    url = web.serve("/a", CONTENT, answer_first, change, rate=8e6)
    parts = tmp_path / "parts"
    result = download([url], tmp_path / "out", expected=Expected(), parts=parts)
    assert (tmp_path / "out").read_bytes() in (CONTENT, CONTENT[::-1])
    assert result.hashes == hash_file(tmp_path / "out")


FETCH = """
import sys
from pathlib import Path
from zoo.registry import transfer_filling, transfer_gaps, transfer_part
from zoo.registry.download import Expected, download
transfer_filling._LARGE = transfer_part._SAVE_EVERY = 1 << 20
transfer_filling._SLOW = transfer_filling._LOOK_FOR = 0.1
transfer_gaps._SMALLEST = 1 << 18
folder = Path(sys.argv[1])
download(sys.argv[2:], folder / "out", parts=folder / "parts")
"""


def test_several_connections_that_are_killed_are_resumed(web, fetch, tmp_path):
    url = web.serve("/a", CONTENT, rate=2e6)
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, str(tmp_path), url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )
    deadline = time.monotonic() + 30
    while '"written": [[0, ' not in "".join(p.read_text() for p in tmp_path.glob("parts/*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    web.files["/a"].rate = None
    assert fetch(url, expected=Expected()).resumed_from > 300_000


def test_a_mirror_that_dies_among_connections_leaves_good_bytes(web, tmp_path, several):
    url = web.serve("/a", CONTENT, rate=4e6)
    stop = threading.Event()

    def die(_, done, __):
        if done > len(CONTENT) // 2:
            web.files.pop("/a", None)
            web.faults["/a"] = [status(404)] * 99
            stop.set()

    parts = tmp_path / "parts"
    with pytest.raises(DownloadError):
        download([url], tmp_path / "out", expected=HASHED, parts=parts, progress=die, stop=stop)
    other = web.serve("/b", CONTENT)
    result = download([other], tmp_path / "out", expected=HASHED, parts=parts)
    assert result.resumed_from > len(CONTENT) // 2


def test_a_lock_that_leaves_no_file_lets_in_one_process_at_a_time(tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from zoo.registry.transfer_lock import alone\n"
        "count = Path(sys.argv[2], 'count')\n"
        "for _ in range(300):\n"
        "    with alone(Path(sys.argv[2], 'lock')):\n"
        "        seen = int(count.read_text())\n"
        "        count.write_text(str(seen + 1))\n"
    )
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", script, str(ROOT), str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert (tmp_path / "count").read_text() == "1200"
    assert [path.name for path in tmp_path.iterdir()] == ["count"]
