"""Statistics of what a layer makes of pictures, and a BatchNorm put behind it by them.

This runs the net, so it comes after `zoo.build` in the order of imports, unlike the operations
beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.build.predict import predictor
from zoo.errors import NetError, UsageError
from zoo.input_spec import InputSpec
from zoo.net import Net
from zoo.preprocess import Preprocessor, find_images, preprocess_batches
from zoo.surgery.call_text import call_text
from zoo.surgery.finish import node_named
from zoo.surgery.first_readers import picture_input
from zoo.surgery.graph import Graph
from zoo.surgery.insert_norm import insert_batch_norm
from zoo.surgery.report import SurgeryReport

__all__ = ["insert_measured_batch_norm", "measure"]

_BATCH = 32


def insert_measured_batch_norm(
    net: Net,
    after: str,
    images: str | Path | np.ndarray,
    input: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
) -> tuple[Net, SurgeryReport]:
    """`insert_batch_norm` with the mean and variance that pictures have there.

    Parameters
    ----------
    net : the network; it is not changed.
    after : the layer.
    images : a picture or a folder of pictures, a .npy file of inputs, or an array of them, (N, C,
        H, W), ready for the net.
    input : how a picture becomes the input, as in the ``input:`` section of a card; by default its
        pixels as they are, in the size of the input.
    name : of the BatchNorm, see `insert_batch_norm`.

    Raises
    ------
    UsageError, NetError

    Examples
    --------
    >>> import zoo
    >>> net = zoo.load("lenet_digits").net
    >>> pictures = np.random.default_rng(0).random((4, 1, 28, 28))
    >>> normed, report = insert_measured_batch_norm(net, "conv1", pictures)
    >>> report.added
    ('bn_conv1', 'scale_conv1')
    """
    mean, variance, count = measure(net, after, images, input)
    normed, report = insert_batch_norm(net, after, mean, variance, name=name)
    shown = None if isinstance(images, np.ndarray) else str(images)
    report.operation = call_text(
        "insert_measured_batch_norm", after=after, images=shown, input=input, name=name
    )
    report.notes = (*report.notes, f"statistics of {count:,} values a channel")
    return normed, report


def measure(
    net: Net,
    layer: str,
    images: str | Path | np.ndarray,
    input: Mapping[str, Any] | None = None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and variance of each channel of what a layer makes, and of how many values each.

    Parameters are those of `insert_measured_batch_norm`. What a later layer writes into the same
    blob does not count.
    """
    graph = Graph(net, [])
    node = node_named(graph, layer)
    _, value = picture_input(graph, None)
    if node.layer.is_source or not node.tops or len(node.tops[0].shape or ()) < 2:
        raise NetError("it makes nothing of the picture that has channels", layer)
    graph.kept.add(node.tops[0])
    graph.nodes = graph.nodes[: graph.nodes.index(node) + 1]
    for unneeded in graph.unneeded():
        graph.nodes.remove(unneeded)
    run = predictor(graph.net([]), [node.tops[0].blob])
    count, total, squares = 0, 0.0, 0.0
    offset: Any = None
    for batch in _batches(images, input, value.shape or ()):
        values = run({value.blob: batch})[node.tops[0].blob].astype(np.float64)
        columns = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
        # Squares of the differences from some mean keep their digits where values are large.
        offset = columns.mean(axis=1, keepdims=True) if offset is None else offset
        count += columns.shape[1]
        total = total + (columns - offset).sum(axis=1)
        squares = squares + ((columns - offset) ** 2).sum(axis=1)
    if not count:
        raise UsageError(f"no picture of {images} could be read")
    shift = np.asarray(total) / count
    return offset[:, 0] + shift, np.maximum(np.asarray(squares) / count - shift**2, 0), count


def _batches(
    images: str | Path | np.ndarray, input: Mapping[str, Any] | None, shape: tuple[int, ...]
) -> Iterator[np.ndarray]:
    """Arrays that the net can read."""
    if isinstance(images, str | Path) and Path(images).suffix == ".npy":
        try:
            images = np.load(images, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"images: cannot read {images}: {error}") from error
    if isinstance(images, np.ndarray):
        for start in range(0, len(images), _BATCH):
            yield images[start : start + _BATCH]
        return
    if len(shape) != 4 or (input is None and shape[1] not in (1, 3)):
        raise UsageError(f"images: pictures do not fit an input of shape {shape}; give a .npy file")
    channels = "GRAY" if shape[1] == 1 else "BGR"
    spec = (
        InputSpec((shape[2], shape[3]), channels)
        if input is None
        else InputSpec.from_mapping(input, "measure")
    )
    for batch in preprocess_batches(find_images([images]), Preprocessor(spec), _BATCH):
        for _, failure in batch.failures:
            raise failure
        yield np.ascontiguousarray(batch.array.transpose(0, 3, 1, 2))
