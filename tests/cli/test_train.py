"""`zoo train`: as one types it, in Caffe's way too."""

import re

import h5py
import numpy as np
import pytest

NET = """\
name: "line"
layer { name: "data" type: "HDF5Data" top: "x" top: "y"
  hdf5_data_param { source: "list.txt" batch_size: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
SOLVER = """\
net: "net.prototxt"
base_lr: 0.05
lr_policy: "fixed"
weight_decay: 0.1
max_iter: 6
display: 2
snapshot: 3
snapshot_prefix: "s"
test_iter: 1
test_interval: 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["x"] = rng.normal(size=(10, 3))
        file["y"] = rng.normal(size=(10, 2))
    (tmp_path / "list.txt").write_text("rows.h5")
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_tells_its_iterations_tests_and_snapshots(folder, run_zoo):
    done = run_zoo("train", "--solver", "solver.prototxt", "--device", "cpu")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert re.fullmatch(r"test 0 at 0: loss [\d.]+", lines[0])
    assert re.fullmatch(r"iteration 0: loss [\d.]+, rate 0.05", lines[1])
    assert "snapshot s_iter_3.solverstate" in lines
    assert re.fullmatch(r"test 0 at 6: loss [\d.]+", lines[-1])
    assert {path.name for path in folder.glob("s_iter_*")} == {
        f"s_iter_{number}.{end}" for number in (3, 6) for end in ("caffemodel", "solverstate")
    }


def test_json_has_everything_and_a_snapshot_is_taken_up(folder, run_zoo):
    whole = run_zoo("train", "--solver", "solver.prototxt", "--json").json
    assert (whole["solver"], whole["iteration"], whole["stopped"]) == ("SGD", 6, False)
    assert len(whole["losses"]) == 6
    assert [test["iteration"] for test in whole["tests"]] == [0, 3, 6]
    assert whole["tests"][0]["outputs"][0]["name"] == "loss"
    assert whole["snapshots"] == ["s_iter_3.solverstate", "s_iter_6.solverstate"]
    again = run_zoo("train", "-solver=solver.prototxt", "-snapshot=s_iter_3.solverstate", "--json")
    assert "note: Going on from s_iter_3.solverstate after 3" in again.err
    assert again.json["losses"] == whole["losses"][3:]


def test_weights_are_copied_by_name(folder, run_zoo):
    run_zoo("train", "--solver", "solver.prototxt")
    done = run_zoo(
        "train", "-solver", "solver.prototxt", "-weights", "s_iter_3.caffemodel,s_iter_6.caffemodel"
    )
    assert done.code == 0
    assert "note: 1 layer starts from s_iter_3.caffemodel, s_iter_6.caffemodel." in done.err
    both = ("--weights", "s_iter_3.caffemodel", "--snapshot", "s_iter_3.solverstate")
    assert run_zoo("train", "--solver", "solver.prototxt", *both).code == 2


def test_caffes_log_goes_where_caffe_writes_it(folder, run_zoo):
    done = run_zoo("train", "--solver", "solver.prototxt", "--caffe-log")
    assert done.out == ""
    assert re.search(r"(?m)^I\d{4} .* solver.cpp:\d+\] Iteration 4 \(.*\), loss = ", done.err)
    assert "\n\n" not in done.err


def test_a_dry_run_prints_the_plan_and_trains_nothing(folder, run_zoo):
    done = run_zoo("train", "--solver", "solver.prototxt", "--dry-run")
    assert done.out.splitlines() == [
        "layer\tparam\tshape\trate\tdecay",
        "ip\t0\t2x3\t0.05\t0.1",
        "ip\t1\t2\t0.1\t0",
    ]
    plan = run_zoo("train", "--solver", "solver.prototxt", "--dry-run", "--json").json
    assert plan["params"][1]["rate"] == pytest.approx(0.1)
    assert not list(folder.glob("s_iter_*"))


def test_warnings_name_file_and_line(folder, run_zoo):
    (folder / "solver.prototxt").write_text(f"{SOLVER}gamma: 0.1\n")
    done = run_zoo("train", "--solver", "solver.prototxt", "--dry-run")
    assert "warning: solver.prototxt:11: gamma has no effect" in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--solver", "nowhere.prototxt"), "cannot read the solver nowhere.prototxt"),
        (("--solver", "solver.prototxt", "-gpu", "0,1"), "training is on one device"),
        (("--solver", "solver.prototxt", "-gpu", "0", "--device", "cpu"), "give one of them"),
        (("--solver", "solver.prototxt", "--snapshot", "x.solverstate"), "x.solverstate"),
        (("--weights", "x"), "--solver"),
    ],
)
def test_what_is_typed_wrong_is_exit_code_2(folder, run_zoo, words, told):
    done = run_zoo("train", *words)
    assert done.code == 2
    assert told in done.err


def test_an_unknown_field_is_refused(folder, run_zoo):
    (folder / "solver.prototxt").write_text(f"{SOLVER}weight_decai: 0.1\n")
    done = run_zoo("train", "--solver", "solver.prototxt")
    assert done.code == 2
    assert "solver.prototxt:11:1" in done.err
    assert "Did you mean weight_decay?" in done.err
