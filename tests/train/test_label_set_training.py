"""Several labels a text, in what is fitted: n-grams, weights, factors; and in what is shown of it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_class_weight

from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.decoding.label_sets import THRESHOLDS, best_thresholds
from lstmtext.nn.heads.classifier import NgramBypass
from lstmtext.resolve import resolve_settings
from lstmtext.text.examples import multi_hot
from lstmtext.text.lexical import known_rows
from lstmtext.train import bypass as fitting
from lstmtext.train import logistic
from lstmtext.train.bypass import fit_bypass
from lstmtext.train.validate import fit_set_factors, fit_thresholds
from lstmtext.train.weighting import class_weights
from lstmtext.tune.baseline import baseline_scores

ROWS = 1024
WORDS = ["soup", "room", "film", "was", "and", "the", "very", "train"]
SETTINGS = ["text.vocabulary_size=300", f"classify.bypass_rows={ROWS}", "classify.multi_label=true"]


def data_of(folder, *more, sure=0.9):
    """Texts whose labels are some of their words, most of the time."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(240):
        words = rng.choice(WORDS, 6)
        named = [word for word in WORDS[:3] if (word in words) == (rng.random() < sure)]
        rows.append(f"{' '.join(words)},{'|'.join(named)}")
    (folder / "a.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    settings = resolve_settings("classify", assignments=[*SETTINGS, *more])
    return prepare(make_plan(DataRequest([str(folder / "a.csv")]))[0], settings, folder), settings


def has_of(texts, labels: int) -> np.ndarray:
    return np.concatenate([multi_hot(texts.label_sets[place][None], labels) for place in range(len(texts))])


def test_balanced_weights_are_those_of_scikit_learn_for_each_label(tmp_path):
    data, settings = data_of(tmp_path, "classify.class_weight=balanced")
    weights, has = class_weights(data, settings), has_of(data.texts("train"), 3)
    for k in range(3):
        wanted = compute_class_weight("balanced", classes=np.array([False, True]), y=has[:, k])
        assert weights[:, k] == pytest.approx(wanted)
    assert class_weights(data, resolve_settings("classify", assignments=SETTINGS)) is None


@pytest.mark.parametrize("balanced", [False, True])
def test_the_ngrams_are_one_regression_for_each_label(tmp_path, monkeypatch, balanced: bool):
    monkeypatch.setattr(fitting, "STRENGTHS", (5.0,))
    monkeypatch.setattr(logistic, "ITERATIONS", 400)
    monkeypatch.setattr(logistic, "TOLERANCE", 1e-12)
    data, settings = data_of(tmp_path, f"classify.class_weight={'balanced' if balanced else 'none'}")
    texts, weights = data.texts("train"), class_weights(data, settings)
    bypass = NgramBypass(ROWS, 3)
    fit_bypass(bypass, texts, data.texts("validation"), weights)
    counts = np.zeros((len(texts), ROWS))
    for row, hashes in zip(counts, texts.ngrams(), strict=True):
        np.add.at(row, known_rows(hashes, bypass.keys_N.numpy()), 1.0)
    weights_N = bypass.weights_N.numpy()
    features = counts * weights_N / np.sqrt((counts * weights_N**2).sum(1, keepdims=True))
    logits = features @ bypass.table_NK.numpy() + bypass.bias_K.numpy()
    for k, has in enumerate(has_of(texts, 3).T):
        other = LogisticRegression(C=5.0, tol=1e-9, max_iter=5000, class_weight="balanced" if balanced else None)
        expected = other.fit(features, has).predict_proba(features)[:, 1]
        np.testing.assert_allclose(1 / (1 + np.exp(-logits[:, k])), expected, atol=5e-3)


GOLD = np.random.default_rng(0).random((400, 3)) < [0.5, 0.3, 0.1]
RIGHT = np.where(GOLD, 1.0, -1.0) + np.random.default_rng(1).normal(size=(400, 3))
NOISE = 5 * np.random.default_rng(2).normal(size=(400, 3))


def test_factors_switch_a_side_off_that_only_guesses_and_calm_one_that_is_too_sure():
    gold = GOLD.astype(int)
    assert fit_set_factors(NOISE, RIGHT, gold)[0] == 0.0
    assert fit_set_factors(RIGHT, NOISE, gold)[1] == 0.0
    assert 0 < fit_set_factors(RIGHT * 8, RIGHT * 0, gold)[0] < fit_set_factors(RIGHT * 2, RIGHT * 0, gold)[0]
    unknown = np.concatenate([gold, gold[:, :1]], axis=1)  # a label that only validation has
    assert fit_set_factors(RIGHT, NOISE, unknown) == fit_set_factors(RIGHT, NOISE, gold)


def test_weights_let_the_yes_of_rare_labels_count_as_much_as_the_no():
    """One side says no of all texts, the other yes."""
    gold = np.array([[0]] * 18 + [[1]] * 2)
    no, yes = np.full((20, 1), -1.0), np.full((20, 1), 1.0)
    for weights, odds in ((None, np.log(2 / 18)), (np.array([[20 / 36], [5.0]]), 0.0)):
        factors = fit_set_factors(no, yes, gold, weights)
        assert factors[1] - factors[0] == pytest.approx(odds, abs=0.2)


def test_thresholds_promise_the_best_f1_of_calibrated_probabilities():
    shares = np.random.default_rng(0).beta([2, 1, 5], [6, 1, 1], size=(20_000, 3))
    gold = np.random.default_rng(1).random(shares.shape) < shares
    for k, found in enumerate(best_thresholds(shares)):
        scores = [f1_score(gold[:, k], shares[:, k] > threshold) for threshold in THRESHOLDS]
        assert max(scores) - f1_score(gold[:, k], shares[:, k] > found) < 0.005
        assert found == pytest.approx(max(scores) / 2, abs=0.05)


def test_thresholds_stay_at_a_half_where_lower_ones_promise_nothing():
    sure, hopeless = np.array([[1e-6], [1 - 1e-6]] * 10), np.full((20, 1), 0.01)
    assert best_thresholds(np.hstack([sure, hopeless])).tolist() == [0.5, 0.5]
    balanced = resolve_settings("classify", flags={"classify.class_weight": "balanced"})
    assert fit_thresholds(np.full((9, 2), -1.0), balanced).tolist() == [0.5, 0.5]
    assert fit_thresholds(np.full((9, 2), -1.0), resolve_settings("classify")).max() < 0.5


def test_the_baseline_of_a_search_is_one_regression_for_each_label(tmp_path):
    data, _ = data_of(tmp_path, sure=1.0)
    name, scores = baseline_scores(data, lambda own: own["micro_f1"])
    assert (name, scores["micro_f1"] > 0.9) == ("TF-IDF and logistic regression", True)


def test_a_baseline_bears_labels_that_all_texts_have_or_validation_alone(tmp_path):
    rows = [f"{WORDS[n % 3]} here,{WORDS[n % 3]}|every" for n in range(30)]
    for name, more in (("a.csv", ""), ("v.csv", "a soup,new\n")):
        (tmp_path / name).write_text("text,label\n" + "\n".join(rows) + "\n" + more)
    request = DataRequest([str(tmp_path / "a.csv")], [str(tmp_path / "v.csv")])
    data = prepare(make_plan(request)[0], resolve_settings("classify", assignments=SETTINGS), tmp_path)
    _, scores = baseline_scores(data, lambda own: own["micro_f1"])
    assert scores["labels"]["every"]["recall"] == 1.0
    assert scores["labels"]["new"]["support"] == 1
