"""A network written in a format of others, run there, compared, and only then given its name.

    .keras        keras.Model as zoo builds it; channels last
    SavedModel    a folder for TensorFlow; channels last
    .tflite       TensorFlow Lite; channels last
    .onnx         ONNX; Caffe's order of axes

Inputs and outputs have the names of Caffe's blobs (SavedModel and TFLite: inputs with underscores
for what is no letter or digit), the batch is free, and so are the spatial sizes of a network that
is fully convolutional.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.caffe.replacing import staged
from zoo.errors import UsageError, VerificationError, did_you_mean
from zoo.exports.keras_file import open_keras, write_keras
from zoo.exports.onnx_file import open_onnx, write_onnx
from zoo.exports.saved_model import open_saved_model, write_saved_model
from zoo.exports.source import Run, Source, Written
from zoo.exports.tflite import open_tflite, write_tflite
from zoo.exports.trial import Difference, compare, trial_inputs
from zoo.input_spec import InputSpec
from zoo.net import Net
from zoo.preprocess import Preprocessor

__all__ = ["EXPORTS", "SUFFIXES", "TOLERANCE", "ExportReport", "Exporter", "export"]

# In units of an output's largest value: what the reference results of Caffe are held to.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exporter:
    """One format.

    Attributes
    ----------
    suffix : that names of its files end with; "" for a folder.
    layout : the order of axes of its inputs and outputs, for pictures.
    write : writes a source to a path.
    open : loads what was written in the format's own runtime, and returns what runs it.
    """

    suffix: str
    layout: str
    write: Callable[[Source, Path], Written]
    open: Callable[[Source, Path], Run]


EXPORTS = {
    "keras": Exporter(".keras", "NHWC", write_keras, open_keras),
    "savedmodel": Exporter("", "NHWC", write_saved_model, open_saved_model),
    "tflite": Exporter(".tflite", "NHWC", write_tflite, open_tflite),
    "onnx": Exporter(".onnx", "NCHW", write_onnx, open_onnx),
}
SUFFIXES = {exporter.suffix: name for name, exporter in EXPORTS.items() if exporter.suffix}


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how it compares with the source.

    Attributes
    ----------
    path, format, bytes : the file, or the folder of a SavedModel; what it is; its size.
    layout : the order of axes of pictures in it, "NHWC" or "NCHW".
    inputs, outputs : the names of its inputs and outputs.
    blob : the output that is farthest from the source's.
    difference, largest : its largest difference, and its largest value.
    notes : what else a user of the file should know.
    """

    path: Path
    format: str
    bytes: int
    layout: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    blob: str | None
    difference: float
    largest: float
    notes: tuple[str, ...] = ()

    @property
    def relative(self) -> float:
        """The difference in units of the largest value."""
        return Difference(self.blob, self.difference, self.largest).relative


def export(
    net: Net,
    path: str | Path,
    format: str | None = None,
    *,
    preprocess: Preprocessor | InputSpec | None = None,
    inputs: Mapping[str, np.ndarray] | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Write a network with its weights, and say so only after running the result.

    The written file is loaded in its own runtime and run on random inputs of two batches. Each
    output must be what `zoo.run` gives, within 1e-4 of its largest value; this is the tolerance at
    which the reference results of Caffe are held.

    Parameters
    ----------
    net : the network, in the TEST phase.
    path : the file to make, or the folder of a SavedModel.
    format : one of `EXPORTS`, where the suffix does not say it.
    preprocess : makes preprocessing part of the graph: its input is then `picture`, uint8 RGB
        (n, any height, any width, 3), its output `probabilities`.
    inputs : arrays to compare on besides, in Caffe's order; pictures under `picture`.
    overwrite : replace what is there.

    Raises
    ------
    UsageError
        No such format, no weights, or the path is taken. UnsupportedLayersError and NetError name
        every layer that cannot be written.
    VerificationError
        The result is not the source. Nothing is kept of it.
    UnavailableError
        The format's own package is not installed: says how to get it.

    Examples
    --------
    >>> import tempfile, zoo
    >>> net = zoo.load("lenet_digits").net
    >>> report = export(net, Path(tempfile.mkdtemp()) / "lenet.onnx")
    >>> report.format, report.outputs, report.relative < TOLERANCE
    ('onnx', ('prob',), True)
    """
    path = Path(path)
    name = _format_of(path, format)
    exporter = EXPORTS[name]
    _check(net, path, exporter, overwrite)
    source = Source.of(net, preprocess)
    with staged([path], force=overwrite) as (partial,):
        written = exporter.write(source, partial)
        trials = [*trial_inputs(source, written.free_sizes), *([inputs] if inputs else [])]
        worst = _verified(source, exporter.open(source, partial), trials, path)
        size = _size(partial)
    return ExportReport(
        path,
        name,
        size,
        "NHWC" if source.spec else exporter.layout,
        tuple(source.inputs),
        tuple(source.outputs),
        worst.blob,
        worst.absolute,
        worst.largest,
        written.notes,
    )


def _format_of(path: Path, format: str | None) -> str:
    if format is None and path.suffix in SUFFIXES:
        return SUFFIXES[path.suffix]
    if format is None:
        raise UsageError(
            f"{path}: its name does not say what it is to be; expected one that ends with"
            f" {', '.join(SUFFIXES)}, or the format: {', '.join(EXPORTS)}"
        )
    if format not in EXPORTS:
        raise UsageError(
            f"there is no format {format!r}.{did_you_mean(format, EXPORTS)} The formats are"
            f" {', '.join(EXPORTS)}."
        )
    suffix = EXPORTS[format].suffix
    if suffix and path.suffix != suffix:
        raise UsageError(f"{path}: the name of a {format} file ends with {suffix}")
    return format


def _check(net: Net, path: Path, exporter: Exporter, overwrite: bool) -> None:
    """Raise UsageError for what need not be tried."""
    if net.phase != "TEST":
        raise UsageError(
            f"{net.name!r} was read for the TRAIN phase; an export computes what the TEST phase"
            " does, so read the network for that"
        )
    missing = [name for name in net.param_shapes if name not in net.params]
    if missing:
        raise UsageError(
            f"these layers have no weights to export: {', '.join(missing)}; load a .caffemodel or"
            " call initialized() first"
        )
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir() and overwrite:
        is_ours = not exporter.suffix and (path / "saved_model.pb").is_file()
        if not is_ours and any(path.iterdir()):
            raise UsageError(f"{path} is a folder with other things in it; it was left as it is")


def _verified(
    source: Source, run: Run, trials: Sequence[Mapping[str, np.ndarray]], path: Path
) -> Difference:
    """The farthest output of all trials. Raises VerificationError where one is too far."""
    worst = Difference()
    for trial in trials:
        found = compare(run(trial), source.reference(trial))
        if not found.relative <= TOLERANCE:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in trial.items())
            raise VerificationError(
                f"{path}: output {found.blob!r} of the export differs from the network's by"
                f" {found.relative:.3g} of its largest value, {found.largest:.3g}, for inputs"
                f" {shapes}; {TOLERANCE:g} is allowed. Nothing was kept of it."
            )
        if worst.blob is None or found.relative > worst.relative:
            worst = found
    return worst


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
