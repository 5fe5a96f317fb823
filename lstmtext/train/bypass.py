"""What the bypasses learn before the encoder trains: the classifier's all, the tagger's which features are rare.

The classifier's bypass is logistic regression over TF-IDF with an L2 penalty. The problem is convex, so it is solved
(`train.logistic`) instead of trained step by step: AdamW moves rare n-grams as fast as frequent ones and overfits them.
Validation data choose the strength of the penalty, and whether an n-gram's weight is multiplied with how unevenly it is
spread over the labels (NBSVM, Wang and Manning, 2012): long texts are the better for it. Where a text may have several
labels, there is one regression for each, all with the same strength.
Letters: N rows of the table, K labels, B texts.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from lstmtext.data.encoded import EncodedSentences, EncodedTexts
from lstmtext.nn.heads.classifier import NgramBypass
from lstmtext.text.arrays import Bools, Floats, Ints
from lstmtext.text.batching import pad
from lstmtext.text.examples import NO_TARGET, multi_hot
from lstmtext.text.lexical import Keys, keys_of, known_rows, rows_of, word_features
from lstmtext.train.logistic import Block, WeightedTexts, make_blocks, solve

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Summed cross-entropy's weight against half the squared norm of the table (C of scikit-learn); more fits closer."""
WEAK = (0.01, 0.03, 0.1, 0.3)
"""Tried before those where there is a table to stay near."""
CHUNK, MOST_COUNTED = 1 << 22, 1 << 24
"""N-grams that are counted at once, and different ones that counts are kept of."""
MOST_FITTED = 1 << 28
"""N-grams and labels of the texts of a split that the fit holds, in some two gigabytes. Of more, texts are drawn."""
OF_EACH_LABEL = 100
"""Texts of a label that are drawn before others, so that none is missing."""


def fit_bypass(
    bypass: NgramBypass,
    train: EncodedTexts,
    validation: EncodedTexts,
    weights: Floats | None = None,
    *,
    goes_on: bool = False,
) -> int:
    """Set the weights, the table and the bias of a bypass from encoded texts, whose labels count so much.

    The weights are those of `train.weighting`; texts' own multiply them. A bypass that goes on keeps the n-grams that
    it has learned as they weigh, and is drawn to its table instead of to zeros (Chelba and Acero, 2004).
    Returns how many of the training texts it is fitted to: all, but where memory should not hold their n-grams.
    """
    labels = len(bypass.bias_K)
    train, validation = _drawn(train, labels), _drawn(validation, labels)
    bypass.give_rows(_keys(train, len(bypass.keys_N) - 1, known=bypass.keys_N.numpy()))
    start_NK, start_K = bypass.table_NK.clone(), bypass.bias_K.clone()
    prior_NK = start_NK if goes_on else None
    strengths = (*WEAK, *STRENGTHS) if goes_on else STRENGTHS
    several = train.label_sets is not None
    known, held_out = (_blocks(bypass, texts, weights) for texts in (train, validation))
    best = float("inf")
    for weights_N in _ways_to_weigh(bypass, train, known):
        both = [WeightedTexts(blocks, weights_N, several=several) for blocks in (known, held_out)]
        for nats, table_NK, bias_K in _solutions(start_NK.clone(), start_K.clone(), both, strengths, prior_NK):
            if nats < best:
                best = nats
                bypass.weights_N.copy_(weights_N)
                bypass.table_NK.copy_(table_NK)
                bypass.bias_K.copy_(bias_K)
    return len(train)


def _drawn(texts: EncodedTexts, labels: int) -> EncodedTexts:
    """All texts, or as many of them as have no more than MOST_FITTED n-grams and labels, drawn by chance, in order."""
    sizes = texts.ngram_counts + labels
    if int(sizes.sum()) <= MOST_FITTED:
        return texts
    order = np.random.default_rng(0).permutation(np.flatnonzero(texts.weights > 0))
    order = order[np.argsort(_counts_before(_rarest_labels(texts)[order]) >= OF_EACH_LABEL, kind="stable")]
    fits = int(np.searchsorted(np.cumsum(sizes[order]), MOST_FITTED, side="right"))
    return texts.only(np.sort(order[: max(1, fits)]))


def _rarest_labels(texts: EncodedTexts) -> Ints:
    """The label of each text; of several the one that fewest texts have, of none a number of its own."""
    sets = texts.label_sets
    if sets is None:
        return texts.labels
    counts = np.bincount(np.concatenate([sets[place] for place in range(len(texts))]), minlength=1)
    return np.array([min(sets[place], key=lambda label: counts[label], default=-1) for place in range(len(texts))])


def _counts_before(labels: Ints) -> Ints:
    """How often each one's label stands before it."""
    order = np.argsort(labels, kind="stable")
    _, firsts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    before = np.empty(len(labels), dtype=np.int64)
    before[order] = np.arange(len(labels)) - np.repeat(firsts, counts)
    return before


def _blocks(bypass: NgramBypass, texts: EncodedTexts, weights: Floats | None) -> list[Block]:
    keys_N, labels = bypass.keys_N.numpy(), len(bypass.bias_K)

    def targets(places: Ints) -> tuple[Tensor, Tensor]:
        has_BK, weights_BK = _gold(texts.only(places), labels, weights)
        return torch.from_numpy(has_BK.astype(np.uint8)), torch.from_numpy(weights_BK.astype(np.float32))

    return make_blocks((known_rows(hashes, keys_N) for hashes in texts.ngrams()), labels, targets)


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


def _ways_to_weigh(bypass: NgramBypass, texts: EncodedTexts, blocks: Sequence[Block]) -> list[Tensor]:
    """Weights of n-grams, [N]: inverse document frequencies, alone and times how unevenly the n-grams are spread.

    What the table has learned already weighs what it did.
    """
    counts_NK = np.zeros(bypass.table_NK.shape, dtype=np.float32)
    counts_N = np.zeros(len(counts_NK), dtype=np.float32)
    texts_N = np.zeros_like(counts_N)
    first = 0
    for block in blocks:
        count_B1 = torch.ones(len(block.gold_BK), 1)
        weights_B1 = torch.from_numpy(texts.weights[first : first + len(count_B1), None].astype(np.float32))
        first += len(count_B1)
        for counts, values_B in ((counts_NK, weights_B1 * block.gold_BK), (counts_N, weights_B1), (texts_N, count_B1)):
            counts[block.rows_R.numpy()] += block.of_rows(values_B).numpy().reshape(-1, *counts.shape[1:])
    taken_N = bypass.keys_N.numpy() > 0
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
    texts: Sequence[WeightedTexts],
    strengths: Sequence[float],
    prior_NK: Tensor | None,
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Nats of the validation texts, table and bias, for each strength of the penalty until the nats rise.

    The tensors are moved from one solution to the next.
    """
    known, held_out = texts
    best = float("inf")
    for strength in strengths:
        solve(table_NK, bias_K, known, strength, prior_NK)
        nats = held_out.nats(table_NK, bias_K)
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
