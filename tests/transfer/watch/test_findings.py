"""Each finding is made by a small net that has that flaw, and by none that is healthy."""

import math

import numpy as np
import pytest
from watched_nets import CLASSES, HEALTHY, bend, dense, rows

from zoo.transfer.watch.course import Course
from zoo.transfer.watch.data_rules import labels
from zoo.transfer.watch.layer_rules import dead_units, gradients
from zoo.transfer.watch.look import Look
from zoo.transfer.watch.loss_rules import first_loss

X, Y = rows(256)


def shifted(layers, value):
    """The first layers with this bias."""
    return layers.replace("num_output", f"bias_filler {{ value: {value} }} num_output", 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"rate": 0.05},
        {"rate": 0.01, "solver": "momentum: 0.9 weight_decay: 0.0005"},
        {"rate": 0.003, "solver": 'type: "Adam" momentum: 0.9'},
    ],
)
def test_a_healthy_run_has_no_findings(watched, settings):
    trained = watched(steps=200, validation=rows(128, 1), **settings)
    assert trained.losses[-10:].mean() < 0.4 < 1 < trained.losses[:3].mean()
    assert trained.findings == []


def test_a_dead_relu_behind_the_classifier_is_named(watched):
    scores = shifted(dense("scores", "ip1", CLASSES), -20)
    layers = dense("ip1", "data", 16) + bend("relu1", "ip1") + scores + bend("last", "scores")
    found = watched(layers)["static-loss"]
    assert (found.where, found.iteration <= 10) == ("last", True)
    assert "ln(4) = 1.386" in found.text
    assert "All scores are 0: the ReLU last behind the classifier scores" in found.text
    assert any("Remove the ReLU last" in each for each in found.remedies)
    assert found.numbers["loss"] == pytest.approx(math.log(4), rel=1e-3)


def test_a_dead_net_is_told_from_a_slow_one(watched):
    layers = shifted(HEALTHY, -20)
    found = watched(layers)["static-loss"]
    assert found.where == "relu1"
    assert "relu1 (100%) give 0 for every row" in found.text
    assert "start again" in found.remedies[0]


def test_zero_weights_are_named(watched):
    zero = 'type: "constant"'
    layers = dense("ip1", "data", 16, zero) + bend("relu1", "ip1")
    trained = watched(layers + dense("scores", "ip1", CLASSES, zero))
    assert trained["equal-weights"].where == "ip1"
    found = trained["static-loss"]
    assert "All weights of ip1, scores are zero" in found.text
    assert "weight_filler" in found.remedies[0]


def test_a_classifier_that_starts_at_zero_is_fine(watched):
    layers = HEALTHY.replace(dense("scores", "ip1", CLASSES), "")
    layers += dense("scores", "ip1", CLASSES, 'type: "constant"')
    assert watched(layers).findings == []


def test_equal_weights_that_learn_the_same_are_named(watched):
    equal = 'type: "constant" value: 0.1'
    layers = dense("ip1", "data", 16, equal) + dense("scores", "ip1", CLASSES, equal)
    found = watched(layers)["equal-weights"]
    assert found.where == "ip1"
    assert "the same for all of their units" in found.text


def test_a_rate_that_is_too_small_is_named(watched):
    trained = watched(rate=1e-7, steps=130)
    found = trained["small-updates"]
    assert set(found.numbers) == {"ip1", "scores"}
    assert max(found.numbers.values()) < 1e-4
    assert "Raise the learning rate" in found.remedies[0]


def test_a_loss_at_ln_n_for_long_is_named_with_the_size_of_the_updates(watched):
    small = HEALTHY.replace(dense("scores", "ip1", CLASSES), "")
    small += dense("scores", "ip1", CLASSES, 'type: "gaussian" std: 0.001')
    trained = watched(small, rate=1e-6, steps=130)
    found = trained["static-loss"]
    assert found.iteration >= 99
    assert "the scores are nearly the same for every row".lower() in found.text.lower()
    assert "change the weights by" in found.remedies[0]


