"""Every blob and param shape of published networks, as real Caffe instantiates them."""

import json

import pytest
from reference import SHARED

from zoo.net import Net

FILES = sorted((SHARED / "golden" / "shapes").rglob("*.json"))


def given_shapes(reference, phase):
    shapes = {}
    for source in reference.get("sources_replaced_by_Input", []):
        if not source["include"] or phase in source["include"]:
            shapes.update(source["tops"])
    return shapes


def read(shared, path, phase):
    reference = json.loads(path.read_text())
    prototxt = shared / "prototxt" / reference["prototxt"]
    stages = reference["phases"].get(phase, {}).get("stages", ())
    shapes = given_shapes(reference, phase)
    return reference, Net.read(prototxt, phase=phase, shapes=shapes, stages=stages)


def test_all_45_networks_are_compared(shared):
    assert len(FILES) == 45


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_shapes_are_those_of_caffe(shared, path, phase):
    reference, net = read(shared, path, phase)
    expected = reference["phases"].get(phase)
    if expected is None:
        return
    assert {name: list(shape) for name, shape in net.blobs.items()} == expected["blobs"]
    assert list(net.blobs) == list(expected["blobs"])
    # The reference keeps tops by layer name; where two layers have one name, those of the last.
    tops = {layer.name: list(layer.tops) for layer in net.layers}
    layers = [
        {
            "name": layer.name,
            "type": "Input" if layer.is_source else layer.type,
            "top": tops[layer.name],
            "params": [list(shape) for shape in layer.param_shapes],
        }
        for layer in net.layers
    ]
    assert layers == expected["layers"]
    assert net.param_count == expected["param_count"]
    assert set(net.inputs) == set(expected["inputs"])
    assert set(net.outputs) == set(expected["outputs"])


@pytest.mark.parametrize(
    ("prototxt", "params", "million_macs"),
    [
        ("BVLC+caffe/models/bvlc_alexnet/deploy.prototxt", 60_965_224, 724),
        ("BVLC+caffe/models/bvlc_googlenet/deploy.prototxt", 6_998_552, 1583),
        ("KaimingHe+deep-residual-networks/prototxt/ResNet-50-deploy.prototxt", 25_610_269, 3858),
    ],
)
def test_cost_of_one_picture_is_what_the_literature_says(shared, prototxt, params, million_macs):
    net = Net.read(shared / "prototxt" / prototxt)
    assert round(net.macs / 1e6) == million_macs
    assert net.param_count == params
