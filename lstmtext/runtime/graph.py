"""A small builder of ONNX graphs: operators by name, arrays as initializers."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lstmtext.text.arrays import Floats, Ints

Attribute = int | str | Sequence[int]

OPSET = 17
IR_VERSION = 9
"""The oldest versions that hold every operator used, so that older runtimes can load the graph."""


class Graph:
    """A graph under construction; every method that adds a node gives the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._domains: set[str] = set()

    def input(self, name: str, shape: Sequence[str | int], kind: int = TensorProto.FLOAT) -> str:
        """Declare an input; names in the shape are free dimensions."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def output(self, value: str, name: str, shape: Sequence[str | int]) -> None:
        """Declare a float output."""
        self.add("Identity", value, output=name)
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def constant(self, array: Floats | Ints | Sequence[int]) -> str:
        """An initializer; integer sequences become 64-bit arrays."""
        name = f"constant_{len(self._initializers)}"
        value = np.asarray(array, dtype=None if isinstance(array, np.ndarray) else np.int64)
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Attribute) -> str:
        """A node with one output."""
        outputs = [output or f"value_{len(self._nodes)}"]
        return self.add_many(operator, *inputs, outputs=outputs, domain=None, **attributes)[0]

    def add_many(
        self, operator: str, *inputs: str, outputs: Sequence[str], domain: str | None = None, **attributes: Attribute
    ) -> Sequence[str]:
        """A node with named outputs; an empty name drops one. A domain is that of an operator beyond the standard."""
        self._domains |= {domain} if domain else set()
        self._nodes.append(
            helper.make_node(operator, list(inputs), list(outputs), None, None, domain, None, **attributes)
        )
        return outputs

    def fresh(self, stem: str) -> str:
        """A value name that no other node has."""
        return f"{stem}_{len(self._nodes)}"

    def build(self) -> bytes:
        """The serialised, checked model."""
        graph = helper.make_graph(self._nodes, "lstmtext", self._inputs, self._outputs, self._initializers)
        versions = [helper.make_opsetid("", OPSET), *(helper.make_opsetid(name, 1) for name in sorted(self._domains))]
        model = helper.make_model(graph, opset_imports=versions, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content
