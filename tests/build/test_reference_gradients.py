"""The backward pass of every layer of Caffe against real Caffe, at the reference's tolerance."""

from collections import Counter
from functools import cache

import pytest
from reference import excess, layer_cases, read_layer_case, stored_arrays

from zoo.build.gradients import gradients

CASES = {name: case for name, case in layer_cases().items() if case["backward"]}


@cache
def compare(name):
    """Run a case both ways: key to its largest difference, in units of the case's tolerance."""
    case = CASES[name]
    net = read_layer_case(name, case["phase"])
    blobs, params = gradients(net, stored_arrays(name, "in"), stored_arrays(name, "topdiff"))
    found = {
        f"bottomdiff/{blob}": excess(blobs[blob], expected, case["tolerance"])
        for blob, expected in stored_arrays(name, "bottomdiff").items()
    }
    for key, expected in stored_arrays(name, "paramdiff").items():
        layer, _, index = key.rpartition("/")
        found[f"paramdiff/{key}"] = excess(params[layer][int(index)], expected, case["tolerance"])
    return found


def test_all_172_cases_are_compared(shared):
    assert len(CASES) == 172
    stored = [key for case in CASES.values() for key in case["keys"] if "mdiff/" in key]
    assert len(stored) == sum(len(compare(name)) for name in CASES)


@pytest.mark.parametrize("name", CASES)
def test_the_diffs_are_those_of_caffe(shared, name):
    found = compare(name)
    assert found
    assert max(found.values()) <= 1, found


def test_scoreboard_of_backward_passes(shared, capsys):
    """Prints passed / total for each type; a case counts for every type in it."""
    total, passed = Counter(), Counter()
    for name, case in CASES.items():
        total.update(case["types"])
        passed.update(case["types"] if max(compare(name).values()) <= 1 else [])
    with capsys.disabled():
        print("\nbackward passes equal to Caffe's, by type of layer")
        for kind in sorted(total):
            print(f"  {kind:25} {passed[kind]:3} / {total[kind]}")
    assert passed == total
