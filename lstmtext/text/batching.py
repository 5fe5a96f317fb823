"""Which records go into a batch together, and how ragged lists become arrays.

Batches are planned by length under a token budget, so that little of a batch is padding.
"""

from collections.abc import Sequence

import numpy as np

from lstmtext.text.arrays import Bools, Ints
from lstmtext.text.tokenizer import PAD_ID

MASKED = -1e4
"""Stands for minus infinity where the score of padding must stay finite, in half precision too."""
BLUR = 0.04
"""Share by which lengths are blurred: records meet others in every epoch, and padding of large data stays below 5 %."""

FEW = 4
"""Records of a batch below which an LSTM's step has vector units to spare."""


def plan_batches(
    lengths: Ints, budget: int, rng: np.random.Generator | None = None, *, most_padding: float = 1.0
) -> list[Ints]:
    """Indices of records, grouped so that longest x count stays within `budget` token places.

    A record longer than the budget is alone. With `rng`, lengths are blurred a little and batches shuffled,
    so that epochs differ; without, batches go from short to long. A batch of `FEW` records or more also ends where
    the next would bring the share of padding in it above `most_padding`.
    """
    keys = np.asarray(lengths, dtype=np.float64)
    if rng is not None:
        keys = keys * rng.uniform(1 - BLUR, 1 + BLUR, len(keys))
    batches: list[Ints] = []
    current: list[int] = []
    longest = total = 0
    for index in np.argsort(keys, kind="stable"):
        longest = max(longest, int(lengths[index]))
        places = longest * (len(current) + 1)
        total += int(lengths[index])
        padded = len(current) >= FEW and places - total > most_padding * places
        if current and (places > budget or padded):
            batches.append(np.array(current))
            current, longest, total = [], int(lengths[index]), int(lengths[index])
        current.append(int(index))
    if current:
        batches.append(np.array(current))
    if rng is not None:
        rng.shuffle(batches)
    return batches


def padding_share(lengths: Ints, batches: Sequence[Ints]) -> float:
    """Share of the token places of batches that hold padding, 0 to 1."""
    places = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    return 1.0 - sum(int(lengths[batch].sum()) for batch in batches) / places if places else 0.0


def pad(rows: Sequence[Sequence[int] | Ints], fill: int = PAD_ID, *, width: int = 1) -> Ints:
    """Rows of different lengths as one array [B, longest], at least `width` columns wide."""
    lengths_B = lengths_of(rows)
    padded: Ints = np.full((len(rows), max([width, *lengths_B])), fill, dtype=np.int64)
    padded[real_places(lengths_B, padded.shape[1])] = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    return padded


def real_places(lengths_B: Ints, width: int) -> Bools:
    """True where a place of a padded row holds something of its own, [B, width]."""
    places: Bools = np.arange(width) < lengths_B[:, None]
    return places


def lengths_of(rows: Sequence[Sequence[int] | Ints]) -> Ints:
    """Lengths of ragged rows, [B]."""
    return np.array([len(row) for row in rows], dtype=np.int64)
