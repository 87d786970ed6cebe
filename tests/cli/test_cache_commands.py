"""`zoo fetch`, `verify`, `where`, `remove`: what they print and how they end."""

import io
import os
import sys
from pathlib import Path

import pytest


def damage(file: Path):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_fetch_prints_the_directory_alone(run_zoo, models, own_zoo_home):
    fetched = run_zoo("fetch", "tiny", "--source", models)
    assert (fetched.code, fetched.out) == (0, f"{own_zoo_home / 'models' / 'tiny'}\n")
    assert "note: tiny: fetched 4 files" in fetched.err
    assert "note: tiny: verified sha1:" in fetched.err


def test_a_second_fetch_says_that_it_is_here(run_zoo, models, tiny):
    fetched = run_zoo("fetch", "tiny", "--source", models)
    assert fetched.out == f"{tiny}\n"
    assert "already in the cache" in fetched.err


def test_fetch_as_json(run_zoo, models):
    (facts,) = run_zoo("fetch", "tiny", "--source", models, "--json").json
    assert list(facts) == [
        "name", "directory", "source", "files", "bytes", "downloaded", "verified", "note",
    ]  # fmt: skip
    assert facts["downloaded"] is True
    assert facts["verified"][0].startswith("sha1:")


def test_a_dry_run_fetches_nothing(run_zoo, models, own_zoo_home):
    planned = run_zoo("fetch", "tiny", "--source", models, "--dry-run")
    assert planned.code == 0
    assert "would fetch 4 files" in planned.err
    assert not (own_zoo_home / "models").exists()


def test_a_dry_run_of_what_is_here_says_so(run_zoo, models, tiny):
    planned = run_zoo("fetch", "tiny", "--source", models, "--dry-run")
    assert "already in the cache" in planned.err


def test_a_wrong_hash_is_exit_3_with_both_hashes_and_nothing_kept(run_zoo, models, own_zoo_home):
    damage(models / "tiny" / "tiny.caffemodel")
    ended = run_zoo("fetch", "tiny", "--source", models)
    assert (ended.code, ended.out) == (3, "")
    card = (models / "tiny" / "readme.md").read_text()
    assert card.partition("sha1: ")[2][:40] in ended.err
    assert not (own_zoo_home / "models" / "tiny").exists()


def test_a_web_page_instead_of_weights_is_called_so(run_zoo, models, own_zoo_home):
    (models / "tiny" / "tiny.caffemodel").write_text("<!DOCTYPE html><html>Sign in</html>")
    ended = run_zoo("fetch", "tiny", "--source", models)
    assert ended.code == 3
    assert "HTML page" in ended.err
    assert not (own_zoo_home / "models" / "tiny").exists()


def test_of_several_names_the_good_ones_are_fetched(run_zoo, models, own_zoo_home):
    ended = run_zoo("fetch", "tinny", "tiny", "--source", models, "--json")
    assert ended.code == 4
    assert [entry["name"] for entry in ended.json] == ["tinny", "tiny"]
    assert ended.json[0]["error"]["type"] == "UnknownModelError"
    assert (own_zoo_home / "models" / "tiny").is_dir()


def test_a_failed_verification_decides_the_exit_code(run_zoo, models):
    damage(models / "tiny" / "tiny.caffemodel")
    assert run_zoo("fetch", "nobody", "tiny", "--source", models).code == 3


def test_a_cache_without_write_permission_is_exit_4(run_zoo, models, tmp_path, monkeypatch):
    home = tmp_path / "locked"
    home.mkdir(mode=0o555)
    if os.geteuid() == 0:  # whom no mode stops; the kernel's own file system does
        home = Path("/sys/zoo-home")
    monkeypatch.setenv("ZOO_HOME", str(home))
    ended = run_zoo("fetch", "tiny", "--source", models)
    assert (ended.code, ended.out) == (4, "")
    assert ended.err.startswith(f"zoo: the cache folder {home} cannot be used")
    assert "Set ZOO_HOME" in ended.err
    assert not (home / "models").exists()


def test_verify_hashes_again(run_zoo, tiny):
    size = sum(file.stat().st_size for file in tiny.iterdir() if file.name != "zoo.json")
    expected = f"name\tresult\tfiles\tsize\ntiny\tok\t4\t{size / 1000:.1f} kB\n"
    assert run_zoo("verify", "tiny").out == expected
    assert run_zoo("verify", "--all").out == expected


