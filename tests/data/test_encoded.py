"""Encoded columns are read where they lie."""

import numpy as np

from lstmtext.data.encoded import Joined


def test_joined_parts_are_read_like_one_array():
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 99, size).astype(np.int32) for size in (3, 0, 7, 1)]
    whole, joined = np.concatenate(parts), Joined(parts)
    assert len(joined) == len(whole)
    assert [int(joined[place]) for place in range(11)] == whole.tolist()
    assert np.array_equal(joined[2:9], whole[2:9])
    places = rng.integers(0, 11, (4, 5))
    assert np.array_equal(joined[places], whole[places])
