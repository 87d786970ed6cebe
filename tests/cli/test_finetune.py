"""`zoo finetune` and `zoo evaluate`, as they are typed."""

import json

import numpy as np
import pytest

from zoo.cli.main import main


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
