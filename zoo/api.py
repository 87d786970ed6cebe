"""The functions that most programs need: fetch, load, run, classify.

Each reads as the recipe of what it does; the parts are in `zoo.registry`, `zoo.net`, `zoo.build`
and `zoo.preprocess`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.classification import Classification
from zoo.describe import describe, info
from zoo.doctor import doctor
from zoo.loaded import LoadedModel, load_directory
from zoo.net import Net
from zoo.registry.cache import Cache
from zoo.registry.consent import Accept
from zoo.registry.fetch import FetchResult
from zoo.registry.fetch import fetch as _fetch
from zoo.registry.local import local_model
from zoo.registry.locate import Hints
from zoo.registry.usage import record_use

if TYPE_CHECKING:
    from zoo.registry.download import Progress

__all__ = [
    "LoadedModel",
    "classify",
    "describe",
    "doctor",
    "fetch",
    "info",
    "load",
    "run",
]


def fetch(
    name: str | Path,
    sources: Sequence[str] = (),
    *,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    sha1: str | None = None,
    sha256: str | None = None,
    prototxt: Sequence[str] = (),
    member: str = "",
    model: str = "",
    accept_license: Accept = False,
    trust_first_use: bool = False,
) -> FetchResult:
    """Bring a model into the cache, verified; a model that is there touches no network.

    Parameters
    ----------
    name : the model's name or another address of it: a gist, hf://owner/repo, s3://..., a folder,
        the address of weights; docs/addresses.md has them all.
    sources : folders of model directories or addresses of such, searched in order for a name; the
        models that come with zoo and those of its catalogue are searched last.
    force : fetch again, and replace the cached copy once the new one is verified.
    dry_run : only say what would be fetched.
    progress : called with (file, bytes so far, bytes in all or None), maybe from several threads.
    sha1, sha256 : what the weights have to be.
    prototxt : addresses of the definitions, for weights that lie alone.
    member : the path of the weights in an archive.
    model : which one, of a readme that describes several.
    accept_license : True accepts a licence that restricts what the weights may be used for; a
        function is asked with its text. It is asked for once for each model.
    trust_first_use : take weights whose hash nobody gave, and hold later fetches to what came.

    Raises
    ------
    UnknownModelError, UsageError, HashMismatchError, DownloadError, UnavailableError

    Examples
    --------
    >>> import zoo
    >>> zoo.fetch("lenet_digits").directory.name
    'lenet_digits'
    """
    result = _fetch(
        name,
        sources,
        force=force,
        dry_run=dry_run,
        progress=progress,
        sha1=sha1,
        sha256=sha256,
        hints=Hints(model, tuple(prototxt), member),
        accept_license=accept_license,
        trust_first_use=trust_first_use,
    )
    if not dry_run:
        record_use(result.name, Cache().home)
    return result


def load(
    name: str | Path,
    sources: Sequence[str] = (),
    *,
    partial: bool = False,
    shapes: Mapping[str, Sequence[int]] | None = None,
    progress: Progress | None = None,
) -> LoadedModel:
    """A model ready for use, fetched first if need be.

    Parameters
    ----------
    name : a directory that holds a readme.md, a definition and weights; else a model's name or
        another address, see `fetch`.
    sources : where to look for a name, see `fetch`.
    partial : take what fits by name when the weights do not fit the definition.
    shapes : blob name to (N, C, H, W), for data sources without a shape.

    Raises
    ------
    UnknownModelError, HashMismatchError, DownloadError, ParseError, NetError, WeightsError

    Examples
    --------
    >>> import zoo
    >>> lenet = zoo.load("lenet_digits")
    >>> lenet.net.inputs
    {'data': (1, 1, 28, 28)}
    >>> lenet.labels
    ['zero', 'one', 'two', 'three', 'four']
    """
    if str(name) and (Path(name) / "readme.md").is_file():
        files = local_model(name)
    else:
        files = fetch(str(name), sources, progress=progress).model
    return load_directory(files, partial=partial, shapes=shapes)


def run(
    net: Net,
    inputs: Mapping[str, Any],
    blobs: Sequence[str] | None = None,
    *,
    device: str | None = None,
    seed: int | None = None,
    engine: str = "tensorflow",
) -> dict[str, np.ndarray]:
    """Run a net forward, in Caffe's terms.

    The phase of the net decides what Dropout and BatchNorm do.

    Parameters
    ----------
    net : the network, with weights.
    inputs : input blob name to array, (N, C, H, W); any N, and any H and W where the network is
        fully convolutional.
    blobs : names of the blobs to give out; the network's outputs by default.
    device : "cpu" or "gpu:0"; None leaves the choice to TensorFlow.
    seed : what Dropout and stochastic pooling draw from in the TRAIN phase; None for other values
        every time.
    engine : "tensorflow", or "onnxruntime" for the same numbers from ONNX Runtime, which has to be
        installed and is often faster on a CPU; see docs/exports.md.

    Returns
    -------
    Blob name to float32 array in Caffe's order. A blob that layers write in place has the value
    of the last of them.

    Raises
    ------
    UsageError, ShapeError, UnsupportedLayersError, UnavailableError

    Examples
    --------
    >>> import numpy as np, zoo
    >>> net = zoo.load("lenet_digits").net
    >>> zoo.run(net, {"data": np.zeros((2, 1, 28, 28))}, ["prob"])["prob"].shape
    (2, 5)
    """
    from zoo.exports.engine import predictor_by

    return predictor_by(engine, net, blobs, device)(inputs, seed)


def classify(
    name: str | Path | LoadedModel,
    images: Iterable[str | Path] | str | Path,
    *,
    sources: Sequence[str] = (),
    top: int = 5,
    crops: int = 1,
) -> list[Classification]:
    """The best classes of each picture: `load` and `LoadedModel.classify` in one call."""
    model = name if isinstance(name, LoadedModel) else load(name, sources)
    return list(model.classify(images, top=top, crops=crops))
