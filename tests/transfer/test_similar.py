"""Rows that are alike: found by an independent count, whatever is odd about some of them."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
from PIL import Image
from transfer_data import write_small_model

import zoo
from zoo.errors import ImageError, UnavailableError, UsageError
from zoo.transfer import comparable as comparable_module
from zoo.transfer.data import open_data
from zoo.transfer.feature_file import read_features, write_features
from zoo.transfer.feature_origin import model_of_features, picture_features
from zoo.transfer.features import Features
from zoo.transfer.similar import comparable, duplicates, nearest, positions


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve drawings of each of the digits 0 to 4, two of them stored twice."""
    from sklearn.datasets import load_digits

    top, digits = tmp_path_factory.mktemp("similar") / "photos", load_digits()
    for number, name in enumerate(["zero", "one", "two", "three", "four"]):
        (top / name).mkdir(parents=True)
        for index, row in enumerate(np.flatnonzero(digits.target == number)[:12]):
            pixels = np.clip(digits.images[row] * 16, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(top / name / f"{index:02}.png")
    for name, copy in (("two/03.png", "two/90.png"), ("one/01.png", "four/91.png")):
        (top / copy).write_bytes((top / name).read_bytes())
    return top


@pytest.fixture(scope="module")
def path(photos):
    path = photos.parent / "feats.h5"
    write_features(zoo.load("lenet_digits"), open_data(photos), ["ip1", "conv2"], path)
    return path


@pytest.fixture(scope="module")
def features(path):
    return read_features(path)


def made(values, labels=None, classes=()):
    values = np.asarray(values, np.float32)
    names = [f"{row}.png" for row in range(len(values))]
    return Features({"fc": values}, labels, names, classes)


def random_rows(rows=40, columns=9, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def cosines(rows):
    rows = rows.astype(np.float64).reshape(len(rows), -1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


def equal_bits(rows):
    bits = rows > rows.mean(axis=0)
    return (bits[:, None] == bits[None]).mean(axis=2)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("scale", [1, 1e-25, 1e30])
def test_nearest_rows_are_those_of_a_count_by_hand(binary, scale):
    rows = random_rows() * np.float32(scale)
    expected = (equal_bits if binary else cosines)(rows / np.float32(scale))[7]
    found = nearest(comparable(made(rows), binary=binary), rows[7], 12)
    assert [each.similarity for each in found] == pytest.approx(
        sorted(expected, reverse=True)[:12], abs=2e-6
    )
    assert [each.similarity for each in found] == pytest.approx(
        [expected[each.row] for each in found], abs=2e-6
    )
    assert found[0] == (7, "7.png", "", 1.0)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("above", [1, 0.6, 0, -1])
def test_pairs_are_those_of_a_count_by_hand(binary, above, monkeypatch):
    monkeypatch.setattr(comparable_module, "_BLOCK", 300)  # seven rows at a time
    rows = random_rows()
    rows[31] = 3 * rows[4]
    if binary:
        rows[31] = rows[4]
    every = (equal_bits if binary else cosines)(rows)
    first, second = np.triu_indices(len(rows), 1)
    expected = {
        (a, b): every[a, b]
        for a, b in zip(first, second, strict=True)
        if every[a, b] >= above - 1e-7
    }
    done = []
    found = duplicates(
        comparable(made(rows), binary=binary), above, progress=lambda *state: done.append(state)
    )
    assert {(a.row, b.row) for a, b, _ in found.pairs} == set(expected)
    assert found.count == len(expected)
    values = [similarity for *_, similarity in found.pairs]
    assert values == sorted(values, reverse=True)
    assert values == pytest.approx([expected[a.row, b.row] for a, b, _ in found.pairs], abs=2e-6)
    assert len(done) > 3
    assert done[-1] == (40, 40)


def test_of_too_many_pairs_the_most_similar_are_kept_and_all_are_counted(monkeypatch):
    monkeypatch.setattr(comparable_module, "_BLOCK", 300)
    rows = random_rows()
    among = comparable(made(rows))
    every, most = duplicates(among, -1), duplicates(among, -1, most=5)
    assert most.pairs == every.pairs[:5]
    assert most.count == every.count == 40 * 39 // 2


@pytest.mark.parametrize("above", [1.01, -2, float("nan")])
def test_a_similarity_that_none_can_have_is_refused(above):
    with pytest.raises(UsageError, match="above"):
        duplicates(comparable(made(random_rows())), above)


def test_rows_without_a_direction_are_named_and_left_out():
    rows = random_rows(8)
    rows[2], rows[3, 1], rows[5, 0] = 0, np.nan, np.inf
    rows[6] = 4  # constant, which is a direction like any other
    among = comparable(made(rows))
    assert among.left_out == ["2.png", "3.png", "5.png"]
    assert nearest(among, rows[6])[0][:2] == (6, "6.png")
    assert len(nearest(among, rows[7], 100)) == 5
    assert comparable(made(rows), binary=True).left_out == ["3.png", "5.png"]
    for wrong in (rows[2], rows[3], rows[5]):
        with pytest.raises(UsageError, match="take another blob"):
            nearest(among, wrong)


@pytest.mark.parametrize("rows", [np.zeros((3, 4)), np.full((3, 4), np.nan), np.empty((0, 4))])
def test_nothing_that_can_be_compared_is_an_error(rows):
    with pytest.raises(UsageError, match="no row"):
        comparable(made(rows))


def test_a_query_of_another_size_is_refused():
    with pytest.raises(UsageError, match="rows have 9 values, and what is looked for 4"):
        nearest(comparable(made(random_rows())), np.ones(4))


def test_rows_of_whole_planes_are_compared_value_by_value():
    rows = random_rows(10, 24).reshape(10, 2, 3, 4)
    found = nearest(comparable(made(rows)), rows[3], 10)
    assert [each.similarity for each in found] == pytest.approx(
        sorted(cosines(rows)[3], reverse=True), abs=2e-6
    )


def test_the_features_are_left_as_they_are():
    features = made(random_rows())
    nearest(comparable(features), features.arrays["fc"][0])
    np.testing.assert_array_equal(features.arrays["fc"], random_rows())


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (None, (), ["", ""]),
        (np.array([1, 0]), ("cat", "dog"), ["dog", "cat"]),
        (np.array([1, 7]), ("cat", "dog"), ["dog", "7"]),
        (np.array([[1, 0.5], [0, np.nan]]), ("x", "y"), ["1, 0.5", "0, nan"]),
        (np.array([np.nan, 2.5]), (), ["nan", "2.5"]),
        (np.array(["cat", "dog"]), (), ["cat", "dog"]),
    ],
)
def test_labels_of_every_kind_are_shown(labels, classes, expected):
    assert comparable(made([[1, 2], [2, 1]], labels, classes)).labels == expected


def test_which_blob_is_said_where_there_are_several(features):
    with pytest.raises(UsageError, match="of ip1, conv2; name one"):
        comparable(features)
    with pytest.raises(UsageError, match="Did you mean conv2"):
        comparable(features, "cnov2")


@pytest.mark.parametrize("binary", [False, True])
def test_neighbours_of_a_digit_are_of_its_class(features, binary):
    among = comparable(features, "ip1", binary=binary)
    right = [
        neighbour.label == among.labels[row]
        for row in range(len(among))
        for neighbour in nearest(among, features.arrays["ip1"][row], 5)[1:]
    ]
    assert np.mean(right) > 0.85


@pytest.mark.parametrize("blob", ["ip1", "conv2"])
def test_duplicates_are_the_pictures_that_were_stored_twice(features, blob):
    found = duplicates(comparable(features, blob), 1)
    assert [(a.file, b.file) for a, b, _ in found.pairs] == [
        ("four/91.png", "one/01.png"),
        ("two/03.png", "two/90.png"),
    ]


def test_a_picture_of_the_file_comes_first_with_all_it_was_computed_by(photos, tmp_path):
    path = tmp_path / "feats.npz"
    write_features(zoo.load("lenet_digits"), open_data(photos), ["conv2"], path, "max")
    features = read_features(path)
    model = model_of_features(features)
    values = picture_features(model, features, "conv2", photos / "three" / "05.png")
    row = features.files.index("three/05.png")
    np.testing.assert_allclose(values, features.arrays["conv2"][row], rtol=1e-5)
    assert nearest(comparable(features), values, 1)[0] == (row, "three/05.png", "three", 1.0)
    with pytest.raises(ImageError, match=r"none\.png"):
        picture_features(model, features, "conv2", photos / "none.png")


@pytest.mark.parametrize("ending", ["h5", "npz", "parquet"])
def test_the_preprocessing_is_that_of_the_file_and_other_weights_are_refused(tmp_path, ending):
    directory = write_small_model(tmp_path / "small")
    Image.new("RGB", (20, 16), (90, 20, 10)).save(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("a.png 0\n")
    path = tmp_path / f"feats.{ending}"
    write_features(zoo.load(directory), open_data(tmp_path / "list.txt"), ["conv1"], path)
    features = read_features(path)
    with pytest.raises(UnavailableError, match="made by 'small'.*--model takes its directory"):
        model_of_features(features)
    assert model_of_features(features, "small", [str(tmp_path)]).name == "small"
    readme = directory / "readme.md"
    readme.write_text(readme.read_text().replace("[100, 110, 120]", "[1, 2, 3]"))
    model = model_of_features(features, directory)
    assert model.spec.mean == (100, 110, 120)
    values = picture_features(model, features, "conv1", tmp_path / "a.png")
    np.testing.assert_allclose(values, features.arrays["conv1"][0], rtol=1e-4, atol=1e-6)
    with pytest.raises(UsageError, match="Did you mean small"):
        model_of_features(features, "lenet_digits")


def test_a_file_with_nothing_but_features_can_be_read(tmp_path):
    rows = random_rows(6)
    np.savez(tmp_path / "bare.npz", **{"features/mod/fc": rows})
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["features/mod/fc"] = rows
    for ending in ("npz", "h5"):
        features = read_features(tmp_path / f"bare.{ending}")
        among = comparable(features)
        assert (among.blob, among.files[5], among.labels[5]) == ("mod/fc", "row 5", "")
        with pytest.raises(UsageError, match="do not say which model.*--model"):
            model_of_features(features)
        assert model_of_features(features, "lenet_digits").name == "lenet_digits"


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("none.npz", {"data": np.zeros(3)}),
        ("single.npz", {"features/fc": np.float32(3)}),
        ("uneven.npz", {"features/fc": np.zeros((3, 2)), "labels": np.zeros(2)}),
    ],
)
def test_files_of_other_things_are_refused(tmp_path, name, arrays):
    np.savez(tmp_path / name, **arrays)
    with pytest.raises(UsageError, match="no file of features"):
        read_features(tmp_path / name)


