"""Training data is opened by what is there, and comes through tf.data as it should."""

import csv
import time
import tracemalloc

import h5py
import numpy as np
import pytest
from PIL import Image

from zoo.caffe.schema.caffe_pb2 import Datum
from zoo.errors import ImageError, UsageError
from zoo.input_spec import InputSpec
from zoo.preprocess import Preprocessor
from zoo.transfer.augment import Augment
from zoo.transfer.data import Dataset, open_data

SPEC = InputSpec((8, 6), "BGR", mean=(1, 2, 3), resize=(10, 9), scale=0.5)


@pytest.fixture
def photos(tmp_path):
    """Two classes, three and two pictures, with names that are hard to read."""
    rng = np.random.default_rng(0)
    for name in (
        "big dogs/b 1.png",
        "big dogs/a.jpg",
        "big dogs/ü.png",
        "cats/c.png",
        "cats/d.png",
    ):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


def test_a_folder_has_a_class_for_each_folder_in_it(photos):
    data = open_data(photos)
    assert (data.kind, len(data), data.classes) == ("folder", 5, ("big dogs", "cats"))
    assert data.labels.tolist() == [0, 0, 0, 1, 1]
    names = ("big dogs/a.jpg", "big dogs/b 1.png", "big dogs/ü.png", "cats/c.png", "cats/d.png")
    assert data.keys == list(names)
    assert data.files == [photos / key for key in data.keys]
    assert data.class_counts == [3, 2]


def test_a_folder_of_pictures_has_no_labels(photos):
    data = open_data(photos / "cats")
    assert (len(data), data.labels, data.classes) == (2, None, ())
    with pytest.raises(UsageError, match="has no labels"):
        data.check_labels(2)
    assert next(iter(data.pipeline(SPEC))).shape == (2, 8, 6, 3)


def test_an_empty_class_is_named(photos):
    (photos / "empty one").mkdir()
    with pytest.raises(UsageError, match="no pictures for 1 of 3 classes: 'empty one'"):
        open_data(photos)


def test_pictures_beside_the_classes_are_told(photos):
    (photos / "cats" / "c.png").rename(photos / "lost.png")
    with pytest.raises(UsageError, match=r"lost\.png"):
        open_data(photos)


def test_a_folder_of_splits_is_no_folder_of_classes(photos):
    (photos.parent / "photos").rename(photos.parent / "train")
    with pytest.raises(UsageError, match="parts of the data and no classes"):
        open_data(photos.parent)


def write_list(photos, lines, name="list.txt"):
    path = photos / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("ends", "labels", "classes"),
    [
        ((0, 2), [0, 2], ("0", "1", "2")),
        (("cat", "ant"), [1, 0], ("ant", "cat")),
        ((0.5, 2.0), [[0.5], [2.0]], ()),
        (("0.1 0.9", "1 0"), [[0.1, 0.9], [1, 0]], ()),
        (("1 0 1", "0 0 1"), [[1, 0, 1], [0, 0, 1]], ()),
    ],
)
def test_a_list_has_labels_of_every_kind(photos, ends, labels, classes):
    names = ("big dogs/b 1.png", "cats/c.png")
    path = write_list(photos, [f"{name} {end}" for name, end in zip(names, ends, strict=True)])
    data = open_data(path)
    np.testing.assert_allclose(data.labels, labels)
    assert data.classes == classes
    assert data.has_classes == bool(classes)
    assert data.labels.dtype == (np.int64 if classes else np.float32)
    assert data.files == [photos / name for name in names]


def test_any_blank_before_a_label_will_do(photos):
    lines = ["big dogs/b 1.png\t2", "cats/c.png  0\r"]
    data = open_data(write_list(photos, lines))
    assert (data.keys, data.labels.tolist()) == (["big dogs/b 1.png", "cats/c.png"], [2, 0])


def test_a_list_of_files_alone_has_no_labels(photos):
    names = ["big dogs/b 1.png", "cats/c.png"]
    data = open_data(write_list(photos, names))
    assert (data.keys, data.labels) == (names, None)


