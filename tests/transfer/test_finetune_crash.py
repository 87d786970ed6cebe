"""What is left of a run that was killed, or whose disk was full, and how it goes on."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from finetune_log import without_times

import zoo
from zoo.cli.main import main
from zoo.transfer.data import open_data
from zoo.transfer.tuning.warped import warped_once

PLAN = """\
stages:
  - {name: head, train: head}
  - {name: all, groups: [{layers: [head], rate: 0.05}, {layers: ["*"], rate: 0.01}], epochs: 4}
"""


def words(digits, output, *more):
    plan = output.parent / "plan.yaml"
    plan.write_text(PLAN)
    data = [str(digits / "train.npz"), "--val", str(digits / "val.npz")]
    return ["finetune", "lenet_digits", *data, "--stages", str(plan), "-o", str(output), *more]


def start(words, **settings):
    command = [sys.executable, "-m", "zoo", *words]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=root, env=environment, **settings
    )


def weights_of(directory):
    net = zoo.load(directory).net
    return [blob for blobs in net.params.values() for blob in blobs]


def curve_of(directory):
    lines = (directory / "log.jsonl").read_text().splitlines()
    return without_times([json.loads(line) for line in lines])


def assert_same_run(one, other):
    assert curve_of(one) == curve_of(other)
    for blob, theirs in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(blob, theirs)


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    """A run that nothing interrupted."""
    output = tmp_path_factory.mktemp("whole") / "run"
    assert main(words(digits, output)) == 0
    return output


def facts_of(unfinished):
    with np.load(unfinished / "checkpoint.npz") as file:
        return json.loads(str(file["facts"]))


def test_a_killed_run_loses_at_most_one_epoch_and_goes_on_to_the_same_bits(whole, digits, tmp_path):
    output, unfinished = tmp_path / "run", tmp_path / ".run.unfinished"
    with start(words(digits, output)) as process:
        for line in process.stderr:
            if "all, epoch 2" in line:
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not output.exists()
    assert facts_of(unfinished)["epoch"] >= 1
    # What it leaves behind when it is killed while it writes.
    (unfinished / ".checkpoint.npz.0123abcd.part").write_bytes(b"half")
    (unfinished / ".zoo-0123").mkdir()
    assert main(words(digits, output, "--resume")) == 0
    assert_same_run(output, whole)
    assert not [*tmp_path.glob(".*"), *output.glob(".*"), *output.glob("checkpoint.npz")]


def test_a_full_disk_keeps_the_last_good_checkpoint_and_says_so(whole, digits, tmp_path):
    output = tmp_path / "run"
    # The weights alone find room, but not with what the solver remembers and the best so far.
    with start(words(digits, output), preexec_fn=lambda: limit_files(150_000)) as process:
        told = process.stderr.read()
    assert process.returncode == 4
    assert "checkpoint.npz cannot be written: File too large" in told
    assert "--resume" in told
    facts = facts_of(tmp_path / ".run.unfinished")
    assert (facts["stage"], facts["epoch"]) == (1, 0)
    assert not list((tmp_path / ".run.unfinished").glob(".*"))
    assert main(words(digits, output, "--resume")) == 0
    assert_same_run(output, whole)


@pytest.mark.slow
def test_a_disk_too_full_for_the_model_keeps_the_training(digits, tmp_path):
    output = tmp_path / "run"
    head = [*words(digits, output)[:-4], "--plan", "head", "-o", str(output)]
    with start(head, preexec_fn=lambda: limit_files(100_000)) as process:
        told = process.stderr.read()
    assert process.returncode == 4, told
    assert "The training is finished and kept" in told
    assert not output.exists()
    assert main([*head, "--resume"]) == 0
    assert zoo.load(output).labels


def limit_files(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def stop_at(digits, output, epoch):
    def stop(record):
        if record["stage"] == "all" and record["epoch"] == epoch:
            raise KeyboardInterrupt

    plan = output.parent / "plan.yaml"
    plan.write_text(PLAN)
    with pytest.raises(KeyboardInterrupt):
        zoo.fine_tune(
            "lenet_digits",
            digits / "train.npz",
            digits / "val.npz",
            output=output,
            stages=plan,
            told=stop,
        )


def test_a_new_run_does_not_replace_one_that_can_go_on(digits, tmp_path, capsys):
    stop_at(digits, tmp_path / "run", epoch=1)
    assert main(words(digits, tmp_path / "run")) == 2
    assert "--resume" in capsys.readouterr().err
    assert facts_of(tmp_path / ".run.unfinished")["stage"] == 1


def test_without_an_unfinished_run_there_is_nothing_to_go_on_with(digits, tmp_path, capsys):
    assert main(words(digits, tmp_path / "run", "--resume")) == 2
    assert "no unfinished run" in capsys.readouterr().err


def test_a_checkpoint_that_is_damaged_is_named(digits, tmp_path, capsys):
    stop_at(digits, tmp_path / "run", epoch=1)
    path = tmp_path / ".run.unfinished" / "checkpoint.npz"
    for left in (1000, 0):
        path.write_bytes(path.read_bytes()[:left])
        assert main(words(digits, tmp_path / "run", "--resume")) == 2
        assert "checkpoint.npz is damaged" in capsys.readouterr().err


def test_pictures_for_which_the_disk_has_no_room_are_read_as_they_are(digits):
    data = open_data(digits / "train.npz")
    spec = zoo.load("lenet_digits").spec
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with warped_once(data, spec) as rows:
            assert rows.rows is data.rows
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    with warped_once(data, spec) as rows:
        assert rows.rows is not data.rows
        np.testing.assert_array_equal(
            next(iter(rows.pipeline(spec)))[0], next(iter(data.pipeline(spec)))[0]
        )
