"""Scores, each an accumulator of sums and counts that adds up over batches and ranks.

Holds accuracy, precision, recall and F1 per label with the confusion matrix, F1 of sets of labels, span F1 (seqeval's
strict mode), and the rates of language models. Scores are fractions, up is better; losses are nats, down is better.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lstmtext.text.arrays import Bools, Floats, Ints
from lstmtext.text.labels import THRESHOLD, labels_of
from lstmtext.text.spans import bio_spans, is_bio
from lstmtext.text.words import count_words

Scores = dict[str, object]
LN2 = math.log(2)
LEAST = 1e-12
"""Added to a probability before its logarithm."""


@dataclass
class LabelScores:
    """Gold against predicted labels; a gold label that the model does not have is missed, whatever it says."""

    names: Sequence[str]
    """The model's labels, [K]."""
    predicted: dict[str, Ints] = field(default_factory=dict)
    """How often each label was predicted for texts of a gold label, [K]; the model's own labels come first."""
    nats: float = 0.0
    weights_K: Floats | None = None
    """How much a text of each label counts in `weighted_nats_per_text`, [K]."""
    weighted_nats: float = 0.0
    weight: float = 0.0

    def __post_init__(self) -> None:
        self.predicted |= {name: np.zeros(len(self.names), dtype=np.int64) for name in self.names}

    def add(self, gold: Sequence[str], probabilities_BK: Floats) -> None:
        """Count records."""
        ids = {name: k for k, name in enumerate(self.names)}
        for name, row_K in zip(gold, probabilities_BK, strict=True):
            counts_K = self.predicted.setdefault(name, np.zeros(len(self.names), dtype=np.int64))
            counts_K[row_K.argmax()] += 1
            if name in ids:
                nats = -float(np.log(row_K[ids[name]] + LEAST))
                weight = 1.0 if self.weights_K is None else float(self.weights_K[ids[name]])
                self.nats += nats
                self.weighted_nats += weight * nats
                self.weight += weight

    def scores(self) -> Scores:
        """accuracy, macro_f1 over labels that occur or are predicted, nats_per_text of known labels, and per label."""
        found_K = sum(self.predicted.values(), np.zeros(len(self.names), dtype=np.int64))
        own = {name: (int(self.predicted[name][k]), int(found_K[k])) for k, name in enumerate(self.names)}
        per_label = {name: _rates(*own.get(name, (0, 0)), int(row_K.sum())) for name, row_K in self.predicted.items()}
        seen = [rates["f1"] for name, rates in per_label.items() if rates["support"] or own[name][1]]
        total = int(found_K.sum())
        known = sum(int(self.predicted[name].sum()) for name in self.names)
        scores: Scores = {
            "accuracy": sum(matched for matched, _ in own.values()) / total if total else 0.0,
            "macro_f1": sum(seen) / len(seen) if seen else 0.0,
        }
        if known:  # a mean of nothing would look perfect
            scores["nats_per_text"] = self.nats / known
        if self.weights_K is not None and self.weight:
            scores["weighted_nats_per_text"] = self.weighted_nats / self.weight
        return scores | {
            "unknown": total - known,
            "labels": per_label,
            "confusion": {
                name: dict(zip(self.names, row_K.tolist(), strict=True)) for name, row_K in self.predicted.items()
            },
        }


@dataclass
class MultiLabelScores:
    """Gold sets of labels against those above their thresholds; a label that the model does not have is missed."""

    names: Sequence[str]
    """The model's labels, [K]."""
    weights_2K: Floats | None = None
    """How much the no and the yes of each label count in `weighted_nats_per_text`, [2, K]."""
    thresholds_K: Floats | None = None
    wanted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    matched: Counter[str] = field(default_factory=Counter)
    texts: int = 0
    exact: int = 0
    unknown: int = 0
    nats: float = 0.0
    weighted_nats: float = 0.0
    weight: float = 0.0

    def add(self, gold: Sequence[str], probabilities_BK: Floats) -> None:
        """Count records; the gold labels of one are joined, as `text.labels` has it."""
        chosen_BK = probabilities_BK > (THRESHOLD if self.thresholds_K is None else self.thresholds_K)
        for cell, row_K, chosen_K in zip(gold, probabilities_BK, chosen_BK, strict=True):
            labels = set(labels_of(cell, multi_label=True))
            made = {name for name, chosen in zip(self.names, chosen_K, strict=True) if chosen}
            self.wanted.update(labels)
            self.found.update(made)
            self.matched.update(labels & made)
            self.texts += 1
            self.exact += labels == made
            self.unknown += not labels <= set(self.names)
            has_K = np.array([name in labels for name in self.names])
            nats_K = nats_of_labels(row_K, has_K)
            self.nats += float(nats_K.sum())
            if self.weights_2K is not None:
                weights_K = np.where(has_K, self.weights_2K[1], self.weights_2K[0])
                self.weighted_nats += float((weights_K * nats_K).sum())
                self.weight += float(weights_K.mean())

    def scores(self) -> Scores:
        """micro_f1, macro_f1 over labels that occur or are predicted, exact_match, nats_per_text, and per label.

        Also per label the `decisions`: of how many texts that have it or not it was said.

        The nats of a text are the sum over the model's labels; balanced ones are spread over the mean weight of them.
        """
        names = [*self.names, *sorted(self.wanted.keys() - set(self.names))]
        per_label = {name: _rates(self.matched[name], self.found[name], self.wanted[name]) for name in names}
        seen = [per_label[name]["f1"] for name in names if self.wanted[name] or self.found[name]]
        scores: Scores = {
            "micro_f1": _rates(self.matched.total(), self.found.total(), self.wanted.total())["f1"],
            "macro_f1": sum(seen) / len(seen) if seen else 0.0,
            "exact_match": self.exact / self.texts if self.texts else 0.0,
        }
        if self.texts:
            scores["nats_per_text"] = self.nats / self.texts
        if self.weights_2K is not None and self.weight:
            scores["weighted_nats_per_text"] = self.weighted_nats / self.weight
        return scores | {
            "unknown": self.unknown,
            "labels": per_label,
            "decisions": {n: self._decisions(n) for n in names},
        }

    def _decisions(self, name: str) -> dict[str, int]:
        """The confusion matrix of a label by itself, whose counts add up to the texts."""
        matched, missed = self.matched[name], self.wanted[name] - self.matched[name]
        added = self.found[name] - matched
        return {
            "true_positives": matched,
            "false_negatives": missed,
            "false_positives": added,
            "true_negatives": self.texts - matched - missed - added,
        }