def test_verify_names_the_damaged_file_and_exits_3(run_zoo, tiny):
    damage(tiny / "tiny.caffemodel")
    ended = run_zoo("verify", "--all")
    assert ended.code == 3
    assert ended.out == "name\tresult\tfiles\tsize\ntiny\tFAILED\t\t\n"
    assert str(tiny / "tiny.caffemodel") in ended.err


def test_verify_as_json(run_zoo, tiny):
    (good,) = run_zoo("verify", "tiny", "--json").json
    assert (good["name"], good["ok"], good["error"]) == ("tiny", True, None)
    assert set(good["files"]["readme.md"]) == {"sha1", "sha256", "size"}
    damage(tiny / "labels.txt")
    (bad,) = run_zoo("verify", "tiny", "--json").json
    assert (bad["ok"], bad["error"]["exit_code"]) == (False, 3)


@pytest.mark.parametrize("words", [(), ("tiny", "--all")])
def test_verify_wants_names_or_all(run_zoo, words):
    assert run_zoo("verify", *words).code == 2


def test_verify_of_an_empty_cache(run_zoo):
    ended = run_zoo("verify", "--all")
    assert (ended.code, ended.out, ended.err) == (0, "", "note: the cache is empty\n")


@pytest.mark.parametrize(
    ("option", "file"),
    [
        ((), ""),
        (("--file", "weights"), "tiny.caffemodel"),
        (("--file", "prototxt"), "deploy.prototxt"),
        (("--file", "labels"), "labels.txt"),
        (("--file", "readme"), "readme.md"),
    ],
)
def test_where(run_zoo, tiny, option, file):
    assert run_zoo("where", "tiny", *option).out == f"{tiny / file}\n"
    assert run_zoo("where", "tiny", *option, "--json").json["path"] == str(tiny / file)


def test_where_of_a_file_that_a_model_lacks_is_exit_4(run_zoo, models):
    card = models / "tiny" / "readme.md"
    card.write_text(card.read_text().replace("  labels: labels.txt\n", ""))
    (models / "tiny" / "labels.txt").unlink()
    run_zoo("fetch", "tiny", "--source", models)
    ended = run_zoo("where", "tiny", "--file", "labels")
    assert (ended.code, ended.out) == (4, "")
    assert "comes without labels" in ended.err


def test_where_of_a_model_that_is_not_fetched_says_how_to_fetch_it(run_zoo, models):
    ended = run_zoo("where", "tiny", "--source", models)
    assert (ended.code, ended.out) == (4, "")
    assert f"`zoo fetch tiny --source {models}` brings it there" in ended.err


def test_remove_without_a_terminal_needs_yes(run_zoo, tiny, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    ended = run_zoo("remove", "tiny")
    assert ended.code == 2
    assert "--yes" in ended.err
    assert tiny.is_dir()


def test_remove_with_yes(run_zoo, tiny):
    (facts,) = run_zoo("remove", "tiny", "--yes", "--json").json
    assert (facts["name"], facts["removed"]) == ("tiny", True)
    assert facts["bytes"] > 0
    assert not tiny.exists()


def test_remove_dry_run_removes_nothing(run_zoo, tiny):
    ended = run_zoo("remove", "tiny", "--dry-run")
    assert (ended.code, ended.out) == (0, "")
    assert f"would remove {tiny}" in ended.err
    assert tiny.is_dir()


def test_remove_takes_what_a_damaged_model_left(run_zoo, tiny):
    (tiny / "zoo.json").unlink()
    assert run_zoo("remove", "tiny", "--yes").code == 0
    assert not tiny.exists()


def test_remove_of_what_is_not_here_is_exit_4(run_zoo):
    assert run_zoo("remove", "nobody", "--yes").code == 4


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("answer", "stays"), [("y\n", False), ("n\n", True), ("\n", True), ("", True)]
)
def test_remove_asks_on_a_terminal(tiny, monkeypatch, answer, stays):
    from zoo.cli.main import main

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(["remove", "tiny"]) == 0
    assert tiny.exists() == stays
    assert f"Remove {tiny} (" in sys.stderr.getvalue()
