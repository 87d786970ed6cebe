"""From a photograph to labels: the numbers of real Caffe, and the ways it can go wrong."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.caffe.mean import write_mean
from zoo.classification import score_blob, softmax
from zoo.errors import UnsupportedLayersError, UsageError
from zoo.net import Net

DIGITS = Path(__file__).parents[1] / "examples" / "digits"


@pytest.fixture(scope="module")
def squeezenet(shared, tmp_path_factory):
    """SqueezeNet as it is fetched: with its training definition and the labels of its source."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("squeezenet-home")))
        return zoo.load("squeezenet_v1.0", [str(shared / "models")])


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def results(shared, squeezenet):
    return {
        result.file.name: result for result in squeezenet.classify([str(shared / "images")], top=5)
    }


def test_end_to_end_accuracy_is_that_of_caffe(shared, results):
    labels = {row["file"]: int(row["class"]) for row in rows(shared / "images" / "labels.tsv")}
    labels = {file: label for file, label in labels.items() if label >= 0}
    ranked = {file: [p.index for p in results[file].predictions] for file in labels}
    expected = json.loads((shared / "golden" / "squeezenet" / "accuracy.json").read_text())
    expected = expected["shared_images_40"]
    top1 = np.mean([ranked[file][0] == label for file, label in labels.items()])
    top5 = np.mean([label in ranked[file] for file, label in labels.items()])
    assert len(labels) == expected["photos"]
    # One photograph more or less is what another JPEG decoder may change.
    assert top1 == pytest.approx(expected["top1"], abs=1 / len(labels) + 1e-9)
    assert top5 == pytest.approx(expected["top5"], abs=1 / len(labels) + 1e-9)


def test_the_five_best_classes_are_those_of_caffe_in_order(shared, results):
    differing = [
        row["file"]
        for row in rows(shared / "golden" / "squeezenet" / "predictions.tsv")
        if [p.index for p in results[row["file"]].predictions]
        != [int(row[f"top{place}"]) for place in range(1, 6)]
    ]
    assert differing == []


@pytest.mark.parametrize("image", ["cat", "fish-bike", "n01440764_tench"])
def test_probabilities_from_the_stored_inputs_are_those_of_caffe(shared, squeezenet, image):
    stored = np.load(shared / "golden" / "squeezenet" / f"{image}.npz")
    outputs = np.load(shared / "golden" / "squeezenet" / "outputs.npz")
    files = [str(file).partition(".")[0] for file in outputs["files"]]
    expected = outputs["prob"][files.index(image)].reshape(-1)
    logits = zoo.run(squeezenet.net, {"data": stored["data"]})["pool_final"].reshape(1, -1)
    np.testing.assert_allclose(softmax(logits.astype(np.float64))[0], expected, atol=1e-4)


def test_what_was_assumed_is_said(squeezenet):
    assert "preprocessing is that of train_val.prototxt" in squeezenet.notes[0]
    assert squeezenet.labels[0] == "tench, Tinca tinca"
    assert len(squeezenet.labels) == 1000


def test_a_net_of_one_channel_takes_gray_pictures_although_its_data_layer_does_not_say_so(tmp_path):
    classifier = """
        layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
                inner_product_param { num_output: 3 } }"""
    source = 'layer { name: "data" type: "Data" top: "data" transform_param { crop_size: 8 } }'
    shape = "input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } }"
    deploy = f'layer {{ name: "data" type: "Input" top: "data" {shape} }}'
    (tmp_path / "train_val.prototxt").write_text(source + classifier)
    (tmp_path / "deploy.prototxt").write_text(deploy + classifier)
    (tmp_path / "readme.md").write_text("---\nname: gray\ncaffemodel: gray.caffemodel\n---\n")
    net = zoo.Net.read(tmp_path / "deploy.prototxt").initialized()
    net.save(weights=tmp_path / "gray.caffemodel")
    model = zoo.load(tmp_path)
    assert (model.spec.channels, len(model.spec.mean)) == ("GRAY", 1)


def test_ten_crops_are_the_mean_of_ten_single_runs(shared, squeezenet):
    picture = shared / "images" / "cat.jpg"
    (result,) = squeezenet.classify([picture], top=1000, crops=10)
    crops = squeezenet.preprocess.crops(str(picture), 10)
    single = [
        zoo.run(squeezenet.net, {"data": crop[None]})["pool_final"].reshape(-1)
        for crop in crops.transpose(0, 3, 1, 2)
    ]
    expected = softmax(np.mean(single, axis=0, dtype=np.float64)[None])[0]
    received = np.zeros(1000)
    for prediction in result.predictions:
        received[prediction.index] = prediction.score
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_pictures_that_cannot_be_read_are_reported_in_their_place(shared, squeezenet, tmp_path):
    (tmp_path / "b_empty.jpg").write_bytes(b"")
    (tmp_path / "d_text.png").write_text("no picture")
    for name in ("a.jpg", "c.jpg", "e.jpg"):
        shutil.copyfile(shared / "images" / "cat.jpg", tmp_path / name)
    found = list(squeezenet.classify([tmp_path], top=1, batch_size=2))
    assert [result.file.name for result in found] == [
        "a.jpg",
        "b_empty.jpg",
        "c.jpg",
        "d_text.png",
        "e.jpg",
    ]
    assert [result.error is None for result in found] == [True, False, True, False, True]
    assert "b_empty.jpg" in found[1].error
    assert found[0].predictions == found[2].predictions


