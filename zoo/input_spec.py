"""What a model wants as input, as its card says it: the ``input:`` section.

    input:
      size: [227, 227]          # height, width of the network's input; one number for a square
      channels: BGR             # or RGB, GRAY
      mean: [104, 117, 123]     # subtracted, in the order of channels; one number for all
      scale: 0.017              # then multiplied
      resize: 256               # the picture is first warped to this, then cropped centrally
      labels: synset_words.txt  # names of the outputs, one a line

It is Caffe's ``transform_param`` (``caffe/data_transformer.cpp``) with the size to warp to beside
it, and what is not stated is as there: BGR, nothing subtracted, not scaled. This module imports
neither numpy nor Pillow, so that cards are read quickly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import CardError, did_you_mean

__all__ = ["InputSpec"]

_CHANNELS = {"BGR": 3, "RGB": 3, "GRAY": 1}
_FIELDS = ("size", "channels", "mean", "scale", "resize", "labels")
_OTHER_NAMES = {"crop": "size", "channel_order": "channels"}  # crop_size is Caffe's word for size
_REMARKS = ("mean_file", "pixel_range", "note")  # facts for people; they change nothing
_CROP_RULE = " The size is what the network reads; what a picture is warped to before is 'resize'."
_LONGEST_SIDE = 10_000  # a card is not trusted to fill the memory


@dataclass(frozen=True)
class InputSpec:
    """How a picture becomes a network's input.

    Parameters
    ----------
    size : (height, width) of the input.
    channels : ``"BGR"``, ``"RGB"`` or ``"GRAY"``, the order in which the network has them.
    mean : subtracted from values of 0 to 255, one for each channel in that order; a single number
        counts for all.
    scale : multiplied after the mean was subtracted.
    resize : (height, width) that a picture is warped to before the crop of `size` is cut from its
        centre; None to warp straight to `size`.
    labels : the name of the file of labels, beside the card.

    Raises
    ------
    CardError
        If a value is impossible; the message names the field.

    Examples
    --------
    >>> InputSpec((227, 227), mean=(104, 117, 123), resize=(256, 256)).scale
    1.0
    """

    size: tuple[int, int]
    channels: str = "BGR"
    mean: tuple[float, ...] = (0.0,)
    scale: float = 1.0
    resize: tuple[int, int] | None = None
    labels: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _pair("size", self.size))
        if self.resize is not None:
            object.__setattr__(self, "resize", _pair("resize", self.resize))
        object.__setattr__(self, "channels", _channels(self.channels))
        object.__setattr__(self, "mean", _mean(self.mean, self.channels))
        object.__setattr__(self, "scale", _number("scale", self.scale))
        if self.scale == 0:
            raise _wrong("scale", "a number other than 0, which would blank every picture", 0)
        if self.labels is not None and (not isinstance(self.labels, str) or not self.labels):
            raise _wrong("labels", "the name of a file", self.labels)
        if self.resize and (self.resize[0] < self.size[0] or self.resize[1] < self.size[1]):
            raise _wrong("resize", f"at least the size {list(self.size)}", list(self.resize))

    @classmethod
    def from_mapping(cls, mapping: object, where: str) -> InputSpec:
        """Check the ``input:`` section of a card and make a spec of it.

        Parameters
        ----------
        mapping : what the YAML of the section says.
        where : the card, for messages.

        Raises
        ------
        CardError
            If the section is no mapping, has no size, has a field that is not known, or one with
            an impossible value. The message names `where` and the field.

        Examples
        --------
        >>> InputSpec.from_mapping({"size": 28, "channels": "GRAY"}, "lenet/readme.md").size
        (28, 28)
        """
        try:
            return cls(**_known_fields(mapping))
        except CardError as error:
            raise CardError(f"{where}: input section: {error}") from None

    def to_mapping(self) -> dict[str, Any]:
        """The section as plain YAML values; what has its default value is left out.

        >>> InputSpec((2, 2), "GRAY").to_mapping()
        {'size': [2, 2], 'channels': 'GRAY', 'mean': [0]}
        """
        section: dict[str, Any] = {
            "size": list(self.size),
            "channels": self.channels,
            "mean": [int(value) if value.is_integer() else value for value in self.mean],
        }
        if self.scale != 1:
            section["scale"] = self.scale
        if self.resize is not None:
            section["resize"] = list(self.resize)
        if self.labels is not None:
            section["labels"] = self.labels
        return section


def _known_fields(mapping: object) -> dict[str, Any]:
    """The stated fields by their own names, after checking that all are known."""
    if not isinstance(mapping, Mapping):
        raise CardError(f"expected fields such as 'size: [227, 227]', received {mapping!r}.")
    fields: dict[str, Any] = {}
    for name, value in mapping.items():
        field = _OTHER_NAMES.get(name, name)
        if field not in _FIELDS and field not in _REMARKS:
            known = (*_FIELDS, *_OTHER_NAMES, *_REMARKS)
            raise CardError(
                f"field {name!r} is not known; the fields are {', '.join(_FIELDS)}."
                f"{did_you_mean(str(name), known)}"
            )
        if field in fields and fields[field] != value:
            raise CardError(
                f"field {name!r} says {value!r}, but {field!r} is stated as {fields[field]!r}"
                f" already.{_CROP_RULE if field == 'size' else ''}"
            )
        if field in _FIELDS and value is not None:
            fields[field] = value
    if "size" not in fields:
        raise CardError("field 'size' is missing; expected [height, width], such as [227, 227].")
    return fields


def _wrong(field: str, expected: str, received: object) -> CardError:
    return CardError(f"field {field!r}: expected {expected}, received {received!r}.")


def _pair(field: str, value: object) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(pair) == 2 and all(
        isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= _LONGEST_SIDE
        for side in pair
    ):
        return pair
    raise _wrong(
        field, f"[height, width] or one number, of 1 to {_LONGEST_SIDE} pixels a side", value
    )


def _channels(value: object) -> str:
    name = str(value).upper()
    if name not in _CHANNELS:
        raise _wrong("channels", " or ".join(_CHANNELS), value)
    return name


def _mean(value: object, channels: str) -> tuple[float, ...]:
    count = _CHANNELS[channels]
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if len(values) not in (1, count):
        raise _wrong("mean", f"one number or {count}, in the order {channels}", value)
    numbers = tuple(_number("mean", number) for number in values)
    return numbers * count if len(numbers) == 1 else numbers


def _number(field: str, value: object) -> float:
    # YAML 1.1 reads 1e-2 as text, so text that is a number counts as one.
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise _wrong(field, "a number", value)
