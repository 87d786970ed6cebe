"""Publishing as a gist, to a server on loopback that speaks GitHub's API."""

import pytest
from gist_server import TOKEN, GistServer
from publishable import SHA1, WEIGHTS, fill_in, write_digits

import zoo
from zoo.errors import DownloadError, PublishError, UnavailableError, UsageError
from zoo.publishing import publish
from zoo.registry.card import Card
from zoo.registry.fetch import fetch


@pytest.fixture
def gists(monkeypatch):
    server = GistServer()
    monkeypatch.setenv("GITHUB_API_URL", server.url)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.delenv("GH_TOKEN", raising=False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def host(serve, tmp_path):
    """Where the weights lie."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host/w.caffemodel").write_bytes(WEIGHTS)
    return serve(tmp_path / "host")


@pytest.fixture
def digits(tmp_path, host):
    directory = write_digits(tmp_path)
    fill_in(directory, caffemodel_url=f"{host.url}w.caffemodel")
    return directory


def test_a_gist_is_made_and_fetched(digits, gists, monkeypatch, tmp_path):
    published = publish(digits, "gist")
    [(id, states)] = gists.gists.items()
    assert published.command == f"zoo fetch gist:{id}@sha1:{SHA1}"
    assert published.location == f"https://gist.github.com/someone/{id}"
    assert sorted(states[-1]) == ["deploy.prototxt", "labels.txt", "readme.md"]
    assert gists.listed[id]
    assert Card.read(digits / "readme.md").gist_id == id
    assert states[-1]["readme.md"] == (digits / "readme.md").read_bytes()
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.delenv("GITHUB_TOKEN")
    result = fetch(published.command.split()[2])
    assert f"sha1:{SHA1}" in result.verified
    assert zoo.load(result.directory).labels == ["zero", "one", "two", "three", "four"]


def test_a_gist_is_revised_and_files_of_the_owner_stay(digits, gists):
    publish(digits, "gist", unlisted=True)
    [(id, states)] = gists.gists.items()
    assert not gists.listed[id]
    states.append({**states[-1], "README.MD": b"old", "chat.md": b"Hello", "old.prototxt": b"x"})
    with pytest.raises(UsageError, match=f"gist:{id} has a my_digits already"):
        publish(digits, "gist")
    fill_in(digits, task="recognition")
    for place in ("gist", f"gist:{id}"):
        published = publish(digits, place, update=True)
        assert published.command == f"zoo fetch gist:{id}@sha1:{SHA1}"
    assert list(gists.gists) == [id]
    files = gists.gists[id][-1]
    assert sorted(files) == ["chat.md", "deploy.prototxt", "labels.txt", "readme.md"]
    assert b"task: recognition" in files["readme.md"]


def test_a_dry_run_of_a_gist_makes_none(digits, gists):
    published = publish(digits, "gist", dry_run=True)
    assert [name for name, _ in published.files] == ["deploy.prototxt", "labels.txt", "readme.md"]
    assert gists.changes == []


def test_what_a_gist_cannot_hold_is_told(digits, gists, monkeypatch):
    monkeypatch.delenv("GITHUB_TOKEN")
    fill_in(digits, caffemodel_url=None)
    (digits / "empty.txt").touch()
    (digits / "mean.binaryproto").write_bytes(b"\x00\xff")
    (digits / "long.txt").write_text("x" * (1 << 20) + "x")
    with pytest.raises(PublishError) as error:
        publish(digits, "gist")
    text = str(error.value)
    assert len(error.value.flaws) == 5
    for words in (
        "add 'caffemodel_url: https://...'",
        "set GITHUB_TOKEN",
        "empty.txt is empty",
        "mean.binaryproto is no text",
        "long.txt has 1048577 bytes",
    ):
        assert words in text
    assert gists.requests == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (WEIGHTS[:-1] + b"x", f"has sha1 .*, not {SHA1}"),
        (WEIGHTS + b"x", "has 81383 bytes, not 81382"),
        (b"<!DOCTYPE html><html></html>", "28 bytes, not 81382.*HTML page"),
        (None, "answers HTTP 404"),
    ],
)
def test_the_address_of_the_weights_has_to_have_them(digits, host, gists, content, words):
    if content is None:
        (host.root / "w.caffemodel").unlink()
    else:
        (host.root / "w.caffemodel").write_bytes(content)
    with pytest.raises(PublishError, match=words) as error:
        publish(digits, "gist")
    [flaw] = error.value.flaws
    assert flaw.line == Card.read(digits / "readme.md").line("caffemodel_url")
    assert gists.changes == []


def test_weights_on_a_server_without_a_length_are_read_no_further_than_needed(digits, host, gists):
    (host.root / "w.caffemodel").write_bytes(WEIGHTS * 100)
    host.faults["/w.caffemodel"] = "without_length"
    with pytest.raises(PublishError, match="has more than 81382 bytes"):
        publish(digits, "gist")


def test_an_address_that_cannot_be_reached_now_is_a_note(digits, gists, closed_port):
    fill_in(digits, caffemodel_url=f"http://127.0.0.1:{closed_port}/w.caffemodel")
    published = publish(digits, "gist")
    assert any("could not be checked (connection refused)" in note for note in published.notes)


def test_the_id_is_kept_even_if_the_readme_of_the_gist_could_not_be_told(digits, gists):
    gists.faults["PATCH /gists/" + f"{1:032x}"] = 500
    published = publish(digits, "gist")
    assert any("does not name the gist yet" in note for note in published.notes)
    id = Card.read(digits / "readme.md").gist_id
    assert list(gists.gists) == [id]


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "not valid"), (403, "may not write gists"), (422, "does not take"), (302, "refused")],
)
def test_refusals_of_github_are_explained_and_the_token_is_never_shown(
    digits, gists, status, words, capsys
):
    gists.faults["POST /gists"] = status
    with pytest.raises(UnavailableError, match=words) as error:
        publish(digits, "gist")
    assert error.value.exit_code == 4
    from zoo.cli.main import main

    assert main(["publish", str(digits), "--to", "gist", "--debug"]) == 4
    captured = capsys.readouterr()
    assert TOKEN not in str(error.value) + captured.out + captured.err
    assert Card.read(digits / "readme.md").gist_id is None


def test_a_gist_of_somebody_else_is_not_revised(digits, gists):
    with pytest.raises(UnavailableError, match="there is no gist:"):
        publish(digits, f"gist:{7:032x}", update=True)
    with pytest.raises(UsageError, match="20 or 32 hex digits"):
        publish(digits, "gist:mine")
    assert gists.gists == {}


def test_a_token_does_not_go_over_the_network_unencrypted(digits, gists, monkeypatch):
    monkeypatch.setenv("GITHUB_API_URL", "http://github.example.org/api")
    with pytest.raises(UsageError, match="unencrypted"):
        publish(digits, "gist")


def test_a_netrc_does_not_take_the_place_of_the_token(digits, gists, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password wrong\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert publish(digits, "gist").command
    sent = {value for path, value in gists.requests if path.startswith("/gists")}
    assert sent == {f"Bearer {TOKEN}"}


def test_offline_nothing_is_sent(digits, gists, monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(DownloadError, match="ZOO_OFFLINE"):
        publish(digits, "gist")
    assert gists.requests == []
