"""Models on their way to a machine without internet: whole, verified, never instead of others."""

import io
import json
import os
import shutil
import tarfile

import pytest

from zoo.errors import (
    CardError,
    HashMismatchError,
    UnavailableError,
    UnknownModelError,
    UsageError,
    VerificationError,
)
from zoo.registry.cache import Cache
from zoo.registry.cache_carry import export_models, import_models
from zoo.registry.fetch import fetch


@pytest.fixture
def cache(models) -> Cache:
    """A cache with `tiny`, `twin` with the same weights, and `other`."""
    shutil.copytree(models / "tiny", models / "twin")
    for name in ("tiny", "twin", "other"):
        fetch(name, models, accept_license=True)
    return Cache()


@pytest.fixture
def far(tmp_path) -> Cache:
    """The cache of another machine."""
    return Cache(tmp_path / "far")


@pytest.fixture(params=["folder", "models.tar"])
def place(request, tmp_path):
    return tmp_path / "stick" / request.param


def carried(results):
    return {one.name: one.how for one in results}


def test_everything_arrives_and_is_what_it_was(cache, far, place):
    place.parent.mkdir()
    assert carried(export_models(cache, place)) == dict.fromkeys(
        ("other", "tiny", "twin"), "copied"
    )
    shutil.rmtree(cache.home)
    assert set(carried(import_models(far, place)).values()) == {"copied"}
    assert [model.name for model in far.models()] == ["other", "tiny", "twin"]
    for model in far.models():
        assert far.verify(model.name)
        assert model.damage() == ""
        assert model.record.verified_against[0].startswith("sha1:")
    assert far.get("tiny").weights.samefile(far.get("twin").weights)
    assert fetch("tiny", cache=far).downloaded is False
    assert set(carried(import_models(far, place)).values()) == {"already there"}


def test_only_the_models_that_are_named_are_carried(cache, far, place):
    place.parent.mkdir()
    export_models(cache, place, ["tiny", "twin"])
    assert carried(import_models(far, place, ["twin"])) == {"twin": "copied"}
    with pytest.raises(UnknownModelError, match="Did you mean t"):
        import_models(far, place, ["twins"])
    with pytest.raises(UnknownModelError):
        export_models(cache, place, ["nobody"], force=True)


def test_what_was_exported_is_a_cache_that_zoo_home_can_name(cache, tmp_path, monkeypatch):
    export_models(cache, tmp_path / "folder")
    export_models(cache, tmp_path / "models.tar")
    with tarfile.open(tmp_path / "models.tar") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    for home in ("folder", "unpacked"):
        monkeypatch.setenv("ZOO_HOME", str(tmp_path / home))
        assert not fetch("tiny").downloaded
        assert len(Cache().verify("twin")) == 3


def test_the_same_weights_are_in_a_tar_once(cache, tmp_path):
    export_models(cache, tmp_path / "models.tar")
    assert (tmp_path / "models.tar").stat().st_size < 2 * 307_200 + 60_000  # tiny's and other's
    with tarfile.open(tmp_path / "models.tar") as archive:
        owners = {(member.uid, member.uname, member.mtime) for member in archive}
        assert archive.getmember("models/twin/tiny.caffemodel").islnk()
    assert owners == {(0, "", 0)}


def test_another_model_of_the_same_name_stays_unless_forced(cache, far, place, models):
    place.parent.mkdir()
    export_models(cache, place)
    readme = models / "tiny/readme.md"
    readme.write_text(readme.read_text() + "Another.\n")
    fetch("tiny", models, cache=far)
    before = far.get("tiny").record
    with pytest.raises(UsageError, match=r"another tiny.*readme\.md differ.*--force"):
        import_models(far, place)
    assert far.get("tiny").record == before
    assert far.get("other") is None  # nothing was brought before that was seen
    assert carried(import_models(far, place, force=True))["tiny"] == "replaced"
    assert "Another" not in (far.path("tiny") / "readme.md").read_text()