def test_damaged_files_are_refused(tmp_path, path):
    np.savez(tmp_path / "whole.npz", **{"features/fc": random_rows()})
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:400])
    (tmp_path / "cut.h5").write_bytes(path.read_bytes()[:400])
    with h5py.File(tmp_path / "array.h5", "w") as file:
        file["features"] = random_rows()
    for name in ("cut.npz", "cut.h5", "array.h5"):
        with pytest.raises(UsageError, match="no file of features"):
            read_features(tmp_path / name)
    with pytest.raises(UsageError, match=r"no such file. Did you mean whole.npz\?"):
        read_features(tmp_path / "wole.npz")


def test_the_map_brings_classes_together_and_is_the_same_in_another_process(features, path):
    among = comparable(features, "ip1")
    mapped = positions(among)
    assert mapped.shape == (len(features), 2)
    distances = np.linalg.norm(mapped[:, None] - mapped[None], axis=2) + 1e9 * np.eye(len(mapped))
    labels = np.array(among.labels)
    assert np.mean(labels[distances.argmin(axis=1)] == labels) > 0.85
    code = (
        "import sys, json; from zoo.transfer.feature_file import read_features;"
        "from zoo.transfer.similar import comparable, positions;"
        "print(json.dumps(positions(comparable(read_features(sys.argv[1]), 'ip1')).tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    np.testing.assert_array_equal(np.float32(json.loads(done.stdout)), mapped)


@pytest.mark.parametrize("shape", [(4, 2), (4, 9), (5, 2), (60, 1), (60, 3), (60, 64)])
def test_a_map_of_any_shape_is_finite(shape):
    rows = random_rows(*shape) + (np.arange(shape[0], dtype=np.float32)[:, None] % 2)
    mapped = positions(comparable(made(rows)))
    assert mapped.shape == (shape[0], 2)
    assert np.isfinite(mapped).all()


@pytest.mark.parametrize("binary", [False, True])
def test_there_is_no_map_of_rows_that_are_all_the_same_or_too_few(binary):
    with pytest.raises(UsageError, match="all rows are the same"):
        positions(comparable(made(np.ones((10, 5))), binary=binary))
    with pytest.raises(UsageError, match="4 rows or more"):
        positions(comparable(made(random_rows(3)), binary=binary))
