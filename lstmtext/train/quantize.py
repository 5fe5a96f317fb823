"""The graph that a training ends with: in int8 where that costs no quality, else in float32.

What int8 costs is measured on the validation data, through the runtime itself.
"""

from collections.abc import Callable

import numpy as np

from lstmtext.config import Settings, TaskName
from lstmtext.data.encoded import EncodedData
from lstmtext.decoding.sampling import softmax
from lstmtext.decoding.viterbi import Transitions, best_paths
from lstmtext.metrics import LabelScores, LanguageScores, Scores, TagScores
from lstmtext.runtime.engine import Engine
from lstmtext.runtime.export import export_graph
from lstmtext.runtime.inputs import sentence_inputs, text_inputs
from lstmtext.runtime.layers import Arrays
from lstmtext.tasks import TASKS, first_of
from lstmtext.train.feeds import sentence_feed, stream_windows, text_feed
from lstmtext.train.validate import STREAM_ROWS

TOLERATED = 0.002
"""What int8 may cost: a fall of a score, or the share by which nats rise."""


def choose_graph(
    data: EncodedData, settings: Settings, encoder: Arrays, head: Arrays, scores: Scores
) -> tuple[bytes, dict[str, object]]:
    """The graph to save, and what the bundle says of it. `scores` are those of float32 on the validation data."""
    wanted = settings.export.precision
    if wanted == "float32":
        return export_graph(data.task, settings, encoder, head), {"precision": "float32"}
    graph = export_graph(data.task, settings, encoder, head, precision="int8")
    task = TASKS[data.task]
    name, full = first_of(task.shown, scores)
    _, own = first_of(task.shown, _SCORERS[data.task](Engine(graph), data, settings, head))
    loss = (own - full) / max(full, 1e-9) if task.lower_is_shown else full - own
    measured = {f"{name} in float32": full, f"{name} in int8": own}
    if wanted == "auto" and not loss <= TOLERATED:
        return export_graph(data.task, settings, encoder, head), {"precision": "float32", **measured}
    return graph, {"precision": "int8", **measured}


def _texts(engine: Engine, data: EncodedData, settings: Settings, head: Arrays) -> Scores:
    every = (*data.labels.names, *data.facts.unknown)
    counted = LabelScores(data.labels.names)
    for _, batch in text_feed(data, "validation", settings).ordered():
        logits_BK = engine.run(text_inputs(batch))[0]
        counted.add([every[k] for k in batch.labels_B], softmax(logits_BK.astype(np.float64)))
    return counted.scores()


def _sentences(engine: Engine, data: EncodedData, settings: Settings, head: Arrays) -> Scores:
    names = data.labels.names
    every = (*names, *data.facts.unknown)
    crf = Transitions(*(head[f"crf.{part}"] for part in ("transitions_KK", "starts_K", "ends_K"))).restricted(names)
    counted = TagScores(names)
    for _, batch in sentence_feed(data, "validation", settings).ordered():
        paths = best_paths(engine.run(sentence_inputs(batch))[0], batch.words_B, crf)
        for path, gold, count in zip(paths, batch.tags_BW, batch.words_B, strict=True):
            counted.add([every[tag] for tag in gold[:count]], [names[tag] for tag in path])
    return counted.scores()


def _stream(engine: Engine, data: EncodedData, settings: Settings, head: Arrays) -> Scores:
    stream = data.stream("validation")
    scores = LanguageScores(characters=stream.characters, bytes=stream.bytes, words=stream.words)
    size = (settings.encoder.layers, 0, settings.encoder.hidden_size)
    hidden = cell = np.zeros(size, dtype=np.float32)
    for batch in stream_windows(stream, STREAM_ROWS, settings.generate.window):
        if batch.fresh_B.all():
            hidden = cell = np.zeros((size[0], len(batch.ids_BT), size[2]), dtype=np.float32)
        ids_BT = batch.ids_BT[:, :-1].astype(np.int64)
        logits_BTV, hidden, cell = engine.run({"ids": ids_BT, "hidden": hidden, "cell": cell})
        shares_BTV = softmax(logits_BTV.astype(np.float64))
        chosen_BT = np.take_along_axis(shares_BTV, batch.ids_BT[:, 1:, None], axis=2)
        scores.add_nats(float(-np.log(chosen_BT).sum()), chosen_BT.size)
    return scores.scores()


_SCORERS: dict[TaskName, Callable[[Engine, EncodedData, Settings, Arrays], Scores]] = {
    "classify": _texts,
    "tag": _sentences,
    "generate": _stream,
}
