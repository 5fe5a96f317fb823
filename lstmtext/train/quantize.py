"""The graphs that a training ends with: in int8 where that costs no quality, else in float32.

What int8 costs is measured on the validation data, through the runtime itself.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from lstmtext.config import Settings, TaskName
from lstmtext.data.encoded import EncodedData
from lstmtext.decoding.sampling import log_softmax
from lstmtext.decoding.viterbi import Transitions
from lstmtext.metrics import Scores
from lstmtext.runtime.engine import Chain
from lstmtext.runtime.export import Graphs, export_graphs
from lstmtext.runtime.inputs import sentence_inputs, text_inputs
from lstmtext.runtime.layers import Arrays
from lstmtext.tasks import TASKS, first_of
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.examples import StreamBatch
from lstmtext.train.feeds import sentence_feed, text_feed
from lstmtext.train.validate import gold_of, label_scores, stream_scores, tag_scores


class Runs(Protocol):
    """What runs the graphs of a head."""

    def run(self, inputs: Mapping[str, Floats | Ints], /) -> list[Floats]:
        """The graph's outputs, in order."""
        ...


TOLERATED = 0.002
"""What int8 may cost: a fall of a score, or the share by which nats rise."""


def choose_graphs(
    data: EncodedData, settings: Settings, encoder: Arrays, head: Arrays, scores: Scores
) -> tuple[Graphs, dict[str, object]]:
    """The graphs to save, and what the bundle says of them. `scores` are those of float32 on the validation data."""
    wanted = settings.export.precision
    if wanted == "float32":
        return export_graphs(data.task, settings, encoder, head), {"precision": "float32"}
    graphs = export_graphs(data.task, settings, encoder, head, precision="int8")
    task = TASKS[data.task]
    name, full = first_of(task.shown, scores)
    engine = Chain(graphs.encoder, graphs.head)
    _, own = first_of(task.shown, graph_scores(engine, data, settings, head))
    loss = (own - full) / max(full, 1e-9) if task.lower_is_shown else full - own
    measured = {f"{name} in float32": full, f"{name} in int8": own}
    if wanted == "auto" and not loss <= TOLERATED:
        return export_graphs(data.task, settings, encoder, head), {"precision": "float32", **measured}
    return graphs, {"precision": "int8", **measured}


def graph_scores(engine: Runs, data: EncodedData, settings: Settings, head: Arrays) -> Scores:
    """Scores of what runs a head on the validation data; `head` are its arrays."""
    return _SCORERS[data.task](engine, data, settings, head)


def _texts(engine: Runs, data: EncodedData, settings: Settings, head: Arrays) -> Scores:
    read = [
        (gold_of(batch, data, settings), engine.run(text_inputs(batch))[0])
        for _, batch in text_feed(data, "validation", settings).ordered()
    ]
    gold, logits = zip(*read, strict=True)
    return label_scores(data, settings, np.concatenate(gold), np.concatenate(logits), head.get("thresholds_K"))


def _sentences(engine: Runs, data: EncodedData, settings: Settings, head: Arrays) -> Scores:
    batches = (batch for _, batch in sentence_feed(data, "validation", settings).ordered())
    read = ((batch, engine.run(sentence_inputs(batch))[0]) for batch in batches)
    return tag_scores(data, read, Transitions.of({name.removeprefix("crf."): array for name, array in head.items()}))


def _stream(engine: Runs, data: EncodedData, settings: Settings, head: Arrays) -> Scores:
    return stream_scores(data, settings, stream_reader(engine, settings))


def stream_reader(engine: Runs, settings: Settings) -> Callable[[StreamBatch], Floats]:
    """What gives the nats [B, T] of windows of running text, each read on from the one before."""
    layers, size = settings.encoder.layers, settings.encoder.hidden_size
    hidden = cell = np.zeros(0, dtype=np.float32)

    def read(batch: StreamBatch) -> Floats:
        nonlocal hidden, cell
        if batch.fresh_B.all():
            hidden = cell = np.zeros((layers, len(batch.ids_BT), size), dtype=np.float32)
        ids_BT, wanted_BT1 = batch.ids_BT[:, :-1].astype(np.int64), batch.ids_BT[:, 1:, None]
        logits_BTV, hidden, cell = engine.run({"ids": ids_BT, "hidden": hidden, "cell": cell})
        return -np.take_along_axis(log_softmax(logits_BTV), wanted_BT1, axis=2)[..., 0]

    return read


_SCORERS: dict[TaskName, Callable[[Runs, EncodedData, Settings, Arrays], Scores]] = {
    "classify": _texts,
    "tag": _sentences,
    "generate": _stream,
}
