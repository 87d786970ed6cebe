"""Folders in places that fsspec opens: an S3 server on loopback (moto), and memory."""

import hashlib

import pytest

from zoo.errors import (
    DownloadError,
    HashMismatchError,
    UnavailableError,
    UnknownModelError,
    UsageError,
)
from zoo.registry.address import parse_address
from zoo.registry.fetch import fetch
from zoo.registry.storage import location, open_source

BUCKET = "zoo-models"


@pytest.fixture(params=["s3", "memory"])
def place(request, models):
    """The two models of `models` in each kind of place; its file system and its address."""
    files = request.getfixturevalue(request.param)
    (models / "labels.txt").write_text("a\n")
    files.put(str(models), f"{BUCKET}/models", recursive=True)
    return files, f"{request.param}://{BUCKET}/models"


def test_a_model_is_fetched_by_its_address(place, models, own_zoo_home):
    _, url = place
    result = fetch(f"{url}/tiny")
    assert (result.name, result.source) == ("tiny", url)
    assert result.verified
    assert sorted(result.files) == ["deploy.prototxt", "readme.md", "tiny.caffemodel"]
    for file in result.files:
        assert (result.directory / file).read_bytes() == (models / "tiny" / file).read_bytes()
    assert not fetch(f"{url}/tiny").downloaded
    kept = [path.read_bytes() for path in own_zoo_home.rglob("*") if path.is_file()]
    assert not any(b"sesame" in content for content in kept)


def test_a_folder_of_models_is_a_source(place):
    _, url = place
    source = open_source(url)
    assert list(source.list()) == ["other", "tiny"]
    assert source.card("tiny").name == "The Tiny Model"
    assert [file.name for file in source.files("")] == ["labels.txt"]
    assert {file.name: file.size for file in source.files("tiny")}["tiny.caffemodel"] == 307200
    assert location(source, "tiny", "f") == f"{url}/tiny/f"
    with source.open("tiny", "tiny.caffemodel") as (pieces, size):
        assert (len(b"".join(pieces)), size) == (307200, 307200)
    with pytest.raises(UnknownModelError, match="tiny"):
        source.card("tinny")
    assert "labels.txt" in fetch("tiny", url).files


def test_a_folder_of_several_models_has_to_be_named(place):
    _, url = place
    with pytest.raises(UsageError, match="holds 2 models: other, tiny"):
        fetch(url)


def test_an_address_with_no_model_says_so(place):
    _, url = place
    with pytest.raises(UnknownModelError, match=r"no readme\.md"):
        fetch(f"{url}/nothing")


def test_other_weights_than_the_card_says_are_refused(place, own_zoo_home):
    files, url = place
    files.pipe(f"{BUCKET}/models/tiny/tiny.caffemodel", b"x" * 307200)
    with pytest.raises(HashMismatchError):
        fetch(f"{url}/tiny")
    assert not (own_zoo_home / "models/tiny").exists()


def test_weights_alone_need_a_hash(place, models):
    _, url = place
    address = f"{url}/tiny/tiny.caffemodel"
    with pytest.raises(UsageError, match="--trust-first-use"):
        fetch(address)
    sha256 = hashlib.sha256((models / "tiny/tiny.caffemodel").read_bytes()).hexdigest()
    result = fetch(address, sha256=sha256)
    assert (result.name, result.verified) == ("tiny", (f"sha256:{sha256}",))
    with pytest.raises(HashMismatchError):
        fetch(address, sha256="0" * 64, force=True)


def test_a_file_that_is_gone_is_a_download_error(place):
    files, url = place
    source = open_source(url)
    source.list()
    files.rm(f"{BUCKET}/models/tiny/deploy.prototxt")
    with pytest.raises(DownloadError), source.open("tiny", "deploy.prototxt") as (pieces, _):
        b"".join(pieces)
    with pytest.raises(DownloadError, match="not a file of a model"), source.open("tiny", "../x"):
        pass


def test_names_that_are_not_safe_are_not_seen(memory, models):
    memory.put(str(models), "/m", recursive=True)
    memory.pipe("/m/tiny/nul.txt", b"x")
    memory.pipe("/m/tiny/C:x.txt", b"x")
    memory.pipe("/m/aux/readme.md", b"---\nname: x\n---\n")
    source = open_source("memory://m")
    assert list(source.list()) == ["other", "tiny"]
    assert {file.name for file in source.files("tiny")} == {
        "readme.md",
        "deploy.prototxt",
        "tiny.caffemodel",
    }


@pytest.mark.parametrize(
    "url", ["local:///etc", "reference://x", "nope://x", "dir://x", "memory://a::file:///etc"]
)
def test_schemes_that_read_this_machine_or_that_nobody_knows_are_refused(url):
    with pytest.raises(UsageError):
        open_source(url)


@pytest.mark.parametrize("url", ["s3://", "memory://", "ftp:///"])
def test_an_address_has_to_name_a_place(url):
    with pytest.raises(UsageError, match="names no"):
        open_source(url)


def test_a_host_that_does_not_answer_is_named(closed_port):
    url = f"ftp://127.0.0.1:{closed_port}/models/tiny"
    with pytest.raises(DownloadError, match=f"^{url}: ConnectionRefusedError"):
        fetch(url)


def test_a_missing_package_is_named_with_the_line_that_installs_it():
    try:
        import gcsfs  # noqa: F401
    except ImportError:
        with pytest.raises(UnavailableError, match=r'pip install "model-zoo-kit\[gs\]"') as error:
            open_source("gs://bucket/models")
        assert error.value.exit_code == 4


def test_offline_no_place_is_asked(monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="ZOO_OFFLINE"):
        fetch("s3://bucket/models/tiny")
    assert parse_address("s3://bucket/models/tiny").name == "tiny"
    with pytest.raises(DownloadError, match="ZOO_OFFLINE"):
        open_source("memory://m")
