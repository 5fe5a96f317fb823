"""What a model must beat to be worth its name: logistic regression over n-grams, each word's usual tag, n-grams."""

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
from lstmtext.tune.kneser_ney import nats_by_order

MOST_TEXTS = 50_000
"""Training texts that the logistic regression is fitted to, at most."""
MOST_TOKENS = 4_000_000
"""Tokens that n-grams are counted in, at most: the last ones."""
STRENGTHS = (1.0, 10.0, 100.0)
CLASS_WEIGHTS = (None, "balanced")

Key = Callable[[Scores], float]


def baseline_scores(data: EncodedData, key: Key) -> tuple[str, Scores]:
    """Name and validation scores of the baseline of a task, the best by a key."""
    return {"classify": _regression, "tag": _usual_tags, "generate": _kneser_ney}[data.task](data, key)


def _regression(data: EncodedData, key: Key) -> tuple[str, Scores]:
    """TF-IDF of words and pairs of words with logistic regression; validation chooses strength and class weights."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise UsageError(
            "lstmtext tune", "scikit-learn is not installed", hint="pip install 'lstmtext[tune]'"
        ) from error
    train, held_out = data.texts("train"), data.texts("validation")
    order = np.random.default_rng(0).permutation(len(train))[:MOST_TEXTS]
    texts, held = _spelled(data, train, order), _spelled(data, held_out, np.arange(len(held_out)))
    weights = train.weights[order]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, tokenizer=word_texts, token_pattern=None)
    features, unseen = vectorizer.fit_transform(texts), vectorizer.transform(held)
    score = _score_labels if train.label_sets is None else _score_sets
    found = []
    for class_weight, strength in product(CLASS_WEIGHTS, STRENGTHS):
        model = LogisticRegression(C=strength, class_weight=class_weight, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # validation judges what there is
            found.append(score(data, order, partial(_fit, model, features, unseen, weights)))
    return "TF-IDF and logistic regression" + _part(len(order), len(train), "texts"), max(found, key=key)


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


def _usual_tags(data: EncodedData, _: Key) -> tuple[str, Scores]:
    """The tag that each word has most often, and for unknown words the most frequent of all."""
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    every: Counter[int] = Counter()
    for sentence in data.sentences("train"):
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            counts[word][int(tag)] += 1
            every[int(tag)] += 1
    usual = {word: own.most_common(1)[0][0] for word, own in counts.items()}
    other = every.most_common(1)[0][0]
    scores = TagScores(data.labels.names)
    for sentence in data.sentences("validation"):
        predicted = [data.labels.names[usual.get(word, other)] for word in sentence.words]
        scores.add([data.every_label[tag] for tag in sentence.tags], predicted)
    return "each word's usual tag", scores.scores()


def _kneser_ney(data: EncodedData, key: Key) -> tuple[str, Scores]:
    """Kneser-Ney n-grams of tokens; validation chooses their length."""
    known, held = data.stream("train").ids, data.stream("validation")
    used = min(len(known), MOST_TOKENS)
    nats = nats_by_order(known[len(known) - used :], held.ids[:], data.tokenizer.size)
    found = {order: LanguageScores(0.0, 0, held.characters, held.bytes, held.words) for order in nats}
    for order, scores in found.items():
        scores.add_nats(float(nats[order].sum()), len(held.ids))
    best = max(found, key=lambda order: key(found[order].scores()))
    return f"Kneser-Ney {best}-grams of tokens" + _part(used, len(known), "tokens"), found[best].scores()


def _spelled(data: EncodedData, texts: EncodedTexts, places: Ints) -> list[str]:
    return [data.tokenizer.decode(texts[int(place)].ids) for place in places]
