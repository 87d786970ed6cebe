"""Probes: right classifiers, honest numbers, and a model that says the same."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info
from transfer_data import write_pictures, write_small_model

import zoo
from zoo.cli.main import main
from zoo.errors import UsageError
from zoo.registry.card import Card
from zoo.transfer.data import open_data
from zoo.transfer.depths import depths, waists
from zoo.transfer.features import Features, extract_features
from zoo.transfer.probe import CLASSIFIERS, probe, probe_features
from zoo.transfer.probe_model import probe_net, save_probe


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("probe")
    write_small_model(top / "small")
    write_pictures(top / "train", {"blue": 8, "green": 8, "red sky": 8})
    write_pictures(top / "val", {"blue": 4, "green": 4, "red sky": 4}, seed=1)
    write_pictures(top / "two", {"blue": 8, "green": 8})
    return top


@pytest.fixture(scope="module")
def model(folder):
    return zoo.load(folder / "small")


def made_features(classes=3, rows=60, columns=8, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    centres = rng.normal(scale=3, size=(classes, columns))
    array = (centres[labels] + rng.normal(scale=spread, size=(rows, columns))).astype(np.float32)
    names = tuple(f"class {number}" for number in range(classes))
    return Features({"fc": array}, labels, [str(row) for row in range(rows)], names)


def test_scores_are_those_of_scikit_learn_with_the_scaling_folded_in():
    features = made_features(spread=4.0)
    found = probe_features(features).best
    values = features.arrays["fc"].astype(np.float64)
    centre, scale = values.mean(axis=0), np.sqrt(values.var(axis=0).sum())
    fitted = LogisticRegression(C=found.C, max_iter=5000).fit(
        (values - centre) / scale, features.labels
    )
    expected = fitted.predict_proba((values - centre) / scale)
    scores = found.linear.scores(values)
    received = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(received, expected, rtol=1e-9)


@pytest.mark.parametrize("classifier", ["logreg", "svm"])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_separable_classes_are_separated(classes, classifier):
    features = made_features(classes, spread=0.3)
    found = probe_features(features, features, classifier=classifier)
    assert found.best.accuracy > 0.95
    assert found.best.validation == 1
    assert found.best.linear.weights.shape == (classes, 8)


def test_labels_without_meaning_are_at_chance():
    features = made_features(2, rows=200)
    rng = np.random.default_rng(1)
    noise = Features(
        {"fc": rng.normal(size=(200, 8)).astype(np.float32)},
        features.labels, features.files, features.classes,
    )  # fmt: skip
    found = probe_features(noise)
    assert abs(found.best.accuracy - 0.5) < 0.12
    assert found.chance == 0.5


def test_fits_are_told_and_held_to_one_thread():
    threads, told = set(), []

    def progress(done, total):
        threads.update(pool["num_threads"] for pool in threadpool_info())
        told.append((done, total))

    probe_features(made_features(), progress=progress)
    fits = 5 * len(CLASSIFIERS["logreg"][1])
    assert told == [(number, fits) for number in range(1, fits + 1)]
    assert threads == {1}


@pytest.mark.slow
def test_the_same_data_give_the_same_numbers():
    features = made_features(spread=4.0)
    one, other = probe_features(features), probe_features(features)
    assert one.best.folds == other.best.folds
    np.testing.assert_array_equal(one.best.linear.weights, other.best.linear.weights)


@pytest.mark.slow
def test_units_of_a_blob_do_not_matter():
    features = made_features(spread=4.0)
    large = Features(
        {"fc": features.arrays["fc"] * 1024}, features.labels, features.files, features.classes
    )
    assert probe_features(features).best.folds == probe_features(large).best.folds


def test_folds_are_no_more_than_the_smallest_class_has_rows():
    features = made_features(3, rows=9)
    assert len(probe_features(features).best.folds) == 3


def test_a_class_with_one_picture_is_named(folder, tmp_path, capsys):
    photos = write_pictures(tmp_path / "photos", {"many": 4, "lonely": 1})
    code = main(["probe", str(folder / "small"), str(photos), "--blob", "conv1"])
    assert code == 2
    assert "'lonely' (1)" in capsys.readouterr().err


def test_a_class_whose_pictures_cannot_be_read_is_named(model, tmp_path):
    photos = write_pictures(tmp_path / "photos", {"many": 4, "broken": 2})
    for file in (photos / "broken").iterdir():
        file.write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"'broken' \(0\)"):
        probe(model, photos, "conv1")


def test_data_without_classes_are_refused(model, folder):
    with pytest.raises(UsageError, match="needs one class"):
        probe(model, folder / "train" / "blue", "conv1")


@pytest.mark.slow
@pytest.mark.parametrize("data", ["train", "two"])
@pytest.mark.parametrize("classifier", ["logreg", "svm"])
@pytest.mark.parametrize(
    ("blob", "pool"),
    [("conv1", "avg"), ("mod/concat", "max"), ("mod/concat", "none"), ("fc", "avg")],
)
def test_the_saved_model_scores_as_the_probe(model, folder, blob, pool, classifier, data):
    result = probe(model, folder / data, blob, pool=pool, classifier=classifier)
    features = extract_features(model, folder / data, blob, pool)
    net = probe_net(model.net, blob, result.best.linear, pool)
    inputs = model.preprocess.caffe(open_data(folder / data).files)
    received = zoo.run(net, {"data": inputs}, ["probe", "prob_2"])
    expected = result.best.linear.scores(features.arrays[blob])
    np.testing.assert_allclose(received["probe"], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(received["prob_2"].sum(axis=1), 1, rtol=1e-5)


def test_classify_works_on_what_was_saved(folder, tmp_path, capsys):
    words = ["probe", folder / "small", folder / "train", "--blob", "conv1", "--blob", "fc"]
    words += ["--val", folder / "val", "-o", tmp_path / "mine", "--json"]
    assert main(list(map(str, words))) == 0
    document = json.loads(capsys.readouterr().out)
    held = {entry["blob"]: entry["validation"] for entry in document["probes"]}
    assert main(["classify", str(tmp_path / "mine"), str(folder / "val"), "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    right = [entry["predictions"][0]["label"] in entry["file"] for entry in answers]
    assert np.mean(right) == pytest.approx(held[document["best"]])
    card = Card.read(tmp_path / "mine" / "readme.md")
    assert card.license == "BSD-2-Clause"
    assert "@misc{small" in card.citation
    assert card.input.scale == 0.01
    assert card.value("derived_from").startswith("small@sha1:")
    assert (tmp_path / "mine" / "LICENSE").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_directory_with_something_in_it_stays_as_it_is(model, folder, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        save_probe(tmp_path, model, probe(model, folder / "two", "conv1"))
    assert (tmp_path / "mine").read_text() == "mine"


def test_the_table_has_a_row_for_each_blob(folder, capsys):
    assert main(["probe", str(folder / "small"), str(folder / "train")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t") == ["blob", "features", "C", "accuracy", "±"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["conv1", "mod/concat"]


def test_waists_are_what_everything_passes_through(model):
    assert waists(model.net) == ["conv1", "mod/concat"]
    assert depths(model.net, 1) == ["mod/concat"]


def test_the_waists_of_squeezenet_are_the_outputs_of_its_modules(shared):
    net = zoo.load(shared / "models" / "squeezenet_v1.0").net
    found = waists(net)
    assert [f"fire{number}/concat" for number in range(2, 10)] == [
        blob for blob in found if blob.endswith("concat")
    ]
    assert depths(net)[-1] == "fire9/concat"


@pytest.mark.slow
def test_logistic_regression_on_squeezenet_reaches_the_reference(shared):
    clothing = shared / "datasets" / "clothing-small"
    found = probe(
        shared / "models" / "squeezenet_v1.0",
        clothing / "train",
        "fire9/concat",
        validation=clothing / "validation",
    )
    assert (found.rows, found.validation_rows) == (500, 341)
    assert found.best.validation >= 0.754


def test_a_tenth_of_the_clothes_is_far_above_chance(shared):
    clothing = shared / "datasets" / "clothing-small"
    data = open_data(clothing / "train")
    few = data.subset(np.arange(0, len(data), 5))
    found = probe(shared / "models" / "squeezenet_v1.0", few, "fire9/concat")
    assert found.rows == 100
    assert found.best.accuracy > 0.45
