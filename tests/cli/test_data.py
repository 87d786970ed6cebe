"""`zoo data` on the command line."""

import numpy as np
import pytest
from PIL import Image

from zoo.caffe.mean import read_mean
from zoo.transfer.data import open_data


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("ant/a.png", "ant/b.png", "bee/c.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (70, 80, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


def test_inspect_shows_counts_and_sizes(run_zoo, photos):
    done = run_zoo("data", "inspect", photos)
    assert done.code == 0
    assert done.out.startswith("rows\t3\nsource\tfolder\nheight\t70 to 70, median 70\n")
    assert done.out.endswith("class\trows\nant\t2\nbee\t1\n")
    assert done.err == ""


def test_inspect_warns_and_only_strict_ends_with_2(run_zoo, photos):
    (photos / "bee" / "broken.png").write_bytes(b"no picture")
    done = run_zoo("data", "inspect", photos, "--val", photos)
    assert done.code == 0
    assert "1 picture that cannot be read: bee/broken.png" in done.err
    assert "3 pictures that are in the validation data too" in done.err
    done = run_zoo("data", "inspect", photos, "--strict", "--json")
    assert done.code == 2
    assert done.json["corrupt"].keys() == {"bee/broken.png"}
    assert done.json["class_counts"] == {"ant": 2, "bee": 2}


def test_convert_writes_once(run_zoo, photos, tmp_path):
    done = run_zoo("data", "convert", photos, "-o", tmp_path / "db", "--size", "20,30")
    assert (done.code, done.out) == (0, f"{tmp_path / 'db'}\n")
    assert open_data(tmp_path / "db").picture(0).shape == (20, 30, 3)
    again = run_zoo("data", "convert", photos, "-o", tmp_path / "db", "--json")
    assert again.code == 2
    assert "exists and was left as it is" in again.err + again.out


def test_show_writes_a_sheet(run_zoo, photos, tmp_path):
    target = tmp_path / "sheet.png"
    assert run_zoo("data", "show", photos, "-o", target, "--size", "16,24").code == 0
    with Image.open(target) as picture:
        assert picture.size == (8 * 24, 3 * 16)


def test_mean_writes_what_caffe_reads(run_zoo, photos, tmp_path):
    target = tmp_path / "mean.binaryproto"
    done = run_zoo("data", "mean", photos, "-o", target, "--json")
    data = open_data(photos)
    expected = np.mean([data.picture(index) for index in range(3)], axis=0).transpose(2, 0, 1)
    np.testing.assert_allclose(read_mean(target), expected, rtol=1e-6)
    np.testing.assert_allclose(done.json["channels"], expected.mean(axis=(1, 2)), rtol=1e-6)


def test_the_mean_of_several_sizes_needs_one(run_zoo, photos, tmp_path):
    Image.new("RGB", (9, 9)).save(photos / "bee" / "small.png")
    done = run_zoo("data", "mean", photos, "-o", tmp_path / "mean.npy")
    assert (done.code, (tmp_path / "mean.npy").exists()) == (2, False)
    assert "--size" in done.err
    done = run_zoo("data", "mean", photos, "-o", tmp_path / "mean.npy", "--size", "5x6")
    assert (done.code, read_mean(tmp_path / "mean.npy").shape) == (0, (3, 5, 6))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("inspect", "x", "-o", "y"), "zoo data inspect takes no -o"),
        (("convert", "x"), "zoo data convert needs -o OUT"),
        (("inspect", "nowhere"), "there is no such file or folder"),
        (("convert", "x", "-o", "y", "--size", "3"), "expected a height and a width"),
        (("inspct", "x"), "invalid choice"),
    ],
)
def test_mistakes_are_told(run_zoo, words, told):
    done = run_zoo("data", *words)
    assert done.code == 2
    assert told in done.err
