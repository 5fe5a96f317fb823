"""An ONNX Runtime session over a bundle's graph."""

import os
from collections.abc import Mapping
from pathlib import Path

from lstmtext.errors import ModelError
from lstmtext.text.arrays import Floats, Ints

QUIET = 3
"""ONNX Runtime's log level for errors only."""


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

    def run(self, inputs: Mapping[str, Floats | Ints]) -> list[Floats]:
        """The graph's outputs, in order."""
        outputs: list[Floats] = self._session.run(None, {name: inputs[name] for name in self._inputs})
        return outputs
