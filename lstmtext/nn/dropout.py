"""Dropout for recurrent networks: whole features of a sequence, whole vocabulary entries, recurrent weights."""

import torch
import torch.nn.functional as F
from torch import Tensor


def locked_dropout(states_BTH: Tensor, rate: float, *, training: bool) -> Tensor:
    """Drop the same features at every step of a sequence (Gal and Ghahramani, 2016)."""
    if not training or rate == 0.0:
        return states_BTH
    keep = 1.0 - rate
    mask_B1H = torch.empty_like(states_BTH[:, :1]).bernoulli_(keep).div_(keep)
    return states_BTH * mask_B1H


def embedding_dropout(embedded_BTD: Tensor, ids_BT: Tensor, entries: int, rate: float, *, training: bool) -> Tensor:
    """Drop whole entries of a vocabulary for a batch, wherever they stand in it (Gal and Ghahramani, 2016)."""
    if not training or rate == 0.0:
        return embedded_BTD
    keep = 1.0 - rate
    mask_V = torch.empty(entries, device=ids_BT.device).bernoulli_(keep).div_(keep)
    return embedded_BTD * mask_V[ids_BT][:, :, None]


def weight_drop(matrix: Tensor, rate: float, *, training: bool) -> Tensor:
    """DropConnect of a recurrent matrix, one mask for all steps (Merity et al., 2018, section 2)."""
    return F.dropout(matrix, rate, training=training) if rate > 0.0 else matrix
