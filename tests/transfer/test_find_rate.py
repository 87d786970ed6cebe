"""The range test finds a rate, and leaves everything as it was."""

import json
import random
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from zoo.caffe.message_copy import copy_without
from zoo.cli.main import main
from zoo.errors import UsageError
from zoo.transfer.plan import Group, Plan, Stage
from zoo.transfer.presets import preset
from zoo.transfer.tuning.range_test import range_test

SHORT = preset("two-stage", 1.0).with_settings(epochs=2, mirror=False)


def with_dropout():
    """The embedded model with a layer that draws at random."""
    model = zoo.load("lenet_digits")
    definition = copy_without(model.net.definition, "layer")
    for layer in model.net.definition.layer:
        definition.layer.add().CopyFrom(layer)
        if layer.name == "relu1":
            dropout = definition.layer.add(name="drop", type="Dropout", bottom=["ip1"])
            dropout.top.append("ip1")
    net = zoo.Net(definition, model.net.params, shapes=model.net.inputs)
    return replace(model, net=net)


def params_of(net):
    return {(layer, i): blob for layer, blobs in net.params.items() for i, blob in enumerate(blobs)}


def assert_same(one, other):
    one, other = params_of(one), params_of(other)
    assert one.keys() == other.keys()
    for owner, blob in one.items():
        np.testing.assert_array_equal(blob, other[owner], err_msg=str(owner))


def tune(model, digits, output, **settings):
    return zoo.fine_tune(
        model, digits / "train.npz", digits / "val.npz", output=output, stages=SHORT, **settings
    )


@pytest.fixture(scope="module")
def undisturbed(digits, tmp_path_factory):
    return tune(with_dropout(), digits, tmp_path_factory.mktemp("undisturbed") / "run")


def test_training_after_it_is_bit_equal_to_training_without_it(undisturbed, digits, tmp_path):
    model = with_dropout()
    before = params_of(model.net)
    zoo.find_rate(model, digits / "train.npz", stages=SHORT, steps=20)
    for owner, blob in params_of(model.net).items():
        np.testing.assert_array_equal(blob, before[owner])
    assert_same(tune(model, digits, tmp_path / "run").load().net, undisturbed.load().net)


def test_training_that_runs_meanwhile_goes_on_bit_equal(undisturbed, digits, tmp_path):
    model = with_dropout()

    def between_epochs(record):
        if record["stage"] == "all" and record["epoch"] == 1:
            zoo.find_rate(model, digits / "train.npz", stages=SHORT, steps=5)

    run = tune(model, digits, tmp_path / "run", told=between_epochs)
    assert_same(run.load().net, undisturbed.load().net)


