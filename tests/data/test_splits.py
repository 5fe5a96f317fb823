from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmtext.data.splits import stratified_split


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=60), st.floats(0.001, 1.0), st.integers(0, 5))
def test_every_record_is_kept_or_held_out_and_every_label_is_kept(labels, share, seed):
    kept, held = stratified_split(labels, share, seed)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    assert len(held) >= 1
    assert len(kept) >= 1
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()
    if len(set(labels)) < len(labels):
        assert {labels[index] for index in kept} == set(labels)


def test_each_label_gives_its_share():
    labels = ["a"] * 100 + ["b"] * 40 + ["c"] * 10 + ["d"]
    _, held = stratified_split(labels, 0.2, seed=1)
    assert Counter(labels[index] for index in held) == {"a": 20, "b": 8, "c": 2}


@pytest.mark.parametrize(
    ("sizes", "held_of_first", "held_labels"),
    [([5] * 77, None, 38), ([1000, *[5] * 200], 100, 101), ([4] * 50, None, 20), ([7, 7, 7], None, 2)],
)
def test_small_labels_together_give_their_share(sizes: list[int], held_of_first: int | None, held_labels: int):
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    held = Counter(labels[index] for index in stratified_split(labels, 0.1, seed=1)[1])
    assert held.total() == round(len(labels) * 0.1)
    assert len(held) == held_labels
    assert held_of_first is None or held[0] == held_of_first


def test_the_seed_decides_which_records_are_held_out():
    labels = ["a", "b"] * 100
    splits = [stratified_split(labels, 0.2, seed)[1].tolist() for seed in (1, 1, 2)]
    assert splits[0] == splits[1]
    assert splits[0] != splits[2]


@pytest.mark.parametrize(("labels", "held"), [(["a"], []), ([], []), (["a", "b"], [1]), (["a", "a", "b"], [0])])
def test_few_records_still_leave_something_on_both_sides(labels: list[str], held: list[int]):
    assert stratified_split(labels, 0.1, seed=1)[1].tolist() == held
