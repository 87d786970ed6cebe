"""ImageData: pictures from a list of files (caffe/layers/image_data_layer.cpp).

A line of the list is a path, a blank and a whole number; the path may hold blanks. `root_folder` is
put in front of each path as it is, so it has to end with a slash. With `shuffle` the lines are put
in another order before every pass. `rand_skip` passes over fewer lines than it says, at the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, UsageError
from zoo.images import read_image
from zoo.resize import resize_bilinear
from zoo.transfer.databases import Batch, batch_rng
from zoo.transfer.databases.parallel import threads
from zoo.transfer.databases.picture_batch import check_layer, picture_batch
from zoo.transfer.databases.transform import Transformer

__all__ = ["batches", "read_list"]

Line = tuple[str, int]
# Beside the numbers of batches and passes, from which all other chance follows.
_SKIP = 2**32


def batches(
    layer: LayerParameter, folder: Path, phase: str, *, seed: int, start: int
) -> Iterator[Batch]:
    """The layer's batches, see `zoo.transfer.databases.open_source`."""
    param = layer.image_data_param
    check_layer(layer, param.batch_size)
    if bool(param.new_height) != bool(param.new_width):
        raise NetError("new_height and new_width of image_data_param go together", layer.name)
    transformer = Transformer(layer, folder, phase)
    lines = read_list(layer, folder / param.source)
    skip = 0
    if param.rand_skip:
        skip = int(batch_rng(layer, seed, _SKIP).integers(param.rand_skip))
        if skip >= len(lines):
            raise UsageError(
                f"layer {layer.name!r}: rand_skip passes over {skip} lines, but"
                f" {param.source} has {len(lines)}"
            )
    return _Reader(layer, folder, lines, transformer, seed).batches(start, skip)


@dataclass
class _Reader:
    layer: LayerParameter
    folder: Path
    lines: list[Line]
    transformer: Transformer
    seed: int

    def batches(self, start: int, skip: int) -> Iterator[Batch]:
        size = self.layer.image_data_param.batch_size
        lines = self._from(start * size + skip)
        with threads() as each:
            for number in count(start):
                taken = list(islice(lines, size))
                pictures = each(self._read, taken)
                labels = [label for _, label in taken]
                rng = (
                    batch_rng(self.layer, self.seed, number) if self.transformer.is_random else None
                )
                yield picture_batch(self.layer, pictures, labels, self.transformer, rng)

    def _from(self, place: int) -> Iterator[Line]:
        """The lines from one on, counted through all passes."""
        first, left = divmod(place, len(self.lines))
        for number in count(first):
            order = np.arange(len(self.lines))
            if self.layer.image_data_param.shuffle:
                order = batch_rng(self.layer, self.seed, number).permutation(order)
            for index in order[left:]:
                yield self.lines[index]
            left = 0

    def _read(self, line: Line) -> tuple[str, np.ndarray]:
        param = self.layer.image_data_param
        path = self.folder / (param.root_folder + line[0])
        pixels = read_image(path, gray=not param.is_color)
        if param.new_height:
            pixels = resize_bilinear(pixels, (param.new_height, param.new_width))
        return str(path), pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def read_list(layer: LayerParameter, source: Path) -> list[Line]:
    """The lines of a list: path and label.

    Raises
    ------
    UsageError
        When it cannot be read, is empty, or a line has no whole number at its end.
    """
    try:
        text = source.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(
            f"layer {layer.name!r}: cannot read the source {source}: {error.strerror}. Expected a"
            " text file with a path and a label on each line; the path of the list is relative to"
            " the current folder, as in Caffe."
        ) from None
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        name, _, label = line.rstrip().rpartition(" ")
        try:
            lines.append((name, int(label)))
        except ValueError:
            raise UsageError(
                f"layer {layer.name!r}: {source}:{number}: expected a path, a blank and a whole"
                f" number, received {line!r}"
            ) from None
    if not lines:
        raise UsageError(f"layer {layer.name!r}: the source {source} lists no picture")
    return lines
