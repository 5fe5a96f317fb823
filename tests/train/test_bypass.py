"""The classifier's bypass is logistic regression: the one of scikit-learn over the same numbers."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.nn.heads.classifier import NgramBypass
from lstmtext.resolve import resolve_settings
from lstmtext.text.lexical import FEATURES, keys_of, known_rows, rows_of, word_features
from lstmtext.train import bypass as fitting
from lstmtext.train import logistic
from lstmtext.train.bypass import count_features, fit_bypass
from tests.conftest import TINY, reviews_csv

ROWS = 2048
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


def tfidf(texts, bypass: NgramBypass, weights_N: np.ndarray | None = None) -> np.ndarray:
    weights_N = bypass.weights_N.numpy() if weights_N is None else weights_N
    has_BN = np.zeros((len(texts), len(weights_N)))
    for row, hashes in zip(has_BN, texts.ngrams(), strict=True):
        row[known_rows(hashes, bypass.keys_N.numpy())] = 1.0
    return has_BN * weights_N / np.sqrt((has_BN * weights_N**2).sum(1, keepdims=True))


def with_rows(texts, rows: int = ROWS, labels: int = 3) -> NgramBypass:
    """A bypass that has rows for the n-grams of some texts, and has learned nothing."""
    bypass = NgramBypass(rows, labels)
    bypass.give_rows(fitting._keys(texts, rows - 1, bypass.keys_N.numpy()))
    return bypass


def ways_of(bypass: NgramBypass, texts) -> list[torch.Tensor]:
    return fitting._ways_to_weigh(bypass, texts, fitting._blocks(bypass, texts, None))


def nats_of(bypass: NgramBypass, texts) -> float:
    logits_BK = tfidf(texts, bypass) @ bypass.table_NK.numpy() + bypass.bias_K.numpy()
    logits_BK -= np.log(np.exp(logits_BK).sum(1, keepdims=True))
    return -float(logits_BK[np.arange(len(texts)), texts.labels].mean())


@pytest.mark.parametrize("strength", [0.5, 5.0])
def test_the_solution_is_that_of_scikit_learn(splits, strength: float, monkeypatch):
    monkeypatch.setattr(fitting, "STRENGTHS", (strength,))
    monkeypatch.setattr(logistic, "ITERATIONS", 300)
    monkeypatch.setattr(logistic, "TOLERANCE", 1e-12)
    train, validation = splits
    bypass = NgramBypass(ROWS, 3)
    fit_bypass(bypass, train, validation)
    other = LogisticRegression(C=strength, tol=1e-8, max_iter=2000).fit(tfidf(train, bypass), train.labels)
    features = tfidf(validation, bypass)
    logits_BK = features @ bypass.table_NK.numpy() + bypass.bias_K.numpy()
    shares_BK = np.exp(logits_BK) / np.exp(logits_BK).sum(1, keepdims=True)
    np.testing.assert_allclose(shares_BK, other.predict_proba(features), atol=2e-3)


def test_each_ngram_has_a_row_of_its_own_and_the_rarest_go_without(splits):
    train, _ = splits
    counts = Counter(key for hashes in train.ngrams() for key in keys_of(hashes).tolist())
    for rows in (len(counts) + 1, len(counts) + 50, 40):
        kept = with_rows(train, rows).keys_N.numpy()
        free = rows - min(rows - 1, len(counts))
        assert not kept[:free].any()
        assert (np.diff(kept[free:]) > 0).all()
        left = counts.keys() - {*kept.tolist()}
        assert min(counts[key] for key in kept[free:].tolist()) >= max((counts[key] for key in left), default=0)


def test_counting_in_parts_gives_the_same_rows(splits, monkeypatch):
    train, _ = splits
    whole = with_rows(train, 60).keys_N
    monkeypatch.setattr(fitting, "CHUNK", 50)
    assert torch.equal(with_rows(train, 60).keys_N, whole)
    monkeypatch.setattr(fitting, "MOST_COUNTED", 200)  # what is rare may be lost, what is frequent not
    assert len({*with_rows(train, 60).keys_N.tolist()} & {*whole.tolist()}) > 50


def test_what_was_learned_moves_with_its_ngram_and_new_ones_take_what_is_free(splits):
    train, validation = splits
    known = np.unique(keys_of(next(iter(validation.ngrams()))))[:10]
    bypass = NgramBypass(40, 3)
    bypass.give_rows(known)
    bypass.table_NK[-10:] = torch.arange(30.0).view(10, 3) + 1
    bypass.weights_N[-10:] = torch.arange(10.0) + 1
    bypass.give_rows(fitting._keys(train, 39, bypass.keys_N.numpy()))
    rows = np.searchsorted(bypass.keys_N.numpy(), known)
    assert (bypass.keys_N.numpy()[rows] == known).all()
    assert torch.equal(bypass.table_NK[rows], torch.arange(30.0).view(10, 3) + 1)
    assert torch.equal(bypass.weights_N[rows], torch.arange(10.0) + 1)
    assert (int((bypass.keys_N > 0).sum()), int(bypass.table_NK.any(1).sum())) == (39, 10)


def test_ngrams_weigh_more_the_more_unevenly_they_are_spread(splits):
    train, _ = splits
    bypass = with_rows(train)
    plain_N, uneven_N = (ways.numpy() for ways in ways_of(bypass, train))
    taken_N = bypass.keys_N.numpy() > 0
    has_BN = tfidf(train, bypass, np.ones(ROWS)) > 0
    counts_N = has_BN.sum(0)
    np.testing.assert_allclose(plain_N, (np.log((1 + len(train)) / (1 + counts_N)) + 1) * taken_N, rtol=1e-5)
    ratios_KN = []
    for label in range(3):
        of_label = train.labels == label
        shares_N, others_N = ((1 + has_BN[of].sum(0)) * taken_N for of in (of_label, ~of_label))
        shares_N, others_N = (np.where(taken_N, counts / counts.sum(), 1.0) for counts in (shares_N, others_N))
        ratios_KN.append(np.abs(np.log(shares_N / others_N)))
    np.testing.assert_allclose(uneven_N, plain_N * np.max(ratios_KN, axis=0), rtol=1e-4, atol=1e-6)


def test_what_was_learned_weighs_what_it_did_and_the_rest_by_the_new_texts(splits):
    train, _ = splits
    fresh, old = with_rows(train), with_rows(train)
    learned_N = torch.zeros(ROWS, dtype=torch.bool)
    learned_N[-20:] = True
    old.table_NK[learned_N, 1] = -1.0
    old.weights_N.fill_(7.0)
    for way_N, wanted_N in zip(*(ways_of(own, train) for own in (old, fresh)), strict=True):
        assert torch.equal(way_N, torch.where(learned_N, 7.0, wanted_N))


def test_the_way_to_weigh_is_the_one_that_suits_the_validation_data(splits, monkeypatch):
    train, validation = splits
    plain_N, uneven_N = ways_of(with_rows(train), train)

    def chosen(*ways: torch.Tensor) -> NgramBypass:
        monkeypatch.setattr(fitting, "_ways_to_weigh", lambda *_: list(ways))
        bypass = NgramBypass(ROWS, 3)
        fit_bypass(bypass, train, validation)
        return bypass

    alone = [chosen(way) for way in (plain_N, uneven_N)]
    nats = [nats_of(bypass, validation) for bypass in alone]
    assert abs(nats[0] - nats[1]) > 1e-3
    better = alone[int(nats[1] < nats[0])]
    for ways in ((plain_N, uneven_N), (uneven_N, plain_N)):
        both = chosen(*ways)
        assert torch.equal(both.weights_N, better.weights_N)
        assert torch.equal(both.table_NK, better.table_NK)


def test_the_penalty_is_the_one_that_suits_the_validation_data(splits, monkeypatch):
    monkeypatch.setattr(logistic, "ITERATIONS", 300)
    monkeypatch.setattr(logistic, "TOLERANCE", 1e-12)
    train, validation = splits

    def nats(strengths: tuple[float, ...]) -> float:
        monkeypatch.setattr(fitting, "STRENGTHS", strengths)
        bypass = NgramBypass(ROWS, 3)
        fit_bypass(bypass, train, validation)
        return nats_of(bypass, validation)

    alone = [nats((strength,)) for strength in (0.01, 1.0, 1e5)]
    assert max(alone) > 1.1 * min(alone)
    assert nats((0.01, 1.0, 1e5)) == pytest.approx(min(alone), rel=0.01)


def test_texts_in_blocks_have_the_same_solution(splits, monkeypatch):
    train, validation = splits
    train = train.only(np.arange(len(train)))
    train.weights = np.linspace(0.1, 2, len(train))
    bypasses = [NgramBypass(ROWS, 3) for _ in range(2)]
    assert fit_bypass(bypasses[0], train, validation) == len(train)
    monkeypatch.setattr(logistic, "BLOCK", 500)
    assert len(fitting._blocks(bypasses[0], train, None)) > 5
    assert fit_bypass(bypasses[1], train, validation) == len(train)
    assert torch.allclose(bypasses[0].weights_N, bypasses[1].weights_N, rtol=1e-5)
    np.testing.assert_allclose(*(tfidf(validation, own) @ own.table_NK.numpy() for own in bypasses), atol=1e-2)


def test_a_closer_fit_begins_where_the_looser_one_ended(splits):
    """The slope there is so small that a bound on it would end the second before it began."""
    train, _ = splits
    bypass = with_rows(train)
    blocks = fitting._blocks(bypass, train, None)
    texts = logistic.WeightedTexts(blocks, ways_of(bypass, train)[0], several=False)
    table_NK, bias_K = torch.zeros(ROWS, 3), torch.zeros(3)
    norms, nats = [], []
    for strength in (1e2, 1e3, 1e4):
        logistic.solve(table_NK, bias_K, texts, strength)
        norms.append(float(table_NK.norm()))
        nats.append(texts.nats(table_NK, bias_K))
    assert norms[2] > 1.2 * norms[1] > 1.44 * norms[0]
    assert nats[2] < 0.8 * nats[1] < 0.64 * nats[0]


@pytest.mark.parametrize(("most", "least"), [(3000, 20), (1, 1)])
def test_of_texts_with_more_ngrams_than_memory_should_hold_some_are_drawn(splits, monkeypatch, most: int, least: int):
    train, validation = splits
    monkeypatch.setattr(fitting, "MOST_FITTED", most)
    bypass, alone = NgramBypass(ROWS, 3), NgramBypass(ROWS, 3)
    count = fit_bypass(bypass, train, validation)
    assert least <= count < len(train)
    drawn, held = fitting._drawn(train, 3), fitting._drawn(validation, 3)
    assert int(drawn.ngram_counts.sum()) + 3 * count <= most or count == 1
    assert int(drawn.ngram_counts.sum()) + 3 * count + int(train.ngram_counts.max()) + 3 > most
    monkeypatch.undo()
    assert fit_bypass(alone, drawn, held) == count
    assert torch.equal(bypass.table_NK, alone.table_NK)
    assert torch.equal(bypass.keys_N, alone.keys_N)


@pytest.mark.parametrize("most", [200, None])
def test_who_trains_is_told_of_how_many_texts_the_ngrams_are(run_here, tmp_path, monkeypatch, most: int | None):
    (tmp_path / "a.csv").write_text(reviews_csv())
    if most:
        monkeypatch.setattr(fitting, "MOST_FITTED", most)
    done = run_here("train", tmp_path / "a.csv", "-o", tmp_path / "b", "--epochs", 1, *TINY)
    assert done.code == 0, done.err
    said = re.findall(r"n-grams learn from (\d+) of (\d+) texts, drawn by chance", done.err)
    assert bool(said) == bool(most)
    assert all(0 < int(part) < int(whole) for part, whole in said)


class Texts:
    """What drawing looks at."""

    def __init__(self, labels, label_sets=None):
        self.labels, self.label_sets = np.array(labels), label_sets
        self.ngram_counts, self.weights = np.full(len(labels), 9), np.ones(len(labels))
        self.only = np.asarray

    def __len__(self):
        return len(self.labels)


def test_of_each_label_texts_are_drawn_first_and_none_that_counts_nothing(monkeypatch):
    texts = Texts([0] * 300 + [1, 1, 2])
    texts.weights[-1] = 0.0
    monkeypatch.setattr(fitting, "MOST_FITTED", 12 * 150)
    drawn = fitting._drawn(texts, 3)
    assert (len(drawn), {*np.unique(texts.labels[drawn])}) == (150, {0, 1})
    assert {300, 301} < {*drawn.tolist()}
    monkeypatch.setattr(fitting, "OF_EACH_LABEL", 0)
    assert {*drawn.tolist()} != {*fitting._drawn(texts, 3).tolist()}


def test_of_several_labels_the_rarest_is_looked_at():
    sets = [np.array(own, dtype=np.int32) for own in ([0, 1], [0], [], [0, 1, 2], [0, 1])]
    assert fitting._rarest_labels(Texts([-1] * 5, sets)).tolist() == [1, 0, -1, 2, 1]
