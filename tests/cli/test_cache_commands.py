"""`zoo fetch`, `verify`, `where`, `remove`, `cache`: what they print and how they end."""

import io
import os
import shutil
import sys
from pathlib import Path

import pytest


def damage(file: Path):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.chmod(0o644)
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
        "name", "directory", "source", "files", "bytes", "downloaded", "verified", "license",
        "license_class", "planned", "asks_for", "note",
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


def test_cache_info(run_zoo, tiny, own_zoo_home):
    facts = dict(line.split("\t") for line in run_zoo("cache", "info").out.splitlines())
    assert facts["home"] == str(own_zoo_home)
    assert (facts["layout"], facts["models"], facts["blobs"]) == ("2", "1", "1")
    assert (facts["saved by sharing"], facts["unfinished"]) == ("0 B", "0, 0 B")
    document = run_zoo("cache", "info", "--json").json
    assert (document["models"], document["bytes_shared"], document["writable"]) == (1, 0, True)
    files = [path for path in tiny.iterdir() if path.is_file()]
    assert document["bytes"] == sum(path.stat().st_size for path in files)


def test_cache_verify_is_verify_all(run_zoo, tiny):
    assert run_zoo("cache", "verify").out == run_zoo("verify", "--all").out
    rot(tiny / "tiny.caffemodel")
    ended = run_zoo("cache", "verify", "--json")
    assert ended.code == 3
    assert [(entry["name"], entry["ok"]) for entry in ended.json] == [("tiny", False)]
    assert ended.json[0]["error"]["type"] == "HashMismatchError"


def rot(file):
    """What a disk does: other bytes, and nobody wrote them."""
    status = file.stat()
    damage(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("words", [("cache", "verify"), ("verify", "--all"), ("verify", "tiny")])
def test_refetch_brings_back_what_the_disk_has_changed(run_zoo, tiny, words):
    good = (tiny / "tiny.caffemodel").read_bytes()
    rot(tiny / "tiny.caffemodel")
    ended = run_zoo(*words, "--refetch")
    assert ended.code == 0
    assert "expected sha1" in ended.err
    assert "note: tiny: fetched again from" in ended.err
    assert ended.out.splitlines()[1].startswith("tiny\trepaired\t4\t")
    assert (tiny / "tiny.caffemodel").read_bytes() == good
    assert run_zoo("verify", "tiny").code == 0


def test_a_refetch_that_does_not_succeed_leaves_what_is_there_and_exits_3(run_zoo, tiny, models):
    rot(tiny / "tiny.caffemodel")
    bad = (tiny / "tiny.caffemodel").read_bytes()
    (models / "tiny" / "tiny.caffemodel").unlink()
    ended = run_zoo("verify", "tiny", "--refetch", "--json")
    assert ended.code == 3
    assert (ended.json[0]["ok"], ended.json[0]["repaired"]) == (False, False)
    assert (tiny / "tiny.caffemodel").read_bytes() == bad


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 3), ("", 3)])
def test_verify_offers_to_fetch_again_on_a_terminal(tiny, monkeypatch, answer, code):
    from zoo.cli.main import main

    (tiny / "deploy.prototxt").write_text("damaged")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(["verify", "--all", "--quiet"]) == code  # progress needs a real terminal
    assert "Fetch tiny again? [y/N]" in sys.stderr.getvalue()


def test_a_damaged_blob_of_no_model_is_found(run_zoo, tiny, own_zoo_home):
    blob = own_zoo_home / "blobs" / "sha256" / ("0" * 64)
    blob.write_bytes(b"not what the name says")
    ended = run_zoo("cache", "verify", "--json")
    assert ended.code == 3
    assert [entry["ok"] for entry in ended.json] == [True, False]
    assert f"{blob} is damaged" in ended.err
    assert run_zoo("cache", "gc", "--yes").code == 0
    assert run_zoo("cache", "verify").code == 0


@pytest.fixture
def waste(tiny, own_zoo_home):
    """A blob that no model has."""
    blob = own_zoo_home / "blobs" / "sha256" / ("0" * 64)
    blob.write_bytes(b"x" * 5000)
    return blob


def test_gc_lists_bytes_and_removes_nothing_in_a_dry_run(run_zoo, waste):
    ended = run_zoo("cache", "gc", "--dry-run")
    assert ended.out == f"kind\tname\tsize\twhy\nblob\t{'0' * 64}\t5.0 kB\tno model has it\n"
    assert ended.err == "note: 5.0 kB could be freed\n"
    assert waste.exists()


