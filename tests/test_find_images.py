"""What files, folders and patterns on a command line stand for."""

import os

import pytest

from zoo.errors import UsageError
from zoo.images import find_images


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.JPEG", "a.png", "notes.txt", "sub/c.Jpg", "sub/.hidden.png", ".x/d.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(*arguments):
    return [path.as_posix() for path in find_images(arguments)]


def test_a_folder_is_searched_to_the_bottom_in_order():
    assert found("in") == ["in/a.png", "in/b.JPEG", "in/sub/c.Jpg"]


def test_patterns_stand_for_pictures():
    assert found("in/*") == ["in/a.png", "in/b.JPEG"]
    assert found("in/**/*.Jpg") == ["in/sub/c.Jpg"]


def test_a_named_file_is_taken_whatever_its_name():
    assert found("in/notes.txt") == ["in/notes.txt"]


def test_a_file_with_the_signs_of_a_pattern_in_its_name_is_that_file(tmp_path):
    (tmp_path / "cat[1].jpg").touch()
    assert found("cat[1].jpg") == ["cat[1].jpg"]


def test_arguments_keep_their_order_and_no_picture_comes_twice():
    assert found("in/b.JPEG", "in") == ["in/b.JPEG", "in/a.png", "in/sub/c.Jpg"]


@pytest.mark.parametrize("argument", ["nowhere", "none/*.png", "bare", "in/n*.txt", "x" * 5000])
def test_an_argument_that_stands_for_nothing_is_named(tmp_path, argument):
    (tmp_path / "bare").mkdir()
    with pytest.raises(UsageError, match=argument[:9].replace("*", r"\*")):
        find_images(["in", argument])


def test_a_folder_that_cannot_be_searched_is_an_error_not_fewer_pictures(tmp_path):
    place = os.open(tmp_path / "in", os.O_RDONLY)
    for _ in range(20):  # deeper than a path may be long
        os.mkdir("d" * 250, dir_fd=place)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = deeper
    os.close(place)
    with pytest.raises(UsageError, match="cannot be searched"):
        find_images(["in"])
