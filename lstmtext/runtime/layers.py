"""Tables and LSTM layers of a graph, in float32 or int8.

In int8, ONNX Runtime scales the activations of each matrix product by their smallest and largest value in the whole
batch, so that an answer would depend on its neighbours. Here two constant columns stand beside each input and
two constant units beside each layer's own (weights of zero, cells that are never forgotten), at the ends of the
range that the others can take. So every scale is the same whatever the batch holds, and so is every answer.
Letters: B batch, T tokens, D embedding, H hidden, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from onnx import TensorProto

from lstmtext.runtime.graph import Graph
from lstmtext.text.arrays import Floats, Ints

Arrays = Mapping[str, Floats]
Precision = Literal["float32", "int8"]

PINS = np.array([1.0, -1.0], dtype=np.float32)
"""Hidden states of the constant units."""
SATURATED = 30.0
"""A gate's bias that leaves it open, or shut with the other sign."""
LONG_CELL = 20.0
"""Cell of a constant unit: its hidden state is 1 for millions of tokens."""
MICROSOFT = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""
FINE = 127
"""Largest level of a table in int8."""
TINY = 1e-12
"""Stands for the range of a row of zeros."""
LEVELS = 63
"""Largest weight in int8. Half of the range, as processors without VNNI add pairs of products in 16 bits."""


class Layers:
    """Writes layers into a graph; in int8 every value between them carries the constant columns last."""

    def __init__(self, graph: Graph, precision: Precision) -> None:
        self._graph = graph
        self._int8 = precision == "int8"
        self._tables: list[tuple[Floats, Floats, tuple[str, str]]] = []
        """Those in int8: array, scales of its rows, names. What is read twice is there once."""

    def embed(self, table_VD: Floats) -> str:
        """Embedded tokens, [T, B, D]."""
        graph = self._graph
        ids_TB = graph.add("Transpose", graph.input("ids", ["B", "T"], TensorProto.INT64), perm=[1, 0])
        if not self._int8:
            return graph.add("Gather", graph.constant(table_VD), ids_TB)
        scales_V1, (levels, scales) = self._levels(table_VD)
        whole_TBD = graph.add("Cast", graph.add("Gather", levels, ids_TB), to=TensorProto.FLOAT)
        embedded_TBD = graph.add("Mul", whole_TBD, graph.add("Gather", scales, ids_TB))
        shape = graph.add("Concat", graph.add("Shape", ids_TB), graph.constant([len(PINS)]), axis=0)
        widest = np.float32(FINE) * scales_V1.max()  # as it is read: the table's own may be smaller by a rounding
        ends_TB2 = graph.add("Expand", graph.constant(PINS[None, None] * widest), shape)
        return graph.add("Concat", embedded_TBD, ends_TB2, axis=2)

    def scores(self, values_BTD: str, table_VD: Floats) -> str:
        """Products with each row of the table that `embed` reads, [B, T, V]; the graph holds it once."""
        graph = self._graph
        if not self._int8:
            return graph.add("MatMul", values_BTD, graph.constant(table_VD.T))
        _, (levels, scales) = self._levels(table_VD)  # constants, so that the matrix is made as the graph is loaded
        read_VD = graph.add("Mul", graph.add("Cast", levels, to=TensorProto.FLOAT), scales)
        return graph.add("MatMul", values_BTD, graph.add("Transpose", read_VD, perm=[1, 0]))

    def _levels(self, table_VD: Floats) -> tuple[Floats, tuple[str, str]]:
        """The scales of a table's rows, [V, 1], and the names of its whole numbers and of those scales.

        What is embedded is rounded once more by the LSTM layer, and there by the scale of the widest row.
        """
        for array, scales_V1, names in self._tables:
            if array is table_VD:
                return scales_V1, names
        scales_V1 = (np.maximum(np.abs(table_VD).max(1, keepdims=True), TINY) / FINE).astype(np.float32)
        levels_VD = np.round(table_VD / scales_V1).astype(np.int8)
        names = self._graph.constant(levels_VD), self._graph.constant(scales_V1)
        self._tables.append((table_VD, scales_V1, names))
        return scales_V1, names

    def lookup(self, table_NK: Floats, places: str) -> str:
        """Rows of a table at places of any shape, [..., K]; rows of zeros, as most are of features, are left out.

        In int8 the numbers have half precision.
        """
        graph = self._graph
        filled = np.flatnonzero(table_NK.any(axis=1))
        compact_MK = np.concatenate([np.zeros_like(table_NK[:1]), table_NK[filled]])
        if compact_MK.size + len(table_NK) < table_NK.size:
            stored_N = np.zeros(len(table_NK), dtype=np.int32)
            stored_N[filled] = 1 + np.arange(len(filled))
            table_NK, places = compact_MK, graph.add("Gather", graph.constant(stored_N), places)
        if not self._int8:
            return graph.add("Gather", graph.constant(table_NK), places)
        halves = graph.add("Gather", graph.constant(table_NK.astype(np.float16)), places)
        return graph.add("Cast", halves, to=TensorProto.FLOAT)

    def lstm(
        self, layer_TBD: str, weights: Sequence[Floats], *, reverse: bool, lengths: str, state: Sequence[str]
    ) -> tuple[str, str, str]:
        """States [T, B, H], and hidden and cell state [1, B, H] after the last token.

        `weights` are those of the input, of the recurrence, and the biases, with torch's order of gates.
        """
        graph = self._graph
        hidden_size = weights[1].shape[1]
        attributes = {"hidden_size": hidden_size, "direction": "reverse" if reverse else "forward"}
        inputs, recurrents, biases = (_onnx_gates(array) for array in weights)
        outputs = [graph.fresh(name) for name in ("states", "hidden", "cell")]
        if not self._int8:
            both = np.concatenate([biases, np.zeros_like(biases)])
            constants = [graph.constant(array[None]) for array in (inputs, recurrents, both)]
            graph.add_many("LSTM", layer_TBD, *constants, lengths, *state, outputs=outputs, **attributes)
        else:
            attributes["hidden_size"] = hidden_size + len(PINS)
            (matrix, scales, zeros), (own_matrix, own_scales, own_zeros) = (
                [graph.constant(part) for part in _quantised(_with_pins(array))] for array in (inputs, recurrents)
            )
            start = self._start(layer_TBD, hidden_size, state)
            graph.add_many(
                "DynamicQuantizeLSTM",
                *(layer_TBD, matrix, own_matrix, graph.constant(_pinned_biases(biases)[None]), lengths, *start, ""),
                *(scales, zeros, own_scales, own_zeros),
                outputs=outputs,
                domain=MICROSOFT,
                **attributes,
            )
        return graph.add("Squeeze", outputs[0], graph.constant([1])), outputs[1], outputs[2]

    def plain(self, value: str, size: int) -> str:
        """A value [., B, H] without the constant columns."""
        if not self._int8:
            return value
        ends = (self._graph.constant([number]) for number in (0, size, 2))
        return self._graph.add("Slice", value, *ends)

    def _start(self, layer_TBD: str, hidden_size: int, state: Sequence[str]) -> list[str]:
        """Hidden and cell state to start from, those of the constant units included, [1, B, H]."""
        graph = self._graph
        batch = graph.add("Shape", layer_TBD, start=1, end=2)
        made = []
        for place, pins in enumerate((PINS, PINS * LONG_CELL)):
            own = pins if state else np.concatenate([np.zeros(hidden_size, dtype=np.float32), pins])
            shape = graph.add("Concat", graph.constant([1]), batch, graph.constant([len(own)]), axis=0)
            constant = graph.add("Expand", graph.constant(own[None, None]), shape)
            made.append(graph.add("Concat", state[place], constant, axis=2) if state else constant)
        return made


