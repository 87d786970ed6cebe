"""Features: right values in the right order, in every format, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
from transfer_data import write_pictures, write_small_model

import zoo
from zoo.cli.main import main
from zoo.errors import UnavailableError, UsageError
from zoo.transfer.data import open_data
from zoo.transfer.feature_file import read_features, write_features
from zoo.transfer.feature_rows import FeatureRows
from zoo.transfer.features import feature_batches

BLOBS = ["mod/concat", "conv1", "prob"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("features")
    write_small_model(top / "small")
    write_pictures(top / "photos", {"blue": 4, "green": 5, "red sky": 6})
    return top


@pytest.fixture(scope="module")
def model(folder):
    return zoo.load(folder / "small")


@pytest.fixture(scope="module")
def data(folder):
    return open_data(folder / "photos")


def by_hand(model, data, blob, pool):
    """One picture at a time through `zoo.run`, pooled in Caffe's order."""
    rows = [
        zoo.run(model.net, {"data": model.preprocess.caffe(file)}, [blob])[blob][0]
        for file in data.files
    ]
    values = np.stack(rows).astype(np.float64)
    axes = tuple(range(2, values.ndim))
    return {"avg": values.mean(axis=axes), "max": values.max(axis=axes), "none": values}[pool]


@pytest.mark.parametrize("pool", ["avg", "max", "none"])
def test_rows_are_the_pooled_blobs_in_the_order_of_the_data(model, data, pool):
    features = zoo.extract_features(model, data, BLOBS, pool, batch_size=4)
    for blob in BLOBS:
        np.testing.assert_allclose(
            features.arrays[blob], by_hand(model, data, blob, pool), rtol=1e-4, atol=1e-5
        )
        assert features.arrays[blob].dtype == np.float32
    assert features.files == data.keys
    assert features.labels.tolist() == data.labels.tolist()
    assert features.classes == ("blue", "green", "red sky")


