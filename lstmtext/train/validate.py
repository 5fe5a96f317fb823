"""Scores of a model in training on the validation split, with the decoding that the runtime uses."""

import numpy as np

from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.decoding.viterbi import Transitions, best_paths
from lstmtext.metrics import LabelScores, LanguageScores, Scores, TagScores
from lstmtext.nn.heads.tagger import Tagger
from lstmtext.nn.model import Model
from lstmtext.train.feeds import sentence_feed, stream_windows, text_feed
from lstmtext.train.precision import autocast

STREAM_ROWS = 16
"""A validation text is read as up to this many rows; a row's first tokens lack what was before them."""
UNKNOWN_TAG = "?"


def validate(model: Model, data: EncodedData, settings: Settings, precision: str) -> Scores:
    """Scores on the validation split."""
    model.eval()
    with autocast(model.device, precision):
        return {"classify": _texts, "tag": _sentences, "generate": _stream}[data.task](model, data, settings)


def _texts(model: Model, data: EncodedData, settings: Settings) -> Scores:
    scores = LabelScores(data.labels.names)
    for _, batch in text_feed(data, "validation", settings).ordered():
        logits_BK, _ = model.predict(batch)
        scores.add(batch.labels_B, logits_BK.argmax(1))
    return scores.scores()


def _sentences(model: Model, data: EncodedData, settings: Settings) -> Scores:
    assert isinstance(model.head, Tagger)
    names = data.labels.names
    transitions = crf_transitions(model.head).restricted(names)
    scores = TagScores()
    for _, batch in sentence_feed(data, "validation", settings).ordered():
        emissions_BWK, _ = model.predict(batch)
        paths = best_paths(emissions_BWK, batch.words_B, transitions)
        for path, gold, count in zip(paths, batch.tags_BW, batch.words_B, strict=True):
            known = [names[tag] if tag >= 0 else UNKNOWN_TAG for tag in gold[:count]]
            scores.add(known, [names[tag] for tag in path])
    return scores.scores()


def _stream(model: Model, data: EncodedData, settings: Settings) -> Scores:
    stream = data.stream("validation")
    scores = LanguageScores(characters=stream.characters, bytes=stream.bytes, words=stream.words)
    carried = None
    for batch in stream_windows(stream, STREAM_ROWS, settings.generate.window):
        nats_BT, carried = model.predict(batch, carried)
        scores.add_nats(float(nats_BT.sum(dtype=np.float64)), nats_BT.size)
    return scores.scores()


def crf_transitions(head: Tagger) -> Transitions:
    """The CRF's scores as arrays."""
    crf = head.crf
    between_KK, starts_K, ends_K = (
        value.detach().float().cpu().numpy() for value in (crf.transitions_KK, crf.starts_K, crf.ends_K)
    )
    return Transitions(between_KK, starts_K, ends_K)
