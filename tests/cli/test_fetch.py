"""`zoo fetch` with every kind of address, as a person and as a script."""

import hashlib
import os
import pty
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def web(models):
    """The folder of models behind a web server; its address."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: Quiet(*args, directory=str(models))
    )
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def sha1_of(path):
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


def restrict(models):
    readme = models / "tiny/readme.md"
    readme.write_text(readme.read_text().replace("license: MIT", "license: non-commercial"))


def test_a_folder_its_readme_and_a_web_address_are_addresses(models, web, run_zoo):
    for address in (
        models / "tiny",
        models / "tiny/readme.md",
        f"{web}tiny",
        f"{web}tiny/readme.md",
    ):
        done = run_zoo("fetch", address, "--force")
        assert done.code == 0, done.err
        assert Path(done.out.strip()).name == "tiny"


def test_several_addresses_are_fetched_whatever_becomes_of_one(models, web, run_zoo):
    done = run_zoo("fetch", f"{web}tiny", "no_such_model", "lenet_digits")
    assert done.code == 4
    assert [Path(line).name for line in done.out.split()] == ["tiny", "lenet_digits"]
    assert "no model named 'no_such_model'" in done.err


def test_a_pin_is_checked(models, run_zoo):
    sha1 = sha1_of(models / "tiny/tiny.caffemodel")
    done = run_zoo("fetch", f"tiny@sha1:{sha1[:8]}", "--source", models)
    assert (done.code, f"verified sha1:{sha1}" in done.err) == (0, True)
    done = run_zoo("fetch", "tiny@sha1:00000000", "--source", models)
    assert (done.code, f"sha1:{sha1}" in done.err) == (3, True)
    assert run_zoo("fetch", "tiny@sha1:12", "--source", models).code == 2


def test_weights_alone_want_a_hash(models, web, run_zoo):
    address = f"{web}tiny/tiny.caffemodel"
    done = run_zoo("fetch", address)
    assert (done.code, "--trust-first-use" in done.err) == (2, True)
    sha1 = sha1_of(models / "tiny/tiny.caffemodel")
    prototxt = f"{web}tiny/deploy.prototxt"
    done = run_zoo("fetch", address, "--sha1", sha1, "--prototxt", prototxt, "--json")
    assert done.code == 0
    assert done.json[0]["files"] == ["readme.md", "deploy.prototxt", "tiny.caffemodel"]
    done = run_zoo("fetch", address, "--sha1", "0" * 40)
    assert done.code == 3
    assert run_zoo("fetch", address, address + "2", "--sha1", sha1).code == 2
    assert run_zoo("fetch", address, "--sha1", "nothex").code == 2


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--prototxt", "http://127.0.0.1:1/x.prototxt"), "is for weights that lie alone"),
        (("--member", "x.caffemodel"), "is for weights that lie alone"),
        (("--model", "gender"), "none is 'gender'"),
    ],
)
def test_what_has_no_meaning_for_a_model_is_refused(models, tiny, run_zoo, option, words):
    done = run_zoo("fetch", "tiny", "--source", models, *option)
    assert (done.code, words in done.err) == (2, True)


def test_a_fetched_address_is_a_model_for_the_other_commands(web, run_zoo):
    run_zoo("fetch", f"{web}tiny")
    assert run_zoo("info", "tiny").code == 0
    assert run_zoo("verify", "tiny").code == 0


def test_load_takes_addresses_too(web):
    import zoo

    assert zoo.load(f"{web}tiny").net.inputs == {"data": (1, 3, 8, 8)}


def test_a_script_has_to_accept_a_licence_that_restricts(models, run_zoo):
    restrict(models)
    done = run_zoo("fetch", "tiny", "--source", models)
    assert done.code == 2
    assert "--accept-license" in done.err
    assert "research only" in done.err
    assert run_zoo("fetch", "tiny", "--source", models, "--accept-license").code == 0
    assert run_zoo("fetch", "tiny", "--source", models, "--force").code == 0


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("\n", 2)])
def test_a_person_is_asked_once(models, own_zoo_home, answer, code):
    restrict(models)
    first = ask(models, answer)
    assert first.code == code
    assert "Accept this and fetch the model?" in first.seen
    assert (own_zoo_home / "models/tiny").exists() == (code == 0)
    if code == 0:
        assert "Accept this" not in ask(models, "", "--force").seen


class ask:
    """`zoo fetch tiny` at a real terminal, with what was typed."""

    def __init__(self, models, typed, *options):
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "zoo", "fetch", "tiny", "--source", str(models)]
        process = subprocess.Popen(
            [*command, *options],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, "TERM": "dumb", "COLUMNS": "200"},
        )
        os.close(theirs)
        os.write(ours, typed.encode())
        seen = b""
        try:
            while piece := os.read(ours, 4096):
                seen += piece
        except OSError:
            pass  # how a terminal says that nobody is there any more
        os.close(ours)
        self.code, self.seen = process.wait(), seen.decode()


def test_a_dry_run_says_what_from_where_how_large_and_under_which_licence(models, web, run_zoo):
    restrict(models)
    done = run_zoo("fetch", "tiny", "--source", web, "--dry-run")
    assert done.code == 0
    for words in (
        "tiny.caffemodel",
        f"from {web}tiny/tiny.caffemodel",
        "would fetch 4 files",
        "research only",
        "--accept-license",
    ):
        assert words in done.err
    facts = run_zoo("fetch", "tiny", "--source", web, "--dry-run", "--json").json[0]
    weights = facts["planned"][-1]
    assert weights["bytes"] == (models / "tiny/tiny.caffemodel").stat().st_size
    assert facts["bytes"] > weights["bytes"]
    assert (facts["license"], facts["license_class"]) == ("non-commercial", "non-commercial")
    assert facts["asks_for"] == ["--accept-license"]


def test_an_entry_of_the_catalogue_says_what_it_would_ask_for(run_zoo):
    done = run_zoo("fetch", "bvlc_googlenet", "--dry-run", "--offline", "--json")
    facts = done.json[0]
    assert "sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204" in facts["planned"][-1]["hashes"]
    assert facts["planned"][-1]["urls"][0].endswith("/bvlc_googlenet.caffemodel")
    assert len(facts["planned"][-1]["urls"]) == 4
    assert facts["files"][:2] == ["readme.md", "deploy.prototxt"]
    facts = run_zoo("fetch", "openpose_face", "--dry-run", "--offline", "--json").json[0]
    assert facts["asks_for"][0] == "--accept-license"


@pytest.mark.parametrize(
    "address",
    ["bvlc_googlenet", "openpose_face", "hf://me/net", "http://127.0.0.1:1/x", "s3://b/m"],
)
def test_offline_what_is_not_here_is_refused_at_once(address, run_zoo, monkeypatch):
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    done = run_zoo("fetch", address, "--offline")
    assert (done.code, "ZOO_OFFLINE is set" in done.err) == (4, True)
    assert "ZOO_OFFLINE" not in os.environ


def test_offline_what_is_here_is_given(tiny, run_zoo):
    done = run_zoo("fetch", "tiny", "--offline")
    assert (done.code, Path(done.out.strip())) == (0, tiny)


@pytest.mark.parametrize(
    "address", ["./nowhere", "file:///etc", "nope://x/y", "a/../../etc", "gist:123", "hf://x", ""]
)
def test_what_is_no_address_is_a_usage_error(address, run_zoo):
    assert run_zoo("fetch", address).code == 2
