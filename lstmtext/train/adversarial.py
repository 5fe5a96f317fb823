"""Adversarial training: a batch is read once more, its embedded tokens moved to where the loss grows fastest.

Miyato, Dai and Goodfellow, 2017, equation 5, with the mean of both losses; `train.loop` reads both times.
"""

import torch

from lstmtext.nn.encoder import Encoder
from lstmtext.nn.model import AnyBatch, HeadBatch
from lstmtext.text.examples import StreamBatch

SHORTEST = 1e-12
"""Of a gradient, below which it is none."""


def no_shift(batch: AnyBatch, encoder: Encoder) -> torch.Tensor | None:
    """Zeros to add to a batch's embedded tokens, [B, T, D], whose gradient is theirs.

    None for what is read once: running text, and all where the encoder is frozen, so that its gradient is not needed.
    """
    own = batch.batch if isinstance(batch, HeadBatch) else batch
    table_VD = encoder.embedding_VD
    if isinstance(own, StreamBatch) or not table_VD.requires_grad:
        return None
    return table_VD.new_zeros(*own.ids_BT.shape, table_VD.shape[1], requires_grad=True)


def worst_shift(read_BTD: torch.Tensor, encoder: Encoder, length: float) -> torch.Tensor:
    """The shift of each text along the gradient of the zeros that were read, [B, T, D].

    Over all tokens of a text together it is so many times as long as the vocabulary's embeddings are on average.
    """
    gradient_BTD = read_BTD.grad
    assert gradient_BTD is not None, "the batch was read with it"
    unit = encoder.embedding_VD.detach().norm(dim=1).mean()
    lengths_B11 = gradient_BTD.flatten(1).norm(dim=1).clamp_min(SHORTEST)[:, None, None]
    shift_BTD: torch.Tensor = gradient_BTD * (length * unit / lengths_B11)
    return shift_BTD
