"""Names from readmes, gists and indices stay in the model's directory; nothing there is run."""

import json
import re
from pathlib import Path

import pytest

import zoo
from zoo.errors import CardError, DownloadError
from zoo.registry.card import Card
from zoo.registry.contents import is_plain
from zoo.registry.fetch import fetch
from zoo.registry.plan import plan_fetch
from zoo.registry.storage import RemoteFile, open_source

PACKAGE = Path(zoo.__file__).resolve().parent.parent
HOSTILE = [
    "../x.txt",
    "/etc/x.txt",
    "a/b.txt",
    "..\\x.txt",
    "C:x.txt",
    "C:\\x.txt",
    "\\\\host\\share\\x.txt",
    "x.txt\0.png",
    "x\n.txt",
    "nul",
    "NUL.txt",
    "con.prototxt",
    "Com1.txt",
    "lpt9.caffemodel",
    "com\u00b9.txt",
    "x.txt.",
    "x.txt ",
    " x.txt",
    ".hidden.txt",
    "..",
    "",
    "x\u202etxt.exe",
    "x?.txt",
    "x*.txt",
    "<x>.txt",
    "x|y.txt",
    'x".txt',
    "x" * 201,
    "\u00e9" * 101,
    "\ud800.txt",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_is_none_everywhere_is_never_used(name):
    assert not is_plain(name)
    card = Card.parse("---\nname: x\n---\n")
    plan = plan_fetch(card, [RemoteFile("readme.md"), RemoteFile(name)])
    assert [file.name for file in plan.files] == ["readme.md"]


@pytest.mark.parametrize(
    "name", ["deploy.prototxt", "VGG 16 (v2).txt", "\u6a21\u578b.prototxt", "console.txt"]
)
def test_ordinary_names_are_used(name):
    assert is_plain(name)


@pytest.mark.parametrize(
    "name", [name for name in HOSTILE if name and name.isprintable() and name == name.strip()]
)
@pytest.mark.parametrize("key", ["caffemodel", "labels", "prototxt"])
def test_a_card_cannot_name_a_hostile_file(key, name):
    card = Card.parse("---\nname: x\n---\n").with_values(**{key: name})
    with pytest.raises(CardError):
        plan_fetch(card, [RemoteFile("readme.md"), RemoteFile(name)])


def test_names_that_differ_in_case_alone_are_one_file():
    card = Card.parse("---\nname: x\n---\n")
    names = ["readme.md", "README.md", "Labels.txt", "labels.txt", "ZOO.json", "zoo.json"]
    plan = plan_fetch(card, [RemoteFile(name) for name in names])
    assert [file.name for file in plan.files] == ["readme.md", "Labels.txt"]
    assert "'labels.txt'" in plan.note


def test_an_index_cannot_lead_outside(server, own_zoo_home, tmp_path):
    files = [{"name": name} for name in HOSTILE if "\ud800" not in name]
    entries = [
        {"name": "tiny", "files": [*files, {"name": "readme.md"}, {"name": "tiny.caffemodel"}]},
        {"name": "../other", "files": []},
    ]
    (server.root / "index.json").write_text(json.dumps(entries))
    assert list(open_source(server.url).list()) == ["tiny"]
    result = fetch("tiny", server.url)
    assert sorted(result.files) == ["readme.md", "tiny.caffemodel"]


@pytest.mark.parametrize("file", ["labels.txt", "readme.md", "tiny.caffemodel"])
def test_a_link_out_of_the_directory_is_not_followed(models, tmp_path, own_zoo_home, file):
    secret = tmp_path / "secret"
    path = models / "tiny" / file
    secret.write_bytes(path.read_bytes() if path.exists() else b"private")
    path.unlink(missing_ok=True)
    path.symlink_to(secret)
    with pytest.raises(DownloadError, match="link that leads out of the model's directory"):
        fetch("tiny", models)
    assert not (own_zoo_home / "models/tiny").exists()


def test_a_link_within_the_directory_is_fine(models):
    (models / "tiny/labels.txt").symlink_to("deploy.prototxt")
    assert "labels.txt" in fetch("tiny", models).files


def test_code_beside_a_model_is_neither_fetched_nor_run(models, tmp_path, monkeypatch):
    trap = tmp_path / "sprung"
    code = f"open({str(trap)!r}, 'w').close()\n"
    for name in ("sitecustomize.py", "layers.py", "conftest.py", "setup.sh", "evil.pkl"):
        (models / "tiny" / name).write_text(code)
    monkeypatch.chdir(models / "tiny")
    result = fetch("tiny", models)
    assert not any(file.endswith((".py", ".sh", ".pkl")) for file in result.files)
    assert not trap.exists()


def _sources():
    folders = ("zoo", "registry", "transfer", "surgery", "cli")
    return [path for folder in folders for path in (PACKAGE / folder).rglob("*.py")]


def test_numpy_never_unpickles():
    """Every np.load says allow_pickle=False, and nobody imports pickle."""
    for path in _sources():
        text = path.read_text()
        for call in re.finditer(r"\bnp\.load\(", text):
            end = text.index("\n", call.end() + 200) if len(text) > call.end() + 200 else None
            assert "allow_pickle=False" in text[call.start() : end], path
        assert not re.search(
            r"^\s*(import|from) (pickle|cPickle|dill|joblib|shelve|marshal)\b", text, re.M
        ), path
        assert "allow_pickle=True" not in text, path


def test_yaml_is_only_read_safely():
    for path in _sources():
        text = path.read_text()
        assert not re.search(
            r"yaml\.(unsafe_load|full_load|UnsafeLoader|FullLoader|Loader\b)", text
        ), path
        for call in re.finditer(r"yaml\.load\(", text):
            assert "Safe" in text[: call.end() + 100], path