def test_gc_with_yes_removes_it(run_zoo, waste, tiny):
    document = run_zoo("cache", "gc", "--yes", "--json").json
    assert (document["bytes"], document["freed"]) == (5000, 5000)
    assert [(entry["kind"], entry["removed"]) for entry in document["waste"]] == [("blob", True)]
    assert not waste.exists()
    assert run_zoo("cache", "gc", "--yes").err == "note: there is nothing to remove\n"
    assert run_zoo("verify", "tiny").code == 0


def test_gc_without_a_terminal_needs_yes(run_zoo, waste, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    ended = run_zoo("cache", "gc")
    assert (ended.code, waste.exists()) == (2, True)
    assert "--yes" in ended.err


@pytest.mark.parametrize(("answer", "stays"), [("y\n", False), ("n\n", True), ("", True)])
def test_gc_asks_on_a_terminal(waste, monkeypatch, answer, stays):
    from zoo.cli.main import main

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(["cache", "gc"]) == 0
    assert waste.exists() == stays
    assert "Remove these 1, 5.0 kB? [y/N]" in sys.stderr.getvalue()


def test_gc_of_models_that_were_not_used_for_long(run_zoo, tiny):
    assert run_zoo("cache", "gc", "--yes", "--older-than", "30d").err.endswith("to remove\n")
    kept = run_zoo("cache", "gc", "--yes", "--older-than", "0h", "--keep", "tiny")
    assert (kept.code, tiny.exists()) == (0, True)
    gone = run_zoo("cache", "gc", "--yes", "--older-than", "0h")
    assert gone.code == 0
    assert "model\ttiny\t" in gone.out
    assert not tiny.exists()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("gc", "--older-than", "soon"), "an age such as 12h, 30d or 8w"),
        (("gc", "--yes", "--keep", "tiny"), "--older-than"),
        (("gc", "tiny"), "takes no names"),
        (("info", "--yes"), "--yes has no meaning for `zoo cache info`"),
        (("import", "x.tar", "--older-than", "3d"), "--older-than has no meaning"),
        (("export",), "DIR|FILE.tar"),
        (("sweep",), "sweep"),
        ((), "{info,verify,gc,export,import}"),
    ],
)
def test_cache_says_what_it_does_not_take(run_zoo, words, answer):
    ended = run_zoo("cache", *words)
    assert ended.code == 2
    assert answer in ended.err


@pytest.mark.parametrize("place", ["folder", "models.tar"])
def test_export_and_import(run_zoo, tiny, tmp_path, monkeypatch, place):
    exported = run_zoo("cache", "export", tmp_path / place)
    assert exported.out.startswith("name\tresult\tsize\ntiny\tcopied\t")
    assert f"`zoo cache import {tmp_path / place}`" in exported.err
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "far"))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    imported = run_zoo("cache", "import", tmp_path / place, "tiny", "--json")
    assert [(entry["name"], entry["how"]) for entry in imported.json] == [("tiny", "copied")]
    assert run_zoo("verify", "--all").code == 0
    assert run_zoo("fetch", "tiny").code == 0


def test_an_import_tells_a_licence_that_restricts(run_zoo, models, tmp_path, monkeypatch):
    readme = models / "tiny" / "readme.md"
    readme.write_text(readme.read_text().replace("license: MIT", "license: non-commercial"))
    run_zoo("fetch", "tiny", "--source", models, "--accept-license")
    run_zoo("cache", "export", tmp_path / "folder")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "far"))
    assert "tiny: licence non-commercial" in run_zoo("cache", "import", tmp_path / "folder").err


def test_an_import_tells_once_that_no_licence_is_stated(run_zoo, models, tmp_path, monkeypatch):
    readme = models / "tiny" / "readme.md"
    lines = readme.read_text().splitlines(keepends=True)
    readme.write_text("".join(line for line in lines if not line.startswith("license:")))
    run_zoo("fetch", "tiny", "--source", models)
    run_zoo("cache", "export", tmp_path / "folder")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "far"))
    assert "licence not stated: ask" in run_zoo("cache", "import", tmp_path / "folder").err


def test_remove_says_what_it_freed(run_zoo, models, tiny):
    twin = models / "twin"
    shutil.copytree(models / "tiny", twin)
    run_zoo("fetch", "twin", "--source", models)
    size = (tiny / "tiny.caffemodel").stat().st_size
    ended = run_zoo("remove", "tiny", "--yes", "--json")
    assert ended.json[0]["bytes"] < size
    assert run_zoo("remove", "twin", "--yes", "--json").json[0]["bytes"] > size
