"""Operations on random nets: counts add up, and what says that it preserves does."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_nets import random_nets
from reference import relative_error
from surgery_check import check_counts

import zoo
from zoo.errors import UsageError
from zoo.surgery.edit import set_parameter, swap_layer
from zoo.surgery.first_layer import fold_preprocessing, swap_channels
from zoo.surgery.head import replace_head
from zoo.surgery.input_report import InputReport
from zoo.surgery.input_shape import change_input
from zoo.surgery.insert_norm import insert_batch_norm
from zoo.surgery.rename import rename_layer
from zoo.surgery.rewire import insert_layer, remove_layer
from zoo.surgery.stride import trade_stride

FIXED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=20,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


def attempts(net, layer):
    """Each operation once, on a layer of a net."""
    channels = (*(layer.top_shapes[:1] or ((),))[0], 0, 0)[1]
    yield rename_layer, (net, layer.name, "another")
    yield remove_layer, (net, layer.name)
    yield insert_layer, (net, {"name": "another", "type": "Dropout"}, layer.name)
    yield insert_layer, (net, {"name": "another", "type": "Scale", "bias_term": True}, layer.name)
    yield swap_layer, (net, layer.name, "PReLU")
    yield swap_layer, (net, layer.name, layer.type)
    yield set_parameter, (net, layer.name, "propagate_down", None)
    yield trade_stride, (net, layer.name)
    yield replace_head, (net, 3)
    yield insert_batch_norm, (net, layer.name, [0.5] * channels, [2.0] * channels)
    yield change_input, (net, None, 2)
    yield change_input, (net, 9)
    yield swap_channels, (net,)
    yield fold_preprocessing, (net, 2.0, 0.5)


ATTEMPTS = 14


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@FIXED
@given(random_nets(), st.data())
def test_counts_add_up_and_what_preserves_preserves_in_random_nets(sample, data):
    net = sample.net
    layer = data.draw(st.sampled_from(net.layers))
    run_too = data.draw(st.integers(0, ATTEMPTS - 1))
    for number, (operation, arguments) in enumerate(attempts(net, layer)):
        with suppress(UsageError):
            new, report = operation(*arguments)
            check_counts(net, new, report)
            if report.preserving and number == run_too:
                check_preserved(sample, new, report)


def check_preserved(sample, new, report):
    blobs = [name for name in sample.net.outputs if name in new.blobs]
    inputs = dict(sample.inputs)
    if isinstance(report, InputReport):
        shape = new.inputs[report.blob]
        picture = sample.rng.normal(size=shape).astype(np.float32)
        sample.inputs[report.blob] = picture
        inputs[report.blob] = report.earlier_input(picture).astype(np.float32)
    plain, received = zoo.run(sample.net, inputs, blobs), zoo.run(new, sample.inputs, blobs)
    for name in blobs:
        good = np.isfinite(plain[name])
        np.testing.assert_array_equal(good, np.isfinite(received[name]))
        if good.any():
            assert relative_error(received[name][good], plain[name][good]) < 1e-5, report
