"""Which param is trained at which rate."""

import math

import numpy as np
import pytest

import zoo
from zoo.errors import ParseError, UsageError
from zoo.surgery.head import replace_head
from zoo.transfer.plan import PRESETS, Group, Plan, Stage, preset
from zoo.transfer.plan_file import read_plan
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
    ],
)
def test_what_is_wrong_in_a_plan_is_named(text, message, tmp_path):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_plan(tmp_path / "plan.yaml")


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
