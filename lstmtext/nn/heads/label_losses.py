"""What the labels of texts cost, where each text has one, and where it has any number.

Both know weights of labels and label smoothing; what a text itself weighs is left to the head.
"""

import torch.nn.functional as F
from torch import Tensor

from lstmtext.config import ClassifySettings


def nats_of_one(logits_BK: Tensor, labels_B: Tensor, weights_K: Tensor, settings: ClassifySettings) -> Tensor:
    """Weighted cross-entropy of each text, [B]."""
    smoothing = settings.label_smoothing
    return F.cross_entropy(logits_BK, labels_B, weight=weights_K, reduction="none", label_smoothing=smoothing)


def nats_of_sets(logits_BK: Tensor, has_BK: Tensor, weights_2K: Tensor, settings: ClassifySettings) -> Tensor:
    """Weighted binary cross-entropy of each text, summed over the labels that it has or has not, [B].

    Smoothing moves both targets towards a half.
    """
    targets_BK = has_BK.to(logits_BK)
    smooth_BK = targets_BK * (1 - settings.label_smoothing) + settings.label_smoothing / 2
    nats_BK = F.binary_cross_entropy_with_logits(logits_BK, smooth_BK, reduction="none")
    weights_BK = weights_2K[1] * targets_BK + weights_2K[0] * (1 - targets_BK)
    return (nats_BK * weights_BK).sum(1)
