import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmtext.config import Sampling
from lstmtext.decoding.sampling import REPETITION_WINDOW, draw, keep_likely, penalize, softmax

SEEDS = st.integers(0, 1000)


def probabilities(seed: int, size: int = 12) -> np.ndarray:
    return softmax(2 * np.random.default_rng(seed).normal(size=size))


def naive_kept(shares: list[float], k: int, p: float, m: float) -> set[int]:
    """Tokens one by one from the likeliest, until a rule says no."""
    order = sorted(range(len(shares)), key=lambda token: -shares[token])
    kept: list[int] = []
    mass = 0.0
    for token in order:
        if kept and ((k and len(kept) >= k) or mass >= p or shares[token] < m * shares[order[0]]):
            break
        kept.append(token)
        mass += shares[token]
    return set(kept)


@given(SEEDS, st.integers(0, 15), st.floats(0, 1), st.floats(0, 1))
def test_top_k_top_p_and_min_p_keep_what_the_naive_rules_keep(seed: int, k: int, p: float, m: float):
    shares = probabilities(seed)
    kept = keep_likely(shares, Sampling(top_k=k, top_p=p, min_p=m))
    expected = naive_kept(shares.tolist(), k, p, m)
    assert set(np.flatnonzero(kept).tolist()) == expected
    assert kept.sum() == pytest.approx(1)
    held = sorted(expected)
    assert kept[held] == pytest.approx(shares[held] / shares[held].sum())


def test_each_rule_alone_keeps_what_it_says():
    shares = np.array([0.05, 0.5, 0.15, 0.3])
    for sampling, kept in (
        (Sampling(top_k=2), [1, 3]),
        (Sampling(top_p=0.5), [1]),
        (Sampling(top_p=0.6), [1, 3]),
        (Sampling(top_p=0.81), [1, 2, 3]),
        (Sampling(min_p=0.5), [1, 3]),
        (Sampling(min_p=1.0), [1]),
        (Sampling(top_p=0.0), [1]),
        (Sampling(), [0, 1, 2, 3]),
    ):
        assert np.flatnonzero(keep_likely(shares, sampling)).tolist() == kept


@given(SEEDS, st.lists(st.integers(0, 11), max_size=8), st.floats(0.5, 3))
def test_the_repetition_penalty_is_that_of_a_plain_loop(seed: int, recent: list[int], penalty: float):
    logits = np.random.default_rng(seed).normal(size=12)
    before = logits.tolist()
    expected = list(before)
    for token in set(recent):
        expected[token] = before[token] / penalty if before[token] > 0 else before[token] * penalty
    assert penalize(logits, recent, penalty).tolist() == pytest.approx(expected)
    assert logits.tolist() == before


@given(SEEDS)
def test_temperature_zero_takes_the_likeliest_whatever_the_generator(seed: int):
    logits = np.random.default_rng(seed).normal(size=12).astype(np.float32)
    assert draw(logits, [], Sampling(temperature=0), np.random.default_rng(seed)) == int(logits.argmax())


@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 5e-324])
def test_tiny_temperatures_take_the_likeliest(temperature: float):
    logits = np.array([-np.inf, 3.0, 1e30, -1e30])
    assert draw(logits, [], Sampling(temperature=temperature), np.random.default_rng(0)) == 2


def test_draws_have_the_probabilities_of_the_softmax_at_the_temperature():
    logits = np.array([1.0, 0.0, -1.0, -np.inf])
    rng = np.random.default_rng(1)
    for temperature in (0.5, 1.0, 2.0):
        tokens = [draw(logits, [], Sampling(temperature=temperature), rng) for _ in range(4000)]
        weights = np.exp(logits / temperature)
        shares = np.bincount(tokens, minlength=4) / 4000
        assert shares == pytest.approx(weights / weights.sum(), abs=0.03)
        assert shares[3] == 0


def test_the_same_seed_draws_the_same_tokens():
    logits = np.zeros(50)
    runs = [[draw(logits, [], Sampling(), rng) for _ in range(20)] for rng in map(np.random.default_rng, (1, 1, 2))]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_penalty_looks_back_on_a_window():
    logits = np.array([1.0, 0.9])
    sampling = Sampling(temperature=0, repetition_penalty=2)
    rng = np.random.default_rng(0)
    assert draw(logits, [0], sampling, rng) == 1
    assert draw(logits, [0] + [1] * (REPETITION_WINDOW - 1), Sampling(temperature=0, repetition_penalty=2), rng) == 0
    assert draw(np.array([1.0, 0.9, 0.0]), [0] + [2] * (REPETITION_WINDOW - 1), sampling, rng) == 1
    assert draw(np.array([1.0, 0.9, 0.0]), [0] + [2] * REPETITION_WINDOW, sampling, rng) == 0


def test_a_softmax_of_large_scores_does_not_overflow():
    assert softmax(np.array([[1000.0, 1000.0], [-1000.0, 0.0]])).tolist() == [[0.5, 0.5], [0.0, 1.0]]
