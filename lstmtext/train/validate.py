"""Scores of a model in training on the validation split, with the decoding that the runtime uses."""

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import torch

from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.decoding.label_sets import best_thresholds, label_probabilities
from lstmtext.decoding.sampling import softmax
from lstmtext.decoding.viterbi import Transitions, best_paths
from lstmtext.metrics import LEAST, LanguageScores, Scores, TagScores, nats_of_labels, scores_of_texts
from lstmtext.nn.encoder import StreamState
from lstmtext.nn.heads.classifier import Classifier
from lstmtext.nn.heads.tagger import Tagger
from lstmtext.nn.model import Model
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.examples import SentenceBatch, StreamBatch, TextBatch, multi_hot
from lstmtext.text.labels import THRESHOLD, join_labels
from lstmtext.text.spans import OUTSIDE, is_bio
from lstmtext.train.feeds import sentence_feed, stream_windows, text_feed
from lstmtext.train.precision import autocast
from lstmtext.train.weighting import class_weights

STREAM_ROWS = 16
"""A validation text is read as up to this many rows."""
SHIFTS = (1.0, 0.5, 0.0, -0.5, -1.0, -1.5, -2.0, -2.5, -3.0)
"""What may be added to the emission of the outside tag."""
FACTORS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""What the two sides of a classifier may be multiplied by."""


def validate(model: Model, data: EncodedData, settings: Settings, precision: str) -> Scores:
    """Scores on the validation split."""
    model.eval()
    with autocast(model.device, precision):
        return {"classify": _texts, "tag": _sentences, "generate": _stream}[data.task](model, data, settings)


def _texts(model: Model, data: EncodedData, settings: Settings) -> Scores:
    """Scores, after the factors of the head's two sides were fitted to the same data."""
    head = model.head
    assert isinstance(head, Classifier)
    encoder, bypass, gold = [], [], []
    for _, batch in text_feed(data, "validation", settings, head.keys).ordered():
        with torch.no_grad():
            encoding, _ = model.encode(batch)
            encoder_BK, bypass_BK = head(encoding, batch)
        encoder.append(encoder_BK.cpu().numpy())
        bypass.append(encoder[-1] * 0 if bypass_BK is None else bypass_BK.cpu().numpy())
        gold.append(gold_of(batch, data, settings))
    encoder_NK, bypass_NK, gold_N = np.concatenate(encoder), np.concatenate(bypass), np.concatenate(gold)
    fit = fit_set_factors if settings.classify.multi_label else fit_factors
    factors = fit(encoder_NK, bypass_NK, gold_N, class_weights(data, settings))
    head.factors.copy_(torch.tensor(factors))
    logits_NK = encoder_NK * factors[0] + bypass_NK * factors[1]
    if not settings.classify.multi_label:
        return label_scores(data, settings, gold_N, logits_NK)
    thresholds_K = fit_thresholds(logits_NK, settings)
    head.thresholds_K.copy_(torch.from_numpy(thresholds_K))
    return label_scores(data, settings, gold_N, logits_NK, thresholds_K)


def gold_of(batch: TextBatch, data: EncodedData, settings: Settings) -> Ints:
    """The label of each text, [B], or whether it has each of `every_label`, [B, K], where it may have several."""
    return (
        multi_hot(batch.labels_BL, len(data.every_label)).astype(int)
        if settings.classify.multi_label
        else batch.labels_B
    )


def fit_thresholds(logits_NK: Floats, settings: Settings) -> Floats:
    """Probabilities above which a text has a label, [K]; where yes and no weigh alike, they are a half as they are."""
    if settings.classify.class_weight == "balanced":
        return np.full(logits_NK.shape[1], THRESHOLD, dtype=np.float32)
    return best_thresholds(label_probabilities(logits_NK, multi_label=True))


def label_scores(
    data: EncodedData, settings: Settings, gold_N: Ints, logits_NK: Floats, thresholds_K: Floats | None = None
) -> Scores:
    """Scores of the logits of texts, beside what `gold_of` gives."""
    several, every, weights = settings.classify.multi_label, data.every_label, class_weights(data, settings)
    counted = scores_of_texts(data.labels.names, multi_label=several, weights=weights, thresholds_K=thresholds_K)
    names = [join_labels(every[k] for k in np.flatnonzero(own)) if several else every[own] for own in gold_N]
    counted.add(names, label_probabilities(logits_NK, multi_label=several))
    return counted.scores()


