"""How much each class counts in the loss of a classifier."""

import numpy as np

from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.text.arrays import Floats


def class_weights(data: EncodedData, settings: Settings) -> Floats | None:
    """Weights of the labels, [K]; None where all count alike.

    Balanced weights are n / (K n_k), as scikit-learn has them (King and Zeng, 2001): each class weighs as much as the
    others together do on average.
    """
    if data.task != "classify" or settings.classify.class_weight == "none":
        return None
    counts_K = np.array([data.facts.label_counts[name] for name in data.labels.names], dtype=np.float64)
    weights_K: Floats = counts_K.sum() / (len(counts_K) * np.maximum(1, counts_K))
    return weights_K
