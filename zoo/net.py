"""The network as Caffe means it: definition, shapes and weights, without TensorFlow.

A `Net` is never changed in place: `reshape`, `with_params`, `initialized` and `load_weights` return
a new one. Shapes are Caffe's (N, C, H, W); params are numpy arrays in Caffe's own layout
(out, in/group, kh, kw). Rules of blobs and their order: Caffe's net.cpp (Init, AppendTop,
AppendBottom, AppendParam).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from zoo.caffe.lines import layer_lines_of_file
from zoo.caffe.read import read_definition
from zoo.caffe.schema.caffe_pb2 import NetParameter
from zoo.caffe.weights import read_weights
from zoo.caffe.write import prototxt_text, write_prototxt
from zoo.connect import Layer, connect
from zoo.errors import NetError, UsageError, did_you_mean
from zoo.ignored import ignored
from zoo.layers.fillers import generator
from zoo.layers.kind import Shape, count, known_types
from zoo.loading import check_owners, check_shapes, match_weights, read_only, shared_params
from zoo.prepare import prepare
from zoo.report import LoadReport
from zoo.saving import write_weights

__all__ = ["Layer", "Net"]

Params = Mapping[str, Sequence[np.ndarray]]


class Net:
    """A network of one phase: layers in order, the shape of every blob, and weights if it has any.

    Parameters
    ----------
    definition : a NetParameter in Caffe's current format, already filtered for one phase.
    params : layer name to its learned blobs, arrays of Caffe's shapes.
    phase : "TRAIN" or "TEST".
    shapes : blob name to shape, for sources that state none, or to state another one.
    report : what became of the definition and of weights on the way here.

    Attributes
    ----------
    params : layer name to its learned blobs, which are for reading; see `with_params`.

    Raises
    ------
    NetError
        When a blob is read that nothing makes, or made twice; ShapeError when shapes do not fit;
        MissingShapeError when a data source has no shape.
    """

    def __init__(
        self,
        definition: NetParameter,
        params: Params | None = None,
        *,
        phase: str = "TEST",
        shapes: Mapping[str, Sequence[int]] | None = None,
        report: LoadReport | None = None,
    ) -> None:
        self.definition = definition
        self.phase = phase
        self._report = report or LoadReport()
        self._given = {name: tuple(map(int, shape)) for name, shape in (shapes or {}).items()}
        self.layers: tuple[Layer, ...] = tuple(connect(definition, self._given))
        self.params: dict[str, list[np.ndarray]] = {
            name: [read_only(blob) for blob in blobs] for name, blobs in (params or {}).items()
        }
        check_shapes(self, self.params)

    @classmethod
    def read(
        cls,
        prototxt: str | Path,
        weights: str | Path | None = None,
        phase: str = "test",
        *,
        shapes: Mapping[str, Sequence[int]] | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
        partial: bool = False,
    ) -> Net:
        """Read a definition of any era, and weights if a file is named.

        Parameters
        ----------
        prototxt : path of the definition.
        weights : path of a .caffemodel or .caffemodel.h5.
        phase : "test" or "train"; `level` and `stages` are the rest of Caffe's NetState.
        shapes : shapes for data sources that cannot be opened here, blob name to (N, C, H, W).
        partial : copy what fits by name; without it anything missing, left over or of another
            shape is an error. What was done is in ``net.report``.

        Raises
        ------
        ParseError, NetError, WeightsError

        Examples
        --------
        >>> import zoo, tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "tiny.prototxt"
        >>> _ = path.write_text('''
        ...     input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
        ...     layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        ...             convolution_param { num_output: 4 kernel_size: 3 } }''')
        >>> zoo.Net.read(path).blobs["conv"]
        (1, 4, 6, 6)
        """
        phase = _phase(phase)
        definition, report = prepare(
            read_definition(prototxt, known_types()),
            phase=phase,
            level=level,
            stages=stages,
            path=prototxt,
            lines=layer_lines_of_file(prototxt),
        )
        net = cls(definition, phase=phase, shapes=shapes, report=report)
        return net if weights is None else net.load_weights(weights, partial=partial)

    # What the network is.

    @cached_property
    def report(self) -> LoadReport:
        """What became of the definition and of weights on the way here, and what has no effect."""
        lines = self._report.lines
        said = ignored(self.definition, self.phase, self.params, lines)
        return replace(self._report, ignored=said)

    @property
    def name(self) -> str:
        return str(self.definition.name)

    @cached_property
    def blobs(self) -> dict[str, Shape | None]:
        """Every blob with its shape, in the order in which Caffe creates them."""
        shapes: dict[str, Shape | None] = {}
        for layer in self.layers:
            shapes.update(zip(layer.tops, layer.top_shapes, strict=True))
        return shapes

    @property
    def inputs(self) -> dict[str, Shape]:
        """The tops of the data sources with their shapes."""
        return {
            top: shape
            for layer in self.layers
            if layer.is_source
            for top, shape in zip(layer.tops, layer.top_shapes, strict=True)
            if shape is not None
        }

    @property
    def outputs(self) -> list[str]:
        """Blobs that no layer reads after they were made: what Caffe prints as the network's."""
        left: dict[str, None] = {}
        for layer in self.layers:
            for bottom in layer.bottoms:
                left.pop(bottom, None)
            left.update(dict.fromkeys(layer.tops))
        return list(left)

    @property
    def unsupported(self) -> dict[str, list[str]]:
        """Layer types that zoo does not know, each with the names of its layers."""
        kinds: dict[str, list[str]] = {}
        for layer in self.layers:
            if layer.kind is None:
                kinds.setdefault(layer.kind_name, []).append(layer.name)
        return kinds

    @property
    def param_shapes(self) -> dict[str, list[Shape]]:
        """Layer name to the shapes of its learned blobs, for layers that have any."""
        return {layer.name: list(layer.param_shapes) for layer in self.layers if layer.param_shapes}

    @property
    def param_count(self) -> int:
        """Learned values summed over layers; as in Caffe, what two layers share counts twice."""
        return sum(count(shape) for layer in self.layers for shape in layer.param_shapes)

    @property
    def batch(self) -> int:
        """Pictures in a batch as the definition states it: the first axis of the first input."""
        shape = next(iter(self.inputs.values()), ())
        return shape[0] if shape else 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one picture."""
        return sum(layer.macs for layer in self.layers) // self.batch

    @property
    def activation_bytes(self) -> int:
        """Bytes of all blobs, float32, for one picture."""
        values = sum(count(shape) for shape in self.blobs.values() if shape is not None)
        return 4 * values // self.batch

    def layer(self, name: str) -> Layer:
        """The layer of that name. Raises NetError with the nearest name if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        some = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise NetError(
            f"no layer named {name!r}.{did_you_mean(name, names)} It has {len(names)}: {some}"
        )

    # New nets from this one.

    def reshape(self, shapes: Mapping[str, Sequence[int]]) -> Net:
        """The same network for inputs of other shapes; ShapeError if its weights forbid it."""
        given = {**self._given, **{name: tuple(shape) for name, shape in shapes.items()}}
        _check_names("input", shapes, self.inputs)
        return Net(
            self.definition, self.params, phase=self.phase, shapes=given, report=self._report
        )

    def with_params(self, params: Params) -> Net:
        """The same network with the blobs of the named layers replaced.

        A param that layers share is given where its owner is, and is then new for all of them.

        Raises
        ------
        UsageError
            When there is no such layer, or a param is given without its owner; ShapeError when a
            blob is of another shape.

        Examples
        --------
        >>> import zoo
        >>> net = zoo.load("lenet_digits").net
        >>> weight, bias = net.params["ip2"]
        >>> zeroed = net.with_params({"ip2": [weight, 0 * bias]})
        >>> bool(zeroed.params["ip2"][1].any()), bool(net.params["ip2"][1].any())
        (False, True)
        """
        _check_names("layer with params", params, self.param_shapes)
        check_shapes(self, params)
        check_owners(self, params)
        return self._with(shared_params(self, {**self.params, **params}), self._report)

    def load_weights(
        self, path: str | Path, *, partial: bool = False, may_be_left: Iterable[str] = ()
    ) -> Net:
        """The same network with weights from a .caffemodel or .caffemodel.h5, matched by name.

        `may_be_left` names layers of the file that this definition may lack without `partial`:
        those that only another phase of the same model has.
        """
        params, report = match_weights(self, read_weights(path), partial, frozenset(may_be_left))
        return self._with({**self.params, **params}, report)

    def initialized(self, seed: int = 0) -> Net:
        """The same network with blobs that have no values yet filled by their fillers."""
        rng = generator(seed)
        params = dict(self.params)
        for layer in self.layers:
            if layer.param_shapes and layer.name not in params:
                params[layer.name] = layer.first_values(rng)
        return self._with(shared_params(self, params), self._report)

    def _with(self, params: Params, report: LoadReport) -> Net:
        return Net(self.definition, params, phase=self.phase, shapes=self._given, report=report)

    # Out again.

    def save(
        self,
        prototxt: str | Path | None = None,
        weights: str | Path | None = None,
        *,
        half: bool = False,
    ) -> None:
        """Write the definition, the weights or both in Caffe's current format.

        Weights go to HDF5 when the name ends with ``.h5``, else to a binary caffemodel. With `half`
        they are rounded to float16, in a file of half the size, which only HDF5 can be.
        """
        if prototxt is not None:
            write_prototxt(prototxt, self.definition)
        if weights is not None:
            write_weights(self, weights, half=half)

    def to_prototxt(self) -> str:
        """The definition as text."""
        return prototxt_text(self.definition)

    def __str__(self) -> str:
        from zoo.table import net_table

        return net_table(self)

    def __repr__(self) -> str:
        return (
            f"<Net {self.name!r}, {self.phase}: {len(self.layers)} layers,"
            f" {self.param_count:,} params{'' if self.params else ', no weights'}>"
        )


def _phase(phase: str) -> str:
    if phase.upper() not in ("TRAIN", "TEST"):
        raise UsageError(f"phase must be 'train' or 'test', received {phase!r}")
    return phase.upper()


def _check_names(what: str, asked: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in asked:
        if name not in known:
            raise UsageError(
                f"no {what} is named {name!r}.{did_you_mean(name, known)}"
                f" There {'are' if known else 'is'} {', '.join(known) or 'none'}."
            )
