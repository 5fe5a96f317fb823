"""Which labels a text has: their probabilities, and above which of them a text that may have several has one."""

import numpy as np

from lstmtext.decoding.sampling import softmax
from lstmtext.text.arrays import Floats
from lstmtext.text.labels import THRESHOLD

THRESHOLDS = (THRESHOLD, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2)
"""Below the last, a label that nothing tells apart would be put on all texts, which is the best F1 it can have."""


def label_probabilities(logits_BK: Floats, *, multi_label: bool) -> Floats:
    """Probabilities of the labels of texts: of one that each has, or of each on its own."""
    if not multi_label:
        return softmax(logits_BK)
    shares_BK: Floats = np.exp(-np.logaddexp(0.0, -logits_BK.astype(np.float64)))
    return shares_BK


def best_thresholds(probabilities_NK: Floats) -> Floats:
    """For each label, the threshold that promises the best F1 on some texts, [K].

    Of calibrated probabilities, the best lies at half of the F1 that it gives, so never above a half (Lipton et al.,
    2014). What they promise is counted by themselves, not by gold labels, of which a small validation set has too few:
    CONTRIBUTING.md (log) has what either gives.
    """
    found_TNK = probabilities_NK > np.array(THRESHOLDS)[:, None, None]
    promised_TK = 2 * (found_TNK * probabilities_NK).sum(1) / (found_TNK.sum(1) + probabilities_NK.sum(0) + 1e-12)
    thresholds_K: Floats = np.array(THRESHOLDS, dtype=np.float32)[promised_TK.argmax(0)]
    return thresholds_K
