"""Batches of several heads: in proportion, in random order, and the same after a part was skipped."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from lstmtext.train.mixing import JointFeed


@dataclass
class Numbered:
    """A feed whose batches are numbers in random order, and which knows what was made of them."""

    name: str
    count: int
    made: list

    def lazily(self, rng):
        for done, place in enumerate(rng.permutation(self.count), start=1):
            yield done / self.count, lambda place=place: self.made.append((self.name, int(place))) or int(place)


def joint(exponent: float, **counts: int) -> tuple[JointFeed, list]:
    """Heads with so many batches of 10 tokens."""
    made = []
    feeds = {name: Numbered(name, count, made) for name, count in counts.items()}
    return JointFeed(feeds, {name: 10 * count for name, count in counts.items()}, exponent), made


def items(feed: JointFeed, seed: int = 0, skip: int = 0) -> list[tuple[float, str, int]]:
    return [(share, own.head, own.batch) for share, own in feed.shuffled(np.random.default_rng(seed), skip)]


def test_in_proportion_a_pass_has_every_batch_once():
    feed, _ = joint(1.0, a=60, b=30, c=1)
    given = items(feed)
    assert Counter((head, batch) for _, head, batch in given) == Counter(
        [("a", place) for place in range(60)] + [("b", place) for place in range(30)] + [("c", 0)]
    )
    shares = [share for share, *_ in given]
    np.testing.assert_allclose(shares, np.arange(1, 92) / 91)


def test_heads_take_turns_by_chance_all_through_a_pass():
    feed, _ = joint(1.0, a=200, b=100)
    heads = [head for _, head, _ in items(feed)]
    for part in (heads[:150], heads[150:]):
        assert 80 < part.count("a") < 120
    assert 80 < sum(one != other for one, other in pairwise(heads)) < 190
    assert heads != [head for _, head, _ in items(feed, seed=1)]


@pytest.mark.parametrize("exponent", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("skip", [1, 17, 44])
def test_what_is_skipped_is_not_made_and_changes_nothing(exponent, skip):
    feed, made = joint(exponent, a=30, b=15)
    whole = items(feed)
    made.clear()
    assert items(feed, skip=skip) == whole[skip:]
    assert len(made) == len(whole) - skip


def test_a_pass_leaves_the_generator_where_it_leaves_it_without_a_part():
    feed, _ = joint(0.5, a=30, b=15)
    states = []
    for skip in (0, 20):
        rng = np.random.default_rng(3)
        list(feed.shuffled(rng, skip))
        states.append(rng.bit_generator.state)
    assert states[0] == states[1]


@pytest.mark.parametrize("exponent", [1.0, 0.7, 0.37, 0.0])
def test_a_pass_ends_at_one_exactly_or_training_would_begin_another(exponent):
    for counts in ((1, 1, 1), (7, 13, 29), (3, 1, 200)):
        feed, _ = joint(exponent, **dict(zip("abc", counts, strict=True)))
        shares = [share for share, *_ in items(feed)]
        assert shares[-1] == 1.0
        assert all(0 < one < other for one, other in pairwise(shares))


@pytest.mark.parametrize(("exponent", "wanted"), [(1.0, (90, 10)), (0.5, (75, 25)), (0.0, (50, 50))])
def test_a_smaller_exponent_gives_small_data_more_of_the_same_number_of_tokens(exponent, wanted):
    feed, _ = joint(exponent, a=90, b=10)
    given = items(feed)
    counts = Counter(head for _, head, _ in given)
    assert (counts["a"], counts["b"]) == wanted
    assert given[-1][0] == 1.0
    assert feed.passes()["b"] == pytest.approx(wanted[1] / 10)
    seen = Counter(batch for _, head, batch in given if head == "b")
    assert set(seen) == set(range(10))  # pass after pass, each whole
    assert max(seen.values()) - min(seen.values()) <= 1
    assert max(Counter(batch for _, head, batch in given if head == "a").values()) == 1