def fit_factors(
    encoder_NK: Floats, bypass_NK: Floats, gold_N: Ints, weights_K: Floats | None = None
) -> tuple[float, float]:
    """Factors of two logits whose sum gives the known labels the highest weighted likelihood, from a grid.

    With one side only, this is temperature scaling (Guo et al., 2017).
    """
    known = np.flatnonzero(gold_N < encoder_NK.shape[1])
    assert len(known), "prepare refuses validation data without a known label"
    weights_N = np.ones(len(known)) if weights_K is None else weights_K[gold_N[known]]

    def nats(logits_NK: Floats) -> float:
        shares_NK = softmax(logits_NK[known])
        return float((weights_N * -np.log(shares_NK[np.arange(len(known)), gold_N[known]] + LEAST)).mean())

    return _best_factors(encoder_NK, bypass_NK, nats)


def fit_set_factors(
    encoder_NK: Floats, bypass_NK: Floats, gold_NK: Ints, weights_2K: Floats | None = None
) -> tuple[float, float]:
    """The same where each label is a question of its own; gold may have more columns, of labels that are unknown."""
    has_NK = gold_NK[:, : encoder_NK.shape[1]].astype(bool)
    weights_NK = np.ones(has_NK.shape) if weights_2K is None else np.where(has_NK, weights_2K[1], weights_2K[0])

    def nats(logits_NK: Floats) -> float:
        return float((weights_NK * nats_of_labels(label_probabilities(logits_NK, multi_label=True), has_NK)).sum())

    return _best_factors(encoder_NK, bypass_NK, nats)


def _best_factors(encoder_NK: Floats, bypass_NK: Floats, nats: Callable[[Floats], float]) -> tuple[float, float]:
    # Both at 0 would be no answer at all, and without a bypass the encoder's factor must not be 0.
    pairs = [pair for pair in product(FACTORS, FACTORS) if pair[0] or (pair[1] and bypass_NK.any())]
    return min(pairs, key=lambda pair: nats(encoder_NK * pair[0] + bypass_NK * pair[1]))


def _sentences(model: Model, data: EncodedData, settings: Settings) -> Scores:
    """Scores, after the emission of the outside tag was shifted to where spans score best on the same data."""
    head = model.head
    assert isinstance(head, Tagger)
    names = data.labels.names
    transitions = crf_transitions(head)
    head.shift_K.zero_()
    read = [(batch, model.predict(batch)[0]) for _, batch in sentence_feed(data, "validation", settings).ordered()]

    def scores(shift_K: Floats) -> Scores:
        return tag_scores(data, ((batch, emissions_BWK + shift_K) for batch, emissions_BWK in read), transitions)

    if not is_bio(names):
        return scores(np.zeros(len(names)))
    outside_K = np.array([name == OUTSIDE for name in names], dtype=np.float32)
    tried = [(scores(shift * outside_K), shift) for shift in SHIFTS]
    best, shift = max(tried, key=lambda pair: (pair[0]["span_f1"], -abs(pair[1])))
    head.shift_K.copy_(torch.from_numpy(shift * outside_K))
    return best


def tag_scores(data: EncodedData, read: Iterable[tuple[SentenceBatch, Floats]], transitions: Transitions) -> Scores:
    """Scores of the best paths over the emissions [B, W, K] of batches of sentences."""
    names, every = data.labels.names, data.every_label
    allowed = transitions.restricted(names)
    counted = TagScores(names)
    for batch, emissions_BWK in read:
        paths = best_paths(emissions_BWK, batch.words_B, allowed)
        for path, gold, count in zip(paths, batch.tags_BW, batch.words_B, strict=True):
            counted.add([every[tag] for tag in gold[:count]], [names[tag] for tag in path])
    return counted.scores()


def _stream(model: Model, data: EncodedData, settings: Settings) -> Scores:
    carried: StreamState | None = None

    def read(batch: StreamBatch) -> Floats:
        nonlocal carried
        nats_BT, carried = model.predict(batch, carried)
        return nats_BT

    return stream_scores(data, settings, read)


def stream_scores(data: EncodedData, settings: Settings, read: Callable[[StreamBatch], Floats]) -> Scores:
    """Scores of the nats [B, T] that `read` gives of each window, in order."""
    stream = data.stream("validation")
    scores = LanguageScores(characters=stream.characters, bytes=stream.bytes, words=stream.words)
    for batch in stream_windows(stream, STREAM_ROWS, settings.generate.window):
        nats_BT = read(batch)
        scores.add_nats(float(nats_BT.sum(dtype=np.float64)), nats_BT.size)
    return scores.scores()


def crf_transitions(head: Tagger) -> Transitions:
    """The CRF's scores as arrays."""
    crf = head.crf
    between_KK, starts_K, ends_K = (
        value.detach().float().cpu().numpy() for value in (crf.transitions_KK, crf.starts_K, crf.ends_K)
    )
    return Transitions(between_KK, starts_K, ends_K)
