"""What the bypasses learn before the encoder trains: the classifier's all, the tagger's which features are rare.

The classifier's bypass is logistic regression over TF-IDF with an L2 penalty. The problem is convex, so it is solved
(L-BFGS, Liu and Nocedal, 1989) instead of trained step by step: AdamW moves rare n-grams as fast as frequent ones and
overfits them. Validation data choose the strength of the penalty, and whether an n-gram's weight is multiplied with
how unevenly it is spread over the labels (NBSVM, Wang and Manning, 2012): long texts are the better for it. Where a
text may have several labels, there is one regression for each, all with the same strength.
Letters: N rows of the table, K labels, B texts, F n-grams of all texts.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lstmtext.data.encoded import EncodedSentences, EncodedTexts
from lstmtext.nn.heads.classifier import NgramBypass
from lstmtext.text.arrays import Bools, Floats, Ints
from lstmtext.text.batching import pad
from lstmtext.text.examples import NO_TARGET, multi_hot
from lstmtext.text.lexical import SHORTEST, Keys, keys_of, known_rows, rows_of, word_features

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Summed cross-entropy's weight against half the squared norm of the table (C of scikit-learn); more fits closer."""
WEAK = (0.01, 0.03, 0.1, 0.3)
"""Tried before those where there is a table to stay near."""
CHUNK, MOST_COUNTED = 1 << 22, 1 << 24
"""N-grams that are counted at once, and different ones that counts are kept of."""
ITERATIONS = 40
TOLERANCE = 1e-6
"""Nats a text by which a step must lower the loss to go on."""


class Bags(NamedTuple):
    """Some bags of weighted things, one after the other, for `embedding_bag`."""

    things_F: Tensor
    weights_F: Tensor
    starts_B: Tensor

    def sums(self, values_NK: Tensor) -> Tensor:
        """The weighted sum of the values of each bag's things, [B, K]."""
        return F.embedding_bag(self.things_F, values_NK, self.starts_B, mode="sum", per_sample_weights=self.weights_F)


class TextNgrams(NamedTuple):
    """TF-IDF of texts, by text and by n-gram, so that both products with it are sums over bags."""

    of_texts: Bags
    """Table rows of each text."""
    of_rows: Bags
    """Texts of each table row that occurs."""
    rows_R: Tensor
    """Which rows those are."""
    gold_BK: Tensor
    """1 for the label of a text, or for each that it has."""
    weights_BK: Tensor
    """How much each text counts, [B, 1], or its no or yes for each label; a text of an unknown label counts nothing."""
    several: bool
    """Whether texts may have several labels."""


def fit_bypass(
    bypass: NgramBypass,
    train: EncodedTexts,
    validation: EncodedTexts,
    weights: Floats | None = None,
    *,
    goes_on: bool = False,
) -> None:
    """Set the weights, the table and the bias of a bypass from encoded texts, whose labels count so much.

    The weights are those of `train.weighting`; texts' own multiply them. A bypass that goes on keeps the n-grams that
    it has learned as they weigh, and is drawn to its table instead of to zeros (Chelba and Acero, 2004).
    """
    bypass.give_rows(_keys(train, len(bypass.keys_N) - 1, known=bypass.keys_N.numpy()))
    start_NK, start_K = bypass.table_NK.clone(), bypass.bias_K.clone()
    prior_NK = start_NK if goes_on else None
    strengths = (*WEAK, *STRENGTHS) if goes_on else STRENGTHS
    best = float("inf")
    for weights_N in _ways_to_weigh(bypass, train):
        bags = [_gather(bypass, weights_N, texts, weights) for texts in (train, validation)]
        solved = _solutions(start_NK.clone(), start_K.clone(), bags, strengths, prior_NK)
        for nats, table_NK, bias_K in solved:
            if nats < best:
                best = nats
                bypass.weights_N.copy_(weights_N)
                bypass.table_NK.copy_(table_NK)
                bypass.bias_K.copy_(bias_K)


