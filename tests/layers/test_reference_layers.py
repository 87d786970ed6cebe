"""Every layer of Caffe against results of real Caffe, at the reference's own tolerance."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from reference import excess, layer_cases, read_layer_case, stored_arrays

from zoo.api import run
from zoo.build.model import from_keras, to_keras
from zoo.layers.kind import known_types

CASES = layer_cases()
# What BVLC Caffe 1.0 registers and no case has: sources, sinks, and the inside of LSTM.
OTHER_TYPES = {
    "Data", "DummyData", "HDF5Data", "HDF5Output", "ImageData", "LSTMUnit", "MemoryData", "Python",
    "WindowData",
}  # fmt: skip


@cache
def compare(name):
    """Run a case forward: blob to its largest difference, in units of the case's tolerance."""
    case, expected = CASES[name], stored_arrays(name, "out")
    net = read_layer_case(name, case["phase"])
    outputs = run(net, stored_arrays(name, "in"), list(expected))
    return {
        blob: excess(outputs[blob], wanted, case["tolerance"]) for blob, wanted in expected.items()
    }


def test_all_185_cases_are_compared(shared):
    assert len(CASES) == 185


@pytest.mark.parametrize("name", CASES)
def test_the_forward_pass_is_that_of_caffe(shared, name):
    found = compare(name)
    assert found
    assert max(found.values()) <= 1, found


@pytest.mark.parametrize("name", ["bn_train", "bn_train_use_global"])
def test_training_leaves_the_blobs_of_batch_norm_as_caffe_does(shared, name):
    net, after = read_layer_case(name, "train"), stored_arrays(name, "after")
    model = to_keras(net)
    model(np.moveaxis(stored_arrays(name, "in")["data"], 1, -1), training=True)
    for index, blob in enumerate(from_keras(net, model).params["layer"]):
        assert excess(blob, after[f"layer/{index}"], CASES[name]["tolerance"]) <= 1


def test_every_type_of_caffe_has_a_kind(shared):
    types = {kind for case in CASES.values() for kind in case["types"]} | OTHER_TYPES
    assert types <= set(known_types()), types - set(known_types())


def test_scoreboard_of_forward_passes(shared, capsys):
    """Prints passed / total for each type; a case counts for every type in it."""
    total, passed = Counter(), Counter()
    for name, case in CASES.items():
        total.update(case["types"])
        passed.update(case["types"] if max(compare(name).values()) <= 1 else [])
    with capsys.disabled():
        print("\nforward passes equal to Caffe's, by type of layer")
        for kind in sorted(total):
            print(f"  {kind:25} {passed[kind]:3} / {total[kind]}")
    assert passed == total