def test_a_damaged_model_is_mended_by_an_import(cache, far, place):
    place.parent.mkdir()
    export_models(cache, place)
    import_models(far, place)
    far.get("tiny").deploy.write_text("damaged")
    assert carried(import_models(far, place))["tiny"] == "replaced"
    far.verify("tiny")


def test_damage_on_the_way_is_found_and_that_model_not_taken(cache, far, tmp_path):
    export_models(cache, tmp_path / "folder", ["tiny"])
    (tmp_path / "folder/models/tiny/deploy.prototxt").write_text("longer than it was" * 100)
    with pytest.raises(HashMismatchError, match=r"tiny/deploy\.prototxt is damaged.*or more"):
        import_models(far, tmp_path / "folder")
    assert far.models() == []
    assert far.directories() == []
    (tmp_path / "folder/models/tiny/deploy.prototxt").unlink()
    with pytest.raises(VerificationError, match=r"deploy\.prototxt: missing"):
        import_models(far, tmp_path / "folder")


@pytest.mark.parametrize("target", ["folder", "models.tar"])
@pytest.mark.parametrize("change", [lambda old: old[:-1] + b"?", lambda old: old + b"?"])
def test_a_damaged_model_is_not_exported(cache, tmp_path, target, change):
    weights = cache.get("tiny").weights
    weights.chmod(0o600)
    weights.write_bytes(change(weights.read_bytes()))
    with pytest.raises(HashMismatchError, match=r"tiny\.caffemodel is damaged"):
        export_models(cache, tmp_path / target, ["tiny"])
    assert not (tmp_path / "models.tar").exists()
    assert not list(tmp_path.glob("**/.*.partial"))


def test_an_export_does_not_write_over_other_things(cache, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "models.tar").write_text("mine")
    for target, words in (("notes", "holds other things"), ("file", "is a file"),
                          ("models.tar", "--force replaces it")):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            export_models(cache, tmp_path / target)
    assert (tmp_path / "models.tar").read_text() == "mine"
    export_models(cache, tmp_path / "models.tar", force=True)
    assert tarfile.is_tarfile(tmp_path / "models.tar")


def test_what_is_no_export_is_said_to_be_none(far, models, tmp_path):
    (tmp_path / "text.tar").write_text("no tar")
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    for origin, words in (("models", "no file LAYOUT.*--source"), ("text.tar", "is no tar"),
                          ("empty.tar", "no LAYOUT"), ("nothing", "does not exist")):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            import_models(far, tmp_path / origin)
    assert not far.home.exists()


