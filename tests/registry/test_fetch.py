"""Fetching from a real server, good and bad; what fails leaves nothing and loses nothing."""

import hashlib

import pytest

from zoo.errors import (
    CardError,
    DownloadError,
    HashMismatchError,
    UnknownModelError,
    UsageError,
    VerificationError,
)
from zoo.registry.cache import Cache
from zoo.registry.fetch import fetch
from zoo.registry.patience import Patience

WEIGHTS_PATH = "/tiny/tiny.caffemodel"
HASTY = Patience(connect=0.5, read=0.5, attempts=1)


def left_behind(home):
    """Everything in the models' folder of a cache."""
    models = home / "models"
    return sorted(path.name for path in models.iterdir()) if models.exists() else []


@pytest.fixture
def expected_sha1(models):
    return hashlib.sha1((models / "tiny/tiny.caffemodel").read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["folder", "listing", "index", "bare"])
def test_a_model_is_fetched_verified_and_not_asked_for_again(
    kind, models, server, own_zoo_home, expected_sha1
):
    if kind == "index":
        server.index()
    server.listing = kind == "listing"
    source = models if kind == "folder" else server.url
    result = fetch("tiny", source)
    assert result.downloaded
    assert result.verified == (f"sha1:{expected_sha1}",)
    assert result.note == ""
    assert result.directory == own_zoo_home / "models" / "tiny"
    assert sorted(result.files) == ["deploy.prototxt", "readme.md", "tiny.caffemodel"]
    for file in result.files:
        assert (result.directory / file).read_bytes() == (models / "tiny" / file).read_bytes()
    assert result.bytes == sum((models / "tiny" / file).stat().st_size for file in result.files)
    server.requests.clear()
    again = fetch("tiny", source)
    assert (again.downloaded, again.directory) == (False, result.directory)
    assert again.model.record == result.model.record
    assert server.requests == []


def test_squeezenet_comes_with_the_labels_beside_it(shared, serve):
    for source in (shared / "models", serve(shared / "models").url):
        result = fetch("squeezenet_v1.0", source, force=True)
        assert result.verified == ("sha1:24c286ecbb82d1735fefa997d90c3538c63f0b6d",)
        assert result.model.labels.read_bytes().count(b"\n") == 1000
        assert result.model.deploy.name == "deploy.prototxt"
        assert result.model.train_val.name == "train_val.prototxt"
        assert "LICENSE" in result.files


def test_a_second_fetch_needs_no_source(models, tmp_path, closed_port):
    fetch("tiny", models)
    for gone in (f"http://127.0.0.1:{closed_port}/", tmp_path / "gone"):
        assert not fetch("tiny", gone).downloaded


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("truncated", "cut short: 153600 of 307200 bytes came"),
        ("dying", "connection reset by peer after \\d+ of 307200 bytes"),
        (404, "HTTP 404"),
        (500, "HTTP 500"),
    ],
)
def test_weights_that_do_not_come_are_a_download_error(server, own_zoo_home, fault, reason):
    server.faults[WEIGHTS_PATH] = fault
    with pytest.raises(DownloadError, match=f"(?s)could not be fetched.*{reason}") as error:
        fetch("tiny", server.url, patience=HASTY)
    assert error.value.exit_code == 4
    assert [address for address, _ in error.value.attempts] == [f"{server.url}tiny/tiny.caffemodel"]
    assert left_behind(own_zoo_home) == []
    server.faults.clear()
    assert fetch("tiny", server.url).downloaded


def test_a_server_that_is_not_there_is_a_download_error(closed_port, own_zoo_home):
    with pytest.raises(DownloadError, match="connection refused"):
        fetch("tiny", f"http://127.0.0.1:{closed_port}/")
    assert left_behind(own_zoo_home) == []


