"""A picture that excites a unit as much as possible, made by climbing its gradient.

Simonyan et al., 2014, with what Yosinski et al., 2015, found to help: the picture is drawn towards
the mean a little at each step, and blurred now and then. Each step also shifts the picture by a few
pixels, so that no pixel is treated apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.build.gradients import run_both_ways
from zoo.errors import UsageError
from zoo.input_spec import InputSpec
from zoo.layers.fillers import generator
from zoo.loaded import LoadedModel
from zoo.resize import Bytes
from zoo.visual.apart import apart
from zoo.visual.model_input import as_seen, loaded_model
from zoo.visual.unit import check_unit

__all__ = ["AscentPicture", "ascent"]

# In levels of 0 to 255: the noise at the start, and the mean amount of one step.
_NOISE, _STEP = 8.0, 4.0
_DECAY = 0.02
_SHIFT = 4
_STEPS_PER_BLUR = 4


@dataclass(frozen=True)
class AscentPicture:
    """A picture made for a unit.

    Attributes
    ----------
    picture : (height, width, 3) uint8, RGB.
    values : the unit's mean over its plane before each step, and at the end.
    """

    picture: Bytes
    values: tuple[float, ...]


def ascent(
    model: LoadedModel | str | Path,
    blob: str,
    unit: int,
    *,
    steps: int = 100,
    seed: int = 0,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AscentPicture:
    """Make a picture that excites a unit, from noise.

    Parameters
    ----------
    model : a loaded model, or what `zoo.load` takes.
    blob : the name of a blob; for a class the one before the softmax.
    unit : which of its channels.
    steps : how many to climb.
    seed : noise and shifts follow from it.
    device : see `zoo.run`.
    progress : called with how many steps are done and how many there are.

    Raises
    ------
    UsageError
        When there is no such blob or unit, or the seed is below 0.

    Examples
    --------
    >>> made = ascent("lenet_digits", "ip2", 2, steps=20)
    >>> made.picture.shape, made.values[-1] > made.values[0]
    ((28, 28, 3), True)
    """
    if steps < 1:
        raise UsageError(f"steps: expected 1 or more, received {steps}")
    model = loaded_model(model)
    check_unit(model.net, blob, unit)
    spec = model.preprocess.spec
    parts = apart(model.net, (blob,))
    source, target = next(iter(model.net.inputs)), parts.last[blob]
    start = np.zeros((1, *(parts.net.blobs[target] or ())[1:]), np.float32)
    start[0, unit] = 1 / max(1, start[0, unit].size)
    low, high, level = _range(spec)
    rng = generator(seed)
    values = []

    def climbed(picture: NDArray[Any]) -> NDArray[np.float64]:
        """The gradient there; the value is kept."""
        given = {source: picture.astype(np.float32)}
        found = run_both_ways(
            parts.net, given, {target: start}, [target], force_backward=True, device=device
        )
        values.append(float(found.values[target][0, unit].mean()))
        return found.blobs[source].astype(np.float64)

    shape = (1, len(spec.mean), *spec.size)
    picture = np.clip(rng.normal(0, _NOISE * level, shape), low, high)
    for step in range(steps):
        shift = tuple(int(each) for each in rng.integers(-_SHIFT, _SHIFT + 1, 2))
        moved = np.roll(picture, shift, (2, 3))
        gradient = climbed(moved)
        size = np.sqrt(np.square(gradient).mean())
        if size > 0:
            moved += gradient * (_STEP * level / size)
        if step % _STEPS_PER_BLUR == _STEPS_PER_BLUR - 1 and step < steps - 1:
            moved = _blurred(moved)
        back = (-shift[0], -shift[1])
        picture = np.clip(np.roll(moved * (1 - _DECAY), back, (2, 3)), low, high)
        if progress is not None:
            progress(step + 1, steps)
    climbed(picture)
    return AscentPicture(as_seen(picture, spec)[0], tuple(values))


def _range(spec: InputSpec) -> tuple[NDArray[Any], NDArray[Any], float]:
    """What inputs can be, (1, channels, 1, 1), and how much one level of a pixel is there."""
    mean = np.array(spec.mean, np.float64)[None, :, None, None]
    ends = (0 - mean) * spec.scale, (255 - mean) * spec.scale
    return np.minimum(*ends), np.maximum(*ends), abs(spec.scale)


def _blurred(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Each pixel a quarter of its neighbours on both sides and half of itself, in both axes."""
    for axis in (2, 3):
        picture = (np.roll(picture, 1, axis) + 2 * picture + np.roll(picture, -1, axis)) / 4
    return picture
