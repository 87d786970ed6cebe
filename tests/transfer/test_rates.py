"""Which param is trained at which rate."""

import math

import numpy as np
import pytest

import zoo
from zoo.errors import ParseError, UsageError
from zoo.surgery.head import replace_head
from zoo.transfer.plan import Group, Plan, Stage
from zoo.transfer.plan_file import read_plan
from zoo.transfer.presets import PRESETS, preset
from zoo.transfer.rates import param_rates, rate_table


@pytest.fixture(scope="module")
def lenet():
    return replace_head(zoo.load("lenet_digits").net, classes=5)


def rates_of(lenet, stage):
    return {rate.owner: rate.rate for rate in param_rates(*lenet, stage)}


def test_the_first_group_that_fits_counts_and_biases_keep_their_ratio(lenet):
    groups = (Group(("head",), 0.1), Group(("conv*",), 0.01))
    rates = rates_of(lenet, Stage("s", groups=groups))
    assert rates[("ip2_5", 0)] == pytest.approx(0.1)
    assert rates[("ip2_5", 1)] == pytest.approx(0.2)
    assert rates[("conv1", 1)] == pytest.approx(0.02)
    assert rates[("ip1", 0)] == rates[("ip1", 1)] == 0


def test_groups_may_be_named_by_blobs(lenet):
    rates = rates_of(lenet, Stage("s", groups=(Group(("ip2",), 0.1),)))
    assert {owner for owner, rate in rates.items() if rate} == {("ip2_5", 0), ("ip2_5", 1)}


def test_without_groups_the_prototxt_says_the_rates(lenet):
    rates = rates_of(lenet, Stage("s", rate=0.01))
    assert rates[("conv1", 0)] == pytest.approx(0.01)
    assert rates[("ip2_5", 0)] == pytest.approx(0.1)
    assert rates[("ip2_5", 1)] == pytest.approx(0.2)


def test_depths_lie_on_a_geometric_scale(lenet):
    rates = rates_of(lenet, Stage("s", depths=(4, 8), rate=0.8))
    found = [rates[(name, 0)] for name in ("conv1", "conv2", "ip1", "ip2_5")]
    np.testing.assert_allclose(found, [0.1, 0.2, 0.4, 0.8])


def test_the_table_shows_every_parameter_once(lenet):
    for name in ("two-stage", "last:2", "first:2", "all"):
        for stage in preset(name, 0.1).stages:
            table = rate_table(*lenet, stage)
            assert sum(row.parameters for row in table) == lenet[0].param_count
    (head, frozen) = rate_table(*lenet, preset("head").stages[0])
    assert math.isnan(head.rate)
    assert frozen.frozen


def test_a_pattern_that_fits_nothing_is_told_with_the_nearest(lenet):
    with pytest.raises(UsageError, match="conv1"):
        param_rates(*lenet, Stage("s", groups=(Group(("konv1",), 0.1),)))


def test_a_stage_that_trains_nothing_is_refused(lenet):
    with pytest.raises(UsageError, match="nothing"):
        param_rates(*lenet, Stage("s", groups=(Group(("*",), 0),)))


def test_the_fields_rule_is_a_tenth_and_a_hundredth():
    (_, stage) = preset("two-stage", 0.5).stages
    assert [group.rate for group in stage.groups] == [0.05, 0.005]