@pytest.mark.parametrize(
    ("fault", "size", "words"),
    [
        ("corrupted", 307200, "fetching again cures"),
        ("page", 66, "HTML page"),
        ("empty", 0, "file is empty"),
    ],
)
def test_wrong_weights_leave_no_file_and_are_explained(
    server, own_zoo_home, expected_sha1, fault, size, words
):
    server.faults[WEIGHTS_PATH] = fault
    with pytest.raises(HashMismatchError) as error:
        fetch("tiny", server.url)
    assert error.value.exit_code == 3
    assert (error.value.algorithm, error.value.expected) == ("sha1", expected_sha1)
    text = str(error.value)
    parts = (expected_sha1, error.value.received, f"{size} bytes", f"{server.url}tiny/tiny.caff")
    for part in (*parts, words, "nothing was kept"):
        assert part in text
    assert left_behind(own_zoo_home) == []


def test_a_server_that_does_not_answer_is_not_waited_for(server, own_zoo_home):
    server.faults[WEIGHTS_PATH] = "late"
    with pytest.raises(DownloadError, match="no answer in time"):
        fetch("tiny", server.url, patience=HASTY)
    assert left_behind(own_zoo_home) == []


def test_a_git_lfs_pointer_in_a_folder_is_recognised(models, own_zoo_home):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 307200\n"
    (models / "tiny/tiny.caffemodel").write_text(pointer)
    with pytest.raises(HashMismatchError, match="Git LFS pointer"):
        fetch("tiny", models)
    assert left_behind(own_zoo_home) == []


def test_a_wrong_sha256_is_refused_although_the_sha1_is_right(models, own_zoo_home):
    readme = models / "tiny/readme.md"
    readme.write_text(readme.read_text().replace("license:", f"sha256: {'0' * 64}\nlicense:"))
    with pytest.raises(HashMismatchError) as error:
        fetch("tiny", models)
    assert error.value.algorithm == "sha256"
    assert left_behind(own_zoo_home) == []


def without_sha1(models):
    readme = models / "tiny/readme.md"
    lines = [line for line in readme.read_text().splitlines() if not line.startswith("sha1")]
    readme.write_text("\n".join(lines))


def test_a_card_without_sha1_is_fetched_and_the_hash_is_told(models, expected_sha1):
    without_sha1(models)
    result = fetch("tiny", models)
    assert result.verified == ()
    assert "no sha1 to verify" in result.note
    assert expected_sha1 in result.note
    assert result.model.record.files["tiny.caffemodel"].sha1 == expected_sha1


@pytest.mark.parametrize(("fault", "words"), [("page", "HTML page"), ("empty", "is empty")])
def test_a_page_is_never_kept_even_without_a_sha1(models, server, own_zoo_home, fault, words):
    without_sha1(models)
    server.faults[WEIGHTS_PATH] = fault
    with pytest.raises(VerificationError, match=words):
        fetch("tiny", server.url, trust_first_use=True)
    assert left_behind(own_zoo_home) == []


def test_a_page_instead_of_a_definition_is_refused(server, own_zoo_home):
    server.faults["/tiny/deploy.prototxt"] = "page"
    with pytest.raises(VerificationError, match=r"deploy\.prototxt .* HTML page"):
        fetch("tiny", server.url)
    assert left_behind(own_zoo_home) == []


def test_a_body_without_a_length_is_verified_all_the_same(server, expected_sha1):
    server.faults[WEIGHTS_PATH] = "without_length"
    assert fetch("tiny", server.url).verified == (f"sha1:{expected_sha1}",)


def test_weights_come_from_the_address_in_the_card(models, server, tmp_path, expected_sha1):
    url = f"{server.url}elsewhere/w.caffemodel"
    readme = models / "tiny/readme.md"
    readme.write_text(readme.read_text().replace("license:", f"caffemodel_url: {url}\nlicense:"))
    (tmp_path / "models/elsewhere").mkdir()
    (models / "tiny/tiny.caffemodel").rename(tmp_path / "models/elsewhere/w.caffemodel")
    result = fetch("tiny", models)
    assert result.model.weights.name == "tiny.caffemodel"
    assert result.verified == (f"sha1:{expected_sha1}",)
    server.faults["/elsewhere/w.caffemodel"] = 404
    with pytest.raises(DownloadError) as error:
        fetch("tiny", models, force=True)
    assert error.value.attempts[0][0] == url


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://h/x.caffemodel"])
def test_an_address_that_is_not_http_is_not_followed(models, url):
    readme = models / "tiny/readme.md"
    readme.write_text(readme.read_text().replace("license:", f"caffemodel_url: {url}\nlicense:"))
    (models / "tiny/tiny.caffemodel").unlink()
    with pytest.raises(DownloadError, match="not an http"):
        fetch("tiny", models)


