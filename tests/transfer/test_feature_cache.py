"""The cache of features: what is known is not computed again, what changed is."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from transfer_data import write_pictures, write_small_model

import zoo
from zoo.cli.main import main
from zoo.exports import engine as engines
from zoo.transfer import feature_cache, features
from zoo.transfer.data import open_data
from zoo.transfer.feature_file import read_features, write_features
from zoo.transfer.features import extract_features

BLOBS = ["mod/concat", "prob"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cached") / "small"
    write_small_model(folder)
    return folder


@pytest.fixture
def model(small):
    return zoo.load(small)


@pytest.fixture
def photos(tmp_path):
    return write_pictures(tmp_path / "photos", {"a": 5, "b": 4})


@pytest.fixture
def passes(monkeypatch):
    """How many rows each forward pass had."""
    counted = []

    def predictor_by(*arguments):
        run = engines.predictor_by(*arguments)

        class Counting:
            def predict(self, inputs):
                counted.append(len(next(iter(inputs.values()))))
                return run.predict(inputs)

        return Counting()

    monkeypatch.setattr(features, "predictor_by", predictor_by)
    return counted


def changed(photos, name):
    Image.new("RGB", (20, 20), "orange").save(photos / name)


def test_a_second_run_has_no_forward_pass(model, photos, passes, own_zoo_home):
    first = extract_features(model, photos, BLOBS, batch_size=4)
    assert passes == [4, 4, 1]
    second = extract_features(model, photos, BLOBS, batch_size=4)
    assert passes == [4, 4, 1]
    assert second.files == first.files
    assert second.labels.tolist() == first.labels.tolist()
    for blob in BLOBS:
        np.testing.assert_array_equal(second.arrays[blob], first.arrays[blob])
    assert len(list(own_zoo_home.glob("features/*/contents"))) == 2


def test_one_changed_picture_is_one_pass_of_one_row(model, photos, passes, tmp_path):
    written = write_features(model, open_data(photos), BLOBS, tmp_path / "a.h5")
    assert written.computed == 9
    changed(photos, "a/01 of a.png")
    passes.clear()
    written = write_features(model, open_data(photos), BLOBS, tmp_path / "b.h5")
    assert (passes, written.computed, written.rows) == ([1], 1, 9)
    received = read_features(tmp_path / "b.h5")
    shutil.rmtree(feature_cache.CacheFolder().home / "features")
    expected = extract_features(model, photos, BLOBS)
    assert received.files == expected.files
    for blob in BLOBS:
        np.testing.assert_allclose(received.arrays[blob], expected.arrays[blob], rtol=1e-5)


def test_a_renamed_or_copied_picture_is_known(model, photos, passes):
    extract_features(model, photos, BLOBS)
    passes.clear()
    (photos / "a" / "00 of a.png").rename(photos / "b" / "z.png")
    shutil.copy(photos / "b" / "z.png", photos / "a" / "again.png")
    assert len(extract_features(model, photos, BLOBS)) == 10
    assert passes == []


def test_other_blobs_are_known_one_by_one(model, photos, passes):
    extract_features(model, photos, ["prob"])
    extract_features(model, photos, ["mod/concat"])
    extract_features(model, photos, BLOBS)
    assert passes == [9, 9]


def with_other_weights(model):
    name, params = next(iter(model.net.params.items()))
    model.net = model.net.with_params({name: [2 * param for param in params]})
    return model


def with_other_mean(model):
    model.spec = zoo.preprocess.InputSpec(model.spec.size, mean=(1, 2, 3))
    return model


def with_a_layer_of_another_package(model):
    kind = type("Kind", (type(model.net.layers[1].kind),), {"__module__": "elsewhere"})()
    object.__setattr__(model.net.layers[1], "kind", kind)
    return model


@pytest.mark.parametrize("change", [with_other_weights, with_other_mean])
def test_what_the_rows_follow_from_is_part_of_the_key(small, photos, passes, change):
    before = extract_features(zoo.load(small), photos, "prob")
    after = extract_features(change(zoo.load(small)), photos, "prob")
    assert passes == [9, 9]
    assert not np.allclose(before.arrays["prob"], after.arrays["prob"])


@pytest.mark.parametrize("settings", [{"pool": "max"}, {"engine": "onnxruntime"}])
def test_other_settings_are_other_rows(model, photos, passes, settings):
    extract_features(model, photos, BLOBS)
    extract_features(model, photos, BLOBS, **settings)
    assert passes == [9, 9]


def test_layers_of_other_packages_are_always_computed(model, photos, passes, own_zoo_home):
    with_a_layer_of_another_package(model)
    for _ in range(2):
        extract_features(model, photos, "prob")
    assert passes == [9, 9]
    assert not (own_zoo_home / "features").exists()


def test_whole_planes_are_not_kept(model, photos, passes, monkeypatch):
    monkeypatch.setattr(feature_cache, "_LARGEST_ROW", 100)
    for _ in range(2):
        extract_features(model, photos, "mod/concat", "none")
    assert passes == [9, 9]


@pytest.mark.parametrize("damage", ["row", "entry", "about", "cut"])
def test_damaged_rows_are_computed_again(model, photos, passes, own_zoo_home, damage):
    expected = extract_features(model, photos, "prob").arrays["prob"]
    (folder,) = (own_zoo_home / "features").iterdir()
    rows, contents = (folder / "rows.f32").read_bytes(), (folder / "contents").read_bytes()
    if damage == "row":
        (folder / "rows.f32").write_bytes(b"\x01" + rows[1:])
    elif damage == "entry":
        (folder / "contents").write_bytes(contents + b"half")
        (folder / "rows.f32").write_bytes(rows + b"half a row")
    elif damage == "about":
        (folder / "about.json").write_text("{")
    else:
        (folder / "rows.f32").write_bytes(rows[:-3])
    passes.clear()
    for _ in range(2):
        received = extract_features(model, photos, "prob").arrays["prob"]
        np.testing.assert_allclose(received, expected, rtol=1e-5)
    assert passes == {"row": [1], "entry": [], "about": [9], "cut": [1]}[damage]
    extract_features(model, photos, "prob")
    assert len(passes) <= 1


def test_a_cache_that_cannot_be_written_stops_nothing(model, photos, passes, own_zoo_home):
    (own_zoo_home / "features").write_text("a file where a folder belongs")
    for _ in range(2):
        assert len(extract_features(model, photos, BLOBS)) == 9
    assert passes == [9, 9]


def test_two_runs_at_once_both_get_their_rows(model, photos, passes):
    with feature_cache.feature_cache(model, BLOBS, "avg", "tensorflow ") as other:
        extract_features(model, photos, BLOBS)
        assert other.get(feature_cache.content_digest(b"")) is None
    extract_features(model, photos, BLOBS)
    extract_features(model, photos, BLOBS)
    assert passes == [9, 9]


def test_the_longest_unused_rows_make_room(model, photos, passes, monkeypatch, own_zoo_home):
    extract_features(model, photos, "prob")
    (folder,) = (own_zoo_home / "features").iterdir()
    monkeypatch.setattr(feature_cache, "_MOST_BYTES", (folder / "rows.f32").stat().st_size)
    extract_features(model, photos, "prob", "max")
    assert folder.exists()
    extract_features(model, photos, "prob", "max")
    assert passes == [9, 9]
    assert not folder.exists()


def test_the_command_says_what_was_known(small, photos, tmp_path, capsys):
    words = ["features", str(small), str(photos), "--blob", "prob"]
    assert main([*words, "-o", str(tmp_path / "a.h5")]) == 0
    capsys.readouterr()
    assert main([*words, "-o", str(tmp_path / "b.h5"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["computed"] == 0
    assert main([*words, "-o", str(tmp_path / "c.h5")]) == 0
    assert "9 rows were known; 0 went through the network" in capsys.readouterr().err
