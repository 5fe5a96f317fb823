"""What a search is measured by is no straw man: words without their marks, rare classes, n-grams as in the textbook."""

import re
import time
from collections import Counter

import numpy as np
import pytest

from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.resolve import resolve_settings
from lstmtext.tune import baseline
from lstmtext.tune.baseline import baseline_scores
from lstmtext.tune.kneser_ney import MOST_ORDER, nats_by_order


def data_of(folder, train, held, task="classify"):
    """Encoded rows of text and label, or bare lines."""
    ending, head = ("txt", "") if task == "generate" else ("csv", "text,label\n")
    for name, rows in (("train", train), ("held", held)):
        (folder / f"{name}.{ending}").write_text(head + "\n".join(rows) + "\n")
    request = DataRequest([str(folder / f"train.{ending}")], [str(folder / f"held.{ending}")])
    return prepare(make_plan(request)[0], resolve_settings(task, assignments=["text.vocabulary_size=300"]), folder)


def test_words_are_known_whatever_mark_follows_them(tmp_path):
    """`good.` in training and `good!` in validation are the same word."""
    words = {"good": "a", "fine": "a", "bad": "b", "poor": "b"}
    train = [f"item{n} was {word}.,{label}" for n in range(10) for word, label in words.items()]
    held = [f"thing{n} is {word}!,{label}" for n in range(3) for word, label in words.items()]
    _, scores = baseline_scores(data_of(tmp_path, train, held), lambda own: own["accuracy"])
    assert scores["accuracy"] == 1.0


def test_rare_classes_count_where_the_metric_asks_for_them(tmp_path):
    """One text in 20 is of the rare class, and what tells it occurs in others too."""
    rng = np.random.default_rng(0)

    def rows(count):
        rare = [n % 20 == 0 for n in range(count)]
        hints = [rng.random() < (0.9 if own else 0.15) for own in rare]
        return [
            f"{'late' if hint else 'soon'} word{rng.integers(9)},{'rare' if own else 'usual'}"
            for own, hint in zip(rare, hints, strict=True)
        ]

    data = data_of(tmp_path, rows(600), rows(400))
    scores = {name: baseline_scores(data, lambda own, name=name: own[name])[1] for name in ("accuracy", "macro_f1")}
    assert scores["accuracy"]["accuracy"] > scores["macro_f1"]["accuracy"]
    assert scores["macro_f1"]["macro_f1"] > scores["accuracy"]["macro_f1"] + 0.05


def test_a_baseline_of_a_part_of_the_data_says_so(tmp_path, monkeypatch):
    rows = [f"{'good' if n % 2 else 'bad'} word{n % 7},{n % 2}" for n in range(60)]
    data = data_of(tmp_path, rows, rows[:10])
    assert baseline_scores(data, lambda own: own["accuracy"])[0] == "TF-IDF and logistic regression"
    monkeypatch.setattr(baseline, "MOST_TEXTS", 40)
    name, _ = baseline_scores(data, lambda own: own["accuracy"])
    assert name == "TF-IDF and logistic regression of 40 of 60 texts"


def test_language_models_have_a_baseline_too(tmp_path, monkeypatch):
    lines = [f"the {thing} of {place} is here" for thing in ("cat", "dog", "bird") for place in ("Rome", "Oslo")] * 5
    data = data_of(tmp_path, lines, lines[:6], "generate")
    name, scores = baseline_scores(data, lambda own: -own["nats_per_character"])
    assert name.startswith("Kneser-Ney ")
    assert 0.0 < scores["nats_per_character"] < 0.5
    monkeypatch.setattr(baseline, "MOST_HELD", 30)
    _, part = baseline_scores(data, lambda own: -own["nats_per_character"])
    assert part["nats_per_character"] == pytest.approx(scores["nats_per_character"], rel=0.3)
    monkeypatch.setattr(baseline, "MOST_TOKENS", 50)
    assert " of 50 of " in baseline_scores(data, lambda own: -own["nats_per_character"])[0]


@pytest.mark.parametrize("task", ["classify", "tag", "generate"])
def test_a_baseline_keeps_to_its_time(tmp_path, monkeypatch, task):
    """Where it has none left it is of the least, and says so; where there is much, of all."""
    for constant in ("FIRST_RECORDS", "FIRST_TOKENS"):
        monkeypatch.setattr(baseline, constant, 20)
    if task == "tag":
        (tmp_path / "a.conll").write_text("".join(f"word{n % 9} B-{'AB'[n % 2]}\n\n" for n in range(90)))
        plan, _ = make_plan(DataRequest([str(tmp_path / "a.conll")]))
        data = prepare(plan, resolve_settings("tag"), tmp_path)
    else:
        label = ",{}" if task == "classify" else ""
        rows = [f"the word{n % 7} is here{label.format(n % 2)}" for n in range(90)]
        data = data_of(tmp_path, rows, rows[:10], task)
    score = {"classify": "accuracy", "tag": "span_f1", "generate": "nats_per_character"}[task]
    now = time.monotonic()
    name, scores = baseline_scores(data, lambda own: own[score], now)
    assert re.search(r" of 20 of \d+ (texts|sentences|tokens)", name)
    assert name.endswith(", 1 of 6 settings") == (task == "classify")
    assert score in scores
    name, _ = baseline_scores(data, lambda own: own[score], now + 1e6)
    assert " of " not in name.replace(" of tokens", "")


class Slow:
    """Kneser-Ney by its definition: one context and one token at a time."""

    def __init__(self, known, vocabulary, order):
        self.vocabulary, self.counts = vocabulary, {}
        padded = [-1] * order + known
        for size in range(1, order + 1):
            grams = [tuple(padded[end - size : end]) for end in range(order + 1, len(padded) + 1)]
            if size == order:
                self.counts[size] = Counter(grams)
            else:
                before = zip(range(order - size, len(padded)), grams, strict=False)
                longer = {(padded[place], *gram) for place, gram in before}
                self.counts[size] = Counter(gram[1:] for gram in longer)

    def share(self, context, token):
        size = len(context) + 1
        lower = self.share(context[1:], token) if context else 1.0 / self.vocabulary
        counts = self.counts[size]
        once, twice = (sum(count == times for count in counts.values()) for times in (1, 2))
        discount = max(1, once) / (max(1, once) + 2 * twice)
        own = {gram: count for gram, count in counts.items() if gram[:-1] == context}
        if not own:
            return lower
        kept = max(counts[*context, token] - discount, 0.0)
        return (kept + discount * len(own) * lower) / sum(own.values())


@pytest.mark.parametrize("order", range(2, MOST_ORDER + 1))
def test_kneser_ney_is_that_of_its_definition(order):
    rng = np.random.default_rng(order)
    vocabulary, known, asked = 7, rng.integers(6, size=120) ** 2 // 6, rng.integers(7, size=30)
    nats = nats_by_order(known, asked, vocabulary)[order]
    slow, both = Slow(known.tolist(), vocabulary, order), [*known.tolist(), *asked.tolist()]
    for place, found in enumerate(nats, len(known)):
        context = tuple(both[place - order + 1 : place])
        assert found == pytest.approx(-np.log(slow.share(context, both[place])))
        assert sum(slow.share(context, token) for token in range(vocabulary)) == pytest.approx(1.0)
