"""HDF5Data and DummyData: the order of rows, passes, fillers, and taking up where it was left."""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
from google.protobuf import text_format

from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, UsageError
from zoo.transfer.databases import open_source
from zoo.transfer.databases.ahead import ahead

ROOT = Path(__file__).parents[3]


def layer(text):
    return text_format.Parse(text, LayerParameter())


def hdf5(settings="batch_size: 4", tops='top: "x" top: "y"'):
    return layer(
        f'name: "d" type: "HDF5Data" {tops} hdf5_data_param {{ source: "list.txt" {settings} }}'
    )


@pytest.fixture
def folder(tmp_path):
    """Two files of 5 and 3 rows, numbered through."""
    for name, first, last in (("a.h5", 0, 5), ("b.h5", 5, 8)):
        with h5py.File(tmp_path / name, "w") as file:
            file["x"] = np.arange(first, last, dtype=np.float64)[:, None] * [1, 10]
            file["y"] = np.arange(first, last, dtype=np.int32)
    (tmp_path / "list.txt").write_text("a.h5\nb.h5\n")
    return tmp_path


def rows(source, batches):
    return [batch["y"].tolist() for batch in islice(source, batches)]


def test_rows_come_in_the_order_of_the_files_and_wrap(folder):
    source = open_source(hdf5("batch_size: 3"), folder, "TRAIN")
    assert rows(source, 4) == [[0, 1, 2], [3, 4, 5], [6, 7, 0], [1, 2, 3]]
    first = next(open_source(hdf5(), folder, "TRAIN"))
    assert first["x"].tolist() == [[0, 0], [1, 10], [2, 20], [3, 30]]
    assert {array.dtype for array in first.values()} == {np.dtype(np.float32)}


def test_a_batch_may_be_larger_than_all_the_data(folder):
    source = open_source(hdf5("batch_size: 11"), folder, "TRAIN")
    assert rows(source, 1) == [[0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2]]


def test_shuffled_passes_have_each_row_once_and_differ(folder):
    source = open_source(hdf5("batch_size: 8 shuffle: true"), folder, "TRAIN", seed=3)
    passes = rows(source, 6)
    assert all(sorted(each) == list(range(8)) for each in passes)
    assert len({tuple(each) for each in passes}) > 3
    # Rows of one file stay together; the files change places.
    assert {each[0] < 5 for each in passes} == {True, False}
    batch = next(open_source(hdf5("batch_size: 8 shuffle: true"), folder, "TRAIN", seed=3))
    np.testing.assert_array_equal(batch["x"][:, 0], batch["y"])


@pytest.mark.parametrize("settings", ["batch_size: 3", "batch_size: 3 shuffle: true"])
@pytest.mark.parametrize("start", [1, 4, 21])
def test_hdf5_is_taken_up_where_it_was_left(folder, settings, start):
    whole = rows(open_source(hdf5(settings), folder, "TRAIN", seed=1), start + 3)
    rest = rows(open_source(hdf5(settings), folder, "TRAIN", seed=1, start=start), 3)
    assert rest == whole[start:]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (hdf5("batch_size: 0"), "batch_size of 1 or more"),
        (hdf5(tops='top: "z"'), r"no dataset 'z'.*it has x, y"),
        (layer(str(hdf5()) + "transform_param { scale: 2 }"), "no transform_param"),
    ],
)
def test_what_a_layer_says_wrong_is_told(folder, made, words):
    with pytest.raises(UsageError, match=words):
        open_source(made, folder, "TRAIN")


@pytest.mark.parametrize(
    ("listed", "words"),
    [("", "lists no file"), ("c.h5", "there is no such file"), ("list.txt", "cannot read")],
)
def test_what_is_wrong_with_the_list_is_told(folder, listed, words):
    (folder / "list.txt").write_text(listed)
    with pytest.raises(UsageError, match=words):
        open_source(hdf5(), folder, "TRAIN")


def test_a_missing_list_is_told_with_where_it_was_looked_for(tmp_path):
    with pytest.raises(UsageError, match=r"list.txt: No such file.*relative to the current folder"):
        open_source(hdf5(), tmp_path, "TRAIN")


def test_datasets_of_other_lengths_are_told(folder):
    with h5py.File(folder / "a.h5", "a") as file:
        del file["y"]
        file["y"] = np.zeros(4)
    with pytest.raises(UsageError, match="same number of rows"):
        open_source(hdf5(), folder, "TRAIN")


DUMMY = """
name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param {
  shape { dim: 2 dim: 3 } shape { dim: 4 } FILLERS }
"""


def dummy(fillers):
    return layer(DUMMY.replace("FILLERS", fillers))


def test_constants_stay_and_the_rest_is_drawn_for_each_batch():
    made = dummy(
        'data_filler { type: "constant" value: 7 } data_filler { type: "gaussian" mean: 3 }'
    )
    first, second = islice(open_source(made, Path(), "TRAIN", seed=1), 2)
    assert first["a"].shape == (2, 3)
    assert (first["a"] == 7).all()
    assert (second["a"] == 7).all()
    assert not np.array_equal(first["b"], second["b"])
    again = open_source(made, Path(), "TRAIN", seed=1, start=1)
    np.testing.assert_array_equal(next(again)["b"], second["b"])


def test_no_filler_makes_zeros_and_one_serves_all():
    assert not any(array.any() for array in next(open_source(dummy(""), Path(), "TEST")).values())
    made = dummy("data_filler { value: 2 }")
    assert all((array == 2).all() for array in next(open_source(made, Path(), "TEST")).values())
    with pytest.raises(NetError, match="3 data_filler for 2 tops"):
        open_source(dummy("data_filler {} data_filler {} data_filler {}"), Path(), "TEST")


def test_the_old_way_to_write_shapes():
    made = layer(
        'name: "d" type: "DummyData" top: "a" dummy_data_param { num: 2 channels: 3 height: 4'
        ' width: 5 data_filler { type: "uniform" } }'
    )
    assert next(open_source(made, Path(), "TRAIN"))["a"].shape == (2, 3, 4, 5)


def test_reading_ahead_keeps_the_order_and_hands_on_errors():
    def broken():
        yield from range(3)
        raise UsageError("a row is damaged")

    items = ahead(broken())
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UsageError, match="a row is damaged"):
        next(items)


LEFT = """
import threading, time
from zoo.transfer.databases.ahead import ahead

lock = threading.Lock()

def rows():
    while True:
        with lock:
            time.sleep(0.2)
        yield 1

class File:
    def __del__(self):
        with lock:
            print("closed")

file, items = File(), ahead(rows())
next(items)
"""


def test_reading_ahead_holds_no_lock_when_the_interpreter_ends():
    """As h5py's: closing a file takes the lock under which the thread reads."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", LEFT], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "closed\n", "")


def test_reading_ahead_ends_when_it_is_closed():
    made = []

    def endless():
        while True:
            made.append(1)
            yield 1

    items = ahead(endless())
    next(items)
    items.close()
    count = len(made)
    assert count <= 4
    assert len(made) == count