@pytest.mark.parametrize(
    ("pictures", "steps", "rising", "lower", "mixup"),
    [
        (500, 500, 100, [200, 300, 400], 0),
        (19_999, 500, 100, [200, 300, 400], 0),
        (20_000, 10_000, 500, [3_000, 6_000, 9_000], 0.1),
        (500_000, 20_000, 500, [6_000, 12_000, 18_000], 0.1),
    ],
)
def test_big_transfers_rule_asks_only_how_many_pictures_there_are(
    pictures, steps, rising, lower, mixup
):
    (stage,) = preset("bit", pictures=pictures).stages
    assert stage.epochs == -(-steps * 32 // pictures)
    step = stage.epochs / steps
    assert stage.factor(rising / 2 * step) == pytest.approx(0.5)
    for number, each in enumerate(lower):
        assert stage.factor((each - 0.5) * step) == pytest.approx(0.1**number)
        assert stage.factor((each + 0.5) * step) == pytest.approx(0.1 ** (number + 1))
    assert (stage.groups[0].rate, stage.mixup, stage.weight_decay) == (0.003, mixup, 0)


@pytest.mark.parametrize("name", [name.replace("K", "3") for name in PRESETS])
def test_a_plan_survives_its_file(name, tmp_path):
    plan = preset(name)
    (tmp_path / "plan.yaml").write_text(plan.to_yaml())
    assert read_plan(tmp_path / "plan.yaml") == plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages: [{epohcs: 3}]", "epochs"),
        ("stages: [{epochs: 0}]", "1 or more"),
        ("stages: [{schedule: up}]", "cosine"),
        ("stages: [{groups: [{layers: a}]}]", "rate"),
        ("stages: []", "stages"),
        ("stages: [{name: a}, {name: a}]", "two stages"),
        ("stages: [{precision: half}]", "mixed"),
        ("stages: {head: 1}", "with a list of stages"),
        ("stages: [head]", "stage 1: expected fields"),
        ("{scratch: maybe, stages: [{}]}", "scratch: expected true or false"),
        ("stages: [{train: top}]", "train: expected head, received 'top'"),
        ("stages: [{train: head, depths: [2, 3]}]", "trains the classifier alone"),
        ("stages: [{cached: true, groups: [{layers: a, rate: 1}]}]", "trains the classifier alone"),
        ("stages: [{groups: {layers: a, rate: 1}}]", "groups: expected a list"),
        ("stages: [{groups: [{layers: [], rate: 1}]}]", "layers: expected names"),
        ("stages: [{groups: [{layers: a, rate: fast}]}]", "rate: expected a number of 0 or more"),
        ("stages: [{depths: {parts: 3, spread: 10}}]", "depths: expected two numbers"),
        ("stages: [{depths: [2.5, 10]}]", "depths: expected two numbers"),
        ("stages: [{depths: [3, 0]}]", "depths: expected two numbers"),
        ("stages: [{scale: 1.2}]", "scale: expected two numbers"),
        ("stages: [{scale: [2, 1]}]", "scale: expected two numbers"),
        ("stages: [{rate: fast}]", "rate: expected a number of 0 or more, received 'fast'"),
        ("stages: [{rate: .nan}]", "rate: expected a number of 0 or more"),
        ("stages: [{epochs: true}]", "epochs: expected a whole number"),
        ("stages: [{cut: [0.3, 2]}]", "cut: expected a number from 0 to 1, or a list"),
        ("stages: [{mixup: -1}]", "mixup: expected a number of 0 or more"),
        ("stages: [{patience: -1}]", "patience: expected a whole number of 0 or more"),
        ("stages: [{warm_up: -1}]", "warm_up: expected a number of 0 or more"),
        ("stages: [{cut: 2}]", "cut: expected a number from 0 to 1"),
        ("stages: [{dropout: 1}]", "dropout: expected a number from 0 to below 1"),
        ("stages: [{colour: 3}]", "colour: expected a number from 0 to below 1"),
        ("stages: [{mirror: 2}]", "mirror: expected true or false"),
    ],
)
def test_what_is_wrong_in_a_plan_is_named(text, message, tmp_path):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_plan(tmp_path / "plan.yaml")


def test_stages_without_a_name_are_called_by_their_number(tmp_path):
    text = "- {train: head}\n- {name: 2e3, rate: 1e-3, depths: [2, 1e1], scale: [1e0, 2]}"
    (tmp_path / "plan.yaml").write_text(text)
    first, second = read_plan(tmp_path / "plan.yaml").stages
    assert (first.name, second.name) == ("1", "2e3")
    assert (second.rate, second.depths, second.scale) == (0.001, (2, 10), (1, 2))


@pytest.mark.parametrize("part", ["last:0", "first:x", "last:0.5", "first:1/0"])
def test_parts_that_cannot_be_cut_are_told(lenet, part):
    with pytest.raises(UsageError, match=f"layers: '{part}': expected a number of parts"):
        param_rates(*lenet, Stage("s", groups=(Group((part,), 0.1),)))


def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path):
    (tmp_path / "plan.yaml").write_text("stages:\n  - {")
    with pytest.raises(ParseError, match=r"plan\.yaml:2|plan\.yaml:3"):
        read_plan(tmp_path / "plan.yaml")


def test_schedules():
    assert Stage("s", epochs=10).factor(6.9) == 1
    assert Stage("s", epochs=10).factor(7) == pytest.approx(0.1)
    assert Stage("s", epochs=10, schedule="cosine").factor(5) == pytest.approx(0.5)
    assert Stage("s", epochs=10, schedule="poly").factor(2.5) == pytest.approx(0.75)
    assert Stage("s", epochs=10, schedule="fixed", warm_up=2).factor(1) == pytest.approx(0.5)


def test_settings_reach_only_stages_that_train_through_the_net():
    plan = Plan((Stage("head", cached=True), Stage("all"))).with_settings(epochs=3)
    assert [stage.epochs for stage in plan.stages] == [40, 3]
