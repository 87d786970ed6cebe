"""Chance for training pictures: mirrored, cut anywhere, larger or smaller, other colours.

What is drawn follows from the generator that is handed over alone, so the same seed gives the same
pictures, however many threads make them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.input_spec import InputSpec
from zoo.resize import Bytes, Window, resize_bilinear

__all__ = ["Augment"]

# What a colour weighs in the brightness, blue, green, red (BT.601).
_LUMA = np.array([0.114, 0.587, 0.299], np.float32)


@dataclass(frozen=True)
class Augment:
    """How a training picture may differ from the one that was taken.

    Parameters
    ----------
    mirror : turn left and right in one half of the cases.
    crop : cut the input anywhere from the warped picture; False for its centre. A model whose card
        states no `resize` leaves nothing to choose from, unless `scale` does.
    scale : (least, most); the size that the picture is warped to is multiplied by a number from
        between, but never becomes smaller than the input.
    colour : 0 for none; with 0.2, brightness, contrast and saturation change by up to a fifth.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> picture = np.zeros((50, 60, 3), np.uint8)
    >>> Augment(scale=(1, 1.25))(picture, InputSpec((32, 32), resize=(40, 40)), rng).shape
    (32, 32, 3)
    """

    mirror: bool = True
    crop: bool = True
    scale: tuple[float, float] = (1.0, 1.0)
    colour: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise UsageError(f"scale: expected (least, most) above 0, received {self.scale}.")
        if not 0 <= self.colour < 1:
            raise UsageError(f"colour: expected 0 to below 1, received {self.colour}.")

    def __call__(self, pixels: Bytes, spec: InputSpec, rng: np.random.Generator) -> Bytes:
        """One picture as it may be seen.

        Parameters
        ----------
        pixels : uint8 array of shape (height, width) or (height, width, 3), BGR.
        spec : what the model wants; size and resize count.
        rng : where chance comes from.

        Returns
        -------
        uint8 array of the spec's size, with the channels of `pixels`.
        """
        factor = rng.uniform(*self.scale) if self.scale[0] < self.scale[1] else self.scale[0]
        target = _target(spec, factor)
        window = _window(target, spec.size, rng if self.crop else None)
        cut = resize_bilinear(pixels, target, window)
        if self.mirror and rng.integers(2):
            cut = cut[:, ::-1]
        return _recoloured(cut, self.colour, rng) if self.colour else cut


def _target(spec: InputSpec, factor: float) -> tuple[int, int]:
    height, width = spec.resize or spec.size
    return (
        max(spec.size[0], round(height * factor)),
        max(spec.size[1], round(width * factor)),
    )


def _window(
    whole: tuple[int, int], size: tuple[int, int], rng: np.random.Generator | None
) -> Window:
    room = (whole[0] - size[0], whole[1] - size[1])
    if rng is None:
        top, left = room[0] // 2, room[1] // 2
    else:
        top, left = int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))
    return (top, left, *size)


def _recoloured(pixels: Bytes, most: float, rng: np.random.Generator) -> Bytes:
    """Brightness, contrast and saturation, in this order, each by a factor of its own."""
    brightness, contrast, saturation = rng.uniform(1 - most, 1 + most, 3).astype(np.float32)
    values: NDArray[np.float32] = pixels.astype(np.float32) * brightness
    grey = values @ _LUMA if values.ndim == 3 else values
    values = (values - grey.mean()) * contrast + grey.mean()
    if values.ndim == 3:
        grey = (values @ _LUMA)[..., None]
        values = (values - grey) * saturation + grey
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
