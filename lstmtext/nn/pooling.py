"""From the states of a text to one vector, over real tokens only.

`last` takes the forward state of the last token and the backward state of the first, where each
direction has read everything.
"""

import torch
from torch import Tensor, nn

from lstmtext.errors import UsageError
from lstmtext.nn.encoder import Encoding, real_places
from lstmtext.text.batching import MASKED

POOLINGS = ("attention", "max", "mean", "last")


class Pooling(nn.Module):
    """The named poolings of an encoding, side by side."""

    def __init__(self, names: tuple[str, ...], width: int) -> None:
        super().__init__()
        unknown = [name for name in names if name not in POOLINGS]
        if unknown or not names:
            raise UsageError(
                "--set classify.pooling",
                f"found {','.join(names)!r}",
                expected="some of " + ",".join(POOLINGS),
            )
        self.names = names
        self.width = width * len(names)
        self.query_H = nn.Parameter(torch.zeros(width)) if "attention" in names else None

    def forward(self, encoding: Encoding) -> Tensor:
        """One vector a text, [B, `width`]."""
        states_BTH = encoding.joined()
        real_BT1 = real_places(encoding.lengths_B, states_BTH.shape[1])[:, :, None]
        return torch.cat([self._pool(name, encoding, states_BTH, real_BT1) for name in self.names], dim=-1)

    def _pool(self, name: str, encoding: Encoding, states_BTH: Tensor, real_BT1: Tensor) -> Tensor:
        if name == "max":
            return states_BTH.masked_fill(~real_BT1, MASKED).amax(1)
        if name == "mean":
            return (states_BTH * real_BT1).sum(1) / real_BT1.sum(1)
        if name == "last":
            return last_states(encoding)
        assert self.query_H is not None
        scores_BT1 = (states_BTH @ self.query_H)[:, :, None].masked_fill(~real_BT1, MASKED)
        return (scores_BT1.softmax(1) * states_BTH).sum(1)


def last_states(encoding: Encoding) -> Tensor:
    """Where each direction has read the whole text, [B, 2H] (or [B, H])."""
    rows = torch.arange(len(encoding.lengths_B), device=encoding.lengths_B.device)
    last_BH = encoding.forward_BTH[rows, encoding.lengths_B - 1]
    return last_BH if encoding.backward_BTH is None else torch.cat([last_BH, encoding.backward_BTH[:, 0]], dim=-1)
