"""The validation records that a finished model is furthest from, through the graph that it runs on."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lstmtext.bundle import GRAPH, Bundle
from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.decoding.sampling import log_softmax
from lstmtext.decoding.viterbi import Transitions, best_paths
from lstmtext.runtime.engine import Engine
from lstmtext.runtime.inputs import sentence_inputs, text_inputs
from lstmtext.runtime.layers import Arrays
from lstmtext.train.feeds import sentence_feed, stream_windows, text_feed
from lstmtext.train.quantize import stream_reader
from lstmtext.train.validate import STREAM_ROWS

SHOWN = 20


@dataclass(frozen=True, order=True)
class Miss:
    """A record that a model gets wrong.

    Its weight, the higher the worse: nats of a text's label, wrong tags of a sentence, nats a token of a passage.
    """

    weight: float
    text: str
    gold: str
    predicted: str


def worst_records(data: EncodedData, bundle: Bundle, count: int = SHOWN) -> list[Miss]:
    """The worst records of the data that a bundle was trained on, worst first."""
    misses = {"classify": _texts, "tag": _sentences, "generate": _passages}[data.task]
    name = next(name for name, head in bundle.info.heads.items() if head.task == data.task)
    head = bundle.arrays(f"heads.{name}.")
    return heapq.nlargest(count, misses(data, bundle.info.settings, Engine(bundle.folder / GRAPH), head))


def _texts(data: EncodedData, settings: Settings, engine: Engine, head: Arrays) -> Iterator[Miss]:
    """Texts of a wrong label, by the nats of the right one."""
    names, texts = data.labels.names, data.texts("validation")
    for places, batch in text_feed(data, "validation", settings).ordered():
        nats_BK = -log_softmax(engine.run(text_inputs(batch))[0])
        for place, gold, row_K in zip(places, batch.labels_B, nats_BK, strict=True):
            predicted = int(row_K.argmin())
            if predicted == gold:
                continue
            text = data.tokenizer.decode(texts[int(place)].ids)
            weight = float(row_K[gold]) if gold < len(names) else float("inf")
            yield Miss(weight, text, data.every_label[gold], f"{names[predicted]} ({np.exp(-row_K[predicted]):.2f})")


def _sentences(data: EncodedData, settings: Settings, engine: Engine, head: Arrays) -> Iterator[Miss]:
    """Sentences with wrong tags, by how many."""
    names, sentences = data.labels.names, data.sentences("validation")
    crf = {name.removeprefix("crf."): array for name, array in head.items()}
    transitions = Transitions.of(crf).restricted(names)
    for places, batch in sentence_feed(data, "validation", settings).ordered():
        paths = best_paths(engine.run(sentence_inputs(batch))[0], batch.words_B, transitions)
        for place, path, gold in zip(places, paths, batch.tags_BW, strict=True):
            words = sentences[int(place)].words
            triples = [(w, data.every_label[g], names[p]) for w, g, p in zip(words, gold, path, strict=False)]
            wrong = [triple for triple in triples if triple[1] != triple[2]]
            if wrong:
                shown = [" ".join(f"{word}/{pair[at]}" for word, *pair in wrong) for at in (0, 1)]
                yield Miss(float(len(wrong)), " ".join(words), *shown)


def _passages(data: EncodedData, settings: Settings, engine: Engine, head: Arrays) -> Iterator[Miss]:
    """Windows of running text, by nats a token."""
    read = stream_reader(engine, settings)
    for batch in stream_windows(data.stream("validation"), STREAM_ROWS, settings.generate.window):
        for ids, nats_T in zip(batch.ids_BT[:, 1:], read(batch), strict=True):
            hardest = data.tokenizer.decode([int(ids[nats_T.argmax()])])
            yield Miss(float(nats_T.mean()), data.tokenizer.decode(ids.tolist()), hardest, f"{nats_T.max():.2f} nats")
