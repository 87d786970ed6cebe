"""When a watcher looks, what it tells, and that training does not feel it."""

import math

import numpy as np
import pytest
from watched_nets import CLASSES, HEALTHY, Watched, batches, bend, dense, rows

from zoo.transfer.solver.events import Displayed
from zoo.transfer.watch.course import Course
from zoo.transfer.watch.finding import Finding
from zoo.transfer.watch.watcher import Watcher

NORMALISED = (
    dense("ip1", "data", 16)
    + 'layer { name: "bn" type: "BatchNorm" bottom: "ip1" top: "bn" }\n'
    + 'layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }'
    + bend("relu1", "bn")
    + 'layer { name: "drop" type: "Dropout" bottom: "bn" top: "drop" }\n'
    + dense("scores", "drop", CLASSES)
)


def blind(run):
    """The same run without a watcher."""
    run._watcher.before = run._watcher.after = lambda *given: None
    return run


@pytest.mark.parametrize("batch", [16, 2])
@pytest.mark.parametrize("settings", ["momentum: 0.9", 'type: "Adam" iter_size: 2'])
def test_training_is_the_same_to_the_last_bit(tmp_path, settings, batch):
    """With Dropout and BatchNorm, whose state a look puts back."""
    nets, losses = [], []
    for watches in (True, False):
        made = Watched(
            tmp_path,
            NORMALISED,
            lambda *given, **more: batches(*rows(64), batch),
            f"base_lr: 0.01 {settings}",
            steps=25,
            batch=batch,
        )
        run = made.run if watches else blind(made.run)
        run.step(25)
        nets.append(run.net)
        losses.append(list(run._losses))
        assert bool(made.watcher.course.looks) == watches
    assert losses[0] == losses[1]
    for layer, blobs in nets[0].params.items():
        for one, other in zip(blobs, nets[1].params[layer], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_look_has_the_numbers_of_the_net(watched):
    trained = watched(steps=12, rate=0.01)
    look = trained.watcher.course.looks[-1]
    x, labels = rows(256)
    first = next(batches(x, labels, 16))
    start = watched(steps=0).run.net.params
    weight, bias = (blob.astype(np.float64) for blob in start["ip1"])
    begun = trained.watcher.course.first_look
    seen = first["data"][:4] @ weight.T + bias
    assert begun.rows == 4
    assert begun.means["ip1"] == pytest.approx(np.abs(seen).mean(), rel=1e-4)
    assert begun.means["relu1"] == pytest.approx(np.maximum(seen, 0).mean(), rel=1e-4)
    np.testing.assert_array_equal(begun.active["relu1"], (seen > 0).any(axis=0))
    assert begun.weights["ip1"] == pytest.approx(np.linalg.norm(weight), rel=1e-4)
    last, bias = (blob.astype(np.float64) for blob in start["scores"])
    scores = np.maximum(seen, 0) @ last.T + bias
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    errors = powers / powers.sum(axis=1, keepdims=True) - np.eye(CLASSES)[first["label"][:4]]
    slope = errors.T @ np.maximum(seen, 0) / 4
    assert begun.gradients["scores"] == pytest.approx(np.linalg.norm(slope), rel=1e-3)
    assert begun.scores["scores"].spread == pytest.approx(np.ptp(scores, axis=1).mean(), rel=1e-3)
    assert look.iteration == 10


def test_the_update_is_measured_against_the_weights(watched):
    trained = watched(steps=1, rate=0.01)
    before, after = (watched(steps=steps).run.net.params["ip1"][0] for steps in (0, 1))
    ratio = trained.watcher.course.looks[0].updates["ip1"]
    # The other run's rate is 0.05.
    assert 5 * ratio == pytest.approx(
        np.linalg.norm(after - before) / np.linalg.norm(before), rel=1e-3
    )


class Script(Watcher):
    """A watcher that sees what it is told to see."""

    def __init__(self, subject):
        self.told = []
        super().__init__(Course(subject), None, self.told.append)

    def see(self, count, *sizes):
        self.course.count = count
        self._report(iter([Finding("flaw", "bad", (), count, size=size) for size in sizes]))
        return [finding.size for finding in self.told]


def test_a_finding_is_told_once_and_again_when_it_is_much_worse(watched):
    script = Script(watched(steps=0).watcher.course.subject)
    assert script.see(1, 1.0, 1.0) == [1.0]
    assert script.see(40, 1.4) == [1.0]
    assert script.see(50, 1.6) == [1.0, 1.6]
    assert script.see(51, 9.0) == [1.0, 1.6]  # not at every iteration
    assert script.see(90, 9.0) == [1.0, 1.6, 9.0]


def test_looks_become_rare(watched):
    iterations = []
    trained = watched(steps=0)
    look = trained.watcher._probe.look
    trained.watcher._probe.look = lambda inputs, iteration: (
        iterations.append(iteration) or look(inputs, iteration)
    )
    trained.run.step(300)
    assert iterations == [0, 1, 2, 3, 4, 10, 20, 30, 40, *range(60, 201, 20), 250]


def test_all_of_a_batch_is_looked_at_where_rows_cannot_be_told_apart(watched):
    """A Reshape that names the size of the batch."""
    shape = f"reshape_param {{ shape {{ dim: 16 dim: {CLASSES} }} }}"
    layers = HEALTHY.replace(dense("scores", "ip1", CLASSES), dense("wide", "ip1", CLASSES))
    layers += f'layer {{ name: "r" type: "Reshape" bottom: "wide" top: "scores" {shape} }}\n'
    trained = watched(layers, steps=12)
    assert trained.watcher.course.looks[-1].rows == 16
    assert trained.findings == []


def test_several_losses_have_the_sum_of_their_logarithms(watched):
    side = dense("side", "ip1", 10)
    side += (
        'layer { name: "aux" type: "SoftmaxWithLoss" bottom: "side" bottom: "label"'
        ' top: "aux" loss_weight: 0.3 }\n'
    )
    subject = watched(HEALTHY + side, steps=1).watcher.course.subject
    assert subject.expected == pytest.approx(math.log(CLASSES) + 0.3 * math.log(10))
    assert [each.layer for each in subject.classifiers] == ["side", "scores"]
    assert subject.main.layer == "scores"


def test_a_loss_without_classes_is_watched_too(watched):
    layers = HEALTHY + (
        'layer { name: "far" type: "EuclideanLoss" bottom: "ip1" bottom: "ip1" top: "far" }\n'
    )
    trained = watched(layers, steps=12)
    assert trained.watcher.course.subject.expected is None
    assert trained.findings == []


def test_findings_are_warnings_in_every_kind_of_log(watched):
    from zoo.transfer.solver.events import Found
    from zoo.transfer.solver.log import caffe_log_lines

    found = Finding("flaw", "Something.", ("Do this.", "Do that."), 3)
    lines = caffe_log_lines(Found(found))
    assert [line[0] for line in lines] == ["W"] * 3
    assert lines[1].endswith("  1. Do this.")


def test_debug_info_tells_of_the_data_as_well(watched):
    events = []
    trained = watched(steps=0, solver="debug_info: true display: 1")
    trained.run._listen = events.append
    trained.run.step(1)
    lines = next(event for event in events if isinstance(event, Displayed)).debug
    first = next(batches(*rows(256), 16))
    labels = [line.rsplit(": ", 1)[0].strip() for line in lines]
    assert labels[:2] == [
        "[Forward] Layer data, top blob data data",
        "[Forward] Layer data, top blob label data",
    ]
    assert float(lines[0].rsplit(": ", 1)[1]) == pytest.approx(
        np.abs(first["data"]).mean(), rel=1e-4
    )
    assert labels.index("[Forward] Layer ip1, param blob 1 data") > 2
