"""Solver states of both formats are what Caffe had, and what is written is what Caffe writes."""

from contextlib import suppress

import h5py
import numpy as np
import pytest
from mutations import COUNTS, mutations

from zoo.caffe.solver_state import SolverState, read_solver_state, write_solver_state
from zoo.errors import ParseError, UnavailableError, UsageError, ZooError

RULES = ["SGD", "Adam", "AdaDelta"]
SUFFIXES = ["", ".h5"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("rule", RULES)
def test_snapshots_of_caffe_hold_its_numbers(shared, rule, suffix):
    formats = shared / "golden/formats"
    expected = np.load(formats / f"expected/snap_{rule}.npz")
    state = read_solver_state(formats / f"snap_{rule}_iter_5.solverstate{suffix}")
    history = sorted(key for key in expected.files if key.startswith("history:"))
    assert (state.iter, state.current_step) == (expected["iter"], expected["current_step"])
    assert state.learned_net == f"snap_{rule}_iter_5.caffemodel{suffix}"
    assert len(state.history) == len(history) == (9 if rule == "SGD" else 18)
    for blob, key in zip(state.history, history, strict=True):
        assert blob.shape == expected[key].shape
        np.testing.assert_array_equal(blob, expected[key])
        assert not blob.flags.owndata


@pytest.mark.parametrize("rule", RULES)
def test_binary_states_come_out_the_same_to_the_byte(shared, tmp_path, rule):
    path = shared / f"golden/formats/snap_{rule}_iter_5.solverstate"
    write_solver_state(tmp_path / "again.solverstate", read_solver_state(path))
    assert (tmp_path / "again.solverstate").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_again(tmp_path, suffix):
    state = SolverState(
        123_456, "net_iter_é.caffemodel", [np.float32(2), np.zeros((0, 2)), np.ones((2, 3, 4))], 7
    )
    write_solver_state(tmp_path / f"a.solverstate{suffix}", state)
    again = read_solver_state(tmp_path / f"a.solverstate{suffix}")
    assert (again.iter, again.learned_net, again.current_step) == (
        state.iter,
        state.learned_net,
        state.current_step,
    )
    for blob, expected in zip(again.history, state.history, strict=True):
        np.testing.assert_array_equal(blob, expected)


def test_hdf5_states_are_laid_out_as_caffe_lays_them_out(shared, tmp_path):
    path = shared / "golden/formats/snap_Adam_iter_5.solverstate.h5"
    write_solver_state(tmp_path / "a.solverstate.h5", read_solver_state(path))
    with h5py.File(path) as theirs, h5py.File(tmp_path / "a.solverstate.h5") as ours:
        assert set(ours) == set(theirs) == {"iter", "current_step", "learned_net", "history"}
        for name in ("iter", "current_step", "learned_net"):
            assert (ours[name].dtype, ours[name].shape) == (theirs[name].dtype, theirs[name].shape)
        assert set(ours["history"]) == set(theirs["history"])


def test_a_state_of_early_caffe_has_no_step(tmp_path):
    (tmp_path / "old").write_bytes(b"\x08\x05")
    assert read_solver_state(tmp_path / "old") == SolverState(5, "", [], 0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("snap_SGD_iter_5.caffemodel", r"this is weights .*expected a solver state"),
        ("snap_SGD_iter_5.caffemodel.h5", r"this is weights .*expected a solver state"),
        ("mean.binaryproto", "this is a mean file"),
        ("snap_net.prototxt", "this is the text of a network"),
        ("h5_a.h5", "no solver state"),
        ("list.txt", "is damaged, or of another kind"),
    ],
)
def test_other_files_are_named(shared, name, words):
    with pytest.raises(ParseError, match=words):
        read_solver_state(shared / "golden/formats" / name)


def test_missing_files_are_named_with_the_nearest(shared):
    with pytest.raises(UsageError, match="Did you mean snap_SGD_iter_5.solverstate?"):
        read_solver_state(shared / "golden/formats/snap_SGD_iter_6.solverstate")


def test_numbers_that_caffe_cannot_hold_are_refused(tmp_path):
    for state in (SolverState(-1), SolverState(2**31), SolverState(0, current_step=-1)):
        with pytest.raises(UsageError, match="expected 0 to 2147483647"):
            write_solver_state(tmp_path / "a.solverstate", state)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.solverstate.h5"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="could not convert"):
        write_solver_state(path, SolverState(1, history=[np.array(["x"])]))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_may_not_be_written_is_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(UnavailableError, match="a.solverstate cannot be written: Permission"):
        write_solver_state(tmp_path / "a.solverstate", SolverState(1))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("count", COUNTS)
def test_mutated_files_end_in_our_own_errors(shared, tmp_path, suffix, count):
    content = (shared / f"golden/formats/snap_SGD_iter_5.solverstate{suffix}").read_bytes()
    path = tmp_path / "mutated"
    for mutated in mutations(content, count):
        path.write_bytes(mutated)
        with suppress(ZooError):
            read_solver_state(path)
