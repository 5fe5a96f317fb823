import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmtext.config import TextSettings
from lstmtext.text import lexical, tokenizer
from lstmtext.text.lexical import text_ngrams
from lstmtext.text.pieces import in_pieces, windows_of
from lstmtext.text.tokenizer import Tokenizer

TEXTS = st.text(alphabet=st.sampled_from("abé.,'’n t  \n\t\u00a0日"), max_size=80)


@given(TEXTS, st.integers(1, 20))
def test_pieces_are_not_longer_than_asked_and_join_to_the_text(text: str, longest: int):
    found = list(in_pieces(text, longest))
    assert "".join(found) == text
    assert all(0 < len(piece) <= longest for piece in found) or text == ""


def test_a_text_is_cut_between_words_where_it_can_be():
    assert list(in_pieces("one two three", 9)) == ["one two", " three"]
    assert list(in_pieces("abcdefgh", 3)) == ["abc", "def", "gh"]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["ab", "don't", "x.y", "é", "U.S.", "a@b.c"]), max_size=12),
    st.sampled_from([" ", "  ", "\t"]),
    st.integers(1, 4),
)
def test_ngrams_and_tokens_are_those_of_the_whole_text(words: list[str], gap: str, longest: int):
    text = gap.join(words)
    bpe = Tokenizer.train(["ab don't x.y é U.S. a@b.c "] * 3, TextSettings(vocabulary_size=300))
    whole, ids = text_ngrams(text, longest, 3), bpe.encode(text)
    short = lambda content: in_pieces(content, 12)  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical, "in_pieces", short)
        patch.setattr(tokenizer, "in_pieces", short)
        patch.setattr(tokenizer, "LONGEST_PIECE", 12)
        assert np.array_equal(text_ngrams(text, longest, 3), whole)
        assert bpe.encode(text) == ids
        assert bpe.encode_batch([text, "ab"]) == [ids, bpe.encode("ab")]


@given(st.integers(0, 60), st.integers(5, 20), st.integers(0, 2))
def test_windows_keep_every_place_once_with_its_margin(length: int, size: int, margin: int):
    places = np.arange(length)
    windows = windows_of(length, size, margin)
    assert np.concatenate([places[window.read][window.kept] for window in windows]).tolist() == places.tolist()
    for window in windows:
        read, kept = places[window.read], places[window.read][window.kept]
        assert len(read) <= size
        if length > size:
            assert read[0] == max(0, kept[0] - margin)
            assert read[-1] == min(length - 1, kept[-1] + margin)
