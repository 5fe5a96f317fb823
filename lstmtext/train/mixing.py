"""Batches of several heads in one pass: each head has as many as its share of the tokens says, in random order.

In proportion (an exponent of 1) a pass reads all data of all heads once. A smaller exponent (Devlin, 2018, for the
languages of multilingual BERT) gives small data more of the same number of tokens: they are read several times, and of
large data a part.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lstmtext.nn.model import AnyBatch, HeadBatch
from lstmtext.train.feeds import Feed, made

NOTHING = 1e-9
"""A share of a pass that rounding leaves."""


@dataclass(frozen=True)
class JointFeed:
    """Batches of several heads, drawn without replacement."""

    feeds: Mapping[str, Feed]
    tokens: Mapping[str, int]
    """Training tokens of each head."""
    exponent: float

    def passes(self) -> dict[str, float]:
        """How often the data of each head are read in one pass."""
        every = sum(self.tokens.values())
        raised = {name: own**self.exponent for name, own in self.tokens.items()}
        return {name: every * own / sum(raised.values()) / self.tokens[name] for name, own in raised.items()}

    def lazily(self, rng: np.random.Generator) -> Iterator[tuple[float, Callable[[], AnyBatch]]]:
        """One pass: the next head is drawn by the tokens that are left of each, which keeps all in step."""
        wanted, every = self.passes(), sum(self.tokens.values())
        own = {name: _endless(feed, rng) for name, feed in self.feeds.items()}
        left = {name: passes * self.tokens[name] for name, passes in wanted.items()}
        while left:
            tokens = np.array(list(left.values()))
            name = list(left)[int(rng.choice(len(left), p=tokens / tokens.sum()))]
            done, make = next(own[name])
            left[name] = (wanted[name] - done) * self.tokens[name]
            if wanted[name] - done < NOTHING:
                del left[name]
            yield 1.0 - sum(left.values()) / every, _of_head(name, make)

    def shuffled(self, rng: np.random.Generator, skip: int = 0) -> Iterator[tuple[float, AnyBatch]]:
        """See `Feed`."""
        return made(self.lazily(rng), skip)


def _endless(feed: Feed, rng: np.random.Generator) -> Iterator[tuple[float, Callable[[], AnyBatch]]]:
    """Batches of pass after pass, with the passes that are done after each."""
    whole = 0
    while True:
        for share, make in feed.lazily(rng):
            yield whole + share, make
        whole += 1


def _of_head(name: str, make: Callable[[], AnyBatch]) -> Callable[[], HeadBatch]:
    def batch() -> HeadBatch:
        own = make()
        assert not isinstance(own, HeadBatch), "feeds of feeds are not mixed"
        return HeadBatch(name, own)

    return batch
