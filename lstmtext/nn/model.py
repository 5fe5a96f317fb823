"""One encoder and a named head: what a training step computes, and arrays in and out.

Left out: optimisation (`train`) and files (`bundle`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lstmtext.config import Settings, TaskName
from lstmtext.errors import ModelError
from lstmtext.nn.encoder import Encoder, Encoding, State, StreamState
from lstmtext.nn.heads import HEADS, Head
from lstmtext.nn.heads.language_model import LanguageModel
from lstmtext.nn.heads.tagger import Tagger
from lstmtext.nn.tensors import tensor
from lstmtext.text.arrays import Bools, Floats
from lstmtext.text.examples import SentenceBatch, StreamBatch, TextBatch

Batch = TextBatch | SentenceBatch | StreamBatch


@dataclass(frozen=True)
class HeadBatch:
    """A batch of one of several heads."""

    head: str
    batch: Batch


AnyBatch = Batch | HeadBatch
ENCODER_PREFIX, HEAD_PREFIX = "encoder.", "head."
SET_BY_VALIDATION = ("factors", "shift_K", "thresholds_K")
"""Buffers of heads that a look at the validation data sets."""


class Model(nn.Module):
    """The encoder with one head; an encoder that is given is shared with others."""

    def __init__(
        self,
        task: TaskName,
        settings: Settings,
        *,
        vocabulary_size: int,
        labels: int,
        encoder: Encoder | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder or Encoder(settings.encoder, vocabulary_size)
        self.head: Head = HEADS[task](settings, self.encoder.width, labels, vocabulary_size)
        self.share = settings.transfer.language_loss if task != "generate" else 0.0
        """What a nat of the language model beside the head counts."""
        self.language = LanguageModel(settings, self.encoder.width, 0, vocabulary_size) if self.share else None
        """What foretells the tokens of the texts beside the head's own work, in training alone."""
        self._frozen = False

    def freeze_encoder(self) -> None:
        """Let only the head learn from now on; the encoder reads without dropout, as it does when it is run."""
        self._frozen = True
        self.encoder.requires_grad_(False)
        self.encoder.eval()

    def train(self, mode: bool = True) -> "Model":
        """See `nn.Module.train`; a frozen encoder never changes."""
        super().train(mode and not self._frozen)
        if self._frozen:
            self.head.train(mode)
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.encoder.embedding_VD.device

    def loss(
        self, batch: Batch, carried: StreamState | None = None, shift_BTD: Tensor | None = None
    ) -> tuple[Tensor, float, StreamState | None]:
        """Summed loss in nats, the count it is a sum over, and the state that the next window goes on from."""
        encoding, after = self.encode(batch, carried, shift_BTD)
        total, count = self.head.loss(encoding, batch)  # type: ignore[arg-type]  # a task's batches fit its head
        if self.language is not None and self.training and not isinstance(batch, StreamBatch):
            nats, _ = self.language.text_nats(encoding, batch.ids_BT, batch.lengths_B)
            total = total + self.share * nats
        return total, count, after

    def forward(
        self, batch: Batch, carried: StreamState | None = None, shift_BTD: Tensor | None = None
    ) -> tuple[Tensor, StreamState | None]:
        """The summed loss of a batch and the state to go on from, as a training step calls it."""
        total, _, after = self.loss(batch, carried, shift_BTD)
        return total, after

    def count(self, batch: AnyBatch) -> float:
        """What the loss of a batch is a sum over."""
        return self.head.count(batch)  # type: ignore[arg-type]  # a task's batches fit its head

    @torch.no_grad()
    def predict(self, batch: Batch, carried: StreamState | None = None) -> tuple[Floats, StreamState | None]:
        """What the head says of a batch (see each head's `predict`), and the state to go on from."""
        encoding, after = self.encode(batch, carried)
        answer: Floats = self.head.predict(encoding, batch).float().cpu().numpy()  # type: ignore[arg-type]
        return answer, after

    def encode(
        self, batch: Batch, carried: StreamState | None = None, shift_BTD: Tensor | None = None
    ) -> tuple[Encoding, StreamState | None]:
        """States of a batch; rows of a stream go on from the carried state unless they start anew.

        A shift is added to the embedded tokens of a batch that is no stream.
        """
        device = self.device
        if not isinstance(batch, StreamBatch):
            return self.encoder(tensor(batch.ids_BT, device), tensor(batch.lengths_B, device), shift_BTD), None
        backward_BT = None if batch.reversed_BT is None else tensor(batch.reversed_BT[:, :-1], device)
        before = _restarted(carried, batch.fresh_B)
        return self.encoder.read_stream(tensor(batch.ids_BT[:, :-1], device), backward_BT, before)


def _restarted(carried: StreamState | None, fresh_B: Bools) -> StreamState | None:
    """Carried states with zeros for the rows that start anew."""
    if carried is None or fresh_B.all():
        return None
    forward, backward = carried
    kept_B1 = tensor(~fresh_B[:, None], forward[0].device, forward[0].dtype)
    return _kept(forward, kept_B1), backward and _kept(backward, kept_B1)


def _kept(state: State, kept_B1: Tensor) -> State:
    return state[0] * kept_B1, state[1] * kept_B1


def model_arrays(model: nn.Module) -> dict[str, Floats]:
    """Copies of all weights and buffers by name: float32 arrays, and whole numbers as they are."""
    found = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    return {name: (own.float() if own.is_floating_point() else own).numpy().copy() for name, own in found.items()}


def moving_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What training changes: parameters that learn, and the buffers that validation sets; views, not copies."""
    buffers = {name: value for name, value in model.named_buffers() if name.rpartition(".")[2] in SET_BY_VALIDATION}
    return {name: value for name, value in model.named_parameters() if value.requires_grad} | buffers


def fixed_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What the training data decide before the first step: the buffers of a bypass; views, not copies."""
    return {name: value for name, value in model.named_buffers() if ".bypass." in name}


def set_fixed(model: Model, found: Mapping[str, Tensor]) -> None:
    """Set what `fixed_tensors` gave of a model of the same settings. Raises ModelError where it does not fit."""
    bypass = model.head.bypass if isinstance(model.head, Tagger) else None
    places = found.get("head.bypass.places_N")
    if bypass is not None and places is not None:
        bypass.learn_only(places.numpy() > 0)
    copy_tensors(fixed_tensors(model), found, place="the checkpoint")


def copy_tensors(own: Mapping[str, Tensor], found: Mapping[str, Tensor], *, place: object) -> None:
    """Copy tensors by name. Raises ModelError where names or shapes do not match."""
    for name in sorted(own.keys() | found.keys()):
        shapes = [tuple(tensors[name].shape) if name in tensors else None for tensors in (found, own)]
        if shapes[0] != shapes[1]:
            was, wanted = f"'{name}' is {shapes[0] or 'absent'}", f"{shapes[1] or 'no such tensor'}"
            hint = "train with the settings that it was made with, or anew without --resume"
            raise ModelError(place, was, expected=wanted, hint=hint)
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(found[name])


def load_arrays(model: nn.Module, arrays: Mapping[str, Floats], *, place: object) -> None:
    """Set a module's weights. Raises ModelError where names or shapes do not match."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(array.shape) for name, array in arrays.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        name = differing[0]
        raise ModelError(
            place, f"'{name}' is {found.get(name, 'absent')}", expected=str(wanted.get(name, "no such array"))
        )
    model.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()})
