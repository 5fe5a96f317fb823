import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from lstmtext.text.words import CHUNK, WORD_PATTERN, split_on_spaces, split_words, word_texts

AWKWARD = st.text(alphabet=st.sampled_from("ab1.@#'’-!?<>_ \n\t\u00a0é日🙂\u0301n't/:"), max_size=40)


@given(st.one_of(st.text(max_size=40), AWKWARD))
def test_offsets_point_at_the_words_and_leave_only_white_space_between_them(text: str):
    words, before = split_words(text), 0
    for place, (word, (start, end)) in enumerate(zip(words, words.spans(), strict=True)):
        assert word
        assert word == words[place] == words[place : place + 1][0] == text[start:end]
        assert not text[before:start].strip()
        before = end
    assert not text[before:].strip()


@given(st.one_of(st.text(max_size=40), AWKWARD))
def test_the_short_way_to_plain_words_gives_those_of_the_pattern(text: str):
    assert word_texts(text) == list(split_words(text)) == regex.findall(WORD_PATTERN, text)


@given(AWKWARD)
def test_words_on_spaces_are_what_str_split_gives_in_plain_text(text: str):
    words = split_on_spaces(text)
    assert list(words) == text.split()
    assert [text[start:end] for start, end in words.spans()] == list(words)


def test_more_words_than_are_read_at_once():
    text = "ab c " * CHUNK
    words = split_words(text)
    assert len(words) == 2 * CHUNK
    assert list(words) == ["ab", "c"] * CHUNK == words[:]
    assert list(words.spans())[-1] == [len(text) - 2, len(text) - 1]
    assert words[-1] == "c"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n ", []),
        ("I don't know.", ["I", "do", "n't", "know", "."]),
        ("Anna's dog", ["Anna", "'s", "dog"]),
        ("write to a.b@c.org, see https://x.y/z?q=1", ["write", "to", "a.b@c.org", ",", "see", "https://x.y/z?q=1"]),
        ("Dr. No in the U.S. paid 3.50 at 10:30", ["Dr.", "No", "in", "the", "U.S.", "paid", "3.50", "at", "10:30"]),
        ("@you #tag <unk> ... wow!!!", ["@you", "#tag", "<unk>", "...", "wow", "!!!"]),
        ("(well-known)", ["(", "well", "-", "known", ")"]),
        ("cafe\u0301 日本", ["cafe\u0301", "日本"]),
    ],
)
def test_text_is_cut_as_the_treebanks_cut_it(text: str, words: list[str]):
    assert list(split_words(text)) == words


@pytest.mark.parametrize(
    "sign",
    [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f44d\U0001f3fd",
        "\U0001f1f3\U0001f1f4",
        "\u2764\ufe0f",
        "\u2b50\ufe0f",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    ],
)
def test_a_sign_of_several_characters_is_one_word(sign):
    assert word_texts(f"so{sign}{sign} !") == ["so", sign, sign, "!"]
