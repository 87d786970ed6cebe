"""Training runs of real Caffe: every solver and policy, resumed and fine-tuned ones."""

import csv
import json
import shutil

import numpy as np
import pytest
from reference import SHARED

from zoo.caffe.solver_state import read_solver_state
from zoo.net import Net
from zoo.transfer.caffe_training import CaffeSolver, train
from zoo.transfer.solver.events import Displayed

FOLDER = SHARED / "golden" / "solvers"
CASES = sorted(path.parent.name for path in FOLDER.glob("*/init.caffemodel"))
SHAPES = {"data": (8, 2, 8, 8), "label": (8,)}
FORMATS = SHARED / "golden" / "formats"


def facts_of(case):
    return json.loads((FOLDER / case / "case.json").read_text())


@pytest.fixture
def prepared(shared, tmp_path):
    """The files of a case in a folder of their own, with its data beside them."""

    def prepare(case, *others):
        names = ("solver.prototxt", "net.prototxt", "init.caffemodel", *others)
        for name in names:
            shutil.copy(FOLDER / case / name, tmp_path)
        for name in ("data.h5", "data.txt"):
            shutil.copy(FOLDER / case / facts_of(case)["data"] / name, tmp_path)
        return tmp_path

    return prepare


def check_weights(net, stored, prefix):
    compared = 0
    for key in stored.files:
        if key.startswith(prefix):
            layer, _, index = key.removeprefix(prefix).rpartition("/")
            received, expected = net.params[layer][int(index)], stored[key]
            allowed = 1e-4 * max(1, np.abs(expected).max())
            np.testing.assert_allclose(received, expected, rtol=0, atol=allowed, err_msg=key)
            compared += 1
    assert compared > 1


def test_there_are_34_cases(shared):
    assert len(CASES) == 34


@pytest.mark.parametrize("case", CASES)
def test_a_run_goes_the_way_of_caffes(prepared, case):
    events = []
    run = CaffeSolver(
        "solver.prototxt", ["init.caffemodel"], folder=prepared(case), listen=events.append
    )
    stored = np.load(FOLDER / case / "trajectory.npz")
    for iteration in facts_of(case)["weights_at"]:
        run.step(iteration - run.iteration)
        check_weights(run.net, stored, f"w{iteration}:")
    shown = [event for event in events if isinstance(event, Displayed)]
    with (FOLDER / case / "trajectory.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [event.rate for event in shown] == pytest.approx(
        [float(row["lr"]) for row in rows], rel=1e-5
    )
    assert [event.loss for event in shown] == pytest.approx(
        [float(row["loss"]) for row in rows], rel=1e-4, abs=1e-4
    )


@pytest.mark.parametrize("case", ["sgd_resume", "adadelta_resume_hdf5"])
def test_a_snapshot_of_caffes_is_taken_up_as_caffe_takes_it_up(prepared, case):
    end = ".h5" if "hdf5" in case else ""
    state = f"snap_iter_10.solverstate{end}"
    folder = prepared(case, state, f"snap_iter_10.caffemodel{end}")
    run = CaffeSolver("solver.prototxt", snapshot=state, folder=folder)
    stored = np.load(FOLDER / case / "resumed.npz")
    for iteration in (10, 11, 15, 20):
        run.step(iteration - run.iteration)
        check_weights(run.net, stored, f"w{iteration}:")
    assert run.solve().iteration == 20


@pytest.mark.parametrize("case", ["sgd_resume", "adadelta_resume_hdf5"])
def test_snapshots_hold_what_those_of_caffe_hold(prepared, case):
    end = ".h5" if "hdf5" in case else ""
    folder = prepared(case)
    trained = train("solver.prototxt", ["init.caffemodel"], folder=folder)
    names = [f"snap_iter_{iteration}.solverstate{end}" for iteration in (10, 20)]
    assert [each.state.name for each in trained.snapshots] == names
    # Caffe's of iteration 20 is that of the run which it took up again.
    ours, caffes = (read_solver_state(each / names[0]) for each in (folder, FOLDER / case))
    facts = ("iter", "learned_net", "current_step")
    assert [getattr(ours, fact) for fact in facts] == [getattr(caffes, fact) for fact in facts]
    check_weights(
        Net.read(folder / "net.prototxt", folder / ours.learned_net, phase="train", shapes=SHAPES),
        np.load(FOLDER / case / "trajectory.npz"),
        "w10:",
    )
    for received, expected in zip(ours.history, caffes.history, strict=True):
        np.testing.assert_allclose(received, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("case", ["sgd_resume", "adadelta_resume_hdf5"])
def test_our_own_snapshot_is_taken_up_as_if_nothing_had_been(prepared, case):
    folder = prepared(case)
    whole = train("solver.prototxt", ["init.caffemodel"], folder=folder)
    state = whole.snapshots[0].state.name
    again = train("solver.prototxt", snapshot=state, folder=folder)
    np.testing.assert_array_equal(again.losses, whole.losses[10:])
    check_weights(again.net, np.load(FOLDER / case / "trajectory.npz"), "w20:")


def test_fine_tuning_copies_by_name_and_starts_new_names_fresh(prepared):
    """The second case of the pair starts from the weights of the first, by name."""
    notes = []
    folder = prepared("finetune_b")
    shutil.copy(FOLDER / "finetune_a" / "a_iter_20.caffemodel", folder)
    run = CaffeSolver(
        "solver.prototxt", ["a_iter_20.caffemodel"], folder=folder, listen=notes.append
    )
    stored = np.load(FOLDER / "finetune_b" / "trajectory.npz")
    for name in ("conv1", "conv2"):
        for index in range(2):
            np.testing.assert_array_equal(run.net.params[name][index], stored[f"w0:{name}/{index}"])
    assert "2 layers start from" in notes[-1].text
    assert "fresh: fc_b" in notes[-1].text
    run.step(5)
    assert np.array_equal(run.net.params["conv1"][0], stored["w0:conv1/0"])  # lr_mult 0
    assert not np.array_equal(run.net.params["conv2"][0], stored["w0:conv2/0"])


@pytest.mark.parametrize("rule", ["SGD", "AdaDelta", "Adam"])
@pytest.mark.parametrize("kind", ["binaryproto", "hdf5"])
def test_five_more_steps_from_a_snapshot_are_those_of_caffe(shared, tmp_path, rule, kind):
    """Shared params, BatchNorm and groups, from either format."""
    end = ".h5" if kind == "hdf5" else ""
    solver = f"snap_{rule}_{kind}_solver.prototxt"
    state = f"snap_{rule}_iter_5.solverstate{end}"
    for name in (solver, state, f"snap_{rule}_iter_5.caffemodel{end}", "snap_net.prototxt"):
        shutil.copy(FORMATS / name, tmp_path)
    stored = np.load(FORMATS / "expected" / f"snap_{rule}.npz")

    def inputs(layer, folder, phase, *, seed=0, start=0):
        while True:
            yield {name: stored[name] for name in layer.top}

    run = CaffeSolver(solver, snapshot=state, folder=tmp_path, open_source=inputs)
    assert run.iteration == 5
    check_weights(run.net, stored, "param:")
    run.step(5)
    check_weights(run.net, stored, "after10:")
