"""Labels that are no number of a class are refused, before training where that can be known."""

import h5py
import numpy as np
import pytest
from PIL import Image

from zoo.errors import UsageError
from zoo.transfer.caffe_training import CaffeSolver
from zoo.transfer.databases import open_source

HDF5 = 'type: "HDF5Data" hdf5_data_param { source: "labels.txt" batch_size: 2 }'
IMAGES = (
    'type: "ImageData" image_data_param { source: "images.txt" batch_size: 2 new_height: 2'
    " new_width: 2 }"
)
SOFTMAX = 'type: "SoftmaxWithLoss"'


def network(source=HDF5, loss=SOFTMAX, between=""):
    return f"""
        layer {{ name: "data" top: "x" top: "label" {source} }} {between}
        layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
          inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
        layer {{ name: "loss" bottom: "ip" bottom: "label" top: "loss" {loss} }}"""


@pytest.fixture
def labelled(project):
    """A project whose rows have the labels that are given."""

    def write(labels, net):
        folder = project("random_seed: 1", net)
        with h5py.File(folder / "labels.h5", "w") as file:
            file["x"] = np.eye(len(labels), 2, dtype=np.float32)
            file["label"] = np.array(labels, np.float32)
        (folder / "labels.txt").write_text("labels.h5\n")
        for index in range(len(labels)):
            Image.new("RGB", (2, 2), (index, 0, 0)).save(folder / f"a {index}.png")
        lines = [f"a {index}.png {label}\n" for index, label in enumerate(labels)]
        (folder / "images.txt").write_text("".join(lines))
        return folder

    return write


def mine(layer, folder, phase, *, seed=0, start=0):
    return open_source(layer, folder, phase, seed=seed, start=start)


@pytest.mark.parametrize(
    ("source", "where"),
    [
        (HDF5, r"row 4 of 'label' of .*labels\.h5"),
        (IMAGES, r"'a 4\.png' of images\.txt"),
    ],
)
@pytest.mark.parametrize("label", [21, 3, -1])
def test_a_label_without_an_output_is_named_before_training(labelled, source, where, label):
    folder = labelled([0, 1, 2, 0, label, 1], network(source))
    told = rf"layer 'loss': label {label} of {where}, but 'ip' has 3 outputs; .* from 0 to 2"
    with pytest.raises(UsageError, match=told):
        CaffeSolver("solver.prototxt", folder=folder)


@pytest.mark.parametrize(
    "loss",
    [
        SOFTMAX,
        'type: "HingeLoss"',
        'type: "MultinomialLogisticLoss"',
        'type: "SoftmaxWithLoss" loss_param { ignore_label: 255 }',
    ],
)
def test_a_label_that_comes_later_is_named_when_it_comes(labelled, loss):
    run = CaffeSolver(
        "solver.prototxt", folder=labelled([0, 1, 2, 7], network(loss=loss)), open_source=mine
    )
    run.step(1)
    with pytest.raises(UsageError, match=r"label 7 of row 1 of a batch of 'label' \(labels.txt\)"):
        run.step(1)


def test_a_network_that_is_tested_is_looked_at_too(labelled):
    accuracy = (
        'layer { name: "right" type: "Accuracy" bottom: "x" bottom: "label" top: "right"'
        " include { phase: TEST } }"
    )
    folder = labelled([0, 1, 2, 0], network() + accuracy)
    solver = folder / "solver.prototxt"
    solver.write_text(solver.read_text() + " test_iter: 1 test_interval: 5")
    with pytest.raises(UsageError, match="layer 'right': label 2 of row 2 .* 'x' has 2 outputs"):
        CaffeSolver("solver.prototxt", folder=folder)


def test_what_is_not_to_count_may_be_any_number(labelled):
    net = network(loss='type: "SoftmaxWithLoss" loss_param { ignore_label: 255 }')
    run = CaffeSolver("solver.prototxt", folder=labelled([0, 255, 2, 255], net))
    run.step(3)


def test_labels_that_go_through_another_layer_are_not_judged_by_the_file(labelled):
    smaller = (
        'layer { name: "less" type: "Power" bottom: "label" top: "label"'
        " power_param { shift: -5 } }"
    )
    run = CaffeSolver("solver.prototxt", folder=labelled([5, 6, 7, 5], network(between=smaller)))
    run.step(3)
