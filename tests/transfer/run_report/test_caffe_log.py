"""Logs of Caffe: those of its releases and forks, whole, resumed, cut off and damaged."""

import json
import math
import random
from pathlib import Path

import pytest

from zoo.errors import UsageError
from zoo.transfer.run_report.caffe_log import parse_caffe_log, read_caffe_log
from zoo.transfer.solver.events import (
    AfterTest,
    BeforeTest,
    Displayed,
    Ended,
    Score,
    Scores,
    Snapshotted,
    Started,
)
from zoo.transfer.solver.log import caffe_log_lines, plain_lines


def glog(text, time="12:00:00.000000", place="solver.cpp:218", level="I", date="0615"):
    return f"{level}{date} {time}  4242 {place}] {text}"


RELEASE = [
    "Log file created at: 2017/06/15 12:00:00",
    "Running on machine: box",
    "Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg",
    glog("Initializing solver from parameters: ", place="solver.cpp:45"),
    "base_lr: 0.01",
    "max_iter: 400",
    glog("Creating training net from net file: net.prototxt"),
    'name: "LeNet"',
    glog("Finetuning from old.caffemodel", place="caffe.cpp:155"),
    glog("Starting Optimization", place="caffe.cpp:248"),
    glog("Solving LeNet"),
    glog("Learning Rate Policy: step"),
    glog("Iteration 0, Testing net (#0)"),
    glog("    Test net output #0: accuracy = 0.1"),
    glog("    Test net output #1: loss = 2.31 (* 1 = 2.31 loss)"),
    glog("Iteration 0 (-nan iter/s, 0.5s/100 iters), loss = 2.3"),
    glog("    Train net output #0: loss = 2.3 (* 1 = 2.3 loss)"),
    glog("Iteration 0, lr = 0.01", place="sgd_solver.cpp:112"),
    glog("Iteration 100 (25.5 iter/s, 4.1s/100 iters), loss = 0.9", "12:00:04.500000"),
    glog("    Train net output #0: loss = 0.8 (* 1 = 0.8 loss)", "12:00:04.500000"),
    glog("Iteration 100, lr = 0.001", "12:00:04.500000", "sgd_solver.cpp:112"),
    glog("Snapshotting to binary proto file net_iter_100.caffemodel"),
    glog("Snapshotting solver state to binary proto file net_iter_100.solverstate"),
    glog("Iteration 200, loss = 0.7", "12:00:09.000000"),
    glog("Optimization Done."),
    glog("Optimization Done.", place="caffe.cpp:259"),
]


def test_a_log_of_the_release_is_read_whole():
    history = parse_caffe_log(RELEASE)
    assert [point.iteration for point in history.train] == [0, 100, 200]
    assert [point.loss for point in history.train] == [2.3, 0.9, 0.7]
    assert [point.rate for point in history.train] == [0.01, 0.001, None]
    assert [point.pace for point in history.train] == [None, 25.5, None]
    assert [point.seconds for point in history.train] == [0.0, 4.5, 9.0]
    assert history.train[1].outputs == {"loss": 0.8}
    assert history.train[1].weights == {"loss": 1.0}
    (test,) = history.tests
    assert (test.iteration, test.net) == (0, 0)
    assert test.outputs == {"accuracy": 0.1, "loss": 2.31}
    assert history.snapshots == ["net_iter_100.caffemodel"]
    assert history.solver == "base_lr: 0.01\nmax_iter: 400"
    assert history.starts[0].weights == ["old.caffemodel"]
    assert (history.ended, history.skipped, history.lines) == ("done", 0, len(RELEASE))


def test_the_first_releases_had_other_words():
    history = parse_caffe_log(
        [
            glog("Solving CaffeNet", place="solver.cpp:40"),
            glog("Iteration 0, Testing net", place="solver.cpp:106"),
            glog("Test score #0: 0.25", place="solver.cpp:142"),
            glog("Test score #1: 1.5", place="solver.cpp:142"),
            glog("Iteration 20, lr = 0.01", place="solver.cpp:204"),
            glog("Iteration 20, loss = 6.9", place="solver.cpp:66"),
            glog("Snapshotting to caffenet_train_20", place="solver.cpp:151"),
            glog("Snapshotting solver state to caffenet_train_20.solverstate"),
            glog("Iteration 20, Testing net (#1)"),
            glog("Test loss: 3.5"),
        ]
    )
    assert history.tests[0].outputs == {"score 0": 0.25, "score 1": 1.5}
    assert (history.tests[1].net, history.tests[1].loss) == (1, 3.5)
    (point,) = history.train
    assert (point.iteration, point.loss, point.rate) == (20, 6.9, 0.01)
    assert history.snapshots == ["caffenet_train_20"]
    assert history.skipped == 0


