"""Every storage passes the same checks; then what each one does alone."""

import pytest

from zoo.errors import CardError, DownloadError, UnknownModelError, UsageError
from zoo.registry.storage import Storage, embedded, location, open_source
from zoo.registry.storage.links import directory_links

KINDS = ["folder", "listing", "index", "bare"]


@pytest.fixture(params=KINDS)
def source(request, models, server) -> Storage:
    """The same two models: a folder, a server that lists, with an index, with neither."""
    if request.param == "index":
        server.index()
    server.listing = request.param == "listing"
    return open_source(models if request.param == "folder" else server.url)


def content(source, name, file):
    with source.open(name, file) as (pieces, total):
        data = b"".join(pieces)
    assert total in (None, len(data))
    return data


def test_it_is_a_storage(source):
    assert isinstance(source, Storage)


def test_it_lists_its_models_or_nothing(source, server):
    bare = not server.listing and source.name.startswith("http")
    has_index = (server.root / "index.json").exists()
    assert list(source.list()) == ([] if bare and not has_index else ["other", "tiny"])


def test_it_gives_cards(source, models):
    assert source.card("tiny").name == "The Tiny Model"
    assert source.card("tiny").to_bytes() == (models / "tiny" / "readme.md").read_bytes()


def test_it_gives_files(source, models):
    names = {file.name for file in source.files("tiny")}
    assert names == {"readme.md", "deploy.prototxt", "tiny.caffemodel"}
    for name in names:
        assert content(source, "tiny", name) == (models / "tiny" / name).read_bytes()


@pytest.mark.parametrize("readme", ["README.md"])
def test_a_readme_in_capitals_is_the_card(source, models, readme):
    (models / "tiny" / "readme.md").rename(models / "tiny" / readme)
    assert source.card("tiny").name == "The Tiny Model"
    if not (models / "index.json").exists():
        assert "readme.md" in {file.name for file in source.files("tiny")}
    assert content(source, "tiny", "readme.md").startswith(b"---\nname: The Tiny Model")


def test_it_gives_the_files_beside_the_models(source, models):
    (models / "synset_words.txt").write_text("cat\ndog\n")
    assert "synset_words.txt" in {file.name for file in source.files("")}
    assert content(source, "", "synset_words.txt") == b"cat\ndog\n"


@pytest.mark.parametrize("name", ["missing", "../models/tiny", "tiny/../other"])
def test_a_model_that_it_does_not_have_is_unknown(source, name):
    with pytest.raises(UnknownModelError):
        source.card(name)


def test_a_file_that_it_does_not_have_is_a_download_error(source):
    with pytest.raises(DownloadError) as error, source.open("tiny", "no-such-file"):
        pass
    assert "tiny/no-such-file" in error.value.attempts[0][0]


def test_one_model_directory_is_its_parent_with_that_model_only(models, server):
    for text in (models / "tiny", models / "tiny" / "readme.md", f"{server.url}tiny"):
        source = open_source(text)
        assert list(source.list()) == ["tiny"]
        assert source.card("tiny").name == "The Tiny Model"
        assert {f.name for f in source.files("tiny")} >= {"deploy.prototxt", "tiny.caffemodel"}
        assert content(source, "tiny", "deploy.prototxt")


def test_a_folder_with_a_readme_of_its_own_is_still_a_folder_of_models(models, server):
    (models / "readme.md").write_text("# Our models\n")
    assert list(open_source(models).list()) == ["other", "tiny"]
    assert list(open_source(server.url).list()) == ["other", "tiny"]


def test_directories_that_are_no_models_are_not_listed(models):
    (models / "empty").mkdir()
    (models / ".git").mkdir()
    (models / ".git" / "readme.md").write_text("x")
    assert list(open_source(models).list()) == ["other", "tiny"]


@pytest.mark.parametrize(
    "text", ["no/such/folder", "nope://host/models", "file:///models", "https://"]
)
def test_a_source_that_cannot_be_is_named(text):
    with pytest.raises(UsageError, match=text):
        open_source(text)


def test_a_file_is_no_source(models):
    with pytest.raises(UsageError, match=r"is a file; expected a folder of model directories"):
        open_source(models / "tiny" / "deploy.prototxt")


def test_the_embedded_models_are_a_source_whatever_they_are():
    source = embedded()
    assert source.name == "embedded"
    for name in source.list():
        assert source.card(name).license
        assert source.card(name).citation


def test_a_server_that_sends_a_page_for_everything_has_no_model(server):
    server.faults["*"] = "page"
    with pytest.raises(CardError, match="HTML page"):
        open_source(server.url).card("tiny")


def test_pages_instead_of_small_files_are_no_files_of_a_model(server):
    server.listing = False
    for name in ("train_val.prototxt", "solver.prototxt", "labels.txt", "LICENSE"):
        server.faults[f"/tiny/{name}"] = "page"
    names = {file.name for file in open_source(server.url).files("tiny")}
    assert names == {"readme.md", "deploy.prototxt", "tiny.caffemodel"}


def test_credentials_are_used_and_never_shown(server):
    address = server.url.replace("://", "://user:secret@") + "?token=hidden"
    source = open_source(address)
    assert source.card("tiny").name == "The Tiny Model"
    server.faults["/tiny/deploy.prototxt"] = 500
    with pytest.raises(DownloadError) as error, source.open("tiny", "deploy.prototxt"):
        pass
    for text in (
        str(error.value),
        source.name,
        location(source, "tiny", "f"),
        source.card("tiny").path,
    ):
        assert "secret" not in text
        assert "hidden" not in text


def test_a_server_that_wants_a_password_is_not_an_empty_one(server):
    server.faults["*"] = 401
    with pytest.raises(DownloadError, match="HTTP 401"):
        open_source(server.url).list()


def test_offline_touches_no_network(server, monkeypatch):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(DownloadError, match="ZOO_OFFLINE is set"):
        open_source(server.url).list()
    assert server.requests == []


@pytest.mark.parametrize(
    "page",
    [
        '<pre><a href="../">../</a>\n<a href="lenet/">lenet/</a> 01-Jan 12:00 -\n'
        '<a href="a%20b.txt">a b.txt</a></pre>',
        '<th><a href="?C=N;O=D">Name</a></th><a href="/">Parent Directory</a>'
        '<a href="/zoo/lenet/">lenet</a><a href="http://h/zoo/a%20b.txt">a b</a>'
        '<a href="http://elsewhere/zoo/evil.txt">x</a><a href="deep/file.txt">x</a>'
        '<a href="%2e%2e%2fevil.txt">x</a><a href="http://[bad">x</a>',
    ],
    ids=["nginx", "apache"],
)
def test_listings_of_common_servers_are_read(page):
    assert directory_links(page, "http://h/zoo/") == (["lenet"], ["a b.txt"])
