"""What the bypasses learn before the encoder trains: the classifier's all, the tagger's which features are rare.

The classifier's bypass is logistic regression over TF-IDF with an L2 penalty. The problem is convex, so it is solved
(L-BFGS, Liu and Nocedal, 1989) instead of trained step by step: AdamW moves rare n-grams as fast as frequent ones and
overfits them. The strength of the penalty is chosen on validation data.
Letters: N rows of the table, K labels, B texts, F n-grams of all texts.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lstmtext.data.encoded import EncodedSentences, EncodedTexts
from lstmtext.nn.heads.classifier import NgramBypass
from lstmtext.text.arrays import Floats, Ints
from lstmtext.text.lexical import SHORTEST, rows_of, word_features

STRENGTHS = (1.0, 3.0, 10.0, 30.0)
"""Summed cross-entropy's weight against half the squared norm of the table (C of scikit-learn); more fits closer."""
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
    labels_B: Tensor
    weights_B: Tensor
    """How much each text counts; a text of an unknown label counts nothing."""


def fit_bypass(
    bypass: NgramBypass, train: EncodedTexts, validation: EncodedTexts, weights_K: Floats | None = None
) -> None:
    """Set the frequencies, the table and the bias of a bypass from encoded texts, whose labels count so much.

    Their own weights multiply those of their labels.
    """
    buckets = len(bypass.table_NK)
    counts_N = np.zeros(buckets, dtype=np.int64)
    for hashes in train.ngrams():
        counts_N[np.unique(rows_of(hashes, buckets))] += 1
    bypass.fit_frequencies(counts_N, len(train))
    weights_K = np.ones(len(bypass.bias_K)) if weights_K is None else weights_K
    known, held_out = (_gather(bypass, texts, weights_K) for texts in (train, validation))
    best = float("inf")
    table_NK, bias_K = bypass.table_NK.clone(), bypass.bias_K.clone()
    for strength in STRENGTHS:
        _solve(table_NK, bias_K, known, strength)
        nats, _ = _nats(table_NK, bias_K, held_out)
        if nats >= best:
            break
        best = nats
        bypass.table_NK.copy_(table_NK)
        bypass.bias_K.copy_(bias_K)


def count_features(sentences: EncodedSentences, buckets: int) -> Ints:
    """How often each row of a tagger's table occurs in the words of some sentences, [N]."""
    counts_N = np.zeros(buckets, dtype=np.int64)
    for sentence in sentences:
        np.add.at(counts_N, rows_of(word_features([sentence.words]), buckets), 1)
    return counts_N


def _solve(table_NK: Tensor, bias_K: Tensor, texts: TextNgrams, strength: float) -> None:
    """Move table and bias to the minimum of strength x summed cross-entropy + half the table's squared norm."""
    count = float(texts.weights_B.sum())
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
        table_NK.grad = table_NK * penalty
        table_NK.grad[texts.rows_R] += texts.of_rows.sums(residuals_BK) / count
        return nats / count + penalty / 2 * float(table_NK.square().sum())

    solver.step(closure)  # type: ignore[no-untyped-call]  # torch leaves LBFGS.step untyped


def _nats(table_NK: Tensor, bias_K: Tensor, texts: TextNgrams) -> tuple[float, Tensor]:
    """Summed weighted cross-entropy, and its derivative by the logits, [B, K]."""
    shares_BK = (texts.of_texts.sums(table_NK) + bias_K).log_softmax(1)
    weights_B1 = texts.weights_B[:, None]
    gold_BK = F.one_hot(texts.labels_B * (texts.labels_B < len(bias_K)), len(bias_K))
    return -float((shares_BK * gold_BK * weights_B1).sum()), (shares_BK.exp() - gold_BK) * weights_B1


def _gather(bypass: NgramBypass, texts: EncodedTexts, weights_K: Floats) -> TextNgrams:
    labels_B = texts.labels.astype(np.int64)
    weights_B = np.append(weights_K, 0.0)[np.minimum(labels_B, len(weights_K))] * texts.weights
    rows = [rows_of(hashes, len(bypass.table_NK)) for hashes in texts.ngrams()]
    counts_B = torch.tensor([len(own) for own in rows])
    rows_F = torch.from_numpy(np.concatenate(rows))
    texts_F = torch.arange(len(rows), dtype=torch.int32).repeat_interleave(counts_B)
    idf_F = bypass.idf_N[rows_F]
    squares_B = torch.zeros(len(rows)).index_add_(0, texts_F, idf_F.square())
    weights_F = idf_F / squares_B.sqrt().clamp_min(SHORTEST)[texts_F]
    order_F = rows_F.argsort(stable=True)
    rows_R, counts_R = np.unique(rows_F[order_F].numpy(), return_counts=True)
    return TextNgrams(
        Bags(rows_F, weights_F, _starts(counts_B)),
        Bags(texts_F[order_F], weights_F[order_F], _starts(torch.from_numpy(counts_R))),
        torch.from_numpy(rows_R).long(),
        torch.from_numpy(labels_B),
        torch.from_numpy(weights_B.astype(np.float32)),
    )


def _starts(counts_B: Tensor) -> Tensor:
    return (counts_B.cumsum(0) - counts_B).int()
