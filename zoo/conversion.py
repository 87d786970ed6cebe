"""A network written as another format, which is read again and run before it gets its name.

Caffe's own formats are written here: a binary caffemodel, one in HDF5, or the pair of definition
and caffemodel. The blobs read again must be the same to the bit, and the network made of them must
compute what the source computes. The formats of others are in `zoo.exports`, which hold themselves
to the same rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.caffe.replacing import check_target, staged
from zoo.errors import UnsupportedLayersError, UsageError, VerificationError, did_you_mean
from zoo.exports.export import EXPORTS, SUFFIXES, export
from zoo.exports.source import Source
from zoo.exports.trial import Difference, compare, trial_inputs
from zoo.file_conversion import check_equal
from zoo.input_spec import InputSpec
from zoo.layers.kind import known_types
from zoo.net import Net
from zoo.preprocess import Preprocessor

__all__ = ["FORMATS", "Conversion", "checked_format", "convert", "format_of"]

_CAFFE = {".caffemodel": "caffemodel", ".h5": "hdf5", ".prototxt": "caffe"}
_BY_SUFFIX = {**_CAFFE, **SUFFIXES}
FORMATS = (*_CAFFE.values(), *EXPORTS)


@dataclass(frozen=True)
class Conversion:
    """What was written, and how it compares with the source.

    Attributes
    ----------
    paths : the files, or the folder of a SavedModel.
    format : one of `FORMATS`.
    difference : between the outputs of source and result for the same random inputs.
    notes : what a user of the files should know.
    """

    paths: tuple[Path, ...]
    format: str
    difference: Difference
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"outputs differ by at most {self.difference.absolute:.3g}"
            f" ({self.difference.relative:.3g} of the largest value, {self.difference.largest:.3g})"
        )


def convert(
    net: Net,
    path: str | Path,
    to: str | None = None,
    *,
    preprocess: Preprocessor | InputSpec | None = None,
    force: bool = False,
) -> Conversion:
    """Write a network with its weights, and say so only after reading and running the result.

    Parameters
    ----------
    net : the network.
    path : the file to make: ``.caffemodel``, ``.caffemodel.h5``, ``.keras``, ``.tflite``,
        ``.onnx``; a ``.prototxt``, beside which the weights are written too; or a folder, for
        ``deploy.prototxt`` and the weights.
    to : one of `FORMATS`, where the name does not say it; "savedmodel" for a folder of
        TensorFlow's.
    preprocess : made part of the graph, see `zoo.exports.export`; not in Caffe's formats.
    force : replace what is there.

    Raises
    ------
    UsageError
        No such format, no weights, or the file exists; UnsupportedLayersError when a kind of layer
        is not known, WeightsError when HDF5 cannot name a layer.
    VerificationError
        The result is not the source. Nothing is kept of it.
    UnavailableError
        An optional part of zoo is not installed: says which and how to get it.

    Examples
    --------
    >>> import tempfile, zoo
    >>> net = zoo.load("lenet_digits").net
    >>> done = convert(net, Path(tempfile.mkdtemp()) / "lenet.caffemodel.h5")
    >>> done.format, done.difference.absolute, done.difference.blob
    ('hdf5', 0.0, 'prob')
    """
    format = checked_format(path, to)
    if net.unsupported:
        raise UnsupportedLayersError(net.unsupported, known_types())
    if format in EXPORTS:
        done = export(net, path, format, preprocess=preprocess, overwrite=force)
        difference = Difference(done.blob, done.difference, done.largest)
        return Conversion((done.path,), format, difference, done.notes)
    if preprocess is not None:
        raise UsageError(
            f"{format} holds no preprocessing; it can be part of {', '.join(EXPORTS)} only"
        )
    return _convert_to_caffe(net, Path(path), format, force)


def format_of(path: str | Path, to: str | None = None) -> str:
    """The format that a name asks for: its suffix says it, or else it is a folder of Caffe's.

    Raises
    ------
    UsageError
        The suffix says nothing, or another format than `to`.

    Examples
    --------
    >>> format_of("net.caffemodel.h5"), format_of("net.onnx"), format_of("models/lenet")
    ('hdf5', 'onnx', 'caffe')
    """
    suffix = Path(path).suffix
    said = _BY_SUFFIX.get(suffix)
    if to is None:
        if said is None and suffix and not Path(path).is_dir():
            raise UsageError(
                f"{path}: what {suffix} is to be is not known; expected a name that ends with"
                f" {', '.join(_BY_SUFFIX)}, a folder, or the format with --to {'|'.join(FORMATS)}."
            )
        return said or "caffe"
    if to not in FORMATS:
        raise UsageError(
            f"there is no format {to!r}.{did_you_mean(to, FORMATS)} The formats are"
            f" {', '.join(FORMATS)}."
        )
    endings = [end for end, name in _BY_SUFFIX.items() if name == to and to != "caffe"]
    if said not in (None, to) or (endings and suffix not in endings):
        wanted = " or ".join(endings) or "no suffix of another format"
        raise UsageError(f"{path}: the name of {to} ends with {wanted}")
    return to


def checked_format(path: str | Path, to: str | None = None) -> str:
    """The same, once it is clear, before any work, that there can be such a file or folder.

    Raises
    ------
    UsageError
    """
    format = format_of(path, to)
    if not str(path) or Path(path).suffix in _BY_SUFFIX:
        check_target(path)
    elif not Path(path).absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no directory {Path(path).parent}; make it first")
    return format


def _convert_to_caffe(net: Net, path: Path, format: str, force: bool) -> Conversion:
    definition, weights = _targets(path, format)
    targets = [weights] if definition is None else [definition, weights]
    with (
        _made(path if definition == path / "deploy.prototxt" else None),
        staged(targets, force=force) as files,
    ):
        # The definition goes along in any case: without it nothing can be read again.
        text = files[0].with_name("definition") if definition is None else files[0]
        net.save(text, files[-1])
        again = Net.read(text, files[-1], net.phase, shapes=net.inputs)
        _check_same(net, again, path)
        difference = _difference(net, again)
        if difference.absolute:
            raise VerificationError(
                f"{path}: output {difference.blob!r} differs by {difference.absolute:.3g} from that"
                " of the source, with the same weights. Nothing was kept."
            )
    return Conversion(tuple(targets), format, difference)


def _targets(path: Path, format: str) -> tuple[Path | None, Path]:
    """The definition and the weights to write."""
    if format != "caffe":
        return None, path
    if path.suffix == ".prototxt":
        return path, path.with_suffix(".caffemodel")
    return path / "deploy.prototxt", path / f"{path.resolve().name}.caffemodel"


@contextmanager
def _made(folder: Path | None) -> Iterator[None]:
    """A folder to write to, made if it is not there, and then gone again if the block fails."""
    if folder is None or folder.is_dir():
        yield
        return
    try:
        folder.mkdir()
    except OSError as error:
        raise UsageError(f"{folder}: the folder cannot be made: {error.strerror}") from error
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _check_same(net: Net, again: Net, path: Path) -> None:
    if again.to_prototxt() != net.to_prototxt():
        raise VerificationError(f"{path}: the definition does not read as the same network")
    for name, blobs in net.params.items():
        check_equal(f"{path}: layer {name!r}", again.params.get(name, []), blobs)


def _difference(net: Net, again: Net) -> Difference:
    """How far the outputs are apart, in the TEST phase, where nothing is drawn by lot."""
    source, written = (
        Source(Net(each.definition, each.params, shapes=each.inputs)) for each in (net, again)
    )
    trials = trial_inputs(source, free_sizes=False)
    found = (compare(written.reference(inputs), source.reference(inputs)) for inputs in trials)
    return max(found, key=lambda difference: difference.relative)
