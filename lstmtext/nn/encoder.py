"""The encoder: an embedding and two directional LSTM stacks that never see each other's states.

The forward stack reads left to right, the backward stack reads each sequence reversed within its own length;
so the forward half alone is a language model. Padding needs no mask: the forward stack meets it after the
last token, and so does the backward stack, whose reversal leaves padding in place.
Letters: B batch, T tokens, D embedding, H hidden, L layers, V vocabulary.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmtext.config import EncoderSettings
from lstmtext.nn.dropout import embedding_dropout, locked_dropout, weight_drop
from lstmtext.text.tokenizer import PAD_ID

State = tuple[Tensor, Tensor]
"""Hidden and cell state of all layers of a stack: two tensors [L, B, H]."""
StreamState = tuple[State, State | None]
"""States of the forward stack and of the backward stack, each in its own reading order."""


class Encoding(NamedTuple):
    """States of every token in both directions; `backward_BTH` is None in a forward-only encoder."""

    forward_BTH: Tensor
    backward_BTH: Tensor | None
    lengths_B: Tensor
    table_VD: Tensor
    """The embedding that was read through, for heads that share it."""

    def joined(self) -> Tensor:
        """Both directions side by side, [B, T, 2H] (or [B, T, H])."""
        parts = [self.forward_BTH] + ([] if self.backward_BTH is None else [self.backward_BTH])
        return torch.cat(parts, dim=-1)


class Stack(nn.Module):
    """LSTM layers that read in one direction."""

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        self.settings = settings
        hidden = settings.hidden_size
        sizes = [settings.embedding_size] + [hidden] * (settings.layers - 1)
        self.inputs = nn.ParameterList(nn.Parameter(torch.empty(4 * hidden, size)) for size in sizes)
        self.recurrents = nn.ParameterList(nn.Parameter(torch.empty(4 * hidden, hidden)) for _ in sizes)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(4 * hidden)) for _ in sizes)
        for matrix in self.inputs:
            nn.init.xavier_uniform_(matrix)
        for matrix in self.recurrents:
            for gate in matrix.chunk(4):
                nn.init.orthogonal_(gate)
        for bias in self.biases:
            nn.init.ones_(bias[hidden : 2 * hidden])  # open forget gates (Jozefowicz et al., 2015)

    def forward(self, embedded_BTD: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """States of the last layer, [B, T, H], and the state after the last place, to carry on from."""
        settings = self.settings
        layer_BTD, hidden, cells = embedded_BTD, [], []
        for layer in range(settings.layers):
            if layer:
                layer_BTD = locked_dropout(layer_BTD, settings.hidden_dropout, training=self.training)
            start = self._start(layer_BTD) if state is None else (state[0][layer, None], state[1][layer, None])
            layer_BTD, last_hidden, last_cell = self._read(layer, layer_BTD, start)
            hidden.append(last_hidden)
            cells.append(last_cell)
        states_BTH = locked_dropout(layer_BTD, settings.output_dropout, training=self.training)
        return states_BTH, (torch.cat(hidden), torch.cat(cells))

    def _read(self, layer: int, layer_BTD: Tensor, start: State) -> tuple[Tensor, Tensor, Tensor]:
        recurrent = weight_drop(self.recurrents[layer], self.settings.weight_drop, training=self.training)
        bias = self.biases[layer]
        weights = (
            self.inputs[layer],
            recurrent,
            bias,
            torch.zeros_like(bias),
        )  # the operator wants two biases
        return torch.lstm(layer_BTD, start, weights, True, 1, 0.0, self.training, False, True)

    def _start(self, layer_BTD: Tensor) -> State:
        zeros = layer_BTD.new_zeros(1, layer_BTD.shape[0], self.settings.hidden_size)
        return zeros, zeros


class Encoder(nn.Module):
    """Token ids to states of both directions."""

    def __init__(self, settings: EncoderSettings, vocabulary_size: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding_VD = nn.Parameter(torch.randn(vocabulary_size, settings.embedding_size) * 0.1)
        self.forward_stack = Stack(settings)
        self.backward_stack = Stack(settings) if settings.directions == "both" else None

    @property
    def width(self) -> int:
        """Numbers per token of `Encoding.joined`."""
        return self.settings.hidden_size * (1 if self.backward_stack is None else 2)

    def embed(self, ids_BT: Tensor) -> Tensor:
        """Embedded tokens, [B, T, D], with the dropouts of training."""
        embedded_BTD = F.embedding(ids_BT, self.embedding_VD, padding_idx=PAD_ID)
        entries, rate = len(self.embedding_VD), self.settings.embedding_dropout
        embedded_BTD = embedding_dropout(embedded_BTD, ids_BT, entries, rate, training=self.training)
        return locked_dropout(embedded_BTD, self.settings.input_dropout, training=self.training)

    def forward(self, ids_BT: Tensor, lengths_B: Tensor, shift_BTD: Tensor | None = None) -> Encoding:
        """States of whole sequences of the given lengths; a shift is added to the embedded tokens."""
        embedded_BTD = self.embed(ids_BT)
        if shift_BTD is not None:
            embedded_BTD = embedded_BTD + shift_BTD
        forward_BTH, _ = self.forward_stack(embedded_BTD)
        if self.backward_stack is None:
            return Encoding(forward_BTH, None, lengths_B, self.embedding_VD)
        places_BT = reversed_places(lengths_B, ids_BT.shape[1])
        reversed_BTH, _ = self.backward_stack(take_places(embedded_BTD, places_BT))
        return Encoding(forward_BTH, take_places(reversed_BTH, places_BT), lengths_B, self.embedding_VD)

    def read_stream(
        self, ids_BT: Tensor, reversed_BT: Tensor | None, state: StreamState | None = None
    ) -> tuple[Encoding, StreamState]:
        """States of a window of endless rows, from the states that the window before left.

        The backward stack reads its own rows, of the reversed text, so that it too carries its state;
        `backward_BTH` is in that order. The states handed back are cut off from the gradient.
        """
        forward_BTH, after = self.forward_stack(self.embed(ids_BT), state and state[0])
        lengths_B = torch.full((len(ids_BT),), ids_BT.shape[1], device=ids_BT.device)
        if self.backward_stack is None or reversed_BT is None:
            return Encoding(forward_BTH, None, lengths_B, self.embedding_VD), (_detached(after), None)
        backward_BTH, before = self.backward_stack(self.embed(reversed_BT), state and state[1])
        encoding = Encoding(forward_BTH, backward_BTH, lengths_B, self.embedding_VD)
        return encoding, (_detached(after), _detached(before))


def reversed_places(lengths_B: Tensor, width: int) -> Tensor:
    """Places [B, T] that reverse each sequence within its length and leave padding where it is."""
    places_T = torch.arange(width, device=lengths_B.device)
    mirrored_BT = lengths_B[:, None] - 1 - places_T
    return torch.where(mirrored_BT >= 0, mirrored_BT, places_T)


def take_places(states_BTH: Tensor, places_BW: Tensor) -> Tensor:
    """States at the given places of each sequence, [B, W, H]."""
    return states_BTH.gather(1, places_BW[:, :, None].expand(-1, -1, states_BTH.shape[2]))


def real_places(lengths_B: Tensor, width: int) -> Tensor:
    """True where a place holds a token and no padding, [B, T]."""
    return torch.arange(width, device=lengths_B.device) < lengths_B[:, None]


def _detached(state: State) -> State:
    return state[0].detach(), state[1].detach()
