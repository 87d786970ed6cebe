"""Snapshots outlive whatever ends a run, and a run goes on from them as if nothing had been."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from zoo.caffe.schema.caffe_pb2 import SolverState as StateMessage
from zoo.caffe.solver_state import SolverState, read_solver_state, write_solver_state
from zoo.errors import ParseError, UnavailableError, UsageError, WeightsError
from zoo.transfer.caffe_training import CaffeSolver, train
from zoo.transfer.solver.events import Message, Snapshotted

ROOT = Path(__file__).parents[3]
# All that is drawn at random: the order of rows, noise, Dropout, and the first weights.
NET = """\
name: "random"
layer { name: "data" type: "HDF5Data" top: "x" top: "y"
  hdf5_data_param { source: "list.txt" batch_size: 4 shuffle: true } }
layer { name: "noise" type: "DummyData" top: "noise" dummy_data_param {
  shape { dim: 4 dim: 3 } data_filler { type: "gaussian" std: 0.1 } } }
layer { name: "sum" type: "Eltwise" bottom: "x" bottom: "noise" top: "sum" }
layer { name: "a" type: "InnerProduct" bottom: "sum" top: "a"
  inner_product_param { num_output: 20 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "a" top: "bn" }
layer { name: "drop" type: "Dropout" bottom: "bn" top: "drop" }
layer { name: "ip" type: "InnerProduct" bottom: "drop" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
SOLVER = (
    'net: "net.prototxt" base_lr: 0.01 lr_policy: "step" gamma: 0.5 stepsize: 30'
    ' type: "Adam" momentum: 0.9 snapshot_prefix: "s" random_seed: 7 iter_size: 2'
)


def zoo_train(folder, *options, **settings):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "zoo", "train", "--solver", "solver.prototxt", *options]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def wait_for(path, process, seconds=60):
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until, f"{path.name} did not appear"
        time.sleep(0.01)


def assert_same_weights(one, other):
    for name, blobs in one.params.items():
        for received, expected in zip(blobs, other.params[name], strict=True):
            np.testing.assert_array_equal(received, expected, err_msg=name)


@pytest.mark.parametrize("snapshot_format", ["BINARYPROTO", "HDF5"])
def test_a_run_that_is_taken_up_equals_one_without_interruption(project, snapshot_format):
    settings = f"max_iter: 40 snapshot: 15 snapshot_format: {snapshot_format}"
    settings += " test_iter: 1 test_interval: 10"
    folder = project(settings, NET, SOLVER)
    whole = train("solver.prototxt", folder=folder)
    assert [each.iteration for each in whole.snapshots] == [15, 30, 40]
    for number in (0, 1):
        state = whole.snapshots[number].state
        again = train("solver.prototxt", snapshot=state.name, folder=folder)
        np.testing.assert_array_equal(again.losses, whole.losses[15 * (number + 1) :])
        assert again.tests == whole.tests[-len(again.tests) :]
        assert_same_weights(again.net, whole.net)


def test_a_run_that_was_killed_loses_no_more_than_an_interval(project):
    folder = project("max_iter: 3000 snapshot: 20", NET, SOLVER)
    process = zoo_train(folder)
    wait_for(folder / "s_iter_60.solverstate", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    states = sorted(
        folder.glob("*.solverstate"), key=lambda path: int(path.stem.rpartition("_")[2])
    )
    last = int(states[-1].stem.rpartition("_")[2])
    length = last + 5
    solver = SOLVER + f" max_iter: {length} snapshot_after_train: false"
    project("", NET, solver)
    again = train("solver.prototxt", snapshot=states[-1].name, folder=folder)
    whole = train("solver.prototxt", folder=folder)
    np.testing.assert_array_equal(again.losses, whole.losses[last:])
    assert_same_weights(again.net, whole.net)
    # A file that has a snapshot's name is complete, whenever the process died.
    for state in states:
        assert CaffeSolver("solver.prototxt", snapshot=state.name, folder=folder).iteration > 0


def test_a_full_disk_keeps_the_last_good_snapshot_and_says_so(project):
    """Files may grow only so far: the weights of the first net fit, its Adam state not any more."""
    folder = project("max_iter: 8 snapshot: 4", NET, SOLVER)
    good = train("solver.prototxt", folder=folder).snapshots[0]
    before = {path.name: path.read_bytes() for path in folder.glob("s_iter_*")}
    project("max_iter: 20 snapshot: 4", NET, SOLVER)

    def limit():
        size = len(before[good.state.name]) - 100
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    process = zoo_train(folder, "--snapshot", good.state.name, preexec_fn=limit)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 4, told
    kept = "cannot be written: File too large; the last good snapshot is s_iter_4.solverstate."
    assert f"warning: s_iter_8.solverstate {kept} Training goes on." in told
    assert f"zoo: s_iter_20.solverstate {kept}\n" in told
    for name, content in before.items():
        assert name.endswith("caffemodel") or (folder / name).read_bytes() == content
    assert not list(folder.glob(".*"))
    assert CaffeSolver("solver.prototxt", snapshot=good.state.name, folder=folder).iteration == 4


def test_the_last_good_snapshot_is_named_when_one_fails(project):
    events = []
    folder = project("max_iter: 6 snapshot: 2", NET, SOLVER)
    run = CaffeSolver("solver.prototxt", folder=folder, listen=events.append)
    run.step(2)
    (folder / "s_iter_4.solverstate").mkdir()  # nothing can take its place
    run.step(2)
    warning = events[-1]
    assert isinstance(warning, Message)
    assert re.search("; the last good snapshot is .*s_iter_2.solverstate", warning.text)
    run.step(2)
    assert isinstance(events[-1], Snapshotted)
    (folder / "s_iter_7.solverstate").mkdir()
    project("max_iter: 7", NET, SOLVER)
    with pytest.raises(UnavailableError, match="last good snapshot is .*s_iter_6"):
        train("solver.prototxt", snapshot="s_iter_6.solverstate", folder=folder)


def test_signals_make_snapshots_and_stop(project):
    folder = project("max_iter: 1000000 display: 1", NET, SOLVER)
    process = zoo_train(folder)
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    until = time.monotonic() + 60
    while not list(folder.glob("*.solverstate")):
        assert time.monotonic() < until
        process.stdout.readline()
    first = {path.name for path in folder.glob("*.solverstate")}
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    second = {path.name for path in folder.glob("*.solverstate")} - first
    assert len(second) == 1
    assert "stopped after" in out


def test_sigint_may_be_told_to_do_nothing_but_a_snapshot(project):
    folder = project("max_iter: 1000000 display: 1", NET, SOLVER)
    process = zoo_train(folder, "-sigint_effect", "snapshot", "--sighup-effect", "stop")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    until = time.monotonic() + 60
    while not list(folder.glob("*.solverstate")):
        assert time.monotonic() < until
        process.stdout.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_request_in_the_middle_of_a_test_is_heard(project):
    folder = project("max_iter: 9 test_iter: 50 test_interval: 3", NET, SOLVER)
    run = CaffeSolver("solver.prototxt", folder=folder)
    run.step(3)
    run.request("snapshot")
    run.request("stop")
    trained = run.solve()
    assert trained.stopped
    assert [each.iteration for each in trained.snapshots] == [3, 3]


def test_caffe_reads_over_what_zoo_adds(project):
    folder = project("max_iter: 2", NET, SOLVER)
    (made,) = train("solver.prototxt", folder=folder).snapshots
    message = StateMessage.FromString(made.state.read_bytes())
    assert (message.iter, message.learned_net) == (2, "s_iter_2.caffemodel")
    assert len(message.history) == 2 * 7
    assert read_solver_state(made.state).beyond_caffe.startswith('{"seed": 7')


@pytest.mark.parametrize("name", ["x.solverstate", "x.solverstate.h5"])
def test_what_zoo_adds_comes_back_from_either_format(tmp_path, name):
    state = SolverState(3, "w", [np.ones((2, 3), np.float32)], 1, '{"näme": 1}')
    write_solver_state(tmp_path / name, state)
    assert read_solver_state(tmp_path / name).beyond_caffe == state.beyond_caffe
    write_solver_state(tmp_path / name, SolverState(3))
    assert read_solver_state(tmp_path / name).beyond_caffe == ""


def test_damaged_additions_are_named(project):
    folder = project("max_iter: 2", NET, SOLVER)
    (made,) = train("solver.prototxt", folder=folder).snapshots
    state = read_solver_state(made.state)
    broken = SolverState(state.iter, state.learned_net, state.history, 0, '{"what": 1}')
    write_solver_state(folder / "b.solverstate", broken)
    with pytest.raises(ParseError, match="what zoo keeps in it is damaged"):
        CaffeSolver("solver.prototxt", snapshot="b.solverstate", folder=folder)


def test_weights_lie_where_the_state_says_or_beside_it(project, tmp_path):
    folder = project("max_iter: 2", NET, SOLVER)
    (made,) = train("solver.prototxt", folder=folder).snapshots
    moved = folder / "moved"
    moved.mkdir()
    made.state.rename(moved / made.state.name)
    state = f"moved/{made.state.name}"
    assert CaffeSolver("solver.prototxt", snapshot=state, folder=folder).iteration == 2
    made.weights.rename(moved / made.weights.name)
    assert CaffeSolver("solver.prototxt", snapshot=state, folder=folder).iteration == 2
    (moved / made.weights.name).unlink()
    with pytest.raises(UsageError, match="s_iter_2.caffemodel.*neither in .* nor beside it"):
        CaffeSolver("solver.prototxt", snapshot=state, folder=folder)


def test_a_state_of_another_solver_or_network_is_refused(project):
    folder = project("max_iter: 2", NET, SOLVER)
    (made,) = train("solver.prototxt", folder=folder).snapshots
    project("max_iter: 4", NET, SOLVER.replace('"Adam"', '"SGD"'))
    with pytest.raises(UsageError, match="has 14 history blobs.*need 7.*another solver"):
        CaffeSolver("solver.prototxt", snapshot=made.state.name, folder=folder)
    project("max_iter: 4", NET.replace("num_output: 20", "num_output: 21"), SOLVER)
    with pytest.raises(WeightsError, match="a: needs"):
        CaffeSolver("solver.prototxt", snapshot=made.state.name, folder=folder)


def test_momentum_goes_on_moving_a_param_that_is_frozen_after_a_resume(project):
    """As in Caffe, where the history of a frozen param still decays."""
    solver = SOLVER.replace('type: "Adam"', "")
    folder = project("max_iter: 3", NET, solver)
    train("solver.prototxt", folder=folder)
    history = read_solver_state(folder / "s_iter_3.solverstate").history[0]
    frozen = NET.replace('top: "a"\n', 'top: "a" param { lr_mult: 0 }\n')
    project("max_iter: 9", frozen, solver)
    run = CaffeSolver("solver.prototxt", snapshot="s_iter_3.solverstate", folder=folder)
    before = run.net.params["a"][0]
    run.step(1)
    np.testing.assert_allclose(run.net.params["a"][0], before - 0.9 * history, atol=1e-7)


def test_a_folder_that_is_missing_is_told_before_training(project):
    folder = project("max_iter: 2", NET, SOLVER.replace('"s"', '"out/s"'))
    with pytest.raises(UsageError, match="cannot be written to the prefix 'out/s'.*make it first"):
        CaffeSolver("solver.prototxt", folder=folder)
    project("max_iter: 2 snapshot_after_train: false", NET, SOLVER.replace('"s"', '"out/s"'))
    assert train("solver.prototxt", folder=folder).snapshots == ()


def test_names_that_hdf5_cannot_hold_are_told_before_training(project):
    folder = project("max_iter: 2 snapshot_format: HDF5", NET.replace('"ip"', '"a/b"'), SOLVER)
    with pytest.raises(UsageError, match="HDF5 cannot name 1 layers, such as 'a/b'"):
        CaffeSolver("solver.prototxt", folder=folder)