def test_a_number_at_the_end_of_a_name_is_no_label(photos):
    (photos / "cats" / "c.png").rename(photos / "cats" / "beach 7")
    data = open_data(write_list(photos, ["cats/beach 7 1", "cats/d.png 0"]))
    assert data.keys == ["cats/beach 7", "cats/d.png"]
    data = open_data(write_list(photos, ["cats/beach 7 1"]))
    assert (data.keys, data.labels.tolist()) == (["cats/beach 7"], [1])


def test_all_missing_files_are_told_at_once(photos):
    path = write_list(photos, ["cats/c.png 0", "cats/x.png 0", "y.png 1"])
    with pytest.raises(UsageError, match=r"2 of 3 files are missing.*\n  cats/x.png\n  y.png"):
        open_data(path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("cats/none.png", "has no label"),
        ("cats/c.png -1", "label of row 0 is -1"),
        ("", "no picture"),
    ],
)
def test_a_list_that_makes_no_sense_is_told(photos, line, told):
    with pytest.raises(UsageError, match=told):
        open_data(write_list(photos, [line]))


def write_csv(photos, rows):
    with (photos / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return photos / "list.csv"


def test_a_csv_may_have_headings_and_names_of_classes(photos):
    rows = [["cats/c.png", "tabby, orange"], ["cats/d.png", "black"]]
    for headings in ([], [["path", "label"]]):
        data = open_data(write_csv(photos, headings + rows))
        assert data.classes == ("black", "tabby, orange")
        assert data.labels.tolist() == [1, 0]


def test_columns_of_a_csv_name_its_labels(photos):
    data = open_data(write_csv(photos, [["file", "furry", "wet"], ["cats/c.png", 1, 0.5]]))
    assert (data.classes, data.labels.tolist()) == (("furry", "wet"), [[1, 0.5]])
    with pytest.raises(UsageError, match="expected 3 columns"):
        open_data(write_csv(photos, [["file", "furry", "wet"], ["cats/c.png", 1]]))


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize(
    "rows",
    [
        [("cats/c.png", "wet"), ("cats/d.png", "key")],
        [("label", "path"), ("wet", "cats/c.png"), ("key", "cats/d.png")],
        [("image", "sender", "Label"), ("cats/c.png", 9, "wet"), ("cats/d.png", 2, "key")],
    ],
)
def test_columns_lie_anywhere_between_any_marks(photos, rows, between):
    lines = [between.join(map(str, row)) for row in rows]
    data = open_data(write_list(photos, lines, "list.tsv" if between == "\t" else "list.csv"))
    assert (data.keys, data.classes) == (["cats/c.png", "cats/d.png"], ("key", "wet"))
    assert data.labels.tolist() == [1, 0]


PIXELS = np.random.default_rng(1).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
NUMBERS = np.array([1, 0, 2, 2, 1])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_holds_pictures_and_labels(tmp_path, save):
    save(tmp_path / "x.npz", data=PIXELS, label=NUMBERS)
    data = open_data(tmp_path / "x.npz")
    assert data.labels.tolist() == NUMBERS.tolist()
    for index in range(5):
        np.testing.assert_array_equal(data.picture(index), PIXELS[index])


def test_npz_in_caffes_order_and_in_fortrans(tmp_path):
    first = PIXELS.transpose(0, 3, 1, 2)
    np.savez(tmp_path / "x.npz", images=np.asfortranarray(first), labels=NUMBERS)
    np.testing.assert_array_equal(open_data(tmp_path / "x.npz").picture(3), PIXELS[3])


def test_npy_holds_pictures(tmp_path):
    np.save(tmp_path / "x.npy", PIXELS[..., 0])
    data = open_data(tmp_path / "x.npy")
    assert (len(data), data.labels) == (5, None)
    np.testing.assert_array_equal(data.picture(2, gray=True), PIXELS[2, ..., 0])


def test_hdf5_counts_as_caffes_and_floats_go_on_as_they_are(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 3, 4, 5)).astype(np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"], file["label"] = values, NUMBERS[:, None].astype(np.float32)
    (tmp_path / "list.txt").write_text("x.h5\nx.h5\n")
    data = open_data(tmp_path / "list.txt")
    assert (data.kind, len(data), data.is_pictures) == ("hdf5", 10, False)
    assert data.labels.tolist() == NUMBERS.tolist() * 2
    inputs, labels = next(iter(data.pipeline(SPEC, batch_size=7)))
    np.testing.assert_array_equal(inputs[6], values[1].transpose(1, 2, 0))
    assert labels.dtype == np.int64
    with pytest.raises(ImageError, match="no picture"):
        data.picture(0)


def write_hdf5(path, data, label):
    with h5py.File(path, "w") as file:
        file["data"], file["label"] = data, label


def test_hdf5_files_of_a_list_may_hold_pictures_and_values_with_labels_of_any_rank(tmp_path):
    planes = PIXELS.transpose(0, 3, 1, 2)
    write_hdf5(tmp_path / "a.h5", planes, NUMBERS)
    write_hdf5(tmp_path / "b.h5", planes / 2, NUMBERS[:, None])
    (tmp_path / "list.txt").write_text("a.h5\nb.h5\n")
    data = open_data(tmp_path / "list.txt")
    assert (data.labels.tolist(), data.is_pictures) == (NUMBERS.tolist() * 2, False)
    np.testing.assert_array_equal(data.read(5), PIXELS[0] / 2)
    np.testing.assert_array_equal(data.read(0), PIXELS[0])


def test_hdf5_files_that_do_not_fit_together_are_told(tmp_path):
    planes = PIXELS.transpose(0, 3, 1, 2)
    write_hdf5(tmp_path / "a.h5", planes, NUMBERS)
    write_hdf5(tmp_path / "b.h5", planes, np.zeros((5, 2)))
    (tmp_path / "list.txt").write_text("a.h5\nb.h5\n")
    with pytest.raises(UsageError, match="different numbers of labels a row"):
        open_data(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("a.h5\nnone.h5\n")
    with pytest.raises(UsageError, match=r"none\.h5 cannot be read as HDF5: there is no such file"):
        open_data(tmp_path / "list.txt")


def test_rows_of_features_go_on_as_they_are(tmp_path):
    features = np.arange(12.0).reshape(4, 3)
    np.savez(tmp_path / "x.npz", data=features, label=np.array([0.5, 1, 2, 3]))
    inputs, labels = next(iter(open_data(tmp_path / "x.npz").pipeline(SPEC)))
    np.testing.assert_array_equal(inputs, features)
    assert labels.tolist() == [[0.5], [1], [2], [3]]


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"pics": PIXELS}, "no array of pictures; expected one called data.*received pics"),
        ({"data": PIXELS, "label": NUMBERS[:4]}, "5 rows, but 4 labels"),
        ({"data": PIXELS, "label": np.array([1, 0, np.nan, 0, 1])}, "label of row 2"),
        ({"data": np.array([{}])}, "Python objects"),
        ({"data": PIXELS[:0], "label": NUMBERS[:0]}, "holds no row"),
        ({"data": np.uint8(3)}, "expected arrays with a row for each picture, not one number"),
        ({"data": PIXELS, "label": 3}, "expected arrays with a row for each picture"),
        ({"data": PIXELS, "label": np.full((5, 2), "cat")}, "one name of a class a row"),
    ],
)
def test_arrays_that_make_no_sense_are_told(tmp_path, arrays, told):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UsageError, match=told):
        open_data(tmp_path / "x.npz")


