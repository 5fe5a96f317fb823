"""ONNX Runtime sessions over a bundle's graphs: the encoder's, and those of heads that read its states."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lstmtext.bundle import Bundle
from lstmtext.errors import ModelError
from lstmtext.tasks import TASKS
from lstmtext.text.arrays import Floats, Ints

QUIET = 3
"""ONNX Runtime's log level for errors only."""
Value = object
"""An array, or one that ONNX Runtime holds."""


class Engine:
    """Runs a graph; only the inputs it declares are handed to it.

    Each run takes one thread: several runs side by side make better use of the cores than one run spread over them,
    and a number is then never summed in another order.
    """

    def __init__(self, graph: Path | bytes) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # later versions report home unless told not to before the import
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # whoever has threads for runs tokenizes on them too
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        options.intra_op_num_threads = 1
        source = graph if isinstance(graph, bytes) else str(graph)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library has a dozen exception classes without a common base
            place = "the graph" if isinstance(graph, bytes) else graph
            raise ModelError(place, f"cannot be run: {error}", hint="train the bundle again") from error
        self._inputs = {declared.name for declared in self._session.get_inputs()}
        self._outputs = [declared.name for declared in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, Value]) -> list[Floats]:
        """The graph's outputs, in order."""
        outputs: list[Floats] = self._session.run(None, {name: inputs[name] for name in self._inputs})
        return outputs

    def values(self, inputs: Mapping[str, Floats | Ints]) -> dict[str, Value]:
        """The graph's outputs by name, left where they are for another engine to read."""
        from onnxruntime import OrtValue

        read = {name: OrtValue.ortvalue_from_numpy(np.ascontiguousarray(inputs[name])) for name in self._inputs}
        return dict(zip(self._outputs, self._session.run_with_ort_values(self._outputs, read), strict=True))


class Chain:
    """The engine of a head, behind that of the encoder where it reads one."""

    def __init__(self, encoder: Path | bytes | None, head: Path | bytes) -> None:
        self._encoder = None if encoder is None else Engine(encoder)
        self._head = Engine(head)

    @classmethod
    def of(cls, bundle: Bundle, head: str) -> "Chain":
        """That of a bundle's head."""
        own = bundle.graph(head)
        assert own is not None, "each head has a graph"
        reads = TASKS[bundle.info.heads[head].task].reads_encoder
        return cls(bundle.graph() if reads else None, own)

    def run(self, inputs: Mapping[str, Floats | Ints]) -> list[Floats]:
        """The outputs of the head, in order."""
        return self._head.run(inputs if self._encoder is None else {**inputs, **self._encoder.values(inputs)})