def _keys(texts: EncodedTexts, most: int, known: Keys) -> Keys:
    """Keys of n-grams to have rows, ascending: all that are known, and of the others those that most texts have.

    Where there are far more than can have rows and than memory should hold, those that occurred once so far are dropped
    on the way (lossy counting, Manku and Motwani, 2002).
    """
    keys, counts = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
    for own in _in_chunks(keys_of(hashes) for hashes in texts.ngrams()):
        new, new_counts = np.unique(own, return_counts=True)
        keys, places = np.unique(np.concatenate([keys, new]), return_inverse=True)
        counts = np.bincount(places, np.concatenate([counts, new_counts])).astype(np.int64)
        if len(keys) > max(MOST_COUNTED, 2 * most):
            keys, counts = keys[counts > 1], counts[counts > 1]
    known = known[known > 0]
    others = ~np.isin(keys, known)
    keys, counts = keys[others], counts[others]
    chosen = np.argsort(-counts, kind="stable")[: most - len(known)]
    return np.union1d(known, keys[chosen]).astype(np.int32)


def _in_chunks(found: Iterable[Keys]) -> Iterator[Keys]:
    """Arrays joined to arrays of about CHUNK numbers."""
    held: list[Keys] = []
    count = 0
    for own in found:
        held.append(own)
        count += len(own)
        if count >= CHUNK:
            yield np.concatenate(held)
            held, count = [], 0
    if held:
        yield np.concatenate(held)


def _ways_to_weigh(bypass: NgramBypass, texts: EncodedTexts) -> list[Tensor]:
    """Weights of n-grams, [N]: inverse document frequencies, alone and times how unevenly the n-grams are spread.

    What the table has learned already weighs what it did.
    """
    counts_NK = np.zeros(bypass.table_NK.shape, dtype=np.float32)
    counts_N = np.zeros(len(counts_NK), dtype=np.float32)
    texts_N = np.zeros_like(counts_N)
    has_BK, _ = _gold(texts, counts_NK.shape[1], None)
    keys_N = bypass.keys_N.numpy()
    for hashes, has_K, weight in zip(texts.ngrams(), has_BK, texts.weights, strict=True):
        rows = np.unique(known_rows(hashes, keys_N))
        counts_NK[rows] += weight * has_K
        counts_N[rows] += weight
        texts_N[rows] += 1
    taken_N = keys_N > 0
    idf_N = (np.log((1 + len(texts)) / (1 + texts_N)) + 1) * taken_N
    uneven_N = np.zeros_like(idf_N)
    uneven_N[taken_N] = _unevenness(counts_NK[taken_N], counts_N[taken_N])
    ways = (torch.from_numpy(weights_N) for weights_N in (idf_N, idf_N * uneven_N))
    learned_N = bypass.table_NK.any(1)
    return [torch.where(learned_N, bypass.weights_N, weights_N) for weights_N in ways]


def _unevenness(counts_NK: Floats, counts_N: Floats) -> Floats:
    """How far the log-count ratio of naive Bayes is from 0 for each n-gram, [N], with the label where it is farthest.

    From the summed weights of texts with an n-gram, and of those among them with each label; one is added to each.
    """
    furthest_N = np.zeros_like(counts_N)
    for own_N in counts_NK.T:  # one label at a time, as there may be many
        shares_N, others_N = ((counts + 1) / (counts + 1).sum() for counts in (own_N, counts_N - own_N))
        np.maximum(furthest_N, np.abs(np.log(shares_N / others_N)), out=furthest_N)
    return furthest_N


