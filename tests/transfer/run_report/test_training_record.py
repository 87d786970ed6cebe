"""The record of a run of `zoo train`, and the report of a log of Caffe's."""

import csv
import json
import math

import numpy as np
import pytest
from html_page import HtmlPage
from PIL import Image

from zoo.cli.main import main
from zoo.transfer.run_report.caffe_log import parse_caffe_log
from zoo.transfer.run_report.charts import history_charts

NET = """\
layer { name: "data" type: "DummyData" top: "x" top: "y" dummy_data_param {
  shape { dim: 8 dim: 3 dim: 6 dim: 6 } shape { dim: 8 }
  data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } } }
layer { name: "conv1" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "y" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
SOLVER = """\
net: "net.prototxt" base_lr: 0.05 lr_policy: "step" gamma: 0.5 stepsize: 20 max_iter: 40
display: 5 test_iter: 2 test_interval: 10 snapshot: 20 snapshot_prefix: "s" random_seed: 7
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*words):
    return main(["train", "--solver", "solver.prototxt", *words])


def test_a_run_of_a_solver_keeps_its_record(folder, capsys):
    assert train("--run-dir", "runs/one", "--json") == 0
    losses = json.loads(capsys.readouterr().out)["losses"]
    directory = folder / "runs" / "one"
    facts = json.loads((directory / "run.json").read_text())
    assert (facts["kind"], facts["seed"]) == ("train", 7)
    assert "stepsize: 20" in facts["solver"]
    assert facts["starts"][0]["versions"]["numpy"] == np.__version__
    log = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    shown = [each for each in log if each.get("phase") == "train"]
    assert [each["iteration"] for each in shown] == [*range(0, 40, 5), 40]
    assert [each["loss"] for each in shown[:-1]] == pytest.approx(losses[::5], rel=1e-6)
    assert [each["iteration"] for each in log if each.get("phase") == "test"] == [0, 10, 20, 30, 40]
    assert [each["snapshot"] for each in log if "snapshot" in each] == [
        "s_iter_20.caffemodel",
        "s_iter_40.caffemodel",
    ]
    assert list((directory / "events").iterdir())
    page = HtmlPage((directory / "report.html").read_text(encoding="utf-8"))
    assert page.headings[0] == "one"
    assert {"Numbers", "Learning curves", "First-layer filters", "Made with"} <= set(page.headings)
    assert page.row("came to iteration")[1] == "40"
    assert page.row("ended")[1] == "done"
    assert page.row("accuracy, test 0")[2] == "1"
    assert {path.name for path in (directory / "pictures").iterdir()} == {
        "loss.png",
        "shares.png",
        "rate.png",
        "filters_before.png",
        "filters_after.png",
    }


