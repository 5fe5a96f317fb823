"""What a graph reads of a batch: its inputs by name."""

import numpy as np

from lstmtext.text.arrays import Ints
from lstmtext.text.examples import SentenceBatch, TextBatch

GROUP = 8
"""Products sum over places in groups; whole groups only, so that an answer does not depend on how much is padding."""


def text_inputs(batch: TextBatch) -> dict[str, Ints]:
    """Inputs of a classifier."""
    lengths_B = batch.lengths_B.astype(np.int32)
    return {"ids": _in_groups(batch.ids_BT), "lengths": lengths_B, "ngrams": _in_groups(batch.ngrams_BF)}


def sentence_inputs(batch: SentenceBatch) -> dict[str, Ints]:
    """Inputs of a tagger; emissions of the words added as padding come last in every sentence."""
    return {
        "ids": _in_groups(batch.ids_BT),
        "lengths": batch.lengths_B.astype(np.int32),
        "first": _in_groups(batch.first_BW),
        "last": _in_groups(batch.last_BW),
        "features": _in_groups(batch.features_BWF),
    }


def _in_groups(rows_BN: Ints) -> Ints:
    """Rows with padding up to whole groups of places."""
    return np.pad(rows_BN, [(0, 0), (0, -rows_BN.shape[1] % GROUP), *[(0, 0)] * (rows_BN.ndim - 2)])
