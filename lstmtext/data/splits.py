"""A part of the records set aside for validation: seeded, and with every label in proportion."""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from lstmtext.text.arrays import Ints
from lstmtext.text.labels import labels_of


def stratified_split(labels: Sequence[Hashable], share: float, seed: int) -> tuple[Ints, Ints]:
    """Indices of the records kept and of those held out, both in file order.

    Each label gives its share, rounded down; what is missing to the share of all comes from the labels with the
    largest remainders, one record each. Every label keeps at least one record, and with two records in all, at least
    one is held out.
    """
    rng = np.random.default_rng(seed)
    groups: dict[Hashable, list[int]] = {}
    for index, label in enumerate(labels):
        groups.setdefault(label, []).append(index)
    shuffled = {label: rng.permutation(groups[label]).tolist() for label in sorted(groups, key=str)}
    counts = {label: min(int(len(own) * share), len(own) - 1) for label, own in shuffled.items()}
    remainders = {label: len(own) * share - counts[label] for label, own in shuffled.items()}
    missing = max(1, round(len(labels) * share)) - sum(counts.values())
    by_chance = [list(shuffled)[place] for place in rng.permutation(len(shuffled))]  # among equal remainders
    able = [label for label in by_chance if counts[label] < len(shuffled[label]) - 1]
    for label in sorted(able, key=lambda label: -remainders[label])[: max(0, missing)]:
        counts[label] += 1
    held = [index for label, own in shuffled.items() for index in own[: counts[label]]]
    if not held and len(labels) > 1:
        held = [len(labels) - 1]  # every label occurs once
    mask = np.zeros(len(labels), dtype=bool)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def label_set_strata(cells: Sequence[str], share: float) -> list[str]:
    """What to stratify texts of several labels by: their set of labels, or where few have that, its rarest label.

    Few are those of whom the share would be less than one text; alone, they could never be held out. (A short form of
    iterative stratification, Sechidis et al., 2011, which begins with the rarest label too.)
    """
    sets = Counter(cells)
    counts = Counter(name for cell in cells for name in labels_of(cell, multi_label=True))

    def stratum(cell: str) -> str:
        names = labels_of(cell, multi_label=True)
        return cell if sets[cell] * share >= 1 or not names else min(names, key=lambda name: (counts[name], name))

    return [stratum(cell) for cell in cells]
