"""Whom a download believes, and what it tells to whom."""

import hashlib
import threading

import pytest
from flaky_server import FlakyServer, drip, redirect, status

from zoo.errors import DownloadError
from zoo.registry.download import Expected, Patience, download
from zoo.registry.storage import requesting
from zoo.registry.storage.requesting import get_bytes, new_session
from zoo.registry.storage.trouble import shown

CONTENT = b"weights" * 1000
HASHED = Expected(sha1=hashlib.sha1(CONTENT).hexdigest())
ONCE = Patience(attempts=1, connect=2)


@pytest.fixture
def fetch(tmp_path):
    def run(*urls, expected=HASHED, **options):
        target, parts = tmp_path / "tiny.caffemodel", tmp_path / "parts"
        return download(urls, target, expected=expected, parts=parts, patience=ONCE, **options)

    return run


@pytest.fixture
def elsewhere():
    """Another host: its name differs, so credentials for the first one are not for it."""
    with FlakyServer() as server:
        server.url = server.url.replace("127.0.0.1", "localhost")
        yield server


def test_credentials_do_not_go_to_another_host(web, elsewhere, fetch):
    there = elsewhere.serve("/a", CONTENT)
    here = web.serve("/a", b"", redirect("/b"))
    web.serve("/b", b"", redirect(there))
    secrets = {"Authorization": "Bearer secret", "X-Token": "secret"}
    asked = []
    fetch(here, headers=lambda url: asked.append(url) or secrets)
    assert set(asked) == {here}
    assert [request.headers.get("Authorization") for request in web.requests] == [
        "Bearer secret",
        "Bearer secret",
    ]
    assert [request.headers["X-Token"] for request in web.requests] == ["secret"] * 2
    assert "secret" not in str(elsewhere.requests[0].headers)


def test_the_user_of_an_address_is_for_its_host(web, elsewhere, fetch):
    there = elsewhere.serve("/a", CONTENT)
    web.serve("/a", b"", redirect(web.url + "/b"))
    web.serve("/b", b"", redirect(there))
    result = fetch(web.url.replace("://", "://me:secret@") + "/a")
    assert result.url == web.url + "/a"
    logins = [request.headers.get("Authorization", "") for request in web.requests]
    assert [login[:6] for login in logins] == ["Basic "] * 2
    assert "Authorization" not in elsewhere.requests[0].headers


def test_netrc_is_read_for_each_host(web, elsewhere, fetch, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    fetch(web.serve("/a", b"", redirect(elsewhere.serve("/a", CONTENT))))
    assert web.requests[0].headers["Authorization"].startswith("Basic ")
    assert "Authorization" not in elsewhere.requests[0].headers


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://h/x", "gopher://h", "data:,x", "FILE:/etc/passwd"]
)
def test_a_redirect_leads_only_to_the_web(web, fetch, target):
    with pytest.raises(DownloadError, match="which is not an http"):
        fetch(web.serve("/a", b"", redirect(target)))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://h/x", "/etc/passwd", "", "http:x"])
def test_only_the_web_is_asked(fetch, url):
    with pytest.raises(DownloadError, match="not an http|not a valid address"):
        fetch(url)


def test_http_needs_a_hash_except_on_this_machine(web, elsewhere, fetch):
    for server in (web, elsewhere):
        fetch(server.serve("/a", CONTENT), expected=Expected())
    with pytest.raises(DownloadError, match="anybody on the way could change it"):
        fetch("http://caffe.example/a", expected=Expected(size=len(CONTENT)))
    result = fetch("http://caffe.example/a", web.serve("/a", CONTENT), expected=Expected())
    assert result.url == f"{web.url}/a"
    assert result.attempts[0][0] == "http://caffe.example/a"


def test_a_proxy_is_used_and_told_around(web, fetch, monkeypatch):
    """The server stands for a proxy: it is asked for the whole address."""
    monkeypatch.setenv("http_proxy", web.url)
    web.files["http://caffe.example/a"] = web.files["/b"] = None
    web.serve("/b", CONTENT)
    web.files["http://caffe.example/a"] = web.files["/b"]
    fetch("http://caffe.example/a")
    assert web.requests[0].path == "http://caffe.example/a"
    monkeypatch.setenv("no_proxy", "caffe.example")
    with pytest.raises(DownloadError, match="name of the host is not known"):
        fetch("http://caffe.example/a")


def test_a_dead_proxy_is_said_without_its_password(fetch, monkeypatch, closed_port):
    monkeypatch.setenv("https_proxy", f"http://me:secret@127.0.0.1:{closed_port}")
    with pytest.raises(DownloadError, match="the proxy does not answer") as error:
        fetch("https://caffe.example/a")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "visible"),
    [
        ("https://me:pw@h:8/a#b", "https://h:8/a"),
        ("https://h/a?X-Amz-Signature=s&X-Amz-Credential=c&e=1", "https://h/a?X-Amz-Signature="),
        ("https://h/a?access_token=s", "https://h/a?access_token=..."),
        ("https://h/a?Sig=s&password=p", "https://h/a?Sig=...&password=..."),
        ("http://[", "an address that is none"),
    ],
)
def test_secrets_in_addresses_are_not_shown(address, visible):
    assert shown(address).startswith(visible)
    assert "=s" not in shown(address)


def test_a_server_cannot_write_to_the_terminal(web, fetch):
    def answer(handler, _):
        handler.wfile.write(b"HTTP/1.1 404 \x1b[31mred\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(DownloadError) as error:
        fetch(web.serve("/a", CONTENT, answer))
    assert "\x1b" not in str(error.value)


def test_a_small_file_that_never_ends_is_refused(web):
    def endless(handler, _):
        handler.begin(200, None)
        while not handler.server.stopped.is_set():
            handler.wfile.write(bytes(1 << 20))

    with pytest.raises(DownloadError, match="no card and no listing"):
        get_bytes(web.serve("/a", CONTENT, endless), new_session())


def test_threads_end_with_the_download(web, fetch):
    before = threading.active_count()
    fetch(web.url + "/missing", web.serve("/a", CONTENT, status(503)), web.serve("/b", CONTENT))
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("zoo")]
    assert names == []
    assert threading.active_count() <= before + 3  # those of the server


def test_a_small_file_that_drips_is_not_waited_for(web, monkeypatch):
    monkeypatch.setattr(requesting, "_SLOWEST", 0.2)
    with pytest.raises(DownloadError, match="too slow to ever end"):
        get_bytes(web.serve("/a", CONTENT, drip(0.01)), new_session())
