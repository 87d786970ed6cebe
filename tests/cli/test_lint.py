"""`zoo lint`: lines that an editor can jump to, and the exit code."""

from publishable import write_digits

from zoo.registry.publish_template import TEMPLATE


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


def test_what_is_published_has_nothing_wrong(run_zoo, tmp_path):
    model = write_digits(tmp_path)
    readme = model / "readme.md"
    text = readme.read_text()
    empty = "caffemodel_url:  # https://...\nlicense_url:\nlicense: BSD-2-Clause"
    readme.write_text(text.replace("license: BSD-2-Clause", empty).replace("classification", ""))
    done = run_zoo("publish", model, "--to", tmp_path / "published")
    assert done.code == 0
    assert "note: left out, being empty: task, caffemodel_url, license_url" in done.err
    for place in (tmp_path / "published", model):
        assert run_zoo("lint", place).code == 0
    assert readme.read_text() == (tmp_path / "published/my_digits/readme.md").read_text()


def test_text_of_a_new_readme_is_wrong_for_lint_as_for_publish(run_zoo, tmp_path):
    model = write_digits(tmp_path)
    left = "What the model does, for whom, and what it was trained on."
    (model / "readme.md").write_text((model / "readme.md").read_text() + f"\n{left}\n")
    assert left in TEMPLATE
    run_zoo("publish", model, "--to", tmp_path / "published")
    (told,) = [line for line in run_zoo("lint", model).out.splitlines() if "zoo new" in line]
    assert told.startswith(f"{model}/readme.md:25: still the text of `zoo new`")
