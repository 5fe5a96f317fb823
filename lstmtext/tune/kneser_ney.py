"""Interpolated Kneser-Ney n-grams of tokens (Kneser and Ney, 1995; Chen and Goodman, 1999, with one discount an order).

Distinct n-grams are numbered over both texts, so that counting is `bincount` and looking up is an index.
Letters: N known tokens, M asked ones, L both.
"""

from typing import NamedTuple

import numpy as np

from lstmtext.text.arrays import Floats, Ints

MOST_ORDER = 6


class Grams(NamedTuple):
    """The n-grams of one order that end at each place of both texts, by number, and what stands before their last."""

    numbers_L: Ints
    contexts_L: Ints


def nats_by_order(known_N: Ints, asked_M: Ints, vocabulary: int) -> dict[int, Floats]:
    """Nats of each asked token after those before it, the known text's end first, by models of orders from 2 on."""
    orders = _numbered(np.concatenate([known_N, asked_M]), vocabulary)
    lower_M = np.full(len(asked_M), 1.0 / vocabulary)
    nats = {}
    for order, grams in enumerate(orders, 1):
        number, place = np.unique(grams.numbers_L[: len(known_N)], return_index=True)
        counts = np.bincount(grams.numbers_L[: len(known_N)], minlength=int(grams.numbers_L.max()) + 1)
        if order > 1:
            nats[order] = -np.log(_shares(grams, counts, number, place, lower_M))
        if order < len(orders):
            _, longer = np.unique(orders[order].numbers_L[: len(known_N)], return_index=True)
            counts = np.bincount(grams.numbers_L[longer], minlength=len(counts))  # of different tokens before
            lower_M = _shares(grams, counts, number, place, lower_M)
    return nats


def _numbered(ids_L: Ints, vocabulary: int) -> list[Grams]:
    """The n-grams of each order; those that begin before the text have its first context."""
    numbers_L = np.zeros(len(ids_L), dtype=np.int64)
    orders: list[Grams] = []
    for _ in range(MOST_ORDER):
        start = int(numbers_L.max()) + 1 if orders else 0
        contexts_L = np.concatenate([[start], numbers_L[:-1]])
        numbers_L = np.unique(contexts_L * vocabulary + ids_L, return_inverse=True)[1]
        orders.append(Grams(numbers_L, contexts_L))
    return orders


def _shares(grams: Grams, counts: Ints, number: Ints, place: Ints, lower_M: Floats) -> Floats:
    """Probabilities of the asked tokens by counts of n-grams, of which each that is known occurs at a place."""
    size = int(grams.contexts_L.max()) + 1
    known = grams.contexts_L[place]
    totals = np.bincount(known, weights=counts[number], minlength=size)
    followers = np.bincount(known, minlength=size)
    once, twice = (int(np.count_nonzero(counts == times)) for times in (1, 2))
    discount = max(1, once) / (max(1, once) + 2 * twice)  # never 0, so nothing is impossible
    asked, before = grams.numbers_L[-len(lower_M) :], grams.contexts_L[-len(lower_M) :]
    own_M = np.maximum(counts[asked] - discount, 0.0) + discount * followers[before] * lower_M
    met_M = totals[before] > 0
    return np.where(met_M, own_M / np.where(met_M, totals[before], 1.0), lower_M)
