"""Scores by the number of examples: on a pretrained encoder, from scratch, and by n-grams or a feature CRF alone.

The encoder is that of `--encoder`, which should have seen no label of these data. The shipped one has, so it serves for
the samples alone.
Every draw of examples is the same for all contenders. All choose on the validation data, which are not drawn from.
"""

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from lstmtext.bundle import load_bundle
from lstmtext.shipped import shipped_bundle
from tests.benchmarks.contenders.classifying import texts_of
from tests.benchmarks.contenders.tagging import crf_of, sentences_of
from tests.benchmarks.data import BenchData, Curve
from tests.benchmarks.measure import CURVE, Result, rows_of
from tests.benchmarks.trained import trained_scores

SIZES = (50, 100, 500, 1000)
STRENGTHS = (1.0, 10.0, 100.0)
MOST_VALID, MOST_TESTED = 300, 2000
"""Records to choose the epoch and to score on, so that both take no longer than learning from a few."""
STARTS = {"lstmtext, pretrained": "", "lstmtext, from scratch": "none"}
"""What each training starts from: the encoder that is given, or nothing."""


def run(data: BenchData, rounds: int) -> Iterator[Result]:
    encoder = data.encoder or (shipped_bundle() if data.is_sample else None)
    if encoder is None:
        print(
            "learning_curves: left out, as no encoder was named that has seen no label; ENCODER=BUNDLE", file=sys.stderr
        )
        return
    digest = load_bundle(encoder).encoder_digest[:12]
    known = Scores(data.scores)
    for name, curve in data.curves.items():
        asked = (digest, str(curve.train.absolute()), MOST_VALID, MOST_TESTED)
        read = texts_of if curve.task == "classify" else sentences_of
        train, valid, test = ([*read(file, None)] for file in (curve.train, curve.valid, curve.test))
        if curve.train == curve.valid:  # none of its own: a part that nothing is drawn from
            valid = train[::10]
            del train[::10]
        valid, test = (_some(records, most) for records, most in ((valid, MOST_VALID), (test, MOST_TESTED)))
        measured: dict[str, list[float]] = {}
        for size in (*(size for size in SIZES if size < len(train)), len(train)):
            for draw in range(rounds if size < len(train) else 1):
                chosen = random.Random(1000 * size + draw).sample(train, size)
                for kind, score in _contenders(curve, encoder, chosen, valid, test).items():
                    own = known.of((*asked, kind, size, draw), score)
                    measured.setdefault(f"{kind}, {size}", []).append(own)
        rows = [row for kind, values in measured.items() for row in rows_of({kind: values}, higher_is_better=True)]
        notes = [
            f"{len(valid)} validation and {len(test)} test records, {rounds} draws, all {len(train)} once; seed 1",
            f"pretrained: {encoder.name}, {digest}",
        ]
        yield Result(f"{CURVE}: {name}", "accuracy, %", rows, notes)
    known.forget()


def _some(records: list, most: int) -> list:
    return random.Random(0).sample(records, min(most, len(records)))


class Scores:
    """Scores that are kept in a file as soon as they are measured, for this takes hours: who runs it again goes on.

    Once all are there the file is removed, and the next run measures anew. Without a file, none are kept.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file and file.exists() else []
        whole = (json.loads(line) for line in lines if line.endswith("\n"))
        self._known = {tuple(key): score for key, score in whole}

    def of(self, key: tuple[str | int, ...], measure: Callable[[], float]) -> float:
        """The score that is known, or else measured now."""
        if key not in self._known:
            self._known[key] = measure()
            if self._file:
                lines = (json.dumps(pair) + "\n" for pair in self._known.items())
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.write_text("".join(lines), encoding="utf-8")
        return self._known[key]

    def forget(self) -> None:
        """Remove the file."""
        if self._file:
            self._file.unlink(missing_ok=True)


def _contenders(curve: Curve, encoder: Path, train: list, valid: list, test: list) -> dict[str, Callable[[], float]]:
    """What measures each contender's accuracy, in percent."""
    records = {"train": train, "valid": valid, "test": test}
    name, baseline = _BASELINES[curve.task]
    ours = {
        kind: partial(_ours, curve, records, start if start == "none" else encoder) for kind, start in STARTS.items()
    }
    return {**ours, name: lambda: 100 * baseline(train, valid, test)}


def _ours(curve: Curve, records: Mapping[str, list], start: Path | str) -> float:
    scores = trained_scores(curve.task, records, ("--encoder", start, "--set", "transfer.head=new"))
    return 100 * float(scores["accuracy"])


def _ngrams(train: list, valid: list, test: list) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    features = vectorizer.fit_transform([text for text, _ in train])
    labels = [label for _, label in train]
    held, unseen = (vectorizer.transform([text for text, _ in records]) for records in (valid, test))
    models = [LogisticRegression(C=strength, max_iter=1000).fit(features, labels) for strength in STRENGTHS]
    best = max(models, key=lambda model: model.score(held, [label for _, label in valid]))
    return float(best.score(unseen, [label for _, label in test]))


def _crf(train: list, valid: list, test: list) -> float:
    tag = crf_of(train, 60)
    pairs = [pair for s in test for pair in zip(tag([s.words])[0], s.tags, strict=True)]
    return sum(own == gold for own, gold in pairs) / len(pairs)


_BASELINES: dict[str, tuple[str, Callable[[list, list, list], float]]] = {
    "classify": ("n-grams", _ngrams),
    "tag": ("feature CRF", _crf),
}
