"""How the next token is drawn: pure functions of scores, settings and a random generator."""

from collections.abc import Sequence

import numpy as np

from lstmtext.config import Sampling
from lstmtext.text.arrays import Floats

REPETITION_WINDOW = 64
"""Tokens that the repetition penalty looks back on."""


def draw(logits_V: Floats, recent: Sequence[int], sampling: Sampling, rng: np.random.Generator) -> int:
    """The id of the next token. `recent` are the tokens before it; scores of minus infinity are never drawn."""
    scores_V = penalize(logits_V.astype(np.float64), recent[-REPETITION_WINDOW:], sampling.repetition_penalty)
    if sampling.temperature == 0.0:
        return int(scores_V.argmax())
    with np.errstate(over="ignore"):  # the smallest temperatures push all but the likeliest to minus infinity
        probabilities_V = softmax((scores_V - scores_V.max()) / sampling.temperature)
    sums_V = keep_likely(probabilities_V, sampling).cumsum()
    return int((sums_V / sums_V[-1]).searchsorted(rng.random(), side="right"))  # as rng.choice does, but checks nothing


def penalize(logits_V: Floats, recent: Sequence[int], penalty: float) -> Floats:
    """Lower the scores of recent tokens: divided where positive, multiplied where negative (Keskar et al., 2019)."""
    if penalty == 1.0 or not recent:
        return logits_V
    seen = list(set(recent))
    lowered_V = logits_V.copy()
    lowered_V[seen] = np.where(logits_V[seen] > 0, logits_V[seen] / penalty, logits_V[seen] * penalty)
    return lowered_V


def keep_likely(probabilities_V: Floats, sampling: Sampling) -> Floats:
    """Probabilities with the tail set to zero by top-k, top-p and min-p, summing to 1; the likeliest always stays."""
    if not sampling.top_k and sampling.top_p == 1.0 and sampling.min_p == 0.0:
        return probabilities_V
    order = np.argsort(-probabilities_V, kind="stable")
    sorted_V = probabilities_V[order]
    keep_V = np.ones(len(order), dtype=bool)
    if sampling.top_k:
        keep_V[sampling.top_k :] = False
    keep_V &= np.concatenate([[0.0], np.cumsum(sorted_V)[:-1]]) < sampling.top_p
    keep_V &= sorted_V >= sampling.min_p * sorted_V[0]
    keep_V[0] = True
    kept_V = np.zeros_like(probabilities_V)
    kept_V[order[keep_V]] = sorted_V[keep_V]
    kept_V /= kept_V.sum()
    return kept_V


def softmax(scores: Floats) -> Floats:
    """Probabilities over the last axis."""
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    shares: Floats = powers / powers.sum(-1, keepdims=True)
    return shares


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of the probabilities of scores, over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    logs: Floats = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return logs
