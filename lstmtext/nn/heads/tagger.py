"""The tagger: each word's states and lexical features to tag scores, joined by a CRF.

A word is read at its last token forwards and at its first token backwards, where each direction has just
seen all of it. The lexical bypass adds a linear score per hashed feature of the word and its neighbours,
as a feature CRF does.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmtext.config import Settings
from lstmtext.nn.crf import LinearChainCRF
from lstmtext.nn.encoder import Encoding, take_places
from lstmtext.nn.tensors import tensor
from lstmtext.text.arrays import Bools
from lstmtext.text.examples import SentenceBatch

WHOLE = "table_NK"


class FeatureTable(nn.Module):
    """A score per tag for each hashed feature, summed over the features of a word.

    Only rows that are learned are held, or optimising rows of zeros would take most of a step; as arrays (`state_dict`)
    the table is whole, `table_NK`.
    """

    def __init__(self, buckets: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.learned_MK = nn.Parameter(torch.zeros(buckets, labels))
        self.places_N: Tensor
        self.register_buffer("places_N", torch.arange(buckets), persistent=False)
        """Where each row of the whole table stands; 0, the place of padding, for those that are not learned."""

    def learn_only(self, learned_N: Bools) -> None:
        """Give up all rows but these; what was learned is forgotten."""
        rows = torch.from_numpy(np.flatnonzero(learned_N[1:]) + 1)
        self.places_N.zero_()
        self.places_N[rows] = torch.arange(1, len(rows) + 1)
        self.learned_MK = nn.Parameter(torch.zeros(len(rows) + 1, self.learned_MK.shape[1]))

    def forward(self, features_BWF: Tensor) -> Tensor:
        """Summed scores of words, [B, W, K]."""
        B, W, _ = features_BWF.shape
        places_NF = self.places_N[features_BWF.flatten(0, 1)]
        weights_NF = F.dropout((places_NF > 0).float(), self.dropout, self.training)
        summed_NK = F.embedding_bag(places_NF, self.learned_MK, mode="sum", per_sample_weights=weights_NF)
        return summed_NK.reshape(B, W, -1)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination[prefix + WHOLE] = self.learned_MK.detach()[self.places_N]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:  # noqa: ANN401
        whole_NK = state_dict[prefix + WHOLE]
        learned_N = self.places_N > 0
        with torch.no_grad():
            self.learned_MK.zero_()
            self.learned_MK[self.places_N[learned_N]] = whole_NK[learned_N]


class Tagger(nn.Module):
    """Emissions of tags for words, and the CRF over them."""

    def __init__(self, settings: Settings, width: int, labels: int, vocabulary_size: int = 0) -> None:
        super().__init__()
        own = settings.tag
        self.settings = own
        self.dropout = nn.Dropout(own.dropout)
        self.output = nn.Linear(width, labels)
        self.bypass = FeatureTable(own.bypass_rows, labels, own.bypass_dropout) if own.bypass else None
        self.crf = LinearChainCRF(labels)
        self.shift_K: Tensor
        self.register_buffer("shift_K", torch.zeros(labels))
        """Added to the emissions when tagging: likelihood finds fewer spans than F1 wants; validation decides."""

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
        if self.bypass is None:
            return emissions_BWK
        lexical_BWK: Tensor = self.bypass(tensor(batch.features_BWF, device))
        return emissions_BWK + lexical_BWK

    def count(self, batch: SentenceBatch) -> float:
        """Words of a batch."""
        return float(batch.words_B.sum())

    def loss(self, encoding: Encoding, batch: SentenceBatch) -> tuple[Tensor, float]:
        """Summed negative log-likelihood of the tag sequences in nats, and the number of words."""
        emissions_BWK = self.emissions(encoding, batch)
        device = emissions_BWK.device
        nats_B = self.crf.negative_log_likelihood(
            emissions_BWK, tensor(batch.tags_BW, device), tensor(batch.words_B, device)
        )
        return nats_B.sum(), self.count(batch)
