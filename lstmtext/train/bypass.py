"""Fits the classifier's bypass: logistic regression over TF-IDF with an L2 penalty, before the encoder trains.

The problem is convex, so it is solved (L-BFGS, Liu and Nocedal, 1989) instead of trained step by step: AdamW moves
rare n-grams as fast as frequent ones and overfits them. The strength of the penalty is chosen on validation data.
Letters: N rows of the table, K labels, F n-grams of all texts of a chunk, B texts of a chunk.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lstmtext.data.encoded import EncodedTexts
from lstmtext.nn.heads.classifier import SHORTEST, NgramBypass
from lstmtext.text.arrays import Ints
from lstmtext.text.lexical import rows_of

STRENGTHS = (1.0, 3.0, 10.0, 30.0)
"""Summed cross-entropy's weight against half the squared norm of the table (C of scikit-learn); more fits closer."""
ITERATIONS = 40
CHUNK_NGRAMS = 1 << 20
"""N-grams that are gathered at once, so that memory stays bounded whatever the number of labels."""


class Chunk(NamedTuple):
    """N-grams of some texts, one text after the other: their rows, TF-IDF weights, where texts begin, and labels."""

    rows_F: Tensor
    weights_F: Tensor
    starts_B: Tensor
    labels_B: Tensor

    def counts(self) -> Tensor:
        """N-grams of each text, [B]."""
        return torch.diff(self.starts_B, append=torch.tensor([len(self.rows_F)]))


def fit_bypass(bypass: NgramBypass, train: EncodedTexts, validation: EncodedTexts) -> None:
    """Set the frequencies, the table and the bias of a bypass from encoded texts."""
    buckets = len(bypass.table_NK)
    counts_N = np.zeros(buckets, dtype=np.int64)
    for hashes in train.ngrams():
        np.add.at(counts_N, rows_of(hashes, buckets), 1)
    bypass.fit_frequencies(counts_N, len(train))
    chunks, held_out = list(_chunks(bypass, train)), list(_chunks(bypass, validation))
    best = float("inf")
    table_NK, bias_K = bypass.table_NK.clone(), bypass.bias_K.clone()
    for strength in STRENGTHS:
        _solve(table_NK, bias_K, chunks, strength)
        nats = sum(_nats(table_NK, bias_K, chunk)[0] for chunk in held_out)
        if nats >= best:
            break
        best = nats
        bypass.table_NK.copy_(table_NK)
        bypass.bias_K.copy_(bias_K)


def _solve(table_NK: Tensor, bias_K: Tensor, chunks: Sequence[Chunk], strength: float) -> None:
    """Move table and bias to the minimum of strength x summed cross-entropy + half the table's squared norm."""
    texts = sum(len(chunk.labels_B) for chunk in chunks)
    solver = torch.optim.LBFGS([table_NK, bias_K], max_iter=ITERATIONS, history_size=6, line_search_fn="strong_wolfe")

    def closure() -> float:
        table_NK.grad, bias_K.grad = table_NK / (strength * texts), torch.zeros_like(bias_K)
        loss = float(table_NK.square().sum()) / (2 * strength * texts)
        for chunk in chunks:
            nats, residuals_BK = _nats(table_NK, bias_K, chunk)
            loss += nats / texts
            residuals_BK /= texts
            bias_K.grad += residuals_BK.sum(0)
            moved_FK = residuals_BK.repeat_interleave(chunk.counts(), dim=0) * chunk.weights_F[:, None]
            table_NK.grad.index_add_(0, chunk.rows_F, moved_FK)
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]  # torch leaves LBFGS.step untyped


def _nats(table_NK: Tensor, bias_K: Tensor, chunk: Chunk) -> tuple[float, Tensor]:
    """Summed cross-entropy of a chunk, and its derivative by the logits, [B, K]; unknown labels count nothing."""
    summed_BK = F.embedding_bag(chunk.rows_F, table_NK, chunk.starts_B, mode="sum", per_sample_weights=chunk.weights_F)
    shares_BK = (summed_BK + bias_K).log_softmax(1)
    known_B = chunk.labels_B >= 0
    gold_BK = F.one_hot(chunk.labels_B.clamp_min(0), len(bias_K)) * known_B[:, None]
    nats = -float((shares_BK * gold_BK).sum())
    return nats, (shares_BK.exp() - gold_BK) * known_B[:, None]


def _chunks(bypass: NgramBypass, texts: EncodedTexts) -> Iterator[Chunk]:
    """The texts' n-grams with their TF-IDF weights, in chunks of about `CHUNK_NGRAMS`."""
    rows: list[Ints] = []
    labels: list[int] = []
    size = 0
    for hashes, label in zip(texts.ngrams(), texts.labels, strict=True):
        rows.append(rows_of(hashes, len(bypass.table_NK)))
        labels.append(int(label))
        size += len(hashes)
        if size >= CHUNK_NGRAMS:
            yield _chunk(rows, labels, bypass)
            rows, labels, size = [], [], 0
    if rows:
        yield _chunk(rows, labels, bypass)


def _chunk(rows: Sequence[Ints], labels: Sequence[int], bypass: NgramBypass) -> Chunk:
    counts_B = torch.tensor([len(own) for own in rows])
    rows_F = torch.from_numpy(np.concatenate(rows))
    idf_F = bypass.idf_N[rows_F]
    texts_F = torch.arange(len(rows)).repeat_interleave(counts_B)
    squares_B = torch.zeros(len(rows)).index_add_(0, texts_F, idf_F.square())
    weights_F = idf_F / squares_B.sqrt().clamp_min(SHORTEST)[texts_F]
    return Chunk(rows_F, weights_F, counts_B.cumsum(0) - counts_B, torch.tensor(labels))
