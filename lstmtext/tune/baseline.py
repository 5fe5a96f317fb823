"""What a model must beat to be worth its name: logistic regression over n-grams, each word's usual tag, n-grams."""

import math
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from lstmtext.data.encoded import EncodedData, EncodedTexts
from lstmtext.decoding.label_sets import best_thresholds
from lstmtext.errors import UsageError
from lstmtext.metrics import LabelScores, LanguageScores, MultiLabelScores, Scores, TagScores
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.batching import pad
from lstmtext.text.examples import NO_TARGET, multi_hot
from lstmtext.text.labels import join_labels
from lstmtext.text.words import word_texts
from lstmtext.tune.clock import SAFE, most_within
from lstmtext.tune.kneser_ney import nats_by_order

MOST_TEXTS = 50_000
"""Training texts that the logistic regression is fitted to, at most."""
MOST_TOKENS, MOST_HELD = 4_000_000, 1_000_000
"""Tokens that n-grams are counted in, at most: the last ones; and those that they are asked about: the first ones."""
FIRST_RECORDS, FIRST_TOKENS = 1000, 100_000
"""Of which a baseline is in any case, and which say how many more time allows."""
STRENGTHS = (10.0, 1.0, 100.0)
"""The usual best first, as time may not suffice for all."""
CLASS_WEIGHTS = (None, "balanced")

Key = Callable[[Scores], float]


def baseline_scores(data: EncodedData, key: Key, until: float = math.inf) -> tuple[str, Scores]:
    """Name and validation scores of the baseline of a task, the best by a key; it is of what time allows."""
    return {"classify": _regression, "tag": _usual_tags, "generate": _kneser_ney}[data.task](data, key, until)


def _regression(data: EncodedData, key: Key, until: float) -> tuple[str, Scores]:
    """TF-IDF of words and pairs of words with logistic regression; validation chooses strength and class weights."""
    began = time.monotonic()
    try:
        import sklearn.linear_model  # noqa: F401
    except ImportError as error:
        hint = "pip install 'lstmtext[tune]'"
        raise UsageError("lstmtext tune", "scikit-learn is not installed", hint=hint) from error
    until += time.monotonic() - began  # loading it takes longer than some fits, and says nothing of them
    texts, choices = len(data.texts("train")), [*product(STRENGTHS, CLASS_WEIGHTS)]
    order = np.random.default_rng(0).permutation(texts)[:MOST_TEXTS]

    def first(count: int) -> tuple[Callable[[float, str | None], Scores], Scores]:
        fitted = _fitted(data, order[:count])
        return fitted, fitted(*choices[0])

    used, (fitted, scores) = most_within(len(order), until, first, first=FIRST_RECORDS, times=len(choices))
    found, slowest = [scores], 0.0
    for choice in choices[1:]:
        began = time.monotonic()
        if began + SAFE * slowest > until:
            break
        found.append(fitted(*choice))
        slowest = max(slowest, time.monotonic() - began)
    tried = f", {len(found)} of {len(choices)} settings" if len(found) < len(choices) else ""
    return "TF-IDF and logistic regression" + _part(used, texts, "texts") + tried, max(found, key=key)