def test_several_losses_and_outputs_of_one_name_are_told_apart():
    history = parse_caffe_log(
        [
            glog("Iteration 40, loss = 11.1"),
            glog("    Train net output #0: loss1/loss1 = 6.9 (* 0.3 = 2.07 loss)"),
            glog("    Train net output #1: loss2/loss2 = 7 (* 0.3 = 2.1 loss)"),
            glog("    Train net output #2: loss3/loss3 = 6.93 (* 1 = 6.93 loss)"),
            glog("    Train net output #3: by class = 0.5"),
            glog("    Train net output #4: by class = 0.75"),
        ]
    )
    (point,) = history.train
    assert point.weights == {"loss1/loss1": 0.3, "loss2/loss2": 0.3, "loss3/loss3": 1.0}
    assert point.outputs["by class"] == 0.5
    assert point.outputs["by class #1"] == 0.75


def test_the_fork_with_epochs_in_its_lines_is_read():
    line = "Iteration 800 (12.5 iter/s, 16s/200 iter), 3.2/16.3ep, loss = 1.5"
    history = parse_caffe_log([glog(line), glog("Iteration 800, lr = 0.01, m = 0.9, wd = 0.0005")])
    (point,) = history.train
    assert (point.loss, point.pace, point.rate) == (1.5, 12.5, 0.01)
    assert history.skipped == 0


def test_glog_with_a_year_and_a_prefix_of_a_container_is_read():
    line = glog("Iteration 3, loss = 2", date="20230615")
    history = parse_caffe_log([line, f"2023-06-15T12:00:00Z {line.replace('3, loss', '4, loss')}"])
    assert [point.iteration for point in history.train] == [3, 4]
    assert history.skipped == 0


def test_lines_without_heads_and_colours_are_read():
    history = parse_caffe_log(
        [
            "Initializing solver from parameters:",
            "\x1b[32mIteration 5, loss = 1.25\x1b[0m",
            "    Train net output #0: loss = 1 (* 1 = 1 loss)",
        ]
    )
    assert history.train[0].loss == 1.25
    assert history.train[0].outputs == {"loss": 1.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nan", math.nan),
        ("-nan", math.nan),
        ("inf", math.inf),
        ("-nan(ind)", math.nan),
        ("1.#QNAN", math.nan),
        ("-1.#IND", math.nan),
        ("1.#INF", math.inf),
        ("3.4e+38", 3.4e38),
    ],
)
def test_numbers_that_are_none_are_read_as_c_prints_them(text, value):
    history = parse_caffe_log([glog(f"Iteration 10, loss = {text}")])
    found = history.train[0].loss
    assert found == value or (math.isnan(found) and math.isnan(value))
    findings = [finding.name for finding in history.findings()]
    assert findings == ([] if math.isfinite(value) else ["diverging"])


def test_divergence_is_told_with_its_iteration():
    history = parse_caffe_log(
        map(glog, ["Iteration 10, loss = 2", "Iteration 20, loss = nan", "Iteration 30, lr = 1"])
    )
    (finding,) = history.findings()
    assert finding.iteration == 20
    assert finding.remedies


def test_a_death_is_told():
    died = glog("Check failed: error == cudaSuccess (2 vs. 0)  out of memory", level="F")
    history = parse_caffe_log([glog("Iteration 10, loss = 2"), died])
    assert "out of memory" in history.findings()[0].text


def test_a_resumed_training_has_two_starts():
    first = [glog(f"Iteration {number}, loss = 1") for number in (0, 100, 200, 300)]
    history = parse_caffe_log(
        [
            glog("Starting Optimization"),
            *first,
            glog("Optimization stopped early."),
            glog("Resuming from net_iter_200.solverstate"),
            glog("Starting Optimization"),
            glog("Solving LeNet"),
            glog("Restoring previous solver status from net_iter_200.solverstate"),
            glog("Iteration 200, loss = 0.5"),
            glog("Iteration 300, loss = 0.4"),
        ]
    )
    assert [point.run for point in history.train] == [0, 0, 0, 0, 1, 1]
    assert [start.iteration for start in history.starts] == [0, 200]
    assert history.starts[1].resumed_from == "net_iter_200.solverstate"
    assert history.ended == ""


def test_a_training_begun_anew_without_a_word_has_two_starts():
    history = parse_caffe_log(
        [glog(f"Iteration {number}, loss = 1") for number in (0, 100, 200, 0, 100, 100)]
    )
    assert [point.run for point in history.train] == [0, 0, 0, 1, 1, 2]


