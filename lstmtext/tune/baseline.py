"""What a model must beat to be worth its name: logistic regression over n-grams, or each word's usual tag."""

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lstmtext.data.encoded import EncodedData, EncodedTexts
from lstmtext.decoding.label_sets import best_thresholds
from lstmtext.errors import UsageError
from lstmtext.metrics import LabelScores, MultiLabelScores, Scores, TagScores
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.batching import pad
from lstmtext.text.examples import NO_TARGET, multi_hot
from lstmtext.text.labels import join_labels

MOST_TEXTS = 50_000
"""Training texts that the logistic regression is fitted to, at most."""
STRENGTHS = (1.0, 10.0, 100.0)


def baseline_scores(data: EncodedData, key: Callable[[Scores], float]) -> tuple[str, Scores]:
    """Name and validation scores of the baseline of a task, the best by a key; language models have none."""
    if data.task == "generate":
        return "none", {}
    return _ngrams(data, key) if data.task == "classify" else _usual_tags(data)


def _ngrams(data: EncodedData, key: Callable[[Scores], float]) -> tuple[str, Scores]:
    """TF-IDF of words and pairs of words with logistic regression; validation chooses the strength."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise UsageError(
            "lstmtext tune", "scikit-learn is not installed", hint="pip install 'lstmtext[tune]'"
        ) from error
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data.texts("train")))[:MOST_TEXTS]
    train, held_out = data.texts("train"), data.texts("validation")
    texts, held = _spelled(data, train, order), _spelled(data, held_out, np.arange(len(held_out)))
    weights = train.weights[order]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    features, unseen = vectorizer.fit_transform(texts), vectorizer.transform(held)
    found = []
    for strength in STRENGTHS:
        fit = partial(_fit, LogisticRegression(C=strength, max_iter=300), features, unseen, weights)
        found.append(_score_sets(data, order, fit) if train.label_sets is not None else _score_labels(data, order, fit))
    return "TF-IDF and logistic regression", max(found, key=key)


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


def _usual_tags(data: EncodedData) -> tuple[str, Scores]:
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


def _spelled(data: EncodedData, texts: EncodedTexts, places: Ints) -> list[str]:
    return [data.tokenizer.decode(texts[int(place)].ids) for place in places]
