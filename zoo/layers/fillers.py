"""First values of params, as Caffe's fillers draw them (include/caffe/filler.hpp).

The distributions are Caffe's; the numbers are numpy's, so a seed gives other values than the same
seed in Caffe. A fan is a number of connections of a param of shape (outputs, inputs, ...): fan_in
is count / shape[0], fan_out is count / shape[1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.caffe.schema.caffe_pb2 import FillerParameter
from zoo.errors import NetError, UsageError, did_you_mean

__all__ = ["fill", "generator"]

Array = npt.NDArray[np.floating[Any]]
Filler = Callable[[FillerParameter, tuple[int, ...], np.random.Generator], npt.NDArray[Any]]


def generator(seed: int) -> np.random.Generator:
    """Where randomness comes from; the same seed gives the same values.

    Raises
    ------
    UsageError
        For a seed below 0.
    """
    if seed < 0:
        raise UsageError(f"seed: expected 0 or more, received {seed}")
    return np.random.default_rng(seed)


def fill(
    filler: FillerParameter,
    shape: Sequence[int],
    rng: np.random.Generator,
    dtype: npt.DTypeLike = np.float32,
) -> Array:
    """Draw a param.

    Parameters
    ----------
    filler : which distribution, and its numbers.
    shape : the shape of the param, in Caffe's order: outputs first, then inputs.
    rng : where the randomness comes from; the same state gives the same values.
    dtype : a float type.

    Returns
    -------
    array of shape `shape`.

    Raises
    ------
    NetError
        The filler is of no known type, does not fit the shape, or its numbers make no sense.

    Examples
    --------
    >>> filler = FillerParameter(type="constant", value=0.5)
    >>> fill(filler, (2, 3), np.random.default_rng(0))
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5]], dtype=float32)
    """
    size = tuple(int(axis) for axis in shape)
    if filler.type not in _FILLERS:
        raise NetError(
            f"no filler of type {filler.type!r}.{did_you_mean(filler.type, _FILLERS)}"
            f" There are: {', '.join(_FILLERS)}."
        )
    if math.prod(size) <= 0:
        raise _misfit(filler, f"a param of shape {size} has nothing to fill")
    if filler.sparse != -1 and filler.type != "gaussian":
        raise _misfit(filler, "sparse is for the gaussian filler only")
    return _FILLERS[filler.type](filler, size, rng).astype(dtype, copy=False)


def _constant(
    filler: FillerParameter, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[Any]:
    return np.full(shape, filler.value, np.float32)


def _uniform(
    filler: FillerParameter, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[Any]:
    if filler.min > filler.max:
        raise _misfit(filler, f"min {filler.min:g} is above max {filler.max:g}")
    return _between(filler.min, filler.max, shape, rng)


def _gaussian(
    filler: FillerParameter, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Normal values; `sparse` is how many inputs of an output are not zero, on average."""
    if filler.std <= 0:
        raise _misfit(filler, f"std must be above 0, received {filler.std:g}")
    values = _normal(filler.mean, filler.std, shape, rng)
    if filler.sparse == -1:
        return values
    if not 0 <= filler.sparse <= shape[0]:
        raise _misfit(
            filler,
            f"sparse must lie between 0 and the first axis of the shape, {shape[0]},"
            f" received {filler.sparse}",
        )
    # Caffe divides by the outputs, not by the inputs, and so do networks that were tuned with it.
    return values * (rng.random(shape, np.float32) < filler.sparse / shape[0])


def _positive_unitball(
    filler: FillerParameter, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Values between 0 and 1 that sum to 1 for each output."""
    values = _between(0, 1, shape, rng)
    values /= values.sum(axis=tuple(range(1, len(shape))), keepdims=True)
    return values


def _xavier(
    filler: FillerParameter, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[Any]:
    limit = math.sqrt(3 / _fan(filler, shape))
    return _between(-limit, limit, shape, rng)


def _msra(
    filler: FillerParameter, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[Any]:
    return _normal(0, math.sqrt(2 / _fan(filler, shape)), shape, rng)


def _bilinear(
    filler: FillerParameter, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[Any]:
    """The kernel of bilinear interpolation, the same for each pair of output and input."""
    if len(shape) != 4 or shape[2] != shape[3]:
        raise _misfit(filler, f"expected a shape (outputs, inputs, k, k), received {shape}")
    kernel = shape[2]
    factor = math.ceil(kernel / 2)
    centre = (kernel - 1) / (2 * factor)
    line = 1 - np.abs(np.arange(kernel) / factor - centre)
    return np.broadcast_to(np.outer(line, line), shape).astype(np.float32)


_FILLERS: dict[str, Filler] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}


def _fan(filler: FillerParameter, shape: tuple[int, ...]) -> float:
    """The connections that `variance_norm` counts; for a single axis fan_out is the count."""
    count = math.prod(shape)
    fan_in = count / shape[0]
    fan_out = count / shape[1] if len(shape) > 1 else count
    if filler.variance_norm == FillerParameter.FAN_OUT:
        return fan_out
    if filler.variance_norm == FillerParameter.AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_in


def _between(
    low: float, high: float, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[Any]:
    # Drawn as float32: the first InnerProduct of VGG alone has 103 million weights.
    return rng.random(shape, np.float32) * np.float32(high - low) + np.float32(low)


def _normal(
    mean: float, deviation: float, shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[Any]:
    return rng.standard_normal(shape, np.float32) * np.float32(deviation) + np.float32(mean)


def _misfit(filler: FillerParameter, why: str) -> NetError:
    return NetError(f"filler {filler.type!r}: {why}.")
