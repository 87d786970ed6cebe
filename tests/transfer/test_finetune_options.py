"""Each option of a stage does what it says."""

from pathlib import Path

import keras
import numpy as np
import pytest
from tuning_nets import CLASSES, ROWS, change, plain_stage, small_net, trainer_of

import zoo
from zoo.transfer.data import Dataset
from zoo.transfer.data_rows import Rows
from zoo.transfer.evaluate import softmax
from zoo.transfer.finetune import fine_tune
from zoo.transfer.plan import Group, Plan, Stage
from zoo.transfer.presets import preset
from zoo.transfer.tuning.feed import Feed

NORMALISED = """
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
"""
WITHOUT_SCALE = 'layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }'
DROPPING = """
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv"
  dropout_param { dropout_ratio: 0.5 } }
"""


def first_step(stage, between="", weights=None):
    """Loss before it, and the nets before and after."""
    net, head = small_net(between)
    trainer = trainer_of(net, head, stage, weights)
    trainer.reseed(0, 0)
    loss, _ = trainer.step(*ROWS, 1.0)
    return loss, net, trainer.net


def probabilities(between=""):
    net, head = small_net(between)
    scores = zoo.to_keras(net, [head.scores])(ROWS[0]).numpy().astype(np.float64)
    return softmax(scores)


def cross_entropy(found, targets):
    return -(np.log(found) * targets).sum(axis=1)


def statistics_after(stage, between):
    _, before, after = first_step(stage, between)
    return before.params["bn"], after.params["bn"]


