"""Downloads from nginx, a server that people use: ranges, rates and TLS."""

import hashlib
import os
import threading

import pytest
from nginx_server import Nginx, why_not

from zoo.errors import DownloadError
from zoo.registry.download import Expected, Patience, download

CONTENT = os.urandom(1 << 20) * 72  # large enough for several connections
HASHED = Expected(sha1=hashlib.sha1(CONTENT).hexdigest(), size=len(CONTENT))

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "nginx is here")


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "large").write_bytes(CONTENT)
    (root / "small").write_bytes(CONTENT[:5000])
    with Nginx(tmp_path_factory.mktemp("nginx"), root) as server:
        os.utime(root / "large", (1e9, 1e9))
        yield server


@pytest.fixture
def fetch(tmp_path):
    def run(*urls, expected=HASHED, **options):
        options |= {"parts": run.parts, "patience": Patience(attempts=2)}
        return download(urls, run.target, expected=expected, **options)

    run.target, run.parts = tmp_path / "tiny.caffemodel", tmp_path / "parts"
    return run


def stopped(fetch, url, at, **options):
    """Begin a download and stop it when some bytes are there."""
    stop = threading.Event()

    def look(_, done, __):
        if done >= at:
            stop.set()

    with pytest.raises(DownloadError, match="stopped"):
        fetch(url, stop=stop, progress=look, **options)


def test_a_file_comes_and_a_stopped_one_is_resumed(nginx, fetch):
    result = fetch(f"{nginx.url}/large")
    assert (result.size, result.resumed_from) == (len(CONTENT), 0)
    assert result.etag
    stopped(fetch, f"{nginx.url}/rate/10m/large", 1_000_000, expected=Expected())
    result = fetch(f"{nginx.url}/rate/10m/large", expected=Expected())
    assert result.resumed_from >= 1_000_000
    assert result.hashes.sha1 == HASHED.sha1
    assert fetch.target.read_bytes() == CONTENT


def test_a_slow_large_file_comes_over_several_connections(nginx, fetch):
    before = nginx.statuses().count(206)
    fetch(f"{nginx.url}/rate/16m/large")
    assert nginx.statuses().count(206) - before > 4
    assert fetch.target.read_bytes() == CONTENT
    assert list(fetch.parts.iterdir()) == []


def test_a_fast_one_over_one(nginx, fetch):
    before = len(nginx.statuses())
    fetch(f"{nginx.url}/large")
    assert nginx.statuses()[before:] == [200]


def test_several_connections_are_resumed_too(nginx, fetch):
    stopped(fetch, f"{nginx.url}/rate/10m/large", 20_000_000)
    result = fetch(f"{nginx.url}/large")
    assert result.resumed_from >= 20_000_000
    assert fetch.target.read_bytes() == CONTENT


def test_a_certificate_is_checked(nginx, fetch, monkeypatch):
    expected = Expected(size=5000)
    with pytest.raises(DownloadError, match="certificate of the host is not accepted") as error:
        fetch(f"{nginx.tls_url}/small", expected=expected)
    assert len(error.value.attempts) == 1
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(nginx.ca))
    fetch(f"{nginx.tls_url}/small", expected=expected)
    assert fetch.target.read_bytes() == CONTENT[:5000]


def test_tls_is_resumed_and_stopped_like_anything_else(nginx, fetch, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(nginx.ca))
    # Without a hash, so that a wrong byte of the first half would stay.
    stopped(fetch, f"{nginx.tls_url}/large", 1_000_000, expected=Expected())
    result = fetch(f"{nginx.tls_url}/large", expected=Expected())
    assert result.resumed_from >= 1_000_000
    assert fetch.target.read_bytes() == CONTENT


def test_a_redirect_out_of_tls_needs_a_hash(nginx, fetch, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(nginx.ca))
    with pytest.raises(DownloadError, match="not encrypted, and no hash is known"):
        fetch(f"{nginx.tls_url}/plain/large", expected=Expected(size=len(CONTENT)))
    fetch(f"{nginx.tls_url}/plain/large")
    assert fetch.target.read_bytes() == CONTENT