def test_a_file_of_something_else_is_told(tmp_path):
    (tmp_path / "x").write_bytes(b"\x00\x01 nothing")
    with pytest.raises(UsageError, match="no training data in a known format"):
        open_data(tmp_path / "x")
    with pytest.raises(UsageError, match="no such file or folder"):
        open_data(tmp_path / "none")
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(UsageError, match="cannot be read as HDF5"):
        open_data(tmp_path / "cut.h5")


@pytest.mark.parametrize("name", ["lmdb_raw", "leveldb_raw", "lmdb_png", "leveldb_gray"])
def test_caffes_databases_are_datasets(shared, name):
    folder = shared / "golden" / "formats"
    data = open_data(folder / name)
    expected = np.load(folder / "expected" / f"{name}.npz")
    assert data.labels.tolist() == expected["label"].astype(int).tolist()
    for index in (0, 19, 7):
        pixels = data.picture(index, gray="gray" in name)
        planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        np.testing.assert_array_equal(planes, expected["data"][index])


def test_floats_of_a_database_go_on_as_they_are(shared):
    folder = shared / "golden" / "formats"
    inputs, _ = next(iter(open_data(folder / "lmdb_float").pipeline(SPEC)))
    expected = np.load(folder / "expected" / "lmdb_float.npz")["data"]
    np.testing.assert_array_equal(inputs.transpose(0, 3, 1, 2), expected)


