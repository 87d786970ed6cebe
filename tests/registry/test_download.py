"""Downloads from a real server: what comes is the file, or nothing is kept."""

import gzip
import hashlib
import threading
import time

import pytest
from flaky_server import (
    cut,
    drip,
    page,
    redirect,
    reset,
    sends,
    stall,
    status,
    unknown_length,
    wrong_length,
)

from zoo.errors import DownloadError, HashMismatchError, VerificationError
from zoo.registry.download import Downloaded, Expected, Patience, download
from zoo.registry.hashes import Hashes

CONTENT = bytes(range(256)) * 12_000  # 3 MB: large enough that a part of it is worth to keep
SHA1 = hashlib.sha1(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
EXPECTED = Expected(sha1=SHA1, size=len(CONTENT))
QUICK = Patience(connect=2, read=1, stall=0.3, attempts=3, longest_wait=0.05, total=10)


@pytest.fixture
def fetch(tmp_path):
    """Download to a folder; `fetch.target` is the file, `fetch.parts` the folder of parts."""

    def run(*urls, expected=EXPECTED, **options):
        options = {"patience": QUICK, **options}
        return download(urls, run.target, expected=expected, parts=run.parts, **options)

    run.target, run.parts = tmp_path / "tiny.caffemodel", tmp_path / "parts"
    return run


def left(fetch):
    return sorted(path.name for path in fetch.parts.iterdir())


def test_a_file_comes_with_its_hashes_and_what_the_server_said(web, fetch):
    url = web.serve("/a", CONTENT, headers={"Content-Type": "application/x-caffemodel"})
    assert fetch(url) == Downloaded(
        url,
        Hashes(SHA1, SHA256, len(CONTENT)),
        len(CONTENT),
        etag=f'"{SHA1}"',
        content_type="application/x-caffemodel",
    )
    assert fetch.target.read_bytes() == CONTENT
    assert left(fetch) == []
    assert web.requests[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("content", [b"", b"x", CONTENT[:65536]])
def test_small_and_empty_files_come_too(web, fetch, content):
    url = web.serve("/a", content)
    fetch(url, expected=Expected(size=len(content)))
    assert fetch.target.read_bytes() == content
    assert left(fetch) == []


def test_a_body_without_a_length_is_verified_all_the_same(web, fetch):
    assert fetch(web.serve("/a", CONTENT, unknown_length)).size == len(CONTENT)


@pytest.mark.parametrize("fault", [cut(1_000_000), reset(1_000_000), status(500), status(429)])
def test_what_may_pass_is_asked_for_again(web, fetch, fault):
    url = web.serve("/a", CONTENT, fault)
    result = fetch(url)
    assert fetch.target.read_bytes() == CONTENT
    assert len(web.requests) == 2
    assert [address for address, _ in result.attempts] == [url]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_what_will_not_pass_is_not_asked_for_again(web, fetch, code):
    url = web.serve("/a", CONTENT, *[status(code)] * 5)
    with pytest.raises(DownloadError, match=f"HTTP {code}") as error:
        fetch(url)
    assert error.value.exit_code == 4
    assert len(web.requests) == 1
    assert left(fetch) == []


def test_attempts_are_bounded_and_each_address_has_a_line(web, fetch, closed_port):
    first = web.serve("/a", CONTENT, *[status(503)] * 9)
    second = web.serve("/b?token=hidden", CONTENT)
    third = f"http://me:secret@127.0.0.1:{closed_port}/c"
    with pytest.raises(DownloadError) as error:
        fetch(first, second, third)
    lines = [line.strip() for line in str(error.value).splitlines()[1:4]]
    assert lines == [
        f"{first}: HTTP 503 Service Unavailable",
        f"{web.url}/b?token=...: HTTP 404 Not Found",
        f"http://127.0.0.1:{closed_port}/c: connection refused",
    ]
    assert [request.path for request in web.requests].count("/a") == 3
    assert len(error.value.attempts) == 3


def test_a_server_that_asks_for_a_pause_gets_it(web, fetch):
    url = web.serve("/a", CONTENT, status(503, Retry_After="1"), status(503, Retry_After="1"))
    began = time.monotonic()
    fetch(url, patience=Patience(longest_wait=0.4))
    assert time.monotonic() - began >= 0.8


def test_a_byte_at_a_time_is_not_waited_for(web, fetch):
    url = web.serve("/a", CONTENT, drip(0.02))
    fetch(url, patience=Patience(slowest=0.3, longest_wait=0.05))
    assert len(web.requests) == 2


def test_everything_is_given_up_in_the_end(web, fetch):
    url = web.serve("/a", CONTENT, *[stall(0)] * 9)
    began = time.monotonic()
    with pytest.raises(DownloadError, match="Nothing came for 0.5 seconds"):
        fetch(url, patience=Patience(total=0.5, attempts=99))
    assert time.monotonic() - began < 3


def test_a_length_that_is_too_long_is_an_error(web, fetch):
    url = web.serve("/a", CONTENT, *[wrong_length(10)] * 3, ranges=False)
    with pytest.raises(DownloadError, match=f"cut short: {len(CONTENT)} of {len(CONTENT) + 10}"):
        fetch(url, expected=Expected(sha1=SHA1))
    assert not fetch.target.exists()


def test_a_length_that_is_too_short_is_a_wrong_file(web, fetch):
    url = web.serve("/a", CONTENT, *[wrong_length(-10)] * 3)
    with pytest.raises(HashMismatchError, match="cut short: 10 of"):
        fetch(url)
    assert not fetch.target.exists()


@pytest.mark.parametrize("expected", [Expected(sha1=SHA1), Expected(sha256=SHA256), EXPECTED])
def test_another_file_is_not_kept_and_the_old_one_stays(web, fetch, expected):
    fetch.target.write_bytes(b"old")
    with pytest.raises(HashMismatchError) as error:
        fetch(web.serve("/a", CONTENT[:-1] + b"x"), expected=expected)
    assert error.value.exit_code == 3
    assert error.value.expected in (SHA1, SHA256)
    assert fetch.target.read_bytes() == b"old"
    assert left(fetch) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [(page("Log in"), r"HTML page \('Log in'\)"), (sends(b""), "file is empty")],
)
@pytest.mark.parametrize("expected", [Expected(), EXPECTED])
def test_a_page_or_nothing_is_never_kept(web, fetch, fault, words, expected):
    with pytest.raises(VerificationError, match=words):
        fetch(web.serve("/a", CONTENT, fault), expected=expected)
    assert not fetch.target.exists()
    assert left(fetch) == []


def test_a_file_larger_than_promised_is_not_fetched_to_its_end(web, fetch):
    url = web.serve("/a", CONTENT)
    with pytest.raises(VerificationError, match="more than the 1000 bytes promised"):
        fetch(url, expected=Expected(sha1=SHA1, size=1000))
    web.serve("/b", CONTENT, unknown_length)
    with pytest.raises(VerificationError, match="more than the 5000 bytes, the limit"):
        fetch(f"{web.url}/b", expected=Expected(sha1=SHA1), largest=5000)
    assert not fetch.target.exists()


def test_a_compressed_body_is_the_file_and_not_resumed(web, fetch):
    packed = gzip.compress(CONTENT)
    url = web.serve("/a", packed, cut(5000), headers={"Content-Encoding": "gzip"})
    web.faults["/a"] = [sends(packed[:5000], Content_Encoding="gzip", Content_Length="9000")]
    fetch(url)
    assert fetch.target.read_bytes() == CONTENT
    assert set(web.ranges()) == {None}


def test_an_archive_that_is_called_compressed_stays_one(web, fetch):
    packed = gzip.compress(CONTENT)
    url = web.serve("/a.tar.gz", packed, headers={"Content-Encoding": "gzip"})
    fetch(url, expected=Expected(sha1=hashlib.sha1(packed).hexdigest()))
    assert fetch.target.read_bytes() == packed


def test_a_compression_that_nobody_asked_for_is_said(web, fetch):
    url = web.serve("/a", CONTENT, headers={"Content-Encoding": "br"})
    with pytest.raises(DownloadError, match="compressed as br"):
        fetch(url)


def test_a_full_disk_is_seen_before_anything_comes(web, fetch):
    def announce(handler, _):
        handler.begin(200, 1 << 60)
        handler.wfile.write(b"begins")

    url = web.serve("/a", CONTENT, announce)
    with pytest.raises(OSError, match="bytes, .* are free"):
        fetch(url, expected=Expected(sha1=SHA1), largest=1 << 61)


def test_offline_touches_no_network(web, fetch, monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(DownloadError, match="ZOO_OFFLINE is set"):
        fetch(web.serve("/a", CONTENT))
    assert web.requests == []


def test_progress_is_told_from_nothing_to_all(web, fetch):
    told = []
    url = web.serve("/a", CONTENT, rate=10e6)
    fetch(url, progress=lambda *step: told.append(step))
    assert told[0] == ("tiny.caffemodel", 0, len(CONTENT))
    assert told[-1] == ("tiny.caffemodel", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert len(told) > 3


def test_a_stop_keeps_what_came(web, fetch):
    stop = threading.Event()
    url = web.serve("/a", CONTENT, rate=5e6)

    def enough(_, done, __):
        if done > 500_000:
            stop.set()

    with pytest.raises(DownloadError, match="stopped"):
        fetch(url, stop=stop, progress=enough)
    assert [name.rpartition(".")[2] for name in left(fetch)] == ["json", "part"]
    assert fetch(url).resumed_from > 500_000


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers there is no web server"),
        (b"HTTP/1.1 302 F\r\nLocation: http://[::1\r\n\r\n", "redirected to what is no valid"),
        (b"", "the connection broke"),
    ],
)
def test_an_answer_that_is_none_is_called_so(web, fetch, answer, words):
    def say(handler, _):
        handler.wfile.write(answer)
        handler.close_connection = True

    with pytest.raises(DownloadError, match=words):
        fetch(web.serve("/a", CONTENT, say, say, say))


def test_a_server_that_speaks_no_tls_is_called_so(web, fetch):
    with pytest.raises(DownloadError, match="TLS failed: wrong version number"):
        fetch(web.serve("/a", CONTENT).replace("http:", "https:"))


def test_an_address_that_is_none_is_called_so(fetch):
    with pytest.raises(DownloadError, match="not a valid address"):
        fetch("https://[::1/a.caffemodel")


def test_redirects_are_followed_but_not_forever(web, fetch):
    url = web.serve("/a", CONTENT)
    web.serve("/old", b"", redirect("/older", 301), redirect(url))
    web.faults["/older"] = [redirect(url)]
    assert fetch(f"{web.url}/old").url == f"{web.url}/old"
    web.serve("/loop", b"", *[redirect("/loop")] * 50)
    with pytest.raises(DownloadError, match="redirected more than 10 times"):
        fetch(f"{web.url}/loop")
