import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmtext.text.batching import lengths_of, pad, padding_share, plan_batches

LENGTHS = st.lists(st.integers(1, 60), max_size=80).map(np.array)


@given(LENGTHS, st.integers(16, 200), st.one_of(st.none(), st.integers(0, 9)))
def test_every_record_is_in_one_batch_and_batches_keep_their_budget(lengths, budget, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    batches = plan_batches(lengths, budget, rng)
    assert sorted(int(index) for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= budget


def test_without_a_generator_batches_go_from_short_to_long_and_are_full():
    lengths = np.array([5, 1, 9, 2, 4, 3])
    assert [batch.tolist() for batch in plan_batches(lengths, 10)] == [[1, 3, 5], [4, 0], [2]]


def test_seeds_repeat_and_differ():
    lengths = np.arange(1, 200)
    plans = [
        [batch.tolist() for batch in plan_batches(lengths, 500, np.random.default_rng(seed))] for seed in (1, 1, 2)
    ]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
    groups = [{frozenset(batch) for batch in plan} for plan in plans]
    assert groups[0] != groups[2]  # not only the order of batches, but what stands in them


def test_buckets_leave_less_padding_than_neighbours():
    lengths = np.random.default_rng(0).integers(1, 100, 1000)
    neighbours = np.split(np.arange(1000), 40)
    assert padding_share(lengths, plan_batches(lengths, 2000)) < 0.05
    many = np.random.default_rng(1).integers(3, 60, 7000)
    assert padding_share(many, plan_batches(many, 1000, np.random.default_rng(2))) < 0.05
    assert padding_share(lengths, neighbours) > 0.3


def test_the_share_of_padding_is_counted_in_token_places():
    assert padding_share(np.array([1, 3, 2]), [np.array([0, 1]), np.array([2])]) == pytest.approx(2 / 8)
    assert padding_share(np.array([4, 4]), [np.array([0, 1])]) == 0.0
    assert padding_share(np.array([], dtype=int), []) == 0.0


def test_rows_are_padded_at_their_ends():
    assert pad([[5, 6], [], [7]]).tolist() == [[5, 6], [0, 0], [7, 0]]
    assert pad([[], []], fill=9).tolist() == [[9], [9]]
    assert pad([]).shape == (0, 1)
    assert lengths_of([[5, 6], [], [7]]).tolist() == [2, 0, 1]


def test_batches_of_a_few_records_end_where_padding_would_be_too_much():
    lengths = np.array([40, 5, 5, 5, 5, 5, 39, 5, 41, 40])
    plans = [plan_batches(lengths, 1600, most_padding=share) for share in (1.0, 0.1)]
    assert [len(plan) for plan in plans] == [1, 2]
    assert padding_share(lengths, plans[1]) < padding_share(lengths, plans[0]) / 3
    assert sorted(np.concatenate(plans[1])) == list(range(len(lengths)))
    assert [len(batch) for batch in plan_batches(np.array([5, 5, 50, 5]), 1600, most_padding=0.1)] == [4], "too few"
    steps = np.array([5] * 100 + [40] * 4 + [80] * 4)
    assert [len(batch) for batch in plan_batches(steps, 1600, most_padding=0.1)] == [100, 4, 4], (
        "each by its own padding"
    )
