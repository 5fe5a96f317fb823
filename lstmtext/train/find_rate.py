"""The learning rates that a training can bear (range test, Smith, 2017): rising from step to step until it diverges.

A rate to try is a share of the one where the smooth loss has come down to its lowest (Gugger, 2018): what comes after
is on the way to divergence. A classifier's loss may hardly fall before that, and where it is lowest is noise then; so
it is the same share of the last rate that is borne. SGD without momentum does best near the largest rate that it bears,
and takes half of it. CONTRIBUTING.md has what was measured.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lstmtext.nn.model import AnyBatch
from lstmtext.train.feeds import Feed, train_feed
from lstmtext.train.job import TrainJob
from lstmtext.train.loop import Position, Trainee, make_optimizer
from lstmtext.train.making import make_model, set_up
from lstmtext.train.precision import choose_precision

STEPS = 300
SMOOTH = 0.95
"""Weight of the past in the smooth loss."""
FEW = 20
"""Steps after which the smooth loss is a mean of many."""
FALLS = 0.75
"""Share of the first smooth loss below which it has fallen."""
DOWN = 0.02
"""Share of the fall that may be left where it has come down: the rest of a flat bottom is noise, too."""
BORNE, LOST = 1.5, 3.0
"""Times the lowest smooth loss up to which a rate is borne, and at which the search ends."""
KNOWN = 0.02
"""Share of the first smooth loss at which the search ends too: of what is known by heart, any rate is borne."""


@dataclass(frozen=True)
class RateRange:
    """Where the rates of an optimizer are looked for."""

    lowest: float
    highest: float
    share: float
    """Of the rate that is found, what to try."""
    waits: bool
    """Whether the last rate that is borne decides, even where the loss falls before."""


RANGES = {"adamw": RateRange(1e-5, 1.0, 0.15, waits=False), "sgd": RateRange(1e-3, 100.0, 0.5, waits=True)}


@dataclass(frozen=True)
class RateStep:
    """A step of the search."""

    rate: float
    loss: float
    smooth: float


def rate_steps(job: TrainJob) -> Iterator[RateStep]:
    """Train a new model at rates from the lowest to the highest of its optimizer, in steps as large as a training's.

    It ends before where the loss is lost, or nothing is left of it.
    """
    device = set_up(job.settings, job.ranks)
    model = make_model(job).to(device)
    settings, feed = job.settings.train, train_feed(job.data, job.settings)
    optimizer = make_optimizer(model, job.settings, fresh_head=job.fresh_head)
    trainee = Trainee(model, optimizer, settings, choose_precision(settings, model, feed))
    position = Position.first(settings.seed)
    position.progress = 1.0  # when nothing is frozen any more
    rates = RANGES[settings.optimizer]
    smooth = 0.0
    lowest, first = float("inf"), 0.0
    batches = _endless(feed, settings.seed)
    for step in range(STEPS):
        chosen = list(islice(batches, settings.accumulate))
        rate = rates.lowest * (rates.highest / rates.lowest) ** (step / (STEPS - 1))
        loss = float(trainee.step(chosen, sum(map(model.count, chosen)), rate, position))
        smooth = SMOOTH * smooth + (1 - SMOOTH) * loss
        unbiased = smooth / (1 - SMOOTH ** (step + 1))
        lowest, first = min(lowest, unbiased), first or loss
        if not math.isfinite(loss) or unbiased > LOST * lowest:
            return
        yield RateStep(rate, loss, unbiased)
        if unbiased < KNOWN * first:
            return


def suggested_rate(steps: Sequence[RateStep], optimizer: str) -> float:
    """A rate to try."""
    rates, settled = RANGES[optimizer], steps[FEW:] or steps[-1:]
    first, lowest = settled[0].smooth, min(step.smooth for step in settled)
    if lowest > FALLS * first or rates.waits:
        found = next(step for step in reversed(settled) if step.smooth <= BORNE * lowest)
    else:
        found = next(step for step in settled if step.smooth <= lowest + DOWN * (first - lowest))
    return rates.share * found.rate


def _endless(feed: Feed, seed: int) -> Iterator[AnyBatch]:
    rng = np.random.default_rng(seed)
    while True:
        for _, batch in feed.shuffled(rng):
            yield batch
