"""The parts of pictures that excite a unit most (Zeiler and Fergus, 2014, figure 2).

Of each picture the place with the largest value of the unit counts, and what is shown is the part
of the picture that this value sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.build.predict import predictor
from zoo.errors import UsageError
from zoo.images import find_images
from zoo.loaded import LoadedModel
from zoo.preprocess import preprocess_batches
from zoo.receptive_field import ReceptiveField, receptive_fields
from zoo.resize import Bytes
from zoo.visual.grid import tiled
from zoo.visual.model_input import as_seen, loaded_model
from zoo.visual.place import Place
from zoo.visual.unit import check_unit

__all__ = ["TopImage", "TopImages", "top_images"]


@dataclass(frozen=True)
class TopImage:
    """A picture in which a unit is excited.

    Attributes
    ----------
    file : the picture.
    value : the largest of the unit in it.
    position : where that is in the blob: (row, column), or () where the unit is one value.
    place : the pixels that it sees, as far as they are in the picture.
    patch : these pixels, uint8, RGB.
    """

    file: Path
    value: float
    position: tuple[int, ...]
    place: Place
    patch: Bytes


@dataclass(frozen=True)
class TopImages:
    """The pictures that excite a unit most, the first most of all.

    Attributes
    ----------
    images : them.
    failures : (file, reason) of those that could not be read.
    """

    images: tuple[TopImage, ...]
    failures: tuple[tuple[Path, str], ...]

    def grid(self) -> Bytes:
        """Their patches in a grid, each in the middle of its cell, (rows, columns, 3) uint8."""
        height = max(image.patch.shape[0] for image in self.images)
        width = max(image.patch.shape[1] for image in self.images)
        cells = np.full((len(self.images), height, width, 3), 128, np.uint8)
        for cell, image in zip(cells, self.images, strict=True):
            rows, columns = image.patch.shape[:2]
            top, left = (height - rows) // 2, (width - columns) // 2
            cell[top : top + rows, left : left + columns] = image.patch
        return tiled(cells)


def top_images(
    model: LoadedModel | str | Path,
    images: Sequence[str | Path] | str | Path,
    blob: str,
    unit: int,
    *,
    count: int = 9,
    batch_size: int = 32,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TopImages:
    """The pictures of a folder that excite one unit of a blob most, and by which part.

    Parameters
    ----------
    model : a loaded model, or what `zoo.load` takes.
    images : files, folders (to the bottom) and patterns. Equal values stay in their order.
    blob : the name of a blob.
    unit : which of its channels.
    count : so many pictures at most.
    batch_size : pictures in a forward pass.
    device : see `zoo.run`.
    progress : called with how many pictures are done and how many there are.

    Raises
    ------
    UsageError
        When there is no such blob or unit, or not one picture can be read.

    Examples
    --------
    >>> found = top_images("lenet_digits", "examples/digits", "conv1", 3, count=2)
    >>> [image.place.width for image in found.images]
    [5, 5]
    """
    if count < 1:
        raise UsageError(f"count: expected 1 or more, received {count}")
    model = loaded_model(model)
    check_unit(model.net, blob, unit)
    paths = find_images([images] if isinstance(images, str | Path) else images)
    source = next(iter(model.net.inputs))
    found: list[_Peak] = []
    failures: list[tuple[Path, str]] = []
    for batch in preprocess_batches(paths, model.preprocess, batch_size):
        failures += [(path, str(error)) for path, error in batch.failures]
        if batch.paths:
            run = predictor(model.net, [blob], device)  # built once there is something to run
            values = run({source: np.moveaxis(batch.array, -1, 1)})[blob]
            for path, maps in zip(batch.paths, values[:, unit], strict=True):
                if np.isfinite(maps).all():
                    found.append(_Peak.of(path, maps))
                else:
                    failures.append((path, f"{path}: unit {unit} of {blob} is not finite"))
        if progress is not None:
            progress(len(found) + len(failures), len(paths))
    if not found:
        raise UsageError(f"not one picture can be read; {failures[0][1]}")
    best = sorted(found, key=lambda peak: -peak.value)[:count]
    field = receptive_fields(model.net)[blob]
    return TopImages(tuple(_shown(model, field, peak) for peak in best), tuple(failures))


class _Peak(NamedTuple):
    """The largest value of a unit in one picture, and where it is."""

    path: Path
    value: float
    position: tuple[int, ...]

    @classmethod
    def of(cls, path: Path, maps: NDArray[Any]) -> _Peak:
        position = np.unravel_index(int(np.argmax(maps)), maps.shape)
        return cls(path, float(maps[position]), tuple(int(index) for index in position))


def _shown(model: LoadedModel, field: ReceptiveField | None, peak: _Peak) -> TopImage:
    """A peak with the part of the picture that it sees; all of it where that is not known."""
    picture = as_seen(model.preprocess.caffe([peak.path]), model.preprocess.spec)[0]
    size = picture.shape[:2]
    place = Place(0, 0, size[1], size[0])
    if field is not None and None not in field.start and len(peak.position) == 2:
        rows, columns = field.pixels(*peak.position)
        place = Place.spanning(rows, columns, size)
    patch = picture[place.top : place.top + place.height, place.left : place.left + place.width]
    return TopImage(*peak, place, patch)
