"""A download that was cut, stopped or killed goes on where it ended, and never with wrong bytes."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flaky_server import cut, redirect, sends, status

from zoo.errors import DownloadError, HashMismatchError
from zoo.registry.download import Expected, Patience, download
from zoo.registry.hashes import hash_file
from zoo.registry.transfer_lock import is_live

ROOT = Path(__file__).parents[2]
CONTENT = bytes(range(256)) * 12_000
OTHER = CONTENT[::-1]
HALF = len(CONTENT) // 2
HASHED = Expected(sha1=hashlib.sha1(CONTENT).hexdigest())
ONCE = Patience(attempts=1, stall=9)


@pytest.fixture
def fetch(tmp_path):
    def run(*urls, expected=HASHED, patience=ONCE):
        return download(urls, run.target, expected=expected, parts=run.parts, patience=patience)

    run.target, run.parts = tmp_path / "tiny.caffemodel", tmp_path / "parts"
    return run


def begin(web, fetch, expected=HASHED, path="/a", **how):
    """Bring the first half; what is left is a part."""
    url = web.serve(path, CONTENT, cut(HALF), **how)
    with pytest.raises(DownloadError, match=f"{HALF} bytes came and are kept"):
        fetch(url, expected=expected)
    web.requests.clear()
    return url


@pytest.mark.parametrize("expected", [HASHED, Expected()])
def test_the_rest_is_fetched_with_the_validator(web, fetch, expected):
    url = begin(web, fetch, expected)
    result = fetch(url, expected=expected)
    assert result.resumed_from == HALF
    assert result.hashes == hash_file(fetch.target)
    assert fetch.target.read_bytes() == CONTENT
    assert web.ranges() == [f"bytes={HALF}-"]
    assert web.requests[0].headers["If-Range"] == f'"{HASHED.sha1}"'
    assert list(fetch.parts.iterdir()) == []


def test_a_date_is_a_validator_and_a_weak_etag_is_none(web, fetch):
    url = begin(web, fetch, Expected(), etag="", last_modified=True)
    assert fetch(url, expected=Expected()).resumed_from == HALF
    assert web.requests[0].headers["If-Range"].endswith("GMT")
    url = begin(web, fetch, Expected(), "/b", etag='W/"1"')
    assert fetch(url, expected=Expected()).resumed_from == 0
    assert web.ranges() == [None]


@pytest.mark.parametrize("expected", [HASHED, Expected()])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changed_is_fetched_anew(web, fetch, expected, ranges):
    url = begin(web, fetch, Expected())
    web.serve("/a", OTHER, ranges=ranges)
    result = fetch(url, expected=Expected())
    assert fetch.target.read_bytes() == OTHER
    assert result.resumed_from == 0
    assert len(web.requests) == 1


def test_a_server_that_ignores_ranges_sends_all(web, fetch):
    url = begin(web, fetch)
    web.serve("/a", CONTENT, ranges=False)
    fetch(url)
    assert fetch.target.read_bytes() == CONTENT
    assert web.ranges() == [f"bytes={HALF}-"]


@pytest.mark.parametrize("answer", [status(416), status(416, Content_Range="bytes */5")])
def test_a_range_that_is_refused_is_asked_for_as_a_whole(web, fetch, answer):
    url = begin(web, fetch)
    web.serve("/a", CONTENT, answer)
    fetch(url)
    assert fetch.target.read_bytes() == CONTENT
    assert web.ranges() == [f"bytes={HALF}-", None]


@pytest.mark.parametrize("claim", ["bytes 0-9/10", "bytes 7-8/9", "nonsense", ""])
def test_another_range_than_the_one_asked_for_is_not_written(web, fetch, claim):
    def answer(handler, file):
        handler.send_whole(b"0123456789", 206, {"Content-Range": claim})

    url = begin(web, fetch)
    web.serve("/a", CONTENT, answer)
    fetch(url)
    assert fetch.target.read_bytes() == CONTENT


def test_wrong_bytes_of_before_do_not_spoil_the_right_file(web, fetch):
    url = begin(web, fetch)
    part = next(fetch.parts.glob("*.part"))
    part.write_bytes(OTHER[:HALF])
    result = fetch(url)
    assert fetch.target.read_bytes() == CONTENT
    assert result.resumed_from == 0
    assert web.ranges() == [f"bytes={HALF}-", None]


def test_a_wrong_file_is_still_wrong_after_a_resume(web, fetch):
    url = begin(web, fetch)
    web.serve("/a", OTHER, etag=f'"{HASHED.sha1}"')
    with pytest.raises(HashMismatchError):
        fetch(url)
    assert list(fetch.parts.iterdir()) == []


def test_another_address_goes_on_only_with_a_hash(web, fetch):
    begin(web, fetch)
    assert fetch(web.serve("/mirror", CONTENT)).resumed_from == HALF
    assert "If-Range" not in web.requests[0].headers


def test_a_redirect_keeps_the_range(web, fetch):
    begin(web, fetch)
    web.serve("/there", CONTENT)
    url = web.serve("/a", b"", redirect("/there"))
    assert fetch(url).resumed_from == HALF
    assert web.ranges() == [f"bytes={HALF}-"] * 2


def test_a_part_that_is_complete_needs_no_network(web, fetch):
    url = begin(web, fetch)
    next(fetch.parts.glob("*.part")).write_bytes(CONTENT)
    assert fetch(url).resumed_from == len(CONTENT)
    assert web.requests == []
    assert fetch.target.read_bytes() == CONTENT


def test_a_complete_part_without_a_hash_is_confirmed_by_the_server(web, fetch):
    url = begin(web, fetch, Expected())
    next(fetch.parts.glob("*.part")).write_bytes(CONTENT)
    fetch(url, expected=Expected())
    assert web.ranges() == [f"bytes={len(CONTENT)}-"]
    assert fetch.target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "record", ["", "null", "[]", "{}", '{"url": 1}', '{"url": "u", "written": [[5, "x"]]}']
)
def test_a_part_without_a_readable_record_is_begun_anew(web, fetch, record):
    url = begin(web, fetch)
    next(fetch.parts.glob("*.json")).write_text(record)
    assert fetch(url).resumed_from == 0
    assert web.ranges() == [None]


def test_a_part_holds_no_credentials(web, fetch):
    web.serve("/a", CONTENT, cut(HALF))
    with pytest.raises(DownloadError):
        fetch(web.url.replace("://", "://user:secret@") + "/a?token=hidden", expected=Expected())
    text = "".join(path.name + path.read_text() for path in fetch.parts.glob("*.json"))
    assert "127.0.0.1" in text
    assert "secret" not in text
    assert "hidden" not in text


FETCH = """
import sys
from pathlib import Path
from zoo.registry.download import Expected, download
folder = Path(sys.argv[1])
download(sys.argv[2:], folder / "tiny.caffemodel", expected=Expected(sha1="SHA1"),
         parts=folder / "parts")