def test_a_first_loss_far_above_ln_n_is_named(watched):
    layers = dense("ip1", "data", 16) + bend("relu1", "ip1")
    found = watched(layers + dense("scores", "ip1", CLASSES, 'type: "gaussian" std: 5'))[
        "first-loss"
    ]
    assert (found.where, found.iteration) == ("scores", 0)
    assert found.numbers["loss"] > 5
    assert "std 0.01" in found.remedies[0]


def test_a_first_loss_far_below_ln_n_is_named(watched):
    course = Course(watched(steps=1).watcher.course.subject)
    course.take_loss(0, 0.1)
    (found,) = first_loss(course)
    assert "too good" in found.text


def test_weights_that_were_loaded_may_start_with_any_loss(watched):
    trained = watched(steps=30)
    course = Course(trained.watcher.course.subject)
    assert course.fresh_head()
    trained.run.net.save(weights=trained.folder / "w.caffemodel")
    again = watched(steps=1, weights=["w.caffemodel"])
    assert not again.watcher.course.fresh_head()
    assert again.findings == []


def test_a_loss_that_runs_away_is_named_with_the_layer_that_grew_first(watched):
    found = watched(rate=20, solver="momentum: 0.9")["diverging"]
    assert found.where in ("ip1", "relu1")
    assert found.iteration < 20
    assert "have grown first" in found.text
    assert found.remedies[0].startswith("Lower the learning rate")


@pytest.mark.parametrize("place", [7, 10])
def test_the_first_layer_that_makes_no_numbers_is_named(watched, place):
    """The logarithm of a number below 0 in the last row, between two looks and where one is due."""
    layers = 'layer { name: "log" type: "Log" bottom: "data" top: "logs" }\n'
    layers += dense("ip1", "logs", 8) + dense("scores", "ip1", CLASSES)
    good = np.exp(0.3 * X[:16]), Y[:16]
    bad = np.concatenate([good[0][:15], -good[0][:1]]), good[1]
    batches = [good] * place + [bad] + [good] * 10
    data = [{"data": x, "label": y} for x, y in batches]
    found = watched(layers, data, steps=place + 2)["diverging"]
    assert (found.where, found.iteration) == ("log", place)
    assert "first layer to make values that are no number any more is log" in found.text


def test_input_that_is_no_number_is_named(watched):
    x = X.copy()
    x[::20, 2] = np.nan
    trained = watched(data=(x, Y))
    assert trained["broken-input"].where == "data"
    assert trained["diverging"].where == "data"


def test_dead_units_are_named_with_their_share(watched):
    layers = dense("side", "data", 16) + bend("relu_side", "side")
    layers = shifted(layers, -20) + dense("main", "data", 16) + bend("relu_main", "main")
    layers += 'layer { name: "sum" type: "Eltwise" bottom: "side" bottom: "main" top: "sum" }\n'
    found = watched(layers + dense("scores", "sum", CLASSES))["dead-units"]
    assert (found.where, dict(found.numbers)) == ("relu_side", {"relu_side": 1.0})
    assert "relu_side (100%)" in found.text


def test_units_that_die_in_training_are_told_from_those_that_never_lived(watched):
    course = Course(watched(steps=1).watcher.course.subject)
    for iteration in range(12):
        course.take_loss(iteration, 1.0)
        # Of the first layer's units some die; those of the second were always few.
        alive = np.arange(8) < (6 if iteration < 2 else 2)
        course.take_look(Look(iteration, 8, {}, {"relu1": alive, "sparse": np.arange(8) < 3}))
    (found,) = dead_units(course)
    assert dict(found.numbers) == {"relu1": 0.75}


def test_saturated_units_are_named_with_their_share(watched):
    for kind in ("Sigmoid", "TanH"):
        layers = dense("ip1", "data", 16, 'type: "gaussian" std: 20') + bend("bent", "ip1", kind)
        found = watched(layers + dense("scores", "ip1", CLASSES))["saturated-units"]
        assert found.where == "bent"
        assert 0.5 < found.numbers["bent"] <= 1