def test_the_list_of_an_image_data_layer_is_a_dataset(shared):
    data = open_data(shared / "golden" / "formats" / "list.txt")
    assert (len(data), len(data.classes), data.keys[19]) == (20, 10, "images/p19.png")


def test_validation_data_has_the_classes_of_the_training_data(photos):
    data = open_data(write_list(photos, ["cats/c.png cats"]), classes=("big dogs", "cats"))
    assert (data.labels.tolist(), data.class_counts) == ([1], [0, 1])
    with pytest.raises(UsageError, match="'cat'.*Did you mean cats.*expected 'big dogs', 'cats'"):
        open_data(write_list(photos, ["cats/c.png cat"]), classes=("big dogs", "cats"))


def test_numbers_without_names_are_the_places_of_the_classes(photos):
    """As in Caffe's lists, whatever the classes are called."""
    wanted = ("big dogs", "cats", "owls")
    data = open_data(write_list(photos, ["cats/c.png 1", "cats/c.png 2"]), classes=wanted)
    assert (data.labels.tolist(), data.classes) == ([1, 2], wanted)
    with pytest.raises(UsageError, match="label 21 of cats/c.png, but the network has 3 outputs"):
        open_data(write_list(photos, ["cats/c.png 21"]), classes=wanted)


def test_numbers_that_are_the_names_of_classes_are_names(photos):
    lines = ["cats/c.png 7", "cats/c.png 5"]
    assert open_data(write_list(photos, lines), classes=("5", "7")).labels.tolist() == [1, 0]
    (photos / "cats").rename(photos / "1")
    with pytest.raises(UsageError, match="not made for: '1'"):
        open_data(photos, classes=("big dogs", "cats"))


def test_a_label_beyond_the_outputs_is_told_before_anything_runs(photos):
    data = open_data(photos)
    data.check_labels(2)
    with pytest.raises(UsageError, match=r"label 1 of cats/c.png, but the network has 1 outputs"):
        data.check_labels(1)
    several = open_data(write_list(photos, ["cats/c.png 0.5 1"]))
    several.check_labels(2)
    with pytest.raises(UsageError, match="rows have 2 labels, the network 3 outputs"):
        several.check_labels(3)


def test_a_subset_and_a_split_keep_rows_and_labels_together(photos):
    data = open_data(photos)
    some = data.subset([4, 0])
    assert (some.keys, some.labels.tolist()) == (["cats/d.png", "big dogs/a.jpg"], [1, 0])
    np.testing.assert_array_equal(some.picture(0), data.picture(4))
    train, rest = data.split(0.5, seed=3)
    assert sorted(train.keys + rest.keys) == sorted(data.keys)
    assert rest.class_counts == [2, 1]
    assert data.split(0.5, seed=3)[1].keys == rest.keys


def test_the_pipeline_gives_what_the_preprocessor_gives(photos):
    data = open_data(photos)
    batches = list(data.pipeline(SPEC, batch_size=2))
    assert [len(inputs) for inputs, _ in batches] == [2, 2, 1]
    inputs = np.concatenate([inputs for inputs, _ in batches])
    np.testing.assert_array_equal(inputs, Preprocessor(SPEC)(data.files))
    assert np.concatenate([labels for _, labels in batches]).tolist() == data.labels.tolist()


