"""The training loop, as a generator of step reports.

It moves the weights and nothing else: whoever iterates prints, validates, saves and stops.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lstmtext.config import Settings, TrainSettings
from lstmtext.nn.encoder import StreamState
from lstmtext.nn.joint import Carried, JointModel
from lstmtext.nn.model import ENCODER_PREFIX, AnyBatch, HeadBatch, Model
from lstmtext.text.examples import StreamBatch
from lstmtext.train.adversarial import no_shift, worst_shift
from lstmtext.train.feeds import Feed, ahead
from lstmtext.train.optimizers import SGD, AdamW, Optimizer
from lstmtext.train.precision import autocast
from lstmtext.train.ranks import ALONE, Ranks
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
    """Nats per text, word or token of this batch, still on the device; of two readings, their mean."""
    tokens: int
    """Real tokens read in this step."""
    rate: float
    """Learning rate of the step."""
    stops: bool = False
    """Whether a process of the training wants it to end."""

    @property
    def loss(self) -> float:
        """The loss as a number; on a GPU, asking waits until the step is done."""
        return float(self.mean_nats)


def make_optimizer(model: nn.Module, settings: Settings, *, fresh_head: bool = False) -> Optimizer:
    """AdamW or SGD without momentum: decay for matrices only, the bypass at a rate of its own.

    Under a fresh head, an encoder that was taken over learns as `TransferSettings` say: each group has the progress at
    which it begins to.
    """
    train, transfer, layers = settings.train, settings.transfer, settings.encoder.layers
    groups: dict[tuple[float, float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        depth = depth_of(name, layers) if fresh_head else 0
        begins = transfer.unfreeze * depth / (layers + 1)
        if ".bypass." in name:
            group = (0.0, settings.tag.bypass_rate, begins)
        else:
            group = (train.weight_decay if parameter.ndim > 1 else 0.0, transfer.rate_decay**depth, begins)
        groups.setdefault(group, []).append(parameter)
    listed = [
        {"params": parameters, "weight_decay": decay, "factor": factor, "begins": begins}
        for (decay, factor, begins), parameters in groups.items()
    ]
    if train.optimizer == "sgd":
        return SGD(listed, lr=train.learning_rate, fused=True)
    return AdamW(listed, lr=train.learning_rate, betas=(0.9, 0.99), fused=True)


def depth_of(name: str, layers: int) -> int:
    """How far below the head a parameter of a model is: 0 in the head, 1 in the last layer, most in the embedding."""
    if not name.startswith(ENCODER_PREFIX):
        return 0
    *_, kind, last = name.split(".")
    return layers + 1 if kind == "encoder" else layers - int(last)


def move_average(average: nn.Module, model: nn.Module, share: float) -> None:
    """Move averaged weights towards the current ones by a share of the difference."""
    pairs = zip(average.parameters(), model.parameters(), strict=True)
    learning = [(kept, moved) for kept, moved in pairs if moved.requires_grad]
    with torch.no_grad():
        torch._foreach_lerp_([kept for kept, _ in learning], [moved for _, moved in learning], share)


def draw_back(average: nn.Module, model: nn.Module, start: Mapping[str, torch.Tensor], share: float) -> None:
    """Move averaged weights by a share of the way from the current ones to those of the start, where it names such."""
    if not start:
        return
    held, moved = dict(average.named_parameters()), dict(model.named_parameters())
    with torch.no_grad():
        ways = torch._foreach_sub(list(start.values()), [moved[name] for name in start])
        torch._foreach_add_([held[name] for name in start], ways, alpha=share)


def running_share(decay: float, step: int) -> float:
    """The share of a running average; the decay grows to its value over the first steps."""
    return 1.0 - min(decay, (1 + step) / (10 + step))


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
    misses: int = 0
    """Validations without a better score."""
    carried: StreamState | Carried | None = None

    @classmethod
    def first(cls, seed: int) -> "Position":
        """Where a training begins."""
        return cls(np.random.default_rng(seed).bit_generator.state)


@dataclass(frozen=True)
class Trainee:
    """A model with what moves its weights, and how."""

    model: Model | JointModel
    optimizer: Optimizer
    settings: TrainSettings
    precision: str = "float32"
    ranks: Ranks = ALONE
    """The processes that train it together."""

    @cached_property
    def shared(self) -> nn.Module:
        """The model as a step calls it, with the gradients of all ranks."""
        return self.ranks.shared(self.model)

    def step(self, batches: Sequence[AnyBatch], count: float, rate: float, position: Position) -> torch.Tensor:
        """Move the weights by the gradient of the mean loss of this rank's batches; its part of that loss in nats.

        `count` is what the loss of all ranks is a sum over; the states to read on from go into the position.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        frozen = [group["params"] for group in self.optimizer.param_groups if position.progress < group["begins"]]
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        for index, batch in enumerate(batches):
            share, shift_BTD = 1.0 / (count or 1.0), None
            zeros_BTD = no_shift(batch, self.model.encoder) if self.settings.adversarial else None
            if zeros_BTD is not None:
                share /= 2
                with self._gradients_later():
                    losses.append(self._add_gradients(batch, share, position, zeros_BTD))
                shift_BTD = worst_shift(zeros_BTD, self.model.encoder, self.settings.adversarial)
            with self._gradients_later() if index < len(batches) - 1 else nullcontext():
                losses.append(self._add_gradients(batch, share, position, shift_BTD))
        for parameter in chain.from_iterable(frozen):
            parameter.grad = None
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        return torch.stack(losses).detach().sum()

    def _add_gradients(
        self, batch: AnyBatch, share: float, position: Position, shift_BTD: torch.Tensor | None
    ) -> torch.Tensor:
        """Add the gradient of a batch's loss times a share to that of the step; the loss times the share."""
        with autocast(self.model.device, self.precision):
            total, position.carried = self.shared(batch, position.carried, shift_BTD)
        loss: torch.Tensor = total * share
        torch.autograd.backward(loss * self.ranks.size)  # which averages over the ranks
        return loss

    def _gradients_later(self) -> AbstractContextManager[object]:
        """A context in which ranks do not exchange gradients yet."""
        return self.shared.no_sync() if isinstance(self.shared, DistributedDataParallel) else nullcontext()


