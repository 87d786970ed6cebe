"""`zoo lint`: lines that an editor can jump to, and the exit code."""


def test_a_good_readme_is_quiet_on_stdout(run_zoo, models):
    done = run_zoo("lint", models / "tiny")
    path = models / "tiny" / "readme.md"
    assert (done.code, done.out, done.err) == (0, "", f"note: {path}: nothing is wrong\n")


def test_each_problem_has_its_line(run_zoo, models):
    path = models / "tiny" / "readme.md"
    path.write_text(path.read_text().replace("name: ", "Name: ").replace("sha1: ", "sha1: x"))
    done = run_zoo("lint", models)
    assert done.code == 2
    first, second = done.out.splitlines()
    assert first == f"{path}:2: 'Name' is read as 'name'"
    assert second.startswith(f"{path}:5: 'sha1' is no hash of 40 hex digits: 'x")


def test_json_has_what_was_read_beside_what_is_wrong(run_zoo, models):
    (models / "prose").mkdir()
    (models / "prose" / "readme.md").write_text("Get it from me.\n")
    done = run_zoo("lint", models, "--json")
    prose, tiny = done.json
    assert (done.code, prose["kind"], prose["metadata"]) == (2, None, None)
    (problem,) = prose["problems"]
    assert problem["line"] == 1
    assert problem["text"].startswith("no model metadata found")
    assert (tiny["kind"], tiny["models"], tiny["problems"]) == ("fenced", [], [])
    assert tiny["metadata"]["caffemodel"] == "tiny.caffemodel"


def test_a_place_without_a_readme_is_an_error(run_zoo, tmp_path):
    done = run_zoo("lint", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "no readme.md here" in done.err
