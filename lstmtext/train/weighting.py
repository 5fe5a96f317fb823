"""How much each class counts in the loss of a classifier."""

import numpy as np

from lstmtext.config import Settings
from lstmtext.data.encoded import EncodedData
from lstmtext.text.arrays import Floats


def class_weights(data: EncodedData, settings: Settings) -> Floats | None:
    """Weights of the labels, [K]; None where all count alike.

    Balanced weights are n / (K n_k), as scikit-learn has them (King and Zeng, 2001): each class weighs as much as the
    others together do on average. Where a text may have several labels, each is a question of two classes: those of the
    n texts that have not label k weigh n / (2 (n - n_k)), the n_k that have it n / (2 n_k), [2, K].
    """
    if data.task != "classify" or settings.classify.class_weight == "none":
        return None
    counts_K = np.array([data.facts.label_counts[name] for name in data.labels.names], dtype=np.float64)
    if settings.classify.multi_label:
        texts = len(data.tables["train"])
        weights_2K: Floats = texts / (2 * np.maximum(1, [texts - counts_K, counts_K]))
        return weights_2K
    weights_K: Floats = counts_K.sum() / (len(counts_K) * np.maximum(1, counts_K))
    return weights_K
