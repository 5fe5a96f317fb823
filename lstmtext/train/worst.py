"""The validation records that a finished model is furthest from, through the graph that it runs on."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lstmtext.bundle import Bundle
from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.decoding.label_sets import label_probabilities
from lstmtext.decoding.sampling import log_softmax
from lstmtext.decoding.viterbi import Transitions, best_paths
from lstmtext.metrics import nats_of_labels
from lstmtext.runtime.engine import Chain
from lstmtext.runtime.inputs import sentence_inputs, text_inputs
from lstmtext.runtime.layers import Arrays
from lstmtext.text.labels import join_labels
from lstmtext.text.lexical import keys_in
from lstmtext.train.feeds import sentence_feed, stream_windows, text_feed
from lstmtext.train.quantize import stream_reader
from lstmtext.train.validate import STREAM_ROWS, gold_of

SHOWN = 20


@dataclass(frozen=True, order=True)
class Miss:
    """A record that a model gets wrong.

    Its weight, the higher the worse: nats of a text's labels, wrong tags of a sentence, nats a token of a passage.
    """

    weight: float
    text: str
    gold: str
    predicted: str


def worst_records(data: EncodedData, bundle: Bundle, head: str, count: int = SHOWN) -> list[Miss]:
    """The worst records of the data that a head of a bundle was trained on, worst first."""
    info = bundle.info.heads[head]
    texts = _sets if info.multi_label else _texts
    misses = {"classify": texts, "tag": _sentences, "generate": _passages}[data.task]
    return heapq.nlargest(count, misses(data, info.settings, Chain.of(bundle, head), bundle.head_arrays(head)))


def _texts(data: EncodedData, settings: Settings, engine: Chain, head: Arrays) -> Iterator[Miss]:
    """Texts of a wrong label, by the nats of the right one."""
    names, texts = data.labels.names, data.texts("validation")
    for places, batch in text_feed(data, "validation", settings, keys_in(head)).ordered():
        nats_BK = -log_softmax(engine.run(text_inputs(batch))[0])
        for place, gold, row_K in zip(places, batch.labels_B, nats_BK, strict=True):
            predicted = int(row_K.argmin())
            if predicted == gold:
                continue
            text = data.tokenizer.decode(texts[int(place)].ids)
            weight = float(row_K[gold]) if gold < len(names) else float("inf")
            yield Miss(weight, text, data.every_label[gold], f"{names[predicted]} ({np.exp(-row_K[predicted]):.2f})")


def _sets(data: EncodedData, settings: Settings, engine: Chain, head: Arrays) -> Iterator[Miss]:
    """Texts of wrong sets of labels, by the nats of the right one."""
    names, texts = data.labels.names, data.texts("validation")
    for places, batch in text_feed(data, "validation", settings, keys_in(head)).ordered():
        shares_BK = label_probabilities(engine.run(text_inputs(batch))[0], multi_label=True)
        gold_BK = gold_of(batch, data, settings).astype(bool)
        nats_B = nats_of_labels(shares_BK, gold_BK[:, : len(names)]).sum(1)
        for place, gold_K, row_K, nats in zip(places, gold_BK, shares_BK, nats_B, strict=True):
            found = np.flatnonzero(row_K > head["thresholds_K"])
            if np.array_equal(found, np.flatnonzero(gold_K)):
                continue
            weight = float("inf") if gold_K[len(names) :].any() else float(nats)
            gold = join_labels(data.every_label[k] for k in np.flatnonzero(gold_K))
            predicted = join_labels(f"{names[k]} ({row_K[k]:.2f})" for k in found)
            yield Miss(weight, data.tokenizer.decode(texts[int(place)].ids), gold, predicted)


def _sentences(data: EncodedData, settings: Settings, engine: Chain, head: Arrays) -> Iterator[Miss]:
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


def _passages(data: EncodedData, settings: Settings, engine: Chain, head: Arrays) -> Iterator[Miss]:
    """Windows of running text, by nats a token."""
    read = stream_reader(engine, settings)
    for batch in stream_windows(data.stream("validation"), STREAM_ROWS, settings.generate.window):
        for ids, nats_T in zip(batch.ids_BT[:, 1:], read(batch), strict=True):
            hardest = data.tokenizer.decode([int(ids[nats_T.argmax()])])
            yield Miss(float(nats_T.mean()), data.tokenizer.decode(ids.tolist()), hardest, f"{nats_T.max():.2f} nats")