def test_a_card_cannot_write_outside_the_cache(models, own_zoo_home):
    readme = models / "tiny/readme.md"
    readme.write_text(readme.read_text().replace("tiny.caffemodel", "../../../evil"))
    with pytest.raises(CardError, match="not the name of a file beside the readme"):
        fetch("tiny", models)
    with pytest.raises(UsageError):
        fetch("../tiny", models)


def test_a_name_goes_before_a_title_of_the_cache(models):
    card = models / "tiny" / "readme.md"
    card.write_text(card.read_text().replace("The Tiny Model", "second"))
    assert fetch("tiny", models).downloaded
    assert fetch("second", models).name == "tiny", "its title, and nothing else is called so"
    (models / "other").rename(models / "second")
    result = fetch("second", models, accept_license=True)
    assert (result.name, result.downloaded) == ("second", True)


def test_an_unknown_model_creates_nothing(models, own_zoo_home):
    with pytest.raises(UnknownModelError, match="Did you mean tiny"):
        fetch("tinny", models)
    assert left_behind(own_zoo_home) == []


def test_a_single_model_directory_is_an_address_of_its_own(server):
    address = f"{server.url}tiny/"
    server.faults[WEIGHTS_PATH] = "corrupted"
    with pytest.raises(HashMismatchError, match=f"from {address}tiny.caffemodel is not"):
        fetch("tiny", address)
    server.faults.clear()
    assert fetch("tiny", address).source == server.url
    assert fetch("tiny", address).note == ""


def test_a_dead_source_is_mentioned_when_another_has_the_model(models, closed_port):
    result = fetch("tiny", [f"http://127.0.0.1:{closed_port}/", models])
    assert "could not be reached (connection refused)" in result.note


def test_a_dry_run_says_what_would_come_and_writes_nothing(server, own_zoo_home):
    server.index()
    result = fetch("tiny", server.url, dry_run=True)
    assert not result.downloaded
    assert result.files[-1] == "tiny.caffemodel"
    assert result.bytes > 307200
    assert "dry run" in result.note
    assert WEIGHTS_PATH not in server.requests
    assert list(own_zoo_home.iterdir()) == []
    with pytest.raises(UsageError, match="dry run"):
        _ = result.model


def test_progress_is_told_from_nothing_to_all(server):
    told = []
    fetch("tiny", server.url, progress=lambda *step: told.append(step))
    weights = [step for step in told if step[0] == "tiny.caffemodel"]
    assert weights[0] == ("tiny.caffemodel", 0, 307200)
    assert weights[-1] == ("tiny.caffemodel", 307200, 307200)
    assert [done for _, done, _ in weights] == sorted(done for _, done, _ in weights)


def test_a_record_holds_no_credentials(server, own_zoo_home):
    fetch("tiny", server.url.replace("://", "://user:secret@"))
    assert "secret" not in (own_zoo_home / "models/tiny/zoo.json").read_text()


def test_a_model_without_weights_is_fetched_and_said_so(models):
    (models / "tiny/readme.md").write_text("---\nname: Only a net\n---\n")
    (models / "tiny/tiny.caffemodel").unlink()
    result = fetch("tiny", models)
    assert result.model.weights is None
    assert "names no weights" in result.note


def test_the_cache_can_be_a_source_of_another_cache(models, tmp_path, own_zoo_home):
    fetch("tiny", models)
    result = fetch("tiny", own_zoo_home / "models", cache=Cache(tmp_path / "second"))
    assert result.downloaded
    assert result.source == str(own_zoo_home / "models")