ODD = {
    "baseline.jpg": {"quality": 90},
    "progressive.jpg": {"progressive": True},
    "subsampled.jpg": {"subsampling": 2, "quality": 40},
    "grey.jpg": {"mode": "L"},
    "cmyk.jpg": {"mode": "CMYK"},
    "turned.jpg": {"orientation": 6},
    "mirrored.jpg": {"orientation": 5},
    "palette.png": {"mode": "P"},
    "alpha.png": {"mode": "RGBA"},
}


@pytest.fixture
def odd_pictures(tmp_path):
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    for name, options in ODD.items():
        picture = coarse.resize((71, 90)).convert(options.get("mode", "RGB"))
        exif = Image.Exif()
        exif[0x0112] = options.get("orientation", 1)
        saved = {key: value for key, value in options.items() if key not in ("mode", "orientation")}
        picture.save(tmp_path / name, exif=exif, **saved)
    return tmp_path


@pytest.mark.parametrize("resize", [None, (40, 50)])
def test_odd_pictures_come_as_opencv_and_caffe_see_them(odd_pictures, resize):
    import cv2

    spec = InputSpec((30, 35), mean=(104, 117, 123), scale=0.017, resize=resize)
    data = open_data(odd_pictures)
    (inputs,) = data.pipeline(spec)
    for key, row in zip(data.keys, inputs, strict=True):
        height, width = resize or spec.size
        warped = cv2.resize(cv2.imread(str(odd_pictures / key)), (width, height))
        top, left = (height - 30) // 2, (width - 35) // 2
        cut = warped[top : top + 30, left : left + 35].astype(np.float32)
        expected = (cut - np.float32(spec.mean)) * np.float32(0.017)
        np.testing.assert_array_equal(row, expected, err_msg=key)


@pytest.mark.parametrize("channels", ["RGB", "GRAY"])
def test_the_pipeline_keeps_to_the_order_of_channels(photos, channels):
    spec = InputSpec((8, 6), channels)
    data = open_data(photos)
    inputs, _ = next(iter(data.pipeline(spec)))
    np.testing.assert_array_equal(inputs, Preprocessor(spec)(data.files))
    augmented, _ = next(iter(data.pipeline(spec, augment=Augment(mirror=False, crop=False))))
    np.testing.assert_array_equal(augmented, inputs)


def passes(pipeline, count):
    return [[part.tobytes() for batch in pipeline for part in batch] for _ in range(count)]


def test_passes_differ_and_follow_from_the_seed_alone(photos):
    settings = {"batch_size": 2, "shuffle": True, "augment": Augment(scale=(1, 1.3), colour=0.3)}
    data = open_data(photos)
    first = passes(data.pipeline(SPEC, seed=1, **settings), 3)
    assert len({tuple(one) for one in first}) == 3
    assert passes(data.pipeline(SPEC, seed=1, **settings), 3) == first
    assert passes(data.pipeline(SPEC, seed=1, epoch=2, **settings), 1) == first[2:]
    assert passes(data.pipeline(SPEC, seed=2, **settings), 3) != first


def test_each_row_comes_once_in_a_shuffled_pass(photos):
    data = open_data(photos)
    every = np.sort(Preprocessor(SPEC)(data.files).sum(axis=(1, 2, 3)))
    for _ in range(3):
        inputs = np.concatenate([x for x, _ in data.pipeline(SPEC, batch_size=2, shuffle=True)])
        np.testing.assert_array_equal(np.sort(inputs.sum(axis=(1, 2, 3))), every)


