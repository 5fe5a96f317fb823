"""The training loop, as a generator of step reports.

It moves the weights and nothing else: whoever iterates prints, validates, saves and stops.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lstmtext.config import Settings
from lstmtext.nn.encoder import StreamState
from lstmtext.nn.model import Batch, Model
from lstmtext.text.examples import StreamBatch
from lstmtext.train.feeds import Feed, ahead
from lstmtext.train.precision import autocast
from lstmtext.train.schedule import rate_factor


@dataclass(frozen=True)
class StepReport:
    """What one step did."""

    step: int
    epochs: float
    """Passes over the data so far."""
    progress: float
    """Share of the training that is done, 0 to 1."""
    mean_nats: torch.Tensor
    """Nats per text, word or token of this batch, still on the device."""
    tokens: int
    """Real tokens read in this step."""
    rate: float
    """Learning rate of the step."""

    @property
    def loss(self) -> float:
        """The loss as a number; on a GPU, asking waits until the step is done."""
        return float(self.mean_nats)


def make_optimizer(model: Model, settings: Settings) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019): decay for matrices only, the bypass at a rate of its own."""
    train = settings.train
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if "bypass" in name:
            group = (0.0, settings.tag.bypass_rate)
        else:
            group = (train.weight_decay if parameter.ndim > 1 else 0.0, 1.0)
        groups.setdefault(group, []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "factor": factor}
            for (decay, factor), parameters in groups.items()
        ],
        lr=train.learning_rate,
        betas=(0.9, 0.99),
        fused=True,
    )


def move_average(average: Model, model: Model, decay: float, step: int) -> None:
    """Move averaged weights towards the current ones; the decay grows to its value over the first steps."""
    share = 1.0 - min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), share)


@dataclass
class Position:
    """How far a training has come; with the weights and the optimizer, all that its next step depends on."""

    order: Mapping[str, Any]
    """State of the generator of the order of records, as the pass under way began."""
    step: int = 0
    epoch: int = 0
    """Whole passes done."""
    batches: int = 0
    """Batches done of the pass under way."""
    progress: float = 0.0
    seconds: float = 0.0
    """Time spent of the budget."""
    carried: StreamState | None = None

    @classmethod
    def first(cls, seed: int) -> "Position":
        """Where a training begins."""
        return cls(np.random.default_rng(seed).bit_generator.state)


def training_steps(
    model: Model,
    optimizer: torch.optim.Optimizer,
    feed: Feed,
    settings: Settings,
    precision: str,
    position: Position | None = None,
    *,
    started: float | None = None,
) -> Iterator[StepReport]:
    """Train until the epochs or the budget are used up; each step yields its report, and moves the position.

    The budget counts from `started`, a time of the monotonic clock in seconds, or from the first step; what the
    position says was spent before counts too.
    """
    train = settings.train
    position = position or Position.first(train.seed)
    started = (time.monotonic() if started is None else started) - position.seconds
    while position.progress < 1.0:
        rng = np.random.default_rng()
        rng.bit_generator.state = position.order
        batches = feed.shuffled(rng, position.batches)
        # On a CPU another thread only takes time from those of the products: 2 to 15 % fewer tokens a second.
        for share, batch in batches if model.device.type == "cpu" else ahead(batches):
            rate = train.learning_rate * rate_factor(position.progress, train)
            loss, position.carried = _step(
                model, optimizer, batch, position.carried, rate=rate, clip=train.clip, precision=precision
            )
            position.step += 1
            position.batches += 1
            position.seconds = time.monotonic() - started
            epochs = position.epoch + share
            spent = position.seconds / train.budget if train.budget else 0.0
            position.progress = min(1.0, max(spent, epochs / train.epochs if train.epochs else 0.0))
            yield StepReport(position.step, epochs, position.progress, loss, _token_count(batch), rate)
            if position.progress >= 1.0 and train.budget:
                return
        position.epoch, position.batches, position.carried = position.epoch + 1, 0, None
        position.order = rng.bit_generator.state


def _step(
    model: Model,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    carried: StreamState | None,
    *,
    rate: float,
    clip: float,
    precision: str,
) -> tuple[torch.Tensor, StreamState | None]:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
    model.train()
    with autocast(model.device, precision):
        total, count, carried = model.loss(batch, carried)
    loss = total / max(1, count)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.detach(), carried


def _token_count(batch: Batch) -> int:
    if isinstance(batch, StreamBatch):
        return int(batch.ids_BT[:, 1:].size)
    return int(batch.lengths_B.sum())
