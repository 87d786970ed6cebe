"""`zoo data inspect` finds what is wrong with a dataset."""

import numpy as np
import pytest
from PIL import Image

from zoo.transfer.data import open_data
from zoo.transfer.inspect_data import inspect_data


def picture(seed, size=(70, 80), grey=False):
    rng = np.random.default_rng(seed)
    shape = size if grey else (*size, 3)
    return Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture
def photos(tmp_path):
    for number in range(3):
        for name in ("ant", "bee"):
            path = tmp_path / "train" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(hash((name, number)) % 2**31).save(path)
    return tmp_path / "train"


def test_a_good_dataset_has_no_problems(photos):
    report = inspect_data(open_data(photos))
    assert report.problems == []
    assert report.class_counts == {"ant": 3, "bee": 3}
    assert (report.rows, report.heights, report.widths) == (6, (70, 70, 70), (80, 80, 80))


def test_mean_and_deviation_are_over_all_pixels(photos):
    Image.new("RGB", (200, 100), (10, 20, 250)).save(photos / "ant" / "large.png")
    data = open_data(photos)
    report = inspect_data(data)
    pixels = np.concatenate([data.picture(index).reshape(-1, 3) for index in range(len(data))])
    np.testing.assert_allclose(report.mean, pixels.mean(axis=0))
    np.testing.assert_allclose(report.deviation, pixels.std(axis=0))


def test_odd_pictures_are_listed(photos):
    folder = photos / "ant"
    picture(1, grey=True).save(folder / "grey.png")
    picture(2).convert("CMYK").save(folder / "cmyk.jpg")
    picture(3, (20, 90)).save(folder / "tiny.png")
    picture(4).convert("RGBA").save(folder / "alpha.png")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:500])
    report = inspect_data(open_data(photos))
    assert report.grey == ["ant/grey.png"]
    assert report.cmyk == ["ant/cmyk.jpg"]
    assert report.tiny == ["ant/tiny.png"]
    assert report.transparent == ["ant/alpha.png"]
    assert sorted(report.corrupt) == ["ant/cut.png", "ant/empty.png"]
    assert "0 bytes" in report.corrupt["ant/empty.png"]
    told = "\n".join(report.problems)
    for words in (
        "2 pictures that cannot be read",
        "1 picture in CMYK",
        "smaller than 64",
        "in grey",
    ):
        assert words in told


def test_the_same_pixels_are_found_in_other_files(photos, tmp_path):
    again = Image.open(photos / "ant" / "0.png")
    again.save(photos / "bee" / "copy.bmp")
    again.save(photos / "ant" / "copy.png")
    validation = tmp_path / "validation"
    (validation / "bee").mkdir(parents=True)
    Image.open(photos / "bee" / "1.png").save(validation / "bee" / "x.tiff")
    report = inspect_data(open_data(photos), open_data(validation))
    assert report.duplicates == [["ant/0.png", "ant/copy.png", "bee/copy.bmp"]]
    assert report.shared == [("bee/1.png", "bee/x.tiff")]
    told = "\n".join(report.problems)
    assert "2 pictures that come again" in told
    assert "different labels: ant/0.png, ant/copy.png, bee/copy.bmp" in told
    assert "in the validation data too: bee/1.png" in told


def test_balance_and_labels_are_looked_at(photos, tmp_path):
    lines = [f"ant/{n}.png 0\n" for n in (0, 1, 2)] * 2 + ["bee/0.png 2\n"]
    (photos / "list.txt").write_text("".join(lines))
    told = "\n".join(inspect_data(open_data(photos / "list.txt")).problems)
    assert "1 class(es) without a row: 1" in told
    assert "unbalanced: 6 rows of 0, 1 of 2" in told
    (photos / "list.txt").write_text("ant/0.png 1\nant/1.png 1\n")
    told = "\n".join(inspect_data(open_data(photos / "list.txt")).problems)
    assert "all rows have the same label" in told


def test_classes_that_are_only_validated_are_told(photos, tmp_path):
    (tmp_path / "validation" / "wasp").mkdir(parents=True)
    picture(9).save(tmp_path / "validation" / "wasp" / "a.png")
    report = inspect_data(open_data(photos), open_data(tmp_path / "validation"))
    assert report.problems == ["classes of the validation data that are never trained: wasp"]


def test_values_have_ranges_and_no_pictures(tmp_path):
    np.savez(tmp_path / "x.npz", data=np.ones((3, 4)), label=np.array([[1, 2], [3, 4], [0, 9.5]]))
    report = inspect_data(open_data(tmp_path / "x.npz"))
    assert report.label_range == [(0, 3), (2, 9.5)]
    assert report.mean == ()


def test_progress_is_told(photos):
    seen = []
    inspect_data(open_data(photos), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 6) for number in range(1, 7)]
