"""Findings where users meet them: on stderr, in the log of a run, from `zoo doctor`."""

import json

import h5py
import numpy as np
import pytest
from watched_nets import CLASSES, HEALTHY, bend, dense, rows

from zoo.cli.main import main
from zoo.errors import UsageError
from zoo.transfer.finetune import fine_tune
from zoo.transfer.plan import Plan, Stage

DATA = """
layer { name: "data" type: "HDF5Data" top: "data" top: "label"
  hdf5_data_param { source: "list.txt" batch_size: 16 } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" }'
DEAD = (
    dense("ip1", "data", 16)
    + bend("relu1", "ip1")
    + dense("scores", "ip1", CLASSES).replace("num_output", "bias_filler { value: -20 } num_output")
    + bend("last", "scores")
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes a solver in a folder of its own and goes there."""
    x, labels = rows(256)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["data"], file["label"] = x, labels.astype(np.float32)
    (tmp_path / "list.txt").write_text("rows.h5")
    monkeypatch.chdir(tmp_path)

    def write(layers):
        (tmp_path / "net.prototxt").write_text(DATA + layers + LOSS)
        (tmp_path / "solver.prototxt").write_text(
            'net: "net.prototxt" base_lr: 0.05 lr_policy: "fixed" max_iter: 20 random_seed: 1'
        )

    return write


def told_of(capsys, *words):
    """Exit code, stdout, stderr of a command."""
    code = main(list(words))
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_zoo_train_says_it_on_stderr_and_the_doctor_says_it_again(project, capsys):
    project(DEAD)
    words = ("train", "--solver", "solver.prototxt", "--run-dir", "run")
    code, _, err = told_of(capsys, *words)
    assert code == 0
    assert "warning: Iteration 9: the loss stands still at 1.386" in err
    assert "\n  1. Stop, and start again" in err
    code, out, err = told_of(capsys, "doctor", "run")
    assert (code, err) == (0, "")
    assert out.startswith("static-loss: Iteration 9: the loss stands still at 1.386")
    assert "\n  1. Stop, and start again" in out
    code, out, _ = told_of(capsys, "doctor", "run", "--json")
    document = json.loads(out)
    assert (code, document["finished"]) == (0, True)
    (found,) = document["findings"]
    assert (found["finding"], found["where"], found["iteration"]) == ("static-loss", "last", 9)
    assert found["numbers"]["zeros"] == 1
    assert len(found["remedies"]) >= 4


def test_caffes_log_has_findings_as_warnings(project, capsys):
    project(DEAD)
    _, _, err = told_of(capsys, "train", "--solver", "solver.prototxt", "--caffe-log")
    (line,) = [line for line in err.splitlines() if "stands still" in line]
    assert line.startswith("W")


def test_the_doctor_says_that_a_healthy_run_is_healthy(project, capsys):
    project(HEALTHY)
    assert told_of(capsys, "train", "--solver", "solver.prototxt", "--run-dir", "run")[0] == 0
    code, out, err = told_of(capsys, "doctor", "run")
    assert (code, out) == (0, "")
    assert "nothing was seen to go wrong" in err


def test_the_doctor_reads_a_run_that_died(project, capsys, tmp_path):
    project(DEAD)
    told_of(capsys, "train", "--solver", "solver.prototxt", "--run-dir", "run")
    log = tmp_path / "run" / "log.jsonl"
    lines = [line for line in log.read_text().splitlines() if '"ended"' not in line]
    log.write_text("\n".join(lines) + '\n{"phase": "tra')
    code, out, err = told_of(capsys, "doctor", "run")
    assert (code, out.startswith("static-loss")) == (0, True)
    assert "run is not finished" in err


def test_what_is_no_run_is_said(capsys, tmp_path):
    code, _, err = told_of(capsys, "doctor", str(tmp_path))
    assert code == 2
    assert "not the directory of a run" in err


@pytest.fixture
def digits(tmp_path):
    """Forty noisy squares of two classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    pictures = rng.integers(0, 60, (40, 28, 28)) + 150 * labels[:, None, None]
    names = np.array(["dark", "light"])
    np.savez(tmp_path / "squares.npz", data=pictures.astype(np.uint8), label=names[labels])
    return tmp_path / "squares.npz"


def test_a_healthy_fine_tuning_has_no_findings(digits, tmp_path):
    plan = Plan((Stage("all", rate=0.002, epochs=2, mirror=False),))
    run = fine_tune("lenet_digits", digits, digits, output=tmp_path / "out", stages=plan)
    assert run.accuracy > 0.9
    assert run.findings == []


def test_a_fine_tuning_that_diverges_leaves_its_finding_behind(digits, tmp_path, capsys):
    plan = Plan((Stage("wild", rate=1e6, epochs=3, mirror=False),))
    found = []
    with pytest.raises(UsageError, match="diverged"):
        fine_tune(
            "lenet_digits",
            digits,
            digits,
            output=tmp_path / "out",
            stages=plan,
            found=found.append,
        )
    assert [each.name for each in found] == ["diverging"]
    assert found[0].stage == "wild"
    assert found[0].where in ("conv1", "pool1", "conv2", "pool2", "ip1", "relu1", "ip2_2")
    code, out, err = told_of(capsys, "doctor", str(tmp_path / "out"))
    assert code == 0
    assert out.startswith(f"diverging: wild, iteration {found[0].iteration}: ")
    assert "is not finished" in err


def test_findings_outlive_an_interruption(digits, tmp_path):
    plan = Plan((Stage("all", rate=0.002, epochs=2, mirror=False, batch_size=8),))
    settings = {"output": tmp_path / "out", "stages": plan}
    unbalanced = tmp_path / "unbalanced.npz"
    with np.load(digits) as file:
        kept = np.flatnonzero((file["label"] == "dark") | (np.arange(40) == 1))
        np.savez(unbalanced, data=file["data"][kept], label=file["label"][kept])

    def stop(record):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune("lenet_digits", unbalanced, digits, told=stop, **settings)
    run = fine_tune("lenet_digits", unbalanced, digits, resume=True, **settings)
    records = map(json.loads, (run.directory / "log.jsonl").read_text().splitlines())
    names = [record["finding"] for record in records if "finding" in record]
    assert "unbalanced-labels" in names
