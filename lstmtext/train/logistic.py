"""Logistic regression over TF-IDF, solved by L-BFGS (Liu and Nocedal, 1989) on texts that are held block by block.

The features of a text are the weights of the n-grams that it has, scaled to length 1: a matrix of zeros and ones, which
alone is held, between the scales of the texts and the weights of the n-grams. Both products with it are sums over bags.
Letters: N rows of the table, K labels, B texts of a block, F n-grams of all of them, R rows that occur in them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lstmtext.text.arrays import Ints
from lstmtext.text.lexical import SHORTEST
from lstmtext.train.optimizers import LBFGS

BLOCK = 1 << 24
"""N-grams and labels of texts that make a block; while it is made, an n-gram takes 24 bytes, and 8 afterwards."""
ITERATIONS, TOGETHER = 40, 10
TOLERANCE = 1e-5
"""Nats a text by which so many iterations together must lower the loss for more to follow."""


class Block(NamedTuple):
    """Which n-grams some texts have, and what is right of the texts."""

    rows_F: Tensor
    """Table rows of the n-grams, text after text."""
    starts_B: Tensor
    texts_F: Tensor
    """Places of the texts, n-gram after n-gram."""
    starts_R: Tensor
    rows_R: Tensor
    """Which rows occur."""
    gold_BK: Tensor
    """1 for the label of a text, or for each that it has; a byte each."""
    weights_BK: Tensor
    """How much each text counts, [B, 1], or its no or yes for each label; a text of an unknown label counts nothing."""

    def of_texts(self, values_NK: Tensor) -> Tensor:
        """The sum of the values of each text's n-grams, [B, K]."""
        return F.embedding_bag(self.rows_F, values_NK, self.starts_B, mode="sum")

    def of_rows(self, values_BK: Tensor) -> Tensor:
        """The sum of the values of the texts that have each row's n-gram, [R, K]."""
        return F.embedding_bag(self.texts_F, values_BK, self.starts_R, mode="sum")


Targets = Callable[[Ints], tuple[Tensor, Tensor]]
"""Gives what is right of the texts at some places, and how much they count, as blocks hold it."""


def make_blocks(rows: Iterable[Ints], labels: int, targets: Targets) -> list[Block]:
    """Blocks of texts from the table rows of each one's n-grams."""
    blocks: list[Block] = []
    first = 0
    for own in _in_blocks(rows, labels):
        blocks.append(_make_block(own, *targets(np.arange(first, first + len(own)))))
        first += len(own)
    return blocks


def _in_blocks(rows: Iterable[Ints], labels: int) -> Iterator[list[Ints]]:
    held: list[Ints] = []
    count = 0
    for own in rows:
        held.append(own)
        count += len(own) + labels
        if count >= BLOCK:
            yield held
            held, count = [], 0
    if held:
        yield held


def _make_block(rows: list[Ints], gold_BK: Tensor, weights_BK: Tensor) -> Block:
    counts_B = torch.tensor([len(own) for own in rows])
    rows_F = torch.from_numpy(np.concatenate(rows))
    order_F = rows_F.argsort(stable=True)
    texts_F = torch.arange(len(rows), dtype=torch.int32).repeat_interleave(counts_B)[order_F]
    rows_R, counts_R = np.unique(rows_F.numpy(), return_counts=True)
    starts_R, places_R = _starts(torch.from_numpy(counts_R)), torch.from_numpy(rows_R).long()
    return Block(rows_F, _starts(counts_B), texts_F, starts_R, places_R, gold_BK, weights_BK)


def _starts(counts_B: Tensor) -> Tensor:
    return (counts_B.cumsum(0) - counts_B).int()


class WeightedTexts:
    """Blocks of texts whose n-grams have weights."""

    def __init__(self, blocks: Sequence[Block], weights_N: Tensor, *, several: bool) -> None:
        """Where `several`, a text may have several labels, and there is a regression for each."""
        self.weights_N1 = weights_N[:, None]
        self.several = several
        self.count = sum(float(block.weights_BK.mean(1).sum()) for block in blocks)
        """How many texts they count as."""
        lengths = [block.of_texts(self.weights_N1.square()).sqrt().clamp_min(SHORTEST) for block in blocks]
        self._blocks = [(block, 1 / length_B1) for block, length_B1 in zip(blocks, lengths, strict=True)]

    def nats(self, table_NK: Tensor, bias_K: Tensor) -> float:
        """Summed weighted cross-entropy."""
        return sum(nats for nats, *_ in self._residuals(table_NK, bias_K))

    def add_gradients(self, table_NK: Tensor, bias_K: Tensor, to_NK: Tensor, to_K: Tensor) -> float:
        """Add the derivatives by table and bias to what is given, and return the nats."""
        total = 0.0
        for nats, residuals_BK, block, scales_B1 in self._residuals(table_NK, bias_K):
            total += nats
            to_K += residuals_BK.sum(0)
            to_NK[block.rows_R] += block.of_rows(residuals_BK * scales_B1) * self.weights_N1[block.rows_R]
        return total

    def _residuals(self, table_NK: Tensor, bias_K: Tensor) -> Iterator[tuple[float, Tensor, Block, Tensor]]:
        """Of each block its nats, their derivative by the logits [B, K], itself and the scales of its texts."""
        weighted_NK = table_NK * self.weights_N1
        for block, scales_B1 in self._blocks:
            logits_BK = block.of_texts(weighted_NK) * scales_B1 + bias_K
            nats, shares_BK = self._nats(logits_BK, block)
            yield nats, (shares_BK - block.gold_BK) * block.weights_BK, block, scales_B1

    def _nats(self, logits_BK: Tensor, block: Block) -> tuple[float, Tensor]:
        """Nats and probabilities."""
        gold_BK, weights_BK = block.gold_BK, block.weights_BK
        if self.several:
            nats = F.binary_cross_entropy_with_logits(logits_BK, gold_BK.float(), weights_BK, reduction="sum")
            return float(nats), logits_BK.sigmoid()
        shares_BK = logits_BK.log_softmax(1)
        return -float((shares_BK * gold_BK * weights_BK).sum()), shares_BK.exp()


def solve(
    table_NK: Tensor, bias_K: Tensor, texts: WeightedTexts, strength: float, prior_NK: Tensor | None = None
) -> None:
    """Move table and bias to the minimum of strength x summed cross-entropy + half the table's squared norm.

    With a prior table, the norm is that of the difference to it.
    """
    whole = strength * texts.count
    solver = LBFGS(
        [table_NK, bias_K],
        max_iter=TOGETHER,
        history_size=6,
        tolerance_grad=0,
        tolerance_change=0,  # of the loss, the table and the slope alike, which have different scales
        line_search_fn="strong_wolfe",
    )

    losses: list[float] = []

    def closure() -> float:
        away_NK = table_NK if prior_NK is None else table_NK - prior_NK
        table_NK.grad, bias_K.grad = away_NK / strength, torch.zeros_like(bias_K)
        nats = texts.add_gradients(table_NK, bias_K, table_NK.grad, bias_K.grad)
        table_NK.grad /= texts.count
        bias_K.grad /= texts.count
        losses.append(nats / texts.count + float(away_NK.square().sum()) / (2 * whole))
        return losses[-1]

    for _ in range(0, ITERATIONS, TOGETHER):
        losses.clear()
        solver.step(closure)  # type: ignore[no-untyped-call]  # torch leaves LBFGS.step untyped
        if losses[0] - min(losses) < TOLERANCE:
            break