def test_onnxruntime_gives_the_same(model, data):
    one = zoo.extract_features(model, data, BLOBS).arrays
    other = zoo.extract_features(model, data, BLOBS, engine="onnxruntime").arrays
    for blob in BLOBS:
        np.testing.assert_allclose(one[blob], other[blob], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ending", ["h5", "npz", "parquet"])
@pytest.mark.parametrize("pool", ["avg", "none"])
def test_every_format_gives_back_what_was_written(model, data, tmp_path, ending, pool):
    path = tmp_path / f"feats.{ending}"
    written = write_features(model, data, BLOBS, path, pool, batch_size=4)
    expected = zoo.extract_features(model, data, BLOBS, pool, batch_size=4)
    received = read_features(path)
    assert set(received.arrays) == set(BLOBS)
    for blob in BLOBS:
        np.testing.assert_array_equal(received.arrays[blob], expected.arrays[blob])
    assert received.files == expected.files
    assert received.labels.tolist() == expected.labels.tolist()
    assert received.classes == expected.classes
    assert written.rows == 15
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_file_says_where_its_rows_come_from(model, data, tmp_path, folder):
    write_features(model, data, ["conv1"], tmp_path / "feats.h5")
    with h5py.File(tmp_path / "feats.h5") as file:
        about = dict(file.attrs)
        assert file["features/conv1"].shape == (15, 4)
    from zoo.registry.hashes import hash_file

    assert about["model_sha256"] == hash_file(folder / "small" / "small.caffemodel").sha256
    assert json.loads(about["preprocessing"])["mean"] == [100, 110, 120]
    assert (about["model"], about["pool"]) == ("small", "avg")


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_stopped_run_goes_on_where_it_was(model, data, tmp_path, stop_after):
    path = tmp_path / "feats.npz"

    def stop(done, total):
        if done >= 4 * stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_features(model, data, BLOBS, path, batch_size=4, progress=stop)
    assert not path.exists()
    passes = []
    written = write_features(
        model, data, BLOBS, path, batch_size=4, progress=lambda done, total: passes.append(done)
    )
    assert written.resumed == 4 * stop_after
    assert passes[0] == min(4 * stop_after + 4, 15)
    expected = zoo.extract_features(model, data, BLOBS, batch_size=4)
    received = read_features(path)
    assert received.files == expected.files
    for blob in BLOBS:
        np.testing.assert_allclose(received.arrays[blob], expected.arrays[blob], rtol=1e-5)


def test_rows_that_the_journal_does_not_count_are_dropped(model, data, tmp_path):
    batches = list(feature_batches(model, data, ["conv1"], batch_size=4))
    state = {"blobs": ["conv1"]}
    with FeatureRows(tmp_path / "rows", state) as rows:
        rows.append(batches[0])
        with (tmp_path / "rows" / "0.f32").open("ab") as file:
            file.write(b"half a row")
        with (tmp_path / "rows" / "journal.jsonl").open("a") as file:
            file.write('{"rows": [4, 5')
    with FeatureRows(tmp_path / "rows", state) as rows:
        assert rows.done == 4
        rows.append(batches[1])
        array = np.array(rows.arrays()["conv1"])
    both = np.concatenate([batch.arrays["conv1"] for batch in batches[:2]])
    np.testing.assert_array_equal(array, both)


@pytest.mark.parametrize("change", ["pool", "data"])
def test_rows_of_another_run_are_not_taken_up(model, folder, tmp_path, change):
    photos = write_pictures(tmp_path / "photos", {"a": 4, "b": 4})

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_features(
            model, open_data(photos), ["conv1"], tmp_path / "f.h5", batch_size=4, progress=stop
        )
    if change == "data":
        os.utime(photos / "a" / "00 of a.png", (1, 1))
    pool = "max" if change == "pool" else "avg"
    written = write_features(
        model, open_data(photos), ["conv1"], tmp_path / "f.h5", pool, batch_size=4
    )
    assert written.resumed == 0


def test_two_runs_never_write_the_same_file(tmp_path):
    with (
        FeatureRows(tmp_path / "rows", {"blobs": ["a"]}),
        pytest.raises(UnavailableError, match="another run"),
        FeatureRows(tmp_path / "rows", {"blobs": ["a"]}),
    ):
        pass


def test_a_killed_command_goes_on(folder, tmp_path):
    photos = write_pictures(tmp_path / "photos", {"a": 120, "b": 120})
    words = ["features", folder / "small", photos, "--blob", "conv1", "--batch", "2"]
    words = [str(word) for word in [*words, "-o", tmp_path / "feats.h5"]]
    journal = tmp_path / ".feats.h5.partial" / "journal.jsonl"
    code = (
        "import os, sys, signal; from zoo.transfer.feature_rows import FeatureRows as F\n"
        "own = F.append\n"
        "def append(self, batch):\n"
        "    own(self, batch)\n"
        "    if self.done >= 60: os.kill(os.getpid(), signal.SIGKILL)\n"
        "F.append = append\n"
        "from zoo.cli.main import main; main(sys.argv[1:])"
    )
    killed = subprocess.run([sys.executable, "-c", code, *words], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert journal.exists()
    assert main([*words, "--quiet"]) == 0
    assert len(read_features(tmp_path / "feats.h5")) == 240
    assert not journal.parent.exists()


def test_corrupt_pictures_are_told_and_all_others_done(folder, tmp_path, capsys):
    photos = write_pictures(tmp_path / "photos", {"a": 5, "b": 5})
    (photos / "a" / "02 of a.png").write_bytes(b"no picture")
    (photos / "b" / "04 of b.png").write_bytes(b"")
    words = ["features", folder / "small", photos, "--blob", "conv1", "--blob", "prob"]
    code = main([str(word) for word in [*words, "-o", tmp_path / "f.npz", "--batch", 3, "--json"]])
    captured = capsys.readouterr()
    assert code == 2
    document = json.loads(captured.out)
    assert document["rows"] == 8
    assert document["blobs"] == {"conv1": [8, 4], "prob": [8, 5]}
    assert [entry["row"] for entry in document["failures"]] == ["a/02 of a.png", "b/04 of b.png"]
    assert captured.err.count("02 of a.png") == 1
    received = read_features(tmp_path / "f.npz")
    assert "a/02 of a.png" not in received.files
    assert received.labels.tolist() == [0] * 4 + [1] * 4


def test_the_command_tells_file_shapes_and_size(folder, tmp_path, capsys):
    photos = write_pictures(tmp_path / "photos", {"a": 2, "b": 1})
    target = tmp_path / "f.npz"
    words = ["features", folder / "small", photos, "--blob", "conv1", "-o", target, "--quiet"]
    assert main([str(word) for word in words]) == 0
    facts = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert facts == {
        "file": str(target),
        "conv1": "3 x 4",
        "size": f"{target.stat().st_size / 1000:.1f} kB",
    }


def test_pictures_without_classes_have_features_and_no_labels(model, tmp_path):
    photos = write_pictures(tmp_path / "photos", {"a": 3}) / "a"
    features = zoo.extract_features(model, photos, "conv1")
    assert features.labels is None
    write_features(model, open_data(photos), ["conv1"], tmp_path / "f.h5")
    assert read_features(tmp_path / "f.h5").labels is None


@pytest.mark.parametrize(
    ("blobs", "pool", "name", "told"),
    [
        (["conv"], "avg", "f.h5", "no blob is named 'conv'"),
        ([], "avg", "f.h5", "no blob is named"),
        (["conv1"], "mean", "f.h5", "expected avg, max, none"),
        (["conv1"], "avg", "f.txt", "ending in .h5"),
        (["conv1"], "avg", "there.h5", "there already"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(
    model, data, tmp_path, blobs, pool, name, told
):
    (tmp_path / "there.h5").write_bytes(b"mine")
    with pytest.raises(UsageError, match=told):
        write_features(model, data, blobs, tmp_path / name, pool)
    assert (tmp_path / "there.h5").read_bytes() == b"mine"


def test_not_one_readable_picture_is_an_error(model, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="not one row"):
        zoo.extract_features(model, tmp_path / "photos", "conv1")
