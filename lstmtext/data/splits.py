"""A part of the records set aside for validation: seeded, and with every label in proportion."""

from collections.abc import Hashable, Sequence

import numpy as np

from lstmtext.text.arrays import Ints


def stratified_split(labels: Sequence[Hashable], share: float, seed: int) -> tuple[Ints, Ints]:
    """Indices of the records kept and of those held out, both in file order.

    Each label gives its share, rounded, but keeps at least one record; with at least two records in
    all, at least one is held out.
    """
    rng = np.random.default_rng(seed)
    groups: dict[Hashable, list[int]] = {}
    for index, label in enumerate(labels):
        groups.setdefault(label, []).append(index)
    held: list[int] = []
    for label in sorted(groups, key=str):
        own = rng.permutation(groups[label])
        count = min(round(len(own) * share), len(own) - 1)
        held.extend(own[:count].tolist())
    if not held and len(labels) > 1:
        largest = max(groups.values(), key=len)
        held = [largest[-1]] if len(largest) > 1 else [len(labels) - 1]
    mask = np.zeros(len(labels), dtype=bool)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)
