"""Weights at an address of their own: bare, in archives, with and without a hash."""

import hashlib
import io
import json
import tarfile
import zipfile

import pytest

from zoo.errors import (
    CardError,
    DownloadError,
    HashMismatchError,
    UnavailableError,
    UsageError,
    VerificationError,
)
from zoo.registry.fetch import fetch
from zoo.registry.locate import Hints
from zoo.registry.patience import Patience

WEIGHTS = bytes(range(256)) * 400
SHA1 = hashlib.sha1(WEIGHTS, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
HASTY = Patience(connect=0.5, read=0.5, attempts=1)


@pytest.fixture
def files(tmp_path):
    """What the server has: the weights bare and packed, and a definition."""
    root = tmp_path / "files"
    root.mkdir()
    (root / "vgg.caffemodel").write_bytes(WEIGHTS)
    (root / "vgg_deploy.prototxt").write_text('name: "vgg"\n')
    with zipfile.ZipFile(root / "all.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("nets/vgg.caffemodel", WEIGHTS)
        opened.writestr("nets/inside.prototxt", 'name: "inside"\n')
        opened.writestr("../../evil.txt", "evil")
    with tarfile.open(root / "all.tar.gz", "w:gz") as opened:
        info = tarfile.TarInfo("nets/vgg.caffemodel")
        info.size = len(WEIGHTS)
        opened.addfile(info, io.BytesIO(WEIGHTS))
    return root


@pytest.fixture
def web(files, serve):
    return serve(files)


def readme(folder, **facts):
    folder.mkdir(exist_ok=True)
    lines = [f"{key}: {value}" for key, value in ({"name": "Vgg"} | facts).items()]
    (folder / "readme.md").write_text("\n".join(["---", *lines, "---", ""]))
    return folder


@pytest.mark.parametrize(
    "by", [{"sha1": SHA1}, {"sha256": SHA256}, {"sha1": SHA1, "sha256": SHA256}]
)
def test_weights_and_definition_come_from_their_addresses(web, by):
    hints = Hints(prototxts=(f"{web.url}vgg_deploy.prototxt",))
    result = fetch(f"{web.url}vgg.caffemodel", hints=hints, **by)
    assert result.name == "vgg"
    assert sorted(result.files) == ["readme.md", "vgg.caffemodel", "vgg_deploy.prototxt"]
    assert result.model.weights.read_bytes() == WEIGHTS
    assert result.model.deploy.name == "vgg_deploy.prototxt"
    assert result.model.card.caffemodel_url == f"{web.url}vgg.caffemodel"
    assert set(result.verified) == {f"{kind}:{digest}" for kind, digest in by.items()}
    web.requests.clear()
    assert not fetch(f"{web.url}vgg.caffemodel", **by).downloaded
    assert web.requests == []


def test_a_wrong_hash_keeps_nothing(web, own_zoo_home):
    with pytest.raises(HashMismatchError) as error:
        fetch(f"{web.url}vgg.caffemodel", sha1="0" * 40)
    assert error.value.received == SHA1
    assert not (own_zoo_home / "models/vgg").exists()


def test_weights_without_a_hash_are_not_taken_unasked(web, own_zoo_home):
    with pytest.raises(UsageError, match="nobody says which hash.*--trust-first-use") as error:
        fetch(f"{web.url}vgg.caffemodel")
    assert error.value.exit_code == 2
    assert web.requests == []
    assert list(own_zoo_home.iterdir()) == []


def test_weights_trusted_once_have_to_stay_the_same(web, files, own_zoo_home):
    address = f"{web.url}vgg.caffemodel"
    result = fetch(address, trust_first_use=True)
    assert SHA256 in result.note
    assert result.verified == ()
    assert fetch(address, force=True).verified == (f"sha256:{SHA256}",)
    (files / "vgg.caffemodel").write_bytes(WEIGHTS[::-1])
    for trust in (False, True):
        with pytest.raises(HashMismatchError) as error:
            fetch(address, force=True, trust_first_use=trust)
        assert error.value.expected == SHA256
    assert fetch(address).model.weights.read_bytes() == WEIGHTS
    newer = hashlib.sha256(WEIGHTS[::-1]).hexdigest()
    assert fetch(address, force=True, sha256=newer).downloaded


def test_what_was_trusted_outlives_the_model(web, own_zoo_home):
    from zoo.registry.cache import Cache

    fetch(f"{web.url}vgg.caffemodel", trust_first_use=True)
    Cache().remove("vgg")
    assert fetch(f"{web.url}vgg.caffemodel").verified == (f"sha256:{SHA256}",)
    (place,) = json.loads((own_zoo_home / "consent.json").read_text())["first_seen"]
    assert place == f"{web.url}vgg.caffemodel"


def test_damaged_memory_of_trust_is_never_taken_for_none(web, own_zoo_home):
    fetch(f"{web.url}vgg.caffemodel", trust_first_use=True)
    (own_zoo_home / "consent.json").write_text("{")
    with pytest.raises(UnavailableError, match="holds the hashes that were trusted"):
        fetch(f"{web.url}vgg.caffemodel", force=True)


def test_http_beyond_this_machine_needs_a_hash_or_the_word_of_the_user(tmp_path):
    from zoo.registry.download import download

    url = "http://192.0.2.1/x.caffemodel"
    with pytest.raises(UsageError, match="--trust-first-use"):
        fetch(url)
    with pytest.raises(DownloadError, match="http without a hash"):
        download([url], tmp_path / "x", parts=tmp_path / "parts")


def test_the_only_weights_of_an_archive_need_no_name(web):
    result = fetch(f"{web.url}all.zip", sha256=SHA256)
    assert result.model.weights.read_bytes() == WEIGHTS


@pytest.mark.parametrize("archive", ["all.zip", "all.tar.gz"])
def test_an_archive_gives_its_member_and_nothing_else(web, archive, own_zoo_home, tmp_path):
    result = fetch(f"{web.url}{archive}", hints=Hints(member="nets/vgg.caffemodel"), sha256=SHA256)
    assert (result.name, sorted(result.files)) == ("all", ["readme.md", "vgg.caffemodel"])
    assert result.model.weights.read_bytes() == WEIGHTS
    kept = sorted(path.name for path in own_zoo_home.rglob("*") if path.is_file())
    assert not {archive, "evil.txt"} & set(kept)
    assert not (tmp_path.parent / "evil.txt").exists()


def test_an_archive_may_be_what_the_hash_is_of(web, files):
    sha1 = hashlib.sha1((files / "all.zip").read_bytes(), usedforsecurity=False).hexdigest()
    address, hints = f"{web.url}all.zip", Hints(member="vgg.caffemodel")
    assert fetch(address, hints=hints, sha1=sha1).downloaded
    assert not fetch(address, hints=hints, sha1=sha1).downloaded


def test_a_member_that_is_not_what_was_promised_is_refused(web, own_zoo_home):
    with pytest.raises(HashMismatchError, match="expected sha1 0000"):
        fetch(f"{web.url}all.zip", hints=Hints(member="vgg.caffemodel"), sha1="0" * 40)
    assert not (own_zoo_home / "models/all").exists()
    with pytest.raises(VerificationError, match=r"does not hold other\.caffemodel"):
        fetch(f"{web.url}all.zip", hints=Hints(member="other.caffemodel"), sha1=SHA1)


def test_a_card_may_name_an_archive_and_the_definition_in_it(web, tmp_path):
    folder = readme(
        tmp_path / "vgg",
        caffemodel="vgg.caffemodel",
        caffemodel_url=f"{web.url}all.zip",
        archive_member="nets/vgg.caffemodel",
        prototxt_members="[nets/inside.prototxt]",
        sha1=SHA1,
    )
    result = fetch(folder)
    assert result.model.deploy.read_text() == 'name: "inside"\n'
    assert result.model.weights.read_bytes() == WEIGHTS
    assert web.requests.count("/all.zip") == 1


def test_a_bare_mirror_is_tried_before_the_archive_and_the_archive_after_it(web, tmp_path):
    folder = readme(
        tmp_path / "vgg",
        caffemodel="vgg.caffemodel",
        caffemodel_url=f"{web.url}all.zip",
        mirrors=f"[{web.url}vgg.caffemodel]",
        sha1=SHA1,
    )
    assert fetch(folder).downloaded
    assert web.requests == ["/vgg.caffemodel"]
    web.faults["/vgg.caffemodel"] = 404
    assert fetch(folder, force=True, patience=HASTY).downloaded
    assert "/all.zip" in web.requests


def test_mirrors_are_tried_in_their_order(web, tmp_path):
    web.faults["/gone.caffemodel"] = 404
    folder = readme(
        tmp_path / "vgg",
        caffemodel_url=f"{web.url}gone.caffemodel",
        mirrors=f"[{web.url}vgg.caffemodel]",
        sha1=SHA1,
    )
    assert fetch(folder, patience=HASTY).model.weights.read_bytes() == WEIGHTS


@pytest.mark.parametrize("several", ["\n- {}\n- {}", " {}\ncaffemodel_url: {}"])
def test_a_second_address_in_a_readme_is_a_mirror(web, tmp_path, several):
    web.faults["/gone.caffemodel"] = 404
    addresses = several.format(f"{web.url}gone.caffemodel", f"{web.url}vgg.caffemodel")
    folder = tmp_path / "vgg"
    folder.mkdir()
    text = f"---\ncaffemodel: vgg.caffemodel\nsha1: {SHA1}\ncaffemodel_url:{addresses}\n---\n"
    (folder / "readme.md").write_text(text)
    assert fetch(folder, patience=HASTY).model.weights.read_bytes() == WEIGHTS
    assert web.requests == ["/gone.caffemodel", "/vgg.caffemodel"]


def test_definitions_are_fetched_from_the_addresses_in_the_card(web, files, tmp_path):
    (files / "solver.prototxt").write_text("net: 1\n")
    sha1 = hashlib.sha1(b'name: "vgg"\n', usedforsecurity=False).hexdigest()
    facts = {
        "caffemodel": "vgg.caffemodel",
        "caffemodel_url": f"{web.url}vgg.caffemodel",
        "prototxt": f"[{web.url}vgg_deploy.prototxt, {web.url}solver.prototxt]",
        "sha1": SHA1,
    }
    folder = readme(tmp_path / "vgg", **facts, prototxt_sha1=f"{{vgg_deploy.prototxt: {sha1}}}")
    result = fetch(folder)
    assert {"vgg_deploy.prototxt", "solver.prototxt"} <= set(result.files)
    (files / "solver.prototxt").unlink()
    result = fetch(folder, force=True, patience=HASTY)
    assert "solver.prototxt was not fetched" in result.note
    assert "vgg_deploy.prototxt" in result.files
    readme(folder, **facts, prototxt_sha1=f"{{vgg_deploy.prototxt: {'f' * 40}}}")
    with pytest.raises(HashMismatchError):
        fetch(folder, force=True)


def test_an_address_that_only_people_can_use_is_said_to_be_one(tmp_path):
    facts = {"caffemodel": "x.caffemodel", "sha1": SHA1}
    folder = readme(tmp_path / "x", caffemodel_url="https://mega.nz/#!9JM!zs", **facts)
    with pytest.raises(UnavailableError, match="(?s)MEGA decrypts files in the browser.*by hand"):
        fetch(folder)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://h/x.caffemodel", "s3://b/x.caffemodel"]
)
def test_a_card_cannot_send_anywhere_but_to_the_web(tmp_path, url):
    folder = readme(tmp_path / "x", caffemodel="x.caffemodel", caffemodel_url=url, sha1=SHA1)
    with pytest.raises(DownloadError, match=r"not an http\(s\) address"):
        fetch(folder, patience=HASTY)


def test_a_card_cannot_name_its_own_record_as_weights(web, tmp_path):
    for name in ("zoo.json", "readme.md", "ReadMe.MD"):
        folder = readme(
            tmp_path / "x", caffemodel=name, caffemodel_url=f"{web.url}vgg.caffemodel", sha1=SHA1
        )
        with pytest.raises(CardError, match="cannot be the name of weights"):
            fetch(folder)


def test_an_address_with_a_secret_is_kept_without_it(web, own_zoo_home):
    result = fetch(f"{web.url}vgg.caffemodel?token=sesame", sha1=SHA1)
    assert result.downloaded
    kept = [path for path in own_zoo_home.rglob("*") if path.is_file()]
    assert not any(b"sesame" in path.read_bytes() for path in kept)
    assert not any("sesame" in path.name for path in kept)


def test_a_dry_run_tells_size_place_licence_and_what_it_would_ask_for(web, tmp_path, own_zoo_home):
    folder = readme(
        tmp_path / "vgg",
        caffemodel="vgg.caffemodel",
        caffemodel_url=f"{web.url}vgg.caffemodel",
        license="non-commercial",
    )
    result = fetch(folder, dry_run=True)
    weights = result.planned[-1]
    assert (weights.size, weights.urls) == (len(WEIGHTS), (f"{web.url}vgg.caffemodel",))
    assert result.license.kind == "non-commercial"
    assert result.asks_for == ("--accept-license", "--trust-first-use")
    assert list(own_zoo_home.iterdir()) == []
    web.faults["/vgg.caffemodel"] = 404
    assert "vgg.caffemodel would not come" in fetch(folder, dry_run=True).note


def test_what_is_no_weights_may_not_be_endless(web, files, tmp_path, monkeypatch):
    from zoo.registry import assemble

    monkeypatch.setattr(assemble, "LARGEST_COMPANION", 1000)
    (files / "long.prototxt").write_bytes(b"#" * 2000)
    folder = readme(
        tmp_path / "vgg",
        caffemodel_url=f"{web.url}vgg.caffemodel",
        prototxt=f"{web.url}long.prototxt",
        sha1=SHA1,
    )
    with pytest.raises(VerificationError, match="long.prototxt"):
        fetch(folder, patience=HASTY)
    (folder / "readme.md").write_text("---\nname: x\n---\n")
    (folder / "labels.txt").write_bytes(b"#" * 2000)
    with pytest.raises(DownloadError, match="more than the 1000 bytes"):
        fetch(folder)
