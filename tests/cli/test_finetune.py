"""`zoo finetune` and `zoo evaluate`, as they are typed."""

import json
import os

import numpy as np
import pytest

from zoo.cli.main import main
from zoo.transfer.presets import preset


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (20, 28, 28), np.uint8)
    pictures[::2, :14] = 0  # what tells the classes apart
    labels = np.array(["upper", "lower"] * 10)
    np.savez(tmp_path / "data.npz", data=pictures, label=labels)
    return tmp_path / "data.npz"


def test_a_model_is_tuned_and_evaluated(data, tmp_path, capsys):
    target = tmp_path / "halves"
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "stages:\n  - {name: first, train: head}\n"
        "  - {name: then, epochs: 1, groups: [{layers: [head, 'conv*'], rate: 1e-3}]}\n"
    )
    words = ["finetune", "lenet_digits", str(data), "--val", str(data), "-o", str(target)]
    assert main([*words, "--stages", str(plan), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["results"][facts["best"]] >= 0.9
    assert [group["frozen"] for group in facts["plan"]["then"]] == [False, True]
    assert main(["evaluate", str(target), str(data), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] == facts["results"][facts["best"]]
    assert [each["label"] for each in found["classes"]] == ["lower", "upper"]
    assert main(["evaluate", str(target), str(data)]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_a_dry_run_shows_the_plan(data, tmp_path, capsys):
    target = tmp_path / "out"
    assert main(["finetune", "lenet_digits", str(data), "-o", str(target), "--dry-run"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[0][:2] == ["stage", "group"]
    assert [row[1] for row in rows[1:]] == ["head", "frozen", "head", "*"]
    assert not target.exists()


def test_a_plan_that_does_not_exist_is_a_mistake_of_use(data, tmp_path, capsys):
    words = [
        "finetune",
        "lenet_digits",
        str(data),
        "-o",
        str(tmp_path / "x"),
        "--plan",
        "two_stage",
    ]
    assert main(words) == 2
    assert "two-stage" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("find-rate", "--plan", "all", "--steps", "2"),
        ("finetune", "--plan", "all", "--epochs", "1", "-o", "x"),
        ("evaluate",),
    ],
)
def test_a_device_is_chosen_and_one_that_cannot_be_is_refused(
    tmp_path, monkeypatch, run_zoo, words
):
    monkeypatch.chdir(tmp_path)
    pictures = np.zeros((20, 28, 28), np.uint8)
    np.savez("data.npz", data=pictures, label=np.array(["zero", "one"] * 10))
    words = [*words, "lenet_digits", "data.npz"]
    for device, code, told in (("tpu", 2, "device must be"), ("gpu:99", 4, "no device 'gpu:99'")):
        done = run_zoo(*words, "--device", device)
        assert (done.code, told in done.err) == (code, True), done.err
        assert os.listdir() == ["data.npz"]
    assert run_zoo(*words, "--device", "cpu").code == 0


def test_another_engine_evaluates_to_the_same(tmp_path, run_zoo):
    pictures = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    np.savez(tmp_path / "x.npz", data=pictures, label=np.arange(40) % 5)
    one, other = (
        run_zoo("evaluate", "lenet_digits", tmp_path / "x.npz", "--engine", engine, "--json").json
        for engine in ("tensorflow", "onnxruntime")
    )
    assert other["accuracy"] == one["accuracy"]
    assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)


def test_what_resume_cannot_do_is_told_in_words_of_the_command_line(data, tmp_path, run_zoo):
    done = run_zoo("finetune", "lenet_digits", data, "-o", tmp_path / "x", "--resume")
    assert done.code == 2
    assert "there is no unfinished run to go on with; leave out --resume" in done.err


def test_the_help_says_what_is_done_without_an_option(run_zoo):
    usual = preset("two-stage").stages[-1]
    text = " ".join(run_zoo("finetune", "--help").out.split())
    assert f"as the plan says, two-stage {usual.epochs} " in text
    assert f"as the plan says, two-stage {usual.batch_size} " in text
