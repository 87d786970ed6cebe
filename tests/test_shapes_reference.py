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