def scores_of_texts(
    names: Sequence[str], *, multi_label: bool, weights: Floats | None = None, thresholds_K: Floats | None = None
) -> LabelScores | MultiLabelScores:
    """What counts the labels of texts, which have one each, or any number."""
    if multi_label:
        return MultiLabelScores(names, weights, thresholds_K)
    return LabelScores(names, weights_K=weights)


def nats_of_labels(probabilities_BK: Floats, has_BK: Bools) -> Floats:
    """What it costs that a text has a label, or has it not, [B, K]; each is a question of its own."""
    nats_BK: Floats = -np.log(np.where(has_BK, probabilities_BK, 1.0 - probabilities_BK) + LEAST)
    return nats_BK


@dataclass
class TagScores:
    """Gold against predicted tag sequences: accuracy of words, and F1 of spans where tags are BIO, else of tags."""

    tags: Sequence[str]
    """The model's tags: they decide whether spans are counted."""
    correct: int = 0
    words: int = 0
    spans: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    matched: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Gold and predicted tags of words."""

    def add(self, gold: Sequence[str], predicted: Sequence[str]) -> None:
        """Count one sentence."""
        self.correct += sum(own == other for own, other in zip(gold, predicted, strict=True))
        self.words += len(gold)
        self.pairs.update(zip(gold, predicted, strict=True))
        wanted, made = set(bio_spans(gold)), set(bio_spans(predicted))
        self.spans.update(span.label for span in wanted)
        self.found.update(span.label for span in made)
        self.matched.update(span.label for span in wanted & made)

    def scores(self) -> Scores:
        """Accuracy over words, and the confusion matrix of their tags.

        With BIO tags also span_precision, span_recall, span_f1 and the same per label, with other tags per tag.
        """
        wanted, found = Counter[str](), Counter[str]()
        for (gold, predicted), count in self.pairs.items():
            wanted[gold] += count
            found[predicted] += count
        names = sorted(wanted | found)
        scores: Scores = {"accuracy": self.correct / self.words if self.words else 0.0}
        if is_bio(self.tags):
            rates = _rates(self.matched.total(), self.found.total(), self.spans.total())
            scores |= {f"span_{name}": value for name, value in rates.items() if name != "support"}
            labels = {
                name: _rates(self.matched[name], self.found[name], self.spans[name])
                for name in sorted(self.spans | self.found)
            }
        else:
            labels = {name: _rates(self.pairs[name, name], found[name], wanted[name]) for name in names}
        confusion = {gold: {tag: self.pairs[gold, tag] for tag in names} for gold in sorted(wanted)}
        return scores | {"labels": labels, "confusion": confusion}


@dataclass
class LanguageScores:
    """Nats of a text, and the units they are spread over."""

    nats: float = 0.0
    tokens: int = 0
    characters: int = 0
    bytes: int = 0
    words: int = 0

    def add_text(self, text: str) -> None:
        """Count a text's units."""
        self.characters += len(text)
        self.bytes += len(text.encode("utf-8", "surrogatepass"))
        self.words += count_words(text)

    def add_nats(self, nats: float, tokens: int) -> None:
        """Count the nats of some tokens."""
        self.nats += nats
        self.tokens += tokens

    def scores(self) -> Scores:
        """Rates; those whose unit did not occur are left out."""
        units = {
            "nats_per_token": (self.nats, self.tokens),
            "nats_per_character": (self.nats, self.characters),
            "bits_per_character": (self.nats / LN2, self.characters),
            "bits_per_byte": (self.nats / LN2, self.bytes),
        }
        scores: Scores = {name: total / count for name, (total, count) in units.items() if count}
        for name, count in (("token_perplexity", self.tokens), ("word_perplexity", self.words)):
            if count:
                scores[name] = math.exp(min(self.nats / count, 700.0))  # exp overflows beyond
        return scores


def _rates(matched: int, found: int, wanted: int) -> dict[str, float]:
    precision = matched / found if found else 0.0
    recall = matched / wanted if wanted else 0.0
    f1 = 2 * matched / (found + wanted) if found + wanted else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": wanted}