""".replace("SHA1", HASHED.sha1)


def started(web, tmp_path, url, at_least=500_000):
    """Another process that downloads, and has brought some bytes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, str(tmp_path), url],
        env=environment,
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        # Whoever runs the tests in the background may ignore SIGINT, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 30
    while not any(p.stat().st_size > at_least for p in (tmp_path / "parts").glob("*.part")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_download_is_resumed(web, fetch, tmp_path, end):
    url = web.serve("/a", CONTENT, rate=2e6)
    process = started(web, tmp_path, url)
    process.send_signal(end)
    process.wait(20)
    assert not fetch.target.exists()
    web.files["/a"].rate = None
    assert fetch(url).resumed_from > 500_000
    assert fetch.target.read_bytes() == CONTENT
    assert list(fetch.parts.iterdir()) == []


def test_a_part_on_which_another_process_works_is_not_touched(web, fetch, tmp_path):
    url = web.serve("/a", CONTENT, rate=2e6)
    process = started(web, tmp_path, url)
    part = next(fetch.parts.glob("*.part"))
    assert is_live(part)
    web.files["/a"].rate = None
    assert fetch(url).resumed_from == 0
    assert part.exists()
    assert process.wait(30) == 0
    assert fetch.target.read_bytes() == CONTENT
    assert list(fetch.parts.iterdir()) == []


def test_replies_other_than_the_file_leave_the_part_alone(web, fetch):
    url = begin(web, fetch)
    web.serve("/a", CONTENT, status(503), sends(b""))
    with pytest.raises(DownloadError):
        fetch(url)
    assert next(fetch.parts.glob("*.part")).stat().st_size == HALF


@pytest.mark.parametrize("expected", [HASHED, Expected(sha1=HASHED.sha1, size=len(CONTENT))])
def test_what_a_server_sends_behind_the_end_is_left_out(web, fetch, expected):
    def more(handler, file):
        headers = {"Content-Range": f"bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}"}
        handler.begin(206, None, {**file.validators(), **headers})
        handler.wfile.write(CONTENT[HALF:] + b"more")

    url = begin(web, fetch, expected)
    web.serve("/a", CONTENT, more)
    fetch(url, expected=expected)
    assert fetch.target.read_bytes() == CONTENT


def test_a_server_that_lies_about_a_range_is_asked_for_the_whole_file(web, fetch):
    def lie(handler, file):
        headers = {"Content-Range": f"bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}"}
        handler.send_whole(OTHER[HALF:], 206, {**file.validators(), **headers})

    url = web.serve("/a", CONTENT, cut(HALF), lie)
    fetch(url, patience=Patience(attempts=2, stall=9, longest_wait=0.05))
    assert fetch.target.read_bytes() == CONTENT
    assert web.ranges() == [None, f"bytes={HALF}-", None]
