"""The learning rates that a training can bear (range test, Smith, 2017): rising from step to step until it diverges."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lstmtext.nn.model import AnyBatch
from lstmtext.train.feeds import Feed, train_feed
from lstmtext.train.job import TrainJob
from lstmtext.train.loop import Position, Trainee, make_optimizer
from lstmtext.train.making import make_model, set_up
from lstmtext.train.precision import choose_precision

LOWEST, HIGHEST = 1e-6, 1.0
STEPS = 150
SMOOTH = 0.9
"""Weight of the past in the smooth loss."""
LOST = 3.0
"""Times the lowest smooth loss at which the search ends."""


@dataclass(frozen=True)
class RateStep:
    """A step of the search."""

    rate: float
    loss: float
    smooth: float


def rate_steps(job: TrainJob) -> Iterator[RateStep]:
    """Train a new model at rates from LOWEST to HIGHEST, until the loss is lost."""
    device = set_up(job.settings, job.ranks)
    model = make_model(job).to(device)
    settings = job.settings.train
    trainee = Trainee(
        model,
        make_optimizer(model, job.settings, fresh_head=job.fresh_head),
        settings,
        choose_precision(settings, device),
    )
    position = Position.first(settings.seed)
    position.progress = 1.0  # when nothing is frozen any more
    smooth = 0.0
    lowest = float("inf")
    for step, batch in enumerate(islice(_endless(train_feed(job.data, job.settings), settings.seed), STEPS)):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        loss = float(trainee.step([batch], model.count(batch), rate, position))
        smooth = SMOOTH * smooth + (1 - SMOOTH) * loss
        unbiased = smooth / (1 - SMOOTH ** (step + 1))
        lowest = min(lowest, unbiased)
        if not math.isfinite(loss) or unbiased > LOST * lowest:
            return
        yield RateStep(rate, loss, unbiased)


def suggested_rate(steps: list[RateStep]) -> float:
    """The rate at which the smooth loss falls fastest."""
    falls = np.diff([step.smooth for step in steps])
    return steps[int(falls.argmin())].rate if len(falls) else LOWEST


def _endless(feed: Feed, seed: int) -> Iterator[AnyBatch]:
    rng = np.random.default_rng(seed)
    while True:
        for _, batch in feed.shuffled(rng):
            yield batch
