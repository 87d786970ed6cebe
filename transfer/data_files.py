"""Rows that are files: a folder of class folders, a list, a CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.errors import UsageError
from zoo.images import find_images
from zoo.transfer.data_rows import Labels, Rows, class_labels, named_labels

__all__ = ["read_csv", "read_folder", "read_list"]

_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
_PATH_TITLES = frozenset({"path", "file", "filename", "file_name", "image", "name", "key"})
_LABEL_TITLES = frozenset({"label", "class", "category", "target"})


def read_folder(folder: Path) -> Rows:
    """Pictures in one folder for each class, in the order of their names; or all in one folder.

    Raises
    ------
    UsageError
        When a class has no picture, pictures lie beside the folders of classes, or the folders are
        splits (train, validation) rather than classes.
    """
    places = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not places:
        files = find_images([folder])
        return _of_files("folder", files, _relative(files, folder))
    splits = [place.name for place in places if place.name.lower() in _SPLITS]
    if splits:
        raise UsageError(
            f"{folder} holds {', '.join(splits)}, which are parts of the data and no classes."
            f" Open one of them: {folder / splits[0]}"
        )
    found = {place.name: _pictures_of(place) for place in places}
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise UsageError(
            f"{folder}: no pictures for {len(empty)} of {len(found)} classes:"
            f" {', '.join(map(repr, empty[:10]))}. Add some, or remove the folder."
        )
    files = [file for of_class in found.values() for file in of_class]
    labels = np.repeat(np.arange(len(found)), [len(of_class) for of_class in found.values()])
    keys = _relative(files, folder)
    _check_nothing_beside(folder)
    return _of_files("folder", files, keys, labels.astype(np.int64), tuple(found))


def read_list(path: Path) -> Rows:
    """A path and labels on each line, as Caffe's tools have it; the path may hold blanks.

    One whole number is a class, several numbers or one with a point are numbers to be met, one word
    is the name of a class. Where each line as a whole is a file there are no labels. Paths are
    relative to the folder of the list, or else to the current one.

    Raises
    ------
    UsageError
        When lines have no or not the same number of labels, or files are missing.
    """
    lines = [line.rstrip() for line in _text(path).split("\n") if line.strip()]
    if not lines:
        raise UsageError(f"{path} lists no picture")
    if all(_exists(line, path) for line in lines):
        return _of_files("list", _located(lines, path), lines)
    numbers = min(_trailing_numbers(line.split()) for line in lines)
    # The end of a name can look like a label: "beach 2.jpg" cannot, "beach 2" can.
    while numbers > 1 and not _exists(lines[0].rsplit(None, numbers)[0], path):
        numbers -= 1
    count = max(numbers, 1)
    rows = [line.rsplit(None, count) for line in lines]
    short = next((line for line, row in zip(lines, rows, strict=True) if len(row) <= count), None)
    if short is not None:
        raise UsageError(
            f"{path}: {short!r} has no label; expected a path, a blank and a label, or nothing but"
            " paths of files that are there"
        )
    names = [row[0] for row in rows]
    labels, classes = _labels([row[1:] for row in rows], str(path))
    return _of_files("list", _located(names, path), names, labels, classes)


def read_csv(path: Path) -> Rows:
    """Columns path and label, or path and several numbers, between commas, semicolons or tabs.

    A line of headings may say in which column the path is, and in which the label where there are
    other columns too; it names the numbers.

    Raises
    ------
    UsageError
        When rows have no or not the same number of labels, or files are missing.
    """
    lines = _text(path).splitlines()
    between = next((mark for mark in ",;\t" if lines and mark in lines[0]), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=between) if row]
    if not rows:
        raise UsageError(f"{path} lists no picture")
    titles, places = _columns(rows[0])
    rows = rows[1:] if titles else rows
    if not rows:
        raise UsageError(f"{path} lists no picture")
    width = len(titles or rows[0])
    wrong = next((row for row in rows if len(row) != width or width < 2), None)
    if wrong is not None:
        raise UsageError(
            f"{path}: expected {max(width, 2)} columns (path, label), received {','.join(wrong)!r}"
        )
    names = [row[places[0]] for row in rows]
    labels, classes = _labels([[row[place] for place in places[1:]] for row in rows], str(path))
    if labels.ndim == 2 and titles:
        classes = tuple(titles[place] for place in places[1:])
    return _of_files("csv", _located(names, path), names, labels, classes)


def _columns(first: Sequence[str]) -> tuple[Sequence[str], list[int]]:
    """The headings, if the first row has any, and the places of the path and of the labels."""
    places = list(range(len(first)))
    lower = [cell.lower() for cell in first]
    path = next((place for place in places if lower[place] in _PATH_TITLES), None)
    label = next((place for place in places if lower[place] in _LABEL_TITLES), None)
    if path is None or (path > 0 and label is None):  # a class may be called "key"
        return (), places
    others = [place for place in places if place != path] if label is None else [label]
    return first, [path, *others]


def _of_files(
    kind: str,
    files: Sequence[Path],
    keys: Sequence[str],
    labels: Labels | None = None,
    classes: tuple[str, ...] = (),
) -> Rows:
    return Rows(kind, keys, lambda index: files[index], labels, classes, files)


def _pictures_of(place: Path) -> list[Path]:
    try:
        return find_images([place])
    except UsageError:
        return []


def _check_nothing_beside(folder: Path) -> None:
    beside = [p for p in find_images([folder]) if p.parent == folder]
    if beside:
        raise UsageError(
            f"{folder}: {len(beside)} picture(s) lie beside the folders of the classes and belong"
            f" to none, such as {beside[0].name}. Move them into a folder."
        )


def _relative(files: Sequence[Path], folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in files]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _trailing_numbers(words: Sequence[str]) -> int:
    """How many words at the end are numbers; the first word is always part of the path."""
    count = 0
    while count < len(words) - 1 and _is_number(words[-1 - count]):
        count += 1
    return count


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labels(columns: Sequence[Sequence[str]], where: str) -> tuple[Labels, tuple[str, ...]]:
    if not all(_is_number(cell) for cells in columns for cell in cells):
        if len(columns[0]) > 1:
            wrong = next(cell for cells in columns for cell in cells if not _is_number(cell))
            raise UsageError(f"{where}: {wrong!r} is no number, but rows have several labels")
        return named_labels([cells[0] for cells in columns], where)
    numbers = np.array([[float(cell) for cell in cells] for cells in columns])
    if numbers.shape[1] == 1 and all(cells[0].lstrip("+-").isdecimal() for cells in columns):
        return class_labels(numbers.astype(np.int64), where)
    return numbers.astype(np.float32), ()


def _exists(name: str, listing: Path) -> bool:
    return (listing.parent / name).exists() or Path(name).exists()


def _located(names: Sequence[str], listing: Path) -> list[Path]:
    """The file of each name; all that are missing are told at once."""
    beside = [listing.parent / name for name in names]
    files = [
        file if file.is_file() else Path(name) for file, name in zip(beside, names, strict=True)
    ]
    missing = [name for file, name in zip(files, names, strict=True) if not file.is_file()]
    if missing:
        shown = "".join(f"\n  {name}" for name in missing[:10])
        more = f"\n  and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise UsageError(
            f"{listing}: {len(missing)} of {len(names)} files are missing, looked for in"
            f" {listing.parent} and {Path.cwd()}:{shown}{more}"
        )
    return files
