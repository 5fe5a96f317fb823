"""The graphs that a training ends with: in int8 where that costs no quality, else in float32.

What int8 costs is measured on the validation data, through the runtime itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lstmtext.config import Settings, TaskName
from lstmtext.data.encoded import EncodedData
from lstmtext.decoding.sampling import log_softmax
from lstmtext.decoding.viterbi import Transitions
from lstmtext.metrics import Scores
from lstmtext.runtime.engine import Chain
from lstmtext.runtime.export import Graphs, export_graphs, export_head
from lstmtext.runtime.inputs import sentence_inputs, text_inputs
from lstmtext.runtime.layers import Arrays, Precision
from lstmtext.tasks import TASKS, first_of
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.examples import StreamBatch
from lstmtext.text.lexical import keys_in
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
    data: EncodedData,
    settings: Settings,
    encoder: Arrays,
    head: Arrays,
    scores: Scores,
    *,
    read: bytes | None = None,
) -> tuple[Graphs, dict[str, object]]:
    """The graphs to save, and what the bundle says of them. `scores` are those of float32 on the validation data.

    Where the graph of the encoder is there already, `read`, it stays, and the precision is of the head's tables.
    """
    if read is not None and TASKS[data.task].reads_encoder:
        return _choose_tables(data, settings, head, scores, read)
    wanted = settings.export.precision
    if wanted == "float32":
        return export_graphs(data.task, settings, encoder, head), {"precision": "float32"}
    graphs = export_graphs(data.task, settings, encoder, head, precision="int8")
    task = TASKS[data.task]
    name, full = first_of(task.shown, scores)
    engine = Chain(graphs.encoder, graphs.head)
    _, own = first_of(task.shown, graph_scores(engine, data, settings, head))
    measured = {f"{name} in float32": full, f"{name} in int8": own}
    if wanted == "auto" and not _loss(data.task, full, own) <= TOLERATED:
        return export_graphs(data.task, settings, encoder, head), {"precision": "float32", **measured}
    return graphs, {"precision": "int8", **measured}


@dataclass(frozen=True)
class Trained:
    """A head that has learned: its arrays, and its scores on the validation data in float32."""

    data: EncodedData
    settings: Settings
    arrays: Arrays
    scores: Scores


def choose_together(
    heads: Mapping[str, Trained], encoder: Arrays, *, read: bytes | None = None
) -> dict[str, tuple[Graphs, dict[str, object]]]:
    """The same for each of several heads; all that read the encoder's graph have it in int8, or none."""
    chosen = {
        name: choose_graphs(own.data, own.settings, encoder, own.arrays, own.scores, read=read)
        for name, own in heads.items()
    }
    readers = {name for name, own in heads.items() if TASKS[own.data.task].reads_encoder}
    if len({str(chosen[name][1]["precision"]) for name in readers}) > 1:
        for name in readers:
            own, (_, said) = heads[name], chosen[name]
            graphs = export_graphs(own.data.task, own.settings, encoder, own.arrays)
            chosen[name] = graphs, {**said, "precision": "float32"}
    return chosen


def _choose_tables(
    data: EncodedData, settings: Settings, head: Arrays, scores: Scores, read: bytes
) -> tuple[Graphs, dict[str, object]]:
    task, wanted = TASKS[data.task], settings.export.precision
    name, full = first_of(task.shown, scores)

    def made(precision: Precision) -> tuple[Graphs, float]:
        graphs = Graphs(read, export_head(data.task, settings, {}, head, precision=precision))
        return graphs, first_of(task.shown, graph_scores(Chain(read, graphs.head), data, settings, head))[1]

    graphs, exact = made("float32")
    measured = {f"{name} in float32": full, f"{name} on the encoder's graph": exact}
    if wanted == "float32":
        return graphs, {"precision": "float32", **measured}
    smaller, own = made("int8")
    measured[f"{name} with tables in half precision"] = own
    if wanted == "auto" and not _loss(data.task, exact, own) <= TOLERATED:
        return graphs, {"precision": "float32", **measured}
    return smaller, {"precision": "int8", **measured}


def _loss(task: TaskName, full: float, own: float) -> float:
    """What a score is worse by than another, as it is tolerated."""
    return (own - full) / max(full, 1e-9) if TASKS[task].lower_is_shown else full - own


def graph_scores(engine: Runs, data: EncodedData, settings: Settings, head: Arrays) -> Scores:
    """Scores of what runs a head on the validation data; `head` are its arrays."""
    return _SCORERS[data.task](engine, data, settings, head)


def _texts(engine: Runs, data: EncodedData, settings: Settings, head: Arrays) -> Scores:
    read = [
        (gold_of(batch, data, settings), engine.run(text_inputs(batch))[0])
        for _, batch in text_feed(data, "validation", settings, keys_in(head)).ordered()
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
