"""Random nets: operations that keep the function do, and every report adds up."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from random_nets import random_nets
from surgery_check import check_counts, check_same

from zoo.errors import NetError
from zoo.surgery.fold import fold
from zoo.surgery.graph import Graph
from zoo.surgery.groups import groups_of, join_groups, split_groups
from zoo.surgery.half import half_precision
from zoo.surgery.low_rank import low_rank
from zoo.surgery.params import reinitialise, set_params
from zoo.surgery.prune import prune_filters, prune_weights
from zoo.surgery.sharing import unshare

pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
KINDS = [
    "chain", "chain", "Convolution", "Convolution", "InnerProduct", "InnerProduct", "Deconvolution",
    "DepthwiseConvolution", "Concat", "Eltwise", "Flatten", "Pooling", "PReLU", "ReLU", "Scale",
]  # fmt: skip


def counted(net, operation, *arguments, **options):
    """Apply an operation and check its report."""
    after, report = operation(net, *arguments, **options)
    check_counts(net, after, report)
    return after, report


def parted(net):
    """Nothing shared any more."""
    for layer in net.layers:
        if any(owner != layer.name for owner, _ in layer.owners):
            net, report = counted(net, unshare, layer.name)
            assert report.preserving
    return net


def dense_in_groups(net):
    """All groups joined, and split again, which gives the same weights."""
    for node in Graph(net, []).nodes:
        if "onv" not in node.type or groups_of(node) == 1:
            continue
        joined, _ = counted(net, join_groups, node.name)
        split, _ = counted(joined, split_groups, node.name, groups_of(node))
        np.testing.assert_array_equal(split.params[node.name][0], net.params[node.name][0])
        net = joined
    return net


def in_two(net):
    """Each InnerProduct in two, of full rank."""
    for layer in net.layers:
        if layer.type == "InnerProduct":
            rank = min(layer.param_shapes[0])
            net, report = counted(net, low_rank, layer.name, rank)
            assert report.preserving
    return net


def narrower(net):
    """Half the filters of each layer set to zero and taken out, wherever nothing needs them."""
    for layer in net.layers:
        try:
            pruned, _ = counted(net, prune_filters, layer.name, share=0.5)
        except NetError:
            continue
        stay = pruned.layer(layer.name).top_shapes[0][1]
        zeroed = zero_filters(net, layer, net.layer(layer.name).top_shapes[0][1] - stay)
        pruned, report = counted(zeroed, prune_filters, layer.name, keep=stay)
        if report.preserving:
            check_same(zeroed, pruned)
            net = pruned
    return net


def zero_filters(net, layer, number):
    blobs = [blob.copy() for blob in net.params[layer.name]]
    turned = layer.definition.inner_product_param.transpose or layer.type == "Deconvolution"
    np.moveaxis(blobs[0], 1 if turned else 0, 0)[:number] = 0
    for bias in blobs[1:]:
        bias[:number] = 0
    return net.with_params({layer.name: blobs})


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    max_examples=6,
)
@given(random_nets(KINDS))
def test_random_nets_compute_the_same_after_surgery(sample):
    keras.backend.clear_session()
    net, inputs = sample.net, sample.inputs
    folded, report = counted(parted(net), fold)
    assert report.preserving
    other = in_two(dense_in_groups(folded))
    check_same(net, other, inputs)
    narrower(other)


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
    max_examples=60,
)
@given(random_nets())
def test_reports_add_up_whatever_is_done(sample):
    net = sample.net
    halved, _ = counted(net, half_precision)
    assert counted(halved, half_precision)[1].preserving
    counted(net, fold)
    for layer in net.layers:
        if layer.owners and {owner for owner, _ in layer.owners} == {layer.name}:
            counted(net, set_params, layer.name, 0, 0.5)
            counted(net, reinitialise, layer.name, seed=1)
        if layer.type in ("Convolution", "InnerProduct", "Deconvolution", "DepthwiseConvolution"):
            counted(net, prune_weights, layer.name, share=0.5)