def test_a_keras_training_beside_it_goes_on_bit_equal(digits):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(8, 28, 28, 1)).astype(np.float32)

    def trained(disturb):
        keras.utils.set_random_seed(3)
        model = zoo.to_keras(with_dropout().net)
        model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
        model.fit(inputs, np.arange(8) % 5, verbose=0)
        disturb()
        model.fit(inputs, np.arange(8) % 5, verbose=0)
        draws = [random.random(), np.random.rand(), *map(float, tf.random.normal((2,)))]
        return model.get_weights(), [*draws, float(keras.random.normal(()))]

    def disturb():
        zoo.find_rate(with_dropout(), digits / "train.npz", stages=SHORT, steps=5)

    (weights, draws), (theirs, their_draws) = trained(lambda: None), trained(disturb)
    for one, other in zip(weights, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert draws == their_draws


def test_the_same_seed_gives_the_same_curve(digits):
    one, other = (
        zoo.find_rate(with_dropout(), digits / "train.npz", stages="all", steps=10) for _ in "ab"
    )
    assert one == other


def test_the_suggestion_lies_where_the_loss_falls(digits):
    found = zoo.find_rate("lenet_digits", digits / "train.npz", stages="all")
    place = found.rates.index(found.steepest)
    lowest = int(np.argmin(found.smoothed))
    assert 0 < place < lowest
    assert found.tenth == pytest.approx(found.rates[lowest] / 10)
    assert found.suggestion == min(found.steepest, found.tenth)
    assert found.smoothed[-1] > found.smoothed[lowest]
    ratios = np.diff(np.log(found.rates))
    np.testing.assert_allclose(ratios, ratios[0])


def test_the_suggestion_is_what_the_original_rate_gives(digits, tmp_path):
    found = zoo.find_rate("lenet_digits", digits / "train.npz", stages="all")
    run = zoo.fine_tune(
        "lenet_digits",
        digits / "train.npz",
        output=tmp_path / "run",
        stages="all",
        original_rate=found.original_rate,
        dry_run=True,
    )
    assert max(row.rate for row in run.tables["all"]) == pytest.approx(found.suggestion)


def test_of_a_plan_of_ones_own_the_factor_is_told(digits):
    plan = Plan((Stage("own", groups=(Group(("head",), 0.5),), mirror=False),))
    found = zoo.find_rate("lenet_digits", digits / "train.npz", stages=plan, steps=40)
    assert found.original_rate is None
    assert found.factor * 0.5 == pytest.approx(found.suggestion)


def test_a_loss_that_explodes_ends_the_test():
    losses = [2.0, 1.5, 1.0, 1.0, 40.0, 50.0, 60.0]
    rates = [1e-3, 1e-2, 1e-1, 1, 10, 100, 1000]
    curve = range_test(lambda rate: losses[rates.index(rate)], rates, guessing=0.7)
    assert curve.rates == tuple(rates[:5])
    assert curve.losses == (2.0, 1.5, 1.0, 1.0, 40.0)
    assert curve.tenth == pytest.approx(0.1)


def test_an_easy_batch_at_the_start_is_no_steepest_descent():
    """The running mean of two batches jumps with the second; the loss falls from step 60 on."""
    rates = np.geomspace(1e-6, 1, 100).tolist()
    losses = [2.3, 1.3, *[2.0] * 58, *np.linspace(2.0, 0.5, 40)]
    curve = range_test(lambda rate: losses[rates.index(rate)], rates, guessing=2.3)
    assert curve.steepest > rates[60]


def test_a_loss_that_is_no_number_ends_the_test_before_it():
    losses = iter([2.0, 1.5, np.nan])
    assert range_test(lambda _: next(losses), [1, 2, 3, 4], 0.7).losses == (2.0, 1.5)


def test_where_the_loss_never_falls_nothing_is_suggested():
    losses = iter([1.0, 1.1, 1.2])
    curve = range_test(lambda _: next(losses), [1, 2, 3], 0.7)
    assert curve.steepest is None
    assert curve.tenth is None


def test_a_plan_without_rates_is_refused(digits):
    with pytest.raises(UsageError, match="two-stage"):
        zoo.find_rate("lenet_digits", digits / "train.npz", stages="head")


def test_how_far_it_is_is_told_step_by_step(digits):
    told = []
    zoo.find_rate(
        "lenet_digits",
        digits / "train.npz",
        stages=preset("all", 1.0),
        steps=3,
        progress=lambda *now: told.append(now),
    )
    steps = [now for now in told if now[0] == "training at rising rates"]
    assert steps == [("training at rising rates", done, 3) for done in range(3)]


@pytest.mark.parametrize("wrong", [{"lowest": 0}, {"lowest": 1, "highest": 0.1}, {"steps": 1}])
def test_impossible_arguments_are_refused(wrong, digits):
    with pytest.raises(UsageError, match="lowest"):
        zoo.find_rate("lenet_digits", digits / "train.npz", **wrong)


def test_the_command_draws_and_tells(digits, tmp_path, capsys):
    picture = tmp_path / "curve.png"
    words = ["find-rate", "lenet_digits", str(digits / "train.npz"), "--plan", "all"]
    words += ["--steps", "40"]
    assert main([*words, "--json", "-o", str(picture)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["rule"] in ("steepest descent", "a tenth of the minimum")
    assert len(facts["rates"]) == len(facts["losses"]) == len(facts["smoothed"])
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert np.asarray(image).std() > 0
    assert main([*words, "-o", str(picture)]) == 2
    assert "exists and was left as it is" in capsys.readouterr().err
    assert main(words) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("suggestion\t")
    assert "--original-rate" in shown.err
