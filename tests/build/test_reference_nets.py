"""Whole networks, forward, blob by blob against real Caffe."""

import numpy as np
import pytest
from reference import SHARED, load_fill, read_case, recipe_inputs, recipe_params, relative_error

from zoo.api import run
from zoo.net import Net

NAMES = sorted(path.stem for path in (SHARED / "golden" / "nets").glob("*.json"))
SLOW = {"vgg16", "voc_fcn8s"}


def test_all_12_networks_are_compared(shared):
    assert len(NAMES) == 12


@pytest.mark.parametrize("name", NAMES)
def test_blobs_are_those_of_caffe(shared, name):
    case, stored = read_case(shared, name)
    fill = load_fill(shared)
    net = Net.read(shared / "golden" / "nets" / f"{name}.prototxt")
    net = net.with_params(recipe_params(fill, net, case["gain"]))
    assert net.param_count == case["param_count"]
    wanted = [key.removeprefix("blob:") for key in stored.files]
    outputs = run(net, recipe_inputs(fill, case), list(case["blobs"]))
    tolerance = 5e-4 if len(net.layers) > 50 else 1e-4
    worst = {}
    for blob in wanted:
        expected, stride = stored[f"blob:{blob}"], case["blobs"][blob].get("stored_stride", 1)
        received = outputs[blob]
        assert list(received.shape) == case["blobs"][blob]["shape"]
        if stride > 1:
            received = received.reshape(-1)[::stride]
        worst[blob] = relative_error(received, expected.reshape(received.shape))
    assert max(worst.values()) <= tolerance, {k: v for k, v in worst.items() if v > tolerance}
    for blob, facts in case["blobs"].items():
        norm = float(np.linalg.norm(outputs[blob].astype(np.float64)))
        assert norm == pytest.approx(facts["l2"], rel=tolerance, abs=1e-6), blob
