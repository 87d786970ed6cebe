"""Random nets, cast, cut, doubled and grafted: outputs stay, and every report adds up."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from random_nets import random_nets
from reference import excess
from surgery_check import check_counts
from surgery_nets import data, layer, net_of, random_inputs

import zoo
from zoo.api import run
from zoo.errors import NetError
from zoo.surgery.cast import classifier, fully_convolutional
from zoo.surgery.cut import cut, cut_off, stitch
from zoo.surgery.graft import graft
from zoo.surgery.graph import Graph
from zoo.surgery.towers import siamese

pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
FIXED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
IN_PLACE = {
    "ReLU": "",
    "Dropout": "",
    "TanH": "",
    "PReLU": "",
    "BatchNorm": "",
    "Scale": "scale_param { bias_term: true }",
}
START = ["ReLU", "Dropout", "TanH"]  # what may stand behind a Flatten


class Growing:
    """A classifier that grows: convolutions, maybe a Flatten, then InnerProducts that branch."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.text, self.count = data("2 3 9 8"), 0

    def add(self, kind, bottom, settings="", top=None):
        self.count += 1
        name = f"l{self.count}"
        self.text += layer(kind, name, bottom, settings, top or name)
        return top or name

    def convolution(self, bottom):
        settings = f"num_output: 4 kernel_size: 3 pad: {self.rng.integers(2)}"
        return self.add("Convolution", bottom, f"convolution_param {{ {settings} }}")

    def product(self, bottom):
        settings = f"num_output: {self.rng.integers(2, 7)}"
        settings += self.rng.choice(["", " transpose: true", " bias_term: false"])
        return self.add("InnerProduct", bottom, f"inner_product_param {{ {settings} }}")

    def neurons(self, bottom, kinds):
        for kind in self.rng.choice(list(kinds), self.rng.integers(3)):
            in_place = bottom if self.rng.random() < 0.5 and bottom != "data" else None
            bottom = self.add(kind, bottom, IN_PLACE[kind], in_place)
        return bottom

    def net(self):
        blob = "data"
        for _ in range(self.rng.integers(3)):
            blob = self.neurons(self.convolution(blob), IN_PLACE)
        if self.rng.random() < 0.3:
            settings = f"pool: {self.rng.choice(['MAX', 'AVE'])} global_pooling: true"
            blob = self.add("Pooling", blob, f"pooling_param {{ {settings} }}")
        if self.rng.random() < 0.5:
            blob = self.neurons(self.add("Flatten", blob), START)
        ends = [self.neurons(self.product(blob), IN_PLACE) for _ in range(self.rng.integers(1, 4))]
        both = self.add("Concat", " ".join(ends), "concat_param { axis: -1 }")
        last = self.neurons(self.product(both), IN_PLACE)
        self.add("Softmax", last, "softmax_param { axis: -1 }")
        return net_of(self.text, int(self.rng.integers(1000)))


def values(net, inputs, blobs):
    keras.backend.clear_session()
    return run(net, {name: inputs[name] for name in net.inputs}, blobs)


def check_flat(net, other, inputs):
    """The outputs have the same values, whatever their names and the ones in their shapes."""
    made = [[top for each in one.layers for top in each.tops] for one in (net, other)]
    ends = [
        sorted(one.outputs, key=tops.index) for one, tops in zip((net, other), made, strict=True)
    ]
    assert len(ends[0]) == len(ends[1])
    expected, received = values(net, inputs, ends[0]), values(other, inputs, ends[1])
    for old, new in zip(*ends, strict=True):
        assert excess(received[new].reshape(expected[old].shape), expected[old], 1e-5) <= 1, old


@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 25))]
)
def test_a_cast_changes_no_value_and_neither_does_the_way_back(seed):
    net = Growing(seed).net()
    inputs = random_inputs(net, seed)
    cast, report = fully_convolutional(net)
    assert {"InnerProduct", "Flatten"}.isdisjoint(each.type for each in cast.layers)
    check_counts(net, cast, report)
    check_flat(net, cast, inputs)
    back, report = classifier(cast)
    check_counts(cast, back, report)
    check_flat(net, back, inputs)


def parts(net, blob):
    """Trunk and head with their reports; None where no cut is possible."""
    try:
        return cut(net, str(blob)), cut_off(net, str(blob))
    except NetError:
        return None


@pytest.mark.slow
@settings(FIXED, max_examples=12)
@given(random_nets())
def test_a_cut_parts_a_net_in_two_that_compute_the_same(sample):
    net = sample.net
    blob = next(
        (each for each in sample.rng.permutation(list(net.blobs)) if parts(net, each)), None
    )
    if blob is None:
        return
    (trunk, said), (head, told) = parts(net, str(blob))
    check_counts(net, trunk, said)
    check_counts(net, head, told)
    behind = [name for name in head.outputs if name in net.outputs]
    expected = values(net, sample.inputs, [*behind])
    between = values(trunk, sample.inputs, [blob])
    for name, value in values(head, {**sample.inputs, **between}, behind).items():
        assert excess(value, expected[name], 1e-5) <= 1, name
    if set(head.inputs) == {blob}:
        stitched, report = stitch(trunk, head, at=blob)
        assert stitched.param_count == sum(
            report.counts()[fate] for fate in report.counts() if fate != "dropped"
        )
        for name, value in values(stitched, sample.inputs, behind).items():
            assert excess(value, expected[name], 1e-5) <= 1, name


@settings(FIXED, max_examples=8)
@given(random_nets())
def test_both_towers_are_the_net(sample):
    net = sample.net
    if len(net.inputs) != 1:
        return
    towers, report = siamese(net)
    check_counts(net, towers, report)
    (name,) = net.inputs
    inputs = {name: sample.inputs[name], f"{name}_p": sample.inputs[name]}
    twins = [f"{blob}_p" for blob in net.outputs]
    expected = values(net, sample.inputs, net.outputs)
    found = values(towers, inputs, [*net.outputs, *twins])
    for blob in net.outputs:
        for each in (blob, f"{blob}_p"):
            assert excess(found[each], expected[blob], 1e-5) <= 1, each


@settings(FIXED, max_examples=20)
@given(random_nets())
def test_a_graft_by_name_or_shape_from_itself_gives_the_net_back(sample):
    net = sample.net
    if not net.params:
        return
    fresh = zoo.Net(net.definition).initialized(seed=9)
    for match in ("name", "shape"):
        grafted, report = graft(fresh, net, match=match)
        assert report.left == report.unused == ()
        counts = report.counts()
        assert sum(counts.values()) - counts["dropped"] == grafted.param_count
        for name, blobs in net.params.items():
            for one, other in zip(grafted.params[name], blobs, strict=True):
                np.testing.assert_array_equal(one, other)


def test_a_graph_that_nothing_was_done_to_gives_the_net_back():
    net = zoo.load("lenet_digits").net
    assert Graph(net, net.outputs).net([]).definition == net.definition