def training_steps(
    trainee: Trainee,
    feed: Feed,
    position: Position | None = None,
    *,
    started: float | None = None,
    stops: Callable[[], bool] = lambda: False,
) -> Iterator[StepReport]:
    """Train until the epochs or the budget are used up; each step yields its report, and moves the position.

    The budget counts from `started`, a time of the monotonic clock in seconds, or from the first step; what the
    position says was spent before counts too. `stops` asks whether this process wants the training to end; the report
    says if any does. A step takes `train.accumulate` batches.
    """
    train, ranks = trainee.settings, trainee.ranks
    position = position or Position.first(train.seed)
    started = (time.monotonic() if started is None else started) - position.seconds
    while position.progress < 1.0:
        rng = np.random.default_rng()
        rng.bit_generator.state = position.order
        batches = iter(feed.shuffled(rng, position.batches))
        # On a CPU another thread only takes time from those of the products: 2 to 15 % fewer tokens a second.
        ready = batches if trainee.model.device.type == "cpu" else ahead(batches)
        while chosen := list(islice(ready, train.accumulate)):
            own = [batch for _, batch in chosen]
            clock = time.monotonic() - started if ranks.first else 0.0
            counts = [sum(map(trainee.model.count, own)), float(sum(map(_token_count, own)))]
            count, tokens, stopping, position.seconds = ranks.sums([*counts, float(stops()), clock])
            rate = train.learning_rate * rate_factor(position.progress, train, position.misses)
            loss = trainee.step(own, count, rate, position)
            position.step += 1
            position.batches += len(own)
            epochs = position.epoch + chosen[-1][0]
            spent = position.seconds / train.budget if train.budget else 0.0
            position.progress = min(1.0, max(spent, epochs / train.epochs if train.epochs else 0.0))
            mean = ranks.summed(loss)
            yield StepReport(position.step, epochs, position.progress, mean, int(tokens), rate, stopping > 0)
            if position.progress >= 1.0 and train.budget:
                return
        position.epoch, position.batches, position.carried = position.epoch + 1, 0, None
        position.order = rng.bit_generator.state


def _token_count(batch: AnyBatch) -> int:
    if isinstance(batch, HeadBatch):
        return _token_count(batch.batch)
    if isinstance(batch, StreamBatch):
        return int(batch.ids_BT[:, 1:].size)
    return int(batch.lengths_B.sum())
