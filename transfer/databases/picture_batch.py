"""What Data and ImageData have in common: pictures of one shape and their labels in a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.caffe.schema.caffe_pb2 import LayerParameter
from zoo.errors import NetError, UsageError
from zoo.transfer.databases import Batch
from zoo.transfer.databases.datum import Values
from zoo.transfer.databases.transform import Transformer

__all__ = ["check_layer", "picture_batch"]


def check_layer(layer: LayerParameter, batch_size: int) -> None:
    """Refuse what no batch can be made for.

    Raises
    ------
    NetError
    """
    if batch_size < 1:
        raise NetError("needs a batch_size of 1 or more", layer.name)
    if len(layer.top) not in (1, 2):
        raise NetError(
            f"has {len(layer.top)} tops; expected the pictures, and their labels if wanted",
            layer.name,
        )


def picture_batch(
    layer: LayerParameter,
    pictures: Sequence[tuple[str, Values]],
    labels: Sequence[float],
    transformer: Transformer,
    rng: np.random.Generator | None,
) -> Batch:
    """Transformed pictures as (N, C, H, W), and labels as (N,) where a second top asks for them.

    Raises
    ------
    UsageError
        When the pictures end up in different shapes; names the first that differs.
    """
    done = [transformer(values, rng, where) for where, values in pictures]
    for (where, _), picture in zip(pictures, done, strict=True):
        if picture.shape != done[0].shape:
            raise UsageError(
                f"layer {layer.name!r}: {where} has the shape {picture.shape} (channels, height,"
                f" width), the first of its batch, {pictures[0][0]}, {done[0].shape}. Give all one"
                " size (new_height and new_width of ImageData, crop_size), use a batch_size of 1,"
                " or force_color / force_gray where some are grey"
            )
    batch = {layer.top[0]: np.stack(done)}
    if len(layer.top) > 1:
        batch[layer.top[1]] = np.array(labels, np.float32)
    return batch
