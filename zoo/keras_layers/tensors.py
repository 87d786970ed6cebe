"""From numpy views of weights to tensors, with the copying left to the backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo.caffe.weights import drop_pages

__all__ = ["tensor_of"]


def tensor_of(array: np.ndarray, shape: Sequence[int]) -> Any:
    """The values of a float32 array, in order, as a tensor of `shape`.

    A transposed view is handed over as it lies in memory and turned by the backend, whose threads
    do in a quarter of the time what numpy does in one.
    """
    order = np.argsort([-stride for stride in array.strides], kind="stable")
    as_it_lies = array.transpose(order)
    if not as_it_lies.flags.c_contiguous:
        return ops.reshape(ops.convert_to_tensor(np.ascontiguousarray(array)), shape)
    tensor = ops.convert_to_tensor(as_it_lies, dtype="float32")
    # Before it is turned: the largest blob is in memory twice then, not three times.
    drop_pages(array)
    if array.ndim > 1 and list(order) != list(range(array.ndim)):
        tensor = ops.transpose(tensor, np.argsort(order).tolist())
    return ops.reshape(tensor, shape)
