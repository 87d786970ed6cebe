"""Gists, from a server on loopback that speaks GitHub's API."""

import hashlib

import pytest
from gist_server import GistServer

from zoo.errors import CardError, DownloadError, UnavailableError, UsageError
from zoo.registry.address import parse_address
from zoo.registry.cache import Cache
from zoo.registry.fetch import fetch
from zoo.registry.known import known
from zoo.registry.locate import Hints, locate

ID = "034c6ac3865563b69e60"
WEIGHTS = bytes(range(256)) * 40
DEPLOY = b'name: "tiny"\nlayer { name: "data" type: "Input" top: "data" }\n' + b"# long\n" * 400


@pytest.fixture
def gists(monkeypatch):
    server = GistServer()
    monkeypatch.setenv("GITHUB_API_URL", server.url)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.delenv("GH_TOKEN", raising=False)
    yield server
    server.shutdown()
    server.server_close()


def readme(url, weights=WEIGHTS, license="BSD-2-Clause", file="tiny.caffemodel"):
    sha1 = hashlib.sha1(weights, usedforsecurity=False).hexdigest()
    lines = [
        "---",
        "name: The Tiny Model",
        f"caffemodel: {file}",
        f"caffemodel_url: {url}",
        f"license: {license}",
        f"sha1: {sha1}",
        f"gist_id: {ID}",
        "---",
        "Reads tiny things.",
    ]
    return "\n".join(lines).encode()