def _solutions(
    table_NK: Tensor,
    bias_K: Tensor,
    bags: Sequence[TextNgrams],
    strengths: Sequence[float],
    prior_NK: Tensor | None,
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Nats of the validation texts, table and bias, for each strength of the penalty until the nats rise.

    The tensors are moved from one solution to the next.
    """
    known, held_out = bags
    best = float("inf")
    for strength in strengths:
        _solve(table_NK, bias_K, known, strength, prior_NK)
        nats, _ = _nats(table_NK, bias_K, held_out)
        if nats >= best:
            break
        best = nats
        yield nats, table_NK, bias_K


def count_features(sentences: EncodedSentences, buckets: int) -> Ints:
    """How often each row of a tagger's table occurs in the words of some sentences, [N]."""
    counts_N = np.zeros(buckets, dtype=np.int64)
    for sentence in sentences:
        np.add.at(counts_N, rows_of(word_features([sentence.words]), buckets), 1)
    return counts_N


def _solve(
    table_NK: Tensor, bias_K: Tensor, texts: TextNgrams, strength: float, prior_NK: Tensor | None = None
) -> None:
    """Move table and bias to the minimum of strength x summed cross-entropy + half the table's squared norm.

    With a prior table, the norm is that of the difference to it.
    """
    count = float(texts.weights_BK.mean(1).sum())
    penalty = 1 / (strength * count)
    solver = torch.optim.LBFGS(
        [table_NK, bias_K],
        max_iter=ITERATIONS,
        history_size=6,
        tolerance_change=TOLERANCE,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        nats, residuals_BK = _nats(table_NK, bias_K, texts)
        bias_K.grad = residuals_BK.sum(0) / count
        away_NK = table_NK if prior_NK is None else table_NK - prior_NK
        table_NK.grad = away_NK * penalty
        table_NK.grad[texts.rows_R] += texts.of_rows.sums(residuals_BK) / count
        return nats / count + penalty / 2 * float(away_NK.square().sum())

    solver.step(closure)  # type: ignore[no-untyped-call]  # torch leaves LBFGS.step untyped


def _nats(table_NK: Tensor, bias_K: Tensor, texts: TextNgrams) -> tuple[float, Tensor]:
    """Summed weighted cross-entropy, and its derivative by the logits, [B, K]."""
    logits_BK = texts.of_texts.sums(table_NK) + bias_K
    gold_BK, weights_BK = texts.gold_BK, texts.weights_BK
    if texts.several:
        nats = F.binary_cross_entropy_with_logits(logits_BK, gold_BK, weights_BK, reduction="sum")
        return float(nats), (logits_BK.sigmoid() - gold_BK) * weights_BK
    shares_BK = logits_BK.log_softmax(1)
    return -float((shares_BK * gold_BK * weights_BK).sum()), (shares_BK.exp() - gold_BK) * weights_BK


def _gold(texts: EncodedTexts, labels: int, weights: Floats | None) -> tuple[Bools, Floats]:
    """1 where a text has a label, [B, K], and how much it counts, [B, 1] or [B, K]."""
    if texts.label_sets is not None:
        has_BK = multi_hot(pad([texts.label_sets[place] for place in range(len(texts))], NO_TARGET), labels)
        no_K, yes_K = np.ones((2, labels)) if weights is None else weights
        return has_BK, np.where(has_BK, yes_K, no_K) * texts.weights[:, None]
    of_labels = np.append(np.ones(labels) if weights is None else weights, 0.0)  # the last of what is unknown
    return texts.labels[:, None] == np.arange(labels), (of_labels[np.minimum(texts.labels, labels)] * texts.weights)[
        :, None
    ]


def _gather(bypass: NgramBypass, weights_N: Tensor, texts: EncodedTexts, weights: Floats | None) -> TextNgrams:
    gold_BK, weights_BK = _gold(texts, len(bypass.bias_K), weights)
    keys_N = bypass.keys_N.numpy()
    rows = [known_rows(hashes, keys_N) for hashes in texts.ngrams()]
    counts_B = torch.tensor([len(own) for own in rows])
    rows_F = torch.from_numpy(np.concatenate(rows))
    texts_F = torch.arange(len(rows), dtype=torch.int32).repeat_interleave(counts_B)
    weights_F = weights_N[rows_F]
    squares_B = torch.zeros(len(rows)).index_add_(0, texts_F, weights_F.square())
    weights_F = weights_F / squares_B.sqrt().clamp_min(SHORTEST)[texts_F]
    order_F = rows_F.argsort(stable=True)
    rows_R, counts_R = np.unique(rows_F[order_F].numpy(), return_counts=True)
    return TextNgrams(
        Bags(rows_F, weights_F, _starts(counts_B)),
        Bags(texts_F[order_F], weights_F[order_F], _starts(torch.from_numpy(counts_R))),
        torch.from_numpy(rows_R).long(),
        torch.from_numpy(gold_BK.astype(np.float32)),
        torch.from_numpy(weights_BK.astype(np.float32)),
        texts.label_sets is not None,
    )


def _starts(counts_B: Tensor) -> Tensor:
    return (counts_B.cumsum(0) - counts_B).int()
