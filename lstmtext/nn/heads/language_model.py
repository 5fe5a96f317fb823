"""The language model: the next token from the forward states, the previous one from the backward states.

The output matrix is the embedding itself (Press and Wolf, 2017), reached through a linear map where sizes differ.
Both directions share it. Losses are computed in slices of rows, so that scores of a large vocabulary never
stand in memory at once.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lstmtext.config import Settings
from lstmtext.nn.encoder import Encoding
from lstmtext.nn.tensors import tensor
from lstmtext.text.examples import StreamBatch

SLICE_SCORES = 1 << 23
"""Scores held at once: 32 MiB of float32."""


class LanguageModel(nn.Module):
    """Scores of tokens from the states of one direction."""

    def __init__(self, settings: Settings, width: int, labels: int = 0, vocabulary_size: int = 0) -> None:
        super().__init__()
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
        """Summed nats of the next tokens, and of the previous ones where both directions are read; their number."""
        device = encoding.forward_BTH.device
        nats = self._nats(encoding.forward_BTH, tensor(batch.ids_BT[:, 1:], device), encoding.table_VD)
        if encoding.backward_BTH is None or batch.reversed_BT is None:
            return nats, self.count(batch)
        targets_BT = tensor(batch.reversed_BT[:, 1:], device)
        return nats + self._nats(encoding.backward_BTH, targets_BT, encoding.table_VD), self.count(batch)

    def _nats(self, states_BTH: Tensor, targets_BT: Tensor, table_VD: Tensor) -> Tensor:
        states_NH, targets_N = states_BTH.flatten(0, 1), targets_BT.flatten()
        step = max(1, SLICE_SCORES // len(table_VD))
        if len(targets_N) <= step:
            return self._slice_nats(states_NH, targets_N, table_VD)
        slices = zip(torch.split(states_NH, step), torch.split(targets_N, step), strict=True)
        nats = [checkpoint(self._slice_nats, own, wanted, table_VD, use_reentrant=False) for own, wanted in slices]
        return torch.stack(nats).sum()

    def _slice_nats(self, states_NH: Tensor, targets_N: Tensor, table_VD: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(states_NH, table_VD), targets_N, reduction="sum")
