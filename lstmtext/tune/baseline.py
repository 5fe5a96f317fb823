"""What a model must beat to be worth its name: logistic regression over n-grams, or each word's usual tag."""

from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np

from lstmtext.data.encoded import EncodedData
from lstmtext.errors import UsageError
from lstmtext.metrics import LabelScores, Scores, TagScores
from lstmtext.text.arrays import Ints

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
    texts, labels = _texts(data, "train", order)
    held, gold = _texts(data, "validation", np.arange(len(data.texts("validation"))))
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    features, unseen = vectorizer.fit_transform(texts), vectorizer.transform(held)
    found = []
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=300).fit(features, labels)
        scores = LabelScores([data.labels.names[k] for k in model.classes_])
        scores.add([data.every_label[k] for k in gold], model.predict_proba(unseen))
        found.append(scores.scores())
    return "TF-IDF and logistic regression", max(found, key=key)


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


def _texts(data: EncodedData, split: str, places: Ints) -> tuple[list[str], list[int]]:
    encoded = data.texts(split)
    examples = [encoded[int(place)] for place in places]
    return [data.tokenizer.decode(example.ids) for example in examples], [example.label for example in examples]
