"""Several heads on one encoder, each with batches of its own.

Every head is also a `Model` of that encoder, so what validates, fits or exports one head needs to know of no other.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lstmtext.nn.encoder import StreamState
from lstmtext.nn.model import HEAD_PREFIX, AnyBatch, HeadBatch, Model

Carried = dict[str, StreamState]
"""States that each language model reads on from."""


class JointModel(nn.Module):
    """Heads that learn together; a step takes a batch of one of them."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        super().__init__()
        self.models = dict(models)
        """Each head with the encoder, which is one and the same for all."""
        self.encoder = next(iter(models.values())).encoder
        for name, model in models.items():
            assert model.encoder is self.encoder, "heads that learn together share their encoder"
            self.add_module(head_module(name), model.head)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.encoder.embedding_VD.device

    def forward(
        self, batch: HeadBatch, carried: Carried | None = None, shift_BTD: Tensor | None = None
    ) -> tuple[Tensor, Carried]:
        """The mean loss of a batch in nats, and the states to go on from, of all heads."""
        own = dict(carried or {})
        total, count, after = self.models[batch.head].loss(batch.batch, own.get(batch.head), shift_BTD)
        if after is not None:
            own[batch.head] = after
        return total / (count or 1.0), own

    def count(self, batch: AnyBatch) -> float:
        """What the loss of a batch is a sum over: heads count by texts, words or tokens, so each batch is one here."""
        return 1.0

    def train(self, mode: bool = True) -> "JointModel":
        """See `nn.Module.train`."""
        super().train(mode)
        for model in self.models.values():
            model.train(mode)
        return self


def head_module(name: str) -> str:
    """What a head is called among the modules, where any name must do."""
    return f"head-{name}"


def tensors_of_head(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Of the named tensors of a joint model those of a head, named as in a `Model`."""
    prefix = head_module(name) + "."
    return {HEAD_PREFIX + key.removeprefix(prefix): own for key, own in tensors.items() if key.startswith(prefix)}


def models_of(model: "Model | JointModel", names: list[str]) -> dict[str, Model]:
    """Each head with the encoder, by name."""
    return model.models if isinstance(model, JointModel) else {names[0]: model}
