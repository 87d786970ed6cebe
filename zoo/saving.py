"""Weights of a Net to a file that Caffe reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.caffe.hdf5 import write_hdf5_weights
from zoo.caffe.write import write_caffemodel
from zoo.errors import UsageError
from zoo.loading import owned_params

if TYPE_CHECKING:
    from zoo.net import Net

__all__ = ["write_weights"]


def write_weights(net: Net, path: str | Path, *, half: bool = False) -> None:
    """Write the weights to HDF5 when the name ends with ``.h5``, else to a binary caffemodel.

    Raises
    ------
    UsageError
        When layers have no weights, or a binary file of half precision is asked for.
    """
    missing = [name for name in net.param_shapes if name not in net.params]
    if missing:
        raise UsageError(
            f"these layers have no weights to save: {', '.join(missing)}; load a .caffemodel or"
            " call initialized() first"
        )
    if Path(path).suffix == ".h5":
        write_hdf5_weights(path, net.definition, owned_params(net), half=half)
    elif half:
        raise UsageError(
            f"{path}: a binary caffemodel has no numbers of half precision; name a file that ends"
            " with .caffemodel.h5"
        )
    else:
        write_caffemodel(path, net.definition, net.params)