def test_gradients_that_fade_are_named(watched):
    layers, bottom = "", "data"
    for number in range(8):
        name = f"ip{number}"
        layers += dense(name, bottom, 16, 'type: "gaussian" std: 0.1') + bend(
            f"s{number}", name, "Sigmoid"
        )
        bottom = name
    trained = watched(layers + dense("scores", bottom, CLASSES))
    assert trained["vanishing-gradients"].where == "ip0"
    assert "small-updates" not in trained.names  # which would follow from that


def test_gradients_that_grow_are_named(watched):
    look = Look(
        10,
        8,
        {"a": 1.0, "b": 1.0},
        gradients={"a": 1e6, "b": 1e-3},
        weights={"a": 1.0, "b": 1.0},
        counts={"a": 4, "b": 4},
    )
    course = Course(watched(steps=1).watcher.course.subject)
    course.take_look(look)
    assert list(gradients(course)) == []  # once is chance
    course.take_look(look)
    (found,) = gradients(course)
    assert (found.name, found.where) == ("exploding-gradients", "a")
    assert "clip_gradients" in found.remedies[0]


def test_updates_that_are_too_large_are_named(watched):
    layers = dense("ip1", "data", 64) + bend("relu1", "ip1") + dense("scores", "ip1", CLASSES)
    found = watched(layers, rate=2)["large-updates"]
    assert found.where in ("ip1", "scores")
    assert found.numbers[found.where] > 0.05


def test_labels_that_are_all_the_same_are_named(watched):
    found = watched(data=(X, 0 * Y + 2))["constant-labels"]
    assert "are 2" in found.text


def test_rows_that_come_class_by_class_are_named(watched):
    data = [
        {"data": X[np.flatnonzero(label == Y)[:16]], "label": np.full(16, label)}
        for label in np.arange(24) % CLASSES
    ]
    found = watched(data=data, steps=20)["unshuffled-labels"]
    assert "Shuffle" in found.remedies[0]


def test_classes_of_very_unequal_size_are_named(watched):
    kept = np.concatenate([np.flatnonzero(Y != 3), np.flatnonzero(Y == 3)[:3]])
    found = watched(data=(X[kept], Y[kept]))["unbalanced-labels"]
    assert "Rare: 3." in found.text
    assert found.numbers["class 3"] < found.numbers["class 0"] / 10


def test_classes_that_count_by_their_number_may_be_unequal(watched):
    course = watched(steps=1).watcher.course
    course.labels.counts[:], course.labels.batches = (400, 400, 400, 3), 99
    assert [each.name for each in labels(course)] == ["unbalanced-labels"]
    course.balanced = True
    assert list(labels(course)) == []


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (np.clip(60 * X + 128, 0, 255), "no mean is subtracted"),
        (X + 20, "far from 0"),
        (1000 * X, "large"),
        (X / 1000, "hardly differ"),
    ],
)
def test_input_that_is_not_normalised_is_named(watched, data, flaw):
    found = watched(data=(data.astype(np.float32), Y), rate=1e-4)["unnormalised-input"]
    assert flaw in found.text
    assert (found.where, found.iteration) == ("data", 0)


def test_a_net_that_learns_by_heart_is_named(watched):
    rng = np.random.default_rng(5)
    trained = watched(
        data=(X[:24], rng.integers(0, CLASSES, 24)),
        validation=(X[100:], rng.integers(0, CLASSES, 156)),
        batch=8,
        rate=0.03,
        solver="momentum: 0.9",
        steps=300,
    )
    found = trained["overfit"]
    assert found.numbers["loss"] > 1.5 * found.numbers["train_loss"]
    assert "more data" in found.remedies[0]
    assert "underfit" not in trained.names


def test_a_net_that_fits_not_even_its_training_rows_is_named(watched):
    noise = 2.5
    trained = watched(
        data=rows(4000, noise=noise),
        validation=rows(500, 7, noise=noise),
        rate=0.003,
        steps=200,
    )
    found = trained["underfit"]
    assert found.iteration == 199
    assert found.numbers["train_loss"] > 0.7 * math.log(CLASSES)
    assert "overfit" not in trained.names
