"""What a file of weights holds, whichever its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blobs", "StoredLayers"]

Blobs: TypeAlias = list[NDArray[np.float32] | None]
"""The blobs of one layer; None for one that another layer owns and the file has there."""


@dataclass(frozen=True)
class StoredLayers:
    """The layers of a file.

    Attributes
    ----------
    format : ``"current"``, ``"v1"``, ``"v0"`` (binary) or ``"hdf5"``.
    names : every layer, with blobs or without, in the order of the file.
    types : layer name -> type as the file has it; HDF5 files have none.
    blobs : layer name -> blobs, for the layers that have any.
    """

    format: str
    names: tuple[str, ...]
    types: dict[str, str]
    blobs: dict[str, Blobs]
