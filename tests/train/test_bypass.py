"""The classifier's bypass is logistic regression: the one of scikit-learn over the same numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.nn.heads.classifier import NgramBypass
from lstmtext.resolve import resolve_settings
from lstmtext.text.lexical import FEATURES, rows_of, word_features
from lstmtext.train import bypass as fitting
from lstmtext.train.bypass import count_features, fit_bypass

BUCKETS = 2048
WORDS = ["good", "fine", "warm", "quick", "poor", "cold", "slow", "dull", "the", "soup", "room", "was", "and", "very"]


def test_features_are_counted_over_all_words(tmp_path: Path):
    (tmp_path / "a.conll").write_text("a O\nb B-X\n\na O\n\n" * 4)
    plan, _ = make_plan(DataRequest([str(tmp_path / "a.conll")], [str(tmp_path / "a.conll")]))
    data = prepare(plan, resolve_settings("tag", assignments=["text.vocabulary_size=300"]), tmp_path)
    counts_N = count_features(data.sentences("train"), 1 << 16)
    assert counts_N.sum() == 12 * FEATURES
    row_a, row_b = rows_of(word_features([["a", "b"]])[:, 0], 1 << 16)
    assert (counts_N[0], counts_N[row_a], counts_N[row_b]) == (0, 8, 4)


@pytest.fixture
def splits(tmp_path: Path):
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(240):
        words = rng.choice(WORDS, 8)
        label = ["bad", "good", "so-so"][int(np.clip(np.isin(words, WORDS[:4]).sum() - 1, 0, 2))]
        rows.append(f"{label},{' '.join(words)}")
    (tmp_path / "a.csv").write_text("label,text\n" + "\n".join(rows) + "\n")
    plan, _ = make_plan(DataRequest([str(tmp_path / "a.csv")]))
    data = prepare(plan, resolve_settings("classify", assignments=["text.vocabulary_size=300"]), tmp_path)
    return data.texts("train"), data.texts("validation")


def tfidf(texts, idf_N: np.ndarray) -> np.ndarray:
    counts = np.zeros((len(texts), BUCKETS))
    for row, hashes in zip(counts, texts.ngrams(), strict=True):
        np.add.at(row, rows_of(hashes, BUCKETS), 1.0)
    return counts * idf_N / np.sqrt((counts * idf_N**2).sum(1, keepdims=True))


def nats_of(bypass: NgramBypass, texts) -> float:
    logits_BK = tfidf(texts, bypass.idf_N.numpy()) @ bypass.table_NK.numpy() + bypass.bias_K.numpy()
    logits_BK -= np.log(np.exp(logits_BK).sum(1, keepdims=True))
    return -float(logits_BK[np.arange(len(texts)), texts.labels].mean())


@pytest.mark.parametrize("strength", [0.5, 5.0])
def test_the_solution_is_that_of_scikit_learn(splits, strength: float, monkeypatch):
    monkeypatch.setattr(fitting, "STRENGTHS", (strength,))
    monkeypatch.setattr(fitting, "ITERATIONS", 300)
    monkeypatch.setattr(fitting, "TOLERANCE", 1e-12)
    train, validation = splits
    bypass = NgramBypass(BUCKETS, 3)
    fit_bypass(bypass, train, validation)
    idf_N = bypass.idf_N.numpy()
    other = LogisticRegression(C=strength, tol=1e-8, max_iter=2000).fit(tfidf(train, idf_N), train.labels)
    features = tfidf(validation, idf_N)
    logits_BK = features @ bypass.table_NK.numpy() + bypass.bias_K.numpy()
    shares_BK = np.exp(logits_BK) / np.exp(logits_BK).sum(1, keepdims=True)
    np.testing.assert_allclose(shares_BK, other.predict_proba(features), atol=2e-3)


def test_ngrams_weigh_more_the_more_unevenly_they_are_spread(splits):
    train, _ = splits
    plain_N, uneven_N = (ways.numpy() for ways in fitting._ways_to_weigh(NgramBypass(BUCKETS, 3), train))
    has_BN = tfidf(train, np.ones(BUCKETS)) > 0
    counts_N = has_BN.sum(0)
    np.testing.assert_allclose(plain_N[1:], (np.log((1 + len(train)) / (1 + counts_N)) + 1)[1:], rtol=1e-5)
    ratios_KN = []
    for label in range(3):
        shares_N, others_N = (1 + has_BN[of].sum(0) for of in (train.labels == label, train.labels != label))
        ratios_KN.append(np.abs(np.log((shares_N / shares_N.sum()) / (others_N / others_N.sum()))))
    np.testing.assert_allclose(uneven_N, plain_N * np.max(ratios_KN, axis=0), rtol=1e-4, atol=1e-6)
    assert plain_N[0] == uneven_N[0] == 0.0, "padding"


def test_what_was_learned_weighs_what_it_did_and_the_rest_by_the_new_texts(splits):
    train, _ = splits
    fresh, old = NgramBypass(BUCKETS, 3), NgramBypass(BUCKETS, 3)
    learned_N = torch.zeros(BUCKETS, dtype=torch.bool)
    learned_N[torch.from_numpy(rows_of(next(iter(train.ngrams())), BUCKETS)).long()[:20]] = True
    old.table_NK[learned_N, 1] = -1.0
    old.idf_N.fill_(7.0)
    for way_N, wanted_N in zip(*(fitting._ways_to_weigh(own, train) for own in (old, fresh)), strict=True):
        assert torch.equal(way_N, torch.where(learned_N, 7.0, wanted_N))


def test_the_way_to_weigh_is_the_one_that_suits_the_validation_data(splits, monkeypatch):
    train, validation = splits
    plain_N, uneven_N = fitting._ways_to_weigh(NgramBypass(BUCKETS, 3), train)

    def chosen(*ways: torch.Tensor) -> NgramBypass:
        monkeypatch.setattr(fitting, "_ways_to_weigh", lambda *_: list(ways))
        bypass = NgramBypass(BUCKETS, 3)
        fit_bypass(bypass, train, validation)
        return bypass

    alone = [chosen(way) for way in (plain_N, uneven_N)]
    nats = [nats_of(bypass, validation) for bypass in alone]
    assert abs(nats[0] - nats[1]) > 1e-3
    better = alone[int(nats[1] < nats[0])]
    for ways in ((plain_N, uneven_N), (uneven_N, plain_N)):
        both = chosen(*ways)
        assert torch.equal(both.idf_N, better.idf_N)
        assert torch.equal(both.table_NK, better.table_NK)


def test_the_penalty_is_the_one_that_suits_the_validation_data(splits, monkeypatch):
    monkeypatch.setattr(fitting, "ITERATIONS", 300)
    monkeypatch.setattr(fitting, "TOLERANCE", 1e-12)
    train, validation = splits

    def nats(strengths: tuple[float, ...]) -> float:
        monkeypatch.setattr(fitting, "STRENGTHS", strengths)
        bypass = NgramBypass(BUCKETS, 3)
        fit_bypass(bypass, train, validation)
        return nats_of(bypass, validation)

    alone = [nats((strength,)) for strength in (0.01, 1.0, 1e5)]
    assert max(alone) > 1.1 * min(alone)
    assert nats((0.01, 1.0, 1e5)) == pytest.approx(min(alone), rel=0.01)
