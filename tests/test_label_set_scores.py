"""Scores of sets of labels are those of scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
)

from lstmtext.decoding.label_sets import label_probabilities
from lstmtext.metrics import MultiLabelScores

NAMES = ("a", "b", "c", "d", "e")


def joined(has_BK) -> list[str]:
    return ["|".join(name for name, has in zip(NAMES, row, strict=False) if has) for row in has_BK]


@pytest.mark.parametrize("seed", range(3))
def test_sets_are_scored_as_scikit_learn_does(seed: int):
    rng = np.random.default_rng(seed)
    # "d" is never gold, "e" does not occur
    gold, shares = rng.random((60, 5)) < [0.5, 0.2, 0.1, 0, 0], rng.random((60, 5)) * [1, 1, 0.6, 0.6, 0.4]
    counted = MultiLabelScores(NAMES)
    for start in range(0, 60, 17):  # in batches
        counted.add(joined(gold[start : start + 17]), shares[start : start + 17])
    scores, made = counted.scores(), shares > 0.5
    assert scores["micro_f1"] == pytest.approx(f1_score(gold, made, average="micro"))
    seen = (gold | made).any(0)
    assert scores["macro_f1"] == pytest.approx(f1_score(gold[:, seen], made[:, seen], average="macro", zero_division=0))
    assert scores["exact_match"] == pytest.approx(accuracy_score(gold, made))
    assert scores["unknown"] == 0
    expected = precision_recall_fscore_support(gold, made, zero_division=0)
    for name, *values in zip(NAMES, *expected, strict=True):
        assert list(scores["labels"][name].values()) == pytest.approx(values)
    kinds = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    for name, matrix in zip(NAMES, multilabel_confusion_matrix(gold, made), strict=True):
        assert scores["decisions"][name] == dict(zip(kinds, matrix.ravel().tolist(), strict=True))


def test_nats_are_the_sum_over_the_labels_of_a_text():
    rng = np.random.default_rng(0)
    gold, shares = rng.random((40, 5)) < 0.3, rng.random((40, 5))
    weights = rng.random((2, 5))
    counted = MultiLabelScores(NAMES, weights)
    counted.add(joined(gold), shares)
    columns = [log_loss(gold[:, k], shares[:, k], labels=[False, True]) for k in range(5)]
    assert counted.scores()["nats_per_text"] == pytest.approx(sum(columns))
    own = np.where(gold, weights[1], weights[0])
    nats = -np.log(np.where(gold, shares, 1 - shares))
    expected = (own * nats).sum() / own.mean(1).sum()
    assert counted.scores()["weighted_nats_per_text"] == pytest.approx(expected)


def test_labels_that_the_model_does_not_have_are_missed():
    counted = MultiLabelScores(("a", "b"))
    counted.add(["a|new", "new", "", "b"], np.array([[0.9, 0.1], [0.2, 0.1], [0.1, 0.1], [0.1, 0.6]]))
    scores = counted.scores()
    assert (scores["unknown"], scores["exact_match"], scores["micro_f1"]) == (2, 0.5, pytest.approx(2 / 3))
    assert scores["labels"]["new"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2}
    assert scores["macro_f1"] == pytest.approx(2 / 3)


def test_each_label_has_a_threshold_of_its_own():
    counted = MultiLabelScores(("a", "b"), thresholds_K=np.array([0.2, 0.5]))
    counted.add(["a", "b"], np.array([[0.3, 0.3], [0.1, 0.6]]))
    assert counted.scores()["exact_match"] == 1.0


def test_nothing_counted_scores_zero():
    assert MultiLabelScores(NAMES).scores()["micro_f1"] == MultiLabelScores(NAMES).scores()["exact_match"] == 0.0
    assert "nats_per_text" not in MultiLabelScores(NAMES).scores()


def test_probabilities_of_any_logits_are_finite_and_right():
    logits = np.array([[-1e4, -2.0, 0.0, 2.0, 1e4]], dtype=np.float32)
    found = label_probabilities(logits, multi_label=True)
    np.testing.assert_allclose(found, [[0, 1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2)), 1]], atol=1e-12)