def _fitted(data: EncodedData, places: Ints) -> Callable[[float, str | None], Scores]:
    """What fits a regression to some training texts, of a strength and class weights, and scores it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train, held = data.texts("train"), data.texts("validation")
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, tokenizer=word_texts, token_pattern=None)
    features = vectorizer.fit_transform(_spelled(data, train, places))
    unseen = vectorizer.transform(_spelled(data, held, np.arange(len(held))))
    score = _score_labels if train.label_sets is None else _score_sets

    def fitted(strength: float, class_weight: str | None) -> Scores:
        model = LogisticRegression(C=strength, class_weight=class_weight, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # validation judges what there is
            return score(data, places, partial(_fit, model, features, unseen, train.weights[places]))

    return fitted


def _part(used: int, there: int, what: str) -> str:
    """How much of the training data a baseline is of, where that is not all."""
    return f" of {used:,} of {there:,} {what}" if used < there else ""


def _fit(model: Any, features: Any, unseen: Any, weights: Floats, gold: Ints) -> tuple[Ints, Floats]:  # noqa: ANN401
    """The classes that occur, [C], and their probabilities for what is unseen, [B, C]."""
    if len(np.unique(gold)) < 2:
        return gold[:1], np.ones((unseen.shape[0], 1))
    model.fit(features, gold, weights)
    return model.classes_, model.predict_proba(unseen)


def _score_labels(data: EncodedData, order: Ints, fit: Callable[[Ints], tuple[Ints, Floats]]) -> Scores:
    classes, shares_BC = fit(data.texts("train").labels[order])
    scores = LabelScores([data.labels.names[k] for k in classes])
    scores.add([data.every_label[k] for k in data.texts("validation").labels], shares_BC)
    return scores.scores()


def _score_sets(data: EncodedData, order: Ints, fit: Callable[[Ints], tuple[Ints, Floats]]) -> Scores:
    """One regression for each label, of those that have it against the rest."""
    names = data.labels.names
    has_NK, gold_NK = (_label_sets(data, split) for split in ("train", "validation"))
    shares = []
    for k in range(len(names)):
        classes, shares_BC = fit(has_NK[order, k])
        shares.append(shares_BC @ classes)
    shares_NK = np.stack(shares, 1)
    scores = MultiLabelScores(names, thresholds_K=best_thresholds(shares_NK))
    scores.add([join_labels(data.every_label[k] for k in np.flatnonzero(own)) for own in gold_NK], shares_NK)
    return scores.scores()


def _label_sets(data: EncodedData, split: str) -> Ints:
    """1 where a text has a label, [B, K], with those that only validation has."""
    sets = data.texts(split).label_sets
    assert sets is not None, "texts may have several labels"
    padded = pad([sets[place] for place in range(len(sets.lengths))], NO_TARGET)
    return multi_hot(padded, len(data.every_label)).astype(int)


def _usual_tags(data: EncodedData, _: Key, until: float) -> tuple[str, Scores]:
    """The tag that each word has most often, and for unknown words the most frequent of all."""
    sentences = data.sentences("train")
    order = np.random.default_rng(0).permutation(len(sentences))
    used, scores = most_within(len(order), until, lambda count: _score_tags(data, order[:count]), first=FIRST_RECORDS)
    return "each word's usual tag" + _part(used, len(order), "sentences"), scores


def _score_tags(data: EncodedData, places: Ints) -> Scores:
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    every: Counter[int] = Counter()
    sentences = data.sentences("train")
    for place in np.sort(places):
        sentence = sentences[int(place)]
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            counts[word][int(tag)] += 1
            every[int(tag)] += 1
    usual = {word: own.most_common(1)[0][0] for word, own in counts.items()}
    other = every.most_common(1)[0][0]
    scores = TagScores(data.labels.names)
    for sentence in data.sentences("validation"):
        predicted = [data.labels.names[usual.get(word, other)] for word in sentence.words]
        scores.add([data.every_label[tag] for tag in sentence.tags], predicted)
    return scores.scores()


def _kneser_ney(data: EncodedData, key: Key, until: float) -> tuple[str, Scores]:
    """Kneser-Ney n-grams of tokens; validation chooses their length."""
    known, held = data.stream("train").ids, data.stream("validation")

    def nats_of(count: int) -> dict[int, Floats]:
        return nats_by_order(known[len(known) - count :], held.ids[:MOST_HELD], data.tokenizer.size)

    used, nats = most_within(min(len(known), MOST_TOKENS), until, nats_of, first=FIRST_TOKENS)
    found = {order: LanguageScores(0.0, 0, held.characters, held.bytes, held.words) for order in nats}
    for order, scores in found.items():
        scores.add_nats(float(nats[order].mean()) * len(held.ids), len(held.ids))
    best = max(found, key=lambda order: key(found[order].scores()))
    return f"Kneser-Ney {best}-grams of tokens" + _part(used, len(known), "tokens"), found[best].scores()


def _spelled(data: EncodedData, texts: EncodedTexts, places: Ints) -> list[str]:
    return [data.tokenizer.decode(texts[int(place)].ids) for place in places]
