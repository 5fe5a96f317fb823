"""The classifier: pooled states, plus a linear model of n-grams that bypasses the encoder.

The bypass is TF-IDF with a linear layer: each n-gram once, weighted by its inverse document frequency or by how
unevenly it is spread over the labels as well, the vector scaled to length 1. It is fitted before the training
(`train.bypass`), and the encoder learns to answer alone, so that neither leans on the other. The answer is the sum of
their logits, each times a factor that the validation data decide: so the surer side does not win by being overfitted,
and probabilities are calibrated.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmtext.config import Settings
from lstmtext.nn.encoder import Encoding
from lstmtext.nn.heads.label_losses import nats_of_one, nats_of_sets
from lstmtext.nn.pooling import Pooling
from lstmtext.nn.tensors import tensor
from lstmtext.text.arrays import Floats
from lstmtext.text.examples import TextBatch, multi_hot
from lstmtext.text.labels import THRESHOLD
from lstmtext.text.lexical import SHORTEST, Keys


class NgramBypass(nn.Module):
    """Logits of texts from the rows of their n-grams; buffers, for no gradient step moves them."""

    def __init__(self, rows: int, labels: int) -> None:
        super().__init__()
        self.keys_N: Tensor
        self.table_NK: Tensor
        self.bias_K: Tensor
        self.weights_N: Tensor
        self.register_buffer("keys_N", torch.zeros(rows, dtype=torch.int32))
        """Which n-gram has each row, in ascending order; 0 for rows that are free, the first among them."""
        self.register_buffer("table_NK", torch.zeros(rows, labels))
        self.register_buffer("bias_K", torch.zeros(labels))
        self.register_buffer("weights_N", torch.zeros(rows))
        """What each n-gram weighs."""

    def give_rows(self, keys: Keys) -> None:
        """Let n-grams of these keys, which ascend, have the last rows; what a row holds moves with its n-gram.

        All that have a row so far must be among them, and one row stays free: padding.
        """
        assert len(keys) < len(self.keys_N), "the first row is for padding"
        keys_N = np.zeros(len(self.keys_N), dtype=np.int32)
        keys_N[len(keys_N) - len(keys) :] = keys
        held = np.flatnonzero(self.keys_N.numpy())
        rows = np.searchsorted(keys_N, self.keys_N.numpy()[held])
        assert np.array_equal(keys_N[rows], self.keys_N.numpy()[held]), "a known n-gram is not among them"
        for tensor_N in (self.table_NK, self.weights_N):
            moved = torch.zeros_like(tensor_N)
            moved[rows] = tensor_N[held]
            tensor_N.copy_(moved)
        self.keys_N.copy_(torch.from_numpy(keys_N))

    def forward(self, ngrams_BF: Tensor) -> Tensor:
        """Logits, [B, K]."""
        weights_BF = self.weights_N[ngrams_BF]
        lengths_B1 = weights_BF.square().sum(1, keepdim=True).sqrt().clamp_min(SHORTEST)
        rows_BFK = F.embedding(ngrams_BF, self.table_NK)
        return self.bias_K + (rows_BFK * (weights_BF / lengths_B1)[:, :, None]).sum(1)


class Classifier(nn.Module):
    """Logits of labels for whole texts."""

    def __init__(self, settings: Settings, width: int, labels: int, vocabulary_size: int = 0) -> None:
        super().__init__()
        own = settings.classify
        self.settings = own
        self.pooling = Pooling(own.pooling, width)
        self.dropout = nn.Dropout(own.dropout)
        self.output = nn.Linear(self.pooling.width, labels)
        self.bypass = NgramBypass(own.bypass_rows, labels) if own.bypass else None
        self.factors: Tensor
        self.register_buffer("factors", torch.ones(2))
        """What the encoder's logits and the bypass's are multiplied by; 1 while training."""
        if own.multi_label:
            self.thresholds_K: Tensor
            self.register_buffer("thresholds_K", torch.full((labels,), THRESHOLD))
            """Probabilities above which a text has a label; the validation data decide."""
        self.weights: Tensor
        self._weights: Floats = np.ones((2, labels) if own.multi_label else labels)
        self.register_buffer("weights", torch.from_numpy(self._weights).float(), persistent=False)
        """How much a text of each label counts in the loss, [K], or the no and yes of each of several, [2, K]."""

    def weigh(self, weights: Floats) -> None:
        """Let a text of each label, or the no and yes of each, count so much in the loss."""
        self._weights = weights
        self.weights.copy_(torch.from_numpy(weights))

    def forward(self, encoding: Encoding, batch: TextBatch) -> tuple[Tensor, Tensor | None]:
        """Logits [B, K] of the encoder's side and of the bypass."""
        encoder_BK = self._encoder_logits(encoding)
        if self.bypass is None:
            return encoder_BK, None
        return encoder_BK, self.bypass(tensor(batch.ngrams_BF, encoder_BK.device))

    def predict(self, encoding: Encoding, batch: TextBatch) -> Tensor:
        """The logits of the whole head, [B, K]."""
        encoder_BK, bypass_BK = self.forward(encoding, batch)
        answer_BK = encoder_BK * self.factors[0]
        return answer_BK if bypass_BK is None else answer_BK + bypass_BK * self.factors[1]

    @property
    def keys(self) -> Keys | None:
        """Keys of the n-grams that the bypass knows, where there is one."""
        return None if self.bypass is None else self.bypass.keys_N.cpu().numpy()

    def count(self, batch: TextBatch) -> float:
        """Summed weights of the texts of a batch, each times its label's, or the mean of all labels' no or yes."""
        if self.settings.multi_label:
            has_BK = multi_hot(batch.labels_BL, self.output.out_features)
            own_B = np.where(has_BK, self._weights[1], self._weights[0]).mean(1)
        else:
            own_B = self._weights[batch.labels_B]
        return float((own_B * batch.weights_B).sum())

    def loss(self, encoding: Encoding, batch: TextBatch) -> tuple[Tensor, float]:
        """Summed weighted nats of the encoder's side, and the sum of the weights."""
        logits_BK = self._encoder_logits(encoding)
        if self.settings.multi_label:
            has_BK = tensor(multi_hot(batch.labels_BL, logits_BK.shape[1]), logits_BK.device, torch.bool)
            nats_B = nats_of_sets(logits_BK, has_BK, self.weights, self.settings)
        else:
            nats_B = nats_of_one(logits_BK, tensor(batch.labels_B, logits_BK.device), self.weights, self.settings)
        weights_B = tensor(batch.weights_B, nats_B.device, nats_B.dtype)
        return (nats_B * weights_B).sum(), self.count(batch)

    def _encoder_logits(self, encoding: Encoding) -> Tensor:
        logits_BK: Tensor = self.output(self.dropout(self.pooling(encoding)))
        return logits_BK.float()