def test_a_run_that_goes_on_from_a_snapshot_goes_on_in_its_record(folder, capsys):
    assert train("--run-dir", "run") == 0
    assert train("--run-dir", "run") == 2
    assert "--snapshot" in capsys.readouterr().err
    assert train("--run-dir", "run", "--snapshot", "s_iter_20.solverstate") == 0
    capsys.readouterr()
    assert main(["report", "run", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["finished"] is True
    page = HtmlPage((folder / "run" / "report.html").read_text(encoding="utf-8"))
    assert page.row("starts")[1] == "2"
    assert page.row("1") == ["1", "20", "s_iter_20.solverstate"]
    assert len(json.loads((folder / "run" / "run.json").read_text())["starts"]) == 2


def test_weights_to_start_from_stand_in_the_record_with_their_licence(folder):
    assert train() == 0
    (folder / "readme.md").write_text("---\nname: old\nlicense: MIT\n---\n")
    assert train("--run-dir", "run", "--weights", "s_iter_20.caffemodel") == 0
    (weights,) = json.loads((folder / "run" / "run.json").read_text())["weights"]
    assert (weights["name"], weights["license"]) == ("s_iter_20.caffemodel", "MIT")
    assert len(weights["sha256"]) == 64
    (folder / "solver.prototxt").write_text(SOLVER + 'weights: "s_iter_40.caffemodel"')
    assert train("--run-dir", "other") == 0
    (weights,) = json.loads((folder / "other" / "run.json").read_text())["weights"]
    assert weights["name"] == "s_iter_40.caffemodel"


def test_another_folder_is_not_written_into_and_a_dry_run_makes_none(folder):
    (folder / "thesis").mkdir()
    (folder / "thesis" / "text.tex").write_text("years")
    assert train("--run-dir", "thesis") == 2
    assert train("--run-dir", "run", "--dry-run") == 0
    assert not (folder / "run").exists()


def test_without_a_run_dir_only_what_caffe_writes_is_written(folder):
    assert train() == 0
    assert {path.suffix for path in folder.iterdir()} == {
        ".prototxt",
        ".caffemodel",
        ".solverstate",
    }


def glog(text):
    return f"I0615 12:00:00.000000  4242 solver.cpp:218] {text}\n"


LOG = "".join(
    [
        *map(
            glog,
            [
                "Iteration 0, Testing net (#0)",
                "    Test net output #0: <b>accuracy</b> = 0.1",
                "    Test net output #1: loss = 2.3 (* 1 = 2.3 loss)",
                "Iteration 0, loss = 2.4",
                "    Train net output #0: loss = 2.4 (* 1 = 2.4 loss)",
                "Iteration 0, lr = 0.01",
                "Iteration 50, loss = 1",
                "Iteration 100, loss = nan",
                "Iteration 100, Testing net (#0)",
                "    Test net output #0: <b>accuracy</b> = 0.6",
                "    Test net output #1: loss = 0.9 (* 1 = 0.9 loss)",
            ],
        ),
        "I0615 12:0",
    ]
)


@pytest.fixture
def log(tmp_path):
    (tmp_path / "caffe <1>.log").write_text(LOG)
    return tmp_path / "caffe <1>.log"


def test_a_log_becomes_a_report(log, capsys):
    target = log.with_name("report.html")
    assert main(["log", "parse", str(log), "-o", str(target)]) == 0
    told = capsys.readouterr()
    assert told.out == f"{target}\n"
    assert "1 line is broken" in told.err
    page = HtmlPage(target.read_text(encoding="utf-8"))
    assert page.headings[0] == "caffe <1>.log"
    assert page.row("<b>accuracy</b>, test 0")[1:] == ["0.1", "0.6", "0.1", "0", "0.6", "100"]
    assert page.row("broken lines, not read")[1] == "1"
    assert "It diverged" in page.text
    assert len(page.images) == 3


def test_a_log_becomes_json_csv_and_a_picture(log, capsys):
    for end in ("json", "csv", "png"):
        assert main(["log", "parse", str(log), "-o", str(log.with_name(f"out.{end}"))]) == 0
    document = json.loads(log.with_name("out.json").read_text())
    assert document["skipped"] == 1
    assert [point["loss"] for point in document["train"]] == [2.4, 1.0, None]
    assert document["test"][1]["outputs"] == {"<b>accuracy</b>": 0.6, "loss": 0.9}
    assert document["findings"][0]["finding"] == "diverging"
    with log.with_name("out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["phase"] for row in rows] == ["test", "train", "train", "train", "test"]
    assert math.isnan(float(rows[3]["loss"]))
    assert rows[4]["<b>accuracy</b> (output)"] == "0.6"
    assert rows[1]["rate"] == "0.01"
    with Image.open(log.with_name("out.png")) as picture:
        assert picture.height > 900  # three charts


def test_a_log_is_summed_up(log, capsys):
    assert main(["log", "parse", str(log)]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert ["iterations", "100"] in rows
    assert ["loss, test 0", "2.3", "0.9", "0.9", "100", "2.3", "0"] in rows
    assert main(["log", "parse", str(log), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["log"] == "caffe <1>.log"
    assert document["train"][2]["loss"] is None


def test_no_other_file_is_replaced_and_no_other_form_written(log, capsys):
    target = log.with_name("report.html")
    target.write_text("mine")
    assert main(["log", "parse", str(log), "-o", str(target)]) == 2
    assert target.read_text() == "mine"
    assert main(["log", "parse", str(log), "-o", str(log.with_name("out.pdf"))]) == 2
    assert ".html, .png, .json or .csv" in capsys.readouterr().err


def test_a_log_without_tests_is_drawn():
    history = parse_caffe_log([glog("Iteration 0, loss = 2"), glog("Iteration 9, loss = 1")])
    (chart,) = history_charts(history)
    assert chart.lines[0].parts == (((0.0, 2.0), (9.0, 1.0)),)


def test_curves_are_cut_where_they_do_not_hang_together():
    history = parse_caffe_log(
        [glog(f"Iteration {i}, loss = {loss}") for i, loss in
         ((0, 3), (1, 2), (2, "nan"), (3, 1), (0, 3), (1, 2.5))]
    )  # fmt: skip
    (chart,) = history_charts(history)
    assert chart.lines[0].parts == (
        ((0.0, 3.0), (1.0, 2.0)),
        ((3.0, 1.0),),
        ((0.0, 3.0), (1.0, 2.5)),
    )
    assert chart.starts == (0.0,)
