"""A linear-chain conditional random field (Lafferty et al., 2001), first order, with start and end scores.

Holds the likelihood that training needs; the best path is found by `decoding.viterbi`, for torch and the
runtime alike. Letters: B batch, W words, K tags.
"""

import torch
from torch import Tensor, nn


class LinearChainCRF(nn.Module):
    """Scores of tag sequences: emissions plus transitions."""

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.transitions_KK = nn.Parameter(torch.zeros(tags, tags))
        self.starts_K = nn.Parameter(torch.zeros(tags))
        self.ends_K = nn.Parameter(torch.zeros(tags))

    def negative_log_likelihood(self, emissions_BWK: Tensor, tags_BW: Tensor, words_B: Tensor) -> Tensor:
        """Minus log p(tags | words) of each sentence in nats, [B]; 0 for one without words."""
        loss_B = self.log_partition(emissions_BWK, words_B) - self.path_score(emissions_BWK, tags_BW, words_B)
        return torch.where(words_B > 0, loss_B, torch.zeros_like(loss_B))

    def path_score(self, emissions_BWK: Tensor, tags_BW: Tensor, words_B: Tensor) -> Tensor:
        """Score of one tag sequence a sentence, [B]."""
        tags_BW = tags_BW.clamp_min(0)
        places_W = torch.arange(tags_BW.shape[1], device=tags_BW.device)
        real_BW = places_W < words_B[:, None]
        emitted_BW = emissions_BWK.gather(2, tags_BW[:, :, None])[:, :, 0]
        moved_BW = self.transitions_KK[tags_BW[:, :-1], tags_BW[:, 1:]]
        last_B = tags_BW.gather(1, (words_B - 1).clamp_min(0)[:, None])[:, 0]
        inside_B = (emitted_BW * real_BW).sum(1) + (moved_BW * real_BW[:, 1:]).sum(1)
        return inside_B + self.starts_K[tags_BW[:, 0]] + self.ends_K[last_B]

    def log_partition(self, emissions_BWK: Tensor, words_B: Tensor) -> Tensor:
        """Log of the summed exponentiated scores of all tag sequences, [B], by the forward algorithm."""
        alpha_BK = self.starts_K + emissions_BWK[:, 0]
        for word in range(1, emissions_BWK.shape[1]):
            onward_BKK = alpha_BK[:, :, None] + self.transitions_KK
            next_BK = onward_BKK.logsumexp(1) + emissions_BWK[:, word]
            alpha_BK = torch.where((word < words_B)[:, None], next_BK, alpha_BK)
        return (alpha_BK + self.ends_K).logsumexp(1)
