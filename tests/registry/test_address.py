"""What an address means, decided without files or network."""

import pytest

from zoo.errors import UsageError
from zoo.registry.address import ModelAddress, Pin, parse_address
from zoo.registry.hashes import Hashes

ID = "034c6ac3865563b69e60"
LONG_ID = "7ea9f8ac0da259866b854460f4526034"
REVISION = "e8dbbd31fc037fdf5430d89c102619e31ca7e8ef"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ID, ("gist", ID, "", "")),
        (LONG_ID, ("gist", LONG_ID, "", "")),
        (f"gist:{ID}", ("gist", ID, "", "")),
        (f"gist:{ID.upper()}", ("gist", ID, "", "")),
        (f"BVLC/{ID}", ("gist", ID, "", "")),
        (f"gist:some-one/{ID}@{REVISION}", ("gist", ID, REVISION, "")),
        (f"https://gist.github.com/{ID}", ("gist", ID, "", "")),
        (f"https://gist.github.com/me/{ID}.git", ("gist", ID, "", "")),
        (f"https://gist.github.com/me/{ID}/", ("gist", ID, "", "")),
        (f"https://gist.github.com/me/{ID}/{REVISION}", ("gist", ID, REVISION, "")),
        (f"https://gist.github.com/me/{ID}#file-readme-md", ("gist", ID, "", "readme-md")),
        (f"https://gist.githubusercontent.com/me/{ID}/raw", ("gist", ID, "", "")),
        (
            f"https://gist.githubusercontent.com/me/{ID}/raw/{REVISION}/readme.md",
            ("gist", ID, REVISION, "readme.md"),
        ),
        (f"https://gist.githubusercontent.com/me/{ID}/raw/a.md", ("gist", ID, "", "a.md")),
        (f"https://git.firm.example/gist/me/{ID}", ("gist", ID, "", "")),
        ("hf://me/net", ("hub", "me/net", "", "")),
        ("hf://me/net@v1.0", ("hub", "me/net", "v1.0", "")),
        ("hf://me/net@v1.0/a/b/", ("hub", "me/net/a/b", "v1.0", "")),
        ("https://huggingface.co/me/net/tree/main/a", ("hub", "me/net/a", "main", "")),
        ("s3://bucket/models/tiny", ("fsspec", "s3://bucket/models/tiny", "", "")),
        ("gs://bucket/x.caffemodel", ("weights", "gs://bucket/x.caffemodel", "", "")),
        ("https://h/x.caffemodel?v=2", ("weights", "https://h/x.caffemodel?v=2", "", "")),
        ("https://h/x.TAR.GZ", ("weights", "https://h/x.TAR.GZ", "", "")),
        ("https://h/models/tiny", ("site", "https://h/models/tiny", "", "")),
        ("https://h/models/tiny/README.md", ("site", "https://h/models/tiny", "", "")),
        ("https://h/models/notes.md", ("readme", "https://h/models/notes.md", "", "")),
        (
            "https://github.com/BVLC/caffe/tree/master/models/bvlc_alexnet",
            ("site", "https://github.com/BVLC/caffe/raw/master/models/bvlc_alexnet", "", ""),
        ),
        (
            "https://drive.google.com/open?id=1a",
            ("weights", "https://drive.google.com/open?id=1a", "", ""),
        ),
        ("squeezenet_v1.0", ("name", "squeezenet_v1.0", "", "")),
        ("deadbeef", ("name", "deadbeef", "", "")),
    ],
)
def test_an_address_means(text, expected):
    assert parse_address(text) == ModelAddress(*expected)


def test_the_address_of_a_page_is_one_of_weights_when_a_hash_comes_with_it():
    assert parse_address("https://h/get/7", weights=True).kind == "weights"


@pytest.mark.parametrize("text", ["tiny@sha1:0123ABCD", f"gist:{ID}@sha1:0123abcd"])
def test_a_pin_ends_any_address(text):
    assert parse_address(text).pin == Pin("sha1", "0123abcd")


def test_a_pin_fits_by_its_beginning():
    hashes = Hashes("ab" * 20, "cd" * 32, 1)
    assert Pin("sha1", "abababab").kept_by(hashes)
    assert not Pin("sha1", "abababac").kept_by(hashes)
    assert Pin("sha256", "cd" * 32).kept_by(hashes)
    assert [Pin("sha256", "cd" * 32).is_whole, Pin("sha1", "ab" * 4).is_whole] == [True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no address"),
        ("tiny@sha1:0123", "expected 8 to 40 hex digits"),
        (f"tiny@sha1:{'a' * 41}", "expected 8 to 40 hex digits"),
        ("tiny@sha256:nothexdigits", "expected 8 to 64 hex digits"),
        ("file:///etc/passwd", "give the path itself"),
        ("zip://a::file:///etc/passwd", "chained"),
        ("simplecache::s3://b/m", "chained"),
        ("s3://", "names no place"),
        ("https://mega.nz/#!x", "no model can be fetched from there: MEGA"),
        ("https://github.com/owner/repo", "a page of GitHub"),
        ("hf://lonely", "expected hf://owner/repo"),
        ("hf://me/net/../../x", "expected hf://owner/repo"),
        ("https://", "names no host"),
        ("http://[", "no address"),
        ("https://gist.github.com/me/nothing", "no gist"),
        ("./no/such/folder", "no such folder"),
        ("../tiny", "no such folder"),
        ("a\0b", "no address"),
    ],
)
def test_what_means_nothing_says_what_was_expected(text, words):
    with pytest.raises(UsageError, match=words):
        parse_address(text)


def test_folders_and_readmes_are_told_apart_from_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "plain").mkdir()
    (tmp_path / "tiny/ReadMe.md").write_text("x")
    (tmp_path / "tiny/other.md").write_text("x")
    (tmp_path / "tiny/net.prototxt").write_text("x")
    assert parse_address("tiny") == ModelAddress("folder", "tiny")
    assert parse_address("tiny", prefer_names=True) == ModelAddress("name", "tiny")
    assert parse_address("plain") == ModelAddress("name", "plain")
    assert parse_address("./plain") == ModelAddress("folder", "plain")
    assert parse_address("tiny/ReadMe.md") == ModelAddress("folder", "tiny")
    assert parse_address("tiny/other.md") == ModelAddress("readme", "tiny/other.md")
    with pytest.raises(UsageError, match="is a file; expected a model directory"):
        parse_address("tiny/net.prototxt")


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        (f"gist:{ID}", f"gist-{ID}", f"gist:{ID}"),
        (f"gist:{ID}@{REVISION}", f"gist-{ID}-{REVISION}", f"gist:{ID}@{REVISION}"),
        ("hf://me/net", "me--net", "hf://me/net"),
        ("hf://me/net@v1/a", "me--net--a--v1", "hf://me/net@v1/a"),
        ("s3://b/models/tiny/", "tiny", "s3://b/models"),
        ("https://u:pw@h/models/tiny?token=x", "tiny", "https://h/models"),
        ("https://h/a%20b.caffemodel?token=x", "a b", "https://h/a%20b.caffemodel?token=..."),
        ("https://h/x.tar.gz", "x", "https://h/x.tar.gz"),
    ],
)
def test_every_address_has_a_name_here_and_a_place_without_secrets(text, name, place):
    address = parse_address(text)
    assert (address.name, address.place) == (name, place)


def test_the_address_of_a_host_may_be_one_of_ipv6():
    address = parse_address("http://[::1]:8000/x.caffemodel")
    assert (address.kind, address.target) == ("weights", "http://[::1]:8000/x.caffemodel")
