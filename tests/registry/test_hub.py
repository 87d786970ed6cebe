"""Repositories of the Hugging Face Hub, from a server on loopback through huggingface_hub."""

import builtins
import hashlib
import sys

import pytest
from hub_server import COMMIT, HubServer

from zoo.errors import (
    CardError,
    DownloadError,
    HashMismatchError,
    UnavailableError,
    UnknownModelError,
)
from zoo.registry.fetch import fetch
from zoo.registry.storage import open_source

WEIGHTS = bytes(range(256)) * 40
SHA1 = hashlib.sha1(WEIGHTS, usedforsecurity=False).hexdigest()
CARD = f"---\nname: Tiny\nlicense: mit\ncaffemodel: tiny.caffemodel\nsha1: {SHA1}\n---\nText.\n"


@pytest.fixture
def hub(monkeypatch):
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_sesame")
    server.repos["me/net"] = {
        ".gitattributes": b"x",
        "README.md": CARD.encode(),
        "deploy.prototxt": b'name: "tiny"\n',
        "tiny.caffemodel": WEIGHTS,
        "sub/README.md": CARD.replace("Tiny", "Deep").encode(),
        "sub/tiny.caffemodel": WEIGHTS,
        "sub/deeper/x.txt": b"x",
    }
    yield server
    server.shutdown()
    server.server_close()


def test_a_repository_is_fetched_and_verified(hub, own_zoo_home):
    result = fetch("hf://me/net")
    assert (result.name, result.source) == ("me--net", "hf://me/net")
    assert sorted(result.files) == ["deploy.prototxt", "readme.md", "tiny.caffemodel"]
    assert result.verified == (f"sha1:{SHA1}", f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}")
    assert result.model.weights.read_bytes() == WEIGHTS
    fetched = [path for path, _ in hub.requests if "/resolve/" in path]
    assert all(f"/resolve/{COMMIT}/" in path for path in fetched)
    sent = {authorization for path, authorization in hub.requests if "me/net" in path}
    assert sent == {"Bearer hf_sesame"}
    kept = [path.read_bytes() for path in own_zoo_home.rglob("*") if path.is_file()]
    assert not any(b"sesame" in content for content in kept)
    hub.requests.clear()
    assert not fetch("hf://me/net").downloaded
    assert hub.requests == []


def test_a_folder_and_a_revision_are_models_of_their_own(hub):
    result = fetch("hf://me/net@v1.0/sub")
    assert (result.name, result.source) == ("me--net--sub--v1.0", "hf://me/net@v1.0/sub")
    assert result.model.card.name == "Deep"
    assert sorted(result.files) == ["readme.md", "tiny.caffemodel"]
    assert fetch("hf://me/net").model.card.name == "Tiny"


def test_the_hash_that_the_hub_tells_will_do(hub):
    hub.repos["me/net"]["README.md"] = CARD.replace(f"sha1: {SHA1}\n", "").encode()
    assert fetch("hf://me/net").verified == (f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}",)


def test_weights_that_are_not_what_the_hub_says_are_refused(hub, own_zoo_home):
    hub.lies["tiny.caffemodel"] = "0" * 64
    with pytest.raises(HashMismatchError):
        fetch("hf://me/net", force=True)
    assert not (own_zoo_home / "models/me--net").exists()


def test_a_repository_is_a_source_too(hub):
    source = open_source("hf://me/net/sub")
    assert list(source.list()) == ["me--net--sub"]
    assert source.card("me--net--sub").name == "Deep"
    with pytest.raises(UnknownModelError):
        source.card("tiny")
    with pytest.raises(DownloadError, match="no file x"), source.open("me--net--sub", "x"):
        pass


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("hf://me/nothing", UnavailableError, "no repository me/nothing"),
        ("hf://me/net@v9", UnavailableError, "no revision 'v9'"),
        ("hf://me/net/nowhere", UnavailableError, "has no files"),
        ("hf://me/net/sub/deeper", CardError, r"no readme\.md; found x\.txt"),
    ],
)
def test_what_is_not_there_is_said(hub, address, error, words):
    with pytest.raises(error, match=words):
        fetch(address)


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [(403, UnavailableError, "accepted its terms"), (400, DownloadError, "HTTP 400")],
)
def test_refusals_of_the_hub_are_explained(hub, status, error, words):
    hub.faults["me/net"] = status
    with pytest.raises(error, match=words) as raised:
        fetch("hf://me/net")
    assert raised.value.exit_code == 4


def test_offline_the_hub_is_not_asked(hub, monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="ZOO_OFFLINE"):
        fetch("hf://me/net")
    with pytest.raises(DownloadError, match="ZOO_OFFLINE"):
        open_source("hf://me/net").card("me--net")
    assert hub.requests == []


def test_without_the_extra_the_line_that_installs_it_is_given(hub, monkeypatch):
    fetch("hf://me/net")
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.partition(".")[0] == "huggingface_hub":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "huggingface_hub")
    monkeypatch.setattr("importlib.import_module", missing)
    assert not fetch("hf://me/net").downloaded  # what is here needs nothing
    with pytest.raises(UnavailableError, match=r'pip install "model-zoo-kit\[hub\]"') as error:
        fetch("hf://me/net", force=True)
    assert error.value.exit_code == 4