def test_broken_lines_are_skipped_and_counted():
    whole = glog("Iteration 100, loss = 0.5")
    broken = [
        "I0615 12:00:0",
        glog("Iteration 120 (12.3 it"),
        glog("Iteration 140, loss = "),
        glog("Iteration 160, loss = 0.5.3"),
        glog("Iterat"),
        glog("    Train net output #0: lo"),
        glog("    Test net output #0: accuracy = 0.5"),  # of a test that was never begun
        glog("Test sc"),
        "615 12:00:00.000000  4242 solver.cpp:218] Iteration 180, loss = 3",
        glog("Iteration 200, loss = \ufffd\ufffd"),
        glog("\0\0\0\0"),
    ]
    history = parse_caffe_log([*broken, whole])
    assert history.skipped == len(broken)
    assert [(point.iteration, point.loss) for point in history.train] == [(100, 0.5)]
    assert history.broken[0] == (1, "I0615 12:00:0")


def test_of_two_lines_in_one_only_the_whole_one_is_read():
    glued = glog("Iteration 100, loss = 1.") + glog("Iteration 120, loss = 0.25")
    history = parse_caffe_log([glued])
    assert [(point.iteration, point.loss) for point in history.train] == [(120, 0.25)]
    assert history.skipped == 1


def test_what_caffe_says_of_other_things_is_not_broken():
    history = parse_caffe_log(
        [
            glog("Iteration 100, loss = 0.5"),
            glog("    [Forward] Layer conv1, top blob conv1 data: 0.06", place="net.cpp:593"),
            glog("MultiStep Status: Iteration 100, step = 1"),
            glog("Ignoring source layer fc8"),
            glog("Restarting data prefetching from start."),
            glog(""),
            "",
            "*** Check failure stack trace: ***",
        ]
    )
    assert history.skipped == 0


def test_the_year_may_end_meanwhile():
    history = parse_caffe_log(
        [
            glog("Iteration 0, loss = 1", "23:59:59.000000", date="1231"),
            glog("Iteration 1, loss = 1", "00:00:01.500000", date="0101"),
        ]
    )
    assert history.train[1].seconds == 2.5


def test_no_damage_stops_the_reading():
    rng = random.Random(0)
    text = "\n".join(RELEASE)
    for _ in range(300):
        place, length = rng.randrange(len(text)), rng.randrange(60)
        junk = "".join(chr(rng.randrange(1, 0x2FFF)) for _ in range(rng.randrange(8)))
        history = parse_caffe_log((text[:place] + junk + text[place + length :]).split("\n"))
        assert len(history.train) <= 3
        json.dumps(history.to_dict())


def events():
    yield Started("LeNet", "fixed")
    yield BeforeTest(0, 1)
    yield AfterTest(0, 1, Scores([Score("accuracy", 0.5, 0), Score("loss", 2.0, 1)]), 2.0)
    yield Displayed(0, 2.5, 0.01, Scores([Score("loss", 2.25, 1)]), 2.0, 100, 100)
    yield Displayed(20, float("nan"), None, Scores(), 2.0, 100, 100)
    yield Snapshotted(20, Path("net_iter_20.caffemodel"), Path("net_iter_20.solverstate"))
    yield Ended(20, False)


def test_what_zoo_train_logs_in_caffes_words_is_read():
    history = parse_caffe_log(line for event in events() for line in caffe_log_lines(event))
    assert history.skipped == 0
    assert history.tests[0].outputs == {"accuracy": 0.5, "loss": 2.0}
    assert (history.tests[0].net, history.tests[0].loss) == (1, 2.0)
    first, last = history.train
    assert (first.loss, first.rate, first.pace) == (2.5, 0.01, 50.0)
    assert first.outputs == {"loss": 2.25}
    assert math.isnan(last.loss)
    assert history.ended == "done"
    assert history.snapshots == ["net_iter_20.caffemodel"]


def test_what_zoo_train_prints_for_people_is_read():
    history = parse_caffe_log(line for event in events() for line in plain_lines(event))
    assert history.tests[0].outputs == {"accuracy": 0.5, "loss": 2.0, "loss #1": 2.0}
    first, last = history.train
    assert (first.loss, first.rate, first.pace) == (2.5, 0.01, 50.0)
    assert math.isnan(last.loss)


def test_a_file_that_is_no_log_is_refused(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir,\n")
    with pytest.raises(UsageError, match="none of its 1 lines"):
        read_caffe_log(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_caffe_log(tmp_path / "nowhere.log")


def test_a_log_with_bytes_of_no_encoding_is_read(tmp_path):
    path = tmp_path / "caffe.log"
    path.write_bytes(b"\xff\xfe\x00broken\n" + glog("Iteration 1, loss = 2\r\n").encode())
    history = read_caffe_log(path)
    assert (history.train[0].loss, history.skipped) == (2.0, 1)
