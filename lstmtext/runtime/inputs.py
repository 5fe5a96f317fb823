"""What a graph reads of a batch: its inputs by name."""

import numpy as np

from lstmtext.text.arrays import Ints
from lstmtext.text.examples import SentenceBatch, TextBatch


def text_inputs(batch: TextBatch) -> dict[str, Ints]:
    """Inputs of a classifier."""
    return {"ids": batch.ids_BT, "lengths": batch.lengths_B.astype(np.int32), "ngrams": batch.ngrams_BF}


def sentence_inputs(batch: SentenceBatch) -> dict[str, Ints]:
    """Inputs of a tagger."""
    return {
        "ids": batch.ids_BT,
        "lengths": batch.lengths_B.astype(np.int32),
        "first": batch.first_BW,
        "last": batch.last_BW,
        "features": batch.features_BWF,
    }
