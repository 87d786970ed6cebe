"""Which layers belong to a state, against Caffe's rules and its instantiated networks."""

import json

import pytest
from google.protobuf import text_format

from zoo.caffe.phases import filter_net
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.upgrade import upgrade
from zoo.errors import NetError, UsageError

SOURCES = ("Data", "ImageData", "HDF5Data", "Python")


def parse(text):
    return text_format.Parse(text, NetParameter())


def is_kept(rules, phase="TEST", level=None, stages=(), state=""):
    """Whether a layer with such rules stays."""
    net = parse(f'{state} layer {{ name: "x" {rules} }}')
    return len(filter_net(net, phase, level, stages).layer) == 1


def test_layers_equal_those_of_every_network_that_caffe_instantiated(shared):
    compared = 0
    for path in sorted((shared / "golden/shapes").rglob("*.json")):
        golden = json.loads(path.read_text())
        text = (shared / "prototxt" / golden["prototxt"]).read_text()
        net, _ = upgrade(parse(text))
        for phase, expected in golden["phases"].items():
            stages = expected.get("stages") or ()
            found = [
                (layer.name, "Input" if layer.type in SOURCES else layer.type)
                for layer in filter_net(net, phase, stages=stages).layer
            ]
            assert found == [(layer["name"], layer["type"]) for layer in expected["layers"]], path
            compared += 1
    assert compared == 60


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_layer_without_rules_always_stays(phase):
    assert is_kept("", phase)


@pytest.mark.parametrize("rule", ["include", "exclude"])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_empty_rule_is_met_by_every_state(rule, phase):
    assert is_kept(f"{rule} {{}}", phase) == (rule == "include")


@pytest.mark.parametrize(
    ("rules", "train", "test"),
    [
        ("include { phase: TRAIN }", True, False),
        ("include { phase: TEST }", False, True),
        ("exclude { phase: TRAIN }", False, True),
        ("exclude { phase: TEST }", True, False),
        ("include { phase: TRAIN } include { phase: TEST }", True, True),
        ("exclude { phase: TRAIN } exclude { phase: TEST }", False, False),
    ],
)
def test_phase_rules(rules, train, test):
    assert (is_kept(rules, "TRAIN"), is_kept(rules, "TEST")) == (train, test)


@pytest.mark.parametrize(
    ("rule", "kept_at"),
    [
        ("min_level: 2", {2, 3}),
        ("max_level: 1", {-1, 0, 1}),
        ("min_level: 0 max_level: 2", {0, 1, 2}),
        ("min_level: 3 max_level: 0", set()),
        ("max_level: -1", {-1}),
    ],
)
def test_levels_are_inclusive_bounds(rule, kept_at):
    levels = {-1, 0, 1, 2, 3}
    assert {n for n in levels if is_kept(f"include {{ {rule} }}", level=n)} == kept_at
    assert {n for n in levels if is_kept(f"exclude {{ {rule} }}", level=n)} == levels - kept_at


def test_level_is_zero_when_nobody_says_it():
    assert is_kept("include { min_level: 0 max_level: 0 }")


@pytest.mark.parametrize(
    ("rule", "stages", "met"),
    [
        ('stage: "a"', [], False),
        ('stage: "a"', ["a"], True),
        ('stage: "a"', ["b", "a"], True),
        ('stage: "a" stage: "b"', ["a"], False),
        ('stage: "a" stage: "b"', ["b", "a"], True),
        ('not_stage: "a"', [], True),
        ('not_stage: "a"', ["b"], True),
        ('not_stage: "a"', ["a"], False),
        ('not_stage: "a" not_stage: "b"', ["b"], False),
        ('stage: "a" not_stage: "b"', ["a"], True),
        ('stage: "a" not_stage: "b"', ["a", "b"], False),
    ],
)
def test_a_rule_needs_all_its_stages_and_none_of_its_not_stages(rule, stages, met):
    assert is_kept(f"include {{ {rule} }}", stages=stages) == met
    assert is_kept(f"exclude {{ {rule} }}", stages=stages) == (not met)


def test_everything_in_one_rule_must_hold():
    rule = 'include { phase: TRAIN min_level: 1 stage: "a" }'
    assert is_kept(rule, "TRAIN", 1, ["a"])
    assert not is_kept(rule, "TEST", 1, ["a"])
    assert not is_kept(rule, "TRAIN", 0, ["a"])
    assert not is_kept(rule, "TRAIN", 1, ["b"])


def test_one_of_several_include_rules_is_enough():
    rules = 'include { phase: TRAIN } include { phase: TEST stage: "deploy" }'
    assert is_kept(rules, "TRAIN")
    assert is_kept(rules, "TEST", stages=["deploy"])
    assert not is_kept(rules, "TEST")


def test_one_of_several_exclude_rules_is_enough():
    rules = 'exclude { phase: TRAIN } exclude { stage: "bare" }'
    assert is_kept(rules, "TEST")
    assert not is_kept(rules, "TEST", stages=["bare"])


def test_include_and_exclude_together_are_an_error_that_names_the_layer():
    net = parse('layer { name: "both" include { phase: TEST } exclude { stage: "a" } }')
    with pytest.raises(NetError, match="both include and exclude") as error:
        filter_net(net, "TEST")
    assert error.value.layer == "both"


def test_phase_of_the_caller_wins_over_that_of_the_file():
    state = "state { phase: TRAIN }"
    assert is_kept("include { phase: TEST }", "TEST", state=state)
    assert not is_kept("include { phase: TRAIN }", "TEST", state=state)


def test_phase_of_the_file_counts_when_the_caller_gives_none():
    assert is_kept("include { phase: TRAIN }", None, state="state { phase: TRAIN }")
    assert is_kept("include { phase: TEST }", None)


def test_level_of_the_file_counts_unless_the_caller_gives_one():
    rule, state = "include { min_level: 5 }", "state { level: 5 }"
    assert is_kept(rule, state=state)
    assert not is_kept(rule, level=0, state=state)


def test_stages_of_the_caller_are_added_to_those_of_the_file():
    state = 'state { stage: "a" }'
    assert is_kept('include { stage: "a" }', state=state)
    assert is_kept('include { stage: "a" stage: "b" }', stages=["b"], state=state)


def test_phase_is_read_in_either_case_and_nothing_else_passes():
    assert is_kept("include { phase: TRAIN }", "train")
    with pytest.raises(UsageError, match="'val'.*TRAIN or TEST"):
        filter_net(NetParameter(), "val")


def test_nothing_but_layers_is_removed_and_the_argument_stays():
    text = """
        name: "n" force_backward: true state { level: 1 stage: "s" }
        layer { name: "a" include { phase: TEST } blobs { data: 1 } }
        layer { name: "b" include { phase: TRAIN } }
    """
    net = parse(text)
    expected = parse(text)
    del expected.layer[1]
    assert filter_net(net, "TEST") == expected
    assert net == parse(text)
    assert filter_net(expected, "TEST") == expected


def test_an_old_format_is_sent_to_upgrade():
    with pytest.raises(NetError, match="upgrade"):
        filter_net(parse('layers { name: "a" type: RELU }'))
