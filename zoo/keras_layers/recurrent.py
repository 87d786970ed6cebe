"""Recurrent layers with Caffe's gates, weights and continuation.

Caffe: recurrent_layer.cpp, lstm_layer.cpp, lstm_unit_layer.cpp, rnn_layer.cpp. Sequences are
(steps, sequences, ...). Weights are Caffe's blobs as they are, (rows, columns). What does not hang
on the step before is computed for all steps at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["CaffeLSTM", "CaffeLSTMUnit", "CaffeRNN"]

Sizes = tuple[int | None, ...]


class _Recurrent(keras.layers.Layer):
    """Goes through steps.

    Inputs are a list: (steps, sequences, ...) with so many `values` a step, continuation (steps,
    sequences), with `static_values` one input (sequences, ...) for all steps, and with `expose` the
    states before the first step, (1, sequences, units) each. Output: (steps, sequences, units);
    with `expose` a list with the states after the last step behind it. As in Caffe, exposed states
    have no gradient.
    """

    gates, states = 1, 1

    def __init__(
        self,
        units: int,
        values: int,
        static_values: int | None = None,
        expose: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.expose = units, expose
        self.values, self.static_values = values, static_values

    def build(self, input_shape: Sequence[Sizes]) -> None:
        rows = self.gates * self.units
        self.input_weight = self._weight("input_weight", rows, self.values)
        self.input_bias = self._bias("input_bias", rows)
        if self.static_values is not None:
            self.static_weight = self._weight("static_weight", rows, self.static_values)
        self.state_weight = self._weight("state_weight", rows, self.units)

    def _weight(self, name: str, rows: int, columns: int) -> Any:
        return self.add_weight(name=name, shape=(rows, columns), initializer="glorot_uniform")

    def _bias(self, name: str, rows: int) -> Any:
        return self.add_weight(name=name, shape=(rows,), initializer="zeros")

    def call(self, inputs: Sequence[Any]) -> Any:
        steps, cont = inputs[0], ops.stop_gradient(inputs[1])
        sums = self._sums(steps, None if self.static_values is None else inputs[2])
        if self.expose:
            states = [ops.stop_gradient(state) for state in inputs[-self.states :]]
            before = [state[0] for state in states]
        else:
            before = [ops.zeros((ops.shape(sums)[1], self.units), sums.dtype)] * self.states

        def step(state: list[Any], current: Any) -> tuple[list[Any], list[Any]]:
            after = self.step(state, current[..., :-1], current[..., -1:])
            return after, after

        # One tensor: Keras cannot scan several whose length is not known.
        current = ops.concatenate([sums, ops.expand_dims(cont, -1)], axis=-1)
        last, all_states = ops.scan(step, before, current)
        outputs = self.outputs(all_states)
        if not self.expose:
            return outputs
        return [outputs, *(ops.expand_dims(ops.stop_gradient(state), 0) for state in last)]

    def _sums(self, steps: Any, static: Any) -> Any:
        """What the inputs contribute to every step, (steps, sequences, rows)."""
        shape = ops.shape(steps)
        steps = ops.reshape(steps, (*shape[:2], self.values))
        sums = ops.matmul(steps, ops.transpose(self.input_weight)) + self.input_bias
        if static is None:
            return sums
        static = ops.reshape(static, (-1, self.static_values))
        product = ops.matmul(static, ops.transpose(self.static_weight))
        # With the axis of the steps: TensorFlow's optimizer takes a lone row for a bias and gets
        # the shape of the sum wrong.
        return sums + ops.expand_dims(product, 0)

    def step(self, state: list[Any], sums: Any, cont: Any) -> list[Any]:
        """The state after a step; what `cont` multiplies is taken over from the one before."""
        raise NotImplementedError

    def outputs(self, states: list[Any]) -> Any:
        """The output of every step from the states after each."""
        return states[0]

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> Any:
        steps, sequences = input_shape[0][:2]
        output = (steps, sequences, self.units)
        return [output] + [(1, sequences, self.units)] * self.states if self.expose else output

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "values": self.values,
            "static_values": self.static_values,
            "expose": self.expose,
        }


@keras.saving.register_keras_serializable("zoo")
class CaffeLSTM(_Recurrent):
    """Gates are input, forget, output and candidate; states are the output and the cell."""

    gates, states = 4, 2

    def step(self, state: list[Any], sums: Any, cont: Any) -> list[Any]:
        output, cell = state
        sums = sums + ops.matmul(output * cont, ops.transpose(self.state_weight))
        return list(reversed(_lstm_unit(cell, sums, cont)))


@keras.saving.register_keras_serializable("zoo")
class CaffeRNN(_Recurrent):
    """The state is tanh of the sums, the output tanh of a product with the state."""

    def build(self, input_shape: Sequence[Sizes]) -> None:
        super().build(input_shape)
        self.output_weight = self._weight("output_weight", self.units, self.units)
        self.output_bias = self._bias("output_bias", self.units)

    def step(self, state: list[Any], sums: Any, cont: Any) -> list[Any]:
        return [ops.tanh(sums + ops.matmul(state[0] * cont, ops.transpose(self.state_weight)))]

    def outputs(self, states: list[Any]) -> Any:
        product = ops.matmul(states[0], ops.transpose(self.output_weight))
        return ops.tanh(product + self.output_bias)


@keras.saving.register_keras_serializable("zoo")
class CaffeLSTMUnit(keras.layers.Layer):
    """Cell (1, n, d), sums (1, n, 4 d) and continuation (1, n) to the new cell and the output."""

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        cell, sums, cont = inputs
        return list(_lstm_unit(cell, sums, ops.expand_dims(ops.stop_gradient(cont), -1)))

    def compute_output_shape(self, input_shape: Sequence[Sizes]) -> list[Sizes]:
        return [input_shape[0]] * 2


def _lstm_unit(cell: Any, sums: Any, cont: Any) -> tuple[Any, Any]:
    """The cell and the output after one step."""
    enter, forget, leave, candidate = ops.split(sums, 4, axis=-1)
    cell = cont * ops.sigmoid(forget) * cell + ops.sigmoid(enter) * ops.tanh(candidate)
    return cell, ops.sigmoid(leave) * ops.tanh(cell)
