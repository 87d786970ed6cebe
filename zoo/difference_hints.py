"""In what a blob differs from its reference, where that has a name.

Most imported networks go wrong in front of their first layer: another mean, RGB for BGR, values of
0..1 for 0..255. Such a blob is its reference turned and stretched: after one of a few moves it is,
in each channel, ``factor * reference + offset``. That is fitted, and told if it explains nearly all
of the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["explain"]

_EXPLAINED = 0.9
"""The part of the difference (of its squares) that an explanation must account for."""

_FACTORS = {"1/255": 1 / 255, "255": 255.0, "1/128": 1 / 128, "128": 128.0, "1/127.5": 1 / 127.5}

_REARRANGED: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("", lambda blob: blob),
    (
        "its channels stand in reverse order (RGB for BGR, or the other way round)",
        lambda b: b[:, ::-1],
    ),
    ("its rows and columns are exchanged", lambda blob: blob.swapaxes(2, 3)),
    ("it is mirrored from left to right", lambda blob: blob[..., ::-1]),
    ("it is upside down", lambda blob: blob[:, :, ::-1]),
    (
        "its channels stand in reverse order and rows and columns are exchanged",
        lambda blob: blob[:, ::-1].swapaxes(2, 3),
    ),
)


class _Fit(NamedTuple):
    how: str
    factors: np.ndarray
    offsets: np.ndarray
    explained: float


def explain(received: np.ndarray, reference: np.ndarray, *, is_input: bool) -> list[str]:
    """Sentences about how `received` comes from `reference`; none where it is not plain.

    Parameters
    ----------
    received, reference : one blob, (N, C, ...).
    is_input : whether the blob is what preprocessing made; then rearranged pictures are tried too.

    Examples
    --------
    >>> reference = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4)
    >>> explain(reference / 255, reference, is_input=False)
    ['It is 0.00392157 (1/255) times the reference.']
    """
    if not np.isfinite(received).all():
        return [_not_finite("It", received)]
    if not np.isfinite(reference).all():
        return [_not_finite("The reference", reference)]
    if received.shape != reference.shape:
        return _other_shape(received.shape, reference.shape)
    if received.ndim < 2:
        return []
    fits = [
        fit
        for how, rearrange in (_REARRANGED if is_input and received.ndim == 4 else _REARRANGED[:1])
        if (fit := _fit(how, rearrange(received), received, reference)) is not None
    ]
    # Of equally good ones the first, which is the simplest.
    best = max(fits, key=lambda fit: round(fit.explained, 4), default=None)
    if best is not None and best.explained >= _EXPLAINED:
        return _sentences(best, is_input)
    return _one_picture_added(received, reference) if is_input else []


def _fit(
    how: str, rearranged: np.ndarray, received: np.ndarray, reference: np.ndarray
) -> _Fit | None:
    """factor and offset of each channel by least squares, and what they explain."""
    if rearranged.shape != reference.shape:
        return None
    axes = (0, *range(2, reference.ndim))
    x, y = reference.astype(np.float64), rearranged.astype(np.float64)
    x_mean, y_mean = x.mean(axes, keepdims=True), y.mean(axes, keepdims=True)
    spread = ((x - x_mean) ** 2).mean(axes, keepdims=True)
    together = ((x - x_mean) * (y - y_mean)).mean(axes, keepdims=True)
    factors = np.divide(together, spread, out=np.ones_like(spread), where=spread > 0)
    difference = float(((received - x) ** 2).mean())

    def left(slopes: np.ndarray) -> float:
        return float(((y - y_mean - slopes * (x - x_mean)) ** 2).mean())

    enough = 1.02 * left(factors) + 1e-8 * float((y**2).mean())
    one, common = np.ones_like(factors), np.full_like(factors, np.median(factors))
    factors = next(slopes for slopes in (one, common, factors) if left(slopes) <= enough)
    explained = 1 - left(factors) / difference if difference else 0.0
    return _Fit(how, factors.ravel(), (y_mean - factors * x_mean).ravel(), explained)


def _sentences(fit: _Fit, is_input: bool) -> list[str]:
    said = []
    if fit.how:
        said.append(f"Against the reference {fit.how}.")
    factors, offsets = fit.factors, fit.offsets
    if not np.allclose(factors, 1, rtol=1e-3):
        said.append(
            f"{'Then it' if said else 'It'} is {_factor_text(factors)} times the reference."
        )
    largest = np.abs(offsets).max()
    if largest > 1e-3 * max(1.0, float(np.abs(factors).max())):
        said.append(f"A constant is added to each channel: {_numbers(offsets)}.")
        if is_input and np.allclose(factors, 1, rtol=1e-3):
            said.append(
                "Preprocessing subtracts a mean, so the mean here is not the reference's: it is"
                f" {_numbers(-offsets)} away from it. Look at the mean file or the mean values."
            )
    if said and fit.explained < 0.999:
        said.append(f"That explains {fit.explained:.1%} of the difference.")
    return said


def _factor_text(factors: np.ndarray) -> str:
    if not np.allclose(factors, factors[0], rtol=1e-3):
        return f"{_numbers(factors)} (by channel)"
    known = next((n for n, value in _FACTORS.items() if np.isclose(value, factors[0], 1e-3)), None)
    return f"{factors[0]:.6g}" + (f" ({known})" if known else "")


def _numbers(values: np.ndarray) -> str:
    # Adding 0 makes a negative zero a positive one.
    shown = ", ".join(f"{round(value, 4) + 0.0:+.4g}" for value in values[:6].tolist())
    return f"{shown}, ... ({len(values)} channels)" if len(values) > 6 else shown


def _one_picture_added(received: np.ndarray, reference: np.ndarray) -> list[str]:
    """Whether all pictures of a batch differ by the same picture, as with another mean file."""
    difference = received.astype(np.float64) - reference
    left = ((difference - difference.mean(0)) ** 2).mean()
    if len(difference) < 2 or left > (1 - _EXPLAINED) * (difference**2).mean():
        return []
    return [
        f"One and the same picture is added to all {len(difference)} of them. Preprocessing"
        " subtracts a mean, so the mean picture here is not the reference's. Look at the mean file,"
        " and at where it is cropped."
    ]


def _not_finite(which: str, blob: np.ndarray) -> str:
    nan, infinite = int(np.isnan(blob).sum()), int(np.isinf(blob).sum())
    return f"{which} has {nan} NaN and {infinite} infinite values among {blob.size}."


def _other_shape(received: tuple[int, ...], reference: tuple[int, ...]) -> list[str]:
    if len(received) == len(reference) == 4:
        n, c, h, w = reference
        if received == (n, h, w, c):
            return ["Its channels are last; Caffe's order is (N, C, H, W): transpose(0, 3, 1, 2)."]
        if received == (n, c, w, h):
            return ["Its height and width are exchanged."]
    if received[1:] == reference[1:]:
        return [f"It holds {received[0]} pictures, the reference {reference[0]}."]
    return []
