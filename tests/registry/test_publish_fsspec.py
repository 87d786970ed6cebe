"""Publishing to places that fsspec opens: an S3 server on loopback (moto), and memory."""

import pytest
from publishable import SHA1, WEIGHTS, fill_in, write_digits

import zoo
from zoo.errors import DownloadError, UsageError
from zoo.publishing import publish
from zoo.registry.fetch import fetch

BUCKET = "zoo-models"


@pytest.fixture(params=["s3", "memory"])
def place(request):
    """A file system, and the address of a folder in it."""
    return request.getfixturevalue(request.param), f"{request.param}://{BUCKET}/models"


@pytest.fixture
def digits(tmp_path):
    return write_digits(tmp_path)


def test_a_model_goes_round_and_is_the_same_elsewhere(digits, place, monkeypatch, tmp_path):
    files, url = place
    published = publish(digits, url)
    assert published.command == f"zoo fetch {url}/my_digits@sha1:{SHA1}"
    assert files.cat_file(f"{BUCKET}/models/my_digits/my_digits.caffemodel") == WEIGHTS
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "elsewhere"))
    result = fetch(published.command.split()[2])
    assert f"sha1:{SHA1}" in result.verified
    assert zoo.load(result.directory).labels == ["zero", "one", "two", "three", "four"]
    assert fetch("my_digits", url, force=True).downloaded


def test_what_is_there_is_revised_only_when_asked(digits, place):
    files, url = place
    with pytest.raises(UsageError, match="to revise"):
        publish(digits, url, update=True)
    publish(digits, url)
    folder = f"{BUCKET}/models/my_digits"
    files.pipe_file(f"{folder}/old.caffemodel", b"x")
    files.pipe_file(f"{folder}/photo.png", b"x")
    with pytest.raises(UsageError, match="with the same weights"):
        publish(digits, url)
    fill_in(digits, task="detection")
    publish(digits, url, update=True)
    names = {str(path).rpartition("/")[2] for path in files.ls(folder, detail=False, refresh=True)}
    assert "photo.png" in names
    assert "old.caffemodel" not in names
    assert b"task: detection" in files.cat_file(f"{folder}/readme.md")


def test_a_dry_run_puts_nothing_there(digits, place):
    files, url = place
    publish(digits, url, dry_run=True)
    assert not files.exists(f"{BUCKET}/models/my_digits/readme.md")


def test_a_failure_leaves_no_card_and_shows_no_secret(digits, memory, monkeypatch):
    def broken(self, path, value, **_):
        raise PermissionError(f"no: https://someone:sesame@host{path}?X-Amz-Signature=abc")

    monkeypatch.setattr(type(memory), "pipe_file", broken)
    with pytest.raises(DownloadError) as error:
        publish(digits, f"memory://{BUCKET}/models")
    assert "sesame" not in str(error.value)
    assert "abc" not in str(error.value)
    assert not memory.exists(f"{BUCKET}/models/my_digits/readme.md")


def test_a_file_that_arrives_short_is_told(digits, memory, monkeypatch):
    monkeypatch.setattr(type(memory), "info", lambda self, path, **_: {"size": 3})
    with pytest.raises(DownloadError, match="3 of .* bytes arrived"):
        publish(digits, f"memory://{BUCKET}/models")


@pytest.mark.parametrize("address", ["nonsense://x/y", "file:///tmp/x", "local:///tmp/x"])
def test_schemes_that_nothing_is_put_to_are_refused(digits, address):
    with pytest.raises(UsageError, match="are not known"):
        publish(digits, address)
