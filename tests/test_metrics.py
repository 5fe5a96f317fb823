import math

import numpy as np
import pytest
from seqeval.metrics import classification_report as seqeval_report
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, precision_recall_fscore_support

from lstmtext.metrics import LabelScores, LanguageScores, TagScores

NAMES = ("a", "b", "c", "d", "e")
TAGS = ["O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def sure(predicted, labels: int) -> np.ndarray:
    """Probabilities of someone who is certain."""
    return np.eye(labels)[np.asarray(predicted)]


@pytest.mark.parametrize("seed", range(5))
def test_label_scores_are_those_of_scikit_learn(seed: int):
    rng = np.random.default_rng(seed)
    gold, predicted = rng.integers(0, 3, 60), rng.integers(0, 4, 60)  # "d" is never gold, "e" does not occur
    counted = LabelScores(NAMES)
    for start in range(0, 60, 17):  # in batches
        counted.add([NAMES[k] for k in gold[start : start + 17]], sure(predicted[start : start + 17], len(NAMES)))
    scores = counted.scores()
    assert scores["accuracy"] == pytest.approx(accuracy_score(gold, predicted))
    assert scores["macro_f1"] == pytest.approx(f1_score(gold, predicted, average="macro", zero_division=0))
    confusion = [list(counts.values()) for counts in scores["confusion"].values()]
    assert confusion == confusion_matrix(gold, predicted, labels=range(5)).tolist()
    expected = precision_recall_fscore_support(gold, predicted, labels=range(5), zero_division=0)
    for name, *values in zip(NAMES, *expected, strict=True):
        rates = scores["labels"][name]
        assert [rates[key] for key in ("precision", "recall", "f1", "support")] == pytest.approx(values)
    assert scores["confusion"]["a"]["b"] == int(((gold == 0) & (predicted == 1)).sum())


def test_a_label_that_the_model_does_not_have_is_a_miss():
    counted = LabelScores(("a", "b"))
    gold, predicted = ["a", "a", "b", "x", "x", "y"], [0, 1, 0, 1, 1, 0]
    counted.add(gold, sure(predicted, 2))
    scores = counted.scores()
    assert scores["unknown"] == 3
    assert scores["accuracy"] == 1 / 6
    expected = f1_score(gold, ["ab"[k] for k in predicted], average="macro", zero_division=0)
    assert scores["macro_f1"] == pytest.approx(expected)
    rows = {"a": {"a": 1, "b": 1}, "b": {"a": 1, "b": 0}, "x": {"a": 0, "b": 2}, "y": {"a": 1, "b": 0}}
    assert scores["confusion"] == rows
    assert scores["labels"]["x"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2}


def test_nats_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(5), 40)
    gold = rng.integers(0, 5, 40)
    counted = LabelScores(NAMES)
    counted.add([NAMES[k] for k in gold], shares)
    counted.add(["x"], shares[:1])  # what nobody can say costs nothing
    assert counted.scores()["nats_per_text"] == pytest.approx(log_loss(gold, shares, labels=range(5)))


def test_nothing_counted_scores_zero():
    assert LabelScores(NAMES).scores()["accuracy"] == LabelScores(NAMES).scores()["macro_f1"] == 0.0
    assert TagScores(("NOUN",)).scores() == {"accuracy": 0.0, "labels": {}, "confusion": {}}
    assert LanguageScores().scores() == {}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning", "ignore:invalid value")
@pytest.mark.parametrize("seed", range(5))
def test_span_scores_are_those_of_seqeval_in_strict_iob2(seed: int):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, 40)
    gold = [rng.choice(TAGS, size).tolist() for size in sizes]
    noise = [rng.random(size) < 0.3 for size in sizes]
    predicted = [
        np.where(changed, rng.choice(TAGS, len(tags)), tags).tolist() for tags, changed in zip(gold, noise, strict=True)
    ]
    counted = TagScores(TAGS)
    for own, other in zip(gold, predicted, strict=True):
        counted.add(own, other)
    scores = counted.scores()
    report = seqeval_report(gold, predicted, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    for name in ("precision", "recall"):
        assert scores[f"span_{name}"] == pytest.approx(report["micro avg"][name])
    assert scores["span_f1"] == pytest.approx(report["micro avg"]["f1-score"])
    for label in ("PER", "LOC"):
        mine, theirs = scores["labels"][label], report[label]
        assert mine == pytest.approx(
            {**{k: theirs[k] for k in ("precision", "recall", "support")}, "f1": theirs["f1-score"]}
        )
    flat = [[tag for tags in side for tag in tags] for side in (gold, predicted)]
    assert scores["accuracy"] == pytest.approx(accuracy_score(*flat))
    confusion = [list(counts.values()) for counts in scores["confusion"].values()]
    assert confusion == confusion_matrix(*flat, labels=list(scores["confusion"])).tolist()


def test_a_tag_that_the_model_does_not_have_is_a_missed_span():
    counted = TagScores(("O", "B-A"))
    counted.add(["B-A", "B-X", "O"], ["B-A", "O", "O"])
    assert counted.scores()["span_recall"] == 0.5


def test_bio_tags_without_any_span_still_have_a_span_score():
    counted = TagScores(("O", "B-A"))
    counted.add(["O"], ["O"])
    assert counted.scores()["span_f1"] == 0.0


def test_tags_without_a_scheme_have_rates_of_each_tag():
    counted = TagScores(("NOUN", "VERB"))
    counted.add(["NOUN", "VERB"], ["NOUN", "NOUN"])
    scores = counted.scores()
    assert scores["accuracy"] == 0.5
    assert scores["labels"]["NOUN"] == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert scores["labels"]["VERB"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert scores["confusion"] == {"NOUN": {"NOUN": 1, "VERB": 0}, "VERB": {"NOUN": 1, "VERB": 0}}


def test_rates_of_a_text_are_what_one_reckons_by_hand():
    counted = LanguageScores()
    counted.add_text("né so\n")  # 6 characters, 7 bytes, 2 words and a line end
    counted.add_text("ab cd")
    counted.add_nats(3.0, 4)
    counted.add_nats(5.0, 6)
    assert counted.scores() == pytest.approx(
        {
            "nats_per_token": 0.8,
            "nats_per_character": 8 / 11,
            "bits_per_character": 8 / 11 / math.log(2),
            "bits_per_byte": 8 / 12 / math.log(2),
            "token_perplexity": math.exp(0.8),
            "word_perplexity": math.exp(8 / 5),
        }
    )


def test_a_uniform_guess_among_v_tokens_has_perplexity_v():
    counted = LanguageScores()
    counted.add_nats(100 * math.log(50), 100)
    scores = counted.scores()
    assert scores["token_perplexity"] == pytest.approx(50)
    assert set(scores) == {"nats_per_token", "token_perplexity"}  # units that did not occur are left out


def test_a_hopeless_perplexity_is_large_and_finite():
    counted = LanguageScores()
    counted.add_nats(1e6, 1)
    assert math.isfinite(counted.scores()["token_perplexity"])
