"""Publishing on the Hugging Face Hub, to a server on loopback through huggingface_hub."""

import hashlib

import huggingface_hub.constants as constants
import pytest
import yaml
from hub_server import TOKEN, HubServer
from publishable import FROM_LENET, SHA1, WEIGHTS, fill_in, write_digits

import zoo
from zoo.errors import UnavailableError, UsageError, VerificationError
from zoo.publishing import publish
from zoo.registry.card import Card
from zoo.registry.fetch import fetch
from zoo.registry.licence import read_license

# huggingface_hub uploads in a way that its own HTTP library no longer likes.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch):
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def digits(tmp_path):
    return write_digits(tmp_path)


def metadata(hub, repo="me/my-digits", file="README.md"):
    return yaml.safe_load(hub.repos[repo][file].decode().split("---")[1])


def test_a_repository_is_made_and_fetched(digits, hub, monkeypatch, tmp_path):
    published = publish(digits, "hf://me/my-digits")
    assert published.command == f"zoo fetch hf://me/my-digits@sha1:{SHA1}"
    assert hub.repos["me/my-digits"]["my_digits.caffemodel"] == WEIGHTS
    assert sorted(hub.repos["me/my-digits"]) == [
        ".gitattributes",
        "README.md",
        "deploy.prototxt",
        "labels.txt",
        "my_digits.caffemodel",
    ]
    assert hub.commits == ["Publish my_digits"]
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "elsewhere"))
    result = fetch(published.command.split()[2])
    assert f"sha256:{hashlib.sha256(WEIGHTS).hexdigest()}" in result.verified
    assert zoo.load(result.directory).labels == ["zero", "one", "two", "three", "four"]


def test_the_card_has_what_the_hub_reads_and_stays_a_card(digits, hub):
    fill_in(digits, derived_from=[FROM_LENET, f"hf://other/base@sha1:{SHA1}"])
    fill_in(digits, derived_from_license=["Apache-2.0", "MIT"])
    publish(digits, "hf://me/my-digits")
    facts = metadata(hub)
    assert facts["license"] == "bsd-2-clause"
    assert facts["tags"] == ["digits", "mnist", "caffe", "model-zoo-kit"]
    assert facts["pipeline_tag"] == "image-classification"
    assert facts["library_name"] == "model-zoo-kit"
    assert facts["base_model"] == ["other/base"]
    assert "license_spdx" not in facts
    card = Card.from_bytes(hub.repos["me/my-digits"]["README.md"])
    assert read_license(card.license).id == "BSD-2-Clause"
    assert card.sha1 == SHA1
    assert Card.read(digits / "readme.md").license == "BSD-2-Clause"


@pytest.mark.parametrize(
    ("license", "expected"),
    [
        ("GPL-3.0-or-later", {"license": "gpl-3.0", "license_spdx": "GPL-3.0-or-later"}),
        ("CC-BY-NC-SA-4.0", {"license": "cc-by-nc-sa-4.0"}),
        (
            "LicenseRef-my-terms",
            {
                "license": "other",
                "license_name": "my-terms",
                "license_link": "LICENSE",
                "license_spdx": "LicenseRef-my-terms",
            },
        ),
        ("Vim", {"license": "other", "license_name": "Vim", "license_spdx": "Vim"}),
    ],
)
def test_the_hub_gets_licences_in_its_own_spelling(digits, hub, license, expected):
    fill_in(digits, license=license)
    if license.startswith("LicenseRef"):
        (digits / "LICENSE").write_text("Be kind.\n")
    publish(digits, "hf://me/my-digits")
    facts = metadata(hub)
    found = {key: value for key, value in facts.items() if key.startswith("license")}
    assert found == expected
    card = Card.from_bytes(hub.repos["me/my-digits"]["README.md"])
    assert read_license(card.value("license_spdx") or card.license).id == license


def test_a_repository_is_revised_with_a_commit_and_other_files_stay(digits, hub):
    publish(digits, "hf://me/my-digits")
    repo = hub.repos["me/my-digits"]
    repo |= {"chat.md": b"Hello", "old.caffemodel": b"x", "sub/deploy.prototxt": b"x"}
    with pytest.raises(UsageError, match="has a my_digits already, with the same weights"):
        publish(digits, "hf://me/my-digits")
    fill_in(digits, task="detection")
    publish(digits, "hf://me/my-digits", update=True)
    assert hub.commits == ["Publish my_digits", "Revise my_digits"]
    assert metadata(hub)["pipeline_tag"] == "object-detection"
    assert "old.caffemodel" not in repo
    assert {"chat.md", "sub/deploy.prototxt", ".gitattributes"} <= set(repo)


def test_a_folder_of_a_repository_is_a_model_of_its_own(digits, hub):
    hub.repos["me/nets"] = {"README.md": b"Many nets.", ".gitattributes": b"x"}
    published = publish(digits, "hf://me/nets/digits")
    assert hub.repos["me/nets"]["digits/my_digits.caffemodel"] == WEIGHTS
    assert hub.repos["me/nets"]["README.md"] == b"Many nets."
    assert fetch(published.command.split()[2]).verified


def test_weights_that_arrive_otherwise_are_told(digits, hub):
    hub.lies["my_digits.caffemodel"] = "0" * 64
    with pytest.raises(VerificationError, match=f"sha256 {'0' * 64}; expected"):
        publish(digits, "hf://me/my-digits")


def test_a_dry_run_on_the_hub_makes_nothing(digits, hub):
    published = publish(digits, "hf://me/my-digits", dry_run=True)
    assert "README.md" in dict(published.files)
    assert hub.repos == {}


def test_a_wrong_token_is_explained_and_never_shown(digits, hub, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(UnavailableError, match="set HF_TOKEN to a token that may write") as error:
        publish(digits, "hf://me/my-digits")
    assert "hf_wrong" not in str(error.value)
    assert hub.repos == {}


def test_the_address_of_a_repository_has_no_revision(digits, hub):
    with pytest.raises(UsageError, match="without a revision"):
        publish(digits, "hf://me/my-digits@main")
    with pytest.raises(UsageError, match="expected hf://owner/repo"):
        publish(digits, "hf://me")


def test_a_hub_that_is_not_there_is_called_so(digits, hub, monkeypatch, closed_port):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    for step in (lambda: publish(digits, "hf://me/x"), lambda: fetch("hf://me/x")):
        with pytest.raises(UnavailableError, match=r"hf://me/x: the Hub cannot be reached"):
            step()


def test_offline_the_hub_is_not_asked(digits, hub, monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="ZOO_OFFLINE"):
        publish(digits, "hf://me/my-digits")
    assert hub.requests == []
