"""Raw text to words with character offsets, in the manner of the Penn and UD English treebanks.

Keeps addresses, handles, numbers and abbreviations whole; splits clitics ("do|n't", "Anna|'s") and punctuation.
The pattern is plain enough for both `regex` and the Oniguruma engine of `tokenizers`.
"""

from typing import NamedTuple

import regex

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


class Word(NamedTuple):
    """A word and where it stands: `text[start:end]`, in characters."""

    text: str
    start: int
    end: int


def split_words(text: str) -> list[Word]:
    """The words of a raw text, in order, none empty."""
    return [Word(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]


def word_texts(text: str) -> list[str]:
    """The words of a raw text without their places."""
    found: list[str] = _WORD.findall(text)
    return found


def count_words(text: str) -> int:
    """Words between white space; a line end counts as one, as in the Penn Treebank's perplexities."""
    return len(text.split()) + text.count("\n")


def split_on_spaces(text: str) -> list[Word]:
    """The words of a text that was tokenised already: whatever stands between white space."""
    return [Word(match.group(), match.start(), match.end()) for match in regex.finditer(r"\S+", text)]
