"""Raw text to words with character offsets, in the manner of the Penn and UD English treebanks.

Keeps addresses, handles, numbers and abbreviations whole; splits clitics ("do|n't", "Anna|'s") and punctuation.
The pattern is plain enough for both `regex` and the Oniguruma engine of `tokenizers`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, overload

import numpy as np
import regex

from lstmtext.text.arrays import Ints

_SIGN = r"[^\s\p{L}\p{M}\p{N}_]"
_REGION = "[\U0001f1e6-\U0001f1ff]"
_CHANGE = "[\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
"""What changes the look, the colour or the flag of a sign before it."""
WORD_PATTERN = "|".join(
    (
        r"https?://\S+|www\.\S+",
        r"[\w.+-]{1,64}@[\w-]{1,255}(?:\.[\w-]+)+",  # bounded, or runs without an @ would take quadratic time
        r"<\w+>",  # placeholders of prepared corpora, such as <unk>
        r"[@#]\w+",
        r"(?i:mr|mrs|ms|dr|prof|st|jr|sr|vs|e\.g|i\.e|inc|ltd|co)\.",
        r"(?:\p{L}\.){2,}",
        r"\d+(?:[.,:/]\d+)+",
        r"[\p{L}\p{M}\p{N}_]+?(?=n['’]t\b)|n['’]t\b",
        r"['’](?i:s|m|re|ve|ll|d)\b",
        r"[\p{L}\p{M}\p{N}_]+",
        r"\.{2,}|-{2,}|!+|\?+",
        # Two letters of regions are a flag; signs may be joined. It stands last, or plain marks would take longer.
        f"{_SIGN}(?:(?<={_REGION}){_REGION})?(?:{_CHANGE}|\u200d{_SIGN})*",
    )
)
# Most words are letters before a space or a plain mark, which no other alternative could match; they need no trying.
_WORD = regex.compile(rf"\p{{L}}++(?=[\s,;!?)\"]|\Z)|{WORD_PATTERN}")


_ON_SPACES = regex.compile(r"\S+")
CHUNK = 1 << 14
"""Words whose places are made Python's numbers at once."""


class Words(Sequence[str]):
    """The words of a raw text, in order, none empty, and where they stand.

    Only the places are held, `spans_W2` in characters of `text`: of a text of millions of words, neither the words nor
    their places are objects all at once.
    """

    def __init__(self, text: str, pattern: Any) -> None:  # noqa: ANN401  # `regex` has no types
        self.text = text
        matches = pattern.finditer(text)
        chunks = iter(lambda: [match.span() for match in islice(matches, CHUNK)], [])
        self.spans_W2: Ints = np.concatenate([np.zeros((0, 2), dtype=np.int64), *map(np.array, chunks)])

    def __len__(self) -> int:
        return len(self.spans_W2)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self.text[start:end] for start, end in self.spans_W2[place].tolist()]
        start, end = self.spans_W2[place]
        return self.text[start:end]

    def __iter__(self) -> Iterator[str]:
        return (self.text[start:end] for start, end in self.spans())

    def spans(self) -> Iterator[list[int]]:
        """First and end character of each word."""
        for first in range(0, len(self), CHUNK):
            yield from self.spans_W2[first : first + CHUNK].tolist()


def split_words(text: str) -> Words:
    """The words of a raw text."""
    return Words(text, _WORD)


def word_texts(text: str) -> list[str]:
    """The words of a raw text without their places."""
    found: list[str] = _WORD.findall(text)
    return found


def count_words(text: str) -> int:
    """Words between white space; a line end counts as one, as in the Penn Treebank's perplexities."""
    return len(text.split()) + text.count("\n")


def split_on_spaces(text: str) -> Words:
    """The words of a text that was tokenised already: whatever stands between white space."""
    return Words(text, _ON_SPACES)