def rewritten(source, target, change):
    """A tar with its members changed: `change` gets an entry and its content, None drops it."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            stream = old.extractfile(member) if member.isreg() else None
            content = stream.read() if stream else b""
            for entry, data in change(member, content):
                entry.size = len(data)
                new.addfile(entry, io.BytesIO(data))


def entry(name, kind=tarfile.REGTYPE, link=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    "evil",
    [
        entry("../evil"),
        entry("/tmp/evil"),
        entry("models/../../evil"),
        entry("models/tiny/labels.txt", tarfile.SYMTYPE, "/etc/passwd"),
        entry("models/tiny", tarfile.SYMTYPE, "/etc"),
        entry("models/tiny/labels.txt", tarfile.LNKTYPE, "/etc/passwd"),
        entry("models/tiny/labels.txt", tarfile.LNKTYPE, "../../../etc/passwd"),
        entry("models/tiny/pipe", tarfile.FIFOTYPE),
        entry("models/tiny/disk", tarfile.BLKTYPE),
        entry("models\\..\\evil"),
    ],
    ids=lambda member: f"{member.name} {member.type.decode()}",
)
def test_a_tar_that_leads_out_of_itself_is_refused(cache, far, tmp_path, evil):
    export_models(cache, tmp_path / "good.tar", ["tiny"])
    rewritten(
        tmp_path / "good.tar",
        tmp_path / "evil.tar",
        lambda member, data: [(member, data), (evil, b"")],
    )
    with pytest.raises(UsageError, match="nothing was taken from it"):
        import_models(far, tmp_path / "evil.tar")
    assert not far.home.exists()


def with_record(change, **content):
    """Changes the record of a tar, and adds files to it."""

    def changed(member, data):
        if member.name.endswith("zoo.json"):
            record = json.loads(data)
            change(record)
            yield member, json.dumps(record).encode()
            for name, text in content.items():
                yield entry(f"models/tiny/{name}"), text
        else:
            yield member, data

    return changed


def set_name(record):
    record["name"] = "../../evil"


def set_file(record):
    record["files"]["../../evil"] = record["files"]["readme.md"]


def set_hash(record):
    record["files"]["readme.md"]["sha256"] = "../../../evil"


def set_size(record):
    record["files"]["readme.md"]["size"] = "12"


def set_weights(record):
    record["weights"] = "evil"


def drop_readme(record):
    del record["files"]["readme.md"]


@pytest.mark.parametrize(
    "change", [set_name, set_file, set_hash, set_size, set_weights, drop_readme, dict.clear]
)
def test_a_record_that_lies_is_refused(cache, far, tmp_path, change):
    export_models(cache, tmp_path / "good.tar", ["tiny"])
    rewritten(tmp_path / "good.tar", tmp_path / "bad.tar", with_record(change))
    with pytest.raises(VerificationError, match="no valid record"):
        import_models(far, tmp_path / "bad.tar")
    assert not list(tmp_path.glob("**/evil"))
    assert far.get("tiny") is None


def test_a_file_that_no_disk_can_hold_is_refused_before_it_is_read(cache, far, tmp_path):
    export_models(cache, tmp_path / "good.tar", ["tiny"])

    def change(record):
        record["files"]["readme.md"]["size"] = 1 << 60

    rewritten(tmp_path / "good.tar", tmp_path / "bad.tar", with_record(change))
    with pytest.raises(UnavailableError, match="are free"):
        import_models(far, tmp_path / "bad.tar")


def test_a_readme_that_is_no_card_is_refused(cache, far, tmp_path):
    export_models(cache, tmp_path / "folder", ["tiny"])
    home = Cache(tmp_path / "folder")
    from dataclasses import replace

    from zoo.registry.cached import FileRecord
    from zoo.registry.hashes import hash_file

    readme = home.path("tiny") / "readme.md"
    record = home.get("tiny").record
    readme.write_bytes(b"\xff\xfe no card")
    files = {**record.files, "readme.md": FileRecord.of(readme, hash_file(readme))}
    (home.path("tiny") / "zoo.json").write_bytes(replace(record, files=files).to_json())
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        for path in ("LAYOUT", *(f"models/tiny/{name}" for name in os.listdir(home.path("tiny")))):
            archive.add(home.home / path, path)
    with pytest.raises(CardError):
        import_models(far, tmp_path / "bad.tar")
    assert far.directories() == []


def test_what_a_carried_record_says_it_was_verified_against_is_not_believed(cache, far, tmp_path):
    export_models(cache, tmp_path / "good.tar", ["tiny"])
    right = cache.get("tiny").record.verified_against[0]

    def change(record):
        record["verified_against"] = [right, "sha1:" + "0" * 40, "sha1:", "anything"]

    rewritten(tmp_path / "good.tar", tmp_path / "bad.tar", with_record(change))
    import_models(far, tmp_path / "bad.tar")
    assert far.get("tiny").record.verified_against == (right,)
    with pytest.raises(HashMismatchError):
        fetch("tiny@sha1:00000000", cache=far)


def test_a_tar_made_by_hand_of_a_cache_is_one_too(cache, far, tmp_path):
    with tarfile.open(tmp_path / "hand.tar", "w") as archive:
        archive.add(cache.home, "./")
    assert set(carried(import_models(far, tmp_path / "hand.tar")).values()) == {"copied"}
    assert len(far.verify("twin")) == 3