def test_a_picture_that_cannot_be_read_is_named(photos):
    (photos / "cats" / "c.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"cats/c\.png: not a picture"):
        list(open_data(photos).pipeline(SPEC))


def test_it_is_known_how_long_a_pass_waited_for_data(photos, monkeypatch):
    data = open_data(photos)
    picture = data.picture(0)
    monkeypatch.setattr(Dataset, "picture", lambda *_, gray: (time.sleep(0.1), picture)[1])
    pipeline = data.pipeline(SPEC, batch_size=5)
    began = time.perf_counter()
    for _ in pipeline:
        time.sleep(0.2)
    assert 0.1 <= pipeline.waited <= time.perf_counter() - began - 0.2


def test_keras_trains_on_the_pipeline(photos):
    import keras

    data = open_data(photos)
    pipeline = data.pipeline(SPEC, batch_size=2, shuffle=True)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(pipeline.tf_data, epochs=2, verbose=0, shuffle=False)
    assert len(history.history["loss"]) == 2
    assert pipeline.epoch == 2
    (photos / "cats" / "c.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"c\.png"), pipeline.telling():
        model.fit(pipeline.tf_data, verbose=0, shuffle=False)


def test_a_database_larger_than_memory_may_be_read(tmp_path):
    import lmdb

    row = Datum(channels=3, height=256, width=256, data=bytes(3 * 256 * 256)).SerializeToString()
    with (
        lmdb.open(str(tmp_path / "db"), map_size=1 << 28) as environment,
        environment.begin(write=True) as transaction,
    ):
        for index in range(300):
            transaction.put(f"{index:08}".encode(), row)
    tracemalloc.start()
    data = open_data(tmp_path / "db")
    for index in range(0, 300, 50):
        data.picture(index)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5_000_000  # the rows are 59 MB


def test_augmentation_without_chance_is_the_central_crop():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    spec = InputSpec((8, 6), resize=(10, 9))
    made = Augment(mirror=False, crop=False)(pixels, spec, np.random.default_rng(0))
    np.testing.assert_array_equal(made, Preprocessor(spec)(pixels)[0])


def test_crops_and_mirrors_come_from_the_warped_picture():
    pixels = np.arange(30, dtype=np.uint8).reshape(5, 6)
    spec = InputSpec((4, 4), "GRAY", resize=(5, 6))
    rng = np.random.default_rng(0)
    made = {Augment()(pixels, spec, rng).tobytes() for _ in range(300)}
    cuts = [pixels[top : top + 4, left : left + 4] for top in range(2) for left in range(3)]
    assert made == {cut.tobytes() for cut in cuts} | {cut[:, ::-1].tobytes() for cut in cuts}


def test_scale_never_makes_less_than_the_input():
    spec, rng = InputSpec((8, 8), resize=(10, 10)), np.random.default_rng(0)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    assert Augment(scale=(0.1, 0.2))(pixels, spec, rng).shape == (8, 8, 3)
    assert len({Augment(False, False, (1, 2))(pixels, spec, rng).tobytes() for _ in range(9)}) > 3


def test_colours_change_by_no_more_than_asked():
    spec, rng = InputSpec((4, 4)), np.random.default_rng(0)
    flat = np.full((4, 4, 3), 100, np.uint8)
    values = [int(Augment(colour=0.2)(flat, spec, rng)[0, 0, 0]) for _ in range(100)]
    assert 78 <= min(values) < 90 < 110 < max(values) <= 122


@pytest.mark.parametrize("settings", [{"scale": (2, 1)}, {"scale": (0, 1)}, {"colour": 1}])
def test_impossible_augmentation_is_refused(settings):
    with pytest.raises(UsageError, match="expected"):
        Augment(**settings)


def test_clothes_come_through_the_pipeline(shared):
    data = open_data(shared / "datasets" / "clothing-small" / "train")
    assert (len(data), len(data.classes), data.class_counts) == (500, 10, [50] * 10)
    spec = InputSpec((227, 227), mean=(104, 117, 123), resize=(256, 256))
    inputs, labels = next(iter(data.subset(range(0, 500, 50)).pipeline(spec)))
    assert inputs.shape == (10, 227, 227, 3)
    assert labels.tolist() == list(range(10))
    np.testing.assert_array_equal(inputs, Preprocessor(spec)(data.files[::50]))
    import cv2

    mean = np.float32(spec.mean)
    for file, row in zip(data.files[::50], inputs, strict=True):
        warped = cv2.resize(cv2.imread(str(file)), (256, 256))[14:241, 14:241]
        np.testing.assert_array_equal(row, warped.astype(np.float32) - mean)