def _onnx_gates(array: Floats) -> Floats:
    """Gates from torch's order (input, forget, cell, output) to ONNX's (input, output, forget, cell)."""
    i, f, g, o = np.split(array, 4)
    return np.concatenate([i, o, f, g])


def _with_pins(matrix: Floats) -> Floats:
    """A matrix [4H, D] with zeros from and to the constant columns and units, [4 (H + 2), D + 2]."""
    rows, columns = matrix.shape
    gates = np.pad(matrix.reshape(4, rows // 4, columns), ((0, 0), (0, len(PINS)), (0, len(PINS))))
    return gates.reshape(-1, columns + len(PINS))


def _pinned_biases(biases: Floats) -> Floats:
    """Biases [4H] with those that keep the constant units as they are, and the second bias of zeros, [8 (H + 2)]."""
    gates = np.pad(biases.reshape(4, -1), ((0, 0), (0, len(PINS))))
    gates[:3, -len(PINS) :] = np.array([-SATURATED, SATURATED, SATURATED])[:, None]  # input, output, forget
    return np.concatenate([gates.ravel(), np.zeros(gates.size, dtype=np.float32)])


def _quantised(matrix: Floats) -> tuple[Ints, Floats, Ints]:
    """A matrix [N, K] as int8 [1, K, N], the scales [1, N] of its rows, and zeros."""
    scales = np.maximum(np.abs(matrix).max(1), TINY) / LEVELS
    whole = np.round(matrix / scales[:, None]).astype(np.int8)
    return np.ascontiguousarray(whole.T[None]), scales[None].astype(np.float32), np.zeros((1, len(matrix)), np.int8)
