"""The language model: the next token from the forward states, the previous one from the backward states.

The output matrix is the embedding itself (Press and Wolf, 2017), reached through a linear map where sizes differ.
Both directions share it. Of a large vocabulary, a training step scores what occurs in it and a random part of the
rest (sampled softmax; Bengio and Senécal, 2008). Losses are computed in slices of rows, so that scores of a large
vocabulary never stand in memory at once.
Letters: B batch, T tokens, N = B T, H hidden, D embedding, V vocabulary, C candidates.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lstmtext.config import Settings
from lstmtext.nn.encoder import Encoding
from lstmtext.nn.tensors import tensor
from lstmtext.text.arrays import Ints
from lstmtext.text.examples import StreamBatch

SLICE_SCORES = 1 << 23
"""Scores held at once: 32 MiB of float32."""


class Candidates(NamedTuple):
    """The entries that a step scores, and what stands for the others."""

    table_CD: Tensor
    bias_C: Tensor
    places_V: Tensor
    """Where each entry stands among the candidates; any number for those that do not."""


class LanguageModel(nn.Module):
    """Scores of tokens from the states of one direction."""

    def __init__(self, settings: Settings, width: int, labels: int = 0, vocabulary_size: int = 0) -> None:
        super().__init__()
        self.negatives = settings.generate.negatives
        self.project = nn.Linear(settings.encoder.hidden_size, settings.encoder.embedding_size)
        self.bias_V = nn.Parameter(torch.zeros(vocabulary_size))

    def logits(self, states_BTH: Tensor, table_VD: Tensor) -> Tensor:
        """Scores of every vocabulary entry at every place, [..., V]."""
        scores: Tensor = self.project(states_BTH) @ table_VD.T
        return scores.float() + self.bias_V

    def predict(self, encoding: Encoding, batch: StreamBatch) -> Tensor:
        """Nats of every next token, [B, T]."""
        logits_BTV = self.logits(encoding.forward_BTH, encoding.table_VD)
        targets_BT = tensor(batch.ids_BT[:, 1:], logits_BTV.device)
        return F.cross_entropy(logits_BTV.transpose(1, 2), targets_BT, reduction="none")

    def count(self, batch: StreamBatch) -> float:
        """Tokens to foretell, in each direction that is read."""
        return float(batch.ids_BT[:, 1:].size * (1 if batch.reversed_BT is None else 2))

    def loss(self, encoding: Encoding, batch: StreamBatch) -> tuple[Tensor, float]:
        """Summed nats of the next tokens, and of the previous ones where both directions are read; their number.

        In training they are an estimate where the vocabulary is large: see `candidates`.
        """
        device = encoding.forward_BTH.device
        reversed_BT = None if encoding.backward_BTH is None else batch.reversed_BT
        occurring = [ids_BT[:, 1:] for ids_BT in (batch.ids_BT, reversed_BT) if ids_BT is not None]
        chosen = self.candidates(np.unique(np.concatenate(occurring)), encoding.table_VD)
        targets_N = tensor(batch.ids_BT[:, 1:], device).flatten()
        nats = self._nats(encoding.forward_BTH.flatten(0, 1), targets_N, chosen)
        if encoding.backward_BTH is not None and reversed_BT is not None:
            targets_N = tensor(reversed_BT[:, 1:], device).flatten()
            nats = nats + self._nats(encoding.backward_BTH.flatten(0, 1), targets_N, chosen)
        return nats, self.count(batch)

    def text_nats(self, encoding: Encoding, ids_BT: Ints, lengths_B: Ints) -> tuple[Tensor, float]:
        """The same for whole texts of the given lengths, whose first and last token are known to both directions."""
        device, tokens = encoding.forward_BTH.device, ids_BT.shape[1]
        rows_N, places_N = np.nonzero(np.arange(1, tokens) < lengths_B[:, None])  # of the former of two neighbours
        before_N, after_N = (tensor(rows_N * tokens + places_N + shift, device) for shift in (0, 1))
        ids_N = tensor(ids_BT, device).flatten()
        chosen = self.candidates(np.unique(ids_BT), encoding.table_VD)
        nats = self._nats(encoding.forward_BTH.flatten(0, 1)[before_N], ids_N[after_N], chosen)
        if encoding.backward_BTH is None:
            return nats, float(len(rows_N))
        nats = nats + self._nats(encoding.backward_BTH.flatten(0, 1)[after_N], ids_N[before_N], chosen)
        return nats, 2.0 * len(rows_N)

    def candidates(self, occurring: Ints, table_VD: Tensor) -> Candidates:
        """The entries that occur in a step, and as many others as `generate.negatives`, drawn alike.

        Each drawn one counts for its share of all that do not occur, so the sum of exponentials that a probability is
        divided by is right on average. All entries outside training, and where nearly all would be drawn.
        """
        entries = len(table_VD)
        device = table_VD.device
        others = entries - len(occurring)
        if not self.training or not self.negatives or others <= 2 * self.negatives:
            return Candidates(table_VD, self.bias_V, torch.arange(entries, device=device))
        absent = np.ones(entries, dtype=bool)
        absent[occurring] = False
        drawn = np.flatnonzero(absent)[torch.randperm(others)[: self.negatives].numpy()]
        chosen_C = np.concatenate([occurring, drawn])
        places_V = np.zeros(entries, dtype=np.int64)
        places_V[chosen_C] = np.arange(len(chosen_C))
        ids_C = tensor(chosen_C, device)
        bias_C = self.bias_V[ids_C]
        bias_C[len(occurring) :] += math.log(others / self.negatives)
        return Candidates(F.embedding(ids_C, table_VD), bias_C, tensor(places_V, device))

    def _nats(self, states_NH: Tensor, targets_N: Tensor, chosen: Candidates) -> Tensor:
        places_N = chosen.places_V[targets_N]
        step = max(1, SLICE_SCORES // len(chosen.table_CD))
        if len(places_N) <= step:
            return self._slice_nats(states_NH, places_N, chosen)
        slices = zip(torch.split(states_NH, step), torch.split(places_N, step), strict=True)
        nats = [checkpoint(self._slice_nats, own, wanted, chosen, use_reentrant=False) for own, wanted in slices]
        return torch.stack(nats).sum()

    def _slice_nats(self, states_NH: Tensor, places_N: Tensor, chosen: Candidates) -> Tensor:
        scores_NC: Tensor = self.project(states_NH) @ chosen.table_CD.T
        return F.cross_entropy(scores_NC.float() + chosen.bias_C, places_N, reduction="sum")
