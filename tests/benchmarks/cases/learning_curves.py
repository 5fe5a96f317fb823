"""Scores by the number of examples: on a pretrained encoder, from scratch, and by n-grams or a feature CRF alone.

The encoder is that of `--encoder`, which should have seen no label of these data, or else the shipped one, which has.
Every draw of examples is the same for all contenders. All choose on the validation data, which are not drawn from.
"""

import json
import random
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lstmtext.shipped import shipped_bundle
from tests.benchmarks.contenders.classifying import texts_of
from tests.benchmarks.contenders.tagging import crf_of, sentences_of
from tests.benchmarks.data import COMMAND, BenchData, Curve
from tests.benchmarks.measure import CURVE, Result, rows_of

SIZES = (50, 100, 500, 1000)
STRENGTHS = (1.0, 10.0, 100.0)
MOST_TESTED = 5000
"""Test records, so that scoring takes no longer than training."""
QUIET = ("-q", "--set", "train.report=false")
STARTS = {"lstmtext, pretrained": "", "lstmtext, from scratch": "none"}
"""What each training starts from: the encoder that is given, or nothing."""


def run(data: BenchData, rounds: int) -> list[Result]:
    encoder = data.encoder or shipped_bundle()
    if encoder is None:
        raise SystemExit("learning_curves: no bundle to start from; name one with --encoder")
    results = []
    for name, curve in data.curves.items():
        read = texts_of if curve.task == "classify" else sentences_of
        train, valid, test = ([*read(file, None)] for file in (curve.train, curve.valid, curve.test))
        if curve.train == curve.valid:  # none of its own: a part that nothing is drawn from
            valid = train[::10]
            del train[::10]
        test = random.Random(0).sample(test, min(MOST_TESTED, len(test)))
        measured: dict[str, list[float]] = {}
        for size in (*(size for size in SIZES if size < len(train)), len(train)):
            for draw in range(rounds if size < len(train) else 1):
                chosen = random.Random(1000 * size + draw).sample(train, size)
                for kind, score in _scores(curve, encoder, chosen, valid, test).items():
                    measured.setdefault(f"{kind}, {size}", []).append(score)
        rows = [row for kind, values in measured.items() for row in rows_of({kind: values}, higher_is_better=True)]
        notes = [
            f"{len(test)} test records, {rounds} draws, all {len(train)} once; seed 1",
            f"pretrained: {encoder.name}",
        ]
        results.append(Result(f"{CURVE}: {name}", "accuracy, %", rows, notes))
    return results


def _scores(curve: Curve, encoder: Path, train: list, valid: list, test: list) -> dict[str, float]:
    """Accuracy in percent of each contender."""
    with tempfile.TemporaryDirectory() as work:
        files = [Path(work) / f"{name}.{curve.ending}" for name in ("train", "valid", "test")]
        for file, records in zip(files, (train, valid, test), strict=True):
            file.write_text(_WRITERS[curve.task](records), encoding="utf-8")
        scores = {}
        for kind, start in STARTS.items():
            named = start if start == "none" else encoder
            scores[kind] = _ours(files, Path(work) / "bundle", named)
        name, baseline = _BASELINES[curve.task]
        return {**scores, name: 100 * baseline(train, valid, test)}


def _ours(files: Sequence[Path], bundle: Path, start: Path | str) -> float:
    train, valid, test = files
    given = ["--valid", valid, "-o", bundle, "--encoder", start, "--set", "transfer.head=new", *QUIET]
    subprocess.run([str(word) for word in (COMMAND, "train", train, *given)], check=True)
    asked = [str(word) for word in (COMMAND, "evaluate", test, "-m", bundle, "--json")]
    return 100 * float(json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)["scores"]["accuracy"])


def _as_tsv(records: list) -> str:
    return "label\ttext\n" + "".join(f"{label}\t{' '.join(text.split())}\n" for text, label in records)


def _as_conll(sentences: list) -> str:
    lines = ["".join(f"{word}\t{tag}\n" for word, tag in zip(s.words, s.tags, strict=True)) for s in sentences]
    return "\n".join(lines) + "\n"


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


_WRITERS: dict[str, Callable[[list], str]] = {"classify": _as_tsv, "tag": _as_conll}
_BASELINES: dict[str, tuple[str, Callable[[list, list, list], float]]] = {
    "classify": ("n-grams", _ngrams),
    "tag": ("feature CRF", _crf),
}
