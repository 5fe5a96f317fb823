"""The tagger: each word's states and lexical features to tag scores, joined by a CRF.

A word is read at its last token forwards and at its first token backwards, where each direction has just
seen all of it. The lexical bypass adds a linear score per hashed feature of the word and its neighbours,
as a feature CRF does.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmtext.config import Settings
from lstmtext.nn.crf import LinearChainCRF
from lstmtext.nn.encoder import Encoding, take_places
from lstmtext.nn.tensors import tensor
from lstmtext.text.arrays import Ints
from lstmtext.text.examples import SentenceBatch


class Tagger(nn.Module):
    """Emissions of tags for words, and the CRF over them."""

    def __init__(self, settings: Settings, width: int, labels: int, vocabulary_size: int = 0) -> None:
        super().__init__()
        own = settings.tag
        self.settings = own
        self.dropout = nn.Dropout(own.dropout)
        self.output = nn.Linear(width, labels)
        self.bypass_NK = nn.Parameter(torch.zeros(own.bypass_buckets, labels)) if own.bypass else None
        self.frequent_N: Tensor
        self.register_buffer("frequent_N", torch.ones(own.bypass_buckets), persistent=False)
        """1 for features that are learned; the rest keep their zeros, so that nothing else needs to know."""
        self.crf = LinearChainCRF(labels)
        self.shift_K: Tensor
        self.register_buffer("shift_K", torch.zeros(labels))
        """Added to the emissions when tagging: likelihood finds fewer spans than F1 wants; validation decides."""

    def leave_out_rare(self, counts_N: Ints) -> None:
        """Learn only those features that occur often enough in the training words."""
        self.frequent_N.copy_(torch.from_numpy(counts_N >= self.settings.bypass_least))

    def predict(self, encoding: Encoding, batch: SentenceBatch) -> Tensor:
        """Emissions to decode, [B, W, K]."""
        return self.emissions(encoding, batch) + self.shift_K

    def emissions(self, encoding: Encoding, batch: SentenceBatch) -> Tensor:
        """Scores of tags for each word, [B, W, K]."""
        device = encoding.forward_BTH.device
        states = [take_places(encoding.forward_BTH, tensor(batch.last_BW, device))]
        if encoding.backward_BTH is not None:
            states.append(take_places(encoding.backward_BTH, tensor(batch.first_BW, device)))
        emissions_BWK: Tensor = self.output(self.dropout(torch.cat(states, dim=-1))).float()
        if self.bypass_NK is None:
            return emissions_BWK
        return emissions_BWK + self._lexical(tensor(batch.features_BWF, device))

    def loss(self, encoding: Encoding, batch: SentenceBatch) -> tuple[Tensor, int]:
        """Summed negative log-likelihood of the tag sequences in nats, and the number of words."""
        emissions_BWK = self.emissions(encoding, batch)
        device = emissions_BWK.device
        nats_B = self.crf.negative_log_likelihood(
            emissions_BWK, tensor(batch.tags_BW, device), tensor(batch.words_B, device)
        )
        return nats_B.sum(), int(batch.words_B.sum())

    def _lexical(self, features_BWF: Tensor) -> Tensor:
        assert self.bypass_NK is not None
        rate = self.settings.bypass_dropout
        weights_BWF = (features_BWF > 0) * self.frequent_N[features_BWF]
        if self.training and rate > 0:
            weights_BWF = F.dropout(weights_BWF, rate)
        B, W, feature_count = features_BWF.shape
        summed = F.embedding_bag(
            features_BWF.reshape(B * W, feature_count),
            self.bypass_NK,
            mode="sum",
            per_sample_weights=weights_BWF.reshape(B * W, feature_count),
        )
        return summed.reshape(B, W, -1)
