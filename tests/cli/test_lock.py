"""`zoo lock` and `zoo fetch --locked`, as a project uses them."""

import json

import pytest


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Go on with an empty cache."""

    def move():
        home = tmp_path / f"home{len(list(tmp_path.glob('home*')))}"
        home.mkdir()
        monkeypatch.setenv("ZOO_HOME", str(home))
        return home

    return move


def test_what_is_locked_comes_again_on_another_machine(models, project, run_zoo, elsewhere):
    assert run_zoo("fetch", "tiny", "lenet_digits", "--source", models).code == 0
    done = run_zoo("lock", "tiny", "lenet_digits")
    assert (done.code, done.out.strip()) == (0, str(project / "zoo.lock"))
    elsewhere()
    done = run_zoo("fetch", "--locked", "--json")
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert {model["name"]: model["downloaded"] for model in facts} == {
        "tiny": True,
        "lenet_digits": True,
    }
    assert run_zoo("fetch", "--locked", "tiny").err.count("already") == 1


def test_other_weights_are_not_kept_and_another_definition_is_named(
    models, project, run_zoo, elsewhere
):
    run_zoo("fetch", "tiny", "--source", models)
    run_zoo("lock", "tiny")
    definition = models / "tiny/deploy.prototxt"
    before = definition.read_bytes()
    definition.write_bytes(before + b"# changed\n")
    elsewhere()
    done = run_zoo("fetch", "--locked")
    assert done.code == 3
    assert "deploy.prototxt: locked " in done.err
    assert "tiny.caffemodel: locked" not in done.err
    definition.write_bytes(before)
    weights = next((models / "tiny").glob("*.caffemodel"))
    weights.write_bytes(weights.read_bytes() + b"\0")
    home = elsewhere()
    done = run_zoo("fetch", "--locked")
    assert done.code == 3
    assert not (home / "tiny").exists()


def test_without_names_the_models_of_the_lock_file_are_written_anew(models, project, run_zoo):
    run_zoo("fetch", "tiny", "--source", models)
    assert run_zoo("lock").code == 2
    run_zoo("lock", "tiny")
    definition = models / "tiny/deploy.prototxt"
    definition.write_bytes(definition.read_bytes() + b"# changed\n")
    run_zoo("fetch", "tiny", "--source", models, "--force")
    done = run_zoo("lock")
    assert done.code == 0
    assert "deploy.prototxt: locked " in done.err
    assert run_zoo("fetch", "--locked").code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "zoo lock NAME"),
        ("models: {", "zoo.lock:1: this is no YAML"),
        ("format: 9", "expected `format: 1`"),
        ("format: 1\nmodels: {tiny: {}}", "expected models with source, weights and files"),
        ("format: 1\nmodels: {tiny: {source: x, files: {a: beef}}}", "sha256"),
    ],
)
def test_a_lock_file_that_is_none_is_explained(project, run_zoo, text, said):
    if text is not None:
        (project / "zoo.lock").write_text(text)
    done = run_zoo("fetch", "--locked")
    assert done.code == 2
    assert "Traceback" not in done.err
    assert said in done.err


def test_a_model_that_is_not_locked_is_said_so(models, project, run_zoo):
    run_zoo("fetch", "tiny", "--source", models)
    run_zoo("lock", "tiny")
    done = run_zoo("fetch", "--locked", "tinny")
    assert done.code == 2
    assert "Did you mean tiny?" in done.err
