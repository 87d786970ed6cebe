"""LSTM, RNN and LSTMUnit: layers that go through a sequence step by step.

Caffe: recurrent_layer.cpp, lstm_layer.cpp, lstm_unit_layer.cpp, rnn_layer.cpp. The first bottom is
(T, N, ...): steps of N sequences side by side. The second, `cont` (T, N), multiplies the state that
a step takes over: 0 where a sequence begins. A third may hold what is the same at every step. With
`expose_hidden` further bottoms are the state before the first step and further tops the state after
the last. Without it the state before the first step is 0: Caffe keeps it from one pass to the next,
which here is what exposed states are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.errors import NetError, ShapeError
from zoo.layers.kind import Kind, Shape, count, layer
from zoo.layers.reach import Reaches
from zoo.layers.site import Blob, Site

__all__ = ["LSTM", "RNN", "LSTMUnit"]


class _Recurrent(Kind):
    """What LSTM and RNN share.

    A step hands on so many `states`, and computes so many `gates` for each output; without a static
    input there are so many `blobs`.
    """

    bottom_count = (2, None)
    top_count = (1, None)
    states, gates, blobs = 1, 1, 3

    def check_counts(self, layer: Any) -> None:
        exposed = self.states if layer.recurrent_param.expose_hidden else 0
        fewest = 2 + exposed
        if not fewest <= len(layer.bottom) <= fewest + 1 or len(layer.top) != 1 + exposed:
            raise NetError(
                f"expected {fewest} bottoms, or {fewest + 1} with a static input, and"
                f" {1 + exposed} top(s); the definition gives {len(layer.bottom)} and"
                f" {len(layer.top)}",
                layer.name,
            )

    def has_static(self, layer: Any) -> bool:
        """Whether the third bottom is an input that is the same at every step."""
        exposed = self.states if layer.recurrent_param.expose_hidden else 0
        return len(layer.bottom) > 2 + exposed

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        outputs = layer.recurrent_param.num_output
        if outputs < 1:
            raise NetError("num_output is missing or 0", layer.name)
        steps, cont = bottoms[:2]
        if len(steps) < 2 or cont != steps[:2]:
            raise ShapeError(
                "expected inputs (T, N, ...) and their continuation (T, N), received"
                f" {steps} and {cont}",
                layer.name,
            )
        first_state = 2
        if self.has_static(layer):
            first_state = 3
            if bottoms[2][:1] != steps[1:2]:
                raise ShapeError(
                    f"expected a static input of {steps[1]} sequences on axis 0, received"
                    f" {bottoms[2]}",
                    layer.name,
                )
        state = (1, steps[1], outputs)
        for bottom in bottoms[first_state:]:
            if bottom != state:
                raise ShapeError(
                    f"expected a state of shape {state}, received {bottom}", layer.name
                )
        return [(*steps[:2], outputs), *bottoms[first_state:]]

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        outputs = layer.recurrent_param.num_output
        rows = self.gates * outputs
        static = [(rows, count(bottoms[2][1:]))] if self.has_static(layer) else []
        return [(rows, count(bottoms[0][2:])), (rows,), *static, (rows, outputs)]

    def fillers(self, layer: Any) -> list[Any]:
        param = layer.recurrent_param
        static = [param.weight_filler] if self.has_static(layer) else []
        return [param.weight_filler, param.bias_filler, *static, param.weight_filler]

    def macs(self, params: Sequence[Shape], bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        steps, sequences = bottoms[0][:2]
        each_step = [count(shape) for shape in params if len(shape) == 2]
        static = each_step.pop(1) if len(params) > self.blobs else 0
        return sequences * (steps * sum(each_step) + static)

    def differentiates(self, layer: Any, index: int) -> bool:
        return index != 1

    def stops_gradient(self, layer: Any) -> tuple[set[int], set[int]]:
        if not layer.recurrent_param.expose_hidden:
            return set(), set()
        bottoms, tops = len(layer.bottom), len(layer.top)
        return set(range(bottoms - self.states, bottoms)), set(range(1, tops))

    def reach(self, layer: Any, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> list[Reaches]:
        return ["whole"] * len(bottoms)

    def keras_class(self) -> Any:
        """The Keras layer that computes it."""
        raise NotImplementedError

    def build(self, site: Site) -> list[Blob]:
        param = site.layer.recurrent_param
        static = count(site.params[2][1:]) if self.has_static(site.layer) else None

        def make() -> Any:
            return self.keras_class()(
                param.num_output,
                count(site.params[0][1:]),
                static,
                expose=param.expose_hidden,
                name=site.name,
            )

        tensors = [site.caffe_order(index) for index in range(len(site.bottoms))]
        outputs = site.weighted(make, list, list)(tensors)
        made = outputs if param.expose_hidden else [outputs]
        return [Blob(tensor, top) for tensor, top in zip(made, site.tops, strict=True)]


@layer("LSTM")
class LSTM(_Recurrent):
    """Long short-term memory (Donahue et al. 2015); gates input, forget, output, candidate.

    Blobs: weights of the input, bias, weights of the static input if there is one, weights of the
    last output; each has four times num_output rows. States are the output and the cell.
    """

    states, gates = 2, 4

    def keras_class(self) -> Any:
        from zoo.keras_layers.recurrent import CaffeLSTM

        return CaffeLSTM


@layer("RNN")
class RNN(_Recurrent):
    """h = tanh(W_xh x + W_hh h + b_h), and the top is tanh(W_ho h + b_o). The state is h."""

    blobs = 5

    def params(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        outputs = layer.recurrent_param.num_output
        return [*super().params(layer, bottoms), (outputs, outputs), (outputs,)]

    def fillers(self, layer: Any) -> list[Any]:
        param = layer.recurrent_param
        return [*super().fillers(layer), param.weight_filler, param.bias_filler]

    def keras_class(self) -> Any:
        from zoo.keras_layers.recurrent import CaffeRNN

        return CaffeRNN


@layer("LSTMUnit")
class LSTMUnit(Kind):
    """One step of an LSTM from the cell (1, N, D), the gates' sums (1, N, 4 D) and cont (1, N)."""

    bottom_count = (3, 3)
    top_count = (2, 2)

    def tops(self, layer: Any, bottoms: Sequence[Shape]) -> list[Shape]:
        cell = bottoms[0]
        if len(cell) != 3 or cell[0] != 1:
            raise ShapeError(f"expected a cell of shape (1, N, D), received {cell}", layer.name)
        wanted = [cell, (1, cell[1], 4 * cell[2]), (1, cell[1])]
        if list(bottoms) != wanted:
            raise ShapeError(
                f"expected bottoms of shapes {wanted}, received {list(bottoms)}", layer.name
            )
        return [cell, cell]

    def differentiates(self, layer: Any, index: int) -> bool:
        return index != 2

    def build(self, site: Site) -> list[Blob]:
        from zoo.keras_layers.recurrent import CaffeLSTMUnit

        tensors = [site.caffe_order(index) for index in range(3)]
        made = CaffeLSTMUnit(name=site.name)(tensors)
        return [Blob(tensor, top) for tensor, top in zip(made, site.tops, strict=True)]
