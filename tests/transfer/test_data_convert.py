"""A converted dataset holds the same rows, and nothing is ever left out or replaced."""

import itertools

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image

from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import ImageError, UsageError
from zoo.resize import resize_bilinear
from zoo.transfer.convert_data import convert_data
from zoo.transfer.data import open_data
from zoo.transfer.databases import open_source
from zoo.transfer.databases.lmdb_file import LMDBFile


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for index, name in enumerate(("ant/x y.png", "ant/b.jpg", "bee/ü.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9 + index, 12, 3), dtype=np.uint8)).save(path)
    return open_data(tmp_path / "photos")


def same_rows(made, data, size=None, gray=False):
    assert made.labels.tolist() == data.labels.tolist()
    for index in range(len(data)):
        expected = data.picture(index, gray=gray)
        expected = resize_bilinear(expected, size) if size else expected
        np.testing.assert_array_equal(made.picture(index, gray=gray), expected)


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("name", ["out.h5", "out_lmdb", "out.lmdb", "out.txt"])
def test_every_form_holds_the_same_rows(photos, tmp_path, name, gray):
    made = open_data(convert_data(photos, tmp_path / name, size=(6, 7), gray=gray))
    same_rows(made, photos, (6, 7), gray)
    assert made.classes == (("0", "1") if name == "out.txt" else ("ant", "bee"))


def test_an_lmdb_keeps_the_files_and_their_names(photos, tmp_path):
    target = convert_data(photos, tmp_path / "db")
    same_rows(open_data(target), photos)
    assert [open_data(target).read(i) for i in range(3)] == [f.read_bytes() for f in photos.files]
    keys = [key.decode() for key, _ in LMDBFile(target).items()]
    assert keys == [f"{index:08}_{key}" for index, key in enumerate(photos.keys)]
    assert not (target / "lock.mdb").exists()


def test_caffes_layers_read_what_was_converted(photos, tmp_path):
    convert_data(photos, tmp_path / "db", size=(6, 7))
    convert_data(photos, tmp_path / "rows.h5", size=(6, 7))
    (tmp_path / "list.txt").write_text("rows.h5\n")
    texts = (
        'type: "Data" data_param { source: "db" backend: LMDB batch_size: 3 }',
        'type: "HDF5Data" hdf5_data_param { source: "list.txt" batch_size: 3 }',
    )
    batches = [
        next(open_source(text_format.Parse(f'name: "d" top: "data" top: "label" {text}',
             LayerParameter()), tmp_path, "TEST"))
        for text in texts
    ]  # fmt: skip
    for batch in batches:
        assert batch["label"].tolist() == [0, 0, 1]
        np.testing.assert_array_equal(
            batch["data"][1], resize_bilinear(photos.picture(1), (6, 7)).transpose(2, 0, 1)
        )


def test_a_list_points_at_the_files_and_a_database_is_unpacked(photos, tmp_path):
    (tmp_path / "lists").mkdir()
    listed = convert_data(photos, tmp_path / "lists" / "a.txt")
    assert listed.read_text().splitlines()[0] == "../photos/ant/b.jpg 0"
    same_rows(open_data(listed), photos)
    unpacked = convert_data(open_data(convert_data(photos, tmp_path / "db")), tmp_path / "b.txt")
    assert [path.name for path in sorted((tmp_path / "b").iterdir())] == [
        "00000000.jpeg", "00000001.png", "00000002.png"
    ]  # fmt: skip
    same_rows(open_data(unpacked), photos)


def test_a_database_goes_round_and_keeps_its_keys(shared, tmp_path):
    for name in ("lmdb_raw", "leveldb_png", "lmdb_gray"):
        data = open_data(shared / "golden" / "formats" / name)
        made = open_data(convert_data(data, tmp_path / name))
        same_rows(made, data)
        assert made.keys == data.keys


def test_several_labels_go_into_hdf5_and_lists_but_not_into_lmdb(photos, tmp_path):
    lines = "".join(f"{path} 0.1 {index}\n" for index, path in enumerate(photos.files))
    (tmp_path / "in.txt").write_text(lines)
    data = open_data(tmp_path / "in.txt")
    for name in ("out.h5", "out.txt"):
        made = open_data(convert_data(data, tmp_path / name, size=(6, 7)))
        np.testing.assert_array_equal(made.labels, data.labels)
    with pytest.raises(UsageError, match=r"write HDF5 \(\.h5\) instead"):
        convert_data(data, tmp_path / "db")
    assert not (tmp_path / "db").exists()


def test_a_fractional_label_stays_one(photos, tmp_path):
    (tmp_path / "in.txt").write_text("".join(f"{path} 2.0\n" for path in photos.files))
    made = open_data(convert_data(open_data(tmp_path / "in.txt"), tmp_path / "out.txt"))
    assert not made.has_classes


@pytest.mark.parametrize("name", ["out.h5", "out_lmdb", "out.txt"])
def test_a_picture_that_cannot_be_read_leaves_nothing(photos, tmp_path, name):
    photos.files[2].write_bytes(photos.files[2].read_bytes()[:100])
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(ImageError, match="ü.png"):
        convert_data(photos, tmp_path / name, size=(6, 7) if name == "out.h5" else None)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["out.h5", "out_lmdb", "out.txt"])
def test_what_is_there_is_refused(photos, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match="exists and was left as it is"):
        convert_data(photos, tmp_path / name, size=(6, 7))
    assert (tmp_path / name).read_text() == "mine"


def test_several_sizes_do_not_fit_into_hdf5(photos, tmp_path):
    with pytest.raises(UsageError, match=r"one size: give one \(--size"):
        convert_data(photos, tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()


def test_an_unknown_ending_and_values_are_refused(photos, tmp_path):
    with pytest.raises(UsageError, match=r"\.lmdb or none for an LMDB"):
        convert_data(photos, tmp_path / "x.zip")
    np.savez(tmp_path / "x.npz", data=np.ones((3, 4)))
    with pytest.raises(UsageError, match="no pictures"):
        convert_data(open_data(tmp_path / "x.npz"), tmp_path / "db")


def test_progress_is_told(photos, tmp_path):
    seen = []
    convert_data(photos, tmp_path / "db", progress=lambda *counts: seen.append(counts))
    assert seen == list(zip(itertools.count(1), [3] * 3, strict=False))
