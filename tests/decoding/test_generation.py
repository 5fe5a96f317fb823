import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstmtext.config import Sampling, TextSettings
from lstmtext.decoding.generation import generate, generate_text, until_stop
from lstmtext.text.tokenizer import BOUNDARY_ID, Tokenizer

PIECES = st.lists(st.text(alphabet="ab", max_size=4), max_size=10)
STOP = st.text(alphabet="ab", min_size=1, max_size=4)


@given(PIECES, STOP)
def test_text_ends_where_str_find_finds_the_stop(pieces: list[str], stop: str):
    text = "".join(pieces)
    place = text.find(stop)
    assert "".join(until_stop(pieces, [stop])) == (text if place < 0 else text[:place])


@given(PIECES, st.lists(STOP, max_size=3))
def test_how_text_is_cut_into_pieces_changes_nothing(pieces: list[str], stops: list[str]):
    text = "".join(pieces)
    assert "".join(until_stop(pieces, stops)) == "".join(until_stop([text], stops)) == "".join(until_stop(text, stops))


@given(PIECES, st.lists(STOP, max_size=3))
def test_text_ends_before_the_stop_that_is_complete_first(pieces: list[str], stops: list[str]):
    text = "".join(pieces)
    ends = [(text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text]
    assert "".join(until_stop(pieces, stops)) == (text[: min(ends)[1]] if ends else text)


def test_nothing_is_held_back_that_cannot_begin_a_stop():
    given_pieces = iter(["x", "y\n", "\n", "never"])
    made = until_stop(given_pieces, ["\n\n"])
    assert next(made) == "x"
    assert next(made) == "y"
    assert "".join(made) == ""
    assert list(given_pieces) == ["never"]  # what comes after a stop is not asked for


def test_an_empty_stop_stops_nothing():
    assert "".join(until_stop(["a", "b"], [""])) == "ab"
    assert list(until_stop(["a", "b"], [])) == ["a", "b"]


class Counting:
    """A model that says: after token t comes t + 1; the state is the list of tokens read."""

    def __init__(self, size: int, last: int | None = None) -> None:
        self.size, self.last = size, last

    def start(self, ids):
        return list(ids), self._scores(ids[-1])

    def step(self, state, token):
        return [*state, token], self._scores(token)

    def _scores(self, token: int) -> np.ndarray:
        return np.eye(self.size)[BOUNDARY_ID if token == self.last else (token + 1) % self.size]


def tokens(model: Counting, prompt: list[int], most: int) -> list[int]:
    return list(generate(model, prompt, Sampling(max_tokens=most, temperature=0), np.random.default_rng(0)))


def test_tokens_follow_the_prompt_up_to_the_most():
    assert tokens(Counting(20), [4], 3) == [5, 6, 7]
    assert tokens(Counting(20), [], 2) == [2, 3]  # after the boundary
    assert tokens(Counting(20), [4], 0) == []


def test_a_boundary_ends_the_sample_and_is_left_out():
    assert tokens(Counting(20, last=6), [4], 10) == [5, 6]


def test_tokens_come_one_by_one_without_reading_ahead():
    rng = np.random.default_rng(0)
    endless = generate(Counting(20), [4], Sampling(max_tokens=1_000_000_000, temperature=0), rng)
    assert list(itertools.islice(endless, 3)) == [5, 6, 7]


@pytest.mark.parametrize("unit", ["bpe", "char"])
def test_generated_text_ends_before_a_stop(unit: str):
    tokenizer = Tokenizer.train(["abcdefghij" * 3], TextSettings(unit=unit, vocabulary_size=300))
    model = Counting(tokenizer.size)
    rng = np.random.default_rng(0)
    free = "".join(generate_text(model, tokenizer, "a", Sampling(max_tokens=6, temperature=0), rng))
    assert len(free) >= 4
    stopped = Sampling(max_tokens=6, temperature=0, stop=(free[2:4],))
    assert "".join(generate_text(model, tokenizer, "a", stopped, rng)) == free[: free.find(free[2:4])]