def test_the_embedded_model_reads_its_digits():
    found = zoo.classify("lenet_digits", DIGITS, top=1)
    assert [result.predictions[0].label for result in found] == sorted(
        ["zero", "one", "two", "three", "four"]
    )
    assert all(result.file.stem == result.predictions[0].label for result in found)


def copy_of_lenet(tmp_path, **files):
    source = zoo.fetch("lenet_digits").directory
    target = tmp_path / "lenet"
    shutil.copytree(source, target)
    for name, text in files.items():
        (target / name.replace("__", ".")).write_text(text)
    return target


def test_labels_that_are_not_as_many_as_the_outputs_are_refused(tmp_path):
    directory = copy_of_lenet(tmp_path, labels__txt="zero\none\n")
    with pytest.raises(UsageError, match=r"2 labels.*5"):
        zoo.load(directory)


def test_a_card_without_preprocessing_names_the_fields_that_are_missing(tmp_path):
    directory = copy_of_lenet(tmp_path, readme__md="---\nname: bare\n---\n")
    model = zoo.load(directory)
    with pytest.raises(UsageError, match=r"readme.md(.|\n)*input:\n  size:"):
        list(model.classify(DIGITS))


def test_a_mean_picture_is_not_passed_over_in_silence(tmp_path):
    section = "input:\n  size: 28\n  channels: GRAY\n  mean_file: m.binaryproto\n"
    card = f"---\nname: bare\n{section}---\n"
    model = zoo.load(copy_of_lenet(tmp_path, readme__md=card))
    assert model.spec is None
    assert "mean picture m.binaryproto" in model.notes[0]


@pytest.mark.parametrize("name", ["m.binaryproto", "m.npy"])
def test_a_mean_file_beside_the_card_gives_the_mean_of_each_channel(tmp_path, name):
    section = f"input:\n  size: 28\n  channels: GRAY\n  mean_file: {name}\n"
    directory = copy_of_lenet(tmp_path, readme__md=f"---\nname: mean\n{section}---\n")
    write_mean(directory / name, np.linspace(0, 20, 28 * 28).reshape(1, 28, 28))
    model = zoo.load(directory)
    assert model.spec.mean == pytest.approx((10,))
    assert f"The mean of each channel is that of all pixels of {name}." in model.notes


def test_a_mean_file_of_the_training_definition_is_found_beside_the_card(tmp_path):
    directory = copy_of_lenet(tmp_path, readme__md="---\nname: mean\n---\n")
    training = (
        'layer { name: "data" type: "Data" top: "data" transform_param { crop_size: 28'
        ' force_gray: true mean_file: "data/digits/mean.binaryproto" } }'
    )
    (directory / "train_val.prototxt").write_text(training)
    assert zoo.load(directory).spec is None
    write_mean(directory / "mean.binaryproto", np.full((1, 28, 28), 7))
    assert zoo.load(directory).spec.mean == (7,)


def test_nothing_to_classify_and_a_wrong_count_are_refused(tmp_path):
    model = zoo.load("lenet_digits")
    with pytest.raises(UsageError, match="top must be"):
        list(model.classify(DIGITS, top=0))
    with pytest.raises(UsageError, match="nothing"):
        list(model.classify(tmp_path / "nothing"))


def test_a_net_without_class_scores_says_what_it_has(shared):
    net = Net.read(shared / "golden" / "nets" / "voc_fcn8s.prototxt")
    with pytest.raises(UsageError, match=r"no output with one score a class.*score"):
        score_blob(net)


def test_a_card_that_does_not_fit_the_network_says_both_shapes(tmp_path):
    card = "---\nname: bare\ninput:\n  size: [9, 9]\n  channels: BGR\n---\n"
    model = zoo.load(copy_of_lenet(tmp_path, readme__md=card))
    with pytest.raises(
        UsageError, match=r"readme.md gives BGR pictures of 9 x 9.*\(1, 1, 28, 28\)"
    ):
        list(model.classify(DIGITS))


def test_an_unknown_kind_before_the_scores_is_named(tmp_path):
    text = (zoo.fetch("lenet_digits").directory / "deploy.prototxt").read_text()
    odd = text.replace('type: "Softmax"', 'type: "Oddity"')
    model = zoo.load(copy_of_lenet(tmp_path, deploy__prototxt=odd))
    with pytest.raises(UnsupportedLayersError, match=r"Oddity \(1\): 'prob'"):
        list(model.classify(DIGITS))


def test_logits_are_said_to_be_softmaxed(squeezenet):
    assert squeezenet.notes[-1] == "pool_final holds logits; scores are their softmax."