@pytest.mark.parametrize("between", [NORMALISED, WITHOUT_SCALE])
def test_batch_statistics_are_learned_as_caffe_does(between):
    _, net, trained = first_step(plain_stage(batch_norm="batch"), between)
    kernel, bias = net.params["conv"]
    windows = np.lib.stride_tricks.sliding_window_view(ROWS[0], (3, 3), axis=(1, 2))
    outputs = np.einsum("nhwcij,ocij->nhwo", windows, kernel) + bias
    mean, variance, factor = trained.params["bn"]
    np.testing.assert_allclose(mean, outputs.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(variance, outputs.var(axis=(0, 1, 2), ddof=1), rtol=1e-3)
    assert factor == pytest.approx(1)


@pytest.mark.parametrize("between", [NORMALISED, WITHOUT_SCALE])
def test_stored_statistics_stay_to_the_bit(between):
    for old, new in zip(*statistics_after(plain_stage(), between), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("between", "patterns"), [(NORMALISED, ["fc*", "bn"]), (WITHOUT_SCALE, ["fc*"])]
)
def test_a_frozen_batchnorm_learns_no_statistics(between, patterns):
    stage = plain_stage(batch_norm="batch", groups=(Group(tuple(patterns), 0.1),))
    for old, new in zip(*statistics_after(stage, between), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("between", ["", NORMALISED, DROPPING.replace("0.5", "0.0")])
def test_mixed_precision_computes_in_bfloat16_and_learns_in_float32(between):
    loss, _, full = first_step(plain_stage(batch_norm="batch"), between)
    net, head = small_net(between)
    before = keras.config.dtype_policy().name
    trainer = trainer_of(net, head, plain_stage(batch_norm="batch", precision="mixed"))
    assert keras.config.dtype_policy().name == before
    assert trainer.model.output.dtype == "bfloat16"
    assert {variable.dtype for variable in trainer.model.weights} == {"float32"}
    mixed_loss, _ = trainer.step(*ROWS, 1.0)
    assert mixed_loss == pytest.approx(loss, rel=2e-2)
    whole, mixed = change(net, full), change(net, trainer.net)
    assert not np.array_equal(whole, mixed)
    np.testing.assert_allclose(mixed, whole, atol=0.03 * np.abs(whole).max())


def test_mixup_mixes_each_picture_and_its_loss_with_its_opposite():
    net, head = small_net()
    pictures, labels = ROWS
    share = 0.3
    mixed = share * pictures + (1 - share) * pictures[::-1]
    scores = zoo.to_keras(net, [head.scores])(mixed).numpy().astype(np.float64)
    targets = np.eye(CLASSES)
    wanted = share * targets[labels] + (1 - share) * targets[labels[::-1]]
    loss, _ = trainer_of(net, head, plain_stage(mixup=1.0)).step(*ROWS, 1.0, share)
    assert loss == pytest.approx(cross_entropy(softmax(scores), wanted).mean(), rel=1e-5)
    whole = trainer_of(net, head, plain_stage())
    alone = trainer_of(net, head, plain_stage(mixup=1.0))
    assert alone.step(*ROWS, 1.0, 1.0) == pytest.approx(whole.step(*ROWS, 1.0))
    np.testing.assert_allclose(change(net, alone.net), change(net, whole.net), atol=1e-7)


def test_mixup_is_drawn_for_each_batch_and_again_alike():
    losses = []
    for seed in (0, 0, 1):
        net, head = small_net()
        trainer = trainer_of(net, head, plain_stage(mixup=1.0))
        losses.append(trainer.epoch([ROWS, ROWS], 2, 0, seed)["loss"])
    assert losses[0] == losses[1] != losses[2]


def test_a_run_in_mixed_precision_reaches_what_one_in_full_does(digits, tmp_path):
    run = fine_tune(
        "lenet_digits",
        digits / "train.npz",
        digits / "val.npz",
        output=tmp_path / "run",
        stages=preset("two-stage", 1.0).with_settings(mirror=False, epochs=2),
        precision="mixed",
    )
    assert [stage.precision for stage in run.plan.stages] == ["full", "mixed"]
    assert run.results["all"] >= run.results["head"] - 0.06


def test_dropout_takes_the_place_of_that_of_the_definition():
    exact = cross_entropy(probabilities(DROPPING), np.eye(CLASSES)[ROWS[1]]).mean()
    assert first_step(plain_stage(dropout=0.0), DROPPING)[0] == pytest.approx(exact, rel=1e-5)
    assert first_step(plain_stage(), DROPPING)[0] != pytest.approx(exact, rel=1e-3)
    assert first_step(plain_stage(dropout=0.9), DROPPING)[0] != pytest.approx(
        first_step(plain_stage(), DROPPING)[0], rel=1e-3
    )


def test_clipping_shortens_all_gradients_together():
    alone = {"groups": (Group(("conv",), 0.1),)}  # so that all rates are the same
    free = change(*first_step(plain_stage(**alone))[1:])
    norm = np.linalg.norm(free) / 0.1
    clipped = change(*first_step(plain_stage(**alone, clip=norm / 4))[1:])
    np.testing.assert_allclose(clipped, free / 4, rtol=2e-3, atol=1e-7)
    untouched = change(*first_step(plain_stage(**alone, clip=norm * 2))[1:])
    np.testing.assert_allclose(untouched, free, atol=1e-7)


def test_label_smoothing_spreads_a_share_of_each_label():
    targets = 0.7 * np.eye(CLASSES)[ROWS[1]] + 0.3 / CLASSES
    expected = cross_entropy(probabilities(), targets).mean()
    assert first_step(plain_stage(label_smoothing=0.3))[0] == pytest.approx(expected, rel=1e-5)


def pictures(count, labels):
    """Noise of one channel, with labels."""
    noise = np.random.default_rng(0).integers(0, 256, (count, 32, 32), np.uint8)
    keys = [str(index) for index in range(count)]
    labels = np.asarray(labels)
    rows = Rows("npz", keys, lambda index: noise[index], labels, ("a", "b", "c"))
    return Dataset(Path("noise"), rows, np.arange(count), labels, ("a", "b", "c"))


def feed_of(labels):
    net, head = small_net()
    return Feed(head, zoo.load("lenet_digits").spec, pictures(len(labels), labels), seed=0)


def test_balanced_classes_count_the_same_all_together():
    labels = [0] * 12 + [1] * 6 + [2] * 2
    weights = feed_of(labels).class_weights(plain_stage(balance=True))
    np.testing.assert_allclose(weights * [12, 6, 2], 20 / 3, rtol=1e-6)
    np.testing.assert_array_equal(feed_of(labels).class_weights(plain_stage()), [1, 1, 1])


def test_the_weights_of_classes_are_in_the_loss():
    weights = np.array([3, 2, 0.5], np.float32)
    losses = cross_entropy(probabilities(), np.eye(CLASSES)[ROWS[1]])
    expected = (losses * weights[ROWS[1]]).mean()
    assert first_step(plain_stage(), weights=weights)[0] == pytest.approx(expected, rel=1e-5)


def epoch_change(number, **settings):
    net, head = small_net()
    trainer = trainer_of(net, head, plain_stage(**settings))
    factor = trainer.epoch([ROWS], 1, number, 0)["factor"]
    return factor, change(net, trainer.net)


@pytest.mark.parametrize(
    ("settings", "number", "expected"),
    [
        ({"warm_up": 2}, 0, 0),
        ({"warm_up": 2}, 1, 0.5),
        ({"warm_up": 2}, 2, 1),
        ({"schedule": "cosine", "epochs": 4}, 1, (1 + np.sqrt(0.5)) / 2),
        ({"schedule": "cosine", "epochs": 4}, 2, 0.5),
        ({"schedule": "poly", "epochs": 4}, 1, 0.75),
        ({"schedule": "step", "epochs": 4, "cut": 0.5, "gamma": 0.2}, 1, 1),
        ({"schedule": "step", "epochs": 4, "cut": 0.5, "gamma": 0.2}, 2, 0.2),
        ({"schedule": "cosine", "epochs": 4, "warm_up": 2}, 1, (1 + np.sqrt(0.5)) / 4),
    ],
)
def test_schedules_and_warm_up_scale_the_step(settings, number, expected):
    whole = epoch_change(0)[1]
    factor, found = epoch_change(number, **settings)
    assert factor == pytest.approx(expected)
    np.testing.assert_allclose(found, expected * whole, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("patience", "epochs"), [(2, 3), (0, 6)])
def test_patience_ends_a_stage_that_no_longer_gets_better(patience, epochs, digits, tmp_path):
    stage = Stage("still", rate=1e-30, epochs=6, schedule="fixed", patience=patience, mirror=False)
    run = fine_tune(
        "lenet_digits",
        digits / "train.npz",
        digits / "val.npz",
        output=tmp_path / "run",
        stages=Plan((stage,)),
    )
    assert len(run.log) == epochs


def test_patience_is_counted_from_the_cut_of_a_step(digits, tmp_path):
    stage = Stage("still", rate=1e-30, epochs=6, cut=0.5, patience=1, mirror=False)
    run = fine_tune(
        "lenet_digits",
        digits / "train.npz",
        digits / "val.npz",
        output=tmp_path / "run",
        stages=Plan((stage,)),
    )
    assert len(run.log) == 4


def inputs_of(number=0, **settings):
    """What a pass over the pictures gives, by row."""
    feed = feed_of([0, 1, 2] * 4)
    stage = plain_stage(**{"mirror": False, "crop": False, **settings})
    batches, _ = feed.epoch(stage, number)
    inputs, labels = next(iter(batches))
    order = np.random.default_rng([0, number * 16]).permutation(12)
    np.testing.assert_array_equal(labels, np.array([0, 1, 2] * 4)[order])
    return inputs[np.argsort(order)][..., 0]


def test_without_augmentation_pictures_are_as_for_classification():
    model = zoo.load("lenet_digits")
    rows = pictures(12, [0, 1, 2] * 4)
    expected = np.concatenate([batch for batch, _ in rows.pipeline(model.spec)])[..., 0]
    np.testing.assert_array_equal(inputs_of(), expected)


@pytest.mark.parametrize(
    "settings",
    [{"mirror": True}, {"scale": (1.1, 1.5)}, {"colour": 0.4}],
    ids=lambda s: next(iter(s)),
)
def test_augmentation_changes_pictures_in_another_way_each_time(settings):
    plain, first, second = inputs_of(), inputs_of(0, **settings), inputs_of(1, **settings)
    assert not np.array_equal(first, plain)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, inputs_of(0, **settings))


def test_a_mirrored_picture_is_one_that_was_turned():
    plain, mirrored = inputs_of(), inputs_of(mirror=True)
    turned = [np.array_equal(new, old[:, ::-1]) for new, old in zip(mirrored, plain, strict=True)]
    same = [np.array_equal(new, old) for new, old in zip(mirrored, plain, strict=True)]
    assert all(np.logical_xor(turned, same))
    assert any(turned)
    assert any(same)


def test_a_larger_scale_shows_less_of_the_picture():
    plain, enlarged = inputs_of(), inputs_of(scale=(2.0, 2.0))
    roughness = [np.abs(np.diff(each, axis=2)).mean() for each in (plain, enlarged)]
    assert roughness[1] < 0.8 * roughness[0]


def test_colour_moves_brightness_and_contrast_within_its_bounds():
    plain, found = inputs_of(), inputs_of(colour=0.3)
    ratios = found.mean(axis=(1, 2)) / plain.mean(axis=(1, 2))
    assert np.ptp(ratios) > 0.1
    assert (ratios > 0.65).all()
    assert (ratios < 1.35).all()


@pytest.mark.parametrize("between", ["", NORMALISED])
def test_the_average_of_the_weights_is_that_of_its_formula(between):
    net, head = small_net(between)
    trainer = trainer_of(net, head, plain_stage(average=0.75))
    expected = {name: list(blobs) for name, blobs in net.params.items()}
    for _ in range(3):
        trainer.step(*ROWS, 1.0)
        for name, blobs in trainer.net.params.items():
            pairs = zip(expected[name], blobs, strict=True)
            expected[name] = [0.75 * old + 0.25 * new for old, new in pairs]
    averaged = trainer.averaged.params
    for name in ("conv", head.layer):
        for found, wanted in zip(averaged[name], expected[name], strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)
        assert not np.array_equal(averaged[name][0], trainer.net.params[name][0])


def test_without_an_average_the_weights_are_kept_as_they_are():
    net, head = small_net()
    trainer = trainer_of(net, head, plain_stage())
    trainer.step(*ROWS, 1.0)
    for name, blobs in trainer.net.params.items():
        for found, wanted in zip(trainer.averaged.params[name], blobs, strict=True):
            np.testing.assert_array_equal(found, wanted)
