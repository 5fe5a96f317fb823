"""Encoded columns are read where they lie."""

import numpy as np
import pyarrow
import pytest

from lstmtext.data.ragged import Joined, column_digest


def test_joined_parts_are_read_like_one_array():
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 99, size).astype(np.int32) for size in (3, 0, 7, 1)]
    whole, joined = np.concatenate(parts), Joined(parts)
    assert len(joined) == len(whole)
    assert [int(joined[place]) for place in range(11)] == whole.tolist()
    assert np.array_equal(joined[2:9], whole[2:9])
    places = rng.integers(0, 11, (4, 5))
    assert np.array_equal(joined[places], whole[places])


ROWS = [[["a", "bc"], []], [["déf"]], [], [["", "g", "h"], ["i"]]]


@pytest.mark.parametrize("flat", [False, True])
def test_a_digest_is_of_the_values_however_they_are_parted(flat):
    rows = [[len(words) for words in row] for row in ROWS] if flat else ROWS
    whole = column_digest(pyarrow.chunked_array([pyarrow.array(rows)]))
    kind = pyarrow.array(rows).type
    parted = pyarrow.chunked_array([pyarrow.array(rows[:1], kind), pyarrow.array(rows, kind).slice(1, 3)])
    assert column_digest(parted) == whole
    assert column_digest(pyarrow.chunked_array([pyarrow.array(rows[::-1])])) != whole


def test_a_digest_tells_where_lists_and_words_end():
    columns = [[["ab", "c"], ["d"]], [["a", "bc"], ["d"]], [["ab"], ["c", "d"]], [["ab", "c", "d"], []]]
    assert len({column_digest(pyarrow.chunked_array([pyarrow.array(rows)])) for rows in columns}) == 4