@pytest.fixture
def tiny(gists, serve, tmp_path):
    """A gist with a definition too long for the API, its weights on another server."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/tiny.caffemodel").write_bytes(WEIGHTS)
    weights = serve(tmp_path / "weights")
    url = f"{weights.url}tiny.caffemodel"
    gists.gists[ID] = [{"readme.md": readme(url), "deploy.prototxt": DEPLOY, "solver.txt": b"x"}]
    return weights


@pytest.mark.parametrize(
    "address",
    [
        ID,
        f"gist:{ID}",
        f"BVLC/{ID}",
        f"https://gist.github.com/someone/{ID}#file-readme-md",
        f"https://gist.githubusercontent.com/someone/{ID}/raw/readme.md",
    ],
)
def test_a_gist_is_fetched_whatever_it_is_called_by(tiny, gists, address):
    result = fetch(address)
    assert (result.name, result.source) == (f"gist-{ID}", f"gist:{ID}")
    assert sorted(result.files) == ["deploy.prototxt", "readme.md", "solver.txt", "tiny.caffemodel"]
    assert (result.directory / "deploy.prototxt").read_bytes() == DEPLOY
    assert result.model.weights.read_bytes() == WEIGHTS
    assert result.verified
    gists.requests.clear()
    assert not fetch(f"gist:{ID}").downloaded
    assert not fetch("The Tiny Model").downloaded
    assert gists.requests == []


def test_a_revision_is_another_model_and_stays_the_same(tiny, gists):
    old = gists.gists[ID][0]
    gists.gists[ID].append(old | {"deploy.prototxt": b'name: "newer"\n'})
    pinned = fetch(f"gist:{ID}@{gists.revision(0)}")
    newest = fetch(f"gist:{ID}")
    assert pinned.name != newest.name
    assert (pinned.directory / "deploy.prototxt").read_bytes() == DEPLOY
    assert (newest.directory / "deploy.prototxt").read_bytes() == b'name: "newer"\n'
    assert pinned.source == f"gist:{ID}@{gists.revision(0)}"


def test_the_token_goes_to_the_api_and_nowhere_else(tiny, gists, monkeypatch, own_zoo_home):
    monkeypatch.setenv("GITHUB_TOKEN", "sesame-open")
    elsewhere = GistServer()
    elsewhere.gists[ID] = [{"tiny.caffemodel": WEIGHTS}]
    url = f"{elsewhere.url}/raw/{ID}/0/tiny.caffemodel"
    gists.gists[ID][0]["readme.md"] = readme(url)
    assert fetch(f"gist:{ID}").downloaded
    elsewhere.server_close()
    assert {authorization for _, authorization in gists.requests} == {"Bearer sesame-open"}
    assert elsewhere.requests == [(f"/raw/{ID}/0/tiny.caffemodel", None)]
    kept = [path.read_bytes() for path in own_zoo_home.rglob("*") if path.is_file()]
    assert not any(b"sesame" in content for content in kept)


def test_a_gist_that_is_not_there_says_so(gists):
    with pytest.raises(UnavailableError, match="there is no gist"):
        fetch(f"gist:{'0' * 20}")


@pytest.mark.parametrize(
    ("status", "words"), [(403, "set GITHUB_TOKEN"), (401, "GITHUB_TOKEN is not valid")]
)
def test_refusals_of_the_api_are_explained(tiny, gists, status, words):
    gists.faults[f"/gists/{ID}"] = status
    with pytest.raises(DownloadError, match=words):
        fetch(f"gist:{ID}")


def test_names_of_a_gist_cannot_leave_the_directory(tiny, gists, own_zoo_home, tmp_path):
    gists.gists[ID][0] |= {
        "../../evil.txt": b"evil",
        "/etc/evil.txt": b"evil",
        "C:evil.txt": b"evil",
        "nul.txt": b"evil",
        "zoo.json": b"evil",
        "README.MD": b"evil",
        "Deploy.prototxt": b"evil",
        "labels.txt.": b"evil",
    }
    result = fetch(f"gist:{ID}")
    assert sorted(result.files) == ["deploy.prototxt", "readme.md", "solver.txt", "tiny.caffemodel"]
    everything = [*own_zoo_home.rglob("*"), *tmp_path.rglob("*")]
    assert not any(b"evil" in path.read_bytes() for path in everything if path.is_file())
    assert not any("evil" in path.name for path in everything)


def test_a_weights_name_that_leads_elsewhere_is_refused(tiny, gists):
    gists.gists[ID][0]["readme.md"] = readme("http://127.0.0.1:1/x", file="../../x.caffemodel")
    with pytest.raises(CardError, match="not the name of a file beside the readme"):
        fetch(f"gist:{ID}")


def test_two_models_in_one_gist_are_told_apart(tiny, gists):
    card = gists.gists[ID][0].pop("readme.md")
    gists.gists[ID][0] |= {"age.md": card, "gender.md": card.replace(b"Tiny", b"Other")}
    with pytest.raises(CardError, match=r"2 readmes: age\.md, gender\.md"):
        fetch(f"gist:{ID}")
    result = fetch(f"https://gist.github.com/someone/{ID}#file-gender-md")
    assert result.model.card.name == "The Other Model"


def test_a_readme_of_several_models_asks_which_one(tiny, gists):
    url = f"{tiny.url}tiny.caffemodel"
    sha1 = hashlib.sha1(WEIGHTS, usedforsecurity=False).hexdigest()
    both = "\n\n".join(
        f"---\nname: {name}\ncaffemodel: {name}_net.caffemodel\ncaffemodel_url: {url}\n"
        f"license: MIT\nsha1: {sha1}\n---"
        for name in ("age", "gender")
    )
    gists.gists[ID][0]["readme.md"] = both.encode()
    with pytest.raises(CardError, match="age, gender.*--model"):
        fetch(f"gist:{ID}")
    result = fetch(f"gist:{ID}", hints=Hints(model="gender"))
    assert result.name == f"gist-{ID}--gender"
    assert result.model.weights.name == "gender_net.caffemodel"
    assert result.model.card.name == "gender"
    assert "deploy.prototxt" in result.files
    assert not fetch(f"gist:{ID}", hints=Hints(model="gender")).downloaded


def test_a_model_of_the_same_name_from_elsewhere_is_not_replaced_unasked(tiny, tmp_path):
    for place in ("one", "two"):
        (tmp_path / place / "tiny").mkdir(parents=True)
        (tmp_path / place / "tiny/readme.md").write_text(f"---\nname: {place}\n---\n")
    fetch(tmp_path / "one/tiny")
    with pytest.raises(UsageError, match="another model called tiny.*--force"):
        fetch(tmp_path / "two/tiny")
    assert fetch(tmp_path / "two/tiny", force=True).model.card.name == "two"


def test_offline_a_gist_that_is_not_here_is_not_waited_for(tiny, gists, monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="not in the cache, and ZOO_OFFLINE is set"):
        fetch(f"gist:{ID}")
    assert gists.requests == []
    monkeypatch.delenv("ZOO_OFFLINE")
    fetch(f"gist:{ID}")
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert not fetch(f"gist:{ID}").downloaded


def test_an_entry_of_the_catalogue_takes_its_definitions_from_its_gist(gists, own_zoo_home):
    id = known()["nin_imagenet"].facts["gist_id"]
    gists.gists[id] = [{"readme.md": b"---\nname: x\n---\n", "deploy.prototxt": DEPLOY}]
    found, unreachable = locate(parse_address("nin_imagenet"), (), Cache())
    assert unreachable == {}
    assert [file.name for file in found.files()] == ["readme.md", "deploy.prototxt"]
    assert found.text("deploy.prototxt").encode() == DEPLOY
    assert found.text("readme.md") == known()["nin_imagenet"].card().text()
    gists.faults[f"/gists/{id}"] = 500
    found, unreachable = locate(parse_address("nin_imagenet"), (), Cache())
    assert [file.name for file in found.files()] == ["readme.md"]
    assert "HTTP 500" in unreachable[f"gist:{id}"]
