"""Reading and checking files of labels."""

import pytest

from zoo.errors import ParseError, UsageError
from zoo.labels import check_labels, read_labels


def written(tmp_path, data: bytes):
    path = tmp_path / "labels.txt"
    path.write_bytes(data)
    return path


def test_wordnet_ids_are_left_out_of_the_names(tmp_path):
    path = written(
        tmp_path, b"n01440764 tench, Tinca tinca\nn01443537\tgoldfish\nplain n01440764 x\n"
    )
    assert read_labels(path) == ["tench, Tinca tinca", "goldfish", "plain n01440764 x"]


def test_a_line_that_is_only_an_id_keeps_it(tmp_path):
    assert read_labels(written(tmp_path, b"n01440764\nn01443537 \n")) == ["n01440764", "n01443537"]


def test_byte_order_mark_windows_line_ends_and_trailing_blank_lines_do_not_matter(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbfcat\r\nd\xc3\xb4g\r\n\r\n \n")
    assert read_labels(path) == ["cat", "dôg"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"cat\nd\xf4g\n", r"labels.txt:2: .*UTF-8.*0xf4"),
        ("cat\n".encode("utf-16"), "UTF-8"),
        ("cat\n".encode("utf-16-le"), "NUL"),
        (b"", "no labels"),
        (b"\n\n", "no labels"),
        (b"cat\n\ndog\n", r"labels.txt:2: a blank line"),
    ],
)
def test_what_is_no_list_of_labels_is_refused_with_its_place(tmp_path, data, words):
    with pytest.raises(ParseError, match=words):
        read_labels(written(tmp_path, data))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent.txt: cannot read the labels: No such file"):
        read_labels(tmp_path / "absent.txt")


def test_another_number_of_outputs_is_refused_with_both_numbers():
    with pytest.raises(UsageError, match=r"labels.txt: 2 labels.* 1000 outputs"):
        check_labels(["cat", "dog"], 1000, "labels.txt")


def test_imagenet_labels_are_read_whole(shared):
    labels = read_labels(shared / "models" / "imagenet_synsets.txt")
    check_labels(labels, 1000, "imagenet_synsets.txt")
    assert labels[0] == "tench, Tinca tinca"
